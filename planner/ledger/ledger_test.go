package ledger

import (
	"context"
	"errors"
	"iter"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tidemark/tidemark/internal/volume"
	"github.com/tidemark/tidemark/planner"
	"github.com/tidemark/tidemark/planner/backtest"
	"github.com/tidemark/tidemark/planner/forecast"
)

var (
	start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	nan   = math.NaN()
	none  = volume.Predicted{Forecast: nan, Lower: nan, Upper: nan}
)

// daily is n days of use that rises by one from 100, whose capacity is 200.
func daily(n int) []forecast.Observation {
	all := make([]forecast.Observation, n)
	for i := range all {
		all[i] = forecast.Observation{Time: start.Add(time.Duration(i) * day), Used: 100 + float64(i), Capacity: 200}
	}
	return all
}

// outlook is made on a day at six, an hour after its newest reading.
func outlook(on int, p50, p30 float64, ahead ...float64) volume.Published {
	origin := start.Add(time.Duration(on)*day + 5*time.Hour)
	o := volume.Published{
		Made: origin.Add(time.Hour), Origin: origin, Used: 100 + float64(on), Capacity: 200, FullLevel: 1,
		P10Days: p50 - 5, P50Days: p50, P90Days: p50 + 5, Probability7: 0, Probability30: p30, Probability90: 1,
		Ahead: [...]volume.Predicted{none, none, none},
	}
	for i, v := range ahead {
		o.Ahead[i] = volume.Predicted{Forecast: v, Lower: v - 2, Upper: v + 2}
	}
	return o
}

func pastOf(days []forecast.Observation) planner.Past {
	return planner.Past{Series: "h:/srv", Volume: volume.ID{Host: "h", Path: "/srv"}, Resource: volume.Space, Unit: planner.Bytes, Input: forecast.Input{Observations: days}}
}

// It rises to 200 on day 100, which is full. The outlooks say: on day 10 that 30 days on it is 145 (it is 140); on day 70 and 75 that
// it is full 26 and 20 days later (it is after 30 and 25, less five hours); on day 96 what is not due yet.
func TestAccuracyWorkedOutByHand(t *testing.T) {
	said := volume.PublishedSeries{Outlooks: []volume.Published{
		outlook(10, nan, .1, 117, 145, 199), outlook(20, 85, .6, 126, 153), outlook(70, 26, .5, 177), outlook(75, 20, .4, 180), outlook(96, 3, .9, 205), outlook(100, 0, 1, 200),
	}}
	got := accuracyOf(said, pastOf(daily(102)))
	want := Accuracy{
		Series: "h:/srv", Volume: volume.ID{Host: "h", Path: "/srv"}, Resource: volume.Space, Unit: planner.Bytes,
		Outlooks: 6, First: said.Outlooks[0].Made, Last: said.Outlooks[5].Made,
		Ahead: [...]Ahead{
			// 7 days: 117 for 117, 126 for 127, 177 for 177, 180 for 182
			{Days: 7, Judged: 4, Error: .5, NoChange: 7, Bias: -.5, Inside: 4},
			// 30 days: 145 for 140, 153 for 150
			{Days: 30, Judged: 2, Error: 4, NoChange: 30, Bias: 4},
			// 90 days: 199 for 200
			{Days: 90, Judged: 1, Error: 1, NoChange: 90, Bias: -1, Inside: 1},
		},
		// Of the three that are 30 days old, the ones of days 70 and 20 said it: it came for the first alone.
		Alarms: backtest.Alarms{Judged: 3, Already: 1, Happened: 1, Said: 2, Right: 1},
		Dates: []backtest.Dates{
			{Within: 30, Filled: 3, Dated: 3, Ranged: 3, Inside: 3, Median: -3.79166666, Absolute: 3.79166666},
			{Within: 90, Filled: 5, Dated: 4, Ranged: 4, Inside: 3, Median: 0, Absolute: 0},
			{Within: 365, Filled: 5, Dated: 4, Ranged: 4, Inside: 3, Median: 0, Absolute: 0},
		},
	}
	ignore := cmp.FilterPath(func(p cmp.Path) bool { return p.String() == "Dates.Median" || p.String() == "Dates.Absolute" }, cmp.Ignore())
	if diff := cmp.Diff(want, got, cmpopts.EquateNaNs(), cmpopts.IgnoreUnexported(backtest.Alarms{}), ignore); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	// Said − truth: 26 − 29.79, 20 − 24.79, 3 − 3.79.
	const hours = 5. / 24
	if d := got.Dates[0]; math.Abs(d.Median-(-4+hours)) > 1e-9 || math.Abs(d.Absolute-(4-hours)) > 1e-9 {
		t.Errorf("dates %+v, want 4 days less 5 hours early", d)
	}
	if brier := got.Alarms.Brier(); math.Abs(brier-(.01+.36+.25)/3) > 1e-12 {
		t.Errorf("Brier %g", brier)
	}
	if !got.Due() {
		t.Error("nothing is due")
	}
}

