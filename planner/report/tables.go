package report

import (
	"fmt"
	"io"
	"math"
	"time"

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
	n := Printable(o.Series)
	if o.Resource == volume.Inodes {
		n += " (inodes)"
	}
	return n
}

// Volumes writes the table of `tidemark volumes` and `tidemark up`: use, the past, when each is full.
func Volumes(w io.Writer, outlooks []planner.Outlook, width int, now time.Time) error {
	t := table{columns: []column{
		{title: "VOLUME", flexible: true},
		{title: "SIZE", width: 8, right: true},
		{title: "USED", width: barCells + 5},
		{title: "PAST", width: sparkCells},
		{title: "FULL", width: 14},
		{title: "30 D", width: 4, right: true},
	}}
	var reasons []forecast.Reason
	for _, o := range outlooks {
		if !shown(o) {
			continue
		}
		used := fmt.Sprintf("%s %4s", bar(o.UsedShare()), usedPercent(o.UsedShare()))
		when, reason := full(o, now)
		reasons = append(reasons, reason)
		t.add(name(o), amount(o.Capacity, o.Unit), used, spark(o.Past), when, percent(o.TimeToFull.Probability30))
	}
	if err := t.write(w, width); err != nil {
		return err
	}
	return notes(w, reasons)
}

// full is the cell that answers "when": the state where that matters more, the likely date, or why there is none.
func full(o planner.Outlook, now time.Time) (string, forecast.Reason) {
	ttf := o.TimeToFull
	switch {
	case o.Sample.Missing:
		return "MISSING", ""
	case o.Sample.Stuck:
		return "STUCK", ""
	case ttf.Reason != "":
		return string(ttf.Reason), ttf.Reason
	case !ttf.P50.IsZero():
		return date(ttf.P50, now), ""
	case !ttf.P10.IsZero():
		return "≥ " + date(ttf.P10, now), ""
	}
	return "-", ""
}

// Forecasts writes the table of `tidemark forecast`: growth, the early and the likely date, and how far to trust them.
func Forecasts(w io.Writer, outlooks []planner.Outlook, width int, now time.Time) error {
	t := table{columns: []column{
		{title: "VOLUME", flexible: true},
		{title: "USED", width: 4, right: true},
		{title: "PER DAY", width: 8, right: true},
		{title: "EARLY", width: 11},
		{title: "LIKELY", width: 11},
		{title: "30 D", width: 4, right: true},
		{title: "ERROR", width: 5, right: true},
		{title: "REASON", width: 14},
	}}
	var reasons []forecast.Reason
	for _, o := range outlooks {
		if !shown(o) {
			continue
		}
		ttf := o.TimeToFull
		reasons = append(reasons, ttf.Reason)
		t.add(name(o), usedPercent(o.UsedShare()), amount(o.GrowthPerDay, o.Unit), dateOrNone(ttf.P10, now), dateOrNone(ttf.P50, now),
			percent(ttf.Probability30), mase(o.Backtest), string(ttf.Reason))
	}
	if err := t.write(w, width); err != nil {
		return err
	}
	return notes(w, reasons)
}

func dateOrNone(t, now time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return date(t, now)
}

func mase(b forecast.Backtest) string {
	if b.Origins == 0 || math.IsNaN(b.MASE) {
		return "-"
	}
	return fmt.Sprintf("%.2f", b.MASE)
}

// Group writes a heading with the group's sum and the table of its volumes.
func Group(w io.Writer, tag string, g planner.Group, width int, now time.Time) error {
	value := g.Value
	if value == "" {
		value = "(none)"
	}
	heading := fmt.Sprintf("%s %s: %s of %s used", tag, Printable(value), amount(g.Used, planner.Bytes), amount(g.Capacity, planner.Bytes))
	if g.CountedElsewhere > 0 {
		heading += fmt.Sprintf(" (%d volumes show space that is counted already)", g.CountedElsewhere)
	}
	if _, err := fmt.Fprintln(w, heading); err != nil {
		return err
	}
	return Forecasts(w, g.Outlooks, width, now)
}
