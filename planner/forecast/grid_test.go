package forecast

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

var start = time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)

// every is a series with one observation each step; NaN leaves the time out.
func every(step time.Duration, y ...float64) []Observation {
	var all []Observation
	for i, v := range y {
		if !math.IsNaN(v) {
			all = append(all, Observation{start.Add(time.Duration(i) * step), v, math.NaN()})
		}
	}
	return all
}

func at(seconds ...int) []Observation {
	var all []Observation
	for i, s := range seconds {
		all = append(all, Observation{start.Add(time.Duration(s) * time.Second), float64(i + 1), math.NaN()})
	}
	return all
}

func TestStepIsTheMedianMadeRound(t *testing.T) {
	date := func(y int) time.Time { return time.Date(y, 1, 1, 0, 0, 0, 0, time.UTC) }
	nan := math.NaN()
	for _, tc := range []struct {
		name string
		in   Input
		want time.Duration
	}{
		{"a lone point", Input{Observations: at(0)}, day},
		{"a lone point of a file", Input{Observations: at(0), LonePointStep: time.Hour}, time.Hour},
		{"given", Input{Observations: at(0, 60, 120), Step: day}, day},
		{"clocks drift", Input{Observations: at(0, 3601, 7195, 10803)}, time.Hour},
		{"gaps", Input{Observations: every(day, 1, 2, nan, nan, 3, 4, 5, nan, 6)}, day},
		{"one gap of two", Input{Observations: every(day, 1, 2, nan, nan, nan, 3)}, day},
		{"a week", Input{Observations: every(7*day, 1, 2, 3)}, 7 * day},
		{"seven hours", Input{Observations: every(7*time.Hour, 1, 2, 3)}, 7 * time.Hour},
		{"less than a second", Input{Observations: every(time.Millisecond, 1, 2, 3)}, time.Second},
		{"years", Input{Observations: []Observation{{date(1900), 1, nan}, {date(2000), 1, nan}, {date(2200), 1, nan}}}, date(2000).Sub(date(1900))},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := stepOf(tc.in, tc.in.Observations); got != tc.want {
				t.Errorf("step %v, want %v", got, tc.want)
			}
		})
	}
}

func TestGridKeepsGapsAndTheNewestOfAPoint(t *testing.T) {
	nan := math.NaN()
	for _, tc := range []struct {
		name             string
		in               Input
		observed, filled []float64
	}{
		{"one point", Input{Observations: at(0)}, []float64{1}, []float64{1}},
		{"regular", Input{Observations: every(day, 1, 2, 3)}, []float64{1, 2, 3}, []float64{1, 2, 3}},
		{"missing times", Input{Observations: every(day, 1, 2, nan, nan, 5)}, []float64{1, 2, nan, nan, 5}, []float64{1, 2, 3, 4, 5}},
		{"two on a point", Input{Observations: at(0, 3600, 5500, 7200), Step: time.Hour}, []float64{1, 2, 4}, []float64{1, 2, 4}},
		{"unsteady clocks", Input{Observations: at(30, 3580, 7230, 10790)}, []float64{1, 2, 3, 4}, []float64{1, 2, 3, 4}},
		{"half a step before", Input{Observations: at(0, 1800, 5400), Step: time.Hour}, []float64{1, 2, 3}, []float64{1, 2, 3}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			g := newGrid(tc.in, tc.in.Observations)
			same := func(a, b float64) bool { return a == b || math.IsNaN(a) && math.IsNaN(b) }
			if !slices.EqualFunc(g.observed, tc.observed, same) || !slices.EqualFunc(g.filled, tc.filled, same) {
				t.Errorf("observed %v filled %v, want %v and %v", g.observed, g.filled, tc.observed, tc.filled)
			}
			if want := tc.in.Observations[len(tc.in.Observations)-1].Time; !g.last.Equal(want) {
				t.Errorf("ends at %v, want %v", g.last, want)
			}
		})
	}
}

func TestGridOfTimesThatNoDurationHolds(t *testing.T) {
	first, last := time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2200, 12, 31, 0, 0, 0, 0, time.UTC)
	observed := []Observation{{first, 1, math.NaN()}, {first.Add(time.Minute), 2, math.NaN()}, {last.Add(-time.Minute), 3, math.NaN()}, {last, 4, math.NaN()}}
	g := newGrid(Input{Observations: observed}, observed)
	if g.step != time.Minute || len(g.observed) != 2 || g.observed[0] != 3 || g.observed[1] != 4 {
		t.Errorf("step %v, %d points %v; want the newest two a minute apart", g.step, len(g.observed), g.observed)
	}
	g = newGrid(Input{Observations: observed}, []Observation{observed[0], observed[3]})
	if len(g.observed) != 2 {
		t.Errorf("%d points, want 2", len(g.observed))
	}
}

func TestAGapIsALineOnlyOnceItIsOver(t *testing.T) {
	nan := math.NaN()
	g := newGrid(Input{}, every(day, 1, 2, nan, nan, 5, 6))
	for n, want := range map[int][]float64{2: {1, 2}, 3: {1, 2, 2}, 4: {1, 2, 2, 2}, 5: {1, 2, 3, 4, 5}} {
		sameValues(t, g.until(n), want)
	}
	sameValues(t, g.filled, []float64{1, 2, 3, 4, 5, 6})
}

