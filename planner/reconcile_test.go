package planner

import (
	"math"
	"slices"
	"testing"

	"github.com/tidemark/tidemark/internal/volume"
	"github.com/tidemark/tidemark/planner/forecast"
)

// memberOf is a past of n days that ends on a day before now's, and its paths.
func memberOf(t *testing.T, n, ago int, use []float64) (forecast.Input, *forecast.Simulation) {
	t.Helper()
	in := forecast.Input{Step: day}
	for i := range n {
		in.Observations = append(in.Observations, forecast.Observation{Time: volume.StartOfDay(now).AddDate(0, 0, i-n-ago), Used: use[i], Capacity: 1e6})
	}
	s, err := forecast.Simulate(in, forecast.Options{Horizon: 90 * day}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return in, s
}

func TestWhichPastsAreSummed(t *testing.T) {
	until := volume.StartOfDay(now).AddDate(0, 0, -2)
	use := walk(90, 100, 1, 2, 1, 1)
	for _, tc := range []struct {
		name   string
		n, ago int
		want   int
	}{
		{"long enough", 60, 0, 1},
		{"until the day before yesterday", 60, 1, 1},
		{"too short", 59, 0, 0},
		{"ended before", 60, 2, 0},
	} {
		var s summed
		in, of := memberOf(t, tc.n, tc.ago, use)
		s.add(in, of, of.Units, until)
		if s.members != tc.want || !(s.variance > 0) {
			t.Errorf("%s: %d members with a variance of %v, want %d", tc.name, s.members, s.variance, tc.want)
		}
	}
}

func TestOnlyDaysOfAllAreSummed(t *testing.T) {
	var s summed
	until := volume.StartOfDay(now).AddDate(0, 0, -2)
	for _, n := range []int{80, 70} {
		in, of := memberOf(t, n, 0, slices.Repeat([]float64{10}, 80))
		if n == 70 {
			in.Observations[5].Used = math.NaN()
		}
		s.add(in, of, of.Units, until)
	}
	in := s.input(now)
	if len(in.Observations) != 69 || in.Newest.Used != 20 {
		t.Fatalf("%d days and %v now, want the 69 that both have, and 20", len(in.Observations), in.Newest.Used)
	}
	for i, o := range in.Observations {
		if o.Used != 20 || i > 0 && !o.Time.After(in.Observations[i-1].Time) {
			t.Errorf("%+v", o)
		}
	}
}

// What one gains the other loses, a fifth of it: peaks move with what they are the peaks of.
func TestReconciledPeaksStayAboveTheirEnds(t *testing.T) {
	r := &row{name: "h", volumes: 2}
	d := &r.demand
	until := volume.StartOfDay(now).AddDate(0, 0, -2)
	for _, sign := range []float64{1, -1} {
		in, of := memberOf(t, 200, 0, walk(200, 5000, 6, 60, 1, sign))
		if d.units == 0 {
			d.origin, d.unit, d.units = of.Origin, of.Unit, of.Units
			d.ends = make([]float64, forecast.Paths*d.units)
		}
		r.summed.add(in, of, d.units, until)
		for i := range forecast.Paths {
			for u := range d.units { // drawn from the same days, they nearly cancel
				d.ends[i*d.units+u] += of.End(i, u) / 3
			}
		}
	}
	d.peaks = make([]float64, len(d.ends))
	for i, v := range d.ends {
		d.peaks[i] = v + 7
	}
	before := slices.Clone(d.ends)
	(&rows{query: PlanQuery{Query: Query{Options: forecast.Options{Horizon: 90 * day}}, By: "host"}}).reconcile(r)
	if slices.Equal(before, d.ends) {
		t.Fatal("nothing was moved")
	}
	for i, v := range d.ends {
		if math.Abs(d.peaks[i]-v-7) > 1e-6 {
			t.Fatalf("a peak of %v above an end of %v, want 7 more", d.peaks[i], v)
		}
	}
}
