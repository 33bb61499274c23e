package backtest

import (
	"context"
	"errors"
	"iter"
	"math"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tidemark/tidemark/planner"
	"github.com/tidemark/tidemark/planner/forecast"
)

func pastOf(name string, obs []forecast.Observation) planner.Past {
	return planner.Past{Series: name, FullLevel: 1, Input: forecast.Input{Observations: obs}}
}

func sequence(all ...planner.Past) iter.Seq2[planner.Past, error] {
	return func(yield func(planner.Past, error) bool) {
		for _, p := range all {
			if !yield(p, nil) {
				return
			}
		}
	}
}

func run(t *testing.T, opt Options, all ...planner.Past) []Score {
	t.Helper()
	var scores []Score
	for s, err := range Run(t.Context(), sequence(all...), opt) {
		if err != nil {
			t.Fatal(err)
		}
		scores = append(scores, s)
	}
	return scores
}

// straight rises by one a day from 100.
func straight(n int) []float64 {
	values := make([]float64, n)
	for i := range values {
		values[i] = 100 + float64(i)
	}
	return values
}

// On a straight line the forecast and the line are perfect, and "no change" is off by (h+1)/2 days of change on average.
func TestPerfectSeries(t *testing.T) {
	got := run(t, Options{}, pastOf("line", daily(0, 1000, straight(200)...)))[0]
	if got.Origins != 17 || !got.Last.Equal(start.Add(192*day)) || !got.First.Equal(start.Add(32*day)) {
		t.Errorf("%d origins from %v to %v, want 17 from day 32 to day 192", got.Origins, got.First, got.Last)
	}
	want := []Horizon{
		{Days: 7, Steps: 7, Origins: 17, NoChange: 4, Coverage: 1},
		{Days: 30, Steps: 30, Origins: 14, NoChange: 15.5, Coverage: 1},
		{Days: 90, Steps: 90, Origins: 8, NoChange: 45.5, Coverage: 1},
	}
	if diff := cmp.Diff(want, got.Horizons, cmpopts.EquateApprox(0, 1e-6)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	full := got.Full
	if full.Judged != 14 || full.Happened+full.Said+full.Already != 0 || full.Brier() != 0 || got.Dates[2].Filled != 0 {
		t.Errorf("it was never full: %+v, %+v", full, got.Dates)
	}
	// A quarter of 1000-100-i is never gone in 30 days before day 780.
	if got.Quarter.Judged != 14 || got.Quarter.Happened != 0 {
		t.Errorf("a quarter of the free space: %+v", got.Quarter)
	}
	for name, v := range map[string]float64{"precision": full.Precision(), "recall": full.Recall(), "date": got.Dates[0].Median} {
		if !math.IsNaN(v) {
			t.Errorf("%s of nothing is %g, want that it is not known", name, v)
		}
	}
}

// It fills on day 200; 30 days before that the alarm is due, and the line knows the day.
func TestVolumeThatFills(t *testing.T) {
	values := straight(240)
	for i := range values {
		values[i] = min(values[i], 300)
	}
	got := run(t, Options{Every: 5 * day, Origins: 100}, pastOf("fills", daily(0, 300, values...)))[0]
	full := got.Full
	// Origins are on days 32, 37, …, 232; from 172 to 197 it fills within 30 days, from 202 on it is full.
	if full.Judged != 34 || full.Happened != 6 || full.Already != 7 || full.Said != 6 || full.Right != 6 || full.LineRight != 6 || full.LineSaid != 6 {
		t.Errorf("alarms %+v, want the 6 of 34 that were due", full)
	}
	if full.Precision() != 1 || full.Recall() != 1 || full.LineBrier() != 0 {
		t.Errorf("precision %g, recall %g, Brier of the line %g", full.Precision(), full.Recall(), full.LineBrier())
	}
	for i, want := range []int{6, 18, 34} {
		d := got.Dates[i]
		if d.Filled != want || d.Dated != want || math.Abs(d.Median) > 2 || d.Absolute > 2 {
			t.Errorf("within %d days: %+v, want %d dates right to two days", d.Within, d, want)
		}
	}
}

// At a full level of 90 % it is full on day 170, 30 days before it holds no more.
func TestFullLevel(t *testing.T) {
	p := pastOf("level", daily(0, 300, straight(185)...))
	p.FullLevel = .9
	got := run(t, Options{Every: 5 * day, Origins: 100}, p)[0]
	// Origins are on days 32 to 177, of which those to 152 have 30 days after them; from 142 on it is due, and from 170 on it is so.
	if a := got.Full; a.Happened != 3 || a.Said != 3 || a.Right != 3 || a.LineRight != 3 || a.Already != 2 {
		t.Errorf("%+v, want the alarms of days 142, 147 and 152", a)
	}
	if d := got.Dates[0]; d.Filled != 6 || d.Absolute > 2 {
		t.Errorf("%+v, want the dates of days 142 to 167", d)
	}
}

// A volume that is enlarged after the origins of its alarm: they are held against what it could hold then.
func TestResizeInTheMiddle(t *testing.T) {
	obs := daily(0, 200, straight(200)...)
	for i := range obs {
		if i >= 90 {
			obs[i].Capacity = 100_000
		}
	}
	got := run(t, Options{Every: 5 * day, Origins: 100}, pastOf("grown", obs))[0]
	// From days 72 to 87 it would have filled on day 100 within 30 days; from 92 on there is room for ever.
	if got.Full.Happened != 4 || got.Full.Right != 4 || got.Full.Already != 0 || got.Dates[0].Filled != 4 {
		t.Errorf("%+v %+v, want 4 alarms in terms of the old capacity", got.Full, got.Dates[0])
	}
}

func TestPastsThatAreTooShort(t *testing.T) {
	gap := daily(0, 50, straight(100)...)
	for i := range 98 {
		gap[i+1].Used = nan
	}
	for _, tc := range []struct {
		name string
		obs  []forecast.Observation
		want string
	}{
		{"one point", daily(0, 5, 1), "a past of 0 days is too short: it takes 37 days"},
		{"no point", nil, "a past of 0 days is too short: it takes 37 days"},
		{"36 days", daily(0, 500, straight(37)...), "a past of 36 days is too short: it takes 37 days"},
		{"two points far apart are its step", gap, "a past of 99 days is too short: it takes 1485 days"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := run(t, Options{}, pastOf("s", tc.obs))
			if len(got) != 1 || got[0].TooShort == nil || got[0].TooShort.String() != tc.want || got[0].Origins != 0 {
				t.Fatalf("%+v (%v), want %q", got, got[0].TooShort, tc.want)
			}
		})
	}
	if got := run(t, Options{}, pastOf("s", daily(0, 500, straight(38)...)))[0]; got.Origins != 1 || got.Horizons[1].Origins != 0 || !math.IsNaN(got.Horizons[1].MASE) {
		t.Errorf("37 days: %+v, want one origin, 7 days ahead", got)
	}
}

