package planner

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/tidemark/tidemark/internal/volume"
	"github.com/tidemark/tidemark/planner/forecast"
)

func coldVideo(eligible ...Eligible) Move {
	return Move{
		Policy: "cold-video", From: volume.ID{Host: "a", Path: "/srv/video/in"}, To: volume.ID{Host: "a", Path: "/mnt/vault/data"},
		Eligible: eligible, Measured: now,
	}
}

func TestAPolicyFreesOneVolumeAndFillsAnother(t *testing.T) {
	h := historyOf(
		vol("a", "/", walk(200, 10, 0, 1, 9, 1), 100),
		vol("a", "/srv/video", walk(400, 3000, 5, 5, 1, 1), 6000),
		vol("a", "/mnt/vault", slices.Repeat([]float64{500}, 200), 2000),
		vol("b", "/srv/video", walk(400, 3000, 5, 5, 1, 1), 6000),
	)
	q := planQuery()
	q.Select = volume.Selector{Host: "a", Path: "/srv/video"}
	q.Scenarios = []Scenario{{Name: "policy", Moves: []Move{coldVideo(
		Eligible{0, 300 * planGiB}, Eligible{30, 450 * planGiB}, Eligible{365, 450*planGiB + 335*5*planGiB},
	)}}}
	plans := mustPlan(t, h, q)
	if len(plans) != 2 {
		t.Fatalf("rows %+v; want the volume and the archive's", plans)
	}
	video, vault := planOf(t, plans, "a:/srv/video"), planOf(t, plans, "a:/mnt/vault")
	is, with := video.Outcomes[0], video.Outcomes[1]
	// 5 GiB a day come and 5 a day become cold: it never fills.
	if is.P50.IsZero() || with.Reason != forecast.ReasonBeyondHorizon || with.FreedNow != 300*planGiB || with.Used != is.Used-300*planGiB {
		t.Errorf("the volume as it is: %+v, with the policy: %+v", is, with)
	}
	if with.GrowthPerDay > .1*is.GrowthPerDay || is.GrowthPerDay < 4*planGiB {
		t.Errorf("its growth is %v a day, %v with the policy", is.GrowthPerDay/planGiB, with.GrowthPerDay/planGiB)
	}
	is, with = vault.Outcomes[0], vault.Outcomes[1]
	// 500 + 450 after 30 days, then 5 a day: 2000 is reached after 240 days.
	if is.Reason != forecast.ReasonIdle || with.Reason != "" || math.Abs(with.P50.Sub(now).Hours()/24-240) > 1 || with.FreedNow != -300*planGiB {
		t.Errorf("the archive as it is: %+v, with the policy: %+v, full after %.1f days", is, with, with.P50.Sub(now).Hours()/24)
	}
	if len(video.Moves) != 1 || len(vault.Moves) != 1 {
		t.Errorf("policies of the volume %v, of the archive %v", video.Moves, vault.Moves)
	}

	q.Select, q.By = volume.Selector{Host: "a"}, "host"
	group := mustPlan(t, h, q)[0]
	if is, with := group.Outcomes[0], group.Outcomes[1]; with.P50.Sub(is.P50).Abs() > time.Hour || with.Used != is.Used {
		t.Errorf("a host that moves from one of its volumes to another: as it is %+v, with the policy %+v", is, with)
	}
}

func TestAPolicyStopsAtItsMark(t *testing.T) {
	h := historyOf(vol("a", "/srv/video", walk(400, 3000, 5, 1, 1, 1), 6000))
	q := planQuery()
	q.PolicyOf = func(volume.ID) Policy { return Policy{FullLevel: .9} }
	m := coldVideo(Eligible{0, 4500 * planGiB})
	m.Stop, m.To = .8, volume.ID{}
	q.Scenarios = []Scenario{{Name: "policy", Moves: []Move{m}}}
	o := mustPlan(t, h, q)[0].Outcomes[1]
	if want := (.8 * 6000) * planGiB; math.Abs(o.Used-want) > planGiB {
		t.Errorf("used %v GiB after the policy ran, want its mark, 4800", o.Used/planGiB)
	}
	// It can hold the mark for as long as it has files: far beyond the horizon.
	if o.Reason != forecast.ReasonBeyondHorizon {
		t.Errorf("%+v", o)
	}
}

// What grows twice as fast is taken away twice as fast: the mark holds.
func TestAPolicyKeepsItsMarkWhateverTheGrowth(t *testing.T) {
	h := historyOf(vol("a", "/srv/video", walk(400, 4000, 5, 1, 1, 1), 7000))
	q := planQuery()
	m := coldVideo(Eligible{0, 9000 * planGiB})
	m.Stop, m.To = .9, volume.ID{}
	q.Scenarios = []Scenario{{Name: "both", Growth: 1, Moves: []Move{m}}}
	if o := mustPlan(t, h, q)[0].Outcomes[1]; o.Reason != forecast.ReasonBeyondHorizon || o.Probability != 0 {
		t.Errorf("%+v", o)
	}
}

func TestMoveBy(t *testing.T) {
	m := coldVideo(Eligible{0, 100}, Eligible{30, 130}, Eligible{90, 130}, Eligible{365, 405})
	for days, want := range map[float64]float64{-5: 100, 0: 100, 15: 115, 30: 130, 60: 130, 91: 131, 365: 405, 4000: 405} {
		if got := m.by(now.Add(time.Duration(days * float64(day)))); math.Abs(got-want) > 1e-9 {
			t.Errorf("eligible after %v days: %v, want %v", days, got, want)
		}
	}
	if got := m.Months(4); !slices.EqualFunc(got, []float64{30, 0, 0, 30}, func(a, b float64) bool { return math.Abs(a-b) < 1e-9 }) {
		t.Errorf("more in each month: %v", got)
	}
}

func TestTheClosestMountHoldsADirectory(t *testing.T) {
	samples := []volume.Sample{
		{ID: volume.ID{Host: "a", Path: "/"}}, {ID: volume.ID{Host: "a", Path: "/srv"}}, {ID: volume.ID{Host: "a", Path: "/srv/v"}}, {ID: volume.ID{Host: "b", Path: "/srv/video"}},
	}
	for path, want := range map[string]string{"/srv/video": "/srv", "/srv/v": "/srv/v", "/srv/v/x": "/srv/v", "/home": "/"} {
		if s, ok := holder(samples, volume.ID{Host: "a", Path: path}); !ok || s.Path != want {
			t.Errorf("%s is on %q, want %q", path, s.Path, want)
		}
	}
	if _, ok := holder(samples, volume.ID{Host: "c", Path: "/srv"}); ok {
		t.Error("a directory of another host is held")
	}
}

func TestWhatAPolicyTookStaysTaken(t *testing.T) {
	m := Move{Stop: .5}
	for _, tc := range []struct {
		name                                  string
		eligible, use, capacity, before, want float64
	}{
		{"down to its mark", 100, 80, 100, 0, 30},
		{"as far as it may", 20, 80, 100, 0, 20},
		{"below its mark", 100, 40, 100, 0, 0},
		{"nothing comes back", 100, 60, 100, 30, 30},
		{"and more as use grows", 100, 95, 100, 30, 45},
	} {
		if got := m.frees(tc.eligible, tc.use, tc.capacity, tc.before); got != tc.want {
			t.Errorf("%s: %v, want %v", tc.name, got, tc.want)
		}
	}
}
