package forecast

import (
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

const (
	paths     = 1000
	leastPath = 90 * day
	blockDays = 7 // a block of differences keeps a week, a jump and the cleanup after it together
)

// passage is the first-passage distribution of use over simulated paths: when each path first reaches the full level.
type passage struct {
	days []float64 // from the origin, sorted; +Inf for a path that does not fill
}

// simulate draws paths that start at used: the combination's course plus differences of the past, drawn in blocks (Künsch,
// 1989) after their own trimmed mean is taken off, so that ordinary change, jumps and cleanups come as they came before.
// Use never falls below zero. The whole is daily; a step of less than a day is summed up to days, one of more is spread.
func simulate(g grid, course []float64, used, full float64, horizon time.Duration, seed uint64) passage {
	changes := dailyChanges(g)
	n := int(horizon / day)
	drift := dailyCourse(g, course, n)
	random := rand.New(rand.NewPCG(seed, 0x7469_6465_6d61_726b))
	p := passage{days: make([]float64, paths)}
	block := min(blockDays, len(changes))
	for i := range p.days {
		p.days[i] = math.Inf(1)
		level, at := used, 0
		for d := range n {
			if d%block == 0 {
				at = random.IntN(len(changes) - block + 1)
			}
			change := drift[d] + changes[at+d%block]
			if level+change >= full {
				p.days[i] = float64(d) + (full-level)/change // change > 0, since level < full
				break
			}
			level = max(0, level+change)
		}
	}
	slices.Sort(p.days)
	return p
}

// dailyChanges are the differences of the past by days, less their trimmed mean. Differences over gaps are left out.
func dailyChanges(g grid) []float64 {
	perDay := max(1, int(day/g.step))
	days := float64(g.step) * float64(perDay) / float64(day)
	var changes []float64
	for i := len(g.observed) - 1; i-perDay >= 0; i -= perDay {
		if change := (g.observed[i] - g.observed[i-perDay]) / days; !math.IsNaN(change) {
			changes = append(changes, change)
		}
	}
	if len(changes) == 0 {
		return []float64{0}
	}
	slices.Reverse(changes)
	center := trimmedMean(changes)
	for i := range changes {
		changes[i] -= center
	}
	return changes
}

// dailyCourse is the change that the combination expects on each of n days.
func dailyCourse(g grid, course []float64, n int) []float64 {
	at := func(d float64) float64 { // value at d days ahead, straight between points
		x := d * float64(day) / float64(g.step)
		i := int(x)
		before := g.filled[len(g.filled)-1]
		if i > 0 {
			before = course[min(i, len(course))-1]
		}
		return before + (x-float64(i))*(course[min(i, len(course)-1)]-before)
	}
	drift := make([]float64, n)
	for d := range drift {
		drift[d] = at(float64(d+1)) - at(float64(d))
	}
	return drift
}

// probability is the share of paths that fill within so many days.
func (p passage) probability(days float64) float64 {
	n, _ := slices.BinarySearchFunc(p.days, days, func(d, limit float64) int {
		if d <= limit {
			return -1
		}
		return 1
	})
	return float64(n) / float64(len(p.days))
}

// by is the time by which a share of the paths is full; zero when that share does not fill.
func (p passage) by(origin time.Time, share float64) time.Time {
	d := p.days[int(math.Ceil(share*float64(len(p.days))))-1]
	if math.IsInf(d, 1) {
		return time.Time{}
	}
	return origin.Add(time.Duration(d * float64(day)))
}
