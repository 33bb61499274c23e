package forecast

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// undone is the input as if nobody had intervened, and by how much its newest use stands above the real one: models are
// fitted to a continuous series, and futures do not draw what was released, for it will not be again by itself.
func (in Input) undone() (Input, float64) {
	known := slices.DeleteFunc(slices.Clone(in.Interventions), func(i Intervention) bool {
		return !(math.Abs(i.Change) <= largest) || len(in.Observations) == 0 || !i.Time.After(in.Observations[0].Time)
	})
	if len(known) == 0 {
		return in, 0
	}
	slices.SortStableFunc(known, func(a, b Intervention) int { return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.Change, b.Change)) })
	undo := func(o Observation, released float64) Observation {
		if isUse(o.Used) {
			o.Used = min(max(0, o.Used+released), largest)
		}
		return o
	}
	shown := shownBy(known, in.Step)
	in.Observations = slices.Clone(in.Observations)
	last, before := -1, 0.
	for i, o := range in.Observations {
		in.Observations[i] = undo(o, shown(o.Time))
		if isUse(o.Used) {
			last, before = i, o.Used
		}
	}
	if last < 0 {
		return in, 0
	}
	offset := in.Observations[last].Used - before
	if n := in.Newest; n != nil && isUse(n.Used) && !n.Time.Before(in.Observations[last].Time) {
		newest := undo(*n, shownBy(known, 0)(n.Time))
		in.Newest, offset = &newest, newest.Used-n.Used
	}
	return in, offset
}

// shownBy says of times in their order how much of what interventions (in time order) released shows in an observation, which is the
// peak of a step: the least that it came to within, for a peak is before the first release of its step, or after the last recall.
func shownBy(known []Intervention, step time.Duration) func(time.Time) float64 {
	released, next := 0., 0
	before := func(t time.Time) float64 {
		least := released
		for ; next < len(known) && known[next].Time.Before(t); next++ {
			released -= known[next].Change
			least = min(least, released)
		}
		return least
	}
	return func(t time.Time) float64 {
		before(t.Add(1))
		return before(t.Add(step))
	}
}

// lowered is events with the envelopes of sawtooths where use is now.
func lowered(events []Event, released float64) []Event {
	for i := range events {
		if events[i].Kind == EventSawtooth {
			events[i].Low, events[i].High = events[i].Low-released, events[i].High-released
		}
	}
	return events
}
