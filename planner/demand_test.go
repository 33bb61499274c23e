package planner

import (
	"math"
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

func TestWithinIsWholeUnits(t *testing.T) {
	d := steady(100)
	for span, want := range map[time.Duration]int{time.Second: 1, 30 * day: 30, 30*day + time.Second: 31, 400 * day: 100} {
		if got := d.within(span); got != want {
			t.Errorf("%v: %d units, want %d", span, got, want)
		}
	}
}

// It shrinks on the whole: of so many futures that fill within 90 days it has a date all the same.
func TestWhatShrinksMayWellFillFirst(t *testing.T) {
	for full, want := range map[int]forecast.Reason{99: forecast.ReasonShrinking, 100: ""} {
		d := steady(200)
		for i := range forecast.Paths {
			for u := range d.units {
				if i >= full {
					d.ends[i*d.units+u] = -1
				}
			}
		}
		if o := (&future{demand: d, growth: 1}).outcome("x", nil, 200*day, forecast.ReasonShrinking, AsRead); o.Reason != want {
			t.Errorf("%d of 1,000 fill within 90 days: reason %q, want %q", full, o.Reason, want)
		}
	}
}

func TestCapacityOnTheLastDayCounts(t *testing.T) {
	d := steady(100)
	for unit, want := range map[int]float64{60: 110, 61: 100} {
		if o := (&future{demand: d, growth: 1}).outcome("x", []step{{unit, 10}}, 60*day, "", AsRead); o.Capacity != want {
			t.Errorf("what comes after %d days: capacity %v at 60, want %v", unit, o.Capacity, want)
		}
	}
}

func TestCurveIsQuantiles(t *testing.T) {
	d := steady(100)
	for i := range forecast.Paths {
		for u := range d.units {
			d.ends[i*d.units+u] = float64(forecast.Paths-i) / 100 // 0.01 to 10
		}
	}
	all := (&future{demand: d, growth: 1}).curve(50 * day)
	last := all[len(all)-1]
	if len(all) != 51 || !last.Time.Equal(now.Add(50*day)) || last.P10 != 51 || last.P50 != 55 || last.P90 != 59 {
		t.Errorf("%d points, the last %+v; want 51, 55 and 59", len(all), last)
	}
}
