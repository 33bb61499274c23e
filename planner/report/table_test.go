package report

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/mattn/go-runewidth"

	"github.com/tidemark/tidemark/internal/table"
	"github.com/tidemark/tidemark/planner"
	"github.com/tidemark/tidemark/planner/forecast"
)

// tables are all that people are shown.
var tables = map[string]func(io.Writer, []planner.Outlook, int) error{
	"volumes":   func(w io.Writer, all []planner.Outlook, width int) error { return Volumes(w, all, width, now) },
	"forecasts": func(w io.Writer, all []planner.Outlook, width int) error { return Forecasts(w, all, width, now) },
	"group": func(w io.Writer, all []planner.Outlook, width int) error {
		return Group(w, "department", planner.Group{Value: strings.Repeat("long", 30), Outlooks: all, Used: 1e15, Capacity: 2e15, CountedElsewhere: 12345}, width, now)
	},
}

func render(t *testing.T, table string, all []planner.Outlook, width int) string {
	t.Helper()
	var out bytes.Buffer
	if err := tables[table](&out, all, width); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// leastWidth is the narrowest terminal that the tables promise to fit.
const leastWidth = 50

// alphabet is what names are made of in the property test: wide, combined, unprintable and broken characters among them.
var alphabet = []string{"a", "/", "-", " ", "日", "é", "e\u0301", "👩\u200d🚀", "🇮🇳", "\n", "\x1b", "\xff", "\u202e", "é", "█", "한", "\u0928\u093f", "\ufe0f", "\t", "ß"}

// randomOutlook has any numbers and any name.
func randomOutlook(r *rand.Rand) planner.Outlook {
	path := "/"
	for range r.IntN(120) {
		path += alphabet[r.IntN(len(alphabet))]
	}
	numbers := []float64{0, nan, 1, -1, .5, 999.96, 1023.99, 1048575, 1e15, -1e15, 1e100, -1e100, 1e-9, -1e-9, -123456789, 9.99e18, -9.2e18, 1 << 62}
	number := func() float64 { return numbers[r.IntN(len(numbers))] }
	reasons := []forecast.Reason{"", "", "full", "beyond_horizon", "a_reason_that_nobody_foresaw"}
	o := dated(spaceOf(fmt.Sprintf("host%d", r.IntN(10)), path, 1, 2, 0, reasons[r.IntN(len(reasons))]),
		[]float64{nan, 0, 1, 400, -400}[r.IntN(5)], []float64{nan, 0, 2, 3000}[r.IntN(4)], nan, r.Float64(), r.Float64(), r.Float64())
	o.Used, o.Capacity, o.GrowthPerDay, o.Backtest.RelativeMAE = number(), number(), number(), number()
	o.Unit = []string{planner.Bytes, planner.AsRead}[r.IntN(2)]
	o.Sample.Stuck = r.IntN(9) == 0
	return o
}

func TestNoLineIsWiderThanTheTerminal(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for i := range 300 {
		width := leastWidth + r.IntN(160)
		all := make([]planner.Outlook, 1+r.IntN(8))
		for k := range all {
			all[k] = randomOutlook(r)
		}
		for name := range tables {
			out := render(t, name, all, width)
			for line := range strings.Lines(out) {
				line = strings.TrimSuffix(line, "\n")
				if n := table.Cells.StringWidth(line); n > width {
					t.Fatalf("%d: %s at %d: %d cells: %q", i, name, width, n, line)
				}
				if strings.ContainsFunc(line, func(r rune) bool { return !unicode.IsPrint(r) }) || !utf8.ValidString(line) {
					t.Fatalf("%d: %s at %d: not printable: %q", i, name, width, line)
				}
			}
			// Nothing of a name is lost, wherever its line breaks.
			for _, o := range all {
				if !strings.Contains(strings.ReplaceAll(out, "\n", ""), strings.TrimRight(table.Printable(o.Series), " ")) {
					t.Fatalf("%d: %s at %d does not name %q:\n%s", i, name, width, o.Series, out)
				}
			}
		}
	}
}

func TestNarrowTerminalsAreServedAsFarAsTheyGo(t *testing.T) {
	for name := range tables {
		for _, width := range []int{leastWidth - 1, 10, 1, 0, -1} {
			if out := render(t, name, outlooks(), width); !strings.Contains(out, "30 D") || !strings.Contains(out, "db1:/var/log") {
				t.Errorf("%s at %d:\n%s", name, width, out)
			}
		}
	}
}

// The library would give the bars two cells each in these locales, and cut them.
func TestLocaleDoesNotChangeTables(t *testing.T) {
	want := render(t, "volumes", outlooks(), 80)
	t.Cleanup(func() { runewidth.DefaultCondition.EastAsianWidth = false })
	runewidth.DefaultCondition.EastAsianWidth = true
	if runewidth.StringWidth("█") != 2 {
		t.Fatal("the library's default does not follow; the test sees nothing")
	}
	if got := render(t, "volumes", outlooks(), 80); got != want {
		t.Errorf("with East Asian widths:\n%s\nwant\n%s", got, want)
	}
}

func TestEmptyTableIsItsHeader(t *testing.T) {
	if got := render(t, "volumes", nil, 80); got != "VOLUME    USABLE  USED        PAST        FULL            30 D  ERROR\n" {
		t.Errorf("%q", got)
	}
}

type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestBrokenPipeIsAnError(t *testing.T) {
	for name, write := range tables {
		if err := write(brokenPipe{}, outlooks(), 80); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("%s: error %v", name, err)
		}
	}
	if err := NewForecastsJSON(brokenPipe{}).Add(outlooks()[0]); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("JSON: error %v", err)
	}
	c, err := NewPointsCSV(brokenPipe{})
	if err == nil {
		err = c.Close()
	}
	if !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("CSV: error %v", err)
	}
}
