package forecast

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// dailyUse grows by the changes, from the level, one day each; the last is at start plus a thousand days.
func dailyUse(level, capacity float64, changes []float64) Input {
	in := Input{Step: day}
	for i, c := range changes {
		level += c
		at := start.Add(time.Duration(1000-len(changes)+i+1) * day)
		in.Observations = append(in.Observations, Observation{Time: at, Used: level, Capacity: capacity})
	}
	return in
}

// ups are n changes around a mean.
func ups(n int, mean, sigma float64, seed uint64) []float64 {
	r := rand.New(rand.NewPCG(seed, 9))
	c := make([]float64, n)
	for i := range c {
		c[i] = mean + sigma*r.NormFloat64()
	}
	return c
}

func mustSimulate(t *testing.T, in Input, opt Options, draws *Draws) *Simulation {
	t.Helper()
	s, err := Simulate(in, opt, draws)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// pathsFull is when a share of the simulated paths has reached full, in units; +Inf when never.
func pathsFull(s *Simulation, full, share float64) float64 {
	units := make([]float64, Paths)
	for i := range units {
		units[i] = math.Inf(1)
		for u := range s.Units {
			if s.Used+s.Peak(i, u) >= full {
				units[i] = float64(u + 1)
				break
			}
		}
	}
	slices.Sort(units)
	return units[int(math.Ceil(share*Paths))-1]
}

func TestThePathsAreThoseBehindTheDates(t *testing.T) {
	saw := make([]float64, 200)
	for i := range saw {
		saw[i] = []float64{10, 10, 10, 10, 10, 10, -59.9}[i%7]
	}
	hourly := Input{}
	for i := range 24 * 90 {
		v := 100 + .1*float64(i) + 40*math.Sin(float64(i)*math.Pi/12)
		hourly.Observations = append(hourly.Observations, Observation{Time: start.Add(time.Duration(i) * time.Hour), Used: v, Capacity: 500})
	}
	for _, tc := range []struct {
		name string
		in   Input
	}{
		{"walk", dailyUse(100, 700, ups(400, 1, 8, 1))},
		{"never full", dailyUse(100, 1e6, ups(400, 1, 8, 2))},
		{"young", dailyUse(100, 300, ups(30, 2, 3, 3))},
		{"by the hour, with peaks", hourly},
		{"falls back", dailyUse(300, 390, saw)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			opt := Options{Seed: 7, FullLevel: .9}
			s := mustSimulate(t, tc.in, opt, nil)
			f, err := Compute(tc.in, opt)
			if err != nil {
				t.Fatal(err)
			}
			full := .9 * f.Capacity
			for share, at := range map[float64]time.Time{.1: f.TimeToFull.P10, .5: f.TimeToFull.P50, .9: f.TimeToFull.P90} {
				got := pathsFull(s, full, share)
				if at.IsZero() {
					if f.TimeToFull.Reason == "" && !math.IsInf(got, 1) {
						t.Errorf("%v of the paths are full after %v days, and there is no date", share, got)
					}
					continue
				}
				if want := math.Ceil(float64(at.Sub(f.Origin)) / float64(s.Unit)); got != want {
					t.Errorf("%v of the paths are full after %v days, by the date %v", share, got, want)
				}
			}
			for days, want := range map[int]float64{30: f.TimeToFull.Probability30, 90: f.TimeToFull.Probability90} {
				n := 0.
				for i := range Paths {
					for u := range int(time.Duration(days) * day / s.Unit) {
						if s.Used+s.Peak(i, u) >= full {
							n++
							break
						}
					}
				}
				if math.Abs(n/Paths-want) > .0011 { // a float32 may decide otherwise for one
					t.Errorf("%v of the paths are full within %d days, by the probability %v", n/Paths, days, want)
				}
			}
		})
	}
}

