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
	"github.com/tidemark/tidemark/planner/ledger"
)

func accuracy(change func(*ledger.Accuracy)) ledger.Accuracy {
	nan := math.NaN()
	a := ledger.Accuracy{
		Series: "db1:/srv", Volume: volume.ID{Host: "db1", Path: "/srv"}, Resource: volume.Space, Unit: planner.Bytes, Outlooks: 40,
		First: time.Date(2026, 3, 1, 6, 0, 0, 0, time.UTC), Dates: backtest.DatesOf(nil),
		Ahead: [...]ledger.Ahead{
			{Days: 7, Error: nan, NoChange: nan, Bias: nan}, {Days: 30, Error: nan, NoChange: nan, Bias: nan}, {Days: 90, Error: nan, NoChange: nan, Bias: nan},
		},
	}
	change(&a)
	return a
}

func TestAccuracyWords(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(*ledger.Accuracy)
		want   string
	}{
		{"nothing is due", func(*ledger.Accuracy) {}, "db1:/srv: nothing is due yet of 40 outlooks; the first forecast is on 2026-03-09."},
		{"a week", func(a *ledger.Accuracy) {
			a.Ahead[0] = ledger.Ahead{Days: 7, Judged: 3, Error: 1 << 30, NoChange: 2 << 30}
		}, "our 7-day forecasts were off by a median of 1.0 GiB (3 of them; no change: 2.0 GiB), no alarm is due yet."},
		{"everything", func(a *ledger.Accuracy) {
			a.Ahead[0], a.Ahead[1] = ledger.Ahead{Days: 7, Judged: 3, Error: 1, NoChange: 2}, ledger.Ahead{Days: 30, Judged: 2, Error: 3 << 30, NoChange: 9 << 30}
			a.Dates = backtest.DatesOf([]backtest.Filling{{Truth: 10, P10: 1, P50: 14, P90: 20}, {Truth: 80, P10: 1, P50: 81, P90: 90}})
			a.Alarms = alarmsOf(20, 3, 2, 4)
		}, "our 30-day forecasts were off by a median of 3.0 GiB (2 of them; no change: 9.0 GiB), our dates within 30 days by a median of 4 days (1 of them), " +
			"our dates within 90 days by a median of 3 days (2 of them), 2 of 3 alarms were right, 2 were missed."},
		{"no alarm was due", func(a *ledger.Accuracy) { a.Alarms = alarmsOf(5, 0, 0, 0) }, "no alarm was said, and none was due."},
		{"alarms were missed", func(a *ledger.Accuracy) { a.Alarms = alarmsOf(5, 0, 0, 2) }, "no alarm was said, though 2 were due."},
		{"one alarm", func(a *ledger.Accuracy) { a.Alarms = alarmsOf(5, 1, 1, 1) }, "1 of 1 alarm was right, 0 were missed."},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var out strings.Builder
			if err := Accuracies(&out, []ledger.Accuracy{accuracy(tc.change)}, 80); err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(strings.Fields(out.String()), " "); !strings.Contains(got, tc.want) || strings.Contains(got, "NaN") {
				t.Errorf("%s\nwant %q", &out, tc.want)
			}
		})
	}
}

func TestAccuracyAsJSONAndCSV(t *testing.T) {
	all := []ledger.Accuracy{accuracy(func(a *ledger.Accuracy) { a.Resource = volume.Inodes })}
	var out strings.Builder
	if err := AccuraciesJSON(&out, all); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Accuracy []struct {
			Resource  string
			Forecasts []struct {
				Error *float64 `json:"median_absolute_error"`
			}
			Alarms map[string]any `json:"alarms_full_30d"`
		}
	}
	if err := json.Unmarshal([]byte(out.String()), &got); err != nil || len(got.Accuracy) != 1 || len(got.Accuracy[0].Forecasts) != 3 || got.Accuracy[0].Forecasts[0].Error != nil {
		t.Errorf("%v, %+v", err, got)
	}
	if _, line := got.Accuracy[0].Alarms["line"]; line {
		t.Error("it knows of a straight line, which nobody published")
	}
	out.Reset()
	if err := AccuraciesCSV(&out, all); err != nil {
		t.Fatal(err)
	}
	if lines := strings.Split(strings.TrimSpace(out.String()), "\n"); len(lines) != 4 || lines[1] != "db1:/srv,inodes,40,7,0,,,,0,0,0,0,0," {
		t.Errorf("%q", lines)
	}
}
