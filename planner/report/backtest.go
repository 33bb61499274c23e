package report

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/tidemark/tidemark/internal/table"
	"github.com/tidemark/tidemark/planner"
	"github.com/tidemark/tidemark/planner/backtest"
)

// Backtests is what the tables of `tidemark backtest` show.
type Backtests struct {
	Scores []backtest.Score
	Level  float64 // of the interval
	Noun   string  // what one of them is: "volume" or "series"
}

// Write writes tables at most width cells wide where that is 50 or more: errors by horizon, alarms and dates where there were any,
// then what all of them came to, in words.
func (b Backtests) Write(w io.Writer, width int) error {
	var sum backtest.Sum
	for _, s := range b.Scores {
		sum.Add(s)
	}
	total := sum.Total()
	for _, write := range []func() error{
		func() error { return b.errors(w, total, width) },
		func() error { return b.alarms(w, width) },
		func() error { return b.dates(w, width) },
		func() error { return b.words(w, total, width) },
	} {
		if err := write(); err != nil {
			return err
		}
	}
	return nil
}

func (b Backtests) title() string { return strings.ToUpper(b.Noun) }

// errors is the table of each series and horizon, with all of them below.
func (b Backtests) errors(w io.Writer, total backtest.Total, width int) error {
	if total.Scored == 0 {
		return nil
	}
	t := table.Table{Title: b.title(), Columns: []table.Column{
		{Title: "AHEAD", Width: 5, Right: true},
		{Title: "ORIGINS", Width: 7, Right: true, Spare: 3},
		{Title: "FORECAST", Width: 8, Right: true},
		{Title: "NO CHANGE", Width: 9, Right: true},
		{Title: "LINE", Width: 5, Right: true},
		{Title: "IN " + percent(b.Level), Width: 6, Right: true, Spare: 1},
		{Title: "BIAS", Width: 9, Right: true, Spare: 2},
	}}
	for _, s := range b.Scores {
		n := scoreName(s)
		for _, h := range s.Horizons {
			if h.Origins == 0 {
				continue
			}
			t.Add(n, ahead(h.Days), fmt.Sprint(h.Origins), times(h.MASE), times(h.NoChange), times(h.Line), percent(h.Coverage), signed(h.Bias, s.Unit))
			n = ""
		}
	}
	if total.Scored > 1 {
		n := fmt.Sprintf("ALL %d", total.Scored)
		for _, h := range total.Horizons {
			if h.Series == 0 {
				continue
			}
			t.Add(n, ahead(h.Days), fmt.Sprint(h.Origins), times(h.MASE), times(h.NoChange), times(h.Line), percent(h.Coverage), "-")
			n = ""
		}
	}
	return t.Write(w, width)
}

func scoreName(s backtest.Score) string {
	return name(planner.Outlook{Series: s.Series, Resource: s.Resource})
}

func ahead(days int) string { return fmt.Sprintf("%d d", days) }

