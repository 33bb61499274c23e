package forecast_test

import (
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/tidemark/tidemark/internal/volumetest"
	"github.com/tidemark/tidemark/planner/forecast"
)

const (
	day  = 24 * time.Hour
	slow = forecast.Slow
)

const (
	guardVolumes = 40  // of each kind
	guardFutures = 60  // of each volume
	guardDays    = 400 // of the futures of a volume with a date
)

// score is how the forecasts of one kind's volumes did against their futures.
type score struct {
	volumes  int
	errors   [3]float64 // mean absolute error 7, 30 and 90 days ahead, over the volume's unit
	noChange [3]float64
	inside   float64 // share of futures within the interval, over the three horizons
	dated    int     // volumes with a date, or without one because it is beyond the horizon
	below    float64 // share of their futures that are full by P50
	between  float64 // and from P10 to P90
	brier    float64 // of P(full within 7, 30 and 90 days)
	base     float64 // of the kind's own share in their place: a forecast that cannot tell its volumes apart
	reasons  map[forecast.Reason]int
}

var horizons = [3]int{7, 30, 90}

// scoreOf forecasts volumes of a kind and counts what their futures do.
func scoreOf(t *testing.T, kind volumetest.Kind) score {
	s := score{volumes: guardVolumes, reasons: map[forecast.Reason]int{}}
	var stated, truth [3][]float64 // probabilities by volume
	for seed := range uint64(guardVolumes) {
		v := volumetest.New(kind, seed)
		f, err := forecast.Compute(inputOf(v), forecast.Options{Steps: 90, Horizon: guardDays * day, Seed: seed})
		if err != nil {
			t.Fatalf("%s %d: %v", kind, seed, err)
		}
		s.reasons[f.TimeToFull.Reason]++
		dated := f.TimeToFull.Reason == "" || f.TimeToFull.Reason == forecast.ReasonBeyondHorizon
		days := horizons[2]
		if dated {
			days = guardDays
		}
		var share [3]float64
		var by50, spread float64
		for i := range uint64(guardFutures) {
			future := v.Future(i, days)
			s.add(f, v, future)
			full := v.FullIn(future)
			if full == 0 {
				full = math.MaxInt
			}
			for h, days := range horizons {
				if full <= days {
					share[h] += 1. / guardFutures
				}
			}
			by50 += indicator(full <= daysTo(f, f.TimeToFull.P50)) / guardFutures
			spread += indicator(full > daysTo(f, f.TimeToFull.P10)-1 && full <= daysTo(f, f.TimeToFull.P90)) / guardFutures
		}
		for h, p := range []float64{f.TimeToFull.Probability7, f.TimeToFull.Probability30, f.TimeToFull.Probability90} {
			stated[h], truth[h] = append(stated[h], p), append(truth[h], share[h])
		}
		if dated {
			s.dated++
			s.below += by50
			s.between += spread
		}
	}
	s.below, s.between = s.below/float64(s.dated), s.between/float64(s.dated)
	s.inside /= 3 * guardVolumes * guardFutures
	for h := range horizons {
		s.brier += brier(stated[h], truth[h]) / 3
		rate := constant(mean(truth[h]), len(truth[h]))
		s.base += brier(rate, truth[h]) / 3
	}
	return s
}

// add counts the errors of one future.
func (s *score) add(f forecast.Forecast, v volumetest.Volume, future []float64) {
	last := v.Used[len(v.Used)-1]
	for h, days := range horizons {
		p, came := f.Points[days-1], min(future[days-1], v.Full())
		s.errors[h] += math.Abs(p.Forecast-came) / v.Unit() / guardVolumes / guardFutures
		s.noChange[h] += math.Abs(last-came) / v.Unit() / guardVolumes / guardFutures
		s.inside += indicator(p.Lower <= came && came <= p.Upper)
	}
}

// daysTo is how many days after the origin a date lies; beyond every future where there is none.
func daysTo(f forecast.Forecast, date time.Time) int {
	if date.IsZero() {
		return guardDays
	}
	return int(math.Ceil(date.Sub(f.Origin).Hours() / 24))
}

