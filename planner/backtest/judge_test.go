package backtest

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tidemark/tidemark/planner"
	"github.com/tidemark/tidemark/planner/forecast"
)

var (
	start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	nan   = math.NaN()
	// rounded leaves room for rounding alone.
	rounded = cmp.Options{cmpopts.EquateApprox(0, 1e-9), cmpopts.EquateNaNs()}
)

// daily is a series of one value a day from the first; NaN is a gap.
func daily(first int, capacity float64, values ...float64) []forecast.Observation {
	all := make([]forecast.Observation, len(values))
	for i, v := range values {
		all[i] = forecast.Observation{Time: start.Add(time.Duration(first+i) * day), Used: v, Capacity: capacity}
	}
	return all
}

// made is a forecast from the last of past: its points, each half as wide as two.
func made(past []forecast.Observation, points ...float64) forecast.Forecast {
	last := past[len(past)-1]
	f := forecast.Forecast{Origin: last.Time, Step: day, Used: last.Used, Capacity: last.Capacity}
	for i, v := range points {
		f.Points = append(f.Points, forecast.Point{Time: last.Time.Add(time.Duration(i+1) * day), Forecast: v, Lower: v - 1, Upper: v + 1})
	}
	return f
}

// The past changes by 2, 1 and 2, which is 5/3 a day; the straight line through it rises .8 a day and stands at 12.7 today.
func TestErrorsWorkedOutByHand(t *testing.T) {
	past := daily(0, 20, 10, 12, 11, 13)
	o := Options{Horizons: []int{1, 3, 9}}.withDefaults()
	f := made(past, 14, 15, 16, 17, 18, 19, 20, 21, 22)
	got := o.hold(said{forecast: f, full: 20, quarterLevel: 14.75, quarter: .3}, past, daily(4, 20, 15, nan, 19))
	want := []atHorizon{
		{horizon: horizon{1, 1}, passed: true, forecast: .6, noChange: 1.2, line: .9, known: true, inside: true, bias: -1, scaled: -.6},
		{horizon: horizon{3, 3}, passed: true, forecast: 1.2, noChange: 2.4, line: 1.62, known: true, inside: false, bias: -3, scaled: -1.8},
		{horizon: horizon{9, 9}}, // is not over yet
	}
	if diff := cmp.Diff(want, got.horizons, rounded, cmp.AllowUnexported(atHorizon{}, horizon{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got.full.judged || got.quarter.judged {
		t.Errorf("an alarm is judged after three days: %+v, %+v", got.full, got.quarter)
	}
}

// A forecast has 100,000 points at most: of what lies beyond nothing can be said, least of all that it was right.
func TestAHorizonBeyondThePoints(t *testing.T) {
	past := daily(0, 20, 10, 12, 11, 13)
	o := Options{Horizons: []int{1, 3}}.withDefaults()
	got := o.hold(said{forecast: made(past, 14, 15), full: 20, quarterLevel: 14.75, quarter: .3}, past, daily(4, 20, 15, 16, 17, 18))
	if one := got.horizons[1]; one.passed {
		t.Errorf("%+v, though the forecast has two points", one)
	}
	if h := horizonOf(horizon{3, 3}, []judged{got}); h.Origins != 0 || !math.IsNaN(h.MASE) {
		t.Errorf("%+v, want no origin", h)
	}
}

func TestErrorsWithoutAnObservationAtTheHorizon(t *testing.T) {
	past := daily(0, nan, 10, 12, 11, 13)
	o := Options{Horizons: []int{2}}.withDefaults()
	got := o.hold(said{forecast: made(past, 14, 15, 16), full: nan, quarterLevel: nan, quarter: nan}, past, daily(4, nan, 15, nan, 16)).horizons[0]
	want := atHorizon{horizon: horizon{2, 2}, passed: true, forecast: .6, noChange: 1.2, line: .9, bias: nan, scaled: nan}
	if diff := cmp.Diff(want, got, rounded, cmp.AllowUnexported(atHorizon{}, horizon{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestTypicalChange(t *testing.T) {
	for _, tc := range []struct {
		name string
		past []forecast.Observation
		want float64
	}{
		{"each day", daily(0, nan, 10, 12, 11, 13), 5. / 3},
		{"a gap is spread over its days", daily(0, nan, 10, nan, nan, 16), 2},
		{"it never moved", daily(0, nan, 7, 7, 7), 0},
		{"one point", daily(0, nan, 7), nan},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := typicalChange(tc.past, day); !cmp.Equal(got, tc.want, rounded) {
				t.Errorf("%g, want %g", got, tc.want)
			}
		})
	}
}

// Only the last 30 days count: before them it was falling.
func TestStraightLine(t *testing.T) {
	var values []float64
	for i := range 60 {
		values = append(values, 1000-20*float64(i))
	}
	for i := range 30 {
		values = append(values, 100+3*float64(i))
	}
	past := daily(0, nan, values...)
	l := lineThrough(past, day)
	if got := []float64{l.at(0), l.at(10 * day)}; !cmp.Equal(got, []float64{187, 217}, rounded) {
		t.Errorf("the line is at %v, want 187 and 217", got)
	}
	past = daily(0, nan, values...)
	past[59].Used, past[60].Used = 1e6, nan // the first is 30 days ago, which is no more within them
	if l := lineThrough(past, day); math.Abs(l.at(10*day)-217) > 1e-9 {
		t.Errorf("the line is at %g, want 217", l.at(10*day))
	}
	if l := lineThrough(past[:1], day); !math.IsNaN(l.at(day)) {
		t.Errorf("a line through one point: %+v", l)
	}
	monthly := []forecast.Observation{{Time: start, Used: 1}, {Time: start.Add(31 * day), Used: 32}, {Time: start.Add(59 * day), Used: 60}}
	if l := lineThrough(monthly, 30*day); math.Abs(l.at(10*day)-70) > 1e-9 {
		t.Errorf("a line through months is at %g, want 70", l.at(10*day))
	}
}

// rises is 31 days after day 0, at level from day to on.
func rises(to int, level float64) []forecast.Observation {
	values := make([]float64, 31)
	for i := range values {
		values[i] = 10
		if i+1 >= to {
			values[i] = level
		}
	}
	return daily(1, 100, values...)
}

func TestAlarmWorkedOutByHand(t *testing.T) {
	past := daily(0, 20, 10)
	f := made(past)
	flat, steep := line{10, 0}, line{10, .5}
	for _, tc := range []struct {
		name        string
		used, level float64
		probability float64
		line        line
		future      []forecast.Observation
		want        alarm
	}{
		{"it came on the thirtieth day", 10, 20, .7, steep, rises(30, 20), alarm{judged: true, probability: .7, line: true, came: true}},
		{"it came a day late", 10, 20, .7, flat, rises(31, 20), alarm{judged: true, probability: .7}},
		{"just below", 10, 20, .1, flat, rises(1, 19.99), alarm{judged: true, probability: .1}},
		{"it fell back before the end", 10, 20, .1, flat, append(rises(40, 0), forecast.Observation{Time: start.Add(40 * day), Used: 50}), alarm{judged: true, probability: .1}},
		{"full already", 20, 20, 1, flat, rises(1, 20), alarm{already: true}},
		{"over to the day", 10, 20, .1, flat, rises(1, 19.99)[:30], alarm{judged: true, probability: .1}},
		{"not over yet", 10, 20, .7, flat, rises(1, 20)[:29], alarm{}},
		{"no capacity", 10, nan, nan, flat, rises(1, 20), alarm{}},
		{"nothing was observed in these 30 days", 10, 20, .7, flat, daily(50, 20, 30), alarm{probability: .7}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f.Used = tc.used
			end := tc.future[len(tc.future)-1].Time
			if got := alarmOf(f, tc.level, tc.probability, tc.line, tc.future, end); got != tc.want {
				t.Errorf("%+v, want %+v", got, tc.want)
			}
		})
	}
}

func TestDateWorkedOutByHand(t *testing.T) {
	past := daily(0, 20, 10)
	f := made(past)
	f.TimeToFull = forecast.TimeToFull{P10: start.Add(12 * time.Hour), P50: start.Add(36 * time.Hour)}
	want := dated{true, Filling{Truth: 5, P10: .5, P50: 1.5, P90: nan}}
	if diff := cmp.Diff(want, dateOf(f, 20, rises(5, 25)), rounded, cmp.AllowUnexported(dated{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for name, got := range map[string]dated{
		"it never came": dateOf(f, 20, rises(40, 25)), "after a year": dateOf(f, 20, daily(366, 20, 25)),
		"full already": dateOf(f, 10, rises(5, 25)), "no capacity": dateOf(f, nan, rises(5, 25)),
	} {
		if got.came {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestMonthsAreTooLongForAnAlarm(t *testing.T) {
	f := made(daily(0, 20, 10))
	f.Step = 31 * day
	future := rises(1, 20)
	if got := alarmOf(f, 20, .7, line{10, 0}, future, future[30].Time.Add(day)); got != (alarm{}) {
		t.Errorf("%+v, want none", got)
	}
}

func TestStepIsTheLowerMedian(t *testing.T) {
	all := daily(0, 20, 1, 2, 3)
	all[2].Time = all[1].Time.Add(2 * day)
	if got := stepOf(forecast.Input{Observations: all}); got != day {
		t.Errorf("%v of a day and two days, want the day", got)
	}
}

// The futures are those that the forecast itself would have drawn.
func TestTheSeedIsTheSeries(t *testing.T) {
	o := Options{}.withDefaults()
	p := planner.Past{Series: "s", FullLevel: 1, Seed: 7}
	p.Input.Observations = daily(0, 300, jumpy(160)...)
	got, err := o.say(p, 150)
	if err != nil {
		t.Fatal(err)
	}
	opt := o.Forecast
	opt.Seed, opt.FullLevel = 7, 1
	in := p.Input
	in.Observations = in.Observations[:151]
	if want, _ := forecast.Compute(in, opt); want.TimeToFull != got.forecast.TimeToFull {
		t.Errorf("%+v, want %+v", got.forecast.TimeToFull, want.TimeToFull)
	}
}

// jumpy is a past with every kind of surprise.
func jumpy(n int) []float64 {
	values := make([]float64, n)
	for i := range values {
		values[i] = 100 + float64(i) + 5*math.Sin(float64(i*i)) + 30*float64(i/60%2)
	}
	return values
}

// What came after an origin is no part of what it says: not the use, not the capacity, not that there is anything at all.
func TestNothingLeaks(t *testing.T) {
	o := Options{}.withDefaults()
	const at = 150
	p := planner.Past{Series: "s", FullLevel: .95, Seed: 7}
	p.Input.Step, p.Input.Observations = day, daily(0, 400, jumpy(250)...)
	want, err := o.say(p, at)
	if err != nil {
		t.Fatal(err)
	}
	if want.forecast.TimeToFull.Probability90 == 0 || want.quarter == 0 {
		t.Fatal("the series is no test: nothing is likely")
	}
	for name, change := range map[string]func([]forecast.Observation) []forecast.Observation{
		"other use":      func(f []forecast.Observation) []forecast.Observation { f[0].Used, f[40].Used = 1e9, 0; return f },
		"other capacity": func(f []forecast.Observation) []forecast.Observation { f[0].Capacity = 1e9; return f },
		"other times":    func(f []forecast.Observation) []forecast.Observation { return f[50:60] },
		"none":           func([]forecast.Observation) []forecast.Observation { return nil },
		"a newest reading": func(f []forecast.Observation) []forecast.Observation {
			p.Input.Newest = &forecast.Observation{Time: start.Add(900 * day), Used: 1e9, Capacity: 5}
			return f
		},
		"what tiering freed": func(f []forecast.Observation) []forecast.Observation {
			p.Input.Interventions = []forecast.Intervention{{Time: f[0].Time.Add(1), Change: -1e6}}
			return f
		},
	} {
		future := change(daily(at+1, 400, jumpy(250)[at+1:]...))
		q := p
		q.Input.Observations = append(daily(0, 400, jumpy(at+1)...), future...)
		got, err := o.say(q, at)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(said{}), cmpopts.EquateNaNs()); diff != "" {
			t.Errorf("%s after the origin changes what it says:\n%s", name, diff)
		}
	}
	p.Input.Newest = nil
	p.Input.Observations[at].Used++
	if got, _ := o.say(p, at); cmp.Equal(want, got, cmp.AllowUnexported(said{}), cmpopts.EquateNaNs()) {
		t.Error("the origin itself changes nothing")
	}
}