// times writes an error in typical changes.
func times(v float64) string {
	switch {
	case math.IsNaN(v):
		return "-"
	case v >= 999.95:
		return ">999"
	case v >= 99.95:
		return fmt.Sprintf("%.0f", v)
	case v >= 9.995:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

func signed(v float64, unit string) string {
	if v > 0 {
		return "+" + amount(v, unit)
	}
	return amount(v, unit)
}

// alarms is a row for each series and alarm where something was said or came.
func (b Backtests) alarms(w io.Writer, width int) error {
	t := table.Table{Title: b.title(), Columns: []table.Column{
		{Title: "IN 30 D", Width: 9},
		{Title: "ORIGINS", Width: 7, Right: true, Spare: 2},
		{Title: "CAME", Width: 4, Right: true},
		{Title: "SAID", Width: 4, Right: true},
		{Title: "RIGHT", Width: 5, Right: true},
		{Title: "BRIER", Width: 5, Right: true, Spare: 1},
		{Title: "LINE SAID", Width: 9, Right: true, Spare: 1},
		{Title: "RIGHT", Width: 5, Right: true, Spare: 1},
	}}
	rows := 0
	for _, s := range b.Scores {
		n := scoreName(s)
		for _, one := range []struct {
			what string
			backtest.Alarms
		}{{"full", s.Full}, {"¼ of free", s.Quarter}} {
			if a := one.Alarms; a.Happened+a.Said+a.LineSaid > 0 {
				t.Add(n, one.what, fmt.Sprint(a.Judged), fmt.Sprint(a.Happened), fmt.Sprint(a.Said), fmt.Sprint(a.Right),
					fmt.Sprintf("%.2f", a.Brier()), fmt.Sprint(a.LineSaid), fmt.Sprint(a.LineRight))
				n = ""
				rows++
			}
		}
	}
	if rows == 0 {
		return nil
	}
	fmt.Fprintln(w)
	return t.Write(w, width)
}

// dates is a row for each series that filled, by how soon.
func (b Backtests) dates(w io.Writer, width int) error {
	t := table.Table{Title: b.title(), Columns: []table.Column{
		{Title: "FULL WITHIN", Width: 11, Right: true},
		{Title: "ORIGINS", Width: 7, Right: true},
		{Title: "DATED", Width: 5, Right: true},
		{Title: "OFF BY", Width: 7, Right: true},
		{Title: "SIGNED", Width: 8, Right: true, Spare: 1},
		{Title: "IN RANGE", Width: 9, Right: true, Spare: 2},
	}}
	rows := 0
	for _, s := range b.Scores {
		n, before := scoreName(s), 0
		for _, d := range s.Dates {
			if d.Filled == before { // no origin more than within the shorter time
				continue
			}
			before = d.Filled
			t.Add(n, ahead(d.Within), fmt.Sprint(d.Filled), fmt.Sprint(d.Dated), offDays(d.Absolute), signedDays(d.Median), inRange(d))
			n = ""
			rows++
		}
	}
	if rows == 0 {
		return nil
	}
	fmt.Fprintln(w)
	return t.Write(w, width)
}

func offDays(v float64) string {
	if math.IsNaN(v) {
		return "-"
	}
	return fmt.Sprintf("%.0f d", v)
}

func signedDays(v float64) string {
	if math.IsNaN(v) {
		return "-"
	}
	return fmt.Sprintf("%+.0f d", v)
}

func inRange(d backtest.Dates) string {
	if d.Ranged == 0 {
		return "-"
	}
	return fmt.Sprintf("%d of %d", d.Inside, d.Ranged)
}

// words says what all of them came to.
func (b Backtests) words(w io.Writer, total backtest.Total, width int) error {
	lines := b.tooShort()
	if total.Scored > 0 {
		lines = slices.Concat(b.sentences(total), b.meaning(total), lines)
		fmt.Fprintln(w)
	}
	for _, line := range lines {
		if err := table.Paragraph(w, line, width); err != nil {
			return err
		}
	}
	return nil
}

// sentences answer: how far off, how often right, how well dated.
func (b Backtests) sentences(t backtest.Total) []string {
	var lines []string
	for _, h := range t.Horizons {
		if h.Compared == 0 {
			continue
		}
		line := fmt.Sprintf("The %d-day forecast was off by %s typical %s of change; no change by %s; a straight line by %s.", h.Days,
			times(h.MASE), b.step(), times(h.NoChange), times(h.Line))
		if h.Compared > 1 {
			line += fmt.Sprintf(" It was better than no change on %d of %s, than a straight line on %d.",
				h.BetterThanNoChange, b.count(h.Compared), h.BetterThanLine)
		}
		lines = append(lines, line)
	}
	if len(lines) == 0 {
		lines = append(lines, "Nothing changed in these pasts, so there is no error to compare.")
	}
	return append(lines, alarmWords("full within 30 days", t.Full), alarmWords("a quarter of the free space goes within 30 days", t.Quarter), b.dateWords(t))
}

func alarmWords(what string, a backtest.Alarms) string {
	if a.Judged == 0 {
		if a.Already > 0 {
			return fmt.Sprintf("Alarm %q: at each origin it was so already.", what)
		}
		return fmt.Sprintf("Alarm %q: not judged; it takes a capacity, and 30 days after an origin.", what)
	}
	line := fmt.Sprintf("Alarm %q, at %s: ", what, countOf(a.Judged, "origin"))
	switch {
	case a.Happened == 0 && a.Said == 0:
		line += "it never came and was never said"
	case a.Said == 0:
		line += fmt.Sprintf("it came after %d and was said before none", a.Happened)
	case a.Happened == 0:
		line += fmt.Sprintf("it never came, and was said %s", timesSaid(a.Said))
	default:
		line += fmt.Sprintf("it came after %d; said %s, right %s (precision %.2f, recall %.2f)",
			a.Happened, timesSaid(a.Said), timesSaid(a.Right), a.Precision(), a.Recall())
	}
	line += fmt.Sprintf("; Brier score %.3f.", a.Brier())
	switch {
	case a.LineSaid == 0:
		line += fmt.Sprintf(" A straight line never said it: %.3f.", a.LineBrier())
	default:
		line += fmt.Sprintf(" A straight line said it %s, right %s: %.3f.", timesSaid(a.LineSaid), timesSaid(a.LineRight), a.LineBrier())
	}
	return line
}

func timesSaid(n int) string {
	switch n {
	case 0:
		return "never"
	case 1:
		return "once"
	case 2:
		return "twice"
	}
	return fmt.Sprintf("%d times", n)
}

func countOf(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// count is a number of what was scored.
func (b Backtests) count(n int) string {
	if b.Noun == "series" {
		return fmt.Sprintf("%d series", n)
	}
	return countOf(n, b.Noun)
}

func (b Backtests) dateWords(t backtest.Total) string {
	if t.Filled == 0 {
		return "Dates: nothing filled after an origin, so there is no date to judge."
	}
	var parts []string
	before := 0
	for _, d := range t.Dates {
		if d.Filled == before { // no origin more than within the shorter time
			continue
		}
		before = d.Filled
		part := fmt.Sprintf("within %d days of the origin (%d): no date was given", d.Within, d.Filled)
		if d.Dated > 0 {
			part = fmt.Sprintf("within %d days of the origin (%d, of these %d dated): the likely date was off by %.0f days, on balance %s; the truth lay between the early and the late date %s times",
				d.Within, d.Filled, d.Dated, d.Absolute, lateness(d.Median), inRange(d))
		}
		parts = append(parts, part)
	}
	return fmt.Sprintf("Dates, where it filled (%s): %s.", b.count(t.Filled), strings.Join(parts, "; "))
}

func lateness(v float64) string {
	switch days := math.Round(v); {
	case days > 0:
		return fmt.Sprintf("%.0f late", days)
	case days < 0:
		return fmt.Sprintf("%.0f early", -days)
	}
	return "neither late nor early"
}

// step is what errors are counted in.
func (b Backtests) step() string {
	for _, s := range b.Scores {
		if s.Origins > 0 && (s.Step-24*time.Hour).Abs() > time.Hour {
			return "steps"
		}
	}
	return "days"
}

// meaning explains the columns and the averages.
func (b Backtests) meaning(t backtest.Total) []string {
	lines := []string{fmt.Sprintf("FORECAST, NO CHANGE, LINE: the mean error up to that many days ahead, in typical %s of change (MASE; less is better). "+
		"LINE is a straight line through the last 30 days. IN %s: how often what came was within the interval. BIAS: how much too high. "+
		"Brier score: the mean squared difference between the probability and what came; 0 is perfect.", b.step(), percent(b.Level))}
	if t.Scored > 1 {
		lines = append(lines, fmt.Sprintf("ALL: each of the %d counts once. Its origins are averaged first; errors and days are then the median over the %d, "+
			"coverage is their mean, and alarms are counted together.", t.Scored, t.Scored))
	}
	return lines
}

// mostNamed is how many are named before the rest is counted.
const mostNamed = 5

// tooShort names what could not be judged; how long a past must be goes by its step.
func (b Backtests) tooShort() []string {
	var lines []string
	n := 0
	for _, s := range b.Scores {
		if s.TooShort == nil {
			continue
		}
		if n++; n <= mostNamed {
			lines = append(lines, fmt.Sprintf("Left out: %s: %s.", scoreName(s), s.TooShort))
		}
	}
	if n > mostNamed {
		lines = append(lines, fmt.Sprintf("Left out for the same reason: %d more.", n-mostNamed))
	}
	return lines
}

// BacktestGroup writes a heading and the tables of a group's volumes.
func BacktestGroup(w io.Writer, tag, value string, b Backtests, width int) error {
	if value == "" {
		value = "(none)"
	}
	if err := table.Paragraph(w, fmt.Sprintf("%s %s: %s", table.Printable(tag), table.Printable(value), b.count(len(b.Scores))), width); err != nil {
		return err
	}
	return b.Write(w, width)
}
