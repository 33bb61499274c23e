package planner

import (
	"errors"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidemark/tidemark/internal/volume"
	"github.com/tidemark/tidemark/planner/forecast"
)

const planGiB = 1 << 30

// made is a volume with a past that a test makes up, in GiB by day; the last is yesterday's, and now's.
type made struct {
	volume.ID
	use      []float64
	capacity float64
	attrs    volume.Attributes
	tags     map[string]string
	age      time.Duration // of the newest sample
}

func historyOf(all ...made) *fakeHistory {
	h := &fakeHistory{}
	slices.SortFunc(all, func(a, b made) int { return a.ID.Compare(b.ID) })
	for _, m := range all {
		usage := func(v float64) volume.Usage {
			used := int64(v * planGiB)
			total := int64(m.capacity * planGiB)
			return volume.Usage{Total: total, Used: used, Free: max(0, total-used)}
		}
		series := volume.DaySeries{ID: m.ID}
		at := now.Add(-m.age)
		for i, v := range m.use {
			series.Days = append(series.Days, volume.Day{Start: volume.StartOfDay(at).AddDate(0, 0, i-len(m.use)), Usage: usage(v)})
		}
		h.days = append(h.days, series)
		h.newest = append(h.newest, volume.Sample{ID: m.ID, Time: at, Attributes: m.attrs, Usage: usage(m.use[len(m.use)-1]), Tags: m.tags})
	}
	return h
}

// walk is n days of use: a start, a daily mean, and noise of a seed; sign -1 turns the noise round.
func walk(n int, from, mean, sigma float64, seed uint64, sign float64) []float64 {
	r := rand.New(rand.NewPCG(seed, 77))
	use := make([]float64, n)
	for i := range use {
		from += mean + sign*sigma*r.NormFloat64()
		use[i] = from
	}
	// Where it ends does not depend on the noise, or on its sign.
	for i, tilt := 0, use[n-1]-(use[0]+mean*float64(n-1)); i < n; i++ {
		use[i] -= tilt * float64(i) / float64(n-1)
	}
	return use
}

func vol(host, path string, use []float64, capacity float64) made {
	return made{ID: volume.ID{Host: host, Path: path}, use: use, capacity: capacity}
}

func planQuery() PlanQuery {
	return PlanQuery{Query: Query{Now: now}, LeadTime: 45 * day}
}

