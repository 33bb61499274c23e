package report

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tidemark/tidemark/internal/table"
	"github.com/tidemark/tidemark/internal/volume"
	"github.com/tidemark/tidemark/planner"
	"github.com/tidemark/tidemark/planner/forecast"
)

func TestJudge(t *testing.T) {
	limits := CheckLimits{Warning: 30 * day, Critical: 7 * day}
	in := func(days float64) planner.Outlook {
		return dated(spaceOf("h", "/", 50, 100, 1, ""), days/2, days, 2*days, 0, 0, 0)
	}
	withheld := func(reason forecast.Reason) planner.Outlook {
		return dated(spaceOf("h", "/", 50, 100, 1, reason), nan, nan, nan, 0, 0, 0)
	}
	change := func(o planner.Outlook, f func(*planner.Outlook)) planner.Outlook { f(&o); return o }
	ofInodes := func(o *planner.Outlook) { o.Resource, o.Unit = volume.Inodes, planner.Count }
	for _, tc := range []struct {
		name   string
		in     planner.Outlook
		status Status
		why    string
	}{
		{"far", in(31), OK, ""},
		{"at the warning", in(30), Warning, "likely full on 2026-04-09"},
		{"before the critical", in(7.01), Warning, "likely full on 2026-03-17"},
		{"at the critical", in(7), Critical, "likely full on 2026-03-17"},
		{"the likely date has passed", in(-1), Critical, "likely full on 03-09 12:00"},
		{"the early date alone", change(in(5), func(o *planner.Outlook) { o.TimeToFull.P50 = time.Time{} }), OK, ""},
		{"full", change(withheld(forecast.ReasonFull), func(o *planner.Outlook) { o.Used = 96 * gib }), Critical, "96% used, full at 95%"},
		{"full, whatever the reason", change(withheld(forecast.ReasonNewVolume), func(o *planner.Outlook) { o.Used = 95 * gib }), Critical, "95% used, full at 95%"},
		{"full and stale", change(withheld(forecast.ReasonStale), func(o *planner.Outlook) { o.Used = 95 * gib }), Critical, "95% used, full at 95%"},
		{"nearly full and new", change(withheld(forecast.ReasonNewVolume), func(o *planner.Outlook) { o.Used = 94 * gib }), OK, ""},
		{"stuck comes first", change(in(1), func(o *planner.Outlook) { o.Sample.Stuck = true }), Critical, "does not answer (stuck)"},
		{"missing", change(withheld(forecast.ReasonIdle), func(o *planner.Outlook) { o.Sample.Missing = true }), Critical, "is not mounted any more"},
		{"stale", withheld(forecast.ReasonStale), Unknown, "no sample for more than three days"},
		{"unread", withheld(planner.ReasonUnread), Unknown, "could not be read"},
		{"idle", withheld(forecast.ReasonIdle), OK, ""},
		{"gap", withheld(forecast.ReasonGap), OK, ""},
		{"a runaway, whatever the limit", change(in(9), func(o *planner.Outlook) { o.TimeToFull.Reason = forecast.ReasonRunaway }), Critical, "is running away, likely full on 2026-03-19"},
		{"inodes near", change(in(7), ofInodes), Critical, "likely full on 2026-03-17"},
		{"inodes of a stuck volume are told with its space", change(change(withheld(forecast.ReasonIdle), ofInodes), func(o *planner.Outlook) { o.Sample.Stuck = true }), OK, ""},
		{"inodes of a missing one too", change(change(withheld(forecast.ReasonStale), ofInodes), func(o *planner.Outlook) { o.Sample.Missing = true }), OK, ""},
		{"no capacity", change(withheld(forecast.ReasonNoCapacity), func(o *planner.Outlook) { o.Capacity = nan }), OK, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if status, why := judge(tc.in, limits, now); status != tc.status || why != tc.why {
				t.Errorf("%s %q, want %s %q", status, why, tc.status, tc.why)
			}
		})
	}
}

func TestWorstComesFirst(t *testing.T) {
	full := dated(spaceOf("z", "/full", 99, 100, 1, forecast.ReasonFull), 0, 0, 0, 1, 1, 1)
	got := Check([]planner.Outlook{spaceOf("a", "/", 50, 100, 1, forecast.ReasonStale), dated(spaceOf("b", "/", 50, 100, 1, ""), 5, 9, 20, 0, 0, 0), full},
		CheckLimits{Warning: 30 * day, Critical: 7 * day}, now)
	_, details, _ := strings.Cut(got.Text, "\n")
	want := "CRITICAL z:/full: 99% used, full at 95%\nUNKNOWN a:/: no sample for more than three days\nWARNING b:/: likely full on 2026-03-19\n"
	if got.Status != Critical || details != want {
		t.Errorf("%s:\n%s, want CRITICAL and\n%s", got.Status, details, want)
	}
}

// A reason without a meaning would stand in the table unexplained.
func TestEveryReasonHasAMeaning(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "../forecast/reason.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, d := range file.Decls {
		group, ok := d.(*ast.GenDecl)
		if !ok || group.Tok != token.CONST || !strings.HasPrefix(group.Doc.Text(), "Why there is no date") {
			continue
		}
		for _, spec := range group.Specs {
			for _, value := range spec.(*ast.ValueSpec).Values {
				reason, err := strconv.Unquote(value.(*ast.BasicLit).Value)
				if err != nil {
					t.Fatal(err)
				}
				if seen++; meanings[reason] == "" {
					t.Errorf("%s has no meaning", reason)
				}
			}
		}
	}
	if seen < 9 {
		t.Errorf("%d reasons found; the test sees too little", seen)
	}
}

// On the least terminal that is 80 columns wide no note takes a second line.
func TestNotesAreShort(t *testing.T) {
	for word, text := range meanings {
		if n := table.Cells.StringWidth("  " + word + ": " + text); n > 80 {
			t.Errorf("%s takes %d cells", word, n)
		}
	}
}
