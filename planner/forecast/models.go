package forecast

import (
	"cmp"
	"math"
	"slices"
)

// lastValue is "no change".
func lastValue(y []float64, h int) []float64 { return line(y[len(y)-1], 0, h) }

// line is level + slope·k for k = 1…h.
func line(level, slope float64, h int) []float64 {
	f := make([]float64, h)
	for k := range f {
		f[k] = level + slope*float64(k+1)
	}
	return f
}

// robustDrift goes on from the last value by the trimmed mean of the differences: a fifth of them at each end is left out, so
// that cleanups and one-off copies do not bend it.
func robustDrift(y []float64, h int) []float64 {
	return line(y[len(y)-1], trimmedMean(differences(y[max(0, len(y)-180):])), h)
}

func differences(y []float64) []float64 {
	d := make([]float64, len(y)-1)
	for i := range d {
		d[i] = y[i+1] - y[i]
	}
	return d
}

func trimmedMean(v []float64) float64 {
	v = slices.Clone(v)
	slices.Sort(v)
	cut := len(v) / 5
	v = v[cut : len(v)-cut]
	sum := 0.
	for _, x := range v {
		sum += x / float64(len(v))
	}
	return sum
}

// theilSen goes on from the last value along the median of the slopes between pairs of points (Sen, 1968) of the last so many. Pairs are as
// far apart as half the window, which keeps their number linear.
func theilSen(window int) method {
	return func(y []float64, h int) []float64 {
		return line(y[len(y)-1], medianSlope(y[max(0, len(y)-window):]), h)
	}
}

func medianSlope(w []float64) float64 {
	half := len(w) / 2
	var slopes []float64
	for gap := half; gap < len(w); gap += max(1, half/8) {
		for i := 0; i+gap < len(w); i++ {
			slopes = append(slopes, (w[i+gap]-w[i])/float64(gap))
		}
	}
	return median(slopes)
}

// bend goes on as the growth itself does: from that of the older half of the last so many points to that of the newer, by median slopes. What
// slows down saturates (each half window grows by the same share of the one before); what speeds up does so at the same pace, for as long as
// it was seen to.
func bend(window int) method {
	return func(y []float64, h int) []float64 {
		w := y[max(0, len(y)-window):]
		half := len(w) / 2
		before, now := medianSlope(w[:half]), medianSlope(w[half:])
		f := make([]float64, h)
		level := y[len(y)-1]
		share := now / before
		for k := range f {
			steps := float64(k+1) + float64(half)/2 // from the middle of the newer half
			switch {
			case share > 0 && share < 1:
				level += now * math.Pow(share, steps/float64(half))
			case before*now >= 0 && (now-before)*now > 0:
				level += now + (now-before)*min(steps, float64(half)*3/2)/float64(half)
			default: // it turned: nobody knows for how long
				level += now
			}
			f[k] = level
		}
		return f
	}
}

func median(v []float64) float64 {
	v = slices.Clone(v)
	slices.Sort(v)
	if n := len(v); n%2 == 1 {
		return v[n/2]
	} else if n > 0 {
		return v[n/2-1]/2 + v[n/2]/2
	}
	return 0
}

var smoothings = []float64{.05, .1, .2, .35, .5, .7, .9}

// ses is simple exponential smoothing, its factor chosen by the squared one-step errors.
func ses(y []float64, h int) []float64 {
	level, _ := fitSES(y)
	return line(level, 0, h)
}

func fitSES(y []float64) (level, alpha float64) {
	best := math.Inf(1)
	for _, a := range smoothings {
		l, sum := y[0], 0.
		for _, v := range y[1:] {
			e := v - l
			sum += e * e
			l += a * e
		}
		if sum < best {
			best, level, alpha = sum, l, a
		}
	}
	return level, alpha
}

// holt is Holt's trend (1957), and dampedHolt the damped one (Gardner and McKenzie, 1985); factors chosen by the squared one-step errors.
func holt(y []float64, h int) []float64 { return trend(y, h, []float64{1}) }

func dampedHolt(y []float64, h int) []float64 { return trend(y, h, []float64{.9, .98}) }

// trend tries all factors side by side in one pass, which a processor does at once.
func trend(y []float64, h int, dampings []float64) []float64 {
	type smoothing struct{ a, ab, phi, level, trend, squares float64 }
	start := median(differences(y[:min(len(y), 11)]))
	var all []smoothing
	for _, a := range []float64{.1, .3, .6, .9} {
		for _, b := range []float64{.02, .1, .3} {
			for _, phi := range dampings {
				all = append(all, smoothing{a: a, ab: a * b, phi: phi, level: y[0], trend: start})
			}
		}
	}
	for _, v := range y[1:] {
		for i := range all {
			s := &all[i]
			damped := s.phi * s.trend
			e := v - (s.level + damped)
			s.squares += e * e
			s.level, s.trend = s.level+damped+s.a*e, damped+s.ab*e
		}
	}
	best := slices.MinFunc(all, func(s, t smoothing) int { return cmp.Compare(s.squares, t.squares) })
	if !(best.squares < math.Inf(1)) {
		return lastValue(y, h)
	}
	f := make([]float64, h)
	damping, reach := 1., 0.
	for k := range f {
		damping *= best.phi
		reach += damping
		f[k] = best.level + reach*best.trend
	}
	return f
}

// theta is the Theta method (Assimakopoulos and Nikolopoulos, 2000) as SES with half the slope of the regression line
// (Hyndman and Billah, 2003).
func theta(y []float64, h int) []float64 {
	w := y[max(0, len(y)-730):]
	level, alpha := fitSES(w)
	n := float64(len(w))
	sumT, sumY, sumTY, sumTT := 0., 0., 0., 0.
	for i, v := range w {
		t := float64(i) - (n-1)/2
		sumT += t
		sumY += v
		sumTY += t * v
		sumTT += t * t
	}
	slope := sumTY / sumTT
	f := make([]float64, h)
	rest := (1 - math.Pow(1-alpha, n)) / alpha
	for k := range f {
		f[k] = level + slope/2*(float64(k)+rest)
	}
	return f
}

// seasonalNaive repeats the last season and adds the median growth from season to season over the last four.
func seasonalNaive(y []float64, h, period int) []float64 {
	n := len(y)
	var growths []float64
	for i := max(period, n-4*period); i < n; i++ {
		growths = append(growths, y[i]-y[i-period])
	}
	growth := median(growths)
	f := make([]float64, h)
	for k := range f {
		f[k] = y[n-period+k%period] + growth*float64(k/period+1)
	}
	return f
}
