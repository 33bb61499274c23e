package forecast

import (
	"math"
	"math/rand/v2"
	"testing"
)

func TestQuantiles(t *testing.T) {
	sorted := []float64{0, 10, 20, 30}
	for _, tc := range []struct{ p, want float64 }{{0, 0}, {.5, 15}, {1, 30}, {.9, 27}} {
		if got := quantile(sorted, tc.p); !near(got, tc.want, 1e-12) {
			t.Errorf("quantile %v is %v, want %v", tc.p, got, tc.want)
		}
	}
	if got := normalQuantile(.975); !near(got, 1.959964, 1e-6) {
		t.Errorf("normal quantile %v", got)
	}
}

func TestErrorGrowthIsHalfwayToARandomWalk(t *testing.T) {
	for _, tc := range []struct {
		name        string
		power, want float64
	}{
		{"noise about a season", 0, .25},
		{"a random walk", .5, .5},
		{"a misjudged trend", 1, .75},
		{"faster than a trend", 2, .75},
		{"shrinking", -1, .25},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e := ensemble{errors: make([][]float64, 20)}
			for k := range e.errors {
				v := 3 * math.Pow(float64(k+1), tc.power)
				e.errors[k] = []float64{v, -v}
			}
			if got := e.errorGrowth(); !near(got, tc.want, 1e-9) {
				t.Errorf("power %v, want %v", got, tc.want)
			}
		})
	}
	if got := (&ensemble{errors: [][]float64{{1}, {}, {0}}}).errorGrowth(); got != .5 {
		t.Errorf("power %v of too few steps, want a half", got)
	}
}

// Quantiles of Student's t from its tables.
func TestFewOriginsHaveStudentsQuantiles(t *testing.T) {
	for _, tc := range []struct {
		name string
		e    ensemble
		p, t float64
	}{
		{"six independent, 95 %", ensemble{origins: 11, spacing: 24, horizon: 48}, .975, 2.447},
		{"six independent, 80 %", ensemble{origins: 6, spacing: 1, horizon: 1}, .9, 1.440},
		{"twelve independent", ensemble{origins: 12, spacing: 1, horizon: 1}, .975, 2.179},
	} {
		if got := student(normalQuantile(tc.p), tc.e.independent()); !near(got, tc.t, .05) {
			t.Errorf("%s: %v, want about %v", tc.name, got, tc.t)
		}
	}
}

func TestShortPastsHaveIntervalsOfTheirScale(t *testing.T) {
	normal := math.Sqrt(math.Pi/2) * normalQuantile(.975)
	for _, tc := range []struct {
		name string
		y    []float64
		want float64 // one step ahead
	}{
		{"one point: a hundredth of it", []float64{500}, 5 * normal},
		{"three points: their changes", []float64{10, 30, 10}, 20 * normal},
		{"it never moved", []float64{9, 9, 9, 9}, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e := newEnsemble(newGrid(Input{}, every(day, tc.y...)), 4, false)
			below, above := e.halfWidths(tc.y, 4, .95)
			for k := range 4 {
				want := tc.want * math.Sqrt(float64(k+1))
				if !near(below[k], want, 1e-9) || !near(above[k], want, 1e-9) {
					t.Errorf("step %d: %v below and %v above, want %v", k+1, below[k], above[k], want)
				}
			}
		})
	}
}

// Random walks with drift: what falls within the interval is about its level.
func TestIntervalsHoldTheirShare(t *testing.T) {
	if Slow {
		t.Skip("make test runs it once more without the race detector")
	}
	const series, past, steps = 300, 150, 14
	for _, level := range []float64{.8, .95} {
		r := rand.New(rand.NewPCG(11, 7))
		inside, above := 0, 0
		for range series {
			y := make([]float64, past+steps)
			y[0] = 1e4
			for i := 1; i < len(y); i++ {
				y[i] = y[i-1] + 5 + 20*r.NormFloat64()
			}
			f, err := Compute(Input{Observations: every(day, y[:past]...)}, Options{Steps: steps, Level: level})
			if err != nil {
				t.Fatal(err)
			}
			for k, p := range f.Points {
				switch v := y[past+k]; {
				case v > p.Upper:
					above++
				case v >= p.Lower:
					inside++
				}
			}
		}
		share := float64(inside) / (series * steps)
		if math.Abs(share-level) > .04 {
			t.Errorf("level %v holds %v", level, share)
		}
		if up := float64(above) / (series * steps); math.Abs(up-(1-level)/2) > .04 {
			t.Errorf("level %v: %v lie above, want about %v", level, up, (1-level)/2)
		}
	}
}

func TestAHigherLevelIsWider(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 9))
	y := rising(100, 1, 120)
	for i := range y {
		y[i] += 3 * r.NormFloat64()
	}
	narrow, _ := Compute(Input{Observations: every(day, y...)}, Options{Steps: 30, Level: .5})
	wide, _ := Compute(Input{Observations: every(day, y...)}, Options{Steps: 30, Level: .99})
	for k := range narrow.Points {
		n, w := narrow.Points[k], wide.Points[k]
		if n.Forecast != w.Forecast || w.Lower >= n.Lower || w.Upper <= n.Upper {
			t.Fatalf("step %d: %+v at 50 %%, %+v at 99 %%", k+1, n, w)
		}
		if k > 0 && n.Upper-n.Lower < narrow.Points[k-1].Upper-narrow.Points[k-1].Lower-1e-9 {
			t.Fatalf("step %d is narrower than the one before", k+1)
		}
	}
}

func TestWeightedQuantile(t *testing.T) {
	even := []weighted{{1, 1}, {2, 1}, {3, 1}, {4, 1}}
	for p, want := range map[float64]float64{0: 1, .125: 1, .375: 2, .5: 2.5, .875: 4, 1: 4} {
		if got := weightedQuantile(even, p); !near(got, want, 1e-12) {
			t.Errorf("the %v quantile is %v, want %v", p, got, want)
		}
	}
	if got := weightedQuantile([]weighted{{1, 1}, {2, 8}, {3, 1}}, .5); !near(got, 2, 1e-12) {
		t.Errorf("the heavy one is the median: %v", got)
	}
}

// A series that calms down gets a narrower band than one that wakes up, of the same changes.
func TestRegimeFollowsHowMuchItMoves(t *testing.T) {
	r := rand.New(rand.NewPCG(6, 3))
	series := func(sizeNow float64) []float64 {
		y := make([]float64, 300)
		y[0] = 1e4
		for i := 1; i < len(y); i++ {
			size := 10.
			if i >= 280 {
				size = sizeNow
			}
			y[i] = y[i-1] + size*r.NormFloat64()
		}
		return y
	}
	e := ensemble{origins: 12, spacing: 7, horizon: 14}
	calm, wild, empty := e.regime(series(1)), e.regime(series(50)), e.regime(rising(5, 0, 50))
	if calm >= .9 || calm < math.Pow(.5, calmness)-1e-9 || wild <= 1.1 || wild > math.Pow(2, calmness)+1e-9 || empty != 1 {
		t.Errorf("calm %v, wild %v, constant %v", calm, wild, empty)
	}
}
