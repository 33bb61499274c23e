package forecast

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

const (
	paths       = 1000
	leastPath   = 90 * day
	longestPath = 100_000 * day // what a time.Duration still holds
	// A block of past changes keeps a week, a jump and the cleanup after it together.
	longestBlock = 7
	// memory is the mean age, in units, of what futures are drawn from: what a volume did years ago it may never do again.
	memory = 180
	// nearestOf is of how many blocks the one is taken that began nearest, where a volume jumps.
	nearestOf = 10
)

// passage is the first-passage distribution of use over simulated paths: when each path first reaches the full level.
type passage struct {
	unit  time.Duration
	units []float64 // from the origin, sorted; +Inf for a path that does not fill
}

// past is what futures are drawn from, oldest first, by units: days where the step is shorter (as many steps as come
// nearest), else steps. What lies in gaps is left out.
type past struct {
	unit    time.Duration
	last    time.Time // of the grid: age 0
	steps   int       // of the grid in a unit
	levels  []float64 // at the end of each unit
	ages    []float64 // in units, of the levels: 0 is the last
	changes []float64 // from the end of the unit before
	lifts   []float64 // how far the highest use within the unit stood above its end
	local   bool      // it jumps up and down: what comes depends on where use is
}

// stepsInUnit is how many steps make a unit: those that come nearest to a day, or the one that is longer.
func stepsInUnit(step time.Duration) int {
	if step >= day {
		return 1
	}
	return int((day + step/2) / step)
}

func pastOf(g grid) past {
	p := past{steps: stepsInUnit(g.step), last: g.last}
	p.unit = time.Duration(p.steps) * g.step
	for i := len(g.observed) - 1; i-p.steps >= 0; i -= p.steps {
		change := g.observed[i] - g.observed[i-p.steps]
		if math.IsNaN(change) {
			continue
		}
		lift := 0.
		for _, v := range g.observed[i-p.steps+1 : i] {
			if v-g.observed[i] > lift { // never for NaN
				lift = v - g.observed[i]
			}
		}
		p.levels, p.changes, p.lifts = append(p.levels, g.observed[i]), append(p.changes, change), append(p.lifts, lift)
		p.ages = append(p.ages, float64((len(g.observed)-1-i)/p.steps))
	}
	if len(p.changes) == 0 {
		p.levels, p.changes, p.lifts, p.ages = []float64{g.observed[len(g.observed)-1]}, []float64{0}, []float64{0}, []float64{0}
	}
	slices.Reverse(p.levels)
	slices.Reverse(p.changes)
	slices.Reverse(p.lifts)
	slices.Reverse(p.ages)
	p.local = jumpy(p.levels) && p.fallsBack()
	return p
}

// block is how many changes are drawn together: fewer where the past is short, or every path would be the same.
func (p past) block() int { return max(1, min(longestBlock, len(p.changes)/8)) }

// driftError is the standard error of the mean change, from the spread of the blocks' means.
func (p past) driftError() float64 {
	block := p.block()
	n := len(p.changes) / block
	if n < 2 {
		return 0
	}
	means := make([]float64, n)
	center := 0.
	for i := range means {
		for _, v := range p.changes[i*block : (i+1)*block] {
			means[i] += v / float64(block)
		}
		center += means[i] / float64(n)
	}
	squares := 0.
	for _, m := range means {
		squares += (m - center) * (m - center)
	}
	return math.Sqrt(squares / float64(n-1) / float64(n))
}

// center is what the drift already has of the past changes. Jumps and cleanups lie between their trimmed mean and their
// mean: a robust course has none of them, another all, and none may be counted twice.
func (p past) center(drift []float64) float64 {
	n := len(p.changes)
	order := make([]int, n)
	weights := make([]float64, n) // as they are drawn
	all, mean := 0., 0.
	for i := range order {
		order[i] = i
		weights[i] = math.Exp(-float64(n-1-i) / memory)
		all += weights[i]
		mean += weights[i] * p.changes[i]
	}
	mean /= all
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(p.changes[a], p.changes[b]) })
	below, trimmed, kept := 0., 0., 0.
	for _, i := range order {
		w := max(0, min(below+weights[i], .8*all)-max(below, .2*all)) // a fifth at each end is left out
		trimmed, kept = trimmed+w*p.changes[i], kept+w
		below += weights[i]
	}
	trimmed /= kept
	span := min(len(drift), longestBlock*4)
	expected := 0.
	for _, d := range drift[:span] {
		expected += d / float64(span)
	}
	return min(max(expected, min(mean, trimmed)), max(mean, trimmed))
}

