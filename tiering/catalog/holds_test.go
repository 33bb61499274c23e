package catalog

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/bmatcuk/doublestar/v4"
	"github.com/google/go-cmp/cmp"
)

func TestHolds(t *testing.T) {
	c := fresh(t)
	add := func(caseID, glob string, want bool) {
		t.Helper()
		if got, err := c.AddHold(t.Context(), someone, Hold{Case: caseID, Glob: glob, At: noon, Cause: "configuration"}); err != nil || got != want {
			t.Errorf("%s %q: %t, %v", caseID, glob, got, err)
		}
	}
	add("B-1", "/srv/\xff/**", true)
	add("A-1", "/srv/b", true)
	add("A-1", "/srv/a*", true)
	add("A-1", "/srv/b", false)
	holds, err := c.Holds(t.Context())
	want := []Hold{
		{"A-1", "/srv/a*", "alice", noon, CauseCatalog}, {"A-1", "/srv/b", "alice", noon, CauseCatalog}, {"B-1", "/srv/\xff/**", "alice", noon, CauseCatalog},
	}
	if diff := cmp.Diff(want, holds); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
	for _, one := range []struct {
		caseID, glob string
		want         int
	}{{"A-1", "/srv/c", 0}, {"C-1", "", 0}, {"B-1", "/srv/b", 0}, {"A-1", "/srv/b", 1}, {"A-1", "/srv/b", 0}, {"A-1", "", 1}} {
		if n, err := c.RemoveHold(t.Context(), someone, noon, one.caseID, one.glob); err != nil || n != one.want {
			t.Errorf("lift %v: %d, %v", one, n, err)
		}
	}
	if holds, err := c.Holds(t.Context()); err != nil || !slices.Equal(holds, want[2:]) {
		t.Errorf("%+v, %v", holds, err)
	}
	var audited []string
	for _, r := range collectAudit(t, c, AuditFilter{}) {
		audited = append(audited, r.Action+" "+r.Path+" "+r.Reason)
	}
	if diff := cmp.Diff([]string{"hold /srv/\xff/** B-1", "hold /srv/b A-1", "hold /srv/a* A-1", "unhold /srv/b A-1", "unhold /srv/a* A-1"}, audited); diff != "" {
		t.Error(diff)
	}
}

