package forecast

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
)

// near compares finite values with a tolerance relative to the larger.
func near(a, b, tolerance float64) bool {
	return finite(a) && finite(b) && math.Abs(a-b) <= tolerance*max(1, math.Abs(a), math.Abs(b))
}

func sameValues(t *testing.T, got, want []float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d values %v, want %v", len(got), got, want)
	}
	for i := range got {
		if !near(got[i], want[i], 1e-9) {
			t.Fatalf("%v, want %v", got, want)
		}
	}
}

// rising is start, start + slope, …
func rising(start, slope float64, n int) []float64 {
	y := make([]float64, n)
	for i := range y {
		y[i] = start + slope*float64(i)
	}
	return y
}

func TestModelsGiveTheAnswersOfTheirFormulas(t *testing.T) {
	season3 := func(y []float64, h int) []float64 { return seasonalNaive(y, h, 3) }
	adjusted := func(period int) func(y []float64, h int) []float64 {
		return func(y []float64, h int) []float64 { return seasonAdjusted(robustDrift)(newView(y, []int{period}), h) }
	}
	drift4, drift3 := adjusted(4), adjusted(3)
	spike := rising(0, 2, 21)
	spike[10] = 500
	for _, tc := range []struct {
		name  string
		model func([]float64, int) []float64
		y     []float64
		want  []float64
	}{
		{"last value", lastValue, []float64{1, 5}, []float64{5, 5, 5}},
		{"drift of a line", robustDrift, rising(0, 10, 6), []float64{60, 70}},
		{"drift through a cleanup", robustDrift, []float64{0, 10, 20, 30, 40, 50, 0, 10, 20, 30, 40}, []float64{50, 60}},
		{"drift through a copy", robustDrift, []float64{0, 1, 2, 3, 4, 905, 906, 907, 908, 909, 910}, []float64{911, 912}},
		{"Theil–Sen of a line", theilSen(90), rising(7, -3, 10), []float64{-23, -26}},
		{"Theil–Sen past an outlier", theilSen(90), spike, []float64{42, 44}},
		// Errors are 10 and 10(1−α): the largest factor is best, and 10·(1−.1²) its level.
		{"SES after a step", ses, []float64{0, 10, 10}, []float64{9.9, 9.9}},
		{"SES of a constant", ses, []float64{4, 4, 4, 4}, []float64{4, 4}},
		{"damped Holt of a constant", dampedHolt, []float64{4, 4, 4, 4, 4, 4}, []float64{4, 4}},
		// On a long line SES with α = .9 lags by b·.1/.9; half of the slope, from 1/α on, goes on top.
		{"Theta of a line", theta, rising(0, 9, 60), []float64{59*9 - 1 + 5, 59*9 - 1 + 5 + 4.5, 59*9 - 1 + 5 + 9}},
		{"seasonal naive", season3, []float64{1, 2, 3, 2, 3, 4}, []float64{3, 4, 5, 4, 5, 6, 5}},
		{"adjusted, an even period", drift4, []float64{5, 0, 2, 1, 9, 4, 6, 5, 13, 8, 10, 9}, []float64{17, 12, 14, 13, 21}},
		{"adjusted, an odd period", drift3, []float64{5, 0, 4, 8, 3, 7, 11, 6, 10, 14, 9}, []float64{13, 17, 12, 16}},
	} {
		t.Run(tc.name, func(t *testing.T) { sameValues(t, tc.model(tc.y, len(tc.want)), tc.want) })
	}
}

func TestDampedHoltBendsItsTrendByOneFactor(t *testing.T) {
	f := dampedHolt(rising(100, 7, 60), 20)
	if !near(f[0], 100+60*7, .01) {
		t.Errorf("one step ahead of a line: %v, want about %v", f[0], 100+60*7)
	}
	for k := 2; k < len(f); k++ {
		phi := (f[k] - f[k-1]) / (f[k-1] - f[k-2])
		if !near(phi, .98, 1e-9) {
			t.Fatalf("step %d grows by %v of the one before, want .98", k+1, phi)
		}
	}
}

func TestSeasonSumsToZeroAndIgnoresTheTrend(t *testing.T) {
	want := []float64{3, -1, -4, 2}
	y := rising(50, 2.5, 30)
	for i := range y {
		y[i] += want[i%4]
	}
	d := decompose(y, []int{4})
	sameValues(t, d.seasons[0], []float64{want[2], want[3], want[0], want[1]}) // of the point after the last first
}

