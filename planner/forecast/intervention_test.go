package forecast_test

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/tidemark/tidemark/internal/volumetest"
	"github.com/tidemark/tidemark/planner/forecast"
)

// released is a volume of which tiering released so many units on each of some days before the origin, and the one that nobody
// touched. A run at night shows from the day after on: a day is its peak.
func released(v volumetest.Volume, units float64, daysAgo ...int) (touched, untouched forecast.Input) {
	untouched = inputOf(v)
	touched = inputOf(v)
	total := 0.
	for _, ago := range daysAgo {
		i := len(v.Times) - 1 - ago
		for j := i + 1; j < len(v.Times); j++ {
			touched.Observations[j].Used -= units * v.Unit()
		}
		touched.Interventions = append(touched.Interventions, forecast.Intervention{Time: v.Times[i].Add(135 * time.Minute), Change: -units * v.Unit()})
		total += units * v.Unit()
	}
	for i := range untouched.Observations {
		untouched.Observations[i].Capacity += total // as much room as the other has
	}
	return touched, untouched
}

func TestWhatWasReleasedIsNoCleanupAndNoTrend(t *testing.T) {
	opt := forecast.Options{Steps: 30, Horizon: 400 * day, Seed: 1}
	for _, kind := range []volumetest.Kind{volumetest.Steady, volumetest.Week, volumetest.Cleanups, volumetest.Gaps} {
		for seed := range uint64(5) {
			v := volumetest.New(kind, seed)
			touched, untouched := released(v, 40, 70, 33, 12, 1)
			slices.Reverse(touched.Interventions) // in any order
			before := slices.Clone(touched.Observations)
			got, err := forecast.Compute(touched, opt)
			if err != nil {
				t.Fatal(err)
			}
			want, err := forecast.Compute(untouched, opt)
			if err != nil {
				t.Fatal(err)
			}
			last := touched.Observations[len(touched.Observations)-1]
			near := func(a, b float64) bool { return math.Abs(a-b) < 1e-6*v.Unit() }
			if !near(got.Used, last.Used) || got.Capacity != last.Capacity || !near(got.GrowthPerDay, want.GrowthPerDay) {
				t.Errorf("%s %d: used %v of %v, growth %v; want %v of %v, %v", kind, seed, got.Used, got.Capacity, got.GrowthPerDay, last.Used, last.Capacity, want.GrowthPerDay)
			}
			for k, p := range got.Points {
				if down := 160 * v.Unit(); !near(p.Forecast, want.Points[k].Forecast-down) || !near(p.Lower, want.Points[k].Lower-down) {
					t.Fatalf("%s %d: point %d is %+v, want %+v less %v", kind, seed, k, p, want.Points[k], down)
				}
			}
			if got.TimeToFull.Reason != want.TimeToFull.Reason || got.TimeToFull.P50.Sub(want.TimeToFull.P50).Abs() > day {
				t.Errorf("%s %d: %+v, want %+v", kind, seed, got.TimeToFull, want.TimeToFull)
			}
			if len(got.Events) != len(want.Events) {
				t.Errorf("%s %d: events %+v, want %+v", kind, seed, got.Events, want.Events)
			}
			blind := touched
			blind.Interventions = nil
			if unaware := eventsOf(t, blind); slices.Equal(unaware, got.Events) {
				t.Errorf("%s %d: the same events without the interventions: the test sees nothing", kind, seed)
			}
			if !slices.EqualFunc(before, touched.Observations, func(a, b forecast.Observation) bool {
				return a.Time.Equal(b.Time) && (a.Used == b.Used || math.IsNaN(a.Used))
			}) {
				t.Error("the caller's observations were changed")
			}
		}
	}
}

func TestTheNewestReadingMayBeAfterTheRelease(t *testing.T) {
	in := daily(200, func(i int) float64 { return 1000 + 10*float64(i) })
	last := in.Observations[199].Time
	for i := range in.Observations {
		in.Observations[i].Capacity = 3200
	}
	in.Newest = &forecast.Observation{Time: last.Add(30 * time.Hour), Used: 2000, Capacity: 3200}
	in.Interventions = []forecast.Intervention{{Time: last.Add(26 * time.Hour), Change: -1000}}
	f, err := forecast.Compute(in, forecast.Options{Steps: 10, Horizon: 400 * day})
	if err != nil {
		t.Fatal(err)
	}
	if f.Used != 2000 || math.Abs(f.GrowthPerDay-10) > .5 || math.Abs(f.Points[0].Forecast-2000) > 15 {
		t.Errorf("used %v, growth %v, then %+v; want 2000, 10 and 2000", f.Used, f.GrowthPerDay, f.Points[0])
	}
	if days := f.TimeToFull.P50.Sub(f.Origin).Hours() / 24; math.Abs(days-120) > 8 {
		t.Errorf("full in %v days, want 120", days)
	}
}

func TestInterventionsThatMakeNoSenseCountNothing(t *testing.T) {
	in := daily(50, func(i int) float64 { return 1000 + 10*float64(i) })
	want, _ := forecast.Compute(in, forecast.Options{Steps: 5})
	first, last := in.Observations[0].Time, in.Observations[49].Time
	in.Interventions = []forecast.Intervention{
		{Time: first, Change: -100},
		{Time: first.Add(-day), Change: -100},
		{Time: last.Add(time.Second), Change: -100},
		{Time: first.Add(20 * day), Change: math.NaN()},
		{Time: first.Add(20 * day), Change: math.Inf(-1)},
	}
	got, err := forecast.Compute(in, forecast.Options{Steps: 5})
	if err != nil || !slices.Equal(got.Points, want.Points) || got.TimeToFull != want.TimeToFull {
		t.Errorf("%+v, %v; want %+v", got.Points, err, want.Points)
	}
	in.Interventions = []forecast.Intervention{{Time: first.Add(20 * day), Change: 1e99}} // more was recalled than there is
	if f, err := forecast.Compute(in, forecast.Options{Steps: 5}); err != nil || math.IsNaN(f.Points[0].Forecast) {
		t.Errorf("%+v, %v", f.Points, err)
	}
}
