package forecast_test

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tidemark/tidemark/internal/volumetest"
	"github.com/tidemark/tidemark/planner/forecast"
)

var firstDay = time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)

// newestDays is what a volume would know if it were so many days old.
func newestDays(v volumetest.Volume, days int) []forecast.Observation {
	var all []forecast.Observation
	for i := max(0, len(v.Times)-days); i < len(v.Times); i++ {
		all = append(all, forecast.Observation{v.Times[i], v.Used[i], v.Capacity[i]})
	}
	return all
}

// lentBy pools volumes of a kind.
func lentBy(t *testing.T, kind volumetest.Kind) *forecast.Growth {
	t.Helper()
	var paces []forecast.Pace
	for seed := range uint64(30) {
		if p, ok := forecast.PaceOf(forecast.Input{Observations: newestDays(volumetest.New(kind, 1000+seed), math.MaxInt)}); ok {
			paces = append(paces, p)
		}
	}
	g, ok := forecast.Pool(paces)
	if !ok {
		t.Fatalf("%d paces make no pool", len(paces))
	}
	return &g
}

// The error at 30 days of volumes that are cut short, with and without the growth of others of their kind.
func TestLikeVolumesMakeShortPastsBetter(t *testing.T) {
	seeds := uint64(12)
	if slow {
		seeds = 2 // too few to hold a limit: make test runs it once more without the race detector
	}
	for kind, most := range map[volumetest.Kind]map[int]float64{ // of the error that stands alone
		volumetest.Steady:    {1: .4, 3: .4, 7: .65, 20: .8, 40: .95},
		volumetest.Week:      {1: .45, 7: .75, 20: .95},
		volumetest.Copies:    {3: .75, 20: .9},
		volumetest.Shrinking: {3: .7, 20: 1},
		volumetest.Logs:      {3: 1.05, 20: .6},
	} {
		prior := lentBy(t, kind)
		for days, most := range most {
			alone, pooled, held, all := 0., 0., 0., 0.
			for seed := range seeds {
				v := volumetest.New(kind, seed)
				at30 := func(in forecast.Input) forecast.Point {
					f, err := forecast.Compute(in, forecast.Options{Steps: 30})
					if err != nil {
						t.Fatal(err)
					}
					return f.Points[29]
				}
				in := forecast.Input{Observations: newestDays(v, days)}
				a := at30(in)
				in.Prior = prior
				p := at30(in)
				for future := range uint64(5) {
					y := min(v.Full(), v.Future(future, 30)[29])
					alone += math.Abs(a.Forecast-y) / v.Full()
					pooled += math.Abs(p.Forecast-y) / v.Full()
					all++
					if p.Lower <= y && y <= p.Upper {
						held++
					}
				}
			}
			if slow {
				continue
			}
			if pooled > most*alone {
				t.Errorf("%s of %d days: an error of %.4f with like volumes and %.4f alone, %.2f of it; want %.2f at most", kind, days, pooled/all, alone/all, pooled/alone, most)
			}
			if held < .75*all {
				t.Errorf("%s of %d days: the interval of 95 %% held %.0f %%", kind, days, 100*held/all)
			}
		}
	}
}

func TestPoolIsRobustAndKnowsWhatIsNoise(t *testing.T) {
	paces := []forecast.Pace{{.001, .002, 84}, {.0012, .002, 84}, {.0008, .002, 84}, {.001, .002, 84}, {9, 50, 84}}
	g, ok := forecast.Pool(paces)
	if !ok || g.PerDay != .001 || g.Within != .002 {
		t.Errorf("%+v, %v; want the medians, whatever one volume does", g, ok)
	}
	if want := .002 / math.Sqrt(90); math.Abs(g.Between-want) > 1e-12 { // what they differ by is what each is uncertain by
		t.Errorf("they differ by %v, want the least, %v", g.Between, want)
	}
	for i := range paces {
		paces[i].Deviation = 1e-6
	}
	if g, _ := forecast.Pool(paces); math.Abs(g.Between-1.4826*.0002) > 1e-7 {
		t.Errorf("without noise they differ by %v, want 1.4826 × the median deviation", g.Between)
	}
	if g, ok := forecast.Pool(paces[:4]); ok {
		t.Errorf("four volumes make a pool: %+v", g)
	}
}

