package forecast

import "math"

// decomposition is a series as a level that moves slowly plus seasons of one or more periods, each repeating by phase. Newer cycles
// weigh more in a season, so that it may change slowly.
type decomposition struct {
	rest    []float64 // the series less its seasons
	periods []int
	seasons [][]float64 // by period and phase: of the point after the last first, each summing to zero
}

// cycleMemory is how much less a cycle counts in a season than the one after it.
const cycleMemory = .85

// decompose takes the seasons out of y, which has at least two of the longest period: in turn, the shortest first, and twice, so that
// none takes the others' share.
func decompose(y []float64, periods []int) decomposition {
	n := len(y)
	d := decomposition{rest: make([]float64, n), periods: periods, seasons: make([][]float64, len(periods))}
	copy(d.rest, y)
	for i, p := range periods {
		d.seasons[i] = make([]float64, p)
	}
	smooth := make([]float64, n)
	rounds := 2
	if len(periods) == 1 {
		rounds = 1
	}
	for range rounds {
		for i, p := range periods {
			season := d.seasons[i]
			for t := range d.rest { // give it back what it has
				d.rest[t] += season[phase(t, n, p)]
			}
			movingMean(smooth, d.rest, p)
			seasonInto(season, d.rest, smooth, p)
			for t := range d.rest {
				d.rest[t] -= season[phase(t, n, p)]
			}
		}
	}
	return d
}

// phase is where the point t of n stands within a season whose first is the point after the last.
func phase(t, n, p int) int { return ((t-n)%p + p) % p }

// movingMean is the centred mean over one period, of an even one with half of both ends. At the ends of the series it is the line
// through the nearest means: that of a period before.
func movingMean(out, y []float64, p int) {
	n, half := len(y), p/2
	sum := 0.
	for _, v := range y[:p] {
		sum += v
	}
	first, last := half, half
	for i := half; i+p-half <= n; i++ {
		mean := sum / float64(p)
		if i+p-half < n {
			next := sum - y[i-half] + y[i+p-half]
			if p%2 == 0 {
				mean = (sum + next) / 2 / float64(p)
			}
			sum = next
		} else if p%2 == 0 {
			break
		}
		out[i], last = mean, i
	}
	slope := func(at, towards int) float64 {
		if span := min(p, last-first); span > 0 {
			if towards < 0 {
				return (out[at+span] - out[at]) / float64(span)
			}
			return (out[at] - out[at-span]) / float64(span)
		}
		return 0
	}
	before, after := slope(first, -1), slope(last, 1)
	for i := range first {
		out[i] = out[first] - before*float64(first-i)
	}
	for i := last + 1; i < n; i++ {
		out[i] = out[last] + after*float64(i-last)
	}
}

// seasonInto is the weighted mean distance from the smooth course, by phase, less its mean.
func seasonInto(season, y, smooth []float64, p int) {
	n := len(y)
	sums, weights := make([]float64, p), make([]float64, p)
	weight, left := 1., p
	for t := n - 1; t >= 0; t-- {
		f := phase(t, n, p)
		sums[f] += weight * (y[t] - smooth[t])
		weights[f] += weight
		if left--; left == 0 {
			weight, left = weight*cycleMemory, p
		}
	}
	mean := 0.
	for f := range season {
		season[f] = sums[f] / weights[f]
		mean += season[f] / float64(p)
	}
	for f := range season {
		season[f] -= mean
	}
}

// add puts the seasons on a forecast that begins after the last point.
func (d decomposition) add(f []float64) {
	for i, p := range d.periods {
		for k := range f {
			f[k] += d.seasons[i][k%p]
		}
	}
}

// samePhase repeats the mean of the last cycles at the same phase.
func samePhase(y []float64, h, period, cycles int) []float64 {
	n := len(y)
	f := make([]float64, h)
	for k := range f {
		count := 0.
		for c := 1; c <= cycles; c++ {
			if at := n - c*period + k%period; at >= 0 {
				f[k] += y[at]
				count++
			}
		}
		f[k] /= count
	}
	return f
}

// logsOf are the logarithms, where all values are above zero.
func logsOf(y []float64) ([]float64, bool) {
	logs := make([]float64, len(y))
	for i, v := range y {
		if v <= 0 {
			return nil, false
		}
		logs[i] = math.Log(v)
	}
	return logs, true
}

// fromLogs turns a forecast of logarithms back. What it says beyond a thousandfold change is nonsense: it is kept there.
func fromLogs(f []float64, last float64) []float64 {
	const most = 7 // e^7 is about a thousand
	for k, v := range f {
		f[k] = math.Exp(min(max(v, last-most), last+most))
	}
	return f
}