func TestPeaksAreNoLowerThanEnds(t *testing.T) {
	in := Input{}
	for i := range 24 * 60 {
		v := 100 + .1*float64(i) + 40*math.Sin(float64(i)*math.Pi/12)
		in.Observations = append(in.Observations, Observation{Time: start.Add(time.Duration(i) * time.Hour), Used: v, Capacity: 500})
	}
	s := mustSimulate(t, in, Options{}, nil)
	if !s.Lifted() {
		t.Fatal("no peak stands above the day's end")
	}
	above := false
	for i := range Paths {
		for u := range s.Units {
			if s.Peak(i, u) < s.End(i, u) {
				t.Fatalf("path %d, unit %d: the peak %v is below the end %v", i, u, s.Peak(i, u), s.End(i, u))
			}
			above = above || s.Peak(i, u) > s.End(i, u)+1
		}
	}
	if !above {
		t.Error("every peak is its end")
	}
	if mustSimulate(t, dailyUse(1, 1000, ups(50, 1, 1, 1)), Options{}, nil).Lifted() {
		t.Error("days that are known by one value have peaks")
	}
}

func TestTheSameSeedDrawsTheSamePaths(t *testing.T) {
	in := dailyUse(100, 700, ups(400, 1, 8, 1))
	for _, draws := range []*Draws{nil, {Seed: 3, Until: start.Add(1000 * day)}} {
		a, b := mustSimulate(t, in, Options{Seed: 7}, draws), mustSimulate(t, in, Options{Seed: 7}, draws)
		if !slices.Equal(a.ends, b.ends) {
			t.Errorf("draws %v: the same seed draws other paths", draws)
		}
	}
	a := mustSimulate(t, in, Options{}, &Draws{Seed: 1, Until: start.Add(1000 * day)})
	b := mustSimulate(t, in, Options{}, &Draws{Seed: 2, Until: start.Add(1000 * day)})
	if slices.Equal(a.ends, b.ends) {
		t.Error("other draws give the same paths")
	}
}

// deviation of the change by a unit's end over the paths of a sum of series.
func spreadOf(unit int, of ...*Simulation) float64 {
	mean, squares := 0., 0.
	for i := range Paths {
		sum := 0.
		for _, s := range of {
			sum += s.End(i, unit)
		}
		mean += sum / Paths
		squares += sum * sum / Paths
	}
	return math.Sqrt(squares - mean*mean)
}

func TestASumDependsAsItsPastDid(t *testing.T) {
	const n, mean, sigma = 600, 2., 10.
	base := ups(n, mean, sigma, 5)
	against := make([]float64, n)
	for i, c := range base {
		against[i] = 2*mean - c
	}
	other := ups(n, mean, sigma, 6)
	draws := &Draws{Seed: 11, Until: start.Add(1000 * day)}
	simulated := func(changes []float64, seed uint64) *Simulation {
		return mustSimulate(t, dailyUse(5000, 1e5, changes), Options{Seed: seed}, draws)
	}
	a, twin, mirror, stranger := simulated(base, 1), simulated(base, 2), simulated(against, 3), simulated(other, 4)
	for _, unit := range []int{29, 364} {
		one := spreadOf(unit, a)
		if got := spreadOf(unit, a, twin) / one; !near(got, 2, .01) {
			t.Errorf("day %d: two that move alike spread %.2f times as far as one, want 2", unit+1, got)
		}
		if got := spreadOf(unit, a, mirror) / one; got > .05 {
			t.Errorf("day %d: two that move against each other spread %.2f times as far as one, want 0", unit+1, got)
		}
		if got := spreadOf(unit, a, stranger) / one; math.Abs(got-math.Sqrt2) > .2 {
			t.Errorf("day %d: two strangers spread %.2f times as far as one, want 1.41", unit+1, got)
		}
	}
}

func TestWithDrawsAPathIsAsUncertainAsAlone(t *testing.T) {
	for _, tc := range []struct {
		name string
		days int
		gap  bool
	}{{"years", 900, false}, {"two months", 60, false}, {"with gaps", 400, true}} {
		t.Run(tc.name, func(t *testing.T) {
			in := dailyUse(5000, 1e5, ups(tc.days, 2, 10, 8))
			if tc.gap {
				in.Observations = slices.Delete(in.Observations, 200, 330)
			}
			alone := mustSimulate(t, in, Options{Seed: 1}, nil)
			drawn := mustSimulate(t, in, Options{Seed: 1}, &Draws{Seed: 2, Until: start.Add(1003 * day)})
			for _, unit := range []int{29, 179, 364} {
				a, d := spreadOf(unit, alone), spreadOf(unit, drawn)
				if d < .75*a || d > 1.3*a {
					t.Errorf("day %d: the paths spread by %.0f alone and by %.0f with draws", unit+1, a, d)
				}
			}
			if diff := alone.End(500, 0) - alone.End(501, 0); diff == 0 {
				t.Error("two paths are one")
			}
		})
	}
}

