package forecast

import "math"

// autoregression goes on by an autoregression of the differences at lag (1: of neighbours; a period: of seasons), fitted by Burg's
// method (1975), its order chosen by Akaike's criterion, corrected for few points (Hurvich and Tsai, 1989).
func autoregression(y []float64, h, lag, most int) []float64 {
	d := make([]float64, len(y)-lag)
	mean := 0.
	for i := range d {
		d[i] = y[i+lag] - y[i]
		mean += d[i] / float64(len(d))
	}
	if lag > 1 {
		mean = 0 // the level stays
	}
	for i := range d {
		d[i] -= mean
	}
	a := burg(d, min(most, len(d)/4))
	n := len(y)
	full := append(append(make([]float64, 0, n+h), y...), make([]float64, h)...)
	changes := append(append(make([]float64, 0, len(d)+h), d...), make([]float64, h)...)
	for k := range h {
		next := 0.
		for i, c := range a {
			next += c * changes[len(d)+k-1-i]
		}
		changes[len(d)+k] = next
		full[n+k] = full[n+k-lag] + next + mean
	}
	return full[n:]
}

// burg are the coefficients of the past values, the newest first.
func burg(d []float64, most int) []float64 {
	n := len(d)
	forward, backward := append([]float64{}, d...), append([]float64{}, d...)
	variance := 0.
	for _, v := range d {
		variance += v * v / float64(n)
	}
	var a, best []float64
	criterion := float64(n)*math.Log(variance) + aicPenalty(n, 0)
	for m := 1; m <= most && variance > 0; m++ {
		num, den := 0., 0.
		for t := m; t < n; t++ {
			num += forward[t] * backward[t-1]
			den += forward[t]*forward[t] + backward[t-1]*backward[t-1]
		}
		if den <= 0 {
			break
		}
		k := 2 * num / den
		next := make([]float64, m)
		for i := range a {
			next[i] = a[i] - k*a[m-2-i]
		}
		next[m-1] = k
		a = next
		for t := n - 1; t >= m; t-- {
			f, b := forward[t], backward[t-1]
			forward[t], backward[t] = f-k*b, b-k*f
		}
		variance *= 1 - k*k
		if c := float64(n)*math.Log(variance) + aicPenalty(n, m); c < criterion {
			criterion, best = c, a
		}
	}
	return best
}

func aicPenalty(n, order int) float64 {
	k := float64(order + 1)
	return 2*k + 2*k*(k+1)/max(1, float64(n)-k-1)
}
