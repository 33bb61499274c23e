package forecast_test

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/tidemark/tidemark/internal/volumetest"
	"github.com/tidemark/tidemark/planner/forecast"
)

func eventsOf(t *testing.T, in forecast.Input) []forecast.Event {
	t.Helper()
	f, err := forecast.Compute(in, forecast.Options{Steps: 1, Horizon: day})
	if err != nil {
		t.Fatal(err)
	}
	for i, e := range f.Events {
		if e.To.Before(e.From) || i > 0 && e.From.Before(f.Events[i-1].From) || math.IsNaN(e.Change) || e.Kind == "" {
			t.Fatalf("event %d of %+v", i, f.Events)
		}
	}
	if len(f.Events) > 20 {
		t.Fatalf("%d events", len(f.Events))
	}
	return f.Events
}

// daily is a series of n days with a little noise.
func daily(n int, use func(i int) float64) forecast.Input {
	r := rand.New(rand.NewPCG(4, 2))
	in := forecast.Input{Step: day}
	for i := range n {
		at := time.Date(2025, 1, 6, 0, 0, 0, 0, time.UTC).AddDate(0, 0, i)
		in.Observations = append(in.Observations, forecast.Observation{Time: at, Used: use(i) + r.NormFloat64(), Capacity: 1e5})
	}
	return in
}

// TestEventsOfVolumesWhoseTruthIsKnown holds the events against what the volumes did: each jump has its event on its day, and
// there is hardly one beside.
func TestEventsOfVolumesWhoseTruthIsKnown(t *testing.T) {
	volumes := 60
	if slow {
		volumes = 10
	}
	for kind, want := range map[volumetest.Kind]struct {
		kind   forecast.EventKind
		found  float64 // least, of the jumps
		others int     // most, in all volumes
	}{
		volumetest.Steady:    {"", 0, 0},
		volumetest.Week:      {"", 0, 0},
		volumetest.Gaps:      {"", 0, 1},
		volumetest.Idle:      {"", 0, 0},
		volumetest.Short:     {"", 0, 0},
		volumetest.Logs:      {forecast.EventSawtooth, 0, 0},
		volumetest.Collected: {forecast.EventSawtooth, 0, 0},
		volumetest.Backups:   {forecast.EventSawtooth, 0, 0},
		volumetest.Cleanups:  {forecast.EventCleanup, .9, 2},
		volumetest.Copies:    {forecast.EventCopy, .85, 10}, // those of the first fortnight are bulk loads
		volumetest.Migration: {forecast.EventMigration, .95, 2},
		volumetest.Load:      {forecast.EventBulkLoad, 1, 0},
		volumetest.Resize:    {forecast.EventResize, 1, 0},
	} {
		jumps, found, others, without := 0, 0, 0, 0
		for seed := range uint64(volumes) {
			v := volumetest.New(kind, seed)
			events := eventsOf(t, inputOf(v))
			without += 1 - min(1, len(events))
			jumps += min(20, len(v.Jumps))
			for _, e := range events {
				if e.Kind != want.kind {
					others++
				}
			}
			for _, jump := range v.Jumps {
				if has(events, want.kind, v.Times[jump]) {
					found++
				}
			}
		}
		if float64(found) < want.found*float64(jumps) || others > want.others {
			t.Errorf("%s: %d of %d jumps found, %d other events; want %.2f and %d", kind, found, jumps, others, want.found, want.others)
		}
		if want.kind == forecast.EventSawtooth && without > 0 {
			t.Errorf("%s: %d of %d volumes without a sawtooth", kind, without, volumes)
		}
	}
}

func has(events []forecast.Event, kind forecast.EventKind, at time.Time) bool {
	for _, e := range events {
		if e.Kind == kind && !at.Before(e.From) && !at.After(e.To) {
			return true
		}
	}
	return false
}

