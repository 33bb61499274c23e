package planner

import (
	"math"
	"slices"
	"time"

	"github.com/tidemark/tidemark/planner/forecast"
)

// demand is the simulated use of a row: of one volume, or of a group's sum. What a volume cannot hold counts all the same: it is
// needed somewhere.
type demand struct {
	origin         time.Time
	unit           time.Duration
	units          int
	used, capacity float64
	full           float64 // the use that counts as full
	growthPerDay   float64
	ends, peaks    []float64 // use less used, by path, then by unit; peaks is nil where none is above its end
	flows          []flow    // by scenario; empty where no policy moves
}

// flow is what policies take from a row in one scenario; below 0: bring to it.
type flow struct {
	now   float64
	taken []float64 // since the beginning, by path, then by unit; nil: nothing
}

// step is capacity that a scenario adds, from a unit on.
type step struct {
	unit   int
	amount float64
}

// add adds a series' paths. Its origin may be before the row's: then its first units are past. A series that is shorter goes on as it ends.
func (d *demand) add(s *forecast.Simulation) {
	n := forecast.Paths * d.units
	if d.ends == nil {
		d.ends = make([]float64, n)
	}
	if s.Lifted() && d.peaks == nil {
		d.peaks = slices.Clone(d.ends)
	}
	late := max(0, int(math.Round(float64(d.origin.Sub(s.Origin))/float64(s.Unit))))
	for i := range forecast.Paths {
		ends := d.ends[i*d.units : (i+1)*d.units]
		for u := range ends {
			ends[u] += s.End(i, min(u+late, s.Units-1))
		}
		if d.peaks == nil {
			continue
		}
		peaks := d.peaks[i*d.units : (i+1)*d.units]
		for u := range peaks {
			peaks[u] += s.Peak(i, min(u+late, s.Units-1))
		}
	}
}

// after is when a number of units has passed.
func (d *demand) after(units float64) time.Time {
	return d.origin.Add(time.Duration(units * float64(d.unit)))
}

// steps are the additions by unit. One that comes within a unit counts from the next.
func (d *demand) steps(adds []Addition, mine func(Addition) bool) []step {
	var all []step
	for _, a := range adds {
		if mine(a) {
			all = append(all, step{max(0, int(math.Ceil(float64(a.At.Sub(d.origin))/float64(d.unit)))), a.Amount})
		}
	}
	return all
}

// share is how much of an added byte counts before the row is full.
func (d *demand) share() float64 { return d.full / d.capacity }

// levels is what counts as full in each unit.
func (d *demand) levels(steps []step) []float64 {
	levels := make([]float64, d.units)
	for u := range levels {
		levels[u] = d.full
		for _, s := range steps {
			if s.unit <= u {
				levels[u] += s.amount * d.share()
			}
		}
	}
	return levels
}

// future is a scenario's paths.
type future struct {
	*demand
	growth float64 // the factor of every change
	flow
}

// start is the use at the origin.
func (f *future) start() float64 { return max(0, f.used-f.now) }

func (f *future) end(path, unit int) float64 { return f.use(f.ends, path, unit) }

func (f *future) use(changes []float64, path, unit int) float64 {
	at := path*f.units + unit
	use := max(0, f.used+f.growth*changes[at])
	if f.taken != nil {
		use = max(0, use-f.taken[at])
	}
	return use
}

// passages are when each path first reaches its level, in units, sorted (+Inf: never), and how far each stands above it at most
// within the first so many units, sorted.
func (f *future) passages(levels []float64, within int) (units, above []float64) {
	units, above = make([]float64, forecast.Paths), make([]float64, forecast.Paths)
	for i := range units {
		units[i], above[i] = math.Inf(1), math.Inf(-1)
		before := f.start()
		if before >= levels[0] {
			units[i] = 0
		}
		for u, level := range levels {
			end := f.end(i, u)
			peak := end
			if f.peaks != nil {
				peak = f.use(f.peaks, i, u)
			}
			if peak >= level && math.IsInf(units[i], 1) {
				units[i] = float64(u)
				if peak > before {
					units[i] += min(1, max(0, (level-before)/(peak-before)))
				}
			}
			if u < within {
				above[i] = max(above[i], peak-level)
			} else if !math.IsInf(units[i], 1) {
				break
			}
			before = end
		}
	}
	slices.Sort(units)
	slices.Sort(above)
	return units, above
}

