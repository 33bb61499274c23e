package forecast

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

func TestPassageProbabilitiesAndDatesAgree(t *testing.T) {
	p := passage{unit: 7 * day, units: make([]float64, 100)}
	for i := range p.units {
		p.units[i] = float64(i + 1) // weeks
		if i >= 50 {
			p.units[i] = math.Inf(1)
		}
	}
	for days, want := range map[float64]float64{6.9: 0, 7: .01, 30: .04, 70: .1, 1e6: .5} {
		if got := p.probability(days); got != want {
			t.Errorf("P(full within %v days) = %v, want %v", days, got, want)
		}
	}
	if got, want := p.by(start, .1), start.Add(70*day); !got.Equal(want) {
		t.Errorf("ten of a hundred by %v, want %v", got, want)
	}
	if got, want := p.by(start, .105), start.Add(77*day); !got.Equal(want) {
		t.Errorf("ten and a half of a hundred by %v, want the eleventh's %v", got, want)
	}
	if got := p.by(start, .51); !got.IsZero() {
		t.Errorf("half and one more by %v, want never", got)
	}
}

func TestSteadyGrowthFillsOnItsDay(t *testing.T) {
	p := past{unit: day, steps: 1, changes: []float64{2, 2, 2, 2}, levels: make([]float64, 4), ages: make([]float64, 4), lifts: make([]float64, 4)}
	got := simulate(p, line(2, 0, 100), 3, 40, 0, 1)
	for _, u := range got.units {
		if !near(u, 18.5, 1e-9) {
			t.Fatalf("full after %v days, want 18.5", u)
		}
	}
	for _, u := range simulate(p, line(2, 0, 18), 3, 40, 0, 1).units {
		if !math.IsInf(u, 1) {
			t.Fatalf("full after %v days, beyond the paths' end of 18", u)
		}
	}
}

func TestAPeakWithinTheUnitFills(t *testing.T) {
	p := past{unit: day, steps: 1, changes: []float64{2}, lifts: []float64{10}}
	// The fourteenth day begins at 29 and peaks at 41.
	for _, u := range simulate(p, line(2, 0, 100), 3, 40, 0, 1).units {
		if !near(u, 13+11./12, 1e-9) {
			t.Fatalf("full after %v days, want %v", u, 13+11./12)
		}
	}
}

func TestUseNeverFallsBelowZero(t *testing.T) {
	p := past{unit: day, steps: 1, changes: []float64{0}, lifts: []float64{0}}
	for _, u := range simulate(p, append(line(-5, 0, 50), line(5, 0, 50)...), 3, 100, 0, 1).units {
		if !near(u, 70, 1e-9) {
			t.Fatalf("full after %v days, want 50 empty and 20 that fill", u)
		}
	}
}

func TestAShortPastIsLessSure(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 6))
	short := past{unit: day, steps: 1, changes: noise(r, 32, 10), lifts: make([]float64, 32)}
	long := past{unit: day, steps: 1, lifts: make([]float64, 3200)}
	for range 100 {
		long.changes = append(long.changes, short.changes...)
	}
	spread := func(p past) float64 {
		u := simulate(p, line(10, 0, 1000), 0, 3000, 0, 1).units
		return u[900] - u[100]
	}
	if s, l := spread(short), spread(long); s < 1.2*l {
		t.Errorf("P10 to P90 are %v days of a month's past and %v of years", s, l)
	}
}

// The first passage of a Brownian motion with drift has a known distribution (inverse Gaussian); a walk by days sees the
// barrier .5826 σ further off (Siegmund, 1985).
func TestRandomWalkPassesAsTheInverseGaussianDoes(t *testing.T) {
	const sigma, drift, used, full, pasts = 10., 2., 100., 250., 20
	r := rand.New(rand.NewPCG(4, 2))
	days := []float64{20, 40, 60, 75, 90, 120, 180}
	got := make([]float64, len(days))
	for seed := range uint64(pasts) {
		p := past{unit: day, steps: 1, changes: noise(r, 1500, sigma), levels: make([]float64, 1500), lifts: make([]float64, 1500), ages: make([]float64, 1500)}
		passage := simulate(p, line(drift+p.center(line(drift, 0, 1)), 0, 365), used, full, 0, seed)
		for i, d := range days {
			got[i] += passage.probability(d) / pasts
		}
	}
	phi := func(x float64) float64 { return .5 * math.Erfc(-x/math.Sqrt2) }
	for i, d := range days {
		a := full - used + .5826*sigma
		want := phi((drift*d-a)/(sigma*math.Sqrt(d))) + math.Exp(2*drift*a/(sigma*sigma))*phi((-a-drift*d)/(sigma*math.Sqrt(d)))
		if math.Abs(got[i]-want) > .04 {
			t.Errorf("P(full within %v days) = %.3f, want %.3f", d, got[i], want)
		}
	}
}