// brier is the mean squared error of stated probabilities, where an outcome comes as often as truth says.
func brier(stated, truth []float64) float64 {
	sum := 0.
	for i, p := range stated {
		sum += (truth[i]*(1-p)*(1-p) + (1-truth[i])*p*p) / float64(len(stated))
	}
	return sum
}

func constant(v float64, n int) []float64 {
	all := make([]float64, n)
	for i := range all {
		all[i] = v
	}
	return all
}

func mean(v []float64) float64 {
	sum := 0.
	for _, x := range v {
		sum += x / float64(len(v))
	}
	return sum
}

func indicator(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func inputOf(v volumetest.Volume) forecast.Input {
	in := forecast.Input{Step: day}
	for i, at := range v.Times {
		in.Observations = append(in.Observations, forecast.Observation{Time: at, Used: v.Used[i], Capacity: v.Capacity[i]})
	}
	return in
}

// scores are those of all kinds.
func scores(t *testing.T) map[volumetest.Kind]score {
	all := map[volumetest.Kind]score{}
	var mu sync.Mutex
	t.Run("kinds", func(t *testing.T) {
		for _, kind := range volumetest.Kinds() {
			t.Run(string(kind), func(t *testing.T) {
				t.Parallel()
				s := scoreOf(t, kind)
				mu.Lock()
				defer mu.Unlock()
				all[kind] = s
			})
		}
	})
	return all
}

// limits are what a kind's forecasts must keep. They stand a little beyond what was reached when they were set, so that a
// regression fails; whoever makes the forecasts better narrows them. What a good forecast would reach: dates that half of the
// futures (.35 to .65) come before and that hold .65 to .95 of them, a Brier score below the base rate's.
type limits struct {
	relative       [3]float64 // most error over that of no change, 7, 30 and 90 days ahead
	below, between [2]float64 // least and most, of futures; zero: the kind has no dates
	brier          float64    // most, over the base rate's; 0: neither is counted
	reason         forecast.Reason
	share          float64 // least, of volumes with that reason
}

func guard() map[volumetest.Kind]limits {
	return map[volumetest.Kind]limits{
		volumetest.Steady:       {[3]float64{.28, .16, .12}, [2]float64{.35, .75}, [2]float64{.6, .95}, .35, "", 1},
		volumetest.Week:         {[3]float64{.24, .14, .08}, [2]float64{.35, .65}, [2]float64{.65, .95}, .15, "", 1},
		volumetest.Accelerating: {[3]float64{.26, .24, .28}, [2]float64{.35, 1}, [2]float64{.05, .95}, .5, "", 1}, // its dates are late all the same
		volumetest.Logs:         {[3]float64{.2, .2, .3}, [2]float64{}, [2]float64{}, 0, forecast.ReasonSawtooth, 1},
		volumetest.Collected:    {[3]float64{.8, .95, .97}, [2]float64{}, [2]float64{}, 0, forecast.ReasonSawtooth, 1},
		volumetest.Backups:      {[3]float64{1.08, .3, .3}, [2]float64{}, [2]float64{}, 0, forecast.ReasonSawtooth, 1},
		volumetest.Cleanups:     {[3]float64{.75, .75, .66}, [2]float64{.35, .7}, [2]float64{.7, .95}, .95, "", .95},
		volumetest.Copies:       {[3]float64{1, .78, .42}, [2]float64{.35, .65}, [2]float64{.65, .95}, 1.1, "", 1},
		volumetest.Migration:    {[3]float64{.54, .48, .47}, [2]float64{.35, 1}, [2]float64{.65, 1}, .6, "", .8}, // the fall is drawn again
		volumetest.Resize:       {[3]float64{.28, .17, .12}, [2]float64{.35, .75}, [2]float64{.6, .95}, .35, "", 1},
		volumetest.Load:         {[3]float64{.15, .15, .2}, [2]float64{.35, .85}, [2]float64{.4, .95}, .35, "", .9},
		volumetest.Shrinking:    {[3]float64{.3, .18, .14}, [2]float64{}, [2]float64{}, 0, forecast.ReasonShrinking, .9},
		volumetest.Idle:         {[3]float64{1, 1, 1}, [2]float64{}, [2]float64{}, 0, forecast.ReasonIdle, 1},
		volumetest.Gaps:         {[3]float64{.27, .16, .11}, [2]float64{.35, .68}, [2]float64{.65, .95}, .3, "", 1},
		volumetest.Short:        {[3]float64{1, 1, 1}, [2]float64{}, [2]float64{}, 0, forecast.ReasonNewVolume, 1},
		volumetest.Jumpy:        {[3]float64{1.05, 1.02, .95}, [2]float64{.35, .7}, [2]float64{.6, .95}, 1.15, "", .9},
		volumetest.Full:         {[3]float64{}, [2]float64{}, [2]float64{}, 0, forecast.ReasonFull, 1},
	}
}

// deterministic are the kinds that say little of an interval: the same comes again, or nothing at all.
func deterministic(kind volumetest.Kind) bool {
	switch kind {
	case volumetest.Idle, volumetest.Full, volumetest.Logs, volumetest.Backups:
		return true
	}
	return false
}

func TestForecastsOfVolumesWhoseFutureIsKnown(t *testing.T) {
	if slow {
		t.Skip("make test runs it once more without the race detector")
	}
	all := scores(t)
	if t.Failed() {
		return
	}
	t.Log("\n" + table(all))
	inside, stochastic := 0., 0.
	for _, kind := range volumetest.Kinds() {
		s := all[kind]
		s.check(t, kind, guard()[kind])
		if !deterministic(kind) {
			inside += s.inside
			stochastic++
		}
	}
	if c := inside / stochastic; c < .88 || c > .99 {
		t.Errorf("intervals of 95 %% hold %.3f of the futures", c)
	}
}

// check holds a score against its limits.
func (s score) check(t *testing.T, kind volumetest.Kind, l limits) {
	t.Helper()
	for h, days := range horizons {
		if got := s.errors[h] / s.noChange[h]; l.relative[h] > 0 && !(got <= l.relative[h]) {
			t.Errorf("%s: %.2f of the error of no change in %d days, want %.2f at most", kind, got, days, l.relative[h])
		}
	}
	if n := s.reasons[l.reason]; float64(n) < l.share*float64(s.volumes) {
		t.Errorf("%s: reason %q of %d volumes in %d, want %.0f %%: %v", kind, l.reason, n, s.volumes, l.share*100, s.reasons)
	}
	if l.brier > 0 && !(s.brier <= l.brier*s.base) {
		t.Errorf("%s: Brier score %.4f, want %.2f of the base rate's %.4f at most", kind, s.brier, l.brier, s.base)
	}
	if l.below[1] == 0 {
		return
	}
	if !(l.below[0] <= s.below && s.below <= l.below[1]) {
		t.Errorf("%s: %.2f of the futures are full by P50, want %.2f to %.2f", kind, s.below, l.below[0], l.below[1])
	}
	if !(l.between[0] <= s.between && s.between <= l.between[1]) {
		t.Errorf("%s: %.2f of the futures fill from P10 to P90, want %.2f to %.2f", kind, s.between, l.between[0], l.between[1])
	}
}

// table is what was measured, for whoever narrows the limits.
func table(all map[volumetest.Kind]score) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 2, 8, 1, ' ', 0)
	fmt.Fprintln(w, "kind\t7 d\t30 d\t90 d\tinside\tdated\tbelow\tbetween\tBrier\tbase\treasons")
	for _, k := range volumetest.Kinds() {
		s := all[k]
		fmt.Fprintf(w, "%s\t%.2f\t%.2f\t%.2f\t%.3f\t%d\t%.2f\t%.2f\t%.3f\t%.3f\t%v\n", k, s.errors[0]/s.noChange[0], s.errors[1]/s.noChange[1],
			s.errors[2]/s.noChange[2], s.inside, s.dated, s.below, s.between, s.brier, s.base, s.reasons)
	}
	w.Flush()
	return b.String()
}
