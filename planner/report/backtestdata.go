package report

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strconv"
	"time"

	"github.com/tidemark/tidemark/internal/volume"
	"github.com/tidemark/tidemark/planner/backtest"
)

type scoreJSON struct {
	Series   string          `json:"series"`
	Host     string          `json:"host,omitempty"`
	Path     string          `json:"path,omitempty"`
	PathB64  string          `json:"path_b64,omitempty"`
	Resource volume.Resource `json:"resource"`
	Unit     string          `json:"unit"`
	Step     int64           `json:"step"`
	Origins  int             `json:"origins"`
	First    when            `json:"first_origin"`
	Last     when            `json:"last_origin"`
	Reason   string          `json:"reason"` // "too_short", or empty
	Has      int64           `json:"past"`
	Needs    int64           `json:"past_needed"`
	Horizons []horizonJSON   `json:"horizons"`
	Alarms   alarmsJSON      `json:"alarms"`
	Dates    []datesJSON     `json:"dates"`
}

type horizonJSON struct {
	Days       int    `json:"days"`
	Steps      int    `json:"steps"`
	Origins    int    `json:"origins"`
	MASE       number `json:"mase"`
	NoChange   number `json:"no_change_mase"`
	Line       number `json:"line_mase"`
	Coverage   number `json:"coverage"`
	Bias       number `json:"bias"`
	BiasScaled number `json:"bias_scaled"`
}

type alarmsJSON struct {
	Full    alarmJSON `json:"full_30d"`
	Quarter alarmJSON `json:"quarter_of_free_30d"`
}

type alarmJSON struct {
	Judged    int       `json:"judged"`
	Already   int       `json:"already"`
	Happened  int       `json:"happened"`
	Said      int       `json:"said"`
	Right     int       `json:"right"`
	Precision number    `json:"precision"`
	Recall    number    `json:"recall"`
	Brier     number    `json:"brier"`
	BaseRate  number    `json:"brier_of_base_rate"`
	Line      *lineJSON `json:"line,omitempty"`
}

type lineJSON struct {
	Said      int    `json:"said"`
	Right     int    `json:"right"`
	Precision number `json:"precision"`
	Recall    number `json:"recall"`
	Brier     number `json:"brier"`
}

type datesJSON struct {
	Within   int    `json:"within_days"`
	Filled   int    `json:"filled"`
	Dated    int    `json:"dated"`
	Ranged   int    `json:"ranged"`
	Inside   int    `json:"inside"`
	Median   number `json:"median_days"`
	Absolute number `json:"median_absolute_days"`
}

type totalJSON struct {
	Series   int                `json:"series"`
	Scored   int                `json:"scored"`
	Horizons []horizonTotalJSON `json:"horizons"`
	Alarms   alarmsJSON         `json:"alarms"`
	Filled   int                `json:"filled"`
	Dates    []datesJSON        `json:"dates"`
}

type horizonTotalJSON struct {
	Days               int    `json:"days"`
	Series             int    `json:"series"`
	Origins            int    `json:"origins"`
	MASE               number `json:"mase"`
	NoChange           number `json:"no_change_mase"`
	Line               number `json:"line_mase"`
	Coverage           number `json:"coverage"`
	BiasScaled         number `json:"bias_scaled"`
	Compared           int    `json:"compared"`
	BetterThanNoChange int    `json:"better_than_no_change"`
	BetterThanLine     int    `json:"better_than_line"`
	Gain               number `json:"gain"`
}

func toScoreJSON(s backtest.Score) scoreJSON {
	j := scoreJSON{
		Series: s.Series, Host: s.Volume.Host, Path: s.Volume.Path, PathB64: pathB64(s.Volume.Path), Resource: s.Resource, Unit: s.Unit,
		Step: int64(s.Step / time.Second), Origins: s.Origins, First: when(s.First), Last: when(s.Last),
		Horizons: []horizonJSON{}, Alarms: alarmsJSON{toAlarmJSON(s.Full), toAlarmJSON(s.Quarter)}, Dates: toDatesJSON(s.Dates),
	}
	if t := s.TooShort; t != nil {
		j.Reason, j.Has, j.Needs = "too_short", int64(t.Has/time.Second), int64(t.Needs/time.Second)
	}
	for _, h := range s.Horizons {
		j.Horizons = append(j.Horizons, horizonJSON{
			h.Days, h.Steps, h.Origins, number(h.MASE), number(h.NoChange), number(h.Line), number(h.Coverage), number(h.Bias), number(h.BiasScaled),
		})
	}
	return j
}

func toAlarmJSON(a backtest.Alarms) alarmJSON {
	return alarmJSON{
		a.Judged, a.Already, a.Happened, a.Said, a.Right, number(a.Precision()), number(a.Recall()), number(a.Brier()), number(a.BrierOfRate()),
		&lineJSON{a.LineSaid, a.LineRight, number(a.LinePrecision()), number(a.LineRecall()), number(a.LineBrier())},
	}
}

