package forecast

import (
	"cmp"
	"math"
	"slices"
)

// halfWidths are the distances from the forecast to the ends of the interval, by step ahead, never narrowing. They are
// quantiles of the combination's own errors: those of all steps are pooled after each is divided by its step's share of
// the growth (see errorGrowth), since a few origins are too few for a quantile of each step.
func (e *ensemble) halfWidths(y []float64, h int, level float64) (below, above []float64) {
	if e.origins > 0 && e.noChange > 0 && len(y) >= leastForChanges && !e.seasonal {
		return e.fromChanges(y, h, level)
	}
	power := .5
	z := normalQuantile((1 + level) / 2)
	deviation := math.Sqrt(math.Pi / 2) // of a normal distribution, in mean absolute errors
	var scaled []float64
	for _, errors := range e.errors {
		scaled = append(scaled, errors...)
	}
	var low, high float64
	if len(scaled) >= 10 {
		power = e.errorGrowth()
		scaled = scaled[:0]
		mean := 0.
		for k, errors := range e.errors {
			for _, v := range errors {
				scaled = append(scaled, v/math.Pow(float64(k+1), power))
			}
		}
		for _, v := range scaled {
			mean += math.Abs(v) / float64(len(scaled))
		}
		slices.Sort(scaled)
		low, high = max(0, -quantile(scaled, (1-level)/2)), max(0, quantile(scaled, (1+level)/2))
		// Extremes of few errors understate the tails: no side is narrower than half of the other, nor than a normal
		// distribution's of the same mean absolute error, which is known from few origins.
		least := deviation * mean * student(z, e.independent())
		low, high = max(low, high/2, least), max(high, low/2, least)
	} else {
		spread := max(e.scale, .01*math.Abs(y[len(y)-1]))
		if len(y) > 2 && e.scale == 0 {
			spread = 0 // it never moved
		}
		low = spread * deviation * z
		high = low
	}
	below, above = make([]float64, h), make([]float64, h)
	for k := range below {
		growth := math.Pow(float64(k+1), power)
		below[k], above[k] = low*growth, high*growth
	}
	return below, above
}

const (
	leastForChanges = 60  // points
	changesHalfLife = 150 // points: after so many a past change counts half
	ownErrors       = .3  // the share of the combination's own errors in the sample; the rest is past changes
	mirrored        = .5  // how much a change counts with the other sign: what fell may rise
	calmness        = .3  // power of how much the series moves now, over what it did
	mostPastChanges = 5 * changesHalfLife
)

// fromChanges are half widths by the quantiles of a weighted sample: the combination's own errors, which are few and of one stretch of
// time, and the past's changes over as many steps, as much smaller as the combination's errors are than those of "no change". The tails
// of these are known from hundreds. A series that moves more than it did at the origins gets a wider band, a calm one a narrower.
func (e *ensemble) fromChanges(y []float64, h int, level float64) (below, above []float64) {
	below, above = make([]float64, h), make([]float64, h)
	power := e.errorGrowth()
	z := normalQuantile((1 + level) / 2)
	regime := e.regime(y)
	reach := min(h, e.horizon)
	last, wide := 0, [2]float64{}
	for k := 1; k <= reach; k = max(k+1, min(reach, k*8/5)) {
		low, high := e.sampleQuantiles(y, k, power, level)
		factor := regime * student(z, changesKnown(len(y), k)) / z
		next := [2]float64{max(wide[0], low*factor), max(wide[1], high*factor)}
		for j := last + 1; j <= k; j++ { // between two steps that were looked at: along a line
			share := float64(j-last) / float64(k-last)
			below[j-1] = wide[0] + share*(next[0]-wide[0])
			above[j-1] = wide[1] + share*(next[1]-wide[1])
		}
		last, wide = k, next
		if k == reach {
			break
		}
	}
	for k := reach; k < h; k++ {
		growth := math.Pow(float64(k+1)/float64(reach), power)
		below[k], above[k] = wide[0]*growth, wide[1]*growth
	}
	return below, above
}

type weighted struct{ value, weight float64 }

// sampleQuantiles are how far the level's quantiles of the sample for k steps ahead lie below and above nought.
func (e *ensemble) sampleQuantiles(y []float64, k int, power, level float64) (low, high float64) {
	first := max(k, len(y)-mostPastChanges)
	sample := make([]weighted, 0, 2*(len(y)-first)+e.origins*e.horizon)
	relative := e.absolute / e.noChange
	all := 0.
	for t := first; t < len(y); t++ {
		w := math.Exp2(-float64(len(y)-1-t) / changesHalfLife)
		v := (y[t] - y[t-k]) * relative
		sample = append(sample, weighted{v, w}, weighted{-v, mirrored * w})
		all += (1 + mirrored) * w
	}
	own := 0
	for _, errors := range e.errors {
		own += len(errors)
	}
	w := ownErrors / (1 - ownErrors) * all / float64(max(own, 1))
	for j, errors := range e.errors {
		scale := math.Pow(float64(k)/float64(j+1), power)
		for _, v := range errors {
			sample = append(sample, weighted{v * scale, w})
		}
	}
	slices.SortFunc(sample, func(a, b weighted) int { return cmp.Compare(a.value, b.value) })
	return max(0, -weightedQuantile(sample, (1-level)/2)), max(0, weightedQuantile(sample, (1+level)/2))
}

