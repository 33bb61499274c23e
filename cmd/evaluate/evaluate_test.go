package main

import (
	"compress/gzip"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tidemark/tidemark/planner/csvinput"
	"github.com/tidemark/tidemark/planner/forecast"
)

var (
	start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	nan   = math.NaN()
)

func near(a, b float64) bool {
	return math.Abs(a-b) <= 1e-9*max(1, math.Abs(b)) || math.IsNaN(a) && math.IsNaN(b)
}

func observations(values ...float64) []forecast.Observation {
	all := make([]forecast.Observation, len(values))
	for i, v := range values {
		all[i] = forecast.Observation{Time: start.Add(time.Duration(i) * day), Used: v, Capacity: nan}
	}
	return all
}

// A constant is forecast as itself: every error is that of what came, 12 and 8 for 10, over a typical change of 1.
func TestScoreWorkedOutByHand(t *testing.T) {
	past := make([]float64, 40)
	for i := range past {
		past[i] = 10
	}
	past[0], past[1] = 49, 10 // 39 in 39 changes
	got, err := competition{horizon: 2, season: 1}.score(observations(past...), observations(12, 8))
	if err != nil {
		t.Fatal(err)
	}
	smape := (200*2./22 + 200*2./18) / 2
	for _, tc := range []struct {
		name      string
		got, want float64
	}{
		{"MSIS of a random walk", got.walkMSIS, 1.959964 * math.Sqrt(39) * (1 + math.Sqrt2)}, // its one change of 39 is all there is
		{"sMAPE of Naive2", got.naiveSMAPE, smape}, {"MASE of Naive2", got.naiveMASE, 2},
	} {
		if !near(tc.got, tc.want) {
			t.Errorf("%s: %v, want %v", tc.name, tc.got, tc.want)
		}
	}
	flat, err := competition{horizon: 2, season: 1}.score(observations(past[1:]...), observations(10, 10))
	if err != nil || flat.smape != 0 || flat.naiveSMAPE != 0 || !near(flat.covered, 1) {
		t.Errorf("a constant that stays: %+v, %v", flat, err)
	}
}

// From one cycle to the next it changes by 2, from one value to the next by much more.
func TestErrorsAreInChangesOfASeason(t *testing.T) {
	var values []float64
	for i := range 40 {
		values = append(values, []float64{50, 100, 150, 100}[i%4]+2*float64(i/4))
	}
	got, err := competition{horizon: 1, season: 4}.score(observations(values...), observations(1000))
	if err != nil {
		t.Fatal(err)
	}
	if want := (1000 - naive2(values, 4, 1)[0]) / 2; !near(got.naiveMASE, want) {
		t.Errorf("MASE of Naive2 %v, want %v", got.naiveMASE, want)
	}
}

// Interval and error are held against what the forecast itself says.
func TestScoreOfTheForecast(t *testing.T) {
	var values []float64
	for i := range 60 {
		values = append(values, 100+float64(i)+3*math.Sin(float64(i*i)))
	}
	past, rest := observations(values...), observations(1000, 162)
	f, err := forecast.Compute(forecast.Input{Observations: past}, forecast.Options{Steps: 2, Level: .95})
	if err != nil {
		t.Fatal(err)
	}
	scale := meanChange(values)
	p, q := f.Points[0], f.Points[1]
	if q.Lower > 162 || q.Upper < 162 {
		t.Fatalf("%+v is no test", q)
	}
	got, err := competition{horizon: 2, season: 1}.score(past, rest)
	if err != nil {
		t.Fatal(err)
	}
	if want := (math.Abs(1000-p.Forecast) + math.Abs(162-q.Forecast)) / scale / 2; !near(got.mase, want) {
		t.Errorf("MASE %v, want %v", got.mase, want)
	}
	if want := (200*(1000-p.Forecast)/(1000+p.Forecast) + 200*math.Abs(162-q.Forecast)/(162+q.Forecast)) / 2; !near(got.smape, want) {
		t.Errorf("sMAPE %v, want %v", got.smape, want)
	}
	if want := (p.Upper - p.Lower + 40*(1000-p.Upper) + q.Upper - q.Lower) / scale / 2; !near(got.msis, want) {
		t.Errorf("MSIS %v, want %v", got.msis, want)
	}
	if got.covered != .5 {
		t.Errorf("coverage %v, want one of two", got.covered)
	}
}

