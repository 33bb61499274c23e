// Package report renders outlooks: tables for people, JSON and CSV for programs, the answer of a Nagios plugin. Tables fit
// 80 columns and read the same in a pipe and on a terminal.
package report

import (
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/mattn/go-runewidth"
)

// cells measures text in a terminal's cells. Block elements take one cell whatever the locale: the library's default asks
// the environment, and would draw another table for a Japanese user than for the mail that a German one gets.
var cells = &runewidth.Condition{StrictEmojiNeutral: true}

// column is one column of a table beside the name. Its cells are made to fit its width.
type column struct {
	title string
	width int
	right bool
	spare int // a narrow terminal does without the column: the highest goes first, 0 always stays
}

const (
	between = "  "
	// minName is what names get before columns are left out.
	minName = 12
)

// table lays out rows: a name, then columns of fixed width.
type table struct {
	title   string // of the names
	columns []column
	names   []string
	rows    [][]string
}

func (t *table) add(name string, row ...string) {
	t.names, t.rows = append(t.names, name), append(t.rows, row)
}

// write lays the table out in at most width cells a line. Where not even the names' least width is
// left, spare columns are left out. A name that does not fit its column stands whole on a line of its own, above its row:
// cut, two volumes could look alike. A terminal that is narrower than the columns that must stay gets wider lines.
func (t *table) write(w io.Writer, width int) error {
	shown := t.shown(width)
	fixed := t.fixed(shown)
	longest := cells.StringWidth(t.title)
	for _, name := range t.names {
		longest = max(longest, cells.StringWidth(name))
	}
	nameWidth := min(longest, max(minName, width-fixed))
	titles := make([]string, len(t.columns))
	for i, c := range t.columns {
		titles[i] = c.title
	}
	var out strings.Builder
	line := func(name string, row []string) {
		if cells.StringWidth(name) > nameWidth {
			out.WriteString(cells.Wrap(name, max(width, fixed+nameWidth)) + "\n")
			name = ""
		}
		text := cells.FillRight(name, nameWidth)
		for _, i := range shown {
			text += between + t.columns[i].fit(row[i])
		}
		out.WriteString(text + "\n")
	}
	line(t.title, titles)
	for i, name := range t.names {
		line(name, t.rows[i])
	}
	_, err := io.WriteString(w, out.String())
	return err
}

// shown is the indexes of the columns that a line of width cells has room for.
func (t *table) shown(width int) []int {
	shown := make([]int, len(t.columns))
	for i := range shown {
		shown[i] = i
	}
	for t.fixed(shown)+minName > width {
		drop := 0
		for k, i := range shown {
			if t.columns[i].spare > t.columns[shown[drop]].spare {
				drop = k
			}
		}
		if t.columns[shown[drop]].spare == 0 {
			break
		}
		shown = append(shown[:drop], shown[drop+1:]...)
	}
	return shown
}

// fixed is the width of everything but the names.
func (t *table) fixed(shown []int) int {
	n := 0
	for _, i := range shown {
		n += len(between) + t.columns[i].width
	}
	return n
}

func (c column) fit(cell string) string {
	cell = cells.Truncate(cell, c.width, "…")
	if c.right {
		return cells.FillLeft(cell, c.width)
	}
	return cells.FillRight(cell, c.width)
}

// paragraph wraps text at words, or within a word that is longer than a line; further lines are indented.
func paragraph(w io.Writer, text string, width int) error {
	var out strings.Builder
	indent := text[:len(text)-len(strings.TrimLeft(text, " "))]
	line := indent
	for i, word := range strings.Fields(text) {
		switch {
		case i == 0:
		case cells.StringWidth(line)+1+cells.StringWidth(word) > width:
			out.WriteString(line + "\n")
			line = indent + "  "
		default:
			line += " "
		}
		line += word
	}
	_, err := fmt.Fprintln(w, cells.Wrap(out.String()+line, max(width, 1)))
	return err
}

// Printable makes a name safe for a terminal and for the eye: what has no picture of its own (control characters, bytes
// that are no UTF-8, marks that turn the direction of text, blanks that look like a space or like nothing) is written as
// an escape.
func Printable(name string) string {
	var out strings.Builder
	for i, r := range name {
		_, size := utf8.DecodeRuneInString(name[i:])
		switch {
		case r == utf8.RuneError && size == 1, r < ' ', r == 0x7f:
			fmt.Fprintf(&out, `\x%02x`, name[i])
		case unicode.IsPrint(r):
			out.WriteRune(r)
		case r > 0xffff:
			fmt.Fprintf(&out, `\U%08x`, r)
		default:
			fmt.Fprintf(&out, `\u%04x`, r)
		}
	}
	return out.String()
}
