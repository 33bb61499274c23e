package report

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/tidemark/tidemark/internal/table"
	"github.com/tidemark/tidemark/internal/volume"
	"github.com/tidemark/tidemark/planner"
	"github.com/tidemark/tidemark/planner/backtest"
	"github.com/tidemark/tidemark/planner/ledger"
)

// Accuracies writes the table of `tidemark forecast --accuracy`, at most width cells wide where that is 50 or more, and what it says in
// words for each volume of which anything is due. Inodes are shown when something of theirs was judged but by JSON and CSV only: people
// rarely run out of them.
func Accuracies(w io.Writer, all []ledger.Accuracy, width int) error {
	t := table.Table{Title: "VOLUME", Columns: []table.Column{
		{Title: "OUTLOOKS", Width: 8, Right: true, Spare: 2},
		{Title: "OFF 7 D", Width: 8, Right: true, Spare: 1},
		{Title: "OFF 30 D", Width: 8, Right: true},
		{Title: "NO CHANGE", Width: 9, Right: true, Spare: 1},
		{Title: "IN RANGE", Width: 10, Right: true, Spare: 3},
		{Title: "ALARMS", Width: 8, Right: true},
	}}
	var words []string
	for _, a := range all {
		if a.Resource == volume.Inodes {
			continue
		}
		week, month := a.Ahead[0], a.Ahead[1]
		t.Add(accuracyName(a), fmt.Sprint(a.Outlooks), amount(week.Error, a.Unit), amount(month.Error, a.Unit), amount(month.NoChange, a.Unit),
			ofAll(month.Inside, month.Judged), ofAll(a.Alarms.Right, a.Alarms.Said))
		words = append(words, accuracyWords(a))
	}
	if err := t.Write(w, width); err != nil {
		return err
	}
	fmt.Fprintln(w)
	for _, line := range append(words, "OFF 7 D, OFF 30 D: the median error of what was forecast for so many days ahead; NO CHANGE: that of \"it stays as it is\", 30 days ahead. "+
		"IN RANGE: how often what came was within the interval. ALARMS: \"full within 30 days\", how many were right of those that were said.") {
		if err := table.Paragraph(w, line, width); err != nil {
			return err
		}
	}
	return nil
}

func accuracyName(a ledger.Accuracy) string {
	return name(planner.Outlook{Series: a.Series, Resource: a.Resource})
}

func ofAll(n, of int) string {
	if of == 0 {
		return "-"
	}
	return fmt.Sprintf("%d of %d", n, of)
}

// accuracyWords is one volume in a sentence.
func accuracyWords(a ledger.Accuracy) string {
	begin := accuracyName(a) + ": "
	if !a.Due() {
		return begin + fmt.Sprintf("nothing is due yet of %s; the first forecast is on %s.", countOf(a.Outlooks, "outlook"), firstDue(a).Format(time.DateOnly))
	}
	var parts []string
	for _, h := range a.Ahead[1:] {
		if h.Judged > 0 {
			parts = append(parts, fmt.Sprintf("our %d-day forecasts were off by a median of %s (%d of them; no change: %s)", h.Days, amount(h.Error, a.Unit), h.Judged, amount(h.NoChange, a.Unit)))
		}
	}
	if h := a.Ahead[0]; len(parts) == 0 && h.Judged > 0 {
		parts = append(parts, fmt.Sprintf("our %d-day forecasts were off by a median of %s (%d of them; no change: %s)", h.Days, amount(h.Error, a.Unit), h.Judged, amount(h.NoChange, a.Unit)))
	}
	before := 0
	for _, d := range a.Dates {
		if d.Dated > 0 && d.Filled > before {
			parts = append(parts, fmt.Sprintf("our dates within %d days by a median of %s (%d of them)", d.Within, inDays(d.Absolute), d.Dated))
		}
		before = d.Filled
	}
	return begin + strings.Join(append(parts, alarmsRight(a.Alarms)), ", ") + "."
}

// firstDue is the day from which on something can be judged.
func firstDue(a ledger.Accuracy) time.Time {
	return volume.StartOfDay(a.First).AddDate(0, 0, volume.PublishedDays[0]+1)
}