// draws yields indices into the past, in blocks (Künsch, 1989) that begin sooner at a recent change than at an old one. Of a
// volume that jumps up and down a block is one of several, which began where use was nearest to where the path is (the local bootstrap of Paparoditis
// and Politis, 2002, with the nearest for a kernel): who cleans up does so when it is full, and who copies finds room.
func (p past) draws(random *rand.Rand) draw {
	block := p.block()
	starts := len(p.changes) - block + 1
	tries := 1
	if p.local {
		tries = nearestOf
	}
	at, left := 0, 0
	return func(level float64) int {
		at++
		if left > 0 {
			left--
			return at
		}
		at, left = starts-1-int(random.ExpFloat64()*memory)%starts, block-1
		for range tries - 1 {
			other := starts - 1 - int(random.ExpFloat64()*memory)%starts
			if p.away(other, level) < p.away(at, level) { // never for NaN
				at = other
			}
		}
		return at
	}
}

// fallsBack says that use falls by half as much as it rises, at least.
func (p past) fallsBack() bool {
	rises, falls := 0., 0.
	for _, c := range p.changes {
		rises, falls = rises+max(0, c), falls+max(0, -c)
	}
	return 2*falls >= rises
}

// away is how far a level is from the one that a past change began at.
func (p past) away(i int, level float64) float64 { return math.Abs(p.levels[i] - p.changes[i] - level) }

// draw is the index of the past change that a path repeats next, from a level (NaN: wherever).
type draw func(level float64) int

// futures are the paths of one series.
type futures struct {
	past  past // what they are drawn from
	begin func(luck) walk
	n     int  // units
	whole bool // a level is reached at the end of a unit; else within it, in a straight line to its peak
}

// luck is what one path is drawn with.
type luck struct {
	random *rand.Rand
	draw   draw
	off    func() float64 // the error of the mean change
}

// walk goes on by one unit: the use at its end, and the highest within it.
type walk func() (end, peak float64)

// wander draws paths that start at used, as many units long as drift. Each goes along the combination's course (drift,
// by unit), off by an error of the mean change, plus changes of the past less their center, so that ordinary change, jumps
// and cleanups come as they came before. Use never falls below zero. A volume that has been quiet for so many units
// first stays so: as long again with even odds (P(wait > t) = quiet/(quiet+t), Laplace's rule of succession).
func wander(p past, drift []float64, used, quiet float64) futures {
	changes := slices.Clone(p.changes)
	center := p.center(drift)
	for i := range changes {
		changes[i] -= center
	}
	return futures{past: p, n: len(drift), begin: func(l luck) walk {
		level, off := used, l.off()
		wait := quiet * (1/(1-l.random.Float64()) - 1)
		u := -1
		return func() (end, peak float64) {
			if u++; float64(u) < wait {
				return level, level
			}
			i := l.draw(level)
			level = max(0, level+drift[u]+off+changes[i])
			return level, level + p.lifts[i]
		}
	}}
}

// recurring draws paths of n units for use that keeps falling back, where sums of changes would wander off: the levels of the
// past come again, as much higher as the peaks have been rising since, by unit. Each block goes on from about where the one before it
// ended, so that a tooth takes its time.
func recurring(p past, rise float64, n int, used float64) futures {
	p.local = true
	p.levels = slices.Clone(p.levels)
	for i := range p.levels {
		p.levels[i] += rise * p.ages[i] // as high as they would be now
	}
	return futures{past: p, n: n, whole: true, begin: func(l luck) walk {
		u, level := 0, used
		return func() (end, peak float64) {
			i := l.draw(level)
			u++
			level = p.levels[i]
			now := level + rise*float64(u)
			return max(0, now), now + p.lifts[i]
		}
	}}
}

// pathStream tells the generator of paths from others of the same seed.
const pathStream = 0x7469_6465_6d61_726b

// alone is the luck of a path of a series by itself.
func (p past) alone(random *rand.Rand, wrong float64) luck {
	return luck{random, p.draws(random), func() float64 { return random.NormFloat64() * wrong }}
}

// passage is when each path first reaches the full level from used.
func (f futures) passage(full, used float64, seed uint64) passage {
	random := rand.New(rand.NewPCG(seed, pathStream))
	wrong := f.past.driftError()
	all := passage{unit: f.past.unit, units: make([]float64, paths)}
	for i := range all.units {
		next, level := f.begin(f.past.alone(random, wrong)), used
		all.units[i] = math.Inf(1)
		for u := range f.n {
			end, peak := next()
			if peak < full {
				level = end
				continue
			}
			if all.units[i] = float64(u + 1); !f.whole {
				all.units[i] = float64(u) + (full-level)/(peak-level) // level < full <= peak
			}
			break
		}
	}
	slices.Sort(all.units)
	return all
}

// probability is the share of paths that fill within so many days.
func (p passage) probability(days float64) float64 {
	limit := days * float64(day) / float64(p.unit)
	n, _ := slices.BinarySearchFunc(p.units, limit, func(u, limit float64) int {
		if u <= limit {
			return -1
		}
		return 1
	})
	return float64(n) / float64(len(p.units))
}

// by is the time by which a share of the paths is full; zero when that share does not fill.
func (p passage) by(origin time.Time, share float64) time.Time {
	u := p.units[int(math.Ceil(share*float64(len(p.units))))-1]
	if math.IsInf(u, 1) {
		return time.Time{}
	}
	return origin.Add(time.Duration(u * float64(p.unit)))
}