// within is how many units a duration has.
func (d *demand) within(span time.Duration) int {
	return min(d.units, int((span-1)/d.unit)+1)
}

// share of paths that are full within so many units.
func reached(units []float64, within int) float64 {
	n, _ := slices.BinarySearchFunc(units, float64(within), func(u, limit float64) int {
		if u <= limit {
			return -1
		}
		return 1
	})
	return float64(n) / float64(len(units))
}

// by is when a share of the paths is full; zero when that share never is.
func (d *demand) by(units []float64, share float64) time.Time {
	u := units[int(math.Ceil(share*float64(len(units))))-1]
	if math.IsInf(u, 1) {
		return time.Time{}
	}
	return d.after(u)
}

// outcome is what becomes of a row in a scenario. Why is the reason to withhold dates, or empty.
func (f *future) outcome(name string, steps []step, horizon time.Duration, why forecast.Reason, unit string) Outcome {
	o := Outcome{Scenario: name, Used: f.start(), Capacity: f.capacity, GrowthPerDay: f.growthPerDay * f.growth, FreedNow: f.now}
	within := f.within(horizon)
	for _, s := range steps {
		if s.unit <= within {
			o.Capacity += s.amount
		}
	}
	if month := f.within(28 * 24 * time.Hour); f.taken != nil && f.units > month {
		o.GrowthPerDay -= f.takes(month) / (float64(month) * f.unit.Hours() / 24)
	}
	units, above := f.passages(f.levels(steps), within)
	o.Probability = reached(units, within)
	in90 := reached(units, f.within(90*24*time.Hour))
	switch {
	case units[len(units)-1] == 0:
		o.Reason = forecast.ReasonFull
	case why == forecast.ReasonShrinking && in90 >= .1: // as for a forecast: it may well fill first
	default:
		o.Reason = why
	}
	if o.Reason == "" || o.Reason == forecast.ReasonFull {
		o.P10, o.P50, o.P90 = f.by(units, .1), f.by(units, .5), f.by(units, .9)
		if need := above[len(above)-int(math.Ceil(.1*float64(len(above))))]; need >= 0 {
			o.Buy = roundUp(max(need/f.share(), f.capacity*leastBought), unit)
		}
	}
	return o
}

// leastBought is the share of the capacity that is bought at least: where use stands exactly at what is full, any byte would do.
const leastBought = 1e-3

// takes is how much more than at once policies take within so many units, in the mean of the paths.
func (f *future) takes(units int) float64 {
	sum := 0.
	for i := range forecast.Paths {
		sum += f.taken[i*f.units+units-1] - f.now
	}
	return sum / forecast.Paths
}

// roundUp is the next larger number of two digits: of bytes, in the binary prefix that is written.
func roundUp(v float64, unit string) float64 {
	base := 1.
	if unit == Bytes {
		for v >= base*1024 {
			base *= 1024
		}
	} else if v > 0 {
		base = math.Pow(10, math.Floor(math.Log10(v)))
	}
	step := base
	switch x := v / base; {
	case x < 10:
		step = base / 10
	case x >= 100:
		step = base * 10
	}
	if unit == Bytes {
		step = max(1, step)
	}
	next := (math.Floor(v/step) + 1) * step
	if unit == Bytes {
		return math.Ceil(next)
	}
	return next
}

// curvePoints is how many points of a future a plot has.
const curvePoints = 60

// curve is the quantiles of the use at the origin and at times until the horizon.
func (f *future) curve(horizon time.Duration) []Quantiles {
	within := f.within(horizon)
	n := min(curvePoints, within)
	start := f.start()
	all := []Quantiles{{f.origin, start, start, start}}
	column := make([]float64, forecast.Paths)
	for k := range n {
		u := (k+1)*within/n - 1
		for i := range column {
			column[i] = f.end(i, u)
		}
		slices.Sort(column)
		all = append(all, Quantiles{f.after(float64(u + 1)), column[forecast.Paths/10-1], column[forecast.Paths/2-1], column[9*forecast.Paths/10-1]})
	}
	return all
}