func inDays(v float64) string {
	if n := math.Round(v); n != 1 {
		return fmt.Sprintf("%.0f days", n)
	}
	return "1 day"
}

func alarmsRight(a backtest.Alarms) string {
	missed := a.Happened - a.Right
	switch {
	case a.Judged == 0:
		return "no alarm is due yet"
	case a.Said == 0 && missed == 0:
		return "no alarm was said, and none was due"
	case a.Said == 0:
		return fmt.Sprintf("no alarm was said, though %d were due", missed)
	}
	return fmt.Sprintf("%d of %s right, %d were missed", a.Right, countAlarms(a.Said), missed)
}

func countAlarms(n int) string {
	if n == 1 {
		return "1 alarm was"
	}
	return fmt.Sprintf("%d alarms were", n)
}

type accuracyJSON struct {
	Series   string          `json:"series"`
	Host     string          `json:"host"`
	Path     string          `json:"path"`
	PathB64  string          `json:"path_b64,omitempty"`
	Resource volume.Resource `json:"resource"`
	Unit     string          `json:"unit"`
	Outlooks int             `json:"outlooks"`
	First    when            `json:"first"`
	Last     when            `json:"last"`
	Ahead    []aheadJSON     `json:"forecasts"`
	Alarms   alarmJSON       `json:"alarms_full_30d"`
	Dates    []datesJSON     `json:"dates"`
}

type aheadJSON struct {
	Days     int    `json:"days"`
	Judged   int    `json:"judged"`
	Error    number `json:"median_absolute_error"`
	NoChange number `json:"no_change_median_absolute_error"`
	Bias     number `json:"median_error"`
	Inside   int    `json:"inside"`
}

// AccuraciesJSON writes `{"accuracy":[…]}`.
func AccuraciesJSON(w io.Writer, all []ledger.Accuracy) error {
	list := []accuracyJSON{}
	for _, a := range all {
		alarms := toAlarmJSON(a.Alarms)
		alarms.Line = nil // nothing is known of it
		j := accuracyJSON{
			Series: a.Series, Host: a.Volume.Host, Path: a.Volume.Path, PathB64: pathB64(a.Volume.Path), Resource: a.Resource, Unit: a.Unit,
			Outlooks: a.Outlooks, First: when(a.First), Last: when(a.Last), Alarms: alarms, Dates: toDatesJSON(a.Dates),
		}
		for _, h := range a.Ahead {
			j.Ahead = append(j.Ahead, aheadJSON{h.Days, h.Judged, number(h.Error), number(h.NoChange), number(h.Bias), h.Inside})
		}
		list = append(list, j)
	}
	text, err := json.Marshal(map[string]any{"accuracy": list})
	if err != nil {
		return fmt.Errorf("write the accuracy as JSON: %w", err)
	}
	_, err = fmt.Fprintf(w, "%s\n", text)
	return err
}

// AccuraciesCSV writes a record for each volume, resource and number of days ahead; the alarms stand in each.
func AccuraciesCSV(w io.Writer, all []ledger.Accuracy) error {
	c := csv.NewWriter(w)
	records := [][]string{{
		"series", "resource", "outlooks", "days", "judged", "median_absolute_error", "no_change_median_absolute_error", "median_error", "inside",
		"alarms_judged", "alarms_happened", "alarms_said", "alarms_right", "alarms_brier",
	}}
	for _, a := range all {
		for _, h := range a.Ahead {
			records = append(records, []string{
				a.Series, string(a.Resource), strconv.Itoa(a.Outlooks), strconv.Itoa(h.Days), strconv.Itoa(h.Judged), decimal(h.Error), decimal(h.NoChange),
				decimal(h.Bias), strconv.Itoa(h.Inside), strconv.Itoa(a.Alarms.Judged), strconv.Itoa(a.Alarms.Happened), strconv.Itoa(a.Alarms.Said),
				strconv.Itoa(a.Alarms.Right), decimal(a.Alarms.Brier()),
			})
		}
	}
	return c.WriteAll(records)
}