func TestWhatIsNotDueIsNotJudged(t *testing.T) {
	for _, tc := range []struct {
		name string
		said volume.Published
		days []forecast.Observation
	}{
		{"tomorrow", outlook(10, 5, .9, 117, 140, 200), daily(11)},
		{"no days at all", outlook(10, 5, .9, 117, 140, 200), nil},
		{"no capacity, none then", func() volume.Published { o := outlook(10, 5, .9); o.Capacity = nan; return o }(), daily(200)[20:]},
		{"it could say nothing", func() volume.Published { o := outlook(10, nan, nan); o.Used = nan; return o }(), daily(60)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := accuracyOf(volume.PublishedSeries{Outlooks: []volume.Published{tc.said}}, pastOf(tc.days))
			if got.Due() || got.Outlooks != 1 {
				t.Errorf("%+v", got)
			}
		})
	}
}

// A perfect forecast's interval has no width, and what was added up in floating point is off by its rounding.
func TestAnIntervalWithoutAWidthHoldsWhatCame(t *testing.T) {
	o := outlook(10, nan, nan)
	for i, off := range []float64{1e-10, 1e-8} {
		o.Ahead[i] = volume.Predicted{Forecast: 100, Lower: (110 + float64(volume.PublishedDays[i])) * (1 + off), Upper: 200}
	}
	got := accuracyOf(volume.PublishedSeries{Outlooks: []volume.Published{o}}, pastOf(daily(60)))
	if got.Ahead[0].Inside != 1 || got.Ahead[1].Inside != 0 {
		t.Errorf("%+v, want the first alone", got.Ahead)
	}
}

func TestAnAlarmIsDueAfterThirtyDays(t *testing.T) {
	for n, want := range map[int]int{40: 0, 41: 1} { // the last is 29 and 30 days after the outlook's day
		got := accuracyOf(volume.PublishedSeries{Outlooks: []volume.Published{outlook(10, 80, .2)}}, pastOf(daily(n)))
		if got.Alarms.Judged != want {
			t.Errorf("%d days: %d judged, want %d", n, got.Alarms.Judged, want)
		}
	}
}

func TestADateIsFollowedForAYear(t *testing.T) {
	for on, want := range map[int]int{365: 1, 366: 0} {
		days := daily(400)
		for i := range days {
			days[i].Used = 50
		}
		days[10+on].Used = 200
		got := accuracyOf(volume.PublishedSeries{Outlooks: []volume.Published{outlook(10, 80, .2)}}, pastOf(days))
		if got.Dates[2].Filled != want {
			t.Errorf("full after %d days: %+v", on, got.Dates[2])
		}
	}
}

// It said so itself, whatever its numbers come to after a round trip.
func TestFullSaysSo(t *testing.T) {
	o := outlook(10, 0, 1)
	o.Reason = string(forecast.ReasonFull)
	if got := accuracyOf(volume.PublishedSeries{Outlooks: []volume.Published{o}}, pastOf(daily(200))); got.Alarms.Already != 1 || got.Alarms.Judged != 0 {
		t.Errorf("%+v", got.Alarms)
	}
}

// A row of an earlier version says no capacity: that of the day counts. A resize after it changes nothing.
func TestResizes(t *testing.T) {
	days := daily(140)
	for i := range days {
		if i > 75 {
			days[i].Capacity = 1e6
		}
	}
	o := outlook(75, 25, .9)
	for _, capacity := range []float64{200, nan} {
		o.Capacity = capacity
		got := accuracyOf(volume.PublishedSeries{Outlooks: []volume.Published{o}}, pastOf(days))
		if got.Alarms.Right != 1 || got.Dates[0].Filled != 1 {
			t.Errorf("capacity %g: %+v", capacity, got)
		}
	}
}

// The peak of the outlook's own day may have been before it.
func TestTheDayItselfDoesNotCount(t *testing.T) {
	days := daily(60)
	days[10].Used = 250
	got := accuracyOf(volume.PublishedSeries{Outlooks: []volume.Published{outlook(10, 5, .9)}}, pastOf(days))
	if got.Alarms.Happened != 0 || got.Dates[2].Filled != 0 {
		t.Errorf("%+v", got)
	}
}

