package forecast

import (
	"errors"
	"math"
	"slices"
	"time"
)

func (o Options) withDefaults(step time.Duration) Options {
	if o.Horizon <= 0 {
		o.Horizon = 365 * day
	}
	if o.Steps <= 0 {
		o.Steps = int(max(1, min(longestCourse, o.Horizon/step)))
	}
	if o.Level == 0 {
		o.Level = .95
	}
	if o.FullLevel == 0 {
		o.FullLevel = 1
	}
	return o
}

// Compute forecasts one series. Its only error is a series without any use. Every number of the result is finite but
// those whose documentation says NaN. It never panics, and takes any input thus: a use that is NaN, infinite, negative or
// above 1e100 is a gap; such a capacity, or one of zero, is unknown; use above the capacity stands and is full; observations
// out of order are sorted, and of several at one time the last counts; a gap may be as long as times reach, and a series
// that is longer than about a million steps counts from there on.
func Compute(in Input, opt Options) (Forecast, error) {
	f, _, err := compute(in, opt)
	return f, err
}

// basis is what the paths of a forecast are drawn from. What interventions released stands in it as if it had not been.
type basis struct {
	futures futures
	used    float64 // at the origin
	full    float64 // the use that counts as full; +Inf without a capacity
	doubt   Reason  // why a date would be a guess
	seed    uint64
}

func compute(in Input, opt Options) (Forecast, basis, error) {
	in.Observations = inOrder(in.Observations)
	days := in.Observations
	in, released := in.undone()
	observed := withUse(in.Observations)
	if len(observed) == 0 {
		return Forecast{}, basis{}, errors.New("the series has no value")
	}
	whole := newGrid(in, observed)
	g := whole.afterLoad()
	opt = opt.withDefaults(g.step)
	origin := observed[len(observed)-1]
	if in.Newest != nil && isUse(in.Newest.Used) && !in.Newest.Time.Before(origin.Time) {
		origin = *in.Newest
	}
	capacity := lastCapacity(in)
	full := capacity*opt.FullLevel + released
	quiet := quietSteps(g, origin.Used, freeOf(origin.Used, full))
	cramped := origin.Used > (1-roomToGrow)*full // false where it is not known
	asleep := quiet > 0 && !cramped && quiet > g.longestPause(len(g.filled)-quiet, idleShare*freeOf(origin.Used, full))
	free, held := g, 0
	if origin.Used >= full {
		free, held = g.beforeFull(full)
	}
	if held > 0 {
		quiet = 0
	}
	fit := free.newest(longestFit)
	e := newEnsemble(fit, opt.Steps, asleep)
	course := e.forecast(fit.filled, opt.Steps)
	for k := range course { // from where it stands
		course[k] += g.filled[len(g.filled)-1] - fit.filled[len(fit.filled)-1]
	}
	o := outlookOf(free, e, origin.Time.Add(-stepsBack(held, g.step)), opt, asleep)
	below, above := e.halfWidths(fit.filled, max(opt.Steps, e.horizon), opt.Level)
	f := Forecast{
		Origin: origin.Time, Step: g.step, Used: origin.Used - released, Capacity: capacity,
		Method: e.method, Reason: e.reason, Weights: e.shares(),
		GrowthPerDay: o.growthPerDay(), Points: make([]Point, opt.Steps), Events: lowered(whole.events(in), released),
		Backtest: e.backtest(below, above),
	}
	if like, ok := borrowed(in, g, e, capacity); ok {
		like.lean(course, g.step)
		like.lean(o.course, o.past.unit)
		like.widen(below, g.step, opt.Level)
		like.widen(above, g.step, opt.Level)
		f.Method, f.Reason, f.Weights, f.GrowthPerDay = "pooled", ReasonLike, like.shares(f.Weights), o.growthPerDay()
		f.Backtest = noBacktest(0) // which would judge a forecast that stands alone
	}
	at := g.last
	for k := range f.Points {
		at = at.Add(g.step) // one by one: many long steps are more than a time.Duration holds
		v := course[k] - released
		f.Points[k] = Point{Time: at, Forecast: within(v, capacity), Lower: within(v-below[k], capacity), Upper: within(v+above[k], capacity)}
	}
	b := basisOf(g, o, origin, full, quiet, opt)
	f.TimeToFull = b.timeToFull(origin)
	f.runaway(in.Recent, days, capacity*opt.FullLevel, opt.Now)
	return f, b, nil
}

// runaway takes the dates of a volume that is filling within hours, from raw readings and the days before them.
func (f *Forecast) runaway(raw, days []Observation, full float64, now time.Time) {
	t, ok := Runaway(raw, days, full)
	if !ok || f.TimeToFull.Reason == ReasonFull || !current(raw, now) {
		return
	}
	t.Probability7 = max(t.Probability7, f.TimeToFull.Probability7)
	t.Probability30 = max(t.Probability30, f.TimeToFull.Probability30)
	t.Probability90 = max(t.Probability90, f.TimeToFull.Probability90)
	f.TimeToFull = t
}

const (
	longestCourse = 100_000 // points, unless more are asked for
	growthSpan    = 28 * day
	// roomToGrow is the share of the full level without which standing still is no sleep: it may want to grow and cannot.
	roomToGrow = .01
	// largest is beyond every store, and far from where sums of squares overflow.
	largest = 1e100
)

