package forecast

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// EventKind is what happened to a volume.
type EventKind string

// The kinds of events.
const (
	EventCleanup      EventKind = "cleanup"       // use fell at once and stayed there
	EventCopy         EventKind = "copy"          // use rose at once and stayed there
	EventSawtooth     EventKind = "sawtooth"      // falls that recur: log rotation, garbage collection, backups; one event for all
	EventMigration    EventKind = "migration"     // much came or went within days
	EventBulkLoad     EventKind = "bulk_load"     // a new volume was loaded
	EventGrowthChange EventKind = "growth_change" // growth became another
	EventResize       EventKind = "resize"        // the capacity became another
)

// Event is a change of a volume's course, found by days, or by steps where these are longer.
type Event struct {
	Kind EventKind
	// From is the last point before the event and To the first after it. Of a sawtooth they are the first and the last fall;
	// of a growth change both are the day of the change.
	From, To time.Time
	// Change is of use in the input's unit: of a growth change by day, of a resize of the capacity, of a sawtooth the height
	// of its envelope.
	Change    float64
	Period    time.Duration // of a sawtooth: the median time between falls; else 0
	Low, High float64       // of a sawtooth: the floor and the peak of its last teeth; else 0
}

const (
	mostEvents = 20 // that a forecast tells
	// A change is no ordinary one beyond so many standard deviations, as the median absolute deviation estimates them.
	unusual = 6
	// slight is the share of the highest use below which a change is nobody's concern.
	slight = .005
	// much is the share of the larger use that a migration moves.
	much            = .15
	longestAway     = 30 // units that a migration takes
	leastEvents     = 10 // points that say what is usual
	leastSegment    = 14 // units for which a growth must hold
	mostCandidates  = 600
	leastTeeth      = 3
	leastWeeks      = 5
	passing         = 3 // units after which what came and went again is not told
	growthSpanUnits = 28
)

// shift is a change of level between two observed points, by their indices.
type shift struct {
	from, to int
	change   float64
}

// segmented is a series without its gaps, with what was found in it.
type segmented struct {
	grid
	at     []int     // units of the grid that were observed
	y      []float64 // use there
	pace   float64   // median change a unit
	spread float64   // standard deviation of changes, robust
	top    float64   // highest use
}

// events finds what happened, the most important ones, in time order.
func (g grid) events(in Input) []Event {
	load := g.bulkLoad()
	s := segmentedOf(g.thinned(stepsInUnit(g.step)).newest(longestFit))
	if len(s.y) < leastEvents {
		return nil
	}
	var all []Event
	shifts := s.shifts()
	if load > 0 {
		to := g.timeOf(load)
		all = append(all, Event{Kind: EventBulkLoad, From: g.timeOf(load - 1), To: to, Change: g.filled[load] - g.filled[load-1]})
		shifts = slices.DeleteFunc(shifts, func(sh shift) bool { return !s.time(sh.from).After(to) })
	}
	levels := slices.Clone(shifts)
	saws, shifts := s.sawtooths(shifts)
	all = append(all, saws...)
	week := s.weekdays()
	for _, sh := range lasting(shifts, s.at) {
		if s.beyondTheWeek(sh, week) {
			all = append(all, s.class(sh))
		}
	}
	for _, e := range s.growthChanges(levels) {
		if !inSawtooth(e, saws) && !(load > 0 && e.From.Before(g.timeOf(load).Add(leastSegment*s.step))) {
			all = append(all, e)
		}
	}
	return newestLast(append(all, resizes(in)...), s)
}

func segmentedOf(g grid) segmented {
	s := segmented{grid: g}
	for i, v := range g.observed {
		if !math.IsNaN(v) {
			s.at, s.y = append(s.at, i), append(s.y, v)
			s.top = max(s.top, v)
		}
	}
	paces := make([]float64, 0, len(s.y))
	for i := 1; i < len(s.y); i++ {
		paces = append(paces, (s.y[i]-s.y[i-1])/float64(s.at[i]-s.at[i-1]))
	}
	s.pace = median(paces)
	for i := 1; i < len(s.y); i++ {
		paces[i-1] = math.Abs(s.unexpected(i)) / math.Sqrt(float64(s.at[i]-s.at[i-1]))
	}
	s.spread = 1.4826 * median(paces)
	return s
}

// timeOf is the time of the grid's point i.
func (g grid) timeOf(i int) time.Time {
	return g.last.Add(-stepsBack(len(g.observed)-1-i, g.step))
}

// stepsBack is n steps, as far as a time.Duration reaches.
func stepsBack(n int, step time.Duration) time.Duration {
	if n > 0 && step > math.MaxInt64/time.Duration(n) {
		return math.MaxInt64
	}
	return time.Duration(n) * step
}

func (s segmented) time(i int) time.Time { return s.timeOf(s.at[i]) }

// unexpected is the change to point i beyond the usual pace.
func (s segmented) unexpected(i int) float64 {
	return s.y[i] - s.y[i-1] - s.pace*float64(s.at[i]-s.at[i-1])
}

