package planner

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/tidemark/tidemark/planner/forecast"
)

// steady is a demand whose every path grows by one a day, from 50 of 100.
func steady(units int) *demand {
	d := &demand{origin: now, unit: day, units: units, used: 50, capacity: 100, full: 100, growthPerDay: 1, ends: make([]float64, forecast.Paths*units)}
	for i := range forecast.Paths {
		for u := range units {
			d.ends[i*units+u] = float64(u + 1)
		}
	}
	return d
}

func TestCapacityCountsFromTheDayItComes(t *testing.T) {
	d := steady(200) // full after 50 days
	for _, tc := range []struct {
		name string
		at   time.Duration
		want float64 // days until it is full
	}{
		{"at once", 0, 60},
		{"in time", 49 * day, 60},
		{"within the day on which it fills", 49*day + time.Hour, 50},
		{"too late", 51 * day, 50},
	} {
		steps := d.steps([]Addition{{Amount: 10, At: now.Add(tc.at)}}, func(Addition) bool { return true })
		o := (&future{demand: d, growth: 1}).outcome("x", steps, 200*day, "", AsRead)
		if got := o.P50.Sub(now).Hours() / 24; math.Abs(got-tc.want) > 1e-9 {
			t.Errorf("%s: full after %v days, want %v", tc.name, got, tc.want)
		}
	}
}

func TestPeaksFillAndAreBoughtFor(t *testing.T) {
	d := steady(100)
	d.peaks = make([]float64, len(d.ends))
	for i, v := range d.ends {
		d.peaks[i] = v + 20
	}
	o := (&future{demand: d, growth: 1}).outcome("x", nil, 100*day, "", AsRead)
	// On the thirtieth day use goes from 79 to a peak of 100; on the last it peaks at 170.
	if got := o.P10.Sub(now).Hours() / 24; math.Abs(got-30) > 1e-9 || o.Buy != 71 {
		t.Errorf("full after %v days, buy %v; want 30 and 71", got, o.Buy)
	}
}

func TestAnOriginBeforeTheRowsIsPast(t *testing.T) {
	in := forecast.Input{Step: day}
	for i := range 100 {
		in.Observations = append(in.Observations, forecast.Observation{Time: now.AddDate(0, 0, i-99), Used: float64(i), Capacity: 1000})
	}
	s, err := forecast.Simulate(in, forecast.Options{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	d := &demand{origin: now.Add(4 * day), unit: day, units: 365}
	d.add(s)
	if got := d.ends[0]; math.Abs(got-5) > .01 {
		t.Errorf("a series that ended four days ago adds %v on the first day, want its fifth", got)
	}
}

func TestPlaceNth(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 500 {
		values := make([]float64, 1+r.IntN(200))
		for i := range values {
			values[i] = float64(r.IntN(50)) // many are alike
		}
		sorted := slices.Sorted(slices.Values(values))
		n := r.IntN(len(values))
		placeNth(values, n)
		if values[n] != sorted[n] || slices.Max(values[:n+1]) != sorted[n] || slices.Min(values[n:]) != sorted[n] {
			t.Fatalf("%v at %d of %v", values, n, sorted)
		}
	}
}
