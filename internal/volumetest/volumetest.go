// Package volumetest makes up volumes for tests whose truth is known: each kind is a random process that is run up to the
// origin and can be run on from there as often as a test likes, so that what will be and how likely it is can be counted.
// The same kind and seed give the same volume.
package volumetest

import (
	"math"
	"math/rand/v2"
	"time"
)

// Kind is what makes a volume's use change.
type Kind string

// The kinds, by days.
const (
	Steady       Kind = "steady"       // grows a little each day
	Week         Kind = "week"         // steady with a season of a week
	Accelerating Kind = "accelerating" // its growth doubles in half a year
	Logs         Kind = "logs"         // a rotation every 7, 14 or 30 days, no growth
	Collected    Kind = "collected"    // garbage is collected at no regular time, no growth
	Backups      Kind = "backups"      // a full backup each week, three are kept, no growth
	Cleanups     Kind = "cleanups"     // grows, and now and then most of that is deleted
	Copies       Kind = "copies"       // grows little; now and then much is copied to it
	Migration    Kind = "migration"    // steady; weeks ago two fifths moved away within five days
	Resize       Kind = "resize"       // steady, and enlarged by half weeks ago
	Load         Kind = "load"         // new: nearly empty for some days, loaded in one, then steady
	Shrinking    Kind = "shrinking"    // loses a little each day
	Idle         Kind = "idle"         // never changes by more than some kilobytes
	Gaps         Kind = "gaps"         // steady; a day in ten is missing, and three weeks in the middle
	Short        Kind = "short"        // steady, two to six days old
	Jumpy        Kind = "jumpy"        // changes have heavy tails (Student's t of 2 degrees of freedom)
	Full         Kind = "full"         // steady, and full for days
)

// Kinds are all kinds.
func Kinds() []Kind {
	return []Kind{
		Steady, Week, Accelerating, Logs, Collected, Backups, Cleanups, Copies, Migration, Resize, Load, Shrinking, Idle, Gaps,
		Short, Jumpy, Full,
	}
}

// Volume is a made-up volume up to its origin, the last of Times: a point a day, at 00:00 UTC.
type Volume struct {
	Kind     Kind
	Times    []time.Time
	Used     []float64 // NaN where it was not read; the last is known
	Capacity []float64
	// Jumps are the indices at which the process did what its kind is named for: a cleanup's or a copy's day, the first day of
	// a migration, the day of a load or resize.
	Jumps []int

	now process
}

// Origin is the time of the newest point.
func (v Volume) Origin() time.Time { return v.Times[len(v.Times)-1] }

// Full is the capacity at the origin.
func (v Volume) Full() float64 { return v.Capacity[len(v.Capacity)-1] }

// Future is one way in which the volume may go on: its use on each of so many days after the origin, as if it never ran
// full. Another seed is another way.
func (v Volume) Future(seed uint64, days int) []float64 {
	p := v.now
	r := rand.New(rand.NewPCG(seed, 0x6675_7475_7265))
	future := make([]float64, days)
	for i := range future {
		future[i] = p.next(r)
	}
	return future
}

// FullIn is on which day after the origin a future first reaches the capacity; 0 if it does not.
func (v Volume) FullIn(future []float64) int {
	for i, u := range future {
		if u >= v.Full() {
			return i + 1
		}
	}
	return 0
}

// start is the day of every volume's first point, a Monday.
var start = time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)

// New makes up a volume.
func New(kind Kind, seed uint64) Volume {
	r := rand.New(rand.NewPCG(seed, hash(kind)))
	p := processOf(kind, r)
	days := 120 + r.IntN(300)
	switch kind {
	case Short:
		days = 2 + r.IntN(5)
	case Load:
		days = 24 + r.IntN(30)
		p.loadDay = 2 + r.IntN(5)
	case Accelerating:
		days = 250 + r.IntN(150)
	case Migration:
		days += 100
		p.awayDay = days - 40 - r.IntN(110)
	}
	v := Volume{Kind: kind}
	for i := range days {
		u := p.next(r)
		if p.jumped {
			v.Jumps = append(v.Jumps, i)
		}
		v.Times = append(v.Times, start.AddDate(0, 0, i))
		v.Used = append(v.Used, u)
	}
	v.now = p
	v.provide(r)
	if kind == Gaps {
		v.lose(r)
	}
	return v
}

// provide gives the volume a capacity that it needs in a month to seven, where it grows at all.
func (v *Volume) provide(r *rand.Rand) {
	last := v.Used[len(v.Used)-1]
	highest := 0.
	for _, u := range v.Used {
		highest = max(highest, u)
	}
	capacity := last + v.now.growthPerDay()*(30+180*r.Float64())
	capacity = max(capacity, highest*1.001)
	switch v.Kind {
	case Logs, Collected, Backups:
		capacity = highest + v.now.saw*(.5+r.Float64())
	case Shrinking, Idle:
		capacity = highest * (1.1 + r.Float64())
	case Full:
		capacity = v.Used[max(0, len(v.Used)-3)]
	case Jumpy, Copies: // whose highest may be far above their last
		capacity = last + (15+45*r.Float64())*v.now.unit
	case Cleanups:
		capacity = last + v.now.growthPerDay()*(60+180*r.Float64()) + 40*v.now.unit
	}
	v.Capacity = make([]float64, len(v.Used))
	enlarged := len(v.Used) - 20 - r.IntN(40)
	for i := range v.Capacity {
		v.Capacity[i] = capacity
		if v.Kind == Resize && i < enlarged {
			v.Capacity[i] = capacity / 1.5
		}
	}
	if v.Kind == Resize {
		v.Jumps = []int{enlarged}
	}
	if v.Kind == Full {
		for i := range v.Used {
			v.Used[i] = min(v.Used[i], capacity)
		}
		v.Used[len(v.Used)-1] = capacity
	}
}

// lose takes readings away.
func (v *Volume) lose(r *rand.Rand) {
	n := len(v.Used)
	hole := n/3 + r.IntN(n/4)
	for i := 1; i < n-1; i++ {
		if r.IntN(10) == 0 || i >= hole && i < hole+21 {
			v.Used[i] = math.NaN()
		}
	}
}

// hash spreads kinds over the random numbers' streams (FNV-1a).
func hash(kind Kind) uint64 {
	h := uint64(14695981039346656037)
	for _, b := range []byte(kind) {
		h = (h ^ uint64(b)) * 1099511628211
	}
	return h
}

// Unit is a usual day's growth of the volume, had it grown steadily: what errors are measured in.
func (v Volume) Unit() float64 { return v.now.unit }
