package forecast

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

func TestWeightsAreThePowerOfTheErrorsRatio(t *testing.T) {
	sameValues(t, weightsOf([]float64{1, 2}), []float64{64. / 65, 1. / 65})
	sameValues(t, weightsOf([]float64{0, 2, 0}), []float64{.5, 0, .5})
	sameValues(t, weightsOf([]float64{0, 0}), []float64{.5, .5})
}

func TestOneJumpDoesNotDrownTheOtherOrigins(t *testing.T) {
	nan := math.NaN()
	// Errors 1 and 3 before a calm stretch, 1001 and 1003 before a jump: the first says as much as the second.
	calm := relativeErrors([][]float64{{1, 0}, {3, 0}}, []float64{0, nan})
	jump := relativeErrors([][]float64{{-1, 0}, {-3, 0}}, []float64{1000, nan})
	sameValues(t, calm, []float64{.5, 1.5})
	sameValues(t, jump, []float64{1001. / 1002, 1003. / 1002})
	sameValues(t, relativeErrors([][]float64{{1}, {3}}, []float64{nan}), []float64{0, 0})
}

func TestCombinationIsWeightedMeanOrMedian(t *testing.T) {
	f := [][]float64{{1, 10}, {2, 20}, {9, 90}}
	e := ensemble{weights: []float64{.5, .25, .25}}
	sameValues(t, e.combine(f), []float64{3.25, 32.5})
	e.weights = nil
	sameValues(t, e.combine(f), []float64{2, 20})
}

// spy is a last value that notes what it was shown.
func spy(seen *[][]float64) model {
	return model{"spy", 1, func(v *view, h int) []float64 {
		*seen = append(*seen, slices.Clone(v.y))
		return lastValue(v.y, h)
	}}
}

func TestModelsSeeThePastOfTheirOriginAlone(t *testing.T) {
	y := rising(0, 1, 100)
	for i := range y {
		y[i] += math.Sin(float64(i * i))
	}
	y[88], y[89], y[90], y[91] = math.NaN(), math.NaN(), math.NaN(), math.NaN() // a gap over the newest origin
	var seen [][]float64
	e := ensemble{models: []model{spy(&seen), {"drift", 3, plain(robustDrift)}}, horizon: 10, spacing: 5, origins: 4, scale: 1}
	e.weigh(newGrid(Input{}, every(day, y...)))
	y[88], y[89] = y[87], y[87]
	if len(seen) != 7 {
		t.Fatalf("%d origins, want 4 and 3", len(seen))
	}
	for i, want := range []int{97, 94, 91} { // as far as the past goes
		if got := len(seen[4+i]); got != want {
			t.Errorf("newest origin %d saw %d points, want %d", i, got, want)
		}
	}
	for o, past := range seen[:4] {
		if want := y[:90-5*o]; !slices.Equal(past, want) {
			t.Errorf("origin %d saw %d points, want the first %d", o, len(past), len(want))
		}
	}
}

func TestErrorsOfAnOriginAreWeighedByTheOthers(t *testing.T) {
	// Two origins a step apart. The first model is right at the newer one, the second at the older: each is trusted
	// where it is wrong, so both errors are the wrong model's.
	constant := func(v float64) model {
		return model{"constant", 1, func(_ *view, h int) []float64 { return line(v, 0, h) }}
	}
	y := append(rising(0, 0, 10), 5, 8)
	e := ensemble{models: []model{constant(8), constant(5)}, horizon: 1, spacing: 1, origins: 2, scale: 1}
	e.weigh(newGrid(Input{}, every(day, y...)))
	sameValues(t, e.errors[0], []float64{8 - 5, 5 - 8})
	older := math.Pow(memoryOrigin, sharpness) // the older origin counts less
	for i, want := range []float64{1 / (1 + older), older / (1 + older)} {
		if !near(e.weights[i], want, 1e-6) {
			t.Errorf("weight %d is %v, want %v", i, e.weights[i], want)
		}
	}
	if !near(e.absolute, 3, 1e-12) || !near(e.bias(), 0, 1e-12) {
		t.Errorf("mean absolute error %v and bias %v, want 3 and 0", e.absolute, e.bias())
	}
}

// Nor by what came within the newest one, as far as it went.
func TestErrorsOfTheNewestOriginAreNotWeighedByThemselves(t *testing.T) {
	constant := func(v float64) model {
		return model{"constant", 1, func(_ *view, h int) []float64 { return line(v, 0, h) }}
	}
	y := append(rising(0, 0, 10), 5, 5, 8, 8)
	e := ensemble{models: []model{constant(8), constant(5)}, horizon: 2, spacing: 2, origins: 2, scale: 1}
	e.weigh(newGrid(Input{}, every(day, y...)))
	for _, errors := range e.errors {
		if len(errors) != 2 || !near(errors[0], 8-5, 1e-6) || !near(errors[1], 5-8, 1e-6) {
			t.Errorf("errors %v, want the wrong model's: 3 and -3", errors)
		}
	}
}

func TestErrorsAreNotTakenInGaps(t *testing.T) {
	nan := math.NaN()
	y := append(rising(0, 1, 30), nan, nan, 99, nan, nan, 50)
	e := ensemble{models: []model{{"last_value", 1, plain(lastValue)}, {"drift", 3, plain(robustDrift)}}, horizon: 6, spacing: 3, origins: 2, scale: 1}
	e.weigh(newGrid(Input{}, every(day, y...)))
	// Points 30 to 35 are seen at 32 and 35 alone; the older origin's six, 27 to 32, but at 30 and 31.
	for k, want := range []int{1, 1, 2, 0, 0, 2} {
		if got := len(e.errors[k]); got != want {
			t.Errorf("step %d has %d errors, want %d", k+1, got, want)
		}
	}
}