// inOrder sorts observations that are not, keeping one at each time: the last one given. The caller's stay as they are.
func inOrder(all []Observation) []Observation {
	increasing := true
	for i := 1; i < len(all) && increasing; i++ {
		increasing = all[i-1].Time.Before(all[i].Time)
	}
	if increasing {
		return all
	}
	sorted := slices.Clone(all)
	slices.SortStableFunc(sorted, func(a, b Observation) int { return a.Time.Compare(b.Time) })
	kept := sorted[:0]
	for i, o := range sorted {
		if i+1 == len(sorted) || !o.Time.Equal(sorted[i+1].Time) {
			kept = append(kept, o)
		}
	}
	return kept
}

// withUse leaves out the gaps.
func withUse(all []Observation) []Observation {
	return slices.DeleteFunc(slices.Clone(all), func(o Observation) bool { return !isUse(o.Used) })
}

func isUse(v float64) bool { return v >= 0 && v <= largest }

func isCapacity(v float64) bool { return v > 0 && v <= largest }

// stepsLast is how long n steps take, at most longestPath.
func stepsLast(n int, step time.Duration) time.Duration {
	if step > longestPath/time.Duration(n) {
		return longestPath
	}
	return time.Duration(n) * step
}

// lastCapacity is the newest that is known: a resize changes the date and never the growth.
func lastCapacity(in Input) float64 {
	if in.Newest != nil && isCapacity(in.Newest.Capacity) {
		return in.Newest.Capacity
	}
	for i := len(in.Observations) - 1; i >= 0; i-- {
		if c := in.Observations[i].Capacity; isCapacity(c) {
			return c
		}
	}
	return math.NaN()
}

// within keeps a value where use can be: not below zero, not above a known capacity.
func within(v, capacity float64) float64 {
	if v > capacity { // false when it is not known
		v = capacity
	}
	return max(v, 0)
}

// outlook is what is expected for months, by units (see past): what a model is worth over two days of hours says little
// of that.
type outlook struct {
	past   past
	units  grid
	course []float64
	n      int // units of the paths
	ahead  int // units from the grid's last point to the origin
}

func outlookOf(g grid, e ensemble, origin time.Time, opt Options, asleep bool) outlook {
	o := outlook{past: pastOf(g), units: g}
	o.units = g.thinned(o.past.steps).newest(longestFit)
	unit := o.past.unit
	reach := max(stepsLast(opt.Steps, g.step), leastPath, min(opt.Horizon, longestPath))
	o.n = int((reach-1)/unit) + 1
	o.ahead = int(min(max(0, origin.Sub(g.last)), staleAfter) / unit) // after a longer silence there is no date
	if weighed := max(1, int(growthSpan/unit)); o.past.steps > 1 || opt.Steps < weighed {
		e = newEnsemble(o.units, weighed, asleep)
	}
	o.course = e.forecast(o.units.filled, max(o.n+o.ahead, int(growthSpan/unit)+1, 2))
	return o
}

// growthPerDay is the slope of the course over four weeks, or a unit where that is longer. Four whole weeks: a season of
// days or weeks is no growth.
func (o outlook) growthPerDay() float64 {
	k := max(1, int(growthSpan/o.past.unit))
	return (o.course[k] - o.course[0]) / (float64(k) * float64(o.past.unit) / float64(day))
}

// drift is the change that the course expects in each unit after the origin.
func (o outlook) drift() []float64 {
	before := o.units.filled[len(o.units.filled)-1]
	if o.ahead > 0 {
		before = o.course[o.ahead-1]
	}
	drift := make([]float64, o.n)
	for i := range drift {
		drift[i] = o.course[o.ahead+i] - before
		before = o.course[o.ahead+i]
	}
	return drift
}

// freeOf is what is free below the full level; where that is not known, or nothing is, what is idle goes by the use.
func freeOf(used, full float64) float64 {
	if used < full { // false for NaN
		return full - used
	}
	return used
}

// basisOf is what paths are drawn from. full is NaN where the capacity is not known.
func basisOf(g grid, o outlook, origin Observation, full float64, quiet int, opt Options) basis {
	b := basis{used: origin.Used, full: math.Inf(1), seed: opt.Seed}
	if !math.IsNaN(full) {
		b.full = full
	}
	window := g.window(sawtoothWindow, sawtoothPoints)
	back := falling(append(slices.Clone(window.filled), origin.Used)) // which may have left its teeth today
	if back.falls {
		b.futures = recurring(pastOf(window), back.rise*float64(o.past.steps), o.n, origin.Used)
	} else {
		b.futures = wander(o.past, o.drift(), origin.Used, float64(quiet/o.past.steps))
	}
	b.doubt = withhold(g, origin, quiet, opt.Now, back, o)
	return b
}

func (b basis) timeToFull(origin Observation) TimeToFull {
	if math.IsInf(b.full, 1) {
		nan := math.NaN()
		return TimeToFull{Probability7: nan, Probability30: nan, Probability90: nan, Reason: ReasonNoCapacity}
	}
	if origin.Used >= b.full {
		at := origin.Time
		return TimeToFull{P10: at, P50: at, P90: at, Probability7: 1, Probability30: 1, Probability90: 1, Reason: ReasonFull}
	}
	p := b.futures.passage(b.full, origin.Used, b.seed)
	t := TimeToFull{Probability7: p.probability(7), Probability30: p.probability(30), Probability90: p.probability(90)}
	if t.Reason = b.doubt; t.Reason != "" {
		if t.Reason != ReasonShrinking || t.Probability90 < .1 {
			return t
		}
		t.Reason = "" // it shrinks on the whole, and yet may well fill first
	}
	t.P10, t.P50, t.P90 = p.by(origin.Time, .1), p.by(origin.Time, .5), p.by(origin.Time, .9)
	if t.P10.IsZero() {
		t.Reason = ReasonBeyondHorizon
	}
	return t
}