func TestEventsSayWhatHappened(t *testing.T) {
	step := func(i, at int, by float64) float64 {
		if i >= at {
			return by
		}
		return 0
	}
	for _, tc := range []struct {
		name      string
		use       func(i int) float64
		want      []forecast.EventKind
		at        int     // day of the first event, within
		within    int     // so many days
		change    float64 // of the first event
		tolerance float64
	}{
		{"nothing", func(i int) float64 { return 1000 + 2*float64(i) }, nil, 0, 0, 0, 0},
		{"a copy", func(i int) float64 { return 1000 + 2*float64(i) + step(i, 150, 300) }, []forecast.EventKind{"copy"}, 150, 1, 300, 8},
		{"a cleanup", func(i int) float64 { return 1000 + 2*float64(i) - step(i, 150, 300) }, []forecast.EventKind{"cleanup"}, 150, 1, -300, 8},
		{"what came and went", func(i int) float64 { return 1000 + 2*float64(i) + step(i, 150, 300) - step(i, 152, 300) }, nil, 0, 0, 0, 0},
		{"what came and went after weeks", func(i int) float64 { return 1000 + 2*float64(i) + step(i, 150, 300) - step(i, 180, 300) }, []forecast.EventKind{"copy", "cleanup"}, 150, 1, 300, 8},
		{"stairs of an idle volume", func(i int) float64 { return 1000 + step(i, 150, 300) }, []forecast.EventKind{"copy"}, 150, 1, 300, 8},
		{"growth triples", func(i int) float64 { return 1000 + 2*float64(i) + 4*math.Max(0, float64(i-150)) }, []forecast.EventKind{"growth_change"}, 150, 6, 4, .3},
		{"growth ends", func(i int) float64 { return 1000 + 3*float64(min(i, 150)) }, []forecast.EventKind{"growth_change"}, 150, 6, -3, .3},
		{"a migration within four days", func(i int) float64 { return 1500 + 2*float64(i) - 150*float64(max(0, min(4, i-150))) }, []forecast.EventKind{"migration"}, 150, 1, -600, 12},
		{"a slow migration", func(i int) float64 { return 1500 + float64(i) - 25*float64(max(0, min(24, i-150))) }, []forecast.EventKind{"migration"}, 150, 2, -600, 40},
		{"a migration of weeks", func(i int) float64 { return 600 + .3*float64(i) - 6*float64(max(0, min(28, i-150))) }, []forecast.EventKind{"migration"}, 150, 3, -160, 12},
		{"growth triples under a week's season", func(i int) float64 {
			return 1000 + 2*float64(i) + 3*math.Max(0, float64(i-150)) + 12*float64([]int{0, 1, 2, 1, 0, -1, -2}[i%7])
		}, []forecast.EventKind{"growth_change"}, 150, 6, 3, .6},
		{"a weekly cleanup of half the growth", func(i int) float64 { return 1000 + 20*float64(i) - 70*float64(i/7) }, []forecast.EventKind{"sawtooth"}, 6, 1, 190, 10},
		{"a rotation that began", func(i int) float64 {
			if i < 100 {
				return 1000
			}
			return 1000 + 20*float64(i%10)
		}, []forecast.EventKind{"sawtooth"}, 109, 1, 180, 5},
		{"a rotation that pauses", func(i int) float64 {
			if i >= 150 && i < 190 {
				return 1000
			}
			return 1000 + 20*float64(i%10)
		}, []forecast.EventKind{"sawtooth"}, 9, 1, 180, 5},
		{"growth under a rotation", func(i int) float64 { return 1000 + 5*float64(i) + 20*float64(i%7) }, []forecast.EventKind{"sawtooth"}, 6, 1, 175, 45},
	} {
		t.Run(tc.name, func(t *testing.T) {
			in := daily(300, tc.use)
			events := eventsOf(t, in)
			if len(events) != len(tc.want) {
				t.Fatalf("%+v, want %v", events, tc.want)
			}
			for i, kind := range tc.want {
				if events[i].Kind != kind {
					t.Fatalf("%+v, want %v", events, tc.want)
				}
			}
			if len(events) == 0 {
				return
			}
			e := events[0]
			early, late := in.Observations[max(0, tc.at-tc.within)].Time, in.Observations[tc.at+tc.within].Time
			if e.From.Before(early) || e.From.After(late) || math.Abs(e.Change-tc.change) > tc.tolerance {
				t.Errorf("%+v, want %v by %v around %v", e, tc.want[0], tc.change, in.Observations[tc.at].Time)
			}
		})
	}
}

func TestASawtoothHasItsPeriodAndEnvelope(t *testing.T) {
	events := eventsOf(t, daily(300, func(i int) float64 { return 500 + 10*float64(i%30) }))
	if len(events) != 1 || events[0].Period != 30*day || math.Abs(events[0].Low-500) > 4 || math.Abs(events[0].High-790) > 4 {
		t.Errorf("%+v, want one sawtooth of 30 days from 500 to 790", events)
	}
}

func TestTheMostImportantEventsAreTold(t *testing.T) {
	in := daily(800, func(i int) float64 { return 1000 + 100*float64(i/25) + 1000*float64(i/410) })
	events := eventsOf(t, in)
	if len(events) != 20 || !has(events, forecast.EventCopy, in.Observations[410].Time) {
		t.Errorf("%d events: %+v, want 20, the largest among them", len(events), events)
	}
}

func TestACapacityThatWobblesIsNoResize(t *testing.T) {
	in := daily(100, func(int) float64 { return 1000 })
	for i := range in.Observations {
		in.Observations[i].Capacity = 5000 + 20*float64(i%3)
	}
	in.Observations[50].Capacity = 9000 // a reading that was wrong
	if events := eventsOf(t, in); len(events) != 0 {
		t.Errorf("%+v", events)
	}
	in.Newest = &forecast.Observation{Time: in.Observations[99].Time.Add(30 * time.Hour), Used: 1000, Capacity: 8000}
	if events := eventsOf(t, in); len(events) != 1 || events[0].Kind != forecast.EventResize || math.Abs(events[0].Change-3000) > 50 {
		t.Errorf("%+v, want a resize by 3000 today", events)
	}
}

func TestGrowthAfterALongSilence(t *testing.T) {
	in := daily(300, func(int) float64 { return 0 })
	for i := range in.Observations {
		in.Observations[i].Used = 1000 + 3*float64(max(0, i-200)) // to the byte
	}
	events := eventsOf(t, in)
	if len(events) != 1 || events[0].Kind != forecast.EventGrowthChange || math.Abs(events[0].Change-3) > .2 || events[0].From.Sub(in.Observations[200].Time).Abs() > 2*day {
		t.Errorf("%+v, want growth by 3 from %v on", events, in.Observations[200].Time)
	}
}
