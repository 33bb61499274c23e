package forecast

import (
	"math"
	"slices"
	"time"
)

const day = 24 * time.Hour

const (
	longestGrid = 1 << 20 // points: two years of minutes; the newest count
	longestFit  = 4000    // points that models are fitted to, which bounds their time
)

// grid is a series on a regular grid, oldest first; the first and the last point are observed.
type grid struct {
	last     time.Time // of the last point
	step     time.Duration
	observed []float64 // NaN where nothing was observed
	filled   []float64 // gaps are straight lines, for models that need every point; errors are never taken there
}

// until is what models see who stand at the end of the first n points: a gap that is not over carries the last value, since
// a line would show where it leads.
func (g grid) until(n int) []float64 {
	if !math.IsNaN(g.observed[n-1]) {
		return g.filled[:n:n]
	}
	y := slices.Clone(g.filled[:n])
	known := n - 1
	for math.IsNaN(g.observed[known]) { // the first point is observed
		known--
	}
	for i := known + 1; i < n; i++ {
		y[i] = y[known]
	}
	return y
}

// from leaves out the first i points and those missing after them.
func (g grid) from(i int) grid {
	for math.IsNaN(g.observed[i]) {
		i++
	}
	g.observed, g.filled = g.observed[i:], g.filled[i:]
	return g
}

// newest keeps the last n points at most.
func (g grid) newest(n int) grid { return g.from(max(0, len(g.observed)-n)) }

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
	median := steps[(len(steps)-1)/2] // of two the shorter: gaps only lengthen
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
	back := func(o Observation) int { // in floating point: a difference of times ends at 292 years, half a step on top overflows
		return int(min(longestGrid, math.Round(float64(last.Sub(o.Time))/float64(step))))
	}
	n := min(back(observed[0])+1, longestGrid)
	g := grid{last: last, step: step, observed: make([]float64, n), filled: make([]float64, n)}
	for i := range g.observed {
		g.observed[i] = math.NaN()
	}
	for _, o := range observed {
		if b := back(o); b < n {
			g.observed[n-1-b] = o.Used
		}
	}
	copy(g.filled, g.observed)
	known := -1
	for i, v := range g.observed {
		if math.IsNaN(v) {
			continue
		}
		for j := known + 1; j < i && known >= 0; j++ {
			share := float64(j-known) / float64(i-known)
			g.filled[j] = g.observed[known]*(1-share) + v*share
		}
		known = i
	}
	return g.from(0)
}

// thinned keeps each so many-th point, the last among them.
func (g grid) thinned(steps int) grid {
	first := (len(g.observed) - 1) % steps
	t := grid{last: g.last, step: time.Duration(steps) * g.step}
	for i := first; i < len(g.observed); i += steps {
		t.observed, t.filled = append(t.observed, g.observed[i]), append(t.filled, g.filled[i])
	}
	return t.from(0)
}

// afterLoad leaves out what was before a bulk load, which is no growth.
func (g grid) afterLoad() grid { return g.from(g.bulkLoad()) }

// beforeFull leaves out for how many steps a volume that is full has been so: what it would have grown by nobody saw, and that it stands
// still says nothing of what it needs. They are whole weeks, for the seasons' sake, and none where less than a month would be left.
func (g grid) beforeFull(full float64) (free grid, held int) {
	n := len(g.filled)
	for held < n && g.filled[n-1-held] > (1-roomToGrow)*full {
		held++
	}
	if perWeek := int(7 * day / g.step); perWeek > 1 {
		held = (held + perWeek - 1) / perWeek * perWeek
	}
	for held < n && math.IsNaN(g.observed[n-1-held]) {
		held++
	}
	if n-held < 2 || stepsBack(n-held, g.step) < growthSpan {
		return g, 0
	}
	g.observed, g.filled = g.observed[:n-held:n-held], g.filled[:n-held:n-held]
	g.last = g.last.Add(-stepsBack(held, g.step))
	return g, held
}

// bulkLoad is the point at which a new volume's first load was there, 0 without one: within the first fortnight, the last
// rise by a twentieth of today's use or more, ten times what is usual after it, to a level from which use never fell back.
func (g grid) bulkLoad() int {
	y := g.filled
	n := len(y)
	lowest := make([]float64, n+1) // from there on
	lowest[n] = math.Inf(1)
	for i := n - 1; i >= 0; i-- {
		lowest[i] = min(lowest[i+1], y[i])
	}
	highest, load := y[0], 0
	for i := 1; i < n-4 && i <= int(loadWithin/g.step); i++ { // four changes after it say what is usual
		rise := y[i] - y[i-1]
		stays := lowest[i] > max(highest, y[i-1]+rise/2)
		if stays && rise >= y[n-1]/20 && rise > 10*usualChange(y[i:]) {
			load = i
		}
		highest = max(highest, y[i])
	}
	return load
}

const loadWithin = 14 * day

func usualChange(y []float64) float64 {
	d := differences(y[:min(len(y), 1000)])
	for i, v := range d {
		d[i] = math.Abs(v)
	}
	return median(d)
}

// periods are the seasons, in steps, that a series of this step may have: at most a short and a long one. Whether it has one is for the
// models' weights to say; but where there could be two and neither shows, the short one is enough.
func (g grid) periods() []int {
	var periods []int
	add := func(d time.Duration) {
		if p := int(d / g.step); d%g.step == 0 && p > 1 && len(g.filled) > 2*p {
			periods = append(periods, p)
		}
	}
	switch {
	case g.step < day:
		add(day)
		add(7 * day)
	case g.step == day:
		add(7 * day)
	case g.step == 7*day:
		add(364 * day)
	}
	if len(periods) == 2 && !seasonal(g.filled, periods[0]) && !seasonal(g.filled, periods[1]) {
		periods = periods[:1]
	}
	return periods
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
	if variance <= 1e-18*float64(len(d))*mean*mean { // a line, but for rounding
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
