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
// it. What wavers in one volume and not in the sum (data that moves between two of them) would keep the sum's growth from being
// seen, with great certainty. So the mean is the one that the summed past itself has: forecasts of parts and whole are reconciled (Hyndman and
// others, 2011), here all of the way to the whole.
type summed struct {
	members      int
	days         map[time.Time]*daySum
	used         float64
	growthPerDay float64
	mean         []float64 // of the paths' ends, summed over the members, by unit
}

type daySum struct {
	used float64
	n    int
}

// leastCommon is how many days a group's volumes must have together.
const leastCommon = 60

// add takes a member into account whose past is long enough and reaches until a day.
func (s *summed) add(in forecast.Input, of *forecast.Simulation, units int, until time.Time) {
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
	in := forecast.Input{Step: 24 * time.Hour, Newest: &forecast.Observation{Time: origin, Used: s.used, Capacity: math.NaN()}}
	for _, at := range slices.SortedFunc(maps.Keys(s.days), time.Time.Compare) {
		if d := s.days[at]; d.n == s.members {
			in.Observations = append(in.Observations, forecast.Observation{Time: at, Used: d.used, Capacity: math.NaN()})
		}
	}
	return in
}

// reconcile moves the mean of a group's paths to that of its summed past.
func (t *rows) reconcile(r *row) {
	d, s := &r.demand, &r.summed
	if s.members < 2 {
		return
	}
	in := s.input(d.origin)
	if len(in.Observations) < leastCommon {
		return
	}
	opt := t.query.Options
	opt.Seed = seed(t.query.By+"\x00"+r.name, volume.Space)
	whole, err := forecast.Simulate(in, opt, nil)
	if err != nil {
		return // it has values
	}
	d.growthPerDay += whole.GrowthPerDay - s.growthPerDay
	for u := range min(d.units, whole.Units) {
		mean := 0.
		for i := range forecast.Paths {
			mean += whole.End(i, u) / forecast.Paths
		}
		for i := range forecast.Paths {
			d.ends[i*d.units+u] += mean - s.mean[u]
			if d.peaks != nil {
				d.peaks[i*d.units+u] += mean - s.mean[u]
			}
		}
	}
}