func mustPlan(t *testing.T, h History, q PlanQuery) []Plan {
	t.Helper()
	plans, err := Planner{History: h}.Plans(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	return plans
}

func planOf(t *testing.T, plans []Plan, series string) Plan {
	t.Helper()
	for _, p := range plans {
		if p.Series == series {
			return p
		}
	}
	t.Fatalf("no row %q in %+v", series, plans)
	return Plan{}
}

func outcomeOf(t *testing.T, p Plan, scenario string) Outcome {
	t.Helper()
	for _, o := range p.Outcomes {
		if o.Scenario == scenario {
			return o
		}
	}
	t.Fatalf("%s has no scenario %q", p.Series, scenario)
	return Outcome{}
}

func TestAsItIsSaysWhatTheForecastSays(t *testing.T) {
	h := historyOf(
		vol("a", "/walk", walk(400, 3000, 5, 30, 1, 1), 6500),
		vol("a", "/idle", slices.Repeat([]float64{100}, 200), 500),
		vol("a", "/full", walk(200, 10, 2, 1, 2, 1), 300),
		vol("b", "/far", walk(300, 100, 1, 1, 3, 1), 1e6),
		vol("b", "/new", []float64{1, 2}, 100),
	)
	plans := mustPlan(t, h, planQuery())
	i := 0
	for o, err := range (Planner{History: h}).Outlooks(t.Context(), planQuery().Query) {
		if err != nil {
			t.Fatal(err)
		}
		p := plans[i]
		i++
		got := p.Outcomes[0]
		if p.Series != o.Series || got.P10 != o.TimeToFull.P10 || got.P50 != o.TimeToFull.P50 || got.P90 != o.TimeToFull.P90 || got.Reason != o.TimeToFull.Reason {
			t.Errorf("%s: plan %+v, outlook %+v", o.Series, got, o.TimeToFull)
		}
		if got.Used != o.Used || got.Capacity != o.Capacity || got.GrowthPerDay != o.GrowthPerDay {
			t.Errorf("%s: %v of %v, %v a day; want %v of %v, %v", o.Series, got.Used, got.Capacity, got.GrowthPerDay, o.Used, o.Capacity, o.GrowthPerDay)
		}
		switch {
		case o.TimeToFull.P10.IsZero():
			if !got.OrderBy.IsZero() || got.Buy > 0 {
				t.Errorf("%s has no date, and is to be ordered by %v: %v", o.Series, got.OrderBy, got.Buy)
			}
		case got.OrderBy != o.TimeToFull.P10.Add(-45*day) || got.Overdue != got.OrderBy.Before(now) || !(got.Buy > 0):
			t.Errorf("%s: order by %v (overdue %v), buy %v; the early date is %v", o.Series, got.OrderBy, got.Overdue, got.Buy, o.TimeToFull.P10)
		}
	}
	if i != len(plans) || i != 5 {
		t.Errorf("%d outlooks, %d plans, want 5", i, len(plans))
	}
	if full := planOf(t, plans, "a:/full").Outcomes[0]; full.Reason != forecast.ReasonFull || !full.Overdue || !(full.Buy > 300*planGiB) {
		t.Errorf("a full volume: %+v", full)
	}
	if fresh := planOf(t, plans, "b:/new").Outcomes[0]; !math.IsNaN(fresh.Buy) {
		t.Errorf("what a new volume needs is not known, and it is to buy %v", fresh.Buy)
	}
}

func TestNoChangeOfGrowthIsAsItIs(t *testing.T) {
	h := historyOf(vol("a", "/walk", walk(400, 3000, 5, 30, 1, 1), 6500), vol("a", "/other", walk(400, 2000, 4, 30, 2, 1), 4500))
	q := planQuery()
	q.Scenarios = []Scenario{{Name: "growth +0%"}}
	for _, p := range mustPlan(t, h, q) {
		got, want := p.Outcomes[1], p.Outcomes[0]
		if got.Scenario = want.Scenario; !reflect.DeepEqual(got, want) {
			t.Errorf("%s: without a change of growth %+v, as it is %+v", p.Series, got, want)
		}
	}
}

// What is to be bought is enough, and not much more.
func TestWhatIsBoughtLasts(t *testing.T) {
	h := historyOf(vol("a", "/v", walk(400, 3000, 5, 30, 1, 1), 6000), vol("a", "/w", walk(400, 1000, 5, 30, 5, 1), 4000))
	for _, by := range []string{"", "host"} {
		q := planQuery()
		q.By = by
		q.PolicyOf = func(volume.ID) Policy { return Policy{FullLevel: .9} }
		for _, p := range mustPlan(t, h, q) {
			buy := p.Outcomes[0].Buy
			q.Scenarios = []Scenario{
				{Name: "enough", Adds: []Addition{{Series: "", Amount: buy, At: volume.StartOfDay(now)}}},
				{Name: "too little", Adds: []Addition{{Series: "", Amount: .85 * buy, At: volume.StartOfDay(now)}}},
			}
			again := planOf(t, mustPlan(t, h, q), p.Series)
			if o := outcomeOf(t, again, "enough"); !(o.Probability < .1) || o.Reason != forecast.ReasonBeyondHorizon || o.Buy != 0 {
				t.Errorf("%s: with %v more it is full with probability %v (%s), and %v more is to be bought", p.Series, buy, o.Probability, o.Reason, o.Buy)
			}
			if o := outcomeOf(t, again, "too little"); !(o.Probability >= .1) || !(o.Buy > 0) {
				t.Errorf("%s: with 15%% less than %v more it is full with probability %v", p.Series, buy, o.Probability)
			}
			q.Scenarios = nil
		}
	}
}

func TestScenariosSideBySide(t *testing.T) {
	h := historyOf(vol("a", "/v", walk(400, 3000, 5, 5, 1, 1), 6000), vol("a", "/w", walk(400, 3000, 5, 5, 2, 1), 6000))
	q := planQuery()
	at := volume.StartOfDay(now).AddDate(0, 3, 0)
	q.Scenarios = []Scenario{
		{Name: "nothing"},
		{Name: "each", Adds: []Addition{{Amount: 500 * planGiB, At: at}}},
		{Name: "one", Adds: []Addition{{Series: "a:/w", Amount: 200 * planGiB, At: at}}},
		{Name: "again", Adds: []Addition{{Amount: 500 * planGiB, At: at}}},
		{Name: "too late", Adds: []Addition{{Amount: 500 * planGiB, At: at.AddDate(0, 8, 0)}}},
		{Name: "more growth", Growth: 1},
		{Name: "no growth", Growth: -1},
	}
	for _, p := range mustPlan(t, h, q) {
		is := outcomeOf(t, p, AsItIs)
		if o := outcomeOf(t, p, "nothing"); o.P10.Sub(is.P10).Abs() > time.Hour || o.P90.Sub(is.P90).Abs() > time.Hour || o.Buy != is.Buy {
			t.Errorf("%s: a scenario that changes nothing: %+v, as it is %+v", p.Series, o, is)
		}
		each := outcomeOf(t, p, "each")
		if later := each.P50.Sub(is.P50); later < 90*day || later > 110*day || each.Capacity != is.Capacity+500*planGiB {
			t.Errorf("%s: 500 GiB more at 5 a day, and it is full %v later", p.Series, later)
		}
		if p.Series == "a:/w" {
			if one := outcomeOf(t, p, "one"); one.P50 == is.P50 || one.P50 == each.P50 {
				t.Errorf("%s: with 200 GiB more for it alone full on %v, as it is on %v", p.Series, one.P50, is.P50)
			}
		} else if slices.ContainsFunc(p.Outcomes, func(o Outcome) bool { return o.Scenario == "one" }) {
			t.Errorf("%s has a row for what is added to another", p.Series)
		}
		if slices.ContainsFunc(p.Outcomes, func(o Outcome) bool { return o.Scenario == "again" }) {
			t.Errorf("%s has two rows for one change", p.Series)
		}
		if late := outcomeOf(t, p, "too late"); late.P50.Sub(is.P50).Abs() > time.Hour || late.Capacity != each.Capacity {
			t.Errorf("%s: full on %v before more comes, as it is on %v", p.Series, late.P50, is.P50)
		}
		more := outcomeOf(t, p, "more growth")
		if half := more.P50.Sub(now).Hours() / is.P50.Sub(now).Hours(); math.Abs(half-.5) > .02 || more.GrowthPerDay != 2*is.GrowthPerDay {
			t.Errorf("%s: twice the growth, and it takes %.2f times as long", p.Series, half)
		}
		if none := outcomeOf(t, p, "no growth"); none.Reason != forecast.ReasonBeyondHorizon || none.Probability != 0 || none.Buy != 0 {
			t.Errorf("%s without growth: %+v", p.Series, none)
		}
	}
}

func TestVolumesThatWereNeverRead(t *testing.T) {
	h := historyOf(vol("h", "/v", walk(200, 100, 5, 5, 1, 1), 2000))
	h.newest = append(h.newest, volume.Sample{ID: volume.ID{Host: "h", Path: "/x"}, Time: now, State: volume.State{Stuck: true}})
	plans := mustPlan(t, h, planQuery())
	if o := planOf(t, plans, "h:/x").Outcomes[0]; o.Reason != ReasonUnread || !math.IsNaN(o.Buy) || !math.IsNaN(o.Used) {
		t.Errorf("%+v", o)
	}
	q := planQuery()
	q.By = "host"
	if p := mustPlan(t, h, q)[0]; p.Volumes != 1 || p.Unknown != 1 || p.Outcomes[0].P50.IsZero() {
		t.Errorf("%+v", p)
	}
}

func TestPlansRefuse(t *testing.T) {
	h := historyOf(vol("a", "/v", walk(100, 100, 5, 5, 1, 1), 2000))
	add := func(a Addition) []Scenario { return []Scenario{{Name: "x", Adds: []Addition{a}}} }
	for _, tc := range []struct {
		name string
		with func(*PlanQuery)
		want string
	}{
		{"a past addition", func(q *PlanQuery) { q.Scenarios = add(Addition{Amount: 1, At: now.Add(-2 * day)}) }, "that is past"},
		{"an addition beyond the horizon", func(q *PlanQuery) { q.Scenarios = add(Addition{Amount: 1, At: now.Add(800 * day)}) }, "after the planning horizon"},
		{"an addition of nothing", func(q *PlanQuery) { q.Scenarios = add(Addition{At: now}) }, "changes nothing"},
		{"growth below none", func(q *PlanQuery) { q.Scenarios = []Scenario{{Growth: -1.01}} }, "from -100%"},
		{"growth that is no number", func(q *PlanQuery) { q.Scenarios = []Scenario{{Growth: math.NaN()}} }, "from -100%"},
		{"absurd growth", func(q *PlanQuery) { q.Scenarios = []Scenario{{Growth: 101}} }, "+10000%"},
		{"a negative lead time", func(q *PlanQuery) { q.LeadTime = -day }, "below zero"},
		{"a lead time as long as the horizon", func(q *PlanQuery) { q.LeadTime = 365 * day }, "not shorter than the planning horizon, 365 days"},
		{"an unknown tag", func(q *PlanQuery) { q.By = "sit" }, `no volume has a tag "sit"`},
		{"an unknown volume", func(q *PlanQuery) { q.Scenarios = add(Addition{Series: "a:/w", Amount: 1, At: now}) }, "no volume a:/w"},
		{"a policy elsewhere", func(q *PlanQuery) {
			q.Scenarios = []Scenario{{Moves: []Move{{From: volume.ID{Host: "z", Path: "/v"}}}}}
		}, "no volume z:/v"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			q := planQuery()
			tc.with(&q)
			if _, err := (Planner{History: h}).Plans(t.Context(), q); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want one of %q", err, tc.want)
			}
		})
	}
	gone := errors.New("gone")
	if _, err := (Planner{History: &fakeHistory{newestErr: gone}}).Plans(t.Context(), planQuery()); !errors.Is(err, gone) {
		t.Errorf("error %v", err)
	}
	h.daysErr = gone
	if _, err := (Planner{History: h}).Plans(t.Context(), planQuery()); !errors.Is(err, gone) {
		t.Errorf("error %v", err)
	}
	if plans, err := (Planner{History: &fakeHistory{}}).Plans(t.Context(), planQuery()); err != nil || len(plans) != 0 {
		t.Errorf("without any volume: %v, %v", plans, err)
	}
}

