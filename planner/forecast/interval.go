package forecast

import (
	"math"
	"slices"
)

// halfWidths are the distances from the forecast to the ends of the interval, by step ahead, never narrowing. They are
// quantiles of the combination's own errors: those of all steps are pooled after each is divided by its step's share of
// the growth (see errorGrowth), since a few origins are too few for a quantile of each step.
func (e *ensemble) halfWidths(y []float64, h int, level float64) (below, above []float64) {
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
		least := deviation * mean * e.student(z)
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

// student is the quantile of Student's t for the normal quantile z (Fisher's expansion, its first term), with as many
// degrees of freedom as there are independent origins: those that are a horizon apart.
func (e *ensemble) student(z float64) float64 {
	n := 1 + float64(e.origins-1)*float64(e.spacing)/float64(e.horizon)
	return z + (z*z*z+z)/(4*n)
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
