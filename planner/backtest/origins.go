package backtest

import (
	"math"
	"slices"
	"time"

	"github.com/tidemark/tidemark/planner/forecast"
)

// stepOf is the step of a series as a whole, by which origins and horizons are laid out: the median time between neighbours that
// were observed. What a forecast takes for the step is found from its own past.
func stepOf(in forecast.Input) time.Duration {
	if in.Step > 0 {
		return in.Step
	}
	var steps []time.Duration
	var last time.Time
	for _, o := range in.Observations {
		if !isKnown(o.Used) {
			continue
		}
		if !last.IsZero() {
			steps = append(steps, o.Time.Sub(last))
		}
		last = o.Time
	}
	if len(steps) == 0 {
		if in.LonePointStep > 0 {
			return in.LonePointStep
		}
		return day
	}
	slices.Sort(steps)
	return max(steps[(len(steps)-1)/2], time.Second)
}

// isKnown says whether a use was observed, as the forecast takes it.
func isKnown(v float64) bool { return v >= 0 && v <= 1e100 }

// horizon is one distance ahead.
type horizon struct{ days, steps int }

// horizons are the steps of each horizon: the nearest whole number, at least one. Of several that fall on one step the
// longest stays, since that is the nearest to it.
func (o Options) horizons(step time.Duration) []horizon {
	var all []horizon
	for _, d := range o.Horizons {
		h := horizon{d, max(1, int(math.Round(float64(d)*float64(day)/float64(step))))}
		if n := len(all); n > 0 && all[n-1].steps == h.steps {
			all[n-1] = h
			continue
		}
		all = append(all, h)
	}
	return all
}

// origins are indexes of observations, oldest first. The newest has the shortest horizon ahead of it, the others go back from
// there; where a gap is none stands, and none has less behind it than the first must have.
func (o Options) origins(obs []forecast.Observation, step time.Duration) ([]int, *TooShort) {
	first := slices.IndexFunc(obs, func(o forecast.Observation) bool { return isKnown(o.Used) })
	behind, ahead := max(leastPast, leastPastSteps*step), time.Duration(o.horizons(step)[0].steps)*step
	if first < 0 {
		return nil, &TooShort{0, behind + ahead}
	}
	last := len(obs) - 1
	for !isKnown(obs[last].Used) {
		last--
	}
	least := obs[first].Time.Add(behind)
	var found []int
	target := obs[last].Time.Add(-ahead)
	for i := last; i > first && len(found) < o.Origins && !obs[i].Time.Before(least); i-- {
		if obs[i].Time.After(target) || !isKnown(obs[i].Used) {
			continue
		}
		found = append(found, i)
		for apart := max(o.Every, step); !target.Before(obs[i].Time); {
			target = target.Add(-apart)
		}
	}
	if len(found) == 0 {
		return nil, &TooShort{obs[last].Time.Sub(obs[first].Time), behind + ahead}
	}
	slices.Reverse(found)
	return found, nil
}
