package scan

import (
	"fmt"
	"time"
)

// Atimes is how a mount keeps atimes.
type Atimes int

const (
	StrictAtime Atimes = iota // every reading counts
	RelAtime                  // one reading a day counts, and the first after a change
	NoAtime                   // none
)

// Trust says whether idle goes by atime.
type Trust struct {
	Atime  bool
	Within time.Duration // how much older than the last reading an atime may be
	Reason string        // a sentence
}

const (
	fewest = 100  // files, to conclude anything from their times
	most   = 0.95 // of the atimes within an hour: something read everything
)

// AtimeTrust decides whether idle goes by atime: not where the mount keeps none, and not after something, such as a backup, has
// read everything within one hour.
func AtimeTrust(mount Atimes, atimes, mtimes *Spread) Trust {
	if mount == NoAtime {
		return Trust{Reason: "the mount keeps no atimes (noatime), so files are idle since their mtime"}
	}
	share, from := atimes.densest()
	written, _ := mtimes.densest()
	if atimes.files >= fewest && share >= most && written < most {
		return Trust{Reason: fmt.Sprintf("%.0f%% of the atimes lie within the hour from %s: something, such as a backup, has read everything, "+
			"so files are idle since their mtime", 100*share, from.Format("2006-01-02 15:04 UTC"))}
	}
	if mount == RelAtime {
		return Trust{Atime: true, Within: 24 * time.Hour, Reason: "files are idle since their atime, which is right to within a day (relatime)"}
	}
	return Trust{Atime: true, Reason: "files are idle since their atime"}
}

// Spread counts times in steps of ten minutes, so that it can be said how many lie within an hour. The years 1970 to 2149 are told apart.
type Spread struct {
	files int64
	days  []*[stepsADay]uint32
}

const (
	step      = 600 // seconds
	stepsADay = int(86400 / step)
	hour      = 3600/step + 1 // steps: an hour may begin within the first and end within the last
)

func (s *Spread) count(sec int64) {
	if s.days == nil {
		s.days = make([]*[stepsADay]uint32, 1<<16)
	}
	s.files++
	day := min(max(sec, 0)/86400, int64(len(s.days)-1))
	if s.days[day] == nil {
		s.days[day] = new([stepsADay]uint32)
	}
	s.days[day][max(sec, 0)%86400/step]++
}

func (s *Spread) add(o *Spread) {
	s.files += o.files
	if s.days == nil {
		s.days = o.days
		return
	}
	for i, from := range o.days {
		if s.days[i] == nil {
			s.days[i] = from
		} else if from != nil {
			for j, n := range from {
				s.days[i][j] += n
			}
		}
	}
}

// densest is the greatest share that lies within an hour, or little more, and when that begins.
func (s *Spread) densest() (share float64, from time.Time) {
	var window, best int64
	var last [hour]int64
	start := 0
	for i, steps := range s.days {
		if steps == nil {
			window, last = 0, [hour]int64{}
			// The hour may begin on the day before, which was nothing: nothing is lost.
			continue
		}
		for j, n := range steps {
			at := i*stepsADay + j
			window += int64(n) - last[at%hour]
			last[at%hour] = int64(n)
			if window > best {
				best, start = window, at-hour+1
			}
		}
	}
	if s.files == 0 {
		return 0, time.Time{}
	}
	return float64(best) / float64(s.files), time.Unix(int64(max(start, 0))*step, 0).UTC()
}
