package planner

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidemark/tidemark/internal/volume"
	"github.com/tidemark/tidemark/planner/csvinput"
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

func TestAGroupDependsAsItsPastDid(t *testing.T) {
	const n, capacity = 500, 9000.
	group := func(second []float64) Outcome {
		h := historyOf(vol("h", "/a", walk(n, 5000, 6, 60, 1, 1), capacity), vol("h", "/b", second, capacity))
		q := planQuery()
		q.By = "host"
		return mustPlan(t, h, q)[0].Outcomes[0]
	}
	alone := mustPlan(t, historyOf(vol("h", "/a", walk(n, 5000, 6, 60, 1, 1), capacity)), planQuery())[0].Outcomes[0]
	twin := group(walk(n, 5000, 6, 60, 1, 1))
	mirror := group(walk(n, 5000, 6, 60, 1, -1))
	strangers := group(walk(n, 5000, 6, 60, 2, 1))
	if twin.P10.IsZero() || twin.P10.Sub(alone.P10).Abs() > 30*day {
		t.Errorf("two that are one are full from %v, one from %v", twin.P10, alone.P10)
	}
	if strangers.P10.IsZero() || !strangers.P10.After(twin.P10.Add(14*day)) {
		t.Errorf("strangers from %v, twins from %v: a sum of independent volumes is surer", strangers.P10, twin.P10)
	}
	// Against each other, the sum does not waver: 2,000 GiB at 12 a day.
	if days := mirror.P50.Sub(now).Hours() / 24; math.Abs(days-2000./12) > 3 || math.Abs(mirror.GrowthPerDay/planGiB-12) > .1 {
		t.Errorf("against each other they are full after %.1f days at %.2f GiB a day, want 166.7 at 12", days, mirror.GrowthPerDay/planGiB)
	}
	if !mirror.P10.After(strangers.P10.Add(14 * day)) {
		t.Errorf("against each other from %v, strangers from %v", mirror.P10, strangers.P10)
	}
	if spread := mirror.P90.Sub(mirror.P10); mirror.P90.IsZero() || spread > 30*day {
		t.Errorf("against each other they are full from %v to %v, although their sum never wavered", mirror.P10, mirror.P90)
	}
	if !(mirror.Buy < strangers.Buy && strangers.Buy < twin.Buy) {
		t.Errorf("to buy: %v against each other, %v strangers, %v twins; want it to rise", mirror.Buy, strangers.Buy, twin.Buy)
	}
}

func TestAGroupCountsSharedSpaceOnce(t *testing.T) {
	use := walk(200, 100, 1, 1, 1, 1)
	nfs, pool := volume.Attributes{Fstype: "nfs4", Device: "filer:/x"}, volume.Attributes{Fstype: "btrfs", Device: "sdb"}
	tag := map[string]string{"site": "dc1"}
	h := historyOf(
		made{ID: volume.ID{Host: "a", Path: "/net"}, use: use, capacity: 1000, attrs: nfs, tags: tag},
		made{ID: volume.ID{Host: "b", Path: "/net"}, use: use, capacity: 1000, attrs: nfs, tags: tag},
		made{ID: volume.ID{Host: "b", Path: "/p"}, use: use, capacity: 1000, attrs: pool, tags: tag},
		made{ID: volume.ID{Host: "b", Path: "/p/home"}, use: use, capacity: 1000, attrs: pool, tags: tag},
		vol("c", "/untagged", use, 500),
	)
	q := planQuery()
	q.By = "site"
	plans := mustPlan(t, h, q)
	if len(plans) != 2 || plans[0].Series != "" || plans[1].Series != "dc1" {
		t.Fatalf("rows %+v", plans)
	}
	p := plans[1]
	if p.Outcomes[0].Capacity != 2000*planGiB || p.Volumes != 2 || p.CountedElsewhere != 1 || p.Tag != "site" || p.Volume != (volume.ID{}) {
		t.Errorf("%d volumes of %v GiB, %d elsewhere: %+v", p.Volumes, p.Outcomes[0].Capacity/planGiB, p.CountedElsewhere, p)
	}
	if one := planOf(t, plans, "").Outcomes[0].Capacity; one != 500*planGiB {
		t.Errorf("those without the tag have %v", one)
	}
}

