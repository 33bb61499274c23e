// Package csvinput reads series of use from CSV: `series,time,used[,capacity]`, as `tidemark forecast --input` and
// `tidemark import` take them.
package csvinput

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tidemark/tidemark/planner/forecast"
)

// Header is what a file's first line must say; the last column may be absent.
const Header = "series,time,used,capacity"

// Series is one series of a file.
type Series struct {
	Name      string
	FirstLine int // where the file first names it
	rows      *packed
}

// Observations are the series' rows in time order, unpacked anew each time; an empty cell is NaN.
func (s Series) Observations() []forecast.Observation {
	if s.rows == nil {
		return nil
	}
	all := make([]forecast.Observation, 0, s.rows.n)
	for r := range s.rows.all() {
		all = append(all, r.Observation)
	}
	return all
}

// File is what a CSV holds.
type File struct {
	Series     []Series      // in the order in which the file first names them
	MedianStep time.Duration // the median time between neighbours of all series; zero when every series is a lone point
	Warnings   []string      // accepted, but worth a word
}

// Error says what is wrong with a line of the input. Line is 1 for the header.
type Error struct {
	Name    string // of the file
	Line    int
	Message string
}

func (e *Error) Error() string { return fmt.Sprintf("%s:%d: %s", e.Name, e.Line, e.Message) }

type row struct {
	forecast.Observation
	line int
}

// Read reads a whole file; name stands in its errors, all of which are *Error but those of the reader itself. Rows may
// be in any order. The same time twice in a series, a use that is negative, not finite or no number, and a series without
// any value are errors; more use than capacity is a warning.
func Read(name string, r io.Reader) (*File, error) {
	input := &bounded{r: r}
	in := csv.NewReader(input)
	in.FieldsPerRecord = -1
	in.ReuseRecord = true
	columns, err := readHeader(name, in)
	if err != nil {
		return nil, err
	}
	rows := map[string]*packed{}
	var order []string
	line := 1
	for {
		input.n = 0
		record, err := in.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, syntaxError(name, line+1, err)
		}
		line, _ = in.FieldPos(0)
		fail := func(format string, args ...any) error {
			return &Error{Name: name, Line: line, Message: fmt.Sprintf(format, args...)}
		}
		if len(record) != columns {
			return nil, fail("has %d cells, the header has %d", len(record), columns)
		}
		series := record[0]
		if series == "" {
			return nil, fail("names no series: its first cell is empty")
		}
		o, err := parseObservation(record)
		if err != nil {
			return nil, fail("series %q: %v", series, err)
		}
		p := rows[series]
		if p == nil {
			p = &packed{}
			series = strings.Clone(series) // a cell keeps the text of its whole row alive
			order = append(order, series)
			rows[series] = p
		}
		p.add(row{o, line})
	}
	if len(order) == 0 {
		return nil, &Error{Name: name, Line: 1, Message: "holds no rows below its header"}
	}
	return gather(name, order, rows)
}

func readHeader(name string, in *csv.Reader) (columns int, err error) {
	header, err := in.Read()
	if errors.Is(err, io.EOF) {
		return 0, &Error{Name: name, Line: 1, Message: "is empty; its first line must be " + Header}
	}
	if err != nil {
		return 0, syntaxError(name, 1, err)
	}
	header[0] = strings.TrimPrefix(header[0], "\ufeff") // spreadsheets write a byte order mark
	want := strings.Split(Header, ",")
	if !slices.Equal(header, want) && !slices.Equal(header, want[:len(want)-1]) {
		return 0, &Error{Name: name, Line: 1, Message: fmt.Sprintf(
			"the header is %q; it must be %s, the last column optional", strings.Join(header, ","), Header)}
	}
	return len(header), nil
}

// bounded ends a row without an end: a quote that is never closed takes the rest of the file for its cell.
type bounded struct {
	r io.Reader
	n int // bytes read since the row began; what was buffered before does not count
}

const longestRow = 1 << 20

var errLongRow = errors.New("begins a row of more than 1 MiB; a quote in it may lack its end")

func (b *bounded) Read(p []byte) (int, error) {
	if b.n > longestRow {
		return 0, errLongRow
	}
	n, err := b.r.Read(p)
	b.n += n
	return n, err
}