func TestRoundUp(t *testing.T) {
	const gib, tib = 1 << 30, 1 << 40
	for _, tc := range []struct {
		v    float64
		unit string
		want float64
	}{
		{0, Bytes, 1},
		{1.23 * tib, Bytes, math.Ceil(1.3 * tib)},
		{13.2 * tib, Bytes, 14 * tib},
		{132 * gib, Bytes, 140 * gib},
		{1019 * gib, Bytes, 1020 * gib},
		{2 * tib, Bytes, math.Ceil(2.1 * tib)},
		{123, AsRead, 130},
		{.0123, AsRead, .013},
	} {
		if got := roundUp(tc.v, tc.unit); math.Abs(got-tc.want) > 1e-9*tc.want+1e-12 || got <= tc.v {
			t.Errorf("%v %s is rounded up to %v, want %v", tc.v, tc.unit, got, tc.want)
		}
	}
}

func TestPlansAreTheSameEachTime(t *testing.T) {
	var all []made
	for i := range 6 {
		m := vol(string(rune('a'+i%3)), "/"+string(rune('a'+i)), walk(120, 1000, 5, 9, uint64(i), 1), 2000)
		all = append(all, m)
	}
	for _, by := range []string{"", "host"} {
		q := planQuery()
		q.By, q.Options.Horizon = by, 90*day
		first := mustPlan(t, historyOf(slices.Clone(all)...), q)
		again := mustPlan(t, historyOf(slices.Clone(all)...), q)
		for i := range first {
			if first[i].Series != again[i].Series || first[i].Outcomes[0].P10 != again[i].Outcomes[0].P10 || first[i].Outcomes[0].Buy != again[i].Outcomes[0].Buy {
				t.Errorf("by %q: %+v, then %+v", by, first[i], again[i])
			}
			if i > 0 && first[i-1].Series >= first[i].Series {
				t.Errorf("%s stands before %s", first[i-1].Series, first[i].Series)
			}
		}
	}
}