// noise has mean 0 and the standard deviation sigma as futures are drawn from it: the newest counts most.
func noise(r *rand.Rand, n int, sigma float64) []float64 {
	v := make([]float64, n)
	sum, squares, weights := 0., 0., 0.
	for i := range v {
		v[i] = r.NormFloat64()
		w := math.Exp(-float64(n-1-i) / memory)
		sum, squares, weights = sum+w*v[i], squares+w*v[i]*v[i], weights+w
	}
	mean := sum / weights
	deviation := math.Sqrt(squares/weights - mean*mean)
	for i := range v {
		v[i] = sigma * (v[i] - mean) / deviation
	}
	return v
}

func TestQuietVolumesWakeAsLateAsTheyHaveSlept(t *testing.T) {
	p := past{unit: day, steps: 1, changes: []float64{0}, levels: []float64{0}, ages: []float64{0}, lifts: []float64{0}}
	got := simulate(p, line(1000, 0, 2000), 0, 500, 100, 1) // full on the day it wakes
	for days, want := range map[float64]float64{25: .2, 100: .5, 300: .75} {
		if p := got.probability(days + 1); math.Abs(p-want) > .04 {
			t.Errorf("awake within %v days: %v, want about %v", days, p, want)
		}
	}
}

func TestPastIsDrawnByUnits(t *testing.T) {
	nan := math.NaN()
	hours := make([]float64, 73)
	for i := range hours {
		hours[i] = float64(i)
		if i%24 == 3 {
			hours[i] += 100
		}
	}
	for _, tc := range []struct {
		name           string
		step           time.Duration
		y              []float64
		unit           time.Duration
		changes, lifts []float64
	}{
		{"days", day, []float64{1, 3, 6, 10}, day, []float64{2, 3, 4}, []float64{0, 0, 0}},
		{"a gap", day, []float64{1, 3, nan, 10, 11}, day, []float64{2, 1}, []float64{0, 0}},
		{"weeks", 7 * day, []float64{1, 3, 6}, 7 * day, []float64{2, 3}, []float64{0, 0}},
		{"hours", time.Hour, hours, day, []float64{24, 24, 24}, []float64{79, 79, 79}},
		{"seven hours", 7 * time.Hour, rising(0, 1, 7), 21 * time.Hour, []float64{3, 3}, []float64{0, 0}},
		{"five hours", 5 * time.Hour, rising(0, 1, 11), 25 * time.Hour, []float64{5, 5}, []float64{0, 0}},
		{"one point", day, []float64{5}, day, []float64{0}, []float64{0}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := pastOf(newGrid(Input{Step: tc.step}, every(tc.step, tc.y...)))
			if p.unit != tc.unit {
				t.Errorf("unit %v, want %v", p.unit, tc.unit)
			}
			sameValues(t, p.changes, tc.changes)
			sameValues(t, p.lifts, tc.lifts)
			if len(p.levels) != len(p.changes) || len(p.ages) != len(p.changes) || p.levels[len(p.levels)-1] != tc.y[len(tc.y)-1] || p.ages[len(p.ages)-1] != 0 {
				t.Errorf("levels %v with ages %v, want the last observation last", p.levels, p.ages)
			}
		})
	}
}

func TestPathsOfAShortPastDiffer(t *testing.T) {
	p := pastOf(newGrid(Input{}, every(day, 0, 10, 12, 30, 31, 50, 51, 65)))
	got := simulate(p, line(9, 0, 365), 65, 200, 0, 1)
	if got.units[50] == got.units[950] {
		t.Errorf("the early and the late path both fill after %v days", got.units[50])
	}
}

func TestDriftFollowsTheCourseFromTheOrigin(t *testing.T) {
	o := outlook{units: newGrid(Input{}, every(day, 1, 2, 10)), course: []float64{11, 13, 16, 20, 25}, n: 3}
	sameValues(t, o.drift(), []float64{1, 2, 3})
	o.ahead = 2
	sameValues(t, o.drift(), []float64{3, 4, 5})
}

func TestTheOutlookBeginsAtTheOrigin(t *testing.T) {
	g := newGrid(Input{}, every(day, rising(0, 1, 30)...))
	for after, want := range map[time.Duration]int{-day: 0, 0: 0, 23 * time.Hour: 0, 40 * time.Hour: 1, 1000 * day: 3} {
		o := outlookOf(g, newEnsemble(g, 5, false), g.last.Add(after), Options{Steps: 5, Horizon: 365 * day}, false)
		if o.ahead != want || o.n != 365 || len(o.course) < o.n+o.ahead {
			t.Errorf("%v after the last point: %d of %d units ahead in a course of %d, want %d of 365", after, o.ahead, o.n, len(o.course), want)
		}
	}
	for _, tc := range []struct {
		n    int
		step time.Duration
		want time.Duration
	}{{3, day, 3 * day}, {100_000, day, longestPath}, {100_000, 7 * day, longestPath}, {2, math.MaxInt64, longestPath}} {
		if got := stepsLast(tc.n, tc.step); got != tc.want {
			t.Errorf("%d steps of %v last %v, want %v", tc.n, tc.step, got, tc.want)
		}
	}
}

