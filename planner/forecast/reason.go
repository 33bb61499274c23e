package forecast

import (
	"math"
	"time"
)

// Why a method was chosen.
const (
	ReasonWeighed    Reason = "weighed"      // models weighed by their errors over rolling origins
	ReasonFewOrigins Reason = "few_origins"  // too short to weigh: the median of the models
	ReasonShort      Reason = "short"        // too short for any model but the last value
	ReasonConstant   Reason = "constant"     // it never changed
	ReasonLike       Reason = "like_volumes" // less than eight weeks: drawn towards the growth of like volumes
)

// Why there is no date; or Full, or Runaway, which have dates.
const (
	ReasonFull          Reason = "full"
	ReasonRunaway       Reason = "runaway"
	ReasonNoCapacity    Reason = "no_capacity"
	ReasonStale         Reason = "stale"
	ReasonNewVolume     Reason = "new_volume"
	ReasonGap           Reason = "gap"
	ReasonIdle          Reason = "idle"
	ReasonSawtooth      Reason = "sawtooth"
	ReasonShrinking     Reason = "shrinking"
	ReasonBeyondHorizon Reason = "beyond_horizon"
)

const (
	staleAfter  = 3 * day
	leastPast   = 7 * day
	leastPoints = 7
	recent      = 28 * day
	// idleShare of what is free, at most, an idle volume moves in four weeks: at that rate it would fill in 770 years.
	idleShare      = 1e-4
	sawtoothWindow = 120 * day
	sawtoothPoints = 20
)

// window is the last part of the grid: so long, and at least so many points.
func (g grid) window(length time.Duration, points int) grid {
	return g.newest(max(points, int(length/g.step)))
}

// withhold says why a date would be a guess; empty when it would not. It does not know of paths.
func withhold(g grid, origin Observation, quiet int, now time.Time, back fallsBack, o outlook) Reason {
	observed := 0
	for _, v := range g.observed {
		if !math.IsNaN(v) {
			observed++
		}
	}
	switch {
	case !now.IsZero() && now.Sub(origin.Time) > staleAfter:
		return ReasonStale
	case mostlyMissing(g, origin.Time):
		return ReasonGap
	case origin.Time.Sub(g.last) < staleAfter && span(g) < leastPast-g.step || observed < leastPoints:
		return ReasonNewVolume
	case quiet > 0:
		return ReasonIdle
	case back.falls && back.lopsided:
		return ReasonSawtooth
	case o.shrinks(origin.Used):
		return ReasonShrinking
	}
	return ""
}

// shrinks says that the course loses a hundredth within 90 days, and more than its drift may be wrong by.
func (o outlook) shrinks(used float64) bool {
	loss := -o.growthPerDay()
	return loss*float64(leastPath/day) > .01*used && loss*float64(o.past.unit)/float64(day) > o.past.driftError()
}

func span(g grid) time.Duration { return time.Duration(len(g.observed)-1) * g.step }

// mostlyMissing says whether less than half of the last four weeks before the origin was observed, or of the whole past where
// that is shorter.
func mostlyMissing(g grid, origin time.Time) bool {
	silent := int(max(0, origin.Sub(g.last)-g.step) / g.step) // a day is stamped at its start, so one more step is usual
	points := max(4, int(recent/g.step))
	if silent >= points {
		return true
	}
	tail := g.observed[max(0, len(g.observed)-(points-silent)):]
	missing := silent
	for _, v := range tail {
		if math.IsNaN(v) {
			missing++
		}
	}
	return 2*missing > len(tail)+silent
}

// quietSteps is for how many steps use has kept within a ten-thousandth of what is free until now; 0 when for less than four
// weeks.
func quietSteps(g grid, used, free float64) int {
	low, high, n := used, used, 0
	for i := len(g.filled) - 1; i >= 0; i-- {
		low, high = min(low, g.filled[i]), max(high, g.filled[i])
		if high-low > idleShare*free {
			break
		}
		n++
	}
	if n < min(len(g.filled), max(4, int(recent/g.step))) {
		return 0
	}
	return n
}

// longestPause is for how many of the first n steps use kept within a span at most. Who sleeps longer than ever is asleep; who adds something
// each month may only be between two of them.
func (g grid) longestPause(n int, span float64) int {
	longest, since := 0, 0
	low, high := math.Inf(1), math.Inf(-1)
	for i, v := range g.filled[:n] {
		low, high = min(low, v), max(high, v)
		if high-low > span {
			since, low, high = i, v, v
		}
		longest = max(longest, i-since+1)
	}
	return longest
}

// fallsBack is what falling found.
type fallsBack struct {
	falls    bool    // use keeps falling back to where it was
	lopsided bool    // and rises in many small changes while it falls in few, or the other way round
	rise     float64 // of the peaks, by step
}

// falling says whether use keeps falling back: at least three falls, each of at least a third of the window's range, while
// neither the peaks nor the floors of the halves have moved by a fifth of that range.
func falling(y []float64) fallsBack {
	low, high := minMax(y)
	span := high - low
	half := len(y) / 2
	if span <= 0 || half == 0 {
		return fallsBack{}
	}
	falls, ups, downs, peak := 0, 0, 0, y[0]
	for i := 1; i < len(y); i++ {
		switch change := y[i] - y[i-1]; {
		case change > 0:
			ups++
			peak = max(peak, y[i])
		case change < 0:
			downs++
			if peak-y[i] >= span/3 {
				falls++
				peak = y[i]
			}
		}
	}
	lowBefore, highBefore := minMax(y[:half])
	lowAfter, highAfter := minMax(y[half:])
	still := math.Abs(lowAfter-lowBefore) <= span/5 && math.Abs(highAfter-highBefore) <= span/5
	return fallsBack{
		falls:    falls >= 3 && still,
		lopsided: 2*max(ups, downs) >= 3*min(ups, downs),
		rise:     (highAfter - highBefore) / float64(half),
	}
}

func minMax(y []float64) (low, high float64) {
	low, high = math.Inf(1), math.Inf(-1)
	for _, v := range y {
		low, high = min(low, v), max(high, v)
	}
	return low, high
}