func toDatesJSON(all []backtest.Dates) []datesJSON {
	j := []datesJSON{}
	for _, d := range all {
		j = append(j, datesJSON{d.Within, d.Filled, d.Dated, d.Ranged, d.Inside, number(d.Median), number(d.Absolute)})
	}
	return j
}

func toTotalJSON(t backtest.Total) totalJSON {
	j := totalJSON{
		Series: t.Series, Scored: t.Scored, Filled: t.Filled, Horizons: []horizonTotalJSON{},
		Alarms: alarmsJSON{toAlarmJSON(t.Full), toAlarmJSON(t.Quarter)}, Dates: toDatesJSON(t.Dates),
	}
	for _, h := range t.Horizons {
		j.Horizons = append(j.Horizons, horizonTotalJSON{
			h.Days, h.Series, h.Origins, number(h.MASE), number(h.NoChange), number(h.Line), number(h.Coverage), number(h.BiasScaled),
			h.Compared, h.BetterThanNoChange, h.BetterThanLine, number(h.Gain),
		})
	}
	return j
}

// BacktestsJSON writes `{"backtests":[…],"total":{…}}`, a series at a time.
type BacktestsJSON struct {
	w   io.Writer
	sum backtest.Sum
	n   int
}

// NewBacktestsJSON begins the document.
func NewBacktestsJSON(w io.Writer) *BacktestsJSON { return &BacktestsJSON{w: w} }

// Add writes one series.
func (j *BacktestsJSON) Add(s backtest.Score) error {
	text, err := json.Marshal(toScoreJSON(s))
	if err != nil {
		return fmt.Errorf("write %s as JSON: %w", s.Series, err)
	}
	before := ",\n"
	if j.n == 0 {
		before = "{\"backtests\":[\n"
	}
	j.n++
	j.sum.Add(s)
	_, err = fmt.Fprintf(j.w, "%s%s", before, text)
	return err
}

// Close ends the document with the total.
func (j *BacktestsJSON) Close() error {
	text, err := json.Marshal(toTotalJSON(j.sum.Total()))
	if err != nil {
		return fmt.Errorf("write the total as JSON: %w", err)
	}
	before := "\n],\n"
	if j.n == 0 {
		before = "{\"backtests\":[],\n"
	}
	_, err = fmt.Fprintf(j.w, "%s\"total\":%s}\n", before, text)
	return err
}

// BacktestsCSV writes a record for each series and horizon; the alarms, which have one of their own, stand in each.
type BacktestsCSV struct{ w *csv.Writer }

// NewBacktestsCSV writes the header.
func NewBacktestsCSV(w io.Writer) (*BacktestsCSV, error) {
	c := &BacktestsCSV{csv.NewWriter(w)}
	return c, c.w.Write([]string{
		"series", "resource", "days", "origins", "mase", "no_change_mase", "line_mase", "coverage", "bias",
		"full_judged", "full_happened", "full_said", "full_right", "full_brier", "full_line_said", "full_line_right", "full_line_brier",
		"quarter_judged", "quarter_happened", "quarter_said", "quarter_right", "quarter_brier", "quarter_line_said", "quarter_line_right", "quarter_line_brier",
		"reason",
	})
}

// Add writes the records of one series; one with too short a past has a single record with the reason.
func (c *BacktestsCSV) Add(s backtest.Score) error {
	alarms := append(alarmCells(s.Full), alarmCells(s.Quarter)...)
	if s.TooShort != nil {
		record := append([]string{s.Series, string(s.Resource), "", "0", "", "", "", "", ""}, alarms...)
		return c.w.WriteAll([][]string{append(record, "too_short")})
	}
	for _, h := range s.Horizons {
		record := []string{
			s.Series, string(s.Resource), strconv.Itoa(h.Days), strconv.Itoa(h.Origins), decimal(h.MASE), decimal(h.NoChange), decimal(h.Line),
			decimal(h.Coverage), decimal(h.Bias),
		}
		if err := c.w.Write(append(append(record, alarms...), "")); err != nil {
			return err
		}
	}
	return nil
}

func alarmCells(a backtest.Alarms) []string {
	cells := []string{}
	for _, n := range []float64{
		float64(a.Judged), float64(a.Happened), float64(a.Said), float64(a.Right), a.Brier(), float64(a.LineSaid), float64(a.LineRight), a.LineBrier(),
	} {
		if a.Judged == 0 && n == 0 {
			n = math.NaN()
		}
		cells = append(cells, decimal(n))
	}
	cells[0] = strconv.Itoa(a.Judged)
	return cells
}

// Close ends the document.
func (c *BacktestsCSV) Close() error {
	c.w.Flush()
	return c.w.Error()
}