// weightedQuantile of sorted values: each stands in the middle of its weight.
func weightedQuantile(sorted []weighted, p float64) float64 {
	all := 0.
	for _, s := range sorted {
		all += s.weight
	}
	before := 0. // the middle of the one before
	sum := 0.
	for i, s := range sorted {
		middle := sum + s.weight/2
		if middle >= p*all {
			if i == 0 {
				return s.value
			}
			share := (p*all - before) / (middle - before)
			return sorted[i-1].value + share*(s.value-sorted[i-1].value)
		}
		before, sum = middle, sum+s.weight
	}
	return sorted[len(sorted)-1].value
}

// regime is how much more the series moves now than over the origins, tempered.
func (e *ensemble) regime(y []float64) float64 {
	moves := func(points int) float64 {
		sum := 0.
		from := max(1, len(y)-points)
		for t := from; t < len(y); t++ {
			sum += math.Abs(y[t]-y[t-1]) / float64(len(y)-from)
		}
		return sum
	}
	now, then := moves(max(8, e.horizon)), moves(e.horizon+e.origins*e.spacing)
	if then == 0 {
		return 1
	}
	return math.Pow(min(2, max(.5, now/then)), calmness)
}

// student is the quantile of Student's t for the normal quantile z (Fisher's expansion, its first term), with n degrees of freedom.
func student(z, n float64) float64 { return z + (z*z*z+z)/(4*n) }

// independent is how many of the origins say something of their own: those that are a horizon apart.
func (e *ensemble) independent() float64 {
	return 1 + float64(e.origins-1)*float64(e.spacing)/float64(e.horizon)
}

// changesKnown is how many changes over k steps that do not overlap fromChanges knows of a past of n points: by their weights, (Σw)²/Σw²
// (Kish, 1965), which is at most 2/ln 2 half-lives.
func changesKnown(n, k int) float64 {
	return 1 + min(float64(n-k), 2/math.Ln2*changesHalfLife)/float64(k)
}

// errorGrowth is the power of the step ahead along which the combination's errors grow: a half for a random walk, nought
// for noise about a season, one for a misjudged trend. It is the slope of a line through the logarithms of the mean
// absolute errors by step, drawn halfway to the random walk's because a dozen overlapping origins say little.
func (e *ensemble) errorGrowth() float64 {
	var n, sx, sy, sxx, sxy float64
	for k, errors := range e.errors {
		mean := 0.
		for _, v := range errors {
			mean += math.Abs(v) / float64(len(errors))
		}
		if mean <= 0 {
			continue
		}
		x, y := math.Log(float64(k+1)), math.Log(mean)
		n++
		sx, sy, sxx, sxy = sx+x, sy+y, sxx+x*x, sxy+x*y
	}
	spread := n*sxx - sx*sx
	if n < 4 || spread <= 0 {
		return .5
	}
	return (min(1, max(0, (n*sxy-sx*sy)/spread)) + .5) / 2
}

// quantile of sorted values, interpolated (type 7 of Hyndman and Fan, 1996).
func quantile(sorted []float64, p float64) float64 {
	at := p * float64(len(sorted)-1)
	i := int(at)
	if i+1 >= len(sorted) {
		return sorted[len(sorted)-1]
	}
	return sorted[i] + (at-float64(i))*(sorted[i+1]-sorted[i])
}

func normalQuantile(p float64) float64 { return math.Sqrt2 * math.Erfinv(2*p-1) }

// coverage is the share of the combination's errors that its own interval held.
func (e *ensemble) coverage(below, above []float64) float64 {
	in, n := 0, 0
	for k, errors := range e.errors {
		for _, v := range errors {
			if -below[k] <= v && v <= above[k] {
				in++
			}
			n++
		}
	}
	if n == 0 {
		return math.NaN()
	}
	return float64(in) / float64(n)
}

func (e *ensemble) bias() float64 {
	sum, n := 0., 0
	for _, errors := range e.errors {
		for _, v := range errors {
			sum -= v
			n++
		}
	}
	if n == 0 {
		return math.NaN()
	}
	return sum / float64(n)
}
