package forecast

import (
	"cmp"
	"math"
	"slices"
)

// Rolling origins: how many, and how far each looks at most. Weights are from the models' errors over them; their own past
// alone is used at each, so nothing of the future leaks.
const (
	mostOrigins  = 12
	leastOrigins = 2
	longestFold  = 48
	leastFit     = 8 // points that the earliest origin must have behind it
	sharpness    = 6 // weights ∝ (best/error)^6
	// jumpyShare is what the largest twentieth of a series' changes make up, at least, where jumps rule it. Of normal changes they make up .15,
	// of exponential ones .2.
	jumpyShare   = .4
	mistrust     = .05 // by so much the errors must fall before a jumpy series' combination is not followed at all
	rounding     = 1e-9
	memoryOrigin = .9 // how much less an origin counts in the weights than the next one
)

// ensemble is the combination that was chosen, with its errors.
type ensemble struct {
	models   []model
	periods  []int
	seasonal bool      // a season shows within the steps that are asked for
	trust    float64   // how far the combination is followed, away from the last value: 0 to 1
	weights  []float64 // sum to 1; nil: the median of the models
	method   string
	reason   Reason

	origins  int
	spacing  int         // steps from one origin to the next
	horizon  int         // steps over which errors were taken
	errors   [][]float64 // by step ahead (0 is the next): observed − forecast at each origin
	scale    float64     // mean absolute difference of the past, from one observed point to the next
	absolute float64     // mean absolute error of the combination over all origins and steps
	noChange float64     // that of the last value, over the same
}

// newEnsemble weighs the models on the grid. What is asleep has one: that it stays so.
func newEnsemble(g grid, steps int, asleep bool) ensemble {
	y := g.filled
	e := ensemble{scale: meanAbsoluteDifference(g.observed), reason: ReasonWeighed, method: "ensemble"}
	e.periods = g.periods()
	e.seasonal = len(e.periods) > 0 && seasonal(y, e.periods[0]) && e.periods[0] <= steps
	for _, m := range candidates(e.periods) {
		if len(y) >= m.least+1 {
			e.models = append(e.models, m)
		}
	}
	if len(e.models) < 2 || e.scale == 0 {
		e.models = []model{{"last_value", 1, plain(lastValue)}}
		e.weights, e.method, e.reason = []float64{1}, "last_value", ReasonShort
		if e.scale == 0 && len(y) > 2 {
			e.reason = ReasonConstant
		}
		return e
	}
	if asleep {
		e.models = []model{{"last_value", 1, plain(lastValue)}}
		e.weights, e.method, e.reason = []float64{1}, "last_value", ReasonIdle
	}
	e.horizon = min(steps, longestFold, max(1, len(y)/4))
	e.spacing = max(1, e.horizon/2)
	e.origins = min(mostOrigins, 1+(len(y)-e.horizon-leastFit)/e.spacing)
	if len(y)-e.horizon < leastFit || e.origins < leastOrigins {
		e.origins = 0
		if !asleep {
			e.method, e.reason = "median", ReasonFewOrigins
		}
		return e
	}
	e.weigh(g)
	return e
}

// weigh forecasts from each origin with each model and keeps the combination's errors. So that these are honest, each
// origin's combination is weighed by the other origins alone.
func (e *ensemble) weigh(g grid) {
	forecasts := make([][][]float64, e.origins) // by origin, model, step
	shares := make([][]float64, e.origins)      // by origin, model: its error over the models' mean
	sums := make([]float64, len(e.models))
	for o := range forecasts {
		end := len(g.filled) - e.horizon - o*e.spacing
		forecasts[o] = e.forecasts(g.until(end), e.horizon)
		shares[o] = relativeErrors(forecasts[o], g.observed[end:])
		for i := range shares[o] {
			shares[o][i] *= math.Pow(memoryOrigin, float64(o))
			sums[i] += shares[o][i]
		}
	}
	newest := e.newestErrors(g)
	for i, share := range newest {
		shares[0][i] += share // what it is judged by is known to these too
		sums[i] += share
	}
	trials := make([]trial, e.origins)
	others := make([]float64, len(e.models))
	for o := range forecasts {
		for i, sum := range sums {
			others[i] = max(0, sum-shares[o][i])
		}
		e.weights = weightsOf(others)
		end := len(g.filled) - e.horizon - o*e.spacing
		trials[o] = trial{last: g.until(end)[end-1], course: e.combine(forecasts[o]), observed: g.observed[end:]}
	}
	e.weights = weightsOf(sums)
	e.judge(trials, jumpy(g.observed))
}

// newestErrors are the models' relative errors from origins a quarter, a half and three quarters of the horizon ago, as far as the past
// goes: without them nothing that came within the last horizon would speak for a model that starts from it.
func (e *ensemble) newestErrors(g grid) []float64 {
	sums := make([]float64, len(e.models))
	step := (e.horizon + 3) / 4
	for ahead := step; ahead < e.horizon; ahead += step {
		end := len(g.filled) - ahead
		for i, share := range relativeErrors(e.forecasts(g.until(end), ahead), g.observed[end:]) {
			sums[i] += share
		}
	}
	return sums
}