// usual is how far use moves within so many units beyond its pace.
func (s segmented) usual(units int) float64 {
	return max(unusual*s.spread*math.Sqrt(float64(units)), slight*s.top)
}

// weekdays are the changes that each day of the week usually brings beyond the pace, zero where the past is too short.
func (s segmented) weekdays() (week [7]float64) {
	if s.step != day || len(s.y) < leastWeeks*7 {
		return week
	}
	var by [7][]float64
	for i := 1; i < len(s.y); i++ {
		if s.at[i]-s.at[i-1] == 1 {
			by[s.at[i]%7] = append(by[s.at[i]%7], s.unexpected(i))
		}
	}
	for i := range week {
		week[i] = median(by[i])
	}
	return week
}

// beyondTheWeek says whether a shift is unusual also for its days of the week.
func (s segmented) beyondTheWeek(sh shift, week [7]float64) bool {
	rest := sh.change
	for u := s.at[sh.from] + 1; u <= s.at[sh.to]; u++ {
		rest -= week[u%7]
	}
	return rest*sh.change > 0 && math.Abs(rest) > s.usual(s.at[sh.to]-s.at[sh.from])
}

// shifts are the changes that no ordinary day makes, those in a row as one.
func (s segmented) shifts() []shift {
	var all []shift
	for i := 1; i < len(s.y); i++ {
		change := s.unexpected(i)
		least := s.usual(s.at[i] - s.at[i-1])
		if moved := s.y[i] - s.y[i-1]; math.Abs(change) <= least || moved*change <= 0 || math.Abs(moved) < least/2 {
			continue // a day without the usual growth is no fall
		}
		if n := len(all) - 1; n >= 0 && i-1-all[n].to <= 1 && (change > 0) == (all[n].change > 0) {
			all[n].to = i
			all[n].change = s.y[i] - s.y[all[n].from] - s.pace*float64(s.at[i]-s.at[all[n].from])
			continue
		}
		all = append(all, shift{i - 1, i, change})
	}
	return all
}

// class says what a shift was.
func (s segmented) class(sh shift) Event {
	e := Event{Kind: EventCopy, From: s.time(sh.from), To: s.time(sh.to), Change: sh.change}
	if sh.change < 0 {
		e.Kind = EventCleanup
	}
	if sh.to-sh.from > 1 && math.Abs(sh.change) >= much*max(s.y[sh.from], s.y[sh.to]) {
		e.Kind = EventMigration
	}
	return e
}

// lasting leaves out what came and soon went again, or went and came.
func lasting(all []shift, at []int) []shift {
	var kept []shift
	for _, sh := range all {
		if n := len(kept) - 1; n >= 0 && at[sh.from]-at[kept[n].to] <= passing &&
			math.Abs(sh.change+kept[n].change) < .35*math.Abs(kept[n].change) {
			kept = kept[:n]
			continue
		}
		kept = append(kept, sh)
	}
	return kept
}

// resizes are the changes of the capacity by a hundredth or more that stayed.
func resizes(in Input) []Event {
	var all []Event
	known := make([]Observation, 0, len(in.Observations)+1)
	for _, o := range in.Observations {
		if isCapacity(o.Capacity) {
			known = append(known, o)
		}
	}
	if in.Newest != nil && isCapacity(in.Newest.Capacity) && len(known) > 0 && in.Newest.Time.After(known[len(known)-1].Time) {
		known = append(known, *in.Newest)
	}
	if len(known) == 0 {
		return nil
	}
	standing := known[0].Capacity
	for i := 1; i < len(known); i++ {
		now := known[i].Capacity
		large, stays := math.Abs(now-standing) >= .01*max(now, standing), true
		for _, o := range known[i:min(len(known), i+3)] {
			stays = stays && math.Abs(o.Capacity-now) < math.Abs(o.Capacity-standing)
		}
		if large && !stays {
			continue // a reading that was wrong
		}
		if large {
			all = append(all, Event{Kind: EventResize, From: known[i-1].Time, To: known[i].Time, Change: now - standing})
		}
		standing = now // also where it moves by little, as a pool's does
	}
	return all
}

// inSawtooth says whether an event is part of a sawtooth, or of its beginning.
func inSawtooth(e Event, saws []Event) bool {
	return slices.ContainsFunc(saws, func(s Event) bool {
		return e.From.After(s.From.Add(-3*s.Period)) && e.From.Before(s.To.Add(3*s.Period))
	})
}

// newestLast keeps the most important events and sorts them by time.
func newestLast(all []Event, s segmented) []Event {
	weight := func(e Event) float64 {
		if e.Kind == EventGrowthChange {
			return math.Abs(e.Change) * growthSpanUnits * float64(s.step) / float64(day)
		}
		return math.Abs(e.Change)
	}
	slices.SortStableFunc(all, func(a, b Event) int { return cmp.Compare(weight(b), weight(a)) })
	all = all[:min(len(all), mostEvents)]
	slices.SortStableFunc(all, func(a, b Event) int {
		return cmp.Or(a.From.Compare(b.From), a.To.Compare(b.To), cmp.Compare(a.Kind, b.Kind))
	})
	return all
}
