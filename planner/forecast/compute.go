package forecast

import (
	"errors"
	"math"
	"time"
)

func (o Options) withDefaults(step time.Duration) Options {
	if o.Horizon <= 0 {
		o.Horizon = 365 * day
	}
	if o.Steps <= 0 {
		o.Steps = max(1, int(o.Horizon/step))
	}
	if o.Level == 0 {
		o.Level = .95
	}
	if o.FullLevel == 0 {
		o.FullLevel = 1
	}
	return o
}

// Compute forecasts one series. Its only error is a series without any finite use. Every number of the result is finite
// but those whose documentation says NaN.
func Compute(in Input, opt Options) (Forecast, error) {
	observed := make([]Observation, 0, len(in.Observations))
	for _, o := range in.Observations {
		if !math.IsNaN(o.Used) {
			observed = append(observed, o)
		}
	}
	if len(observed) == 0 {
		return Forecast{}, errors.New("the series has no value")
	}
	g := newGrid(in, observed)
	opt = opt.withDefaults(g.step)
	origin := observed[len(observed)-1]
	if in.Newest != nil && !math.IsNaN(in.Newest.Used) {
		origin = *in.Newest
	}
	capacity := lastCapacity(in, origin)
	e := newEnsemble(g, opt.Steps)
	reach := max(time.Duration(opt.Steps)*g.step, leastPath, opt.Horizon)
	course := e.forecast(g.filled, max(opt.Steps, int(reach/g.step)+1))
	f := Forecast{
		Origin: origin.Time, Step: g.step, Used: origin.Used, Capacity: capacity,
		Method: e.method, Reason: e.reason, Weights: e.shares(),
		GrowthPerDay: growthPerDay(g, course), Points: make([]Point, opt.Steps),
	}
	below, above := e.halfWidths(g.filled, max(opt.Steps, e.horizon), opt.Level)
	for k := range f.Points {
		f.Points[k] = Point{
			Time:     g.last.Add(time.Duration(k+1) * g.step),
			Forecast: within(course[k], capacity), Lower: within(course[k]-below[k], capacity), Upper: within(course[k]+above[k], capacity),
		}
	}
	f.Backtest = Backtest{Origins: e.origins, Steps: e.horizon, MASE: math.NaN(), Coverage: math.NaN(), Bias: math.NaN()}
	if e.origins > 0 {
		f.Backtest.MASE, f.Backtest.Coverage, f.Backtest.Bias = e.absolute/e.scale, e.coverage(below, above), e.bias()
	}
	f.TimeToFull = timeToFull(g, course, origin, capacity, reach, f.GrowthPerDay, opt)
	return f, nil
}

// lastCapacity is the newest that is known: a resize changes the date and never the growth.
func lastCapacity(in Input, origin Observation) float64 {
	if origin.Capacity > 0 {
		return origin.Capacity
	}
	for i := len(in.Observations) - 1; i >= 0; i-- {
		if c := in.Observations[i].Capacity; c > 0 {
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

// growthPerDay is the forecast's over the next thirty days, or a season of steps where they are longer.
func growthPerDay(g grid, course []float64) float64 {
	k := min(len(course), max(1, int(30*day/g.step)))
	return (course[k-1] - g.filled[len(g.filled)-1]) / (float64(k) * float64(g.step) / float64(day))
}

func timeToFull(g grid, course []float64, origin Observation, capacity float64, reach time.Duration, growth float64, opt Options) TimeToFull {
	if math.IsNaN(capacity) {
		nan := math.NaN()
		return TimeToFull{Probability7: nan, Probability30: nan, Probability90: nan, Reason: ReasonNoCapacity}
	}
	full := capacity * opt.FullLevel
	if origin.Used >= full {
		at := origin.Time
		return TimeToFull{P10: at, P50: at, P90: at, Probability7: 1, Probability30: 1, Probability90: 1, Reason: ReasonFull}
	}
	p := simulate(g, course, origin.Used, full, reach, opt.Seed)
	t := TimeToFull{Probability7: p.probability(7), Probability30: p.probability(30), Probability90: p.probability(90)}
	if t.Reason = withhold(g, origin.Time, opt.Now, growth); t.Reason != "" {
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
