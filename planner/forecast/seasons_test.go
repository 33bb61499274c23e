package forecast

import (
	"math"
	"math/rand/v2"
	"testing"
)

func TestDecomposeParts(t *testing.T) {
	short, long := []float64{3, -1, -4, 2}, make([]float64, 12)
	for i := range long {
		long[i] = 10 * math.Sin(2*math.Pi*float64(i)/12*1) // no multiple of the short one's frequencies
	}
	y := rising(50, 2.5, 121) // ends one point into a cycle
	for i := range y {
		y[i] += short[i%4] + long[i%12]
	}
	d := decompose(y, []int{4, 12})
	f := make([]float64, 24)
	d.add(f)
	for k := range f {
		i := len(y) + k
		if want := short[i%4] + long[i%12]; !near(f[k], want, .02) {
			t.Errorf("season %d ahead is %v, want %v", k+1, f[k], want)
		}
	}
	for i, v := range d.rest {
		if want := 50 + 2.5*float64(i); math.Abs(v-want) > .2 {
			t.Fatalf("what is left at %d is %v, want about %v", i, v, want)
		}
	}
}

func TestNewerCyclesWeighMoreInASeason(t *testing.T) {
	y := make([]float64, 70)
	for i := range y {
		if i%7 == 0 {
			y[i] = 10
			if i >= 35 {
				y[i] = 20
			}
		}
	}
	season := decompose(y, []int{7}).seasons[0]
	if peak := season[0]; peak < 13.5 || peak > 17 { // the mean of all would be 12.9: 15 less the season's own mean
		t.Errorf("the peak is %v", peak)
	}
}

func TestMovingMean(t *testing.T) {
	for _, p := range []int{2, 3, 6, 7} {
		y := rising(5, 2, 20)
		out := make([]float64, len(y))
		movingMean(out, y, p)
		sameValues(t, out, y) // of a line it is the line, to both ends
	}
	out := make([]float64, 6)
	movingMean(out, []float64{1, 5, 3, 1, 5, 3}, 3)
	sameValues(t, out, []float64{3, 3, 3, 3, 3, 3})
	movingMean(out, []float64{0, 4, 0, 4, 0, 4}, 2)
	sameValues(t, out, []float64{2, 2, 2, 2, 2, 2})
}

func TestSamePhase(t *testing.T) {
	y := []float64{1, 2, 3, 5, 6, 7}
	sameValues(t, samePhase(y, 5, 3, 1), []float64{5, 6, 7, 5, 6})
	sameValues(t, samePhase(y, 3, 3, 2), []float64{3, 4, 5})
	sameValues(t, samePhase(y, 3, 3, 9), []float64{3, 4, 5}) // there are but two
}

func TestLogsAreKeptWithinReason(t *testing.T) {
	if _, ok := logsOf([]float64{1, 0}); ok {
		t.Error("nought has a logarithm")
	}
	logs, _ := logsOf([]float64{1, math.E})
	sameValues(t, fromLogs([]float64{2, 1e9, -1e9}, logs[1]), []float64{math.Exp(2), math.Exp(8), math.Exp(-6)})
}

// An autoregression finds the process that made the series.
func TestBurgFindsTheProcess(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 8))
	d := make([]float64, 4000)
	for i := 2; i < len(d); i++ {
		d[i] = .6*d[i-1] - .3*d[i-2] + r.NormFloat64()
	}
	a := burg(d, 12)
	if len(a) < 2 || math.Abs(a[0]-.6) > .05 || math.Abs(a[1]+.3) > .05 {
		t.Errorf("coefficients %v, want .6 and -.3", a)
	}
	noise := make([]float64, 4000)
	for i := range noise {
		noise[i] = r.NormFloat64()
	}
	if a := burg(noise, 12); len(a) > 4 {
		t.Errorf("noise has order %d", len(a))
	}
	if a := burg(make([]float64, 50), 12); len(a) != 0 {
		t.Errorf("nothing has coefficients %v", a)
	}
}

func TestAutoregressionGoesOn(t *testing.T) {
	sameValues(t, autoregression(rising(0, 3, 40), 3, 1, 12), []float64{120, 123, 126})
	y := make([]float64, 70)
	for i := range y {
		y[i] = float64(i % 7)
	}
	sameValues(t, autoregression(y, 9, 7, 12), []float64{0, 1, 2, 3, 4, 5, 6, 0, 1})
	zigzag := make([]float64, 200) // changes are 1, −1, …: the next is known
	for i := range zigzag {
		zigzag[i] = float64(i % 2)
	}
	for k, v := range autoregression(zigzag, 6, 1, 12) {
		if want := float64(k % 2); math.Abs(v-want) > .05 {
			t.Errorf("%d ahead: %v, want about %v", k+1, v, want)
		}
	}
}
