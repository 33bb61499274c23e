package selection

import "fmt"

// Marks are the watermarks of a policy, as shares of the usable space; 0: none.
type Marks struct {
	Above      float64 // start when the use is at least this
	FullWithin float64 // start when the volume is full within so many days, more likely than not
	Below      float64 // stop when the use is below this
}

// Level is how full a volume is.
type Level struct {
	Used   float64  // share of the usable space
	FullIn *float64 // days until it is full (p50); nil: no date
	// Unfinished says that the last run started at a mark and ended, by a limit or its window, before it came below stop: then the next one
	// goes on, though the use may be below the start by now.
	Unfinished bool
}

// Trigger says whether a policy has something to do, and why.
func Trigger(level Level, marks Marks) (bool, string) {
	used := fmt.Sprintf("use is %.1f%%", 100*level.Used)
	if marks.Below > 0 && level.Used < marks.Below {
		return false, fmt.Sprintf("%s, below stop (%g%%)", used, 100*marks.Below)
	}
	if marks.Above <= 0 && marks.FullWithin <= 0 {
		return true, used + ", and the policy has no start mark: it always runs"
	}
	if marks.Above > 0 && level.Used >= marks.Above {
		return true, fmt.Sprintf("%s, start is above %g%%", used, 100*marks.Above)
	}
	if marks.FullWithin > 0 && level.FullIn != nil && *level.FullIn <= marks.FullWithin {
		return true, fmt.Sprintf("%s, full in %.0f days, start is within %g", used, max(*level.FullIn, 0), marks.FullWithin)
	}
	if level.Unfinished && marks.Below > 0 {
		return true, fmt.Sprintf("%s, and the last run ended before it came below stop (%g%%)", used, 100*marks.Below)
	}
	return false, used + notYet(level, marks)
}

func notYet(level Level, marks Marks) string {
	why := ""
	if marks.Above > 0 {
		why += fmt.Sprintf(", start is above %g%%", 100*marks.Above)
	}
	if marks.FullWithin <= 0 {
		return why
	}
	if level.FullIn == nil {
		return why + ", and there is no date at which the volume is full"
	}
	return why + fmt.Sprintf(", full in %.0f days, start is within %g", *level.FullIn, marks.FullWithin)
}