// judge keeps the errors of the combination, followed as far as the trials say where jumps rule. At each the others alone say so.
func (e *ensemble) judge(trials []trial, jumpy bool) {
	e.trust = 1
	if jumpy {
		e.trust = trustOf(trials, -1)
	}
	e.errors = make([][]float64, e.horizon)
	n := 0
	for o, t := range trials {
		trust := e.trust
		if jumpy {
			trust = trustOf(trials, o)
		}
		for k, v := range t.course {
			if seen := t.observed[k]; !math.IsNaN(seen) {
				v = t.last + trust*(v-t.last)
				e.errors[k] = append(e.errors[k], seen-v)
				e.absolute += math.Abs(seen - v)
				e.noChange += math.Abs(seen - t.last)
				n++
			}
		}
	}
	if n == 0 {
		e.origins, e.weights, e.errors, e.method, e.reason = 0, nil, nil, "median", ReasonFewOrigins
		return
	}
	e.absolute /= float64(n)
	e.noChange /= float64(n)
}

// relativeErrors are the models' absolute errors at one origin over their mean: an origin before a jump, which no model
// foresees, says nothing about them and must not drown the others. A billionth of the level is nought: what is only rounding is no
// reason to prefer a model.
func relativeErrors(forecasts [][]float64, observed []float64) []float64 {
	own := make([]float64, len(forecasts))
	mean := 0.
	for i, f := range forecasts {
		for k, v := range f {
			if seen := observed[k]; !math.IsNaN(seen) {
				own[i] += math.Abs(seen-v) + rounding*math.Abs(seen)
			}
		}
		mean += own[i] / float64(len(forecasts))
	}
	for i := range own {
		if mean > 0 {
			own[i] /= mean
		}
	}
	return own
}

// jumpy says that a twentieth of the changes make up most of all that changed.
func jumpy(observed []float64) bool {
	var changes []float64
	all := 0.
	for i := 1; i < len(observed); i++ {
		if v := math.Abs(observed[i] - observed[i-1]); !math.IsNaN(v) {
			changes = append(changes, v)
			all += v
		}
	}
	slices.Sort(changes)
	large := 0.
	for _, v := range changes[len(changes)-len(changes)/20:] {
		large += v
	}
	return large > jumpyShare*all
}

// trial is what the combination said at an origin, and what came.
type trial struct {
	last     float64 // at the origin
	course   []float64
	observed []float64 // from the point after the origin
}

// trustOf is how much of the way from "no change" to the combination is gone: the share, in tenths, that would have been best over the
// trials, but for one of them (-1: none). What jumps has no course that could be foreseen, and the share is nought.
func trustOf(trials []trial, but int) float64 {
	best, least := 1., math.Inf(1)
	for tenths := 10; tenths >= 0; tenths-- {
		trust := float64(tenths) / 10
		sum := 0.
		for o, t := range trials {
			if o == but {
				continue
			}
			own, none := 0., 0.
			for k, v := range t.course {
				if seen := t.observed[k]; !math.IsNaN(seen) {
					own += math.Abs(seen - t.last - trust*(v-t.last))
					none += math.Abs(seen-t.last) + math.Abs(seen-v)
				}
			}
			if none > 0 {
				sum += own / none * (1 + mistrust*(1-trust))
			}
		}
		if sum < least {
			best, least = trust, sum
		}
	}
	return best
}

func weightsOf(errors []float64) []float64 {
	best := slices.Min(errors)
	w := make([]float64, len(errors))
	sum := 0.
	for i, e := range errors {
		w[i] = 1
		if e > 0 {
			w[i] = math.Pow(best/e, sharpness)
		}
		sum += w[i]
	}
	for i := range w {
		w[i] /= sum
	}
	if math.IsNaN(sum) || sum == 0 {
		return nil
	}
	return w
}

// combine is the weighted mean of forecasts, or their median where there are no weights.
func (e *ensemble) combine(forecasts [][]float64) []float64 {
	f := make([]float64, len(forecasts[0]))
	column := make([]float64, len(forecasts))
	for k := range f {
		if e.weights == nil {
			for i := range forecasts {
				column[i] = forecasts[i][k]
			}
			f[k] = median(column)
			continue
		}
		for i, w := range e.weights {
			f[k] += w * forecasts[i][k]
		}
	}
	return f
}

// forecast goes h steps beyond y.
func (e *ensemble) forecast(y []float64, h int) []float64 {
	course := e.combine(e.forecasts(y, h))
	if e.weights != nil {
		last := y[len(y)-1]
		for k, v := range course {
			course[k] = last + e.trust*(v-last)
		}
	}
	return course
}

// forecasts are the models', by model and step. One that needs more than y has falls back to the last value.
func (e *ensemble) forecasts(y []float64, h int) [][]float64 {
	all := make([][]float64, len(e.models))
	v := newView(y, e.periods)
	for i, m := range e.models {
		if len(y) < m.least {
			all[i] = lastValue(y, h)
			continue
		}
		all[i] = m.forecast(v, h)
	}
	return all
}

// shares lists the weights, largest first.
func (e *ensemble) shares() []Weight {
	var all []Weight
	for i, m := range e.models {
		share := 1 / float64(len(e.models))
		if e.weights != nil {
			share = e.weights[i]
		}
		all = append(all, Weight{m.name, share})
	}
	slices.SortStableFunc(all, func(a, b Weight) int { return cmp.Compare(b.Share, a.Share) })
	return all
}

func meanAbsoluteDifference(observed []float64) float64 {
	sum, n, last := 0., 0, math.NaN()
	for _, v := range observed {
		if !math.IsNaN(v) && !math.IsNaN(last) {
			sum += math.Abs(v - last)
			n++
		}
		if !math.IsNaN(v) {
			last = v
		}
	}
	if n == 0 {
		return 0
	}
	return sum / float64(n)
}