func TestNoJumpIsCountedTwice(t *testing.T) {
	// A jump of 100 every tenth day: the mean is 10, the trimmed mean 0.
	p := past{changes: make([]float64, 4000)}
	for i := range p.changes {
		if i%10 == 5 {
			p.changes[i] = 100
		}
	}
	for drift, want := range map[float64]float64{-5: 0, 0: 0, 4: 4, 10: 10, 15: 10} {
		if got := p.center(line(drift, 0, 90)); !near(got, want, .02) {
			t.Errorf("of a course that grows by %v a day %v is taken off, want %v", drift, got, want)
		}
	}
}

func TestLevelsOfASawtoothRecur(t *testing.T) {
	p := past{unit: day, steps: 1, changes: make([]float64, 30), levels: make([]float64, 30), lifts: make([]float64, 30), ages: make([]float64, 30)}
	for i := range p.levels {
		p.levels[i], p.ages[i] = float64(10*(i%6)), float64(29-i)
	}
	if got := recur(p, 0, 365, 50.5, 1).probability(365); got != 0 {
		t.Errorf("P(above every peak) = %v, want 0", got)
	}
	if got := recur(p, 0, 365, 50, 1).probability(20); got < .9 {
		t.Errorf("P(as high as each peak) = %v, want near 1", got)
	}
	level := past{unit: day, steps: 1, changes: p.changes, lifts: p.lifts, ages: p.ages, levels: make([]float64, 30)}
	for i := range level.levels {
		level.levels[i] = 100 - p.ages[i]
	}
	if got := recur(level, 1, 365, 110, 1); got.units[0] != 10 || got.units[paths-1] != 10 {
		t.Errorf("a line of 1 a day that stands at 100 reaches 110 after %v to %v days", got.units[0], got.units[paths-1])
	}
	// Peaks that rise by .5 a day reach 150 after 200 days, and not before.
	rising := recur(p, .5, 365, 150, 1)
	if early, late := rising.probability(169), rising.probability(260); early > 0 || late < .99 {
		t.Errorf("peaks that rise: P = %v before and %v after", early, late)
	}
}

// A tooth takes thirty days to rise: who stands at its foot is not at the peak in a week.
func TestAToothTakesItsTime(t *testing.T) {
	p := past{unit: day, steps: 1}
	for i := range 240 {
		change := 10.
		if i%30 == 0 {
			change = -290
		}
		p.levels, p.changes = append(p.levels, float64(10*(i%30))), append(p.changes, change)
		p.lifts, p.ages = append(p.lifts, 0), append(p.ages, float64(239-i))
	}
	foot := recurring(p, 0, 90, 0).passage(280, 0, 1)
	if soon, later := foot.probability(10), foot.probability(45); soon > .05 || later < .9 {
		t.Errorf("from its foot P(peak) is %v within 10 days and %v within 45", soon, later)
	}
	if high := recurring(p, 0, 90, 240).passage(280, 240, 1); high.probability(10) < .8 {
		t.Errorf("four days below the peak P is %v within 10 days", high.probability(10))
	}
}

// Who jumps up and down jumps up from below and down from above.
func TestDrawsOfAJumpyVolumeBeginWhereItIs(t *testing.T) {
	p := past{unit: day, steps: 1}
	level := 100.
	for i := range 400 {
		change := .1 * math.Sin(float64(i))
		if i%25 == 0 {
			change = 200 - 400*float64(i/25%2)
		}
		level += change
		p.levels, p.changes, p.ages = append(p.levels, level), append(p.changes, change), append(p.ages, float64(399-i))
	}
	p.local = jumpy(p.levels) && p.fallsBack()
	copies := p
	copies.changes = make([]float64, len(p.changes)) // never falls: nothing is known of what it does up there
	for i, c := range p.changes {
		copies.changes[i] = math.Abs(c)
	}
	copies.local = jumpy(copies.levels) && copies.fallsBack()
	up := func(p past, level float64) (share float64) {
		draw := p.draws(rand.New(rand.NewPCG(1, 1)))
		ups, downs := 0., 0.
		for range 20_000 {
			switch c := p.changes[draw(level)]; {
			case c > 100:
				ups++
			case c < -100:
				downs++
			}
		}
		return ups / (ups + downs)
	}
	if low, high, anywhere := up(p, 100), up(p, 300), up(p, math.NaN()); low < .8 || high > .2 || anywhere < .3 || anywhere > .7 {
		t.Errorf("%v of the jumps go up from below, %v from above, %v from anywhere", low, high, anywhere)
	}
	if got := up(copies, 300); got != 1 {
		t.Errorf("%v of the jumps of what never falls go up", got)
	}
	if p.fallsBack() != true || copies.fallsBack() != false {
		t.Error("what falls back is not told from what does not")
	}
}

// simulate is when paths of wander reach the full level.
func simulate(p past, drift []float64, used, full, quiet float64, seed uint64) passage {
	return wander(p, drift, used, quiet).passage(full, used, seed)
}

// recur is when paths of recurring reach the full level.
func recur(p past, rise float64, n int, full float64, seed uint64) passage {
	return recurring(p, rise, n, p.levels[len(p.levels)-1]).passage(full, 0, seed)
}
