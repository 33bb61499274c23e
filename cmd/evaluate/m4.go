package main

import (
	"fmt"
	"io"
	"math"
	"time"

	"github.com/tidemark/tidemark/planner/forecast"
)

// competition is how the M4 competition scores one of its frequencies (Makridakis, Spiliotis and Assimakopoulos, 2020).
type competition struct {
	horizon int
	season  int // of MASE, MSIS and Naive2
}

// score is what one series, or the mean over all, has.
type score struct {
	smape, mase, msis, covered float64
	naiveSMAPE, naiveMASE, owa float64
	walkMSIS                   float64 // of the last value with a random walk's interval
	seconds                    float64
}

func evaluateM4(w io.Writer, title, name string, c competition, back, each int) error {
	file, err := read(name)
	if err != nil {
		return err
	}
	series := file.Series[:0]
	for i, s := range file.Series {
		if i%each == 0 {
			series = append(series, s)
		}
	}
	scores := make([]score, len(series))
	errs := make([]error, len(series))
	begun := time.Now()
	parallel(len(series), func(i int) {
		obs := series[i].Observations()
		end := len(obs) - (back+1)*c.horizon
		if end < 2*c.season+2 {
			errs[i] = fmt.Errorf("series %s has %d points, too few", series[i].Name, len(obs))
			return
		}
		scores[i], errs[i] = c.score(obs[:end], obs[end:end+c.horizon])
	})
	took := time.Since(begun)
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	mean := func(pick []int) (m score) {
		n := float64(len(pick))
		for _, i := range pick {
			s := scores[i]
			m.smape += s.smape / n
			m.mase += s.mase / n
			m.msis += s.msis / n
			m.walkMSIS += s.walkMSIS / n
			m.covered += s.covered / n
			m.naiveSMAPE += s.naiveSMAPE / n
			m.naiveMASE += s.naiveMASE / n
			m.seconds += s.seconds / n
		}
		m.owa = (m.smape/m.naiveSMAPE + m.mase/m.naiveMASE) / 2
		return m
	}
	all := mean(allOf(len(scores)))
	fmt.Fprintf(w, "%s: %d series, the %d values before the last %d held out, %.1f s\n", title, len(scores), c.horizon, back*c.horizon, took.Seconds())
	fmt.Fprintf(w, "  sMAPE %.3f (Naive2 %.3f)  MASE %.3f (Naive2 %.3f)  %.1f series/s per core\n", all.smape, all.naiveSMAPE, all.mase, all.naiveMASE, 1/all.seconds)
	for _, row := range []struct {
		name string
		of   func(score) float64
	}{
		{"OWA", func(s score) float64 { return s.owa }},
		{"MSIS", func(s score) float64 { return s.msis }},
		{"coverage of 95 %", func(s score) float64 { return s.covered }},
	} {
		low, high := bootstrap(len(scores), func(pick []int) float64 { return row.of(mean(pick)) })
		beside := ""
		if row.name == "MSIS" {
			beside = fmt.Sprintf("  a random walk's %.3f", all.walkMSIS)
		}
		fmt.Fprintf(w, "  %-18s %7.3f  (%.3f to %.3f)%s\n", row.name, row.of(all), low, high, beside)
	}
	return nil
}

func (c competition) score(past, rest []forecast.Observation) (s score, err error) {
	begun := time.Now()
	f, err := forecast.Compute(forecast.Input{Observations: past}, forecast.Options{Steps: c.horizon, Level: .95})
	s.seconds = time.Since(begun).Seconds()
	if err != nil {
		return s, err
	}
	y := make([]float64, len(past))
	for i, o := range past {
		y[i] = o.Used
	}
	scale := 0.
	for i := c.season; i < len(y); i++ {
		scale += math.Abs(y[i]-y[i-c.season]) / float64(len(y)-c.season)
	}
	naive := naive2(y, c.season, c.horizon)
	h := float64(c.horizon)
	step := 0. // root mean square of the changes
	for i := 1; i < len(y); i++ {
		step += (y[i] - y[i-1]) * (y[i] - y[i-1]) / float64(len(y)-1)
	}
	step = math.Sqrt(step)
	for k, o := range rest {
		seen, p := o.Used, f.Points[k]
		s.smape += 200 * math.Abs(seen-p.Forecast) / (math.Abs(seen) + math.Abs(p.Forecast)) / h
		s.naiveSMAPE += 200 * math.Abs(seen-naive[k]) / (math.Abs(seen) + math.Abs(naive[k])) / h
		s.mase += math.Abs(seen-p.Forecast) / scale / h
		s.naiveMASE += math.Abs(seen-naive[k]) / scale / h
		s.msis += intervalScore(p.Lower, p.Upper, seen) / scale / h
		off := 1.959964 * step * math.Sqrt(float64(k+1))
		s.walkMSIS += intervalScore(y[len(y)-1]-off, y[len(y)-1]+off, seen) / scale / h
		if p.Lower <= seen && seen <= p.Upper {
			s.covered += 1 / h
		}
	}
	return s, nil
}

// intervalScore of an interval of 95 % (Gneiting and Raftery, 2007): its width, and forty times what it missed by.
func intervalScore(low, high, seen float64) float64 {
	const a = .05
	return high - low + 2/a*max(0, low-seen) + 2/a*max(0, seen-high)
}

// naive2 is the competition's benchmark: the last value of the series less its multiplicative season, if it has one.
func naive2(y []float64, season, h int) []float64 {
	factors := []float64{1}
	if season > 1 && seasonal(y, season) {
		factors = seasonFactors(y, season)
	}
	f := make([]float64, h)
	n := len(y)
	last := y[n-1] / factors[(n-1)%len(factors)]
	for k := range f {
		f[k] = last * factors[(n+k)%len(factors)]
	}
	return f
}

// seasonal is the competition's test, at 90 %.
func seasonal(y []float64, season int) bool {
	if len(y) < 3*season {
		return false
	}
	r := func(lag int) float64 {
		mean := 0.
		for _, v := range y {
			mean += v / float64(len(y))
		}
		above, below := 0., 0.
		for i, v := range y {
			below += (v - mean) * (v - mean)
			if i >= lag {
				above += (v - mean) * (y[i-lag] - mean)
			}
		}
		return above / below
	}
	squares := 0.
	for lag := 1; lag < season; lag++ {
		squares += r(lag) * r(lag)
	}
	return math.Abs(r(season)) > 1.645*math.Sqrt((1+2*squares)/float64(len(y)))
}

// seasonFactors are the multiplicative classical decomposition's, by phase.
func seasonFactors(y []float64, season int) []float64 {
	factors, n := make([]float64, season), make([]float64, season)
	half := season / 2
	for i := half; i < len(y)-half; i++ {
		average := 0.
		for j := -half; j <= half; j++ {
			weight := 1 / float64(season)
			if season%2 == 0 && (j == -half || j == half) {
				weight /= 2
			}
			average += weight * y[i+j]
		}
		factors[i%season] += y[i] / average
		n[i%season]++
	}
	mean := 0.
	for i := range factors {
		factors[i] /= n[i]
		mean += factors[i] / float64(season)
	}
	for i := range factors {
		factors[i] /= mean
	}
	return factors
}