func TestHoldsThatCannotBe(t *testing.T) {
	c := inMemory(t)
	for glob, want := range map[string]string{
		"": "empty", "srv/a": "not absolute", "**": "not absolute", "/srv/[a": "malformed", "/srv/{a": "malformed", `/srv/a\`: "malformed",
		"/srv/../etc": `the part ".."`, "/srv/./a": `the part "."`, "/srv//a": `the part ""`, "/a\x00b": "zero byte",
	} {
		if added, err := c.AddHold(t.Context(), someone, Hold{Case: "A", Glob: glob}); added || err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %t, %v", glob, added, err)
		}
		if _, err := NewHoldMatcher([]Hold{{Case: "A", Glob: glob, Cause: "configuration"}}); err == nil || !strings.Contains(err.Error(), "configuration") {
			t.Errorf("%q: %v", glob, err)
		}
	}
	if _, err := c.AddHold(t.Context(), someone, Hold{Case: " ", Glob: "/a"}); err == nil {
		t.Error("a hold without a case")
	}
	if n := len(collectAudit(t, c, AuditFilter{})); n != 0 {
		t.Errorf("%d records of what was refused", n)
	}
}

func matcher(t testing.TB, globs ...string) *HoldMatcher {
	t.Helper()
	var holds []Hold
	for i, g := range globs {
		holds = append(holds, Hold{Case: fmt.Sprintf("C-%03d", i), Glob: g})
	}
	m, err := NewHoldMatcher(holds)
	must(t, err)
	return m
}

func TestMatchingHolds(t *testing.T) {
	for _, one := range []struct{ glob, held, free string }{
		{"/srv/video", "/srv/video /srv/video/a /srv/video/a/b", "/srv/video2 /srv /srv/vide /srv/Video/a"},
		{"/srv/video/", "/srv/video /srv/video/a", "/srv/video2"},
		{"/srv/video/**", "/srv/video/a /srv/video/a/b /srv/video", "/srv/video2/a /srv"},
		{"/srv/*/cam", "/srv/a/cam /srv/a/cam/x/y", "/srv/cam /srv/a/b/cam /srv/a/cam2"},
		{"/srv/cam-*", "/srv/cam-1 /srv/cam-1/2026/x /srv/cam-", "/srv/cam /srv/a/cam-1"},
		{"/srv/cam-14/2026-03-*/**", "/srv/cam-14/2026-03-01/a/b /srv/cam-14/2026-03-01", "/srv/cam-14/2026-04-01/a /srv/cam-14"},
		{"/**/*.pdf", "/a.pdf /x/y/a.pdf /x/a.pdf/b", "/a.pdf2 /pdf"},
		{"/srv/{a,b}/x", "/srv/a/x /srv/b/x/y", "/srv/c/x"},
		{`/srv/a\*b`, "/srv/a*b /srv/a*b/c", "/srv/aXb"},
		{"/srv/[ab]?", "/srv/ax /srv/bx/c", "/srv/a /srv/cx /srv/axx"},
		{"/", "/ /a /a/b", ""},
		{"/*", "/a /a/b", ""},
		{"/srv/é/\xff", "/srv/é/\xff /srv/é/\xff/x", "/srv/e/\xff /srv/é/\xfe"},
		{"/srv/\xff*", "/srv/\xffa /srv/\xff", "/srv/\xfea"},
	} {
		m := matcher(t, one.glob)
		for path := range strings.FieldsSeq(one.held) {
			if h, ok := m.Match(path); !ok || h.Glob != one.glob {
				t.Errorf("%q does not hold %q", one.glob, path)
			}
		}
		for path := range strings.FieldsSeq(one.free) {
			if _, ok := m.Match(path); ok {
				t.Errorf("%q holds %q", one.glob, path)
			}
		}
	}
	var none *HoldMatcher
	if _, ok := none.Match("/a"); ok {
		t.Error("no matcher holds something")
	}
	if _, ok := matcher(t).Match("/a"); ok {
		t.Error("no hold holds something")
	}
}

// The first of several that hold a path does not depend on the order in which they were given.
func TestWhichHold(t *testing.T) {
	a, b, deep := Hold{Case: "A", Glob: "/srv/x*"}, Hold{Case: "B", Glob: "/srv/*"}, Hold{Case: "0", Glob: "/srv/x/y"}
	for _, holds := range [][]Hold{{a, b, deep}, {deep, b, a}} {
		m, err := NewHoldMatcher(holds)
		must(t, err)
		if h, ok := m.Match("/srv/x/y"); !ok || h.Case != "A" {
			t.Errorf("%+v", h)
		}
	}
}

// The matcher against doublestar alone, which takes all bytes that are no UTF-8 for the same: a path is held when it or a directory above it matches.
func FuzzHoldMatcher(f *testing.F) {
	for _, seed := range [][2]string{{"/srv/**", "/srv/a"}, {"/a/{b,c}*/d", "/a/bx/d/e"}, {`/a\*`, "/a*/b"}, {"/[!a]*", "/b/c"}, {"/a/**/b", "/a/b"}, {"/*/", "/x"}, {"/\xff?", "/\xffa"}} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, glob, path string) {
		m, err := NewHoldMatcher([]Hold{{Case: "A", Glob: glob}})
		if err != nil || !utf8.ValidString(glob+path) || !strings.HasPrefix(path, "/") || strings.Contains(path, "//") || path != "/" && strings.HasSuffix(path, "/") {
			return
		}
		want := false
		trimmed := strings.TrimRight(glob, "/")
		for i := range len(path) + 1 {
			if i == len(path) || path[i] == '/' {
				want = want || doublestar.MatchUnvalidated(trimmed, path[:i])
			}
		}
		if _, got := m.Match(path); got != want {
			t.Errorf("%q and %q: held %t, want %t", glob, path, got, want)
		}
	})
}

func BenchmarkHoldMatcher(b *testing.B) {
	var globs []string
	for i := range 500 {
		switch i % 5 {
		case 0:
			globs = append(globs, fmt.Sprintf("/srv/video/cam-%03d/2026-%02d-*/**", i/4, i%12+1))
		case 1:
			globs = append(globs, fmt.Sprintf("/srv/cases/%04d", i))
		case 2:
			globs = append(globs, fmt.Sprintf("/srv/records/%d/**/*.pdf", i))
		case 3:
			globs = append(globs, fmt.Sprintf("/srv/video/cam-%03d/evidence-%d.mkv", i/4, i))
		default:
			globs = append(globs, fmt.Sprintf("/home/user-%d/{mail,documents}/**", i))
		}
	}
	m := matcher(b, globs...)
	paths := make([]string, 1000)
	for i := range paths {
		paths[i] = fmt.Sprintf("/srv/video/cam-%03d/2026-%02d-%02d/%06d.mkv", i%130, i%12+1, i%28+1, i)
	}
	held := 0
	i := 0
	for b.Loop() {
		if _, ok := m.Match(paths[i%len(paths)]); ok {
			held++
		}
		i++
	}
	b.ReportMetric(float64(held)/float64(i), "held")
}