func TestThinningKeepsTheLastPoint(t *testing.T) {
	nan := math.NaN()
	g := newGrid(Input{}, every(time.Hour, 0, nan, 2, 3, nan, 5, 6)).thinned(2)
	if g.step != 2*time.Hour || !g.last.Equal(start.Add(6*time.Hour)) {
		t.Errorf("step %v to %v", g.step, g.last)
	}
	sameValues(t, g.filled, []float64{0, 2, 4, 6})
	if !math.IsNaN(g.observed[2]) {
		t.Errorf("observed %v, want a gap", g.observed)
	}
}

func TestNewestBeginsAtAnObservation(t *testing.T) {
	nan := math.NaN()
	g := newGrid(Input{}, every(day, 1, 2, nan, nan, 5, 6)).newest(4)
	if len(g.observed) != 2 || g.observed[0] != 5 || g.filled[0] != 5 {
		t.Errorf("%v filled %v, want 5 and 6", g.observed, g.filled)
	}
}

func TestBulkLoadIsLeftOut(t *testing.T) {
	load := []float64{0, 0, 400, 800, 803, 806, 808, 812, 815, 817, 820}
	for _, tc := range []struct {
		name  string
		y     []float64
		first float64
	}{
		{"a load", load, 800},
		{"a load and nothing after it", []float64{0, 500, 500, 500, 500, 500, 500}, 500},
		{"steady growth from nothing", rising(0, 10, 30), 0},
		{"steady growth of a few days", rising(0, 10, 12), 0},
		{"a burst that falls back", []float64{100, 103, 900, 106, 109, 112, 115, 118}, 100},
		{"too little after it", []float64{0, 1, 2, 3, 900}, 0},
		{"a small copy", []float64{1000, 1001, 1040, 1041, 1042, 1043, 1044, 1045}, 1000},
		{"a jump after a fortnight", append(rising(100, 1, 20), rising(900, 1, 20)...), 100},
		{"empty", []float64{0, 0, 0, 0, 0, 0, 0}, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			g := newGrid(Input{}, every(day, tc.y...)).afterLoad()
			if g.observed[0] != tc.first || g.filled[0] != tc.first {
				t.Errorf("begins at %v, want %v", g.observed[0], tc.first)
			}
		})
	}
}

func TestPeriodsFollowTheStep(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	wave := func(n int, periods ...int) []float64 {
		y := make([]float64, n)
		for i := range y {
			y[i] = 1000 + .5*float64(i) + r.NormFloat64()
			for _, p := range periods {
				y[i] += 20 * math.Sin(2*math.Pi*float64(i)/float64(p))
			}
		}
		return y
	}
	for _, tc := range []struct {
		name string
		step time.Duration
		y    []float64
		want []int
	}{
		{"hours with a day and a week", time.Hour, wave(1000, 24, 168), []int{24, 168}},
		{"half hours with a day", 30 * time.Minute, wave(400, 48), []int{48}},
		{"days with a week", day, wave(100, 7), []int{7}},
		{"weeks with a year", 7 * day, wave(300, 52), []int{52}},
		{"two weeks are too few", day, wave(14, 7), nil},
		{"days of noise, for the weights to say", day, wave(300), []int{7}},
		{"hours of noise", time.Hour, wave(1000), []int{24}},
		{"hours of a line", time.Hour, rising(0, 3, 1000), []int{24}},
		{"hours of a constant", time.Hour, rising(5, 0, 1000), []int{24}},
		{"months", 30 * day, wave(100, 12), nil},
		{"seven hours divide no day", 7 * time.Hour, wave(300, 24), []int{24}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := newGrid(Input{Step: tc.step}, every(tc.step, tc.y...)).periods(); !slices.Equal(got, tc.want) {
				t.Errorf("periods %v, want %v", got, tc.want)
			}
		})
	}
}

func TestNoiseSeldomHasASeason(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	found := 0
	for range 100 {
		y := make([]float64, 120)
		for i := range y {
			y[i] = r.NormFloat64()
		}
		if seasonal(y, 7) {
			found++
		}
	}
	if found > 12 { // one in twenty by the bound
		t.Errorf("%d of 100 series of noise have a week", found)
	}
}

func TestAFullVolumeIsSeenBeforeItWas(t *testing.T) {
	full := func(grew, stood int) []float64 {
		y := rising(100, 1, grew)
		for range stood {
			y = append(y, 999)
		}
		return y
	}
	for _, tc := range []struct {
		name string
		y    []float64
		held int
	}{
		{"for a week", full(100, 7), 7},
		{"for ten days, which are taken for two weeks", full(100, 10), 14},
		{"not yet", rising(100, 1, 100), 0},
		{"with less than a month before it", full(27, 20), 0},
		{"always", full(0, 100), 0},
	} {
		g := newGrid(Input{}, every(day, tc.y...))
		free, held := g.beforeFull(1000)
		if held != tc.held || len(free.filled) != len(tc.y)-tc.held || !free.last.Equal(g.last.Add(-time.Duration(held)*day)) {
			t.Errorf("%s: %d of %d left out, until %v", tc.name, held, len(tc.y), free.last)
		}
	}
}
