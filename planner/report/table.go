// Package report renders outlooks: tables for people, JSON and CSV for programs. Tables fit 80 columns and read the same
// in a pipe and on a terminal.
package report

import (
	"fmt"
	"io"
	"math"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/mattn/go-runewidth"
)

// column is one column of a table. Exactly one column of a table may be flexible: it takes the width that is left.
type column struct {
	title    string
	width    int
	right    bool
	flexible bool
}

// minFlexible is what the flexible column gets on the narrowest terminal; the table is then wider than that terminal.
const minFlexible = 16

// table lays out rows within a width.
type table struct {
	columns []column
	rows    [][]string
}

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

// write lays the table out in at most width cells a line, trailing blanks cut. The flexible column is no wider than its
// longest cell; what does not fit is cut at its front, since the end of a path tells more.
func (t *table) write(w io.Writer, width int) error {
	widths := make([]int, len(t.columns))
	fixed := 2 * (len(t.columns) - 1)
	for _, c := range t.columns {
		if !c.flexible {
			fixed += c.width
		}
	}
	for i, c := range t.columns {
		widths[i] = c.width
		if c.flexible {
			longest := runewidth.StringWidth(c.title)
			for _, row := range t.rows {
				longest = max(longest, runewidth.StringWidth(row[i]))
			}
			widths[i] = min(longest, max(minFlexible, width-fixed))
		}
	}
	titles := make([]string, len(t.columns))
	for i, c := range t.columns {
		titles[i] = c.title
	}
	for _, row := range append([][]string{titles}, t.rows...) {
		var line strings.Builder
		for i, cell := range row {
			if i > 0 {
				line.WriteString("  ")
			}
			line.WriteString(fit(cell, widths[i], t.columns[i].right))
		}
		if _, err := fmt.Fprintln(w, strings.TrimRight(line.String(), " ")); err != nil {
			return err
		}
	}
	return nil
}

func fit(cell string, width int, right bool) string {
	if extra := runewidth.StringWidth(cell) - width; extra > 0 {
		cell = runewidth.TruncateLeft(cell, extra+1, "…")
	}
	if right {
		return runewidth.FillLeft(cell, width)
	}
	return runewidth.FillRight(cell, width)
}

// Printable makes a name safe for a terminal: control characters and bytes that are no UTF-8 are written as escapes.
func Printable(name string) string {
	var out strings.Builder
	for i, r := range name {
		switch {
		case r == '\ufffd' && !strings.HasPrefix(name[i:], "\ufffd"):
			fmt.Fprintf(&out, `\x%02x`, name[i])
		case r < ' ' || r == 0x7f || (r >= 0x80 && r < 0xa0):
			fmt.Fprintf(&out, `\x%02x`, r)
		default:
			out.WriteRune(r)
		}
	}
	return out.String()
}

const barCells = 8

// bar draws a share of 0 to 1 with eighths of a cell.
func bar(share float64) string {
	if math.IsNaN(share) {
		return strings.Repeat("·", barCells)
	}
	eighths := int(math.Round(min(max(share, 0), 1) * barCells * 8))
	full := strings.Repeat("█", eighths/8)
	if rest := eighths % 8; rest > 0 {
		full += string([]rune("▏▎▍▌▋▊▉")[rest-1])
	}
	return full + strings.Repeat("·", barCells-len([]rune(full)))
}

const sparkCells = 10

// spark draws shares (0 to 1) over time, oldest first, scaled between the least and the most but never finer than five
// points of a hundred, so that an idle volume is a flat line. Each cell is the mean of its part; a gap is a blank.
func spark(shares []float64) string {
	low, high := math.Inf(1), math.Inf(-1)
	for _, s := range shares {
		if !math.IsNaN(s) {
			low, high = min(low, s), max(high, s)
		}
	}
	if len(shares) < 2 || math.IsInf(low, 0) {
		return ""
	}
	span := max(high-low, .05)
	cells := min(sparkCells, len(shares))
	var out strings.Builder
	for c := range cells {
		sum, n := 0., 0
		for _, s := range shares[c*len(shares)/cells : (c+1)*len(shares)/cells] {
			if !math.IsNaN(s) {
				sum += s
				n++
			}
		}
		if n == 0 {
			out.WriteByte(' ')
			continue
		}
		level := int(math.Round((sum/float64(n) - low) / span * 7))
		out.WriteRune([]rune("▁▂▃▄▅▆▇█")[min(max(level, 0), 7)])
	}
	return out.String()
}

// percent writes a share of 0 to 1 as a whole percentage that never rounds to certainty or impossibility.
func percent(share float64) string {
	switch {
	case math.IsNaN(share):
		return "-"
	case share > 0 && share < .005:
		return "<1%"
	case share < 1 && share > .995:
		return ">99%"
	}
	return fmt.Sprintf("%.0f%%", share*100)
}

// usedPercent writes how full something is, rounded up as df does it.
func usedPercent(share float64) string {
	if math.IsNaN(share) {
		return "-"
	}
	return fmt.Sprintf("%.0f%%", math.Ceil(share*100-1e-9))
}

// amount writes a quantity of a unit: bytes with a binary prefix, other units as numbers.
func amount(v float64, unit string) string {
	switch {
	case math.IsNaN(v):
		return "-"
	case unit == "bytes" && math.Abs(v) < 1<<62:
		if v < 0 {
			return "-" + humanize.IBytes(uint64(-v))
		}
		return humanize.IBytes(uint64(v))
	case math.Abs(v) >= 1e15 || (v != 0 && math.Abs(v) < 1e-3):
		return fmt.Sprintf("%.3g", v)
	default:
		value, prefix := humanize.ComputeSI(v)
		return fmt.Sprintf("%.4g%s", value, prefix)
	}
}

// date writes a day; one within two days gets its hour, because "today" is no answer then.
func date(t, now time.Time) string {
	if t.Sub(now) < 48*time.Hour {
		return t.UTC().Format("01-02 15:04")
	}
	return t.UTC().Format(time.DateOnly)
}
