package report

import (
	"fmt"
	"io"
	"math"
	"time"

	"github.com/tidemark/tidemark/internal/table"
	"github.com/tidemark/tidemark/internal/volume"
	"github.com/tidemark/tidemark/planner"
	"github.com/tidemark/tidemark/planner/forecast"
)

// Inodes are shown to people only when they may run out; JSON and CSV always have them.
const (
	inodesUsedShown        = .8
	inodesProbabilityShown = .01
)

func shown(o planner.Outlook) bool {
	if o.Resource != volume.Inodes {
		return true
	}
	return o.UsedShare() >= inodesUsedShown || o.TimeToFull.Probability90 >= inodesProbabilityShown
}

func name(o planner.Outlook) string {
	n := table.Printable(o.Series)
	if o.Resource == volume.Inodes {
		n += " (inodes)"
	}
	return n
}

// likely is the cell that answers "when", and the word in it that needs a note: the state where that matters more than a
// date, the likely date, or why there is none.
func likely(o planner.Outlook, now time.Time) (cell, word string) {
	ttf := o.TimeToFull
	switch {
	case o.Sample.Missing:
		return missing, missing
	case o.Sample.Stuck:
		return stuck, stuck
	case ttf.Reason == forecast.ReasonRunaway: // within a day or so: the hour says it
		return string(ttf.Reason) + ttf.P50.UTC().Format(" 15:04"), string(ttf.Reason)
	case ttf.Reason != "":
		return string(ttf.Reason), string(ttf.Reason)
	case !ttf.P50.IsZero():
		return date(ttf.P50, now), ""
	case !ttf.P10.IsZero():
		return later, later
	}
	return "-", ""
}

// errorColumn is the forecast's own measured error, wherever a date is shown.
var errorColumn = table.Column{Title: "ERROR", Width: 5, Right: true, Spare: 3}

// Volumes writes the table of `tidemark volumes` and `tidemark up`, at most width cells wide where that is 50 or more: use,
// the past, when each is full, and how far to trust that.
func Volumes(w io.Writer, outlooks []planner.Outlook, width int, now time.Time) error {
	t := table.Table{Title: "VOLUME", Columns: []table.Column{
		{Title: "USABLE", Width: 8, Right: true, Spare: 1},
		{Title: "USED", Width: barCells + 5},
		{Title: "PAST", Width: sparkCells, Spare: 2},
		{Title: "FULL", Width: 14},
		{Title: "30 D", Width: 4, Right: true},
		errorColumn,
	}}
	var words []string
	for _, o := range outlooks {
		if !shown(o) {
			continue
		}
		used := fmt.Sprintf("%s %4s", bar(o.UsedShare()), usedPercent(o.UsedShare()))
		when, word := likely(o, now)
		if word == later {
			when, word = atLeast+" "+date(o.TimeToFull.P10, now), atLeast
		}
		words = append(words, word)
		t.Add(name(o), amount(o.Capacity, o.Unit), used, spark(o.Past), when, percent(o.TimeToFull.Probability30),
			relativeError(o.Backtest))
	}
	if err := t.Write(w, width); err != nil {
		return err
	}
	return notes(w, words, width)
}

// Forecasts writes the table of `tidemark forecast`, at most width cells wide where that is 50 or more: growth, the early and
// the likely date or why there is none, and how far to trust them.
func Forecasts(w io.Writer, outlooks []planner.Outlook, width int, now time.Time) error {
	t := table.Table{Title: "VOLUME", Columns: []table.Column{
		{Title: "USED", Width: 4, Right: true, Spare: 2},
		{Title: "PER DAY", Width: 9, Right: true, Spare: 1},
		{Title: "EARLY", Width: 11},
		{Title: "LIKELY", Width: 14},
		{Title: "30 D", Width: 4, Right: true},
		errorColumn,
	}}
	var words []string
	for _, o := range outlooks {
		if !shown(o) {
			continue
		}
		when, word := likely(o, now)
		words = append(words, word)
		t.Add(name(o), usedPercent(o.UsedShare()), amount(o.GrowthPerDay, o.Unit), early(o, now), when,
			percent(o.TimeToFull.Probability30), relativeError(o.Backtest))
	}
	if err := t.Write(w, width); err != nil {
		return err
	}
	return notes(w, words, width)
}

func early(o planner.Outlook, now time.Time) string {
	if o.TimeToFull.P10.IsZero() || o.TimeToFull.Reason == forecast.ReasonFull {
		return "-"
	}
	return date(o.TimeToFull.P10, now)
}

// relativeError is the forecast's own measured error beside that of "no change".
func relativeError(b forecast.Backtest) string {
	switch {
	case b.Origins == 0 || math.IsNaN(b.RelativeMAE):
		return "-"
	case b.RelativeMAE >= 99.995:
		return ">99"
	}
	return fmt.Sprintf("%.2f", b.RelativeMAE)
}

func shows(n int) string {
	if n == 1 {
		return "1 volume shows"
	}
	return fmt.Sprintf("%d volumes show", n)
}

// Group writes a heading with the group's sum and the table of its volumes.
func Group(w io.Writer, tag string, g planner.Group, width int, now time.Time) error {
	value := g.Value
	if value == "" {
		value = "(none)"
	}
	heading := fmt.Sprintf("%s %s: %s of %s used", table.Printable(tag), table.Printable(value), amount(g.Used, planner.Bytes), amount(g.Capacity, planner.Bytes))
	if g.Capacity > 0 {
		heading += ", " + usedPercent(g.Used/g.Capacity)
	}
	switch g.CountedElsewhere {
	case 0:
	case 1:
		heading += " (1 volume shows space that is counted already)"
	default:
		heading += fmt.Sprintf(" (%s space that is counted already)", shows(g.CountedElsewhere))
	}
	if err := table.Paragraph(w, heading, width); err != nil {
		return err
	}
	return Forecasts(w, g.Outlooks, width, now)
}