func TestTheFullLevelOfAGroupIsTheSumOfItsVolumes(t *testing.T) {
	h := historyOf(vol("h", "/a", walk(200, 100, 1, 1, 1, 1), 1000), vol("h", "/b", walk(200, 100, 1, 1, 2, 1), 3000))
	q := planQuery()
	q.By = "host"
	q.PolicyOf = func(id volume.ID) Policy {
		if id.Path == "/a" {
			return Policy{FullLevel: .6}
		}
		return Policy{FullLevel: .8}
	}
	if got := mustPlan(t, h, q)[0].FullLevel; math.Abs(got-.75) > 1e-12 {
		t.Errorf("full at %v, want (600+2400)/4000", got)
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

func TestAGroupOfUnknownsHasNoDate(t *testing.T) {
	grows := walk(300, 1000, 5, 5, 1, 1)
	stale := vol("h", "/stale", walk(300, 100, 5, 5, 2, 1), 2000)
	stale.age = 10 * day
	for _, tc := range []struct {
		name   string
		others []made
		want   forecast.Reason
	}{
		{"a small one is new", []made{vol("h", "/new", []float64{1, 1, 1}, 100)}, ""},
		{"a large one is new", []made{vol("h", "/new", []float64{1, 1, 1}, 1000)}, forecast.ReasonNewVolume},
		{"one is silent", []made{stale}, forecast.ReasonStale},
		{"one is idle", []made{vol("h", "/idle", slices.Repeat([]float64{900}, 200), 1000)}, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			q := planQuery()
			q.By = "host"
			o := mustPlan(t, historyOf(append(tc.others, vol("h", "/grows", grows, 3000))...), q)[0].Outcomes[0]
			if o.Reason != tc.want || (o.P10.IsZero() != (tc.want != "")) || math.IsNaN(o.Buy) != (tc.want != "") {
				t.Errorf("%+v, want the reason %q", o, tc.want)
			}
		})
	}
	q := planQuery()
	q.By = "host"
	idle := mustPlan(t, historyOf(vol("h", "/a", slices.Repeat([]float64{9}, 200), 100), vol("h", "/b", slices.Repeat([]float64{9}, 200), 100)), q)[0].Outcomes[0]
	if idle.Reason != forecast.ReasonIdle || idle.Buy != 0 {
		t.Errorf("two idle volumes: %+v", idle)
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

func TestPlansOfAFile(t *testing.T) {
	var text strings.Builder
	text.WriteString("series,time,used,capacity\n")
	for week := range 60 {
		at := time.Date(2025, 1, 5, 0, 0, 0, 0, time.UTC).AddDate(0, 0, 7*week).Format(time.DateOnly)
		text.WriteString("weekly," + at + "," + decimalOf(100+2*week) + ",300\nbare," + at + "," + decimalOf(5+week%3) + ",\n")
	}
	file, err := csvinput.Read("x.csv", strings.NewReader(text.String()))
	if err != nil {
		t.Fatal(err)
	}
	q := PlanQuery{LeadTime: 30 * day, Scenarios: []Scenario{{Name: "more", Adds: []Addition{{Series: "weekly", Amount: 100, At: time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC)}}}}, Curves: true}
	plans, err := FilePlans(t.Context(), file, q)
	if err != nil {
		t.Fatal(err)
	}
	weekly, bare := plans[0], plans[1]
	// 218 at the origin, 2 a week: 300 after 41 weeks.
	if o := weekly.Outcomes[0]; math.Abs(o.P50.Sub(weekly.Origin).Hours()/24/7-41) > 1 || o.OrderBy != o.P10.Add(-30*day) || o.Buy < 20 || o.Buy > 25 {
		t.Errorf("%+v", o)
	}
	if o := weekly.Outcomes[1]; o.Reason != forecast.ReasonBeyondHorizon || o.Capacity != 400 || len(o.Steps) != 2 {
		t.Errorf("%+v", o)
	}
	if o := bare.Outcomes[0]; o.Reason != forecast.ReasonNoCapacity || !math.IsNaN(o.Buy) || len(bare.Outcomes) != 1 {
		t.Errorf("%+v", o)
	}
	if n := len(weekly.Past); n != 60 || len(weekly.Outcomes[0].Curve) < 50 {
		t.Errorf("%d points of the past, %d of the future", n, len(weekly.Outcomes[0].Curve))
	}
	q.Scenarios[0].Adds[0].Series = "week"
	var unknown *UnknownVolumeError
	if _, err := FilePlans(t.Context(), file, q); !errors.As(err, &unknown) || !slices.Equal(unknown.Known, []string{"bare", "weekly"}) {
		t.Errorf("error %v", err)
	}
}

func decimalOf(n int) string {
	return string(rune('0'+n/100)) + string(rune('0'+n/10%10)) + string(rune('0'+n%10))
}

func TestAnInterruptEndsAPlanOfAFile(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	file, err := csvinput.Read("x.csv", strings.NewReader("series,time,used,capacity\na,2026-01-01T00:00:00Z,1,2\n"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := FilePlans(ctx, file, planQuery()); !errors.Is(err, context.Canceled) {
		t.Errorf("an interrupted plan: %v, want context canceled", err)
	}
}

func TestCurvesOfAGroup(t *testing.T) {
	old, young := vol("h", "/old", walk(300, 1000, 5, 5, 1, 1), 4000), vol("h", "/young", walk(100, 100, 1, 1, 2, 1), 1000)
	q := planQuery()
	q.By, q.Curves = "host", true
	p := mustPlan(t, historyOf(old, young), q)[0]
	first, last := p.Past[0], p.Past[len(p.Past)-1]
	if first.Capacity != 4000*planGiB || last.Capacity != 5000*planGiB || math.Abs(last.Used-p.Outcomes[0].Used) > planGiB {
		t.Errorf("the past is from %+v to %+v", first, last)
	}
	curve := p.Outcomes[0].Curve
	if curve[0].P50 != p.Outcomes[0].Used || curve[0].Time != p.Origin {
		t.Errorf("the future begins at %+v", curve[0])
	}
	for _, c := range curve {
		if c.P10 > c.P50 || c.P50 > c.P90 {
			t.Fatalf("%+v", c)
		}
	}
	if end := curve[len(curve)-1]; end.Time.Sub(now) != 365*day || end.P90 <= end.P10 {
		t.Errorf("the future ends at %+v", end)
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
