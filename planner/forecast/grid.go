package forecast

import (
	"math"
	"slices"
	"time"
)

const day = 24 * time.Hour

// longestGrid bounds the points that models are fitted to, and with them time and memory: the newest count.
const longestGrid = 4000

// grid is a series on a regular grid, oldest first; the last point is observed.
type grid struct {
	last     time.Time // of the last point
	step     time.Duration
	observed []float64 // NaN where nothing was observed
	filled   []float64 // gaps carry the last value, for models that need every point; errors are never taken there
}

// commonSteps are what a median is snapped to: clocks drift, intervals are round.
var commonSteps = []time.Duration{
	time.Minute, 5 * time.Minute, 10 * time.Minute, 15 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour, 6 * time.Hour,
	12 * time.Hour, day, 7 * day,
}

func stepOf(in Input, observed []Observation) time.Duration {
	if in.Step > 0 {
		return in.Step
	}
	if len(observed) < 2 {
		if in.LonePointStep > 0 {
			return in.LonePointStep
		}
		return day
	}
	steps := make([]time.Duration, len(observed)-1)
	for i := range steps {
		steps[i] = observed[i+1].Time.Sub(observed[i].Time)
	}
	slices.Sort(steps)
	median := steps[len(steps)/2]
	for _, common := range commonSteps {
		if diff := (median - common).Abs(); diff <= common/20 {
			return common
		}
	}
	return max(median, time.Second)
}

// newGrid lays observations on a grid that ends at the newest of them. Where several fall on one point the newest counts.
func newGrid(in Input, observed []Observation) grid {
	step := stepOf(in, observed)
	last := observed[len(observed)-1].Time
	n := 1
	if span := last.Sub(observed[0].Time); span > 0 {
		n = int(min(span/step+1, longestGrid))
		if rest := span % step; rest > step/2 && n < longestGrid {
			n++
		}
	}
	g := grid{last: last, step: step, observed: make([]float64, n), filled: make([]float64, n)}
	for i := range g.observed {
		g.observed[i] = math.NaN()
	}
	for _, o := range observed {
		back := int((last.Sub(o.Time) + step/2) / step)
		if back < n {
			g.observed[n-1-back] = o.Used
		}
	}
	// The grid may begin between two observations; it begins with what was known then.
	carried := math.NaN()
	for i, v := range g.observed {
		if !math.IsNaN(v) {
			carried = v
		}
		g.filled[i] = carried
	}
	first := slices.IndexFunc(g.filled, func(v float64) bool { return !math.IsNaN(v) })
	g.observed, g.filled = g.observed[first:], g.filled[first:]
	return g
}

// seasons are the periods, in steps, that a series of this step may have.
func (g grid) seasons() []int {
	var periods []int
	add := func(d time.Duration) {
		if d%g.step == 0 && d/g.step > 1 {
			periods = append(periods, int(d/g.step))
		}
	}
	switch {
	case g.step < day:
		add(day)
		add(7 * day)
	case g.step == day:
		add(7 * day)
	case g.step == 7*day:
		periods = append(periods, 52)
	}
	var found []int
	for _, p := range periods {
		if seasonal(g.filled, p) {
			found = append(found, p)
		}
	}
	return found
}

// seasonal tests the autocorrelation of the differences at the period against what noise would show (1.645 standard
// errors, Bartlett's formula), as the M4 benchmarks do for their seasonal models.
func seasonal(y []float64, period int) bool {
	if len(y) < 3*period {
		return false
	}
	d := make([]float64, len(y)-1)
	mean := 0.
	for i := range d {
		d[i] = y[i+1] - y[i]
		mean += d[i] / float64(len(d))
	}
	variance := 0.
	for _, v := range d {
		variance += (v - mean) * (v - mean)
	}
	if variance == 0 {
		return false
	}
	autocorrelation := func(lag int) float64 {
		sum := 0.
		for i := lag; i < len(d); i++ {
			sum += (d[i] - mean) * (d[i-lag] - mean)
		}
		return sum / variance
	}
	squares := 0.
	for lag := 1; lag < period; lag++ {
		r := autocorrelation(lag)
		squares += r * r
	}
	return autocorrelation(period) > 1.645*math.Sqrt((1+2*squares)/float64(len(d)))
}
