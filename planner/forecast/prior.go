package forecast

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// Growth is what like volumes say of a volume whose own past is short: how they grow, and how far they differ. In shares
// of the capacity.
type Growth struct {
	PerDay  float64 // the median volume's
	Between float64 // standard deviation of the volumes' growth per day
	Within  float64 // standard deviation of one day's change of one volume, as it adds up over weeks
}

// of is the growth in the unit of a capacity.
func (g Growth) of(capacity float64) Growth {
	return Growth{g.PerDay * capacity, g.Between * capacity, g.Within * capacity}
}

// Pace is how one volume has grown of late, in shares of its capacity a day.
type Pace struct {
	PerDay    float64 // from the first week's end to the last's
	Deviation float64 // of one day's change, as it adds up over weeks: from whole weeks, so that a week's season is none
	Days      float64 // from which it was measured
}

const (
	// leastOwn is the past that stands alone; what is shorter borrows. It is what lending takes, so every volume does one or the
	// other, and until then borrowing still took a fifth off the error in the median kind of made-up volumes.
	leastOwn = LeastWeeksLent * week
	// paceSpan is over how long growth is lent. A prior never counts more than so many days of a volume's own.
	paceSpan = 90 * day
	// LeastWeeksLent is how many changes from week to week a pace is measured from, at least.
	LeastWeeksLent = 8
	// LeastLike is how many volumes make a pool: of fewer neither the median nor the spread says much.
	LeastLike = 5
	week      = 7 * day
	// madToDeviation makes the median absolute deviation of a normal distribution its standard deviation.
	madToDeviation = 1.4826
)

// PaceOf is how a series grew in its last 90 days. It is not ok without a capacity, with fewer than eight changes from week
// to week, or where these are further apart than a week.
func PaceOf(in Input) (Pace, bool) {
	g, ok := loaded(in)
	capacity := lastCapacity(in)
	if !ok || math.IsNaN(capacity) || g.step > week {
		return Pace{}, false
	}
	steps := int((week + g.step/2) / g.step)
	g = g.newest(int(paceSpan/g.step) + 1).thinned(steps)
	type change struct{ by, days float64 }
	var changes []change // from one week to the next, or over a gap
	whole := change{}
	last := 0
	for i, v := range g.observed[1:] {
		if i++; !math.IsNaN(v) {
			c := change{v - g.observed[last], float64(i-last) * float64(g.step) / float64(day)}
			changes = append(changes, c)
			whole.by, whole.days = whole.by+c.by, whole.days+c.days
			last = i
		}
	}
	if len(changes) < LeastWeeksLent {
		return Pace{}, false
	}
	p := Pace{PerDay: whole.by / whole.days / capacity, Days: whole.days}
	squares := 0.
	for _, c := range changes {
		off := c.by/capacity - p.PerDay*c.days
		squares += off * off / c.days / float64(len(changes)-1)
	}
	p.Deviation = math.Sqrt(squares)
	return p, true
}

// loaded is a series from its bulk load on.
func loaded(in Input) (grid, bool) {
	in.Observations = inOrder(in.Observations)
	in, _ = in.undone()
	observed := withUse(in.Observations)
	if len(observed) == 0 {
		return grid{}, false
	}
	return newGrid(in, observed).afterLoad(), true
}

// Pool is the growth of like volumes, in shares of a capacity: the median, and what they differ by more than each is uncertain by
// (as the analysis of variance has it, with medians in the place of means). It is not ok for fewer than five.
func Pool(like []Pace) (Growth, bool) {
	if len(like) < LeastLike {
		return Growth{}, false
	}
	column := func(of func(Pace) float64) []float64 {
		all := make([]float64, len(like))
		for i, p := range like {
			all[i] = of(p)
		}
		return all
	}
	g := Growth{
		PerDay: median(column(func(p Pace) float64 { return p.PerDay })),
		Within: median(column(func(p Pace) float64 { return p.Deviation })),
	}
	spread := madToDeviation * median(column(func(p Pace) float64 { return math.Abs(p.PerDay - g.PerDay) }))
	within := g.Within * g.Within
	uncertain := within / median(column(func(p Pace) float64 { return p.Days }))
	g.Between = math.Sqrt(max(spread*spread-uncertain, within*float64(day)/float64(paceSpan)))
	return g, true
}

// borrowing is a short past's forecast on its way towards the growth of like volumes.
type borrowing struct {
	prior Growth
	own   float64 // weight of the series' own forecast: n/(n+k)
	level float64 // the last value
}

// borrowed says how far a series leans on its prior: Bühlmann's credibility (1967), which is the empirical Bayes estimate of a
// normal mean (Efron and Morris, 1973). Its own n days count n/(n+k), where k is the variance within volumes over that between them.
func borrowed(in Input, g grid, e ensemble, capacity float64) (b borrowing, ok bool) {
	if in.Prior == nil || math.IsNaN(capacity) || span(g) >= leastOwn || e.reason == ReasonConstant {
		return borrowing{}, false
	}
	b = borrowing{prior: in.Prior.of(capacity), level: g.filled[len(g.filled)-1]}
	for _, v := range []float64{b.prior.PerDay, b.prior.Between, b.prior.Within} {
		if !(math.Abs(v) <= largest) {
			return borrowing{}, false
		}
	}
	n := float64(span(g)) / float64(day)
	if n > 0 {
		k := 0.
		if b.prior.Within > 0 {
			ratio := b.prior.Within / b.prior.Between
			k = ratio * ratio
		}
		b.own = n / (n + k)
	}
	return b, true
}

// lean draws a course by units towards the prior's.
func (b borrowing) lean(course []float64, unit time.Duration) {
	for i, v := range course {
		days := float64(i+1) * float64(unit) / float64(day)
		course[i] = b.own*v + (1-b.own)*(b.level+b.prior.PerDay*days)
	}
}

// widen draws half widths towards the prior's: what a volume's days add up to, and what the growth is still uncertain by.
func (b borrowing) widen(half []float64, unit time.Duration, level float64) {
	z := normalQuantile((1 + level) / 2)
	for i, v := range half {
		days := float64(i+1) * float64(unit) / float64(day)
		off := math.Hypot(b.prior.Within*math.Sqrt(days), b.prior.Between*math.Sqrt(1-b.own)*days)
		half[i] = b.own*v + (1-b.own)*z*off
	}
}

// shares are the models' weights with that of the prior.
func (b borrowing) shares(models []Weight) []Weight {
	all := []Weight{{"like_volumes", 1 - b.own}}
	for _, m := range models {
		all = append(all, Weight{m.Model, m.Share * b.own})
	}
	slices.SortStableFunc(all, func(a, b Weight) int { return cmp.Compare(b.Share, a.Share) })
	return all
}
