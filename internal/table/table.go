// Package table lays out tables for people, which fit their terminal and read the same in a pipe, and makes names safe to show.
package table

import (
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/mattn/go-runewidth"
)

// Cells measures text in a terminal's Cells. Block elements take one cell whatever the locale: the library's default asks
// the environment, and would draw another table for a Japanese user than for the mail that a German one gets.
var Cells = &runewidth.Condition{StrictEmojiNeutral: true}

// Column is one column of a table beside the name. Its cells are made to fit its width.
type Column struct {
	Title string
	Width int
	Right bool
	Spare int // a narrow terminal does without the column: the highest goes first, 0 always stays
}

const (
	between = "  "
	// minName is what names get before columns are left out.
	minName = 12
)

// Table lays out rows: a name, then columns of fixed width.
type Table struct {
	Title   string // of the names
	Columns []Column
	names   []string
	rows    [][]string
}

// Add adds a row, with a cell for every column.
func (t *Table) Add(name string, row ...string) {
	t.names, t.rows = append(t.names, name), append(t.rows, row)
}

// Write lays the table out in at most width cells a line. Where not even the names' least width is
// left, spare columns are left out. A name that does not fit its column stands whole on a line of its own, above its row:
// cut, two volumes could look alike. A terminal that is narrower than the columns that must stay gets wider lines.
func (t *Table) Write(w io.Writer, width int) error {
	shown := t.shown(width)
	fixed := t.fixed(shown)
	longest := Cells.StringWidth(t.Title)
	for _, name := range t.names {
		longest = max(longest, Cells.StringWidth(name))
	}
	nameWidth := min(longest, max(minName, width-fixed))
	titles := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		titles[i] = c.Title
	}
	var out strings.Builder
	line := func(name string, row []string) {
		if Cells.StringWidth(name) > nameWidth {
			out.WriteString(Cells.Wrap(name, max(width, fixed+nameWidth)) + "\n")
			name = ""
		}
		text := Cells.FillRight(name, nameWidth)
		for _, i := range shown {
			text += between + t.Columns[i].fit(row[i])
		}
		out.WriteString(text + "\n")
	}
	line(t.Title, titles)
	for i, name := range t.names {
		line(name, t.rows[i])
	}
	_, err := io.WriteString(w, out.String())
	return err
}

// shown is the indexes of the columns that a line of width cells has room for.
func (t *Table) shown(width int) []int {
	shown := make([]int, len(t.Columns))
	for i := range shown {
		shown[i] = i
	}
	for t.fixed(shown)+minName > width {
		drop := 0
		for k, i := range shown {
			if t.Columns[i].Spare > t.Columns[shown[drop]].Spare {
				drop = k
			}
		}
		if t.Columns[shown[drop]].Spare == 0 {
			break
		}
		shown = append(shown[:drop], shown[drop+1:]...)
	}
	return shown
}

// fixed is the width of everything but the names.
func (t *Table) fixed(shown []int) int {
	n := 0
	for _, i := range shown {
		n += len(between) + t.Columns[i].Width
	}
	return n
}

func (c Column) fit(cell string) string {
	cell = Cells.Truncate(cell, c.Width, "…")
	if c.Right {
		return Cells.FillLeft(cell, c.Width)
	}
	return Cells.FillRight(cell, c.Width)
}

// Paragraph wraps text at words, or within a word that is longer than a line; further lines are indented.
func Paragraph(w io.Writer, text string, width int) error {
	var out strings.Builder
	indent := text[:len(text)-len(strings.TrimLeft(text, " "))]
	line := indent
	for i, word := range strings.Fields(text) {
		switch {
		case i == 0:
		case Cells.StringWidth(line)+1+Cells.StringWidth(word) > width:
			out.WriteString(line + "\n")
			line = indent + "  "
		default:
			line += " "
		}
		line += word
	}
	_, err := fmt.Fprintln(w, Cells.Wrap(out.String()+line, max(width, 1)))
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
