package main

import (
	"fmt"
	"io"
	"math"
	"slices"
	"time"

	"github.com/tidemark/tidemark/planner/csvinput"
	"github.com/tidemark/tidemark/planner/forecast"
)

const (
	day        = 24 * time.Hour
	firstDay   = 120 // of the origins
	everyDays  = 7
	alarmDays  = 30
	alarmShare = 4 // a quarter of the free space
)

var horizons = []int{7, 30, 90}

// judged is what one volume came to.
type judged struct {
	err, noChange [3]float64 // by horizon: the mean over origins of the scaled error
	covered, n    [3]float64
	alarms        []alarm
}

// alarm is one origin: what was said and what happened.
type alarm struct {
	p      float64
	line   bool // a straight line through 30 days says so
	filled bool
}

func evaluateDisks(w io.Writer, name string, detail bool) error {
	file, err := read(name)
	if err != nil {
		return err
	}
	type task struct{ volume, origin int }
	var tasks []task
	days := make([][]float64, len(file.Series))
	for v, s := range file.Series {
		days[v] = daily(s)
		for o := firstDay; o+1 < len(days[v]); o += everyDays {
			if !math.IsNaN(days[v][o]) {
				tasks = append(tasks, task{v, o})
			}
		}
	}
	all := make([]judged, len(tasks))
	errs := make([]error, len(tasks))
	begun := time.Now()
	parallel(len(tasks), func(i int) {
		t := tasks[i]
		all[i], errs[i] = judge(file.Series[t.volume], days[t.volume], t.origin)
	})
	took := time.Since(begun)
	volumes := make([]judged, len(days))
	for i, t := range tasks {
		if errs[i] != nil {
			return errs[i]
		}
		v := &volumes[t.volume]
		for h := range horizons {
			v.err[h] += all[i].err[h]
			v.noChange[h] += all[i].noChange[h]
			v.covered[h] += all[i].covered[h]
			v.n[h] += all[i].n[h]
		}
		v.alarms = append(v.alarms, all[i].alarms...)
	}
	fmt.Fprintf(w, "Disks: %d volumes, %d origins, %.1f s\n", len(volumes), len(tasks), took.Seconds())
	for h, n := range horizons {
		gain := func(pick []int) float64 {
			sum := 0.
			for _, i := range pick {
				sum += 1 - volumes[i].err[h]/volumes[i].noChange[h]
			}
			return sum / float64(len(pick))
		}
		covered := func(pick []int) float64 {
			in, of := 0., 0.
			for _, i := range pick {
				in, of = in+volumes[i].covered[h], of+volumes[i].n[h]
			}
			return in / of
		}
		mase, none, origins := 0., 0., 0.
		for _, v := range volumes {
			mase, none, origins = mase+v.err[h], none+v.noChange[h], origins+v.n[h]
		}
		low, high := bootstrap(len(volumes), gain)
		clow, chigh := bootstrap(len(volumes), covered)
		fmt.Fprintf(w, "  %2d days: error %6.2f, no change %6.2f; gain %+.3f (%+.3f to %+.3f); coverage %.3f (%.3f to %.3f)\n",
			n, mase/origins, none/origins, gain(allOf(len(volumes))), low, high, covered(allOf(len(volumes))), clow, chigh)
	}
	printAlarms(w, volumes)
	if detail {
		for i, v := range volumes {
			fmt.Fprintf(w, "  %s:", file.Series[i].Name)
			for h := range horizons {
				fmt.Fprintf(w, "  gain %+.3f covered %.3f", 1-v.err[h]/v.noChange[h], v.covered[h]/v.n[h])
			}
			fmt.Fprintf(w, "  Brier %.4f base %.3f\n", brier([]judged{v}, func(a alarm) float64 { return a.p }), baseRate([]judged{v}))
		}
	}
	return nil
}

// daily lays a series on days, NaN where none was observed.
func daily(s csvinput.Series) []float64 {
	all := s.Observations()
	first := all[0].Time
	n := int(all[len(all)-1].Time.Sub(first)/day) + 1
	y := make([]float64, n)
	for i := range y {
		y[i] = math.NaN()
	}
	for _, o := range all {
		y[int(o.Time.Sub(first)/day)] = o.Used
	}
	return y
}

