package backtest

import (
	"math"
	"slices"
	"time"

	"github.com/tidemark/tidemark/planner"
	"github.com/tidemark/tidemark/planner/forecast"
)

const (
	alarmAhead = 30 * day
	alarmAt    = .5 // the probability from which on it is an alarm
	// quarterAhead is how far the paths reach that are asked for 30 days alone: no forecast's are shorter.
	quarterAhead = 90 * day
	lineWindow   = 30 * day
	lineSteps    = 4 // where 30 days hold fewer
	rounding     = 1e-9
)

// judged is what one origin came to.
type judged struct {
	origin        time.Time
	horizons      []atHorizon // as Options.horizons
	full, quarter alarm
	date          dated
}

// atHorizon is one origin's error at one horizon.
type atHorizon struct {
	horizon
	passed                   bool    // the forecast and the series go on that far
	forecast, noChange, line float64 // mean absolute error over the observed steps up to the horizon, in typical changes; NaN: not known
	known, inside            bool    // what was observed at the horizon, and whether within the interval
	bias, scaled             float64 // forecast − observed at the horizon, in the unit and in typical changes; NaN: not known
}

// alarm is what was said of the next 30 days and what came.
type alarm struct {
	judged, already bool // decided; or past the level at the origin, when there is nothing to warn of
	probability     float64
	line            bool // a straight line is past the level by then
	came            bool
}

// dated is a date, where it came true.
type dated struct {
	came bool
	Filling
}

// judge forecasts from the observation at index at and scores what it said.
func (o Options) judge(p planner.Past, at int) (judged, error) {
	said, err := o.say(p, at)
	if err != nil {
		return judged{}, err
	}
	return o.hold(said, p.Input.Observations[:at+1], p.Input.Observations[at+1:]), nil
}

// say forecasts from the observation at index at, from what stands before it alone.
func (o Options) say(p planner.Past, at int) (said, error) {
	in := p.Input
	in.Observations = in.Observations[: at+1 : at+1]
	in.Newest = nil
	opt := o.Forecast
	opt.Seed, opt.FullLevel = p.Seed, p.FullLevel
	f, err := forecast.Compute(in, opt)
	if err != nil {
		return said{}, err
	}
	s := said{forecast: f, full: f.Capacity * p.FullLevel, quarterLevel: f.Used + (f.Capacity-f.Used)/4, quarter: math.NaN()}
	if f.Capacity > f.Used {
		opt.FullLevel = s.quarterLevel / f.Capacity
		if f.Step <= day { // so many points weigh the models the same
			opt.Horizon = quarterAhead
		}
		q, err := forecast.Compute(in, opt)
		if err != nil {
			return said{}, err
		}
		s.quarter = q.TimeToFull.Probability30
	}
	if f.Used > f.Capacity {
		free, err := forecast.Compute(unlimited(in), opt)
		if err != nil {
			return said{}, err
		}
		s.forecast.Points = free.Points
	}
	return s, nil
}

// unlimited is a past without its capacities. A forecast's points are kept below the capacity; where use stands above it (a CSV's may: a quota
// that is overdrawn, another unit) that is no limit, and points that fall to it at once would be judged in place of the forecast.
func unlimited(in forecast.Input) forecast.Input {
	in.Observations = slices.Clone(in.Observations)
	for i := range in.Observations {
		in.Observations[i].Capacity = math.NaN()
	}
	return in
}

// said is a forecast with its levels: what counts as full, and a quarter of the free space beyond what is used; NaN where the
// capacity was not known. All of it is in terms of the capacity at the origin: a later resize changes no verdict.
type said struct {
	forecast     forecast.Forecast
	full         float64
	quarterLevel float64
	quarter      float64 // P(the quarter goes within 30 days)
}

// hold holds what was said at the end of past against the future.
func (o Options) hold(s said, past, future []forecast.Observation) judged {
	f := s.forecast
	j := judged{origin: f.Origin}
	horizons := o.horizons(f.Step)
	truth, end := o.truth(f, horizons[len(horizons)-1].steps, future)
	scale := typicalChange(past, f.Step)
	line := lineThrough(past, f.Step)
	for _, h := range horizons {
		one := atHorizon{horizon: h, passed: h.steps <= len(f.Points) && !end.Before(f.Origin.Add(time.Duration(h.steps)*f.Step-f.Step/2))}
		if one.passed {
			one.score(f, truth[:h.steps], line, scale)
		}
		j.horizons = append(j.horizons, one)
	}
	j.full = alarmOf(f, s.full, f.TimeToFull.Probability30, line, future, end)
	j.quarter = alarmOf(f, s.quarterLevel, s.quarter, line, future, end)
	j.date = dateOf(f, s.full, future)
	return j
}