// Units must not matter: what is forecast in bytes is forecast in GiB, and a constant on top stays on top.
func TestModelsScaleAndShiftWithTheSeries(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	y := make([]float64, 80)
	level := 100.
	for i := range y {
		level += 1 + r.NormFloat64()
		y[i] = level + 5*math.Sin(float64(i)*2*math.Pi/7)
	}
	for _, m := range append(candidates([]int{7, 14}), candidates([]int{7})...) {
		t.Run(m.name, func(t *testing.T) {
			base := m.forecast(newView(y, []int{7, 14}), 30)
			scaled, shifted := make([]float64, len(y)), make([]float64, len(y))
			for i, v := range y {
				scaled[i], shifted[i] = v*(1<<30), v+1e4
			}
			for k, v := range m.forecast(newView(scaled, []int{7, 14}), 30) {
				if !near(v, base[k]*(1<<30), 1e-9) {
					t.Fatalf("step %d: %v in smaller units, %v in larger", k+1, v, base[k])
				}
			}
			if strings.HasSuffix(m.name, "_log") {
				return // in proportion
			}
			for k, v := range m.forecast(newView(shifted, []int{7, 14}), 30) {
				if !near(v, base[k]+1e4, 1e-9) {
					t.Fatalf("step %d: %v when shifted by 1e4, %v before", k+1, v, base[k])
				}
			}
		})
	}
}

func TestModelsAreFiniteFromTheirLeastPastOn(t *testing.T) {
	for _, m := range append(candidates([]int{2, 3}), candidates([]int{2})...) {
		for name, value := range map[string]func(int) float64{
			"zero":       func(int) float64 { return 0 },
			"largest":    func(int) float64 { return largest },
			"tiny":       func(i int) float64 { return 5e-324 * float64(i%2) },
			"to and fro": func(i int) float64 { return largest * float64(i%2) },
		} {
			for n := m.least; n < m.least+12; n++ {
				y := make([]float64, n)
				for i := range y {
					y[i] = value(i)
				}
				f := m.forecast(newView(y, []int{2, 3}), 50)
				if len(f) != 50 {
					t.Fatalf("%s of %d %s values: %d steps, want 50", m.name, n, name, len(f))
				}
				for k, v := range f {
					if math.IsNaN(v) || math.IsInf(v, 0) {
						t.Fatalf("%s of %d %s values: step %d is %v", m.name, n, name, k+1, v)
					}
				}
			}
		}
	}
}

func TestMedianAndTrimmedMean(t *testing.T) {
	if got := median([]float64{9, 1, 5}); got != 5 {
		t.Errorf("median of three: %v", got)
	}
	if got := median([]float64{9, 1, 5, 3}); got != 4 {
		t.Errorf("median of four: %v", got)
	}
	if got := trimmedMean([]float64{-1000, 1, 2, 3, 1000}); got != 2 {
		t.Errorf("trimmed mean: %v, want 2", got)
	}
}

func TestBendGoesOnAsTheGrowthDid(t *testing.T) {
	saturating, speeding := make([]float64, 180), make([]float64, 180)
	for i := range saturating {
		saturating[i] = 1000 - 1000*math.Pow(.5, float64(i)/90) // its growth halves every 90 points
		speeding[i] = .05 * float64(i*i)
	}
	f := bend(180)(saturating, 90)
	if want := 1000 - 1000*math.Pow(.5, 269./90); math.Abs(f[89]-want) > .02*want {
		t.Errorf("saturating: %v in 90, want %v", f[89], want)
	}
	for k := 1; k < len(f); k++ {
		if f[k] < f[k-1] {
			t.Fatalf("what saturates falls at %d", k)
		}
	}
	f = bend(180)(speeding, 60)
	if want := .05 * 239 * 239; math.Abs(f[59]-want) > .03*want {
		t.Errorf("speeding up: %v in 60, want %v", f[59], want)
	}
	f = bend(180)(speeding, 1000)
	if a, b := f[998]-f[997], f[999]-f[998]; !near(a, b, 1e-9) {
		t.Errorf("it speeds up for ever: %v, then %v", a, b)
	}
	turned := append(rising(0, 1, 90), rising(90, -1, 90)...)
	if f := bend(180)(turned, 2); !near(f[1]-f[0], -1, 1e-6) {
		t.Errorf("what turned goes on by %v", f[1]-f[0])
	}
}

// A week with a spike in it is not how it grows from week to week.
func TestGrowthFromSeasonToSeasonIsTheUsualOne(t *testing.T) {
	y := make([]float64, 70)
	for i := range y {
		y[i] = float64(i/7)*2 + float64(i%7)
	}
	y[60], y[61], y[62], y[63] = 500, 500, 500, 500
	f := seasonalNaive(y, 14, 7)
	if got, want := f[13], 2*11.+6; got != want {
		t.Errorf("two weeks on: %v, want %v", got, want)
	}
}
