package backtest

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func alarms(all ...struct {
	p          float64
	line, came bool
},
) (a Alarms) {
	for _, one := range all {
		a.Add(one.p, one.line, one.came)
	}
	return a
}

type warned = struct {
	p          float64
	line, came bool
}

func TestAlarmsWorkedOutByHand(t *testing.T) {
	a := alarms(warned{.5, true, true}, warned{.8, false, false}, warned{.4, true, true}, warned{0, false, false})
	for _, tc := range []struct {
		name      string
		got, want float64
	}{
		{"precision", a.Precision(), .5},
		{"recall", a.Recall(), .5},
		{"precision of the line", a.LinePrecision(), 1},
		{"recall of the line", a.LineRecall(), 1},
		{"Brier", a.Brier(), (.25 + .64 + .36) / 4},
		{"Brier of the line", a.LineBrier(), 0},
		{"Brier of the base rate", a.BrierOfRate(), .25},
		{"Brier of nothing", Alarms{}.Brier(), nan},
		{"base rate of nothing", Alarms{}.BrierOfRate(), nan},
		{"precision where nothing was said", alarms(warned{.4, false, true}).Precision(), nan},
		{"recall where nothing happened", alarms(warned{.6, false, false}).Recall(), nan},
	} {
		if !cmp.Equal(tc.got, tc.want, rounded) {
			t.Errorf("%s: %g, want %g", tc.name, tc.got, tc.want)
		}
	}
	if sum := a.Plus(a); sum.Judged != 8 || sum.Right != 2 || !cmp.Equal(sum.Brier(), a.Brier(), rounded) {
		t.Errorf("twice the same: %+v", sum)
	}
}

func TestDatesWorkedOutByHand(t *testing.T) {
	got := DatesOf([]Filling{
		{Truth: 10, P10: 8, P50: 14, P90: 20},
		{Truth: 30, P10: 31, P50: 40, P90: nan},
		{Truth: 31, P10: 5, P50: 25, P90: 30},
		{Truth: 90, P10: 20, P50: nan, P90: nan},
		{Truth: 91, P10: nan, P50: nan, P90: nan},
	})
	want := []Dates{
		{Within: 30, Filled: 2, Dated: 2, Ranged: 2, Inside: 1, Median: 7, Absolute: 7},
		{Within: 90, Filled: 4, Dated: 3, Ranged: 4, Inside: 2, Median: 4, Absolute: 6},
		{Within: 365, Filled: 5, Dated: 3, Ranged: 4, Inside: 2, Median: 4, Absolute: 6},
	}
	if diff := cmp.Diff(want, got, rounded); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// A minute is the arithmetic's.
func TestADateThatIsRightToAMinute(t *testing.T) {
	for off, inside := range map[float64]int{.5: 1, 2: 0} {
		got := DatesOf([]Filling{{Truth: 10, P10: 10 + off*sameDate, P50: 11, P90: 12}, {Truth: 10, P10: 8, P50: 9, P90: 10 - off*sameDate}})[0]
		if got.Inside != 2*inside {
			t.Errorf("off by %g minutes: %+v", off, got)
		}
	}
}

func TestCoverageIsOfWhatWasObserved(t *testing.T) {
	at := func(known, inside bool) judged {
		return judged{horizons: []atHorizon{{horizon: horizon{7, 7}, passed: true, known: known, inside: inside, forecast: 1, noChange: 1}}}
	}
	h := horizonOf(horizon{7, 7}, []judged{at(true, true), at(false, false), at(true, false)})
	if h.Origins != 3 || h.Coverage != .5 {
		t.Errorf("%+v, want one of the two that were observed", h)
	}
	if got := totalOf(7, []Horizon{h}); got.BetterThanNoChange != 0 || got.Compared != 1 {
		t.Errorf("%+v: as good as no change is not better", got)
	}
}

// One series jumps: its hundredfold errors must not drown the two others.
func TestTotalCountsEachSeriesOnce(t *testing.T) {
	score := func(own, none, line, coverage float64, origins int, fillings ...Filling) Score {
		return Score{Origins: 5, Dates: DatesOf(fillings), Full: alarms(warned{.5, true, true}), Horizons: []Horizon{
			{Days: 30, Origins: origins, MASE: own, NoChange: none, Line: line, Coverage: coverage, BiasScaled: own},
		}}
	}
	var s Sum
	for _, one := range []Score{
		score(100, 200, 50, 1, 3), score(1, 2, 3, .5, 9, Filling{Truth: 5, P10: 5, P50: 9, P90: 9}, Filling{Truth: 6, P50: 7, P10: nan, P90: nan}),
		score(2, 1, 5, .5, 9), score(.5, 0, 0, .75, 9), score(nan, nan, nan, 1, 4), score(nan, nan, nan, nan, 0, Filling{Truth: 20, P50: 10, P10: 1, P90: 2}),
		{Series: "short"},
	} {
		s.Add(one)
	}
	got := s.Total()
	want := Total{
		Series: 7, Scored: 6, Filled: 2, Full: got.Full, Horizons: []HorizonTotal{{
			Days: 30, Series: 5, Origins: 34, MASE: 1.5, NoChange: 1.5, Line: 4, Coverage: .75, BiasScaled: 103.5 / 4,
			Compared: 4, BetterThanNoChange: 2, BetterThanLine: 2, Gain: 0, // of the one that no change had right there is none
		}},
		Dates: []Dates{
			{Within: 30, Filled: 3, Dated: 3, Ranged: 2, Inside: 1, Median: (2.5 - 10) / 2, Absolute: (2.5 + 10) / 2},
			{Within: 90, Filled: 3, Dated: 3, Ranged: 2, Inside: 1, Median: (2.5 - 10) / 2, Absolute: (2.5 + 10) / 2},
			{Within: 365, Filled: 3, Dated: 3, Ranged: 2, Inside: 1, Median: (2.5 - 10) / 2, Absolute: (2.5 + 10) / 2},
		},
	}
	if diff := cmp.Diff(want, got, rounded, cmp.AllowUnexported(Alarms{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got.Full.Judged != 6 || got.Full.Right != 6 {
		t.Errorf("alarms %+v, want those of six series", got.Full)
	}
	if empty := new(Sum).Total(); empty.Series != 0 || len(empty.Horizons) != 0 || len(empty.Dates) != 3 {
		t.Errorf("nothing: %+v", empty)
	}
}
