package planner

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidemark/tidemark/planner/csvinput"
	"github.com/tidemark/tidemark/planner/forecast"
)

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

func TestAPlanTellsHowFarItIs(t *testing.T) {
	h := historyOf(vol("a", "/v", walk(90, 3000, 5, 30, 1, 1), 7000), vol("a", "/w", walk(90, 3000, 5, 30, 2, 1), 7000), vol("b", "/v", walk(90, 3000, 5, 30, 3, 1), 7000))
	for name, tc := range map[string]struct {
		change func(*PlanQuery)
		want   int
	}{
		"volumes": {func(*PlanQuery) {}, 3},
		"groups":  {func(q *PlanQuery) { q.By = "host" }, 3},
		"some":    {func(q *PlanQuery) { q.Select.Path = "/v" }, 2},
	} {
		q := planQuery()
		tc.change(&q)
		last := 0
		q.Progress = func(done, total int) {
			if done != last+1 || total != tc.want {
				t.Errorf("%s: %d of %d after %d", name, done, total, last)
			}
			last = done
		}
		mustPlan(t, h, q)
		if last != tc.want {
			t.Errorf("%s: ended at %d of %d", name, last, tc.want)
		}
	}
}