// In a gap stands no origin, and errors are taken over what was observed.
func TestGaps(t *testing.T) {
	obs := daily(0, 1000, straight(200)...)
	for i := 100; i < 150; i++ {
		obs[i].Used = nan
	}
	got := run(t, Options{}, pastOf("gap", obs))[0]
	for _, h := range got.Horizons {
		if h.Origins == 0 || h.MASE > .01 || math.IsNaN(h.MASE) {
			t.Errorf("%+v, want a perfect forecast around the gap", h)
		}
	}
	// Those of days 102 to 142 are one, on the last day before the gap.
	if got.Origins != 17-4 {
		t.Errorf("%d origins, want none within the gap", got.Origins)
	}
	without := make([]forecast.Observation, 0, len(obs))
	for _, o := range obs {
		if !math.IsNaN(o.Used) {
			without = append(without, o)
		}
	}
	absent := run(t, Options{}, pastOf("gap", without))[0]
	if diff := cmp.Diff(got, absent, cmpopts.EquateNaNs(), cmp.AllowUnexported(Alarms{})); diff != "" {
		t.Errorf("an empty cell and a missing row differ:\n%s", diff)
	}
}

func TestOtherSteps(t *testing.T) {
	every := func(step time.Duration, n int) []forecast.Observation {
		obs := daily(0, 10000, straight(n)...)
		for i := range obs {
			obs[i].Time = start.Add(time.Duration(i) * step)
		}
		return obs
	}
	for _, tc := range []struct {
		name string
		obs  []forecast.Observation
		want []Horizon // days and steps
	}{
		{"hours", every(time.Hour, 24*45), []Horizon{{Days: 7, Steps: 168}, {Days: 30, Steps: 720}, {Days: 90, Steps: 2160}}},
		{"weeks", every(7*day, 60), []Horizon{{Days: 7, Steps: 1}, {Days: 30, Steps: 4}, {Days: 90, Steps: 13}}},
		{"months", every(30*day, 40), []Horizon{{Days: 30, Steps: 1}, {Days: 90, Steps: 3}}},
		{"years", every(365*day, 40), []Horizon{{Days: 90, Steps: 1}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := run(t, Options{}, pastOf("s", tc.obs))[0]
			if len(got.Horizons) != len(tc.want) || got.Origins == 0 {
				t.Fatalf("%+v, want %+v", got, tc.want)
			}
			for i, h := range got.Horizons {
				if h.Days != tc.want[i].Days || h.Steps != tc.want[i].Steps || h.Origins > 0 && h.MASE > 1e-6 {
					t.Errorf("%+v, want %+v and no error", h, tc.want[i])
				}
			}
		})
	}
}

