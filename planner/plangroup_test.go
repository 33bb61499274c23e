package planner

import (
	"math"
	"slices"
	"testing"

	"github.com/tidemark/tidemark/internal/volume"
	"github.com/tidemark/tidemark/planner/forecast"
)

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

// The sum of a group says nothing of a member that is full: it stands beside whatever the sum comes to.
func TestAFullMemberOfAGroupIsNamed(t *testing.T) {
	full, room := vol("a", "/full", walk(300, 90, .01, .02, 1, 1), 93), vol("a", "/room", walk(300, 1000, 1, 3, 2, 1), 90000)
	fresh := vol("a", "/fresh", []float64{1, 2, 3}, 90000)
	q := planQuery()
	q.By = "host"
	q.PolicyOf = func(volume.ID) Policy { return Policy{FullLevel: .95} }
	for name, tc := range map[string]struct {
		members []made
		reason  forecast.Reason
		want    []string
	}{
		"behind a new volume":    {[]made{full, fresh}, forecast.ReasonNewVolume, []string{"a:/full"}},
		"behind room for years":  {[]made{full, room}, forecast.ReasonBeyondHorizon, []string{"a:/full"}},
		"none":                   {[]made{fresh, room}, forecast.ReasonNewVolume, nil},
		"alone":                  {[]made{full}, forecast.ReasonFull, []string{"a:/full"}},
		"two, sorted as volumes": {[]made{room, full, {ID: volume.ID{Host: "a", Path: "/also"}, use: full.use, capacity: 93}}, forecast.ReasonBeyondHorizon, []string{"a:/also", "a:/full"}},
	} {
		p := planOf(t, mustPlan(t, historyOf(tc.members...), q), "a")
		if got := p.Outcomes[0].Reason; got != tc.reason || !slices.Equal(p.Full, tc.want) {
			t.Errorf("%s: reason %q, full %q; want %q and %q", name, got, p.Full, tc.reason, tc.want)
		}
	}
	q.By = ""
	if p := planOf(t, mustPlan(t, historyOf(full), q), "a:/full"); p.Full != nil {
		t.Errorf("a volume by itself: %q", p.Full)
	}
}