func TestNaive2(t *testing.T) {
	var values []float64
	for i := range 40 {
		values = append(values, []float64{50, 100, 150, 100}[i%4])
	}
	if !seasonal(values, 4) {
		t.Fatal("no season is seen")
	}
	if seasonal(values[:11], 4) {
		t.Error("a season is seen in less than three of them")
	}
	for i, want := range []float64{.5, 1, 1.5, 1} {
		if got := seasonFactors(values, 4)[i]; !near(got, want) {
			t.Errorf("factor %d: %v, want %v", i, got, want)
		}
	}
	got := naive2(values[:38], 4, 5) // the next are the third and the fourth of a season
	for k, want := range []float64{150, 100, 50, 100, 150} {
		if !near(got[k], want) {
			t.Errorf("step %d: %v, want %v", k+1, got[k], want)
		}
	}
	if got := naive2([]float64{3, 1, 2}, 1, 2); got[0] != 2 || got[1] != 2 {
		t.Errorf("without a season: %v, want the last value", got)
	}
}

func TestMeanChangeSpreadsGaps(t *testing.T) {
	for _, tc := range []struct {
		name string
		days []float64
		want float64
	}{
		{"each day", []float64{1, 3, 2}, 1.5},
		{"a gap", []float64{nan, 1, nan, 5, 6}, 5. / 3},
		{"a point", []float64{nan, 1}, nan},
	} {
		if got := meanChange(tc.days); !near(got, tc.want) {
			t.Errorf("%s: %v, want %v", tc.name, got, tc.want)
		}
	}
}

// It rises by one a day and stands at 100: in thirty days it is at 130.
func TestLineFills(t *testing.T) {
	var days []float64
	for i := range 130 {
		days = append(days, float64(i-29))
	}
	days[90], days[110] = -1e6, nan // before the last thirty, and a gap
	if !lineFills(days, 130-1e-6) || lineFills(days, 130+1e-6) {
		t.Error("it does not stand at 130 in thirty days")
	}
}

func TestAlarmScores(t *testing.T) {
	volumes := []judged{
		{alarms: []alarm{{p: .8, filled: true}, {p: .3}}},
		{alarms: []alarm{{p: .3, filled: true, line: true}, {p: .1}}},
	}
	own := func(a alarm) float64 { return a.p }
	if got, want := brier(volumes, own), (.04+.09+.49+.01)/4; !near(got, want) {
		t.Errorf("Brier %v, want %v", got, want)
	}
	if got := baseRate(volumes); got != .5 {
		t.Errorf("base rate %v", got)
	}
	if got := auc(volumes); got != 3.5/4 { // the second is right of one, and level with the other
		t.Errorf("AUC %v, want 3.5 of 4 pairs", got)
	}
}

func TestBootstrap(t *testing.T) {
	values := []float64{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}
	mean := func(pick []int) float64 {
		sum := 0.
		for _, i := range pick {
			sum += values[i] / float64(len(pick))
		}
		return sum
	}
	// The mean's deviation is sqrt(8.25/10), of which 1.96 lie to each side.
	low, high := bootstrap(len(values), mean)
	if math.Abs(low-(4.5-1.78)) > .2 || math.Abs(high-(4.5+1.78)) > .2 {
		t.Errorf("%v to %v, want about 2.72 to 6.28", low, high)
	}
	// Of half the draws nothing can be told: they move neither end.
	n := 0
	odd := func(pick []int) float64 {
		if n++; n%2 == 0 {
			return math.Inf(1 - n%4)
		}
		return mean(pick)
	}
	if l, h := bootstrap(len(values), odd); math.Abs(l-low) > .3 || math.Abs(h-high) > .3 {
		t.Errorf("%v to %v, want about %v to %v", l, h, low, high)
	}
	if l, h := bootstrap(3, func([]int) float64 { return nan }); !math.IsNaN(l) || !math.IsNaN(h) {
		t.Errorf("%v to %v of nothing", l, h)
	}
}