func TestNewestOriginsFirst(t *testing.T) {
	got := run(t, Options{Origins: 3}, pastOf("s", daily(0, 1000, straight(200)...)))[0]
	if got.Origins != 3 || !got.Last.Equal(start.Add(192*day)) || !got.First.Equal(start.Add(172*day)) {
		t.Errorf("%d origins from %v to %v, want the last three", got.Origins, got.First, got.Last)
	}
}

// An idle volume has no typical change to measure by; what else can be said is said.
func TestIdleVolume(t *testing.T) {
	values := make([]float64, 100)
	for i := range values {
		values[i] = 42
	}
	h := run(t, Options{}, pastOf("idle", daily(0, 100, values...)))[0].Horizons[0]
	if !math.IsNaN(h.MASE) || h.Coverage != 1 || h.Bias != 0 || h.Origins == 0 {
		t.Errorf("%+v", h)
	}
}

func TestSeriesComeInOrderOnAllCores(t *testing.T) {
	pasts := []planner.Past{
		pastOf("b", daily(0, 400, jumpy(120)...)), pastOf("short", daily(0, 400, 1)), pastOf("a", daily(0, 500, jumpy(150)...)), pastOf("c", nil),
	}
	all := run(t, Options{}, pasts...)
	var names []string
	for _, s := range all {
		names = append(names, s.Series)
	}
	if strings.Join(names, " ") != "b short a c" {
		t.Errorf("order %v", names)
	}
	for i, p := range pasts {
		if diff := cmp.Diff(run(t, Options{}, p)[0], all[i], cmpopts.EquateNaNs(), cmp.AllowUnexported(Alarms{})); diff != "" {
			t.Errorf("%s is another one in company (-alone +in company):\n%s", p.Series, diff)
		}
	}
	before := runtime.GOMAXPROCS(1)
	defer runtime.GOMAXPROCS(before)
	if diff := cmp.Diff(all, run(t, Options{}, pasts...), cmpopts.EquateNaNs(), cmp.AllowUnexported(Alarms{})); diff != "" {
		t.Errorf("one core gives another answer:\n%s", diff)
	}
}

func TestErrors(t *testing.T) {
	twice := daily(0, 400, straight(50)...)
	twice[10].Time = twice[9].Time
	broken := errors.New("broken")
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	for _, tc := range []struct {
		name  string
		ctx   context.Context
		pasts iter.Seq2[planner.Past, error]
		want  error
	}{
		{"a time twice", t.Context(), sequence(pastOf("s", twice)), errOrder},
		{"the history fails", t.Context(), func(yield func(planner.Past, error) bool) { yield(planner.Past{}, broken) }, broken},
		{"interrupted", canceled, sequence(pastOf("s", daily(0, 400, straight(50)...))), context.Canceled},
	} {
		t.Run(tc.name, func(t *testing.T) {
			n := 0
			for _, err := range Run(tc.ctx, tc.pasts, Options{}) {
				n++
				if !errors.Is(err, tc.want) {
					t.Errorf("%v, want %v", err, tc.want)
				}
			}
			if n != 1 {
				t.Errorf("%d results, want the error alone", n)
			}
		})
	}
}

// Where use stands above the capacity, that is no limit: the forecast is judged as if there were none, and its alarms are over.
func TestUseAboveTheCapacity(t *testing.T) {
	noisy := jumpy(200)
	got := run(t, Options{}, pastOf("s", daily(0, 1, noisy...)), pastOf("s", daily(0, nan, noisy...)))
	over, free := got[0], got[1]
	if diff := cmp.Diff(free.Horizons, over.Horizons, cmpopts.EquateNaNs()); diff != "" {
		t.Errorf("a capacity that is no limit makes another error:\n%s", diff)
	}
	if over.Horizons[0].Origins != 17 || over.Full.Already != 17 || over.Quarter.Already != 17 || over.Full.Judged != 0 {
		t.Errorf("%+v, want alarms that are over at all origins", over)
	}
	if crossing := run(t, Options{}, pastOf("line", daily(0, 150, straight(200)...)))[0]; crossing.Full.Already == 0 || crossing.Full.Already == crossing.Origins {
		t.Errorf("%+v, want origins below and above", crossing.Full)
	}
}
