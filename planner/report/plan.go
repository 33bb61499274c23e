package report

import (
	"fmt"
	"io"
	"math"
	"strings"
	"time"

	"github.com/tidemark/tidemark/internal/table"
	"github.com/tidemark/tidemark/planner"
	"github.com/tidemark/tidemark/planner/forecast"
)

// Plan is what `tidemark plan` found, with what was asked.
type Plan struct {
	Plans    []planner.Plan
	Now      time.Time
	LeadTime time.Duration
	Horizon  time.Duration
	Moves    []planner.Move // of all scenarios
	Source   string         // what it was read from, for people
}

// perMonth is the days of a month in growth a month.
const perMonth = 365.25 / 12

// overdue stands in the place of an order date that is past.
const overdue = "now"

// planName is what a row is called.
func planName(p planner.Plan) string {
	switch {
	case p.Tag == "":
		return table.Printable(p.Series)
	case p.Series == "":
		return table.Printable(p.Tag) + " (none)"
	}
	return table.Printable(p.Tag) + " " + table.Printable(p.Series)
}

// PlanTable writes the table of `tidemark plan`, at most width cells wide where that is 50 or more: a row for each volume, or group, and
// scenario.
func PlanTable(w io.Writer, d Plan, width int) error {
	t := table.Table{Title: "VOLUME", Columns: []table.Column{
		{Title: "CAPACITY", Width: 8, Right: true, Spare: 2},
		{Title: "USED", Width: 4, Right: true, Spare: 3},
		{Title: "A MONTH", Width: 9, Right: true, Spare: 1},
		{Title: "EARLY", Width: 11},
		{Title: "LIKELY", Width: 14},
		{Title: "LATE", Width: 11, Spare: 4},
		{Title: "ORDER BY", Width: 10},
		{Title: "BUY", Width: 8, Right: true},
	}}
	var words []string
	for _, p := range d.Plans {
		if p.Tag != "" {
			t.Title = strings.ToUpper(table.Printable(p.Tag))
		}
		for i, o := range p.Outcomes {
			name := planName(p)
			if len(p.Full) > 0 {
				name += fmt.Sprintf(" (%d full)", len(p.Full))
			}
			if i > 0 {
				name = "  " + table.Printable(strings.TrimPrefix(o.Scenario, p.Series+"=")) // its name stands above
			}
			full, word := likelyFull(o, d.Now)
			order := orderBy(o)
			words = append(words, word, order)
			t.Add(name, amount(o.Capacity, p.Unit), usedPercent(usedNow(p, o)), amount(o.GrowthPerDay*perMonth, p.Unit),
				dateOrNone(o.P10, o.Reason, d.Now), full, dateOrNone(o.P90, o.Reason, d.Now), order, buy(o, p.Unit))
		}
	}
	if err := t.Write(w, width); err != nil {
		return err
	}
	if err := notes(w, words, width); err != nil {
		return err
	}
	for _, text := range d.remarks() {
		if err := table.Paragraph(w, "  "+text, width); err != nil {
			return err
		}
	}
	return nil
}

// likelyFull is the likely date, or the word in its place.
func likelyFull(o planner.Outcome, now time.Time) (cell, word string) {
	switch {
	case o.Reason != "":
		return string(o.Reason), string(o.Reason)
	case !o.P50.IsZero():
		return date(o.P50, now), ""
	case !o.P10.IsZero():
		return later, later
	}
	return "-", ""
}

func dateOrNone(t time.Time, why forecast.Reason, now time.Time) string {
	if t.IsZero() || why == forecast.ReasonFull {
		return "-"
	}
	return date(t, now)
}

func orderBy(o planner.Outcome) string {
	switch {
	case o.OrderBy.IsZero():
		return "-"
	case o.Overdue:
		return overdue
	}
	return o.OrderBy.UTC().Format(time.DateOnly)
}

// usedNow is the share in use of what there is now: what a scenario adds comes later.
func usedNow(p planner.Plan, o planner.Outcome) float64 { return o.Used / p.Outcomes[0].Capacity }

func buy(o planner.Outcome, unit string) string {
	switch {
	case math.IsNaN(o.Buy):
		return "-"
	case o.Buy == 0:
		return "nothing"
	}
	return amount(o.Buy, unit)
}

// remarks are what a reader of the rows must know besides.
func (d Plan) remarks() []string {
	all := []string{fmt.Sprintf("BUY: with so much more, fewer than one future in ten is full within %s; ORDER BY: EARLY less the lead time, %s",
		dayCount(d.Horizon), dayCount(d.LeadTime))}
	for _, p := range d.Plans {
		if p.Tag != "" && p.CountedElsewhere+p.Unknown > 0 {
			all = append(all, planName(p)+": "+summed(p))
		}
		if len(p.Full) > 0 {
			all = append(all, planName(p)+": "+fullNow(p))
		}
	}
	for _, m := range d.Moves {
		all = append(all, moveText(m))
	}
	return all
}

// summed says which volumes a group's row adds up.
func summed(p planner.Plan) string {
	parts := []string{plural(p.Volumes, "volume")}
	if p.CountedElsewhere > 0 {
		parts = append(parts, fmt.Sprintf("%d more showing space that is counted already", p.CountedElsewhere))
	}
	if p.Unknown > 0 {
		parts = append(parts, fmt.Sprintf("%d left out, whose use or capacity is not known", p.Unknown))
	}
	return strings.Join(parts, ", ")
}

// mostFull is how many full volumes of a group are named.
const mostFull = 5

// fullNow names the volumes of a group that are full, which its sum does not show.
func fullNow(p planner.Plan) string {
	names := make([]string, min(len(p.Full), mostFull))
	for i := range names {
		names[i] = table.Printable(p.Full[i])
	}
	text := "full now: " + strings.Join(names, ", ")
	if more := len(p.Full) - len(names); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func dayCount(d time.Duration) string {
	return strings.TrimSuffix(fmt.Sprintf("%.1f", d.Hours()/24), ".0") + " days"
}

// monthsTold is how many months ahead a policy's text goes.
const monthsTold = 6

// moveText says what a policy may take.
func moveText(m planner.Move) string {
	text := fmt.Sprintf("policy %s on %s: %s can go now", table.Printable(m.Policy), table.Printable(m.From.String()), amount(m.FreesNow(), planner.Bytes))
	months := m.Months(monthsTold)
	parts := make([]string, len(months))
	for i, v := range months {
		parts[i] = amount(v, planner.Bytes)
	}
	text += fmt.Sprintf(", and in the %d months after it %s more", monthsTold, strings.Join(parts, ", "))
	text += fmt.Sprintf(" (files of %s; what is written later is not counted)", m.Measured.UTC().Format(time.DateOnly))
	if m.Previews {
		text += "; it only previews: set enforce: true"
	}
	if m.To.Path == "" {
		text += "; where its archive is, is known on that host alone"
	}
	return text
}