func judge(s csvinput.Series, y []float64, origin int) (j judged, err error) {
	all := s.Observations()
	first := all[0].Time
	var past []forecast.Observation
	for _, o := range all {
		if int(o.Time.Sub(first)/day) <= origin {
			past = append(past, o)
		}
	}
	capacity := past[len(past)-1].Capacity
	level := y[origin] + (capacity-y[origin])/alarmShare
	past[len(past)-1].Capacity = level
	f, err := forecast.Compute(forecast.Input{Observations: past}, forecast.Options{Steps: horizons[2], Level: .95})
	if err != nil {
		return j, err
	}
	// The points are kept below the capacity, which is the alarm's here: they are asked for again without.
	past[len(past)-1].Capacity = math.NaN()
	points := slices.Clone(past)
	for i := range points {
		points[i].Capacity = math.NaN()
	}
	free, err := forecast.Compute(forecast.Input{Observations: points}, forecast.Options{Steps: horizons[2], Level: .95})
	if err != nil {
		return j, err
	}
	scale := meanChange(y[:origin+1])
	for h, n := range horizons {
		if origin+n >= len(y) || scale == 0 {
			continue
		}
		sum, none, seen := 0., 0., 0.
		for k := 1; k <= n; k++ {
			if v := y[origin+k]; !math.IsNaN(v) {
				sum += math.Abs(v - free.Points[k-1].Forecast)
				none += math.Abs(v - y[origin])
				seen++
			}
		}
		if seen == 0 {
			continue
		}
		if v := y[origin+n]; !math.IsNaN(v) {
			j.n[h]++
			if p := free.Points[n-1]; p.Lower <= v && v <= p.Upper {
				j.covered[h]++
			}
		}
		j.err[h], j.noChange[h] = sum/seen/scale, none/seen/scale
	}
	if origin+alarmDays < len(y) && capacity > y[origin] {
		a := alarm{p: f.TimeToFull.Probability30, line: lineFills(y[:origin+1], level)}
		for _, v := range y[origin+1 : origin+alarmDays+1] {
			a.filled = a.filled || v >= level
		}
		j.alarms = append(j.alarms, a)
	}
	return j, nil
}

func meanChange(y []float64) float64 {
	sum, n := 0., 0.
	last, at := math.NaN(), 0
	for i, v := range y {
		if math.IsNaN(v) {
			continue
		}
		if !math.IsNaN(last) {
			sum += math.Abs(v - last)
			n += float64(i - at)
		}
		last, at = v, i
	}
	return sum / n
}

// lineFills is what Prometheus' predict_linear over 30 days would say.
func lineFills(y []float64, level float64) bool {
	var n, st, sy, stt, sty float64
	for i, v := range y[max(0, len(y)-alarmDays):] {
		if !math.IsNaN(v) {
			t := float64(i)
			n, st, sy, stt, sty = n+1, st+t, sy+v, stt+t*t, sty+t*v
		}
	}
	slope := (n*sty - st*sy) / (n*stt - st*st)
	at := (sy - slope*st) / n
	return at+slope*float64(2*alarmDays-1) >= level
}

func brier(volumes []judged, p func(alarm) float64) float64 {
	sum, n := 0., 0.
	for _, v := range volumes {
		for _, a := range v.alarms {
			seen := 0.
			if a.filled {
				seen = 1
			}
			sum += (p(a) - seen) * (p(a) - seen)
			n++
		}
	}
	return sum / n
}

func baseRate(volumes []judged) float64 {
	filled, n := 0., 0.
	for _, v := range volumes {
		for _, a := range v.alarms {
			if a.filled {
				filled++
			}
			n++
		}
	}
	return filled / n
}

func printAlarms(w io.Writer, volumes []judged) {
	of := func(pick []int) (some []judged) {
		for _, i := range pick {
			some = append(some, volumes[i])
		}
		return some
	}
	line := func(a alarm) float64 {
		if a.line {
			return 1
		}
		return 0
	}
	base := baseRate(volumes)
	own := brier(volumes, func(a alarm) float64 { return a.p })
	climate := brier(volumes, func(alarm) float64 { return base })
	low, high := bootstrap(len(volumes), func(pick []int) float64 {
		some := of(pick)
		rate := baseRate(some)
		return 1 - brier(some, func(a alarm) float64 { return a.p })/brier(some, func(alarm) float64 { return rate })
	})
	fmt.Fprintf(w, "  alarms: Brier %.4f, a straight line's %.4f, the base rate's %.4f (%.3f); skill %+.3f (%+.3f to %+.3f), AUC %.3f\n",
		own, brier(volumes, line), climate, base, 1-own/climate, low, high, auc(volumes))
	var hits, said, filled float64
	for _, v := range volumes {
		for _, a := range v.alarms {
			if a.line {
				said++
			}
			if a.filled {
				filled++
			}
			if a.line && a.filled {
				hits++
			}
		}
	}
	fmt.Fprintf(w, "  a straight line's alarm: precision %.2f at recall %.2f\n", hits/said, hits/filled)
}

// auc is the chance that an origin which filled had the higher probability (Mann and Whitney, 1947).
func auc(volumes []judged) float64 {
	var yes, no []float64
	for _, v := range volumes {
		for _, a := range v.alarms {
			if a.filled {
				yes = append(yes, a.p)
			} else {
				no = append(no, a.p)
			}
		}
	}
	sum := 0.
	for _, p := range yes {
		for _, q := range no {
			switch {
			case p > q:
				sum++
			case p == q:
				sum += .5
			}
		}
	}
	return sum / float64(len(yes)) / float64(len(no))
}
