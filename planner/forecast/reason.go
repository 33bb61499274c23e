package forecast

import (
	"math"
	"time"
)

// Why a method was chosen.
const (
	ReasonWeighed    Reason = "weighed"     // models weighed by their errors over rolling origins
	ReasonFewOrigins Reason = "few_origins" // too short to weigh: the median of the models
	ReasonShort      Reason = "short"       // too short for any model but the last value
	ReasonConstant   Reason = "constant"    // it never changed
)

// Why there is no date, or Full.
const (
	ReasonFull          Reason = "full"
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
)

// withhold says why a date would be a guess; empty when it would not. It does not know of paths.
func withhold(g grid, origin time.Time, now time.Time, growth float64) Reason {
	observed := 0
	for _, v := range g.observed {
		if !math.IsNaN(v) {
			observed++
		}
	}
	span := time.Duration(len(g.observed)-1) * g.step
	tail := g.observed[max(0, len(g.observed)-max(4, int(recent/g.step))):]
	switch {
	case !now.IsZero() && now.Sub(origin) > staleAfter:
		return ReasonStale
	case span < leastPast-g.step || observed < leastPoints:
		return ReasonNewVolume
	case mostlyMissing(tail):
		return ReasonGap
	case constant(tail):
		return ReasonIdle
	case sawtooth(g.filled[max(0, len(g.filled)-max(20, int(90*day/g.step))):]):
		return ReasonSawtooth
	case growth < 0:
		return ReasonShrinking
	}
	return ""
}

func mostlyMissing(v []float64) bool {
	missing := 0
	for _, x := range v {
		if math.IsNaN(x) {
			missing++
		}
	}
	return 2*missing > len(v)
}

func constant(v []float64) bool {
	first := math.NaN()
	for _, x := range v {
		if math.IsNaN(first) {
			first = x
		}
		if !math.IsNaN(x) && x != first {
			return false
		}
	}
	return true
}

// sawtooth says whether use keeps falling back: at least three falls, each of at least a third of the window's range, that
// take back nearly all that rose, while neither the peaks nor the floors of the halves have moved by a fifth of that range.
func sawtooth(y []float64) bool {
	low, high := minMax(y)
	span := high - low
	if span <= 0 {
		return false
	}
	falls, rose, fell, peak := 0, 0., 0., y[0]
	for i := 1; i < len(y); i++ {
		change := y[i] - y[i-1]
		if change > 0 {
			rose += change
			peak = y[i]
		} else {
			fell -= change
			if peak-y[i] >= span/3 {
				falls++
				peak = y[i]
			}
		}
	}
	half := len(y) / 2
	lowBefore, highBefore := minMax(y[:half])
	lowAfter, highAfter := minMax(y[half:])
	still := math.Abs(lowAfter-lowBefore) <= span/5 && math.Abs(highAfter-highBefore) <= span/5
	return falls >= 3 && fell >= .8*rose && still
}

func minMax(y []float64) (low, high float64) {
	low, high = math.Inf(1), math.Inf(-1)
	for _, v := range y {
		low, high = min(low, v), max(high, v)
	}
	return low, high
}