func TestPaceOf(t *testing.T) {
	days := func(n int, used func(i int) float64, capacity float64) forecast.Input {
		var in forecast.Input
		for i := range n {
			in.Observations = append(in.Observations, forecast.Observation{firstDay.AddDate(0, 0, i), used(i), capacity})
		}
		return in
	}
	week := []float64{0, 5, 9, 3, -4, -8, -2}
	line := func(i int) float64 { return 500 + float64(i) + week[i%7] }
	p, ok := forecast.PaceOf(days(200, line, 1000))
	if !ok || math.Abs(p.PerDay-.001) > 1e-12 || p.Deviation > 1e-12 || p.Days != 84 {
		t.Errorf("%+v, %v; want a thousandth a day without noise, a week's season being none", p, ok)
	}
	late := func(i int) float64 { return 500 + max(0, float64(i-110)) }
	if p, _ := forecast.PaceOf(days(201, late, 1000)); math.Abs(p.PerDay-.001) > 1e-12 { // 12 weeks before its last day it had begun
		t.Errorf("%+v, want the growth of the last 90 days alone", p)
	}
	gap := func(i int) float64 {
		if i > 100 && i < 130 {
			return math.NaN()
		}
		return line(i)
	}
	if p, ok := forecast.PaceOf(days(190, gap, 1000)); !ok || math.Abs(p.PerDay-.001) > 1e-12 || p.Deviation > 1e-12 {
		t.Errorf("with a gap %+v, %v", p, ok)
	}
	for name, in := range map[string]forecast.Input{
		"a short past": days(56, line, 1000), "no capacity": days(200, line, math.NaN()), "nothing": {},
	} {
		if p, ok := forecast.PaceOf(in); ok {
			t.Errorf("%s lends %+v", name, p)
		}
	}
	if _, ok := forecast.PaceOf(days(57, line, 1000)); !ok {
		t.Error("eight weeks lend nothing")
	}
}

// What does not lean on like volumes is as if there were none.
func TestPriorChangesShortPastsOnly(t *testing.T) {
	prior := &forecast.Growth{PerDay: .01, Between: .002, Within: .004} // k is four days
	steady := newestDays(volumetest.New(volumetest.Steady, 3), 60)
	bare := newestDays(volumetest.New(volumetest.Steady, 3), 20)
	still := newestDays(volumetest.New(volumetest.Steady, 3), 20)
	for i := range bare {
		bare[i].Capacity = math.NaN()
		still[i].Used = 1e9
	}
	compute := func(all []forecast.Observation, g *forecast.Growth) forecast.Forecast {
		f, err := forecast.Compute(forecast.Input{Observations: all, Prior: g}, forecast.Options{Steps: 5})
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	for name, all := range map[string][]forecast.Observation{"eight weeks": steady[len(steady)-57:], "no capacity": bare, "constant": still} {
		if diff := cmp.Diff(compute(all, nil), compute(all, prior), cmpopts.EquateNaNs()); diff != "" {
			t.Errorf("%s (-alone +with a prior):\n%s", name, diff)
		}
	}
	for name, g := range map[string]forecast.Growth{"NaN": {PerDay: math.NaN()}, "infinite": {PerDay: .1, Between: math.Inf(1)}} {
		if f := compute(steady[50:], &g); f.Method == "pooled" {
			t.Errorf("a prior that is %s counts", name)
		}
	}
	own := func(days int) float64 {
		f := compute(steady[len(steady)-days-1:], prior)
		if f.Method != "pooled" || f.Reason != forecast.ReasonLike || f.Backtest.Origins != 0 || !math.IsNaN(f.Backtest.MASE) {
			t.Errorf("%d days: %s, %s, %+v", days, f.Method, f.Reason, f.Backtest)
		}
		sum, like := 0., 0.
		for _, w := range f.Weights {
			if sum += w.Share; w.Model == "like_volumes" {
				like = w.Share
			}
		}
		if math.Abs(sum-1) > 1e-9 {
			t.Errorf("%d days: the shares sum to %v", days, sum)
		}
		return 1 - like
	}
	for days, want := range map[int]float64{0: 0, 4: .5, 12: .75, 55: 55. / 59} {
		if got := own(days); math.Abs(got-want) > 1e-9 {
			t.Errorf("the own past of %d days counts %v, want n/(n+4) = %v", days, got, want)
		}
	}
	lone := compute(steady[59:], prior)
	if want := steady[59].Used + .05*steady[59].Capacity; math.Abs(lone.Points[4].Forecast-want) > 1e-6*want && want < steady[59].Capacity {
		t.Errorf("one point: %v in five days, want %v", lone.Points[4].Forecast, want)
	}
	if r := compute(steady[57:], prior).TimeToFull.Reason; r != forecast.ReasonNewVolume {
		t.Errorf("three days have a date or another reason: %q", r)
	}
}
