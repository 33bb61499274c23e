package forecast

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"
)

// Simulation is a forecast with the futures behind its dates.
type Simulation struct {
	Forecast
	Unit  time.Duration // a day, or the series' step where that is longer
	Units int           // how long the paths are: max(Steps, 90 days, Horizon)
	// Doubt is why a date would be a guess, also where use is at the full level already and the Forecast says Full; empty when
	// it would not.
	Doubt Reason

	start       float64   // the use at the origin, as if nothing had been released
	scale       float64   // what 1 stands for in
	ends, peaks []float32 // use less that at the origin, by path, then by unit; peaks is nil where none is above its end
}

// Paths is how many futures a Simulation has.
const Paths = paths

// End is the use at the end of a unit (0 is the first after the origin) of a path (0 to Paths-1), less the use at the
// origin. It has a float32's precision.
func (s *Simulation) End(path, unit int) float64 {
	return s.scale * float64(s.ends[path*s.Units+unit])
}

// Peak is the highest use within a unit of a path, less the use at the origin; at least End.
func (s *Simulation) Peak(path, unit int) float64 {
	if s.peaks == nil {
		return s.End(path, unit)
	}
	return s.scale * float64(s.peaks[path*s.Units+unit])
}

// Lifted says whether any Peak is above its End. Whole days, which are known by their largest use, have none.
func (s *Simulation) Lifted() bool { return s.peaks != nil }

// Draws make several series draw their past changes from the same days, so that path i of one belongs with path i of
// another, and their sum depends on their pasts as it did then.
type Draws struct {
	Seed  uint64
	Until time.Time // the newest day of any of the series; all count from it
}

// Simulate is Compute with the futures behind its dates. Without draws they are those that Compute takes its dates from.
// With draws they are drawn together with other series'; the Forecast stays Compute's. An error is a series without any
// use, or draws for one whose unit is longer than a day.
func Simulate(in Input, opt Options, draws *Draws) (*Simulation, error) {
	f, b, err := compute(in, opt)
	if err != nil {
		return nil, err
	}
	s := &Simulation{Forecast: f, Unit: b.futures.past.unit, Units: b.futures.n, Doubt: b.doubt, start: b.used, scale: max(f.Used, 1)}
	if f.Capacity > s.scale { // false when it is not known
		s.scale = f.Capacity
	}
	full := b.full
	if b.used >= full {
		full = math.Inf(1)
	}
	if draws == nil {
		s.alone(b.futures, full, opt.Seed)
		return s, nil
	}
	if s.Unit > day*3/2 {
		return nil, fmt.Errorf("a series of one point in %v cannot be drawn by days together with others", s.Unit)
	}
	s.together(b.futures, *draws, opt.Seed)
	return s, nil
}

// alone fills the paths as passage draws them. There a path ends when it is full and the next one goes on with the
// generator; so what is drawn after that comes from a copy of it.
func (s *Simulation) alone(f futures, full float64, seed uint64) {
	source := rand.NewPCG(seed, pathStream)
	random := rand.New(source)
	wrong := f.past.driftError()
	for i := range paths {
		next := f.begin(f.past.alone(random, wrong))
		var after *rand.PCG
		for u := range s.Units {
			if peak := s.set(i, u, next); peak >= full && after == nil {
				saved := *source
				after = &saved
			}
		}
		if after != nil {
			*source = *after
		}
	}
}

// set goes on with a path by a unit and keeps it.
func (s *Simulation) set(path, unit int, next walk) (peak float64) {
	if s.ends == nil {
		s.ends = make([]float32, paths*s.Units)
	}
	end, peak := next()
	at := path*s.Units + unit
	s.ends[at] = float32((end - s.start) / s.scale)
	if peak > end && s.peaks == nil {
		s.peaks = make([]float32, len(s.ends))
		copy(s.peaks, s.ends[:at])
	}
	if s.peaks != nil {
		s.peaks[at] = float32((max(end, peak) - s.start) / s.scale)
	}
	return peak
}

// together fills the paths from days that all series share.
func (s *Simulation) together(f futures, d Draws, seed uint64) {
	c := calendarOf(f.past, d.Until)
	for i := range paths {
		own := rand.New(rand.NewPCG(seed, uint64(i)))
		next := f.begin(luck{own, c.draws(d.ages(i), f.past.draws(own)), func() float64 { return c.off(d.normals(i)) }})
		for u := range s.Units {
			s.set(i, u, next)
		}
	}
}

// ages yields how many days before Until the change of each next unit of a path happened: blocks as draws makes them, in the
// order in which they came.
func (d Draws) ages(path int) func() int {
	random := rand.New(rand.NewPCG(d.Seed, 2*uint64(path)))
	age, left := 0, 0
	return func() int {
		age--
		if left == 0 {
			age, left = int(random.ExpFloat64()*memory)+longestBlock-1, longestBlock
		}
		left--
		return age
	}
}

// normals yields a standard normal deviate for each week before Until, the newest first.
func (d Draws) normals(path int) func() float64 {
	return rand.New(rand.NewPCG(d.Seed, 2*uint64(path)+1)).NormFloat64
}

// calendar finds a series' past changes by their day.
type calendar struct {
	byAge  []int     // the index of the change of each age, from the series' last day; -1 in a gap
	silent int       // days from the series' last day until the one that draws count from
	weeks  []float64 // sums of the changes less their mean, by weeks before that day, newest first
	n      int       // changes
	known  int       // weeks that have any
}

func calendarOf(p past, until time.Time) calendar {
	c := calendar{byAge: make([]int, int(p.ages[0])+1), n: len(p.changes)}
	c.silent = int(max(0, math.Round(float64(until.Sub(p.last))/float64(p.unit))))
	for a := range c.byAge {
		c.byAge[a] = -1
	}
	mean := 0.
	for i, age := range p.ages {
		c.byAge[int(age)] = i
		mean += p.changes[i] / float64(c.n)
	}
	c.weeks = make([]float64, (len(c.byAge)-1+c.silent)/longestBlock+1)
	last := -1
	for i, age := range p.ages {
		week := (int(age) + c.silent) / longestBlock
		c.weeks[week] += p.changes[i] - mean
		if week != last {
			c.known++
		}
		last = week
	}
	return c
}

// draws is the change of each day that ages yields. A day before the series began, or after its last, comes round to the other end of its past
// (the circular bootstrap of Politis and Romano, 1992), so that series of one age still go together; for one in a gap, a
// draw of the series' own.
func (c calendar) draws(ages func() int, own draw) draw {
	n := len(c.byAge)
	return func(level float64) int {
		age := (ages() - c.silent) % n
		if age < 0 {
			age += n
		}
		if i := c.byAge[age]; i >= 0 {
			return i
		}
		return own(level)
	}
}

// off is an error of the mean change: as large as driftError says, and as dependent on other series' as the weeks of their
// pasts were (each week counts a random multiple of itself: the multiplier bootstrap of Wu, 1986).
func (c calendar) off(normals func() float64) float64 {
	if c.known < 2 {
		return 0
	}
	sum := 0.
	for _, w := range c.weeks {
		sum += w * normals()
	}
	return sum / float64(c.n) * math.Sqrt(float64(c.known)/float64(c.known-1))
}