// syntaxError is the error of a row that could not be read; line is where it began.
func syntaxError(name string, line int, err error) error {
	var parse *csv.ParseError
	switch {
	case errors.As(err, &parse):
		return &Error{Name: name, Line: parse.Line, Message: parse.Err.Error()}
	case errors.Is(err, errLongRow):
		return &Error{Name: name, Line: line, Message: err.Error()}
	}
	return fmt.Errorf("read %s: %w", name, err)
}

func parseObservation(record []string) (forecast.Observation, error) {
	t, err := parseTime(record[1])
	if err != nil {
		return forecast.Observation{}, err
	}
	o := forecast.Observation{Time: t, Used: math.NaN(), Capacity: math.NaN()}
	if record[2] != "" {
		if o.Used, err = parseAmount("used", record[2]); err != nil {
			return o, err
		}
	}
	if len(record) > 3 && record[3] != "" {
		if o.Capacity, err = parseAmount("capacity", record[3]); err != nil {
			return o, err
		}
		if o.Capacity == 0 {
			return o, errors.New("capacity is 0; leave the cell empty where it is not known")
		}
	}
	return o, nil
}

// timeLayouts are tried in turn; those without a zone mean UTC.
var timeLayouts = []string{time.RFC3339, time.DateOnly, time.DateTime, "2006-01-02T15:04:05", "2006-01-02 15:04"}

func parseTime(s string) (time.Time, error) {
	for _, layout := range timeLayouts {
		if t, err := time.Parse(layout, s); err == nil {
			if y := t.Year(); y < 1900 || y > 2200 {
				return t, fmt.Errorf("time %q is not within the years 1900 to 2200", s)
			}
			return t.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is no time; write it as 2026-03-01T00:00:00Z or 2026-03-01", s)
}

// largest is beyond every store and still far from where sums of squares overflow.
const largest = 1e100

func parseAmount(column, s string) (float64, error) {
	v, err := strconv.ParseFloat(s, 64)
	switch {
	case err != nil && !errors.Is(err, strconv.ErrRange):
		return 0, fmt.Errorf("%s %q is no number", column, s)
	case math.IsNaN(v) || math.IsInf(v, 0) || v > largest:
		return 0, fmt.Errorf("%s %q is not a finite number below 1e100; leave the cell empty where it is not known", column, s)
	case v < 0:
		return 0, fmt.Errorf("%s %q is negative", column, s)
	}
	return v + 0, nil // -0 becomes 0
}

// gather brings each series in time order and checks it as a whole.
func gather(name string, order []string, rows map[string]*packed) (*File, error) {
	f := &File{Series: make([]Series, 0, len(order))}
	steps := map[time.Duration]int{} // how many neighbours are so far apart: few are, by different steps
	var all []row
	for _, series := range order {
		p := rows[series]
		all = slices.AppendSeq(all[:0], p.all())
		first, over, observed := all[0].line, 0, false
		byTime := func(a, b row) int { return a.Time.Compare(b.Time) }
		if !slices.IsSortedFunc(all, byTime) {
			slices.SortStableFunc(all, byTime)
			p = pack(all)
		}
		for i, r := range all {
			if i > 0 {
				step := r.Time.Sub(all[i-1].Time)
				if step == 0 {
					return nil, &Error{name, max(r.line, all[i-1].line), fmt.Sprintf(
						"series %q has %s twice (also line %d)", series, r.Time.Format(time.RFC3339), min(r.line, all[i-1].line))}
				}
				steps[step]++
			}
			observed = observed || !math.IsNaN(r.Used)
			if r.Used > r.Capacity {
				over++
			}
		}
		if !observed {
			return nil, &Error{name, first, fmt.Sprintf("series %q has no value in column used", series)}
		}
		if over > 0 {
			f.Warnings = append(f.Warnings, fmt.Sprintf("series %q: used is above capacity in %d of %d rows", series, over, len(all)))
		}
		f.Series = append(f.Series, Series{Name: series, FirstLine: first, rows: p})
	}
	f.MedianStep = medianOf(steps)
	return f, nil
}

// medianOf is the median of steps that come so many times, of an even number the upper; zero for none.
func medianOf(times map[time.Duration]int) time.Duration {
	n, before := 0, 0
	for _, count := range times {
		n += count
	}
	for _, step := range slices.Sorted(maps.Keys(times)) {
		if before += times[step]; before > n/2 {
			return step
		}
	}
	return 0
}
