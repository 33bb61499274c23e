package forecast

import (
	"math"
	"slices"
)

// halfWidths are the distances from the forecast to the ends of the interval, by step ahead, never narrowing. They are
// quantiles of the combination's own errors: those of all steps are pooled after each is divided by the root of its
// step, along which errors of a random walk grow, since a few origins are too few for a quantile of each step.
func (e *ensemble) halfWidths(y []float64, h int, level float64) (below, above []float64) {
	var scaled []float64
	for k, errors := range e.errors {
		for _, v := range errors {
			scaled = append(scaled, v/math.Sqrt(float64(k+1)))
		}
	}
	var low, high float64
	if len(scaled) >= 10 {
		slices.Sort(scaled)
		low, high = max(0, -quantile(scaled, (1-level)/2)), max(0, quantile(scaled, (1+level)/2))
		// Extremes of few errors understate the tails: no side is narrower than half of the other, nor than a normal
		// distribution's of the same mean absolute error.
		normal := e.absolute / math.Sqrt(float64(e.horizon)/2+.5) * math.Sqrt(math.Pi/2) * normalQuantile((1+level)/2)
		low, high = max(low, high/2, normal*.7), max(high, low/2, normal*.7)
	} else {
		spread := max(e.scale, .01*math.Abs(y[len(y)-1]))
		if len(y) > 2 && e.scale == 0 {
			spread = 0 // it never moved
		}
		low = spread * math.Sqrt(math.Pi/2) * normalQuantile((1+level)/2)
		high = low
	}
	below, above = make([]float64, h), make([]float64, h)
	for k := range below {
		root := math.Sqrt(float64(k + 1))
		below[k], above[k] = low*root, high*root
	}
	return below, above
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
