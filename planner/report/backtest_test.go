package report

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/tidemark/tidemark/internal/volume"
	"github.com/tidemark/tidemark/planner"
	"github.com/tidemark/tidemark/planner/backtest"
)

// alarmsOf has judged origins of which happened came after said.
func alarmsOf(judged, said, right, happened int) (a backtest.Alarms) {
	for i := range judged {
		p, came := 0., i < happened
		if i < right || i >= judged-(said-right) {
			p = 1
		}
		a.Add(p, false, came)
	}
	return a
}

func TestAlarmWords(t *testing.T) {
	for _, tc := range []struct {
		name   string
		alarms backtest.Alarms
		want   string
	}{
		{"nothing judged", backtest.Alarms{}, "not judged; it takes a capacity"},
		{"full all the time", backtest.Alarms{Already: 3}, "at each origin it was so already"},
		{"quiet", alarmsOf(9, 0, 0, 0), "at 9 origins: it never came and was never said; Brier score 0.000."},
		{"missed", alarmsOf(9, 0, 0, 2), "it came after 2 and was said before none; Brier score 0.222."},
		{"false", alarmsOf(10, 1, 0, 0), "it never came, and was said once; Brier score 0.100."},
		{"both", alarmsOf(10, 3, 1, 2), "it came after 2; said 3 times, right once (precision 0.33, recall 0.50); Brier score 0.300."},
		{"one origin", alarmsOf(1, 0, 0, 0), "at 1 origin:"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := alarmWords("full", tc.alarms); !strings.Contains(got, tc.want) || strings.Contains(got, "NaN") {
				t.Errorf("%q, want %q", got, tc.want)
			}
		})
	}
}

func scores() []backtest.Score {
	nan := math.NaN()
	one := backtest.Score{
		Series: "db1:/srv", Volume: volume.ID{Host: "db1", Path: "/srv"}, Resource: volume.Space, Unit: planner.Bytes, Step: 24 * time.Hour,
		Origins: 4, Horizons: []backtest.Horizon{
			{Days: 30, Steps: 30, Origins: 4, MASE: 2.1, NoChange: 2.4, Line: 5, Coverage: .75, Bias: 3 << 30, BiasScaled: 1},
			{Days: 90, Steps: 90, MASE: nan, NoChange: nan, Line: nan, Coverage: nan, Bias: nan, BiasScaled: nan},
		},
		Dates: backtest.DatesOf([]backtest.Filling{{Truth: 20, P10: 10, P50: 14, P90: 18}, {Truth: 200, P10: nan, P50: nan, P90: nan}}),
	}
	idle := one
	idle.Series, idle.Dates = "db2:/idle\x1b", backtest.DatesOf(nil)
	idle.Horizons = []backtest.Horizon{{Days: 30, Steps: 30, Origins: 4, MASE: nan, NoChange: nan, Line: nan, Coverage: 1}}
	short := backtest.Score{Series: "db3:/new", Dates: backtest.DatesOf(nil), TooShort: &backtest.TooShort{Has: 36 * time.Hour, Needs: 888 * time.Hour}}
	return []backtest.Score{one, idle, short}
}

func TestBacktestTables(t *testing.T) {
	var out strings.Builder
	if err := (Backtests{Scores: scores(), Level: .95, Noun: "volume"}).Write(&out, 80); err != nil {
		t.Fatal(err)
	}
	text := strings.Join(strings.Fields(out.String()), " ")
	for _, want := range []string{
		"db1:/srv 30 d 4 2.10 2.40 5.00 75% +3.0 GiB", `db2:/idle\x1b 30 d 4 - - - 100% 0 B`, "ALL 2 30 d 8 2.10 2.40 5.00 88% -",
		"The 30-day forecast was off by 2.10 typical days of change; no change by 2.40; a straight line by 5.00.",
		"db1:/srv 30 d 1 1 6 d -6 d 0 of 1 365 d 2 1 6 d -6 d 0 of 1",
		"Dates, where it filled (1 volume): within 30 days of the origin (1, of these 1 dated): the likely date was off by 6 days, on balance 6 early;",
		"Left out: db3:/new: a past of 2 days is too short: it takes 37 days.", "ALL: each of the 2 counts once.",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("there is no %q in\n%s", want, &out)
		}
	}
	if strings.Contains(text, "NaN") || strings.Contains(text, "90 d") {
		t.Errorf("it shows what is not known:\n%s", &out)
	}
	for line := range strings.Lines(out.String()) {
		if n := len([]rune(line)); n > 81 {
			t.Errorf("%d cells: %s", n, line)
		}
	}
}

func TestBacktestsJSONIsValidAndEmptyToo(t *testing.T) {
	for _, all := range [][]backtest.Score{nil, scores()} {
		var out strings.Builder
		j := NewBacktestsJSON(&out)
		for _, s := range all {
			if err := j.Add(s); err != nil {
				t.Fatal(err)
			}
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
		var got struct {
			Backtests []struct {
				Series, Reason string
				PastNeeded     int `json:"past_needed"`
				Horizons       []struct{ MASE *float64 }
			}
			Total struct{ Series, Scored int }
		}
		if err := json.Unmarshal([]byte(out.String()), &got); err != nil {
			t.Fatalf("%v in\n%s", err, &out)
		}
		if len(got.Backtests) != len(all) || got.Total.Series != len(all) {
			t.Errorf("%d series, total %+v, want %d", len(got.Backtests), got.Total, len(all))
		}
		if len(all) > 0 && (got.Backtests[2].Reason != "too_short" || got.Backtests[2].PastNeeded != 888*3600 || got.Backtests[1].Horizons[0].MASE != nil || got.Total.Scored != 2) {
			t.Errorf("%+v", got)
		}
	}
}
