package planner

import (
	"math"
	"testing"
	"time"

	"github.com/tidemark/tidemark/planner/forecast"
)

// A group has no date where nobody knows how more than a tenth of it grows, or where no more than a tenth of it has one.
func TestWhyAGroupHasNoDate(t *testing.T) {
	type doubt = map[forecast.Reason]float64
	for _, tc := range []struct {
		name  string
		doubt doubt
		want  forecast.Reason
	}{
		{"a tenth is new", doubt{"": 90, forecast.ReasonNewVolume: 10}, ""},
		{"more than a tenth is new", doubt{"": 89, forecast.ReasonNewVolume: 11}, forecast.ReasonNewVolume},
		{"a tenth is new and another silent", doubt{"": 88, forecast.ReasonNewVolume: 5, forecast.ReasonStale: 7}, forecast.ReasonStale},
		{"nine tenths are idle", doubt{"": 10, forecast.ReasonIdle: 90}, ""},
		{"more than nine tenths are", doubt{"": 9, forecast.ReasonIdle: 51, forecast.ReasonSawtooth: 40}, forecast.ReasonIdle},
		{"what is unknown comes first", doubt{forecast.ReasonIdle: 80, forecast.ReasonGap: 20}, forecast.ReasonGap},
	} {
		r := &row{plan: Plan{Volumes: 3}, doubt: tc.doubt}
		if got := r.why(); got != tc.want {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
	}
}

// Half of the capacity counts: what comes counts by half.
func TestCapacitiesOverTime(t *testing.T) {
	d := steady(100)
	d.full = 50
	got := (&future{demand: d, growth: 1}).capacities([]step{{40, 20}, {10, 100}})
	want := []Fact{{now, 50, 100}, {now.Add(10 * day), 100, 200}, {now.Add(40 * day), 110, 220}}
	if len(got) != len(want) {
		t.Fatalf("%+v, want %+v", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("%+v, want %+v", got[i], want[i])
		}
	}
}

func TestAThinnedPastKeepsItsPeaks(t *testing.T) {
	r := &row{past: map[time.Time]Fact{}}
	for i := range 4 * pastPoints {
		at := now.Add(time.Duration(i) * day)
		r.past[at] = Fact{at, 100, 1000}
	}
	peak := now.Add(101 * day)
	r.past[peak] = Fact{peak, 900, 1000}
	got, peaks := r.thinned(), 0
	for i, f := range got {
		if i > 0 && !f.Time.After(got[i-1].Time) {
			t.Fatalf("%v after %v", f.Time, got[i-1].Time)
		}
		if f.Used == 900 {
			peaks++
		} else if f.Used != 100 {
			t.Errorf("%+v", f)
		}
	}
	if last := got[len(got)-1].Time; len(got) != pastPoints || peaks != 1 || !last.Equal(now.Add(time.Duration(4*pastPoints-1)*day)) {
		t.Errorf("%d points with %d peaks until %v", len(got), peaks, last)
	}
}

// The readings of two volumes are minutes apart: their days are one.
func TestThePastOfAGroupIsItsSum(t *testing.T) {
	r := &row{volumes: 2}
	of := func(used float64, newest time.Duration) forecast.Input {
		morning := now.Truncate(day)
		return forecast.Input{
			Observations: []forecast.Observation{{Time: morning.Add(-day), Used: used, Capacity: 10}},
			Newest:       &forecast.Observation{Time: morning.Add(newest), Used: used + 1, Capacity: 10},
		}
	}
	r.remember(of(1, time.Hour))
	r.remember(of(5, time.Hour+time.Minute))
	got := r.thinned()
	if len(got) != 2 || got[0].Used != 6 || got[1].Used != 8 || got[1].Capacity != 20 {
		t.Errorf("%+v, want a day of 6 and one of 8", got)
	}
}

// What a policy brings fills an idle archive; of one that nobody knows it says no more than before.
func TestAPolicyDatesNoUnknownArchive(t *testing.T) {
	h := historyOf(vol("a", "/srv/video", walk(200, 3000, 5, 5, 1, 1), 6000), vol("a", "/mnt/vault", []float64{500, 500, 500}, 800))
	q := planQuery()
	q.Scenarios = []Scenario{{Name: "policy", Moves: []Move{coldVideo(Eligible{0, 100 * planGiB}, Eligible{30, 1000 * planGiB})}}}
	if o := outcomeOf(t, planOf(t, mustPlan(t, h, q), "a:/mnt/vault"), "policy"); o.Reason != forecast.ReasonNewVolume || !math.IsNaN(o.Buy) {
		t.Errorf("%+v", o)
	}
}