// truth is what was observed at each of n steps after the origin, NaN where nothing was, and when the last of the future was.
func (o Options) truth(f forecast.Forecast, n int, future []forecast.Observation) (truth []float64, end time.Time) {
	truth = make([]float64, n)
	for i := range truth {
		truth[i] = math.NaN()
	}
	for _, v := range future {
		if !isKnown(v.Used) {
			continue
		}
		end = v.Time
		if k := int(math.Round(float64(v.Time.Sub(f.Origin)) / float64(f.Step))); k >= 1 && k <= n {
			truth[k-1] = v.Used
		}
	}
	return truth, end
}

// score takes the errors over the observed ones of truth, whose last is at the horizon.
func (a *atHorizon) score(f forecast.Forecast, truth []float64, line line, scale float64) {
	var own, none, straight, n float64
	for k, v := range truth {
		if math.IsNaN(v) {
			continue
		}
		own += math.Abs(f.Points[k].Forecast - v)
		none += math.Abs(f.Used - v)
		straight += math.Abs(line.at(time.Duration(k+1)*f.Step) - v)
		n++
	}
	nan := math.NaN()
	a.forecast, a.noChange, a.line, a.bias, a.scaled = nan, nan, nan, nan, nan
	if n > 0 && scale > 0 {
		a.forecast, a.noChange, a.line = own/n/scale, none/n/scale, straight/n/scale
	}
	last := len(truth) - 1
	if v := truth[last]; !math.IsNaN(v) {
		p := f.Points[last]
		slack := rounding * v // the interval of a perfect forecast has no width
		a.known, a.inside, a.bias = true, p.Lower-slack <= v && v <= p.Upper+slack, p.Forecast-v
		if math.Abs(a.bias) <= slack {
			a.bias = 0
		}
		if scale > 0 {
			a.scaled = a.bias / scale
		}
	}
}

// typicalChange is the mean absolute change from one step to the next (the scale of MASE; Hyndman and Koehler, 2006). A change over a
// gap is spread over its steps. NaN for a single point.
func typicalChange(past []forecast.Observation, step time.Duration) float64 {
	var sum, steps float64
	var last forecast.Observation
	for _, o := range past {
		if !isKnown(o.Used) {
			continue
		}
		if !last.Time.IsZero() {
			sum += math.Abs(o.Used - last.Used)
			steps += math.Max(1, math.Round(float64(o.Time.Sub(last.Time))/float64(step)))
		}
		last = o
	}
	return sum / steps
}

// line is a straight line by the time after its last point; NaN where there is none.
type line struct{ level, perDay float64 }

func (l line) at(ahead time.Duration) float64 { return l.level + l.perDay*ahead.Hours()/24 }

// lineThrough is the least-squares line through the last 30 days, or the last four steps where that is longer.
func lineThrough(past []forecast.Observation, step time.Duration) line {
	last := past[len(past)-1].Time
	begin := last.Add(-max(lineWindow, lineSteps*step))
	var n, st, sy, stt, sty float64
	for i := len(past) - 1; i >= 0 && past[i].Time.After(begin); i-- {
		if v := past[i].Used; isKnown(v) {
			t := past[i].Time.Sub(last).Hours() / 24
			n, st, sy, stt, sty = n+1, st+t, sy+v, stt+t*t, sty+t*v
		}
	}
	if n < 2 {
		return line{math.NaN(), math.NaN()}
	}
	slope := (n*sty - st*sy) / (n*stt - st*st)
	return line{(sy - slope*st) / n, slope}
}

// alarmOf judges the alarm "past level within 30 days". It is decided once the series has gone on for 30 days.
func alarmOf(f forecast.Forecast, level, probability float64, line line, future []forecast.Observation, end time.Time) alarm {
	if math.IsNaN(level) || math.IsNaN(probability) && f.Used < level || f.Step > alarmAhead {
		return alarm{}
	}
	if f.Used >= level {
		return alarm{already: true}
	}
	until := f.Origin.Add(alarmAhead)
	if end.Before(until.Add(-f.Step / 2)) {
		return alarm{}
	}
	a := alarm{probability: probability, line: line.at(alarmAhead) >= level}
	for _, v := range future {
		if v.Time.After(until) {
			break
		}
		a.judged = a.judged || isKnown(v.Used)
		a.came = a.came || isKnown(v.Used) && v.Used >= level
	}
	return a
}

// dateOf finds when use first reached the level.
func dateOf(f forecast.Forecast, level float64, future []forecast.Observation) dated {
	if math.IsNaN(level) || f.Used >= level {
		return dated{}
	}
	after := func(t time.Time) float64 {
		if t.IsZero() {
			return math.NaN()
		}
		return t.Sub(f.Origin).Hours() / 24
	}
	for _, v := range future {
		if v.Time.Sub(f.Origin) > longestDate {
			break
		}
		if isKnown(v.Used) && v.Used >= level {
			t := f.TimeToFull
			return dated{true, Filling{after(v.Time), after(t.P10), after(t.P50), after(t.P90)}}
		}
	}
	return dated{}
}
