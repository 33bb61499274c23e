package planner

import (
	"context"
	"fmt"
	"iter"
	"math"
	"slices"
	"time"

	"github.com/tidemark/tidemark/internal/volume"
	"github.com/tidemark/tidemark/planner/forecast"
)

const (
	// risingSince is how far back the least use is looked for that a rise began from.
	risingSince = time.Hour
	// risingShare is the share of what is free that it has risen by since, before its readings are worth a query: a runaway fills within a day
	// and within 24 times as long as it has been rising, so that it has used up about a 24th of what is left.
	risingShare = 1. / 30
	// hastyShare is the share of what was free yesterday that a volume has used up since, before its readings are worth a query.
	hastyShare = .02
	// hastyDays is how many days' usual change it has risen by.
	hastyDays = 3
)

// recent are the raw readings of a volume that may be running away; none of all others, so that a fleet's query stays cheap.
func (p Planner) recent(ctx context.Context, q Query, in input, fit forecast.Input, fullLevel float64) ([]forecast.Observation, error) {
	if in.pooled || !rising(in, fit, fullLevel, q.Now) && !hasty(fit, fullLevel, q.Now) {
		return nil, nil
	}
	readings, err := p.History.Readings(ctx, in.sample.ID, q.Now.Add(-forecast.RunawayPast), q.Now.Add(clockSkew))
	if err != nil {
		return nil, fmt.Errorf("read the last days of %s: %w", in.sample.ID, err)
	}
	all := make([]forecast.Observation, len(readings))
	for i, r := range readings {
		used := r.Used
		if in.resource == volume.Inodes {
			used = r.InodesUsed
		}
		all[i] = forecast.Observation{Time: r.Time, Used: float64(used), Capacity: math.NaN()}
	}
	return all, nil
}

// rising says whether use has risen within the last hour as a runaway's has.
func rising(in input, fit forecast.Input, fullLevel float64, now time.Time) bool {
	if in.low == nil || fit.Newest == nil || now.Sub(fit.Newest.Time) > time.Hour {
		return false
	}
	low := float64(in.low.Used)
	if in.resource == volume.Inodes {
		low = float64(in.low.InodesUsed)
	}
	rise, left := fit.Newest.Used-low, fit.Newest.Capacity*fullLevel-fit.Newest.Used
	return rise > 0 && left > 0 && rise >= risingShare*left
}

// withLows gives inputs the least use of the last hour, all from one query.
func (p Planner) withLows(ctx context.Context, q Query, inputs iter.Seq2[input, error]) iter.Seq2[input, error] {
	return func(yield func(input, error) bool) {
		lows, err := p.History.Lows(ctx, q.Select, q.Now.Add(-risingSince), q.Now.Add(clockSkew))
		if err != nil {
			yield(input{}, fmt.Errorf("read the last hour: %w", err))
			return
		}
		for in, err := range inputs {
			if low, known := lows[in.sample.ID]; known {
				in.low = &low
			}
			if !yield(in, err) || err != nil {
				return
			}
		}
	}
}

// hasty says whether the newest reading stands well above the peak of the last day.
func hasty(fit forecast.Input, fullLevel float64, now time.Time) bool {
	n := len(fit.Observations)
	if n < 2 || fit.Newest == nil || now.Sub(fit.Newest.Time) > time.Hour {
		return false
	}
	last := fit.Observations[n-1].Used
	if fit.Newest.Time.Sub(fit.Observations[n-1].Time) < 27*time.Hour { // what began before midnight is in yesterday's peak
		last = min(last, fit.Observations[n-2].Used)
	}
	rise := fit.Newest.Used - last
	var changes []float64
	for i := max(1, n-28); i < n; i++ {
		changes = append(changes, math.Abs(fit.Observations[i].Used-fit.Observations[i-1].Used))
	}
	slices.Sort(changes)
	return rise > hastyDays*changes[len(changes)/2] && rise > hastyShare*(fit.Newest.Capacity*fullLevel-last)
}