// gap: a day that was not observed judges nothing; the days around it do.
func TestGaps(t *testing.T) {
	days := slices.DeleteFunc(daily(120), func(o forecast.Observation) bool { return o.Used == 117 || o.Used >= 130 && o.Used < 210 })
	got := accuracyOf(volume.PublishedSeries{Outlooks: []volume.Published{outlook(10, 80, .2, 117, 140), outlook(40, 80, .2)}}, pastOf(days))
	if got.Ahead[0].Judged != 0 || got.Alarms.Judged != 1 || got.Alarms.Happened != 0 {
		t.Errorf("%+v, want one alarm judged: of the other's 30 days none was observed", got)
	}
}

// volumes is a history of two hosts' volumes.
type volumes struct{ err error }

func (v volumes) Newest(_ context.Context, _ volume.Selector, _, until time.Time) ([]volume.Sample, error) {
	var all []volume.Sample
	for _, path := range []string{"/a", "/b", "/c"} {
		all = append(all, volume.Sample{ID: volume.ID{Host: "h", Path: path}, Time: until.Add(-time.Hour), Usage: volume.Usage{Total: 10, Used: 5, Free: 5, InodesTotal: 9}})
	}
	return all, v.err
}

func (volumes) Days(context.Context, volume.Selector, time.Time, time.Time) iter.Seq2[volume.DaySeries, error] {
	return func(func(volume.DaySeries, error) bool) {}
}

func (volumes) Lows(context.Context, volume.Selector, time.Time, time.Time) (map[volume.ID]volume.Low, error) {
	return nil, nil
}

func (volumes) Readings(context.Context, volume.ID, time.Time, time.Time) ([]volume.Reading, error) {
	return nil, nil
}

type store struct {
	all   []volume.PublishedSeries
	asked *[2]time.Time // the range
	err   error
}

func (s store) Published(_ context.Context, _ volume.Selector, from, to time.Time) iter.Seq2[volume.PublishedSeries, error] {
	if s.asked != nil {
		*s.asked = [2]time.Time{from, to}
	}
	return func(yield func(volume.PublishedSeries, error) bool) {
		for _, one := range s.all {
			if !yield(one, nil) {
				return
			}
		}
		if s.err != nil {
			yield(volume.PublishedSeries{}, s.err)
		}
	}
}

func TestAccuraciesJoinByVolumeAndResource(t *testing.T) {
	of := func(path string, r volume.Resource) volume.PublishedSeries {
		return volume.PublishedSeries{ID: volume.ID{Host: "h", Path: path}, Resource: r, Outlooks: []volume.Published{outlook(1, 1, 1)}}
	}
	s := store{all: []volume.PublishedSeries{
		{ID: volume.ID{Host: "gone", Path: "/z"}}, of("/a", volume.Inodes), of("/b", volume.Space), of("/bb", volume.Space), of("/c", volume.Space), of("/c", volume.Inodes), of("/d", volume.Space),
	}}
	var got []string
	for a, err := range Accuracies(t.Context(), s, planner.Planner{History: volumes{}}, planner.Query{Now: start.Add(50 * day)}) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, a.Series+" "+string(a.Resource))
	}
	if want := []string{"h:/a inodes", "h:/b space", "h:/c space", "h:/c inodes"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestTwoYearsAreScored(t *testing.T) {
	var asked [2]time.Time
	for range Accuracies(t.Context(), store{asked: &asked}, planner.Planner{History: volumes{}}, planner.Query{Now: start}) {
		t.Error("something was said")
	}
	if !asked[0].Equal(start.AddDate(0, 0, -730)) || !asked[1].After(start) {
		t.Errorf("asked for %v, want two years until now", asked)
	}
}

func TestErrorsEndIt(t *testing.T) {
	broken := errors.New("broken")
	for name, got := range map[string]iter.Seq2[Accuracy, error]{
		"of the history": Accuracies(t.Context(), store{}, planner.Planner{History: volumes{broken}}, planner.Query{Now: start}),
		"of the ledger":  Accuracies(t.Context(), store{err: broken}, planner.Planner{History: volumes{}}, planner.Query{Now: start}),
	} {
		n := 0
		for _, err := range got {
			if n++; !errors.Is(err, broken) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if n != 1 {
			t.Errorf("%s: %d results, want the error", name, n)
		}
	}
}