// What comes after an origin is no part of what is said there.
func TestOriginsSeeTheirPastAlone(t *testing.T) {
	series := func(after float64) csvinput.Series {
		var b strings.Builder
		b.WriteString("series,time,used,capacity\n")
		for i := range 240 {
			v := 100 + float64(i) + 5*math.Sin(float64(i*i))
			if i > 140 {
				v = after
			}
			fmt.Fprintf(&b, "s,%s,%g,400\n", start.AddDate(0, 0, i).Format(time.DateOnly), v)
		}
		f, err := csvinput.Read("f.csv", strings.NewReader(b.String()))
		if err != nil {
			t.Fatal(err)
		}
		return f.Series[0]
	}
	at := func(after float64) judged {
		s := series(after)
		j, err := judge(s, daily(s), 140)
		if err != nil {
			t.Fatal(err)
		}
		return j
	}
	low, high := at(240), at(399)
	if len(low.alarms) != 1 || len(high.alarms) != 1 {
		t.Fatalf("alarms %v and %v", low.alarms, high.alarms)
	}
	a, b := low.alarms[0], high.alarms[0]
	if a.p != b.p || a.line != b.line || a.filled || !b.filled {
		t.Errorf("%+v and %+v, want the same said and another outcome", a, b)
	}
	if low.n != [3]float64{1, 1, 1} || !(low.err[1] < high.err[1]) {
		t.Errorf("errors %v and %v", low.err, high.err)
	}
}

// The thirtieth day counts, and the origin's own does not.
func TestAnAlarmIsOfTheNextThirtyDays(t *testing.T) {
	for on, want := range map[int]bool{140: false, 141: true, 170: true, 171: false} {
		var b strings.Builder
		b.WriteString("series,time,used,capacity\n")
		for i := range 200 {
			v := 100 + float64(i%3)
			if i == on && i > 140 {
				v = 390
			}
			fmt.Fprintf(&b, "s,%s,%g,400\n", start.AddDate(0, 0, i).Format(time.DateOnly), v)
		}
		f, err := csvinput.Read("f.csv", strings.NewReader(b.String()))
		if err != nil {
			t.Fatal(err)
		}
		j, err := judge(f.Series[0], daily(f.Series[0]), 140)
		if err != nil || len(j.alarms) != 1 || j.alarms[0].filled != want {
			t.Errorf("it fills on day %d: %+v, %v; want %v", on-140, j.alarms, err, want)
		}
	}
}

func TestEvaluateADirectory(t *testing.T) {
	dir := t.TempDir()
	var b strings.Builder
	b.WriteString("series,time,used,capacity\n")
	for _, name := range []string{"a", "b"} {
		for i := range 230 {
			fmt.Fprintf(&b, "%s,%s,%g,400\n", name, start.AddDate(0, 0, i).Format(time.DateOnly), 100+float64(i)+5*math.Sin(float64(i*i)))
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "disks-dev.csv"), []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := evaluate(&out, dir, "disks", 0, 1, true); err != nil || !strings.Contains(out.String(), "Disks: 2 volumes, 32 origins") {
		t.Errorf("%s, %v", out.String(), err)
	}
	if strings.Contains(out.String(), "Inf") {
		t.Errorf("an interval without an end:\n%s", out.String())
	}
	var weekly strings.Builder
	z := gzip.NewWriter(&weekly)
	fmt.Fprintln(z, "series,time,used")
	for i := range 60 { // the last thirteen are held out, each the one before plus one
		fmt.Fprintf(z, "W1,%s,%d\n", start.AddDate(0, 0, 7*i).Format(time.DateOnly), 100+i)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "m4-weekly-train.csv.gz"), []byte(weekly.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	out.Reset()
	if err := evaluate(&out, dir, "weekly", 0, 1, false); err != nil || !strings.Contains(out.String(), "MASE 0.000 (Naive2 7.000)") {
		t.Errorf("%s, %v", out.String(), err)
	}
	if err := evaluate(io.Discard, dir, "weekly", 5, 1, false); err == nil || !strings.Contains(err.Error(), "too few") {
		t.Errorf("%v", err)
	}
	if err := evaluate(io.Discard, dir, "yearly", 0, 1, false); err == nil || !strings.Contains(err.Error(), "weekly, hourly, disks") {
		t.Errorf("%v", err)
	}
	if err := evaluate(io.Discard, dir, "hourly", 0, 1, false); err == nil {
		t.Error("a file that is not there is no error")
	}
}