// The multiplier's variance is that of driftError, for whole weeks.
func TestTheErrorOfADriftIsTheSameTogether(t *testing.T) {
	in := dailyUse(0, 0, ups(7*50+1, 2, 10, 3))
	p := pastOf(newGrid(in, in.Observations))
	c := calendarOf(p, p.last)
	squares := 0.
	const n = 20_000
	for i := range n {
		off := c.off(Draws{Seed: 4}.normals(i))
		squares += off * off / n
	}
	if got, want := math.Sqrt(squares), p.driftError(); math.Abs(got/want-1) > .03 {
		t.Errorf("the drift is off by %v together and by %v alone", got, want)
	}
}

func TestDrawsComeFromTheSameDay(t *testing.T) {
	byDay := func(days, lag int) (past, calendar) { // changes are the day's number
		var p past
		p.unit, p.last = day, start.Add(time.Duration(1000-lag)*day)
		for i := range days {
			p.changes = append(p.changes, float64(1000-lag-days+1+i))
			p.ages = append(p.ages, float64(days-1-i))
		}
		return p, calendarOf(p, start.Add(1000*day))
	}
	long, longDays := byDay(900, 0)
	late, lateDays := byDay(800, 5)
	own := func(float64) int { t.Fatal("a day is there and was not drawn"); return 0 }
	d := Draws{Seed: 1}
	a, b := longDays.draws(d.ages(3), own), lateDays.draws(d.ages(3), own)
	same := 0
	for range 1000 {
		if long.changes[a(0)] == late.changes[b(0)] {
			same++
		}
	}
	if same < 950 { // but for the five newest days and those before the younger one's past
		t.Errorf("only %d of 1000 draws were of one day", same)
	}
}

func TestSimulateRefuses(t *testing.T) {
	if _, err := Simulate(Input{Observations: []Observation{{Time: start, Used: math.NaN()}}}, Options{}, nil); err == nil {
		t.Error("a series without a value was simulated")
	}
	weekly := Input{}
	for i := range 30 {
		weekly.Observations = append(weekly.Observations, Observation{Time: start.Add(time.Duration(i) * 7 * day), Used: float64(i), Capacity: 100})
	}
	if _, err := Simulate(weekly, Options{}, &Draws{}); err == nil {
		t.Error("weeks were drawn together with days")
	}
	if s := mustSimulate(t, weekly, Options{}, nil); s.Unit != 7*day || s.Units != 53 {
		t.Errorf("paths of %d units of %v, want 53 weeks", s.Units, s.Unit)
	}
}

func TestWithoutACapacityAndWhenFullThereAreStillPaths(t *testing.T) {
	for name, capacity := range map[string]float64{"no capacity": math.NaN(), "full": 300} {
		s := mustSimulate(t, dailyUse(0, capacity, ups(400, 2, 1, 4)), Options{}, nil)
		if got := s.End(0, 364); got < 500 || got > 1000 {
			t.Errorf("%s: a year on a path adds %v, want about 730", name, got)
		}
	}
	idle := dailyUse(300, 300, make([]float64, 200))
	if s := mustSimulate(t, idle, Options{}, nil); s.TimeToFull.Reason != ReasonFull || s.Doubt != ReasonIdle {
		t.Errorf("a full volume that never changes: reason %q, doubt %q", s.TimeToFull.Reason, s.Doubt)
	}
}

func TestWhenAndHowMuchAreDrawnApart(t *testing.T) {
	d := Draws{Seed: 5}
	const n = 4000
	var sx, sy, sxx, syy, sxy float64
	for i := range n {
		x, y := d.normals(i)(), float64(d.ages(i)())
		x = math.Abs(x)
		sx, sy, sxx, syy, sxy = sx+x, sy+y, sxx+x*x, syy+y*y, sxy+x*y
	}
	r := (n*sxy - sx*sy) / math.Sqrt((n*sxx-sx*sx)*(n*syy-sy*sy))
	if math.Abs(r) > .06 {
		t.Errorf("the ages of days and the errors of the drift have the correlation %.2f", r)
	}
}
