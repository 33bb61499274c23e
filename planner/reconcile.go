package planner

import (
	"maps"
	"math"
	"slices"
	"time"

	"github.com/tidemark/tidemark/internal/volume"
	"github.com/tidemark/tidemark/planner/forecast"
)

// summed is the past of a group, as far as all of its volumes with a past long enough have it.
//
// Paths that are drawn together waver as the sum did, and yet their mean is a sum of courses, each as cautious as its own noise makes
// it. What wavers in the volumes and not in their sum (data that moves between two of them) would keep the sum's growth from being
// seen, with great certainty. So the mean moves towards the one that the summed past itself has: as far as the volumes cancel one another out,
// which is the share of their variances that their sum lacks. Forecasts of the parts and of the whole are reconciled (Hyndman and others,
// 2011). Independent volumes, and those that move alike, keep their own.
type summed struct {
	members      int
	days         map[time.Time]*daySum
	changes      []forecast.Intervention // of all members
	used         float64
	growthPerDay float64
	mean         []float64 // of the paths' ends, summed over the members, by unit
	variance     float64   // of the paths' ends after four weeks, summed over all volumes
}

type daySum struct {
	used float64
	n    int
}

// leastCommon is how many days a group's volumes must have together.
const leastCommon = 60

// month is the last unit of the first four weeks.
func month(units int) int { return min(28, units) - 1 }

func variance(values []float64) float64 {
	mean, sum := 0., 0.
	for _, v := range values {
		mean += v / float64(len(values))
	}
	for _, v := range values {
		sum += (v - mean) * (v - mean) / float64(len(values))
	}
	return sum
}

// add takes a member into account; its past counts if it is long enough and reaches until a day.
func (s *summed) add(in forecast.Input, of *forecast.Simulation, units int, until time.Time) {
	column := make([]float64, forecast.Paths)
	for i := range column {
		column[i] = of.End(i, month(min(units, of.Units)))
	}
	s.variance += variance(column)
	all := in.Observations
	if len(all) < leastCommon || all[len(all)-1].Time.Before(until) || of.Units < units {
		return
	}
	if s.days == nil {
		s.days, s.mean = map[time.Time]*daySum{}, make([]float64, units)
	}
	s.members++
	s.used += of.Used
	s.growthPerDay += of.GrowthPerDay
	s.changes = append(s.changes, in.Interventions...)
	for _, o := range all {
		if math.IsNaN(o.Used) {
			continue
		}
		d := s.days[o.Time]
		if d == nil {
			d = &daySum{}
			s.days[o.Time] = d
		}
		d.used += o.Used
		d.n++
	}
	for u := range units {
		for i := range forecast.Paths {
			s.mean[u] += of.End(i, u) / forecast.Paths
		}
	}
}

// input is the summed past.
func (s *summed) input(origin time.Time) forecast.Input {
	in := forecast.Input{Step: 24 * time.Hour, Interventions: s.changes, Newest: &forecast.Observation{Time: origin, Used: s.used, Capacity: math.NaN()}}
	for _, at := range slices.SortedFunc(maps.Keys(s.days), time.Time.Compare) {
		if d := s.days[at]; d.n == s.members {
			in.Observations = append(in.Observations, forecast.Observation{Time: at, Used: d.used, Capacity: math.NaN()})
		}
	}
	return in
}

// reconcile moves the mean of a group's paths towards that of its summed past.
func (t *rows) reconcile(r *row) {
	d, s := &r.demand, &r.summed
	if s.members < 2 {
		return
	}
	in := s.input(d.origin)
	if len(in.Observations) < leastCommon {
		return
	}
	column := make([]float64, forecast.Paths)
	for i := range column {
		column[i] = d.ends[i*d.units+month(d.units)]
	}
	cancelled := max(0, 1-variance(column)/s.variance)
	if !(cancelled > .1) { // or it is chance
		return
	}
	opt := t.query.Options
	opt.Seed = seed(t.query.By+"\x00"+r.name, volume.Space)
	whole, err := forecast.Simulate(in, opt, nil)
	if err != nil {
		return // it has values
	}
	d.growthPerDay += cancelled * (whole.GrowthPerDay - s.growthPerDay)
	for u := range min(d.units, whole.Units) {
		mean := 0.
		for i := range forecast.Paths {
			mean += whole.End(i, u) / forecast.Paths
		}
		shift := cancelled * (mean - s.mean[u])
		for i := range forecast.Paths {
			d.ends[i*d.units+u] += shift
			if d.peaks != nil {
				d.peaks[i*d.units+u] += shift
			}
		}
	}
}