func TestMethodFollowsTheLengthOfThePast(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	noisy := func(n int) []float64 {
		y := rising(100, 1, n)
		for i := range y {
			y[i] += r.Float64()
		}
		return y
	}
	for _, tc := range []struct {
		name   string
		y      []float64
		method string
		reason Reason
	}{
		{"one", noisy(1), "last_value", ReasonShort},
		{"two", noisy(2), "last_value", ReasonShort},
		{"three", noisy(3), "last_value", ReasonShort},
		{"four", noisy(4), "median", ReasonFewOrigins},
		{"ten", noisy(10), "median", ReasonFewOrigins},
		{"twenty", noisy(20), "ensemble", ReasonWeighed},
		{"two equal", rising(7, 0, 2), "last_value", ReasonShort},
		{"a constant", rising(7, 0, 50), "last_value", ReasonConstant},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e := newEnsemble(newGrid(Input{}, every(day, tc.y...)), 7, false)
			if e.method != tc.method || e.reason != tc.reason {
				t.Errorf("%s because %s, want %s because %s", e.method, e.reason, tc.method, tc.reason)
			}
			sum := 0.
			for i, w := range e.shares() {
				sum += w.Share
				if i > 0 && w.Share > e.shares()[i-1].Share {
					t.Errorf("shares are not sorted: %v", e.shares())
				}
			}
			if !near(sum, 1, 1e-12) {
				t.Errorf("shares sum to %v", sum)
			}
		})
	}
}

func TestWeightGoesToTheModelOfTheSeries(t *testing.T) {
	e := newEnsemble(newGrid(Input{}, every(day, rising(0, 5, 100)...)), 14, false)
	for _, w := range e.shares() {
		if trend := w.Model == "drift" || strings.HasPrefix(w.Model, "theil_sen") || w.Model == "holt" || w.Model == "bend"; !trend && w.Share > .01 {
			t.Errorf("%s has %v of a straight line", w.Model, w.Share)
		}
	}
	var saw []float64
	for i := range 140 {
		saw = append(saw, float64(100*(i%7)))
	}
	e = newEnsemble(newGrid(Input{}, every(day, saw...)), 14, false)
	if best := e.shares()[0]; !strings.Contains(best.Model, "season") && !strings.Contains(best.Model, "cycle") {
		t.Errorf("%v leads for a sawtooth of a week, want a seasonal model", best)
	}
}

func TestTrustGoesAsFarAsTheTrialsSay(t *testing.T) {
	to := func(seen float64) trial {
		return trial{last: 100, course: []float64{110, 120}, observed: []float64{(seen + 100) / 2, seen}}
	}
	for _, tc := range []struct {
		name   string
		trials []trial
		but    int
		want   float64
	}{
		{"right", []trial{to(120), to(120)}, -1, 1},
		{"no change was right", []trial{to(100), to(100)}, -1, 0},
		{"half of the way", []trial{to(110), to(110)}, -1, .5},
		{"the one that is left out does not count", []trial{to(120), to(100), to(120)}, 1, 1},
		{"nothing was seen", []trial{{last: 1, course: []float64{2}, observed: []float64{math.NaN()}}}, -1, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := trustOf(tc.trials, tc.but); !near(got, tc.want, 1e-12) {
				t.Errorf("trust %v, want %v", got, tc.want)
			}
		})
	}
}

func TestJumpy(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 1))
	walk, jumps := make([]float64, 400), make([]float64, 400)
	for i := 1; i < len(walk); i++ {
		walk[i] = walk[i-1] + r.NormFloat64()
		jumps[i] = jumps[i-1] + r.NormFloat64()
		if i%30 == 0 {
			jumps[i] += 80 * (r.Float64() - .5)
		}
	}
	jumps[100] = math.NaN()
	if jumpy(walk) || !jumpy(jumps) || jumpy([]float64{5}) || jumpy(rising(3, 0, 50)) {
		t.Errorf("walk %v, jumps %v, one point %v, a constant %v", jumpy(walk), jumpy(jumps), jumpy([]float64{5}), jumpy(rising(3, 0, 50)))
	}
}

// Minutes after boot in thousandths: two models of a straight line are equally right, but for rounding.
func TestRoundingIsNoReasonToPreferAModel(t *testing.T) {
	y := rising(0, .06, 100)
	for i := range y {
		y[i] *= 1e-3
	}
	e := newEnsemble(newGrid(Input{}, every(day, y...)), 7, false)
	share := map[string]float64{}
	for _, w := range e.shares() {
		share[w.Model] = w.Share
	}
	if drift, sen := share["drift"], share["theil_sen"]; drift == 0 || !near(drift, sen, 1e-3) {
		t.Errorf("drift has %v and theil_sen %v of a straight line", drift, sen)
	}
}

// The growth began within the newest horizon: origins that lie a whole one back have seen nothing of it.
func TestWhatCameLastWeighs(t *testing.T) {
	y := append(rising(1000, 0, 150), rising(1000, 10, 40)...)
	r := rand.New(rand.NewPCG(8, 8))
	for i := range y {
		y[i] += r.NormFloat64()
	}
	g := newGrid(Input{}, every(day, y...))
	e := newEnsemble(g, 48, false)
	f := e.forecast(g.filled, 48)
	rise := f[47] - y[len(y)-1]
	if rise < 250 {
		t.Errorf("after forty days of 10 a day it expects %v in 48, want 250 at least", rise)
	}
}
