package report

import (
	"encoding/csv"
	"io"
	"math"
	"strconv"
	"time"

	"github.com/tidemark/tidemark/planner"
)

// CSV writes outlooks as they come.
type CSV struct {
	w       *csv.Writer
	records func(planner.Outlook) [][]string
}

// NewPointsCSV begins `series,time,forecast,lower,upper`, the stable format of forecasts from a CSV: one record a point.
func NewPointsCSV(w io.Writer) (*CSV, error) {
	return newCSV(w, []string{"series", "time", "forecast", "lower", "upper"}, func(o planner.Outlook) [][]string {
		return points(o, o.Series)
	})
}

// NewVolumePointsCSV is NewPointsCSV with a column that tells space from inodes.
func NewVolumePointsCSV(w io.Writer) (*CSV, error) {
	header := []string{"series", "resource", "time", "forecast", "lower", "upper"}
	return newCSV(w, header, func(o planner.Outlook) [][]string { return points(o, o.Series, string(o.Resource)) })
}

func points(o planner.Outlook, before ...string) [][]string {
	records := make([][]string, len(o.Points))
	for i, p := range o.Points {
		records[i] = append(before[:len(before):len(before)], rfc3339(p.Time), decimal(p.Forecast), decimal(p.Lower), decimal(p.Upper))
	}
	return records
}

// NewVolumesCSV begins the CSV of `tidemark volumes`: one record a volume and resource.
func NewVolumesCSV(w io.Writer) (*CSV, error) {
	header := []string{
		"host", "path", "device", "fstype", "mode", "time", "resource", "used", "capacity", "used_percent", "growth_per_day",
		"p10", "p50", "p90", "prob_7d", "prob_30d", "prob_90d", "reason", "stuck", "missing",
		"backtest_mase", "backtest_relative_mae", "backtest_coverage",
	}
	return newCSV(w, header, func(o planner.Outlook) [][]string {
		s, t := o.Sample, o.TimeToFull
		return [][]string{{
			s.Host, s.Path, s.Device, s.Fstype, s.Mode, rfc3339(s.Time), string(o.Resource), decimal(o.Used), decimal(o.Capacity),
			decimal(o.UsedShare() * 100), decimal(o.GrowthPerDay), rfc3339(t.P10), rfc3339(t.P50), rfc3339(t.P90),
			decimal(t.Probability7), decimal(t.Probability30), decimal(t.Probability90), string(t.Reason),
			strconv.FormatBool(s.Stuck), strconv.FormatBool(s.Missing),
			decimal(o.Backtest.MASE), decimal(o.Backtest.RelativeMAE), decimal(o.Backtest.Coverage),
		}}
	})
}

func newCSV(w io.Writer, header []string, records func(planner.Outlook) [][]string) (*CSV, error) {
	c := &CSV{csv.NewWriter(w), records}
	return c, c.w.Write(header)
}

// Add writes the records of one outlook.
func (c *CSV) Add(o planner.Outlook) error { return c.w.WriteAll(c.records(o)) }

// Close ends the document.
func (c *CSV) Close() error {
	c.w.Flush()
	return c.w.Error()
}

// decimal writes a number in full precision, what is not known as an empty cell.
func decimal(v float64) string {
	if math.IsNaN(v) {
		return ""
	}
	return strconv.FormatFloat(v, 'f', -1, 64)
}

func rfc3339(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Truncate(time.Second).Format(time.RFC3339)
}
