package forecast

import (
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"
)

// samples are one series of each kind that grows, jumps, falls back or stands still.
func samples() map[string][]Observation {
	all := map[string][]Observation{}
	for _, k := range kinds() {
		switch k.name {
		case "steady", "a week's season", "with cleanups", "jumps", "a month's rotation", "constant", "shrinking", "weekends without samples", "hours", "weeks":
			all[k.name] = k.observations(rand.New(rand.NewPCG(3, 4)))
		}
	}
	return all
}

func computed(t *testing.T, in Input) Forecast {
	t.Helper()
	f, err := Compute(in, Options{Steps: 40})
	if err != nil {
		t.Fatal(err)
	}
	valid(t, f, in, Options{Steps: 40})
	return f
}

func TestAnotherUnitScalesTheForecastAndKeepsItsDates(t *testing.T) {
	for name, series := range samples() {
		t.Run(name, func(t *testing.T) {
			a := computed(t, Input{Observations: series})
			for _, c := range []float64{1 << 30, 1. / (1 << 20), 1e-9, 1000} {
				scaled := slices.Clone(series)
				for i := range scaled {
					scaled[i].Used *= c
					scaled[i].Capacity *= c
				}
				b := computed(t, Input{Observations: scaled})
				same := func(what string, got, want float64) {
					t.Helper()
					if math.Abs(got-want*c) > 1e-6*c*math.Abs(want)+1e-6*c {
						t.Errorf("times %g: %s is %v, want %v", c, what, got, want*c)
					}
				}
				for k := range a.Points {
					same("the forecast", b.Points[k].Forecast, a.Points[k].Forecast)
					same("the lower end", b.Points[k].Lower, a.Points[k].Lower)
					same("the upper end", b.Points[k].Upper, a.Points[k].Upper)
				}
				same("growth", b.GrowthPerDay, a.GrowthPerDay)
				if len(a.Events) != len(b.Events) {
					t.Fatalf("times %g: events %v, want %v", c, b.Events, a.Events)
				}
				for i, e := range a.Events {
					same("an event's change", b.Events[i].Change, e.Change)
				}
				if apart(a.TimeToFull, b.TimeToFull) {
					t.Errorf("times %g: %+v, want %+v", c, b.TimeToFull, a.TimeToFull)
				}
				if t.Failed() {
					return
				}
			}
		})
	}
}

// apart says whether two answers differ by more than rounding explains: a path or two may pass a unit earlier or later.
func apart(a, b TimeToFull) bool {
	near := func(x, y time.Time) bool { return x.IsZero() == y.IsZero() && x.Sub(y).Abs() < 12*time.Hour }
	close := func(x, y float64) bool { return math.Abs(x-y) <= .003 }
	return a.Reason != b.Reason || !near(a.P10, b.P10) || !near(a.P50, b.P50) || !near(a.P90, b.P90) ||
		!close(a.Probability7, b.Probability7) || !close(a.Probability30, b.Probability30) || !close(a.Probability90, b.Probability90)
}

func TestAnotherTimeShiftsTheForecast(t *testing.T) {
	for name, series := range samples() {
		a := computed(t, Input{Observations: series})
		for _, by := range []time.Duration{time.Second, -41 * day, 29_219 * day} {
			shifted := slices.Clone(series)
			for i := range shifted {
				shifted[i].Time = shifted[i].Time.Add(by)
			}
			b := computed(t, Input{Observations: shifted})
			b.Origin = b.Origin.Add(-by)
			for k := range b.Points {
				b.Points[k].Time = b.Points[k].Time.Add(-by)
			}
			for _, date := range []*time.Time{&b.TimeToFull.P10, &b.TimeToFull.P50, &b.TimeToFull.P90} {
				if !date.IsZero() {
					*date = date.Add(-by)
				}
			}
			for i := range b.Events {
				b.Events[i].From, b.Events[i].To = b.Events[i].From.Add(-by), b.Events[i].To.Add(-by)
			}
			if !reflect.DeepEqual(unlessNaN(a), unlessNaN(b)) {
				t.Errorf("%s shifted by %v: %+v, want %+v; events %v, want %v", name, by, b.TimeToFull, a.TimeToFull, b.Events, a.Events)
			}
		}
	}
}

// unlessNaN makes forecasts comparable.
func unlessNaN(f Forecast) Forecast {
	for _, v := range []*float64{&f.Capacity, &f.Backtest.MASE, &f.Backtest.RelativeMAE, &f.Backtest.Coverage, &f.Backtest.Bias} {
		if math.IsNaN(*v) {
			*v = -1
		}
	}
	return f
}

func TestObservationsInAnyOrder(t *testing.T) {
	for name, series := range samples() {
		want := computed(t, Input{Observations: series})
		mixed := slices.Clone(series)
		rand.New(rand.NewPCG(1, 1)).Shuffle(len(mixed), func(i, j int) { mixed[i], mixed[j] = mixed[j], mixed[i] })
		for i := 0; i < len(series); i += 7 { // an older reading of the same time, which does not count
			mixed = slices.Insert(mixed, 0, Observation{series[i].Time, series[i].Used * 3, series[i].Capacity})
		}
		before := slices.Clone(mixed)
		if got := computed(t, Input{Observations: mixed}); !reflect.DeepEqual(unlessNaN(got), unlessNaN(want)) {
			t.Errorf("%s: %+v, want %+v", name, got.TimeToFull, want.TimeToFull)
		}
		if !slices.Equal(mixed, before) {
			t.Errorf("%s: the caller's observations were changed", name)
		}
	}
}

func TestOddInputHasItsStatedTreatment(t *testing.T) {
	clean := every(day, 10, 12, 14, 15, 18, 20, 21, 24, 26, 27, 30, 32, 34, 36)
	for i := range clean {
		clean[i].Capacity = 100
	}
	with := func(o ...Observation) []Observation { return append(slices.Clone(clean), o...) }
	last := clean[len(clean)-1].Time
	want := computed(t, Input{Observations: clean})
	for name, odd := range map[string]Observation{
		"NaN":              {last.Add(day), math.NaN(), 100},
		"infinite":         {last.Add(day), math.Inf(1), 100},
		"minus infinite":   {last.Add(day), math.Inf(-1), 100},
		"negative":         {last.Add(day), -1, 100},
		"beyond any store": {last.Add(day), 2e100, 100},
	} {
		got := computed(t, Input{Observations: with(odd)})
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s use: %+v, want it to be a gap: %+v", name, got.Points[0], want.Points[0])
		}
	}
	for name, capacity := range map[string]float64{"NaN": math.NaN(), "infinite": math.Inf(1), "zero": 0, "negative": -7} {
		if got := computed(t, Input{Observations: with(Observation{last.Add(day), 38, capacity})}); got.Capacity != 100 {
			t.Errorf("%s capacity: %v, want the last that is known", name, got.Capacity)
		}
	}
	if got := computed(t, Input{Observations: with(Observation{last.Add(day), 130, 100})}); got.TimeToFull.Reason != ReasonFull || got.Used != 130 {
		t.Errorf("over capacity: %v, %+v", got.Used, got.TimeToFull)
	}
	if got := computed(t, Input{Observations: with(Observation{last.AddDate(100, 0, 0), 40, 100})}); got.Origin != last.AddDate(100, 0, 0) || got.TimeToFull.Reason != ReasonGap {
		t.Errorf("a century of gap: %v, %+v", got.Origin, got.TimeToFull)
	}
}
