package config

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// plainPolicy is what the tests change one thing of.
const plainPolicy = "archives: {vault: {path: /mnt/vault}}\npolicies:\n- {name: a, volume: /srv/a, archive: vault, where: idle > days(9)}\n"

func TestPolicyDefaults(t *testing.T) {
	c, err := Parse("t.yaml", []byte(plainPolicy))
	if err != nil {
		t.Fatal(err)
	}
	want := Policy{
		Name: "a", Volume: "/srv/a", Archive: "vault", Where: Text{Value: "idle > days(9)", Field: "policies[0].where"},
		Schedule: Text{Field: "policies[0].schedule"}, Order: "coldest", Leave: "link", KeepRecalled: 7 * day,
	}
	if diff := cmp.Diff([]Policy{want}, c.Policies, values...); diff != "" {
		t.Errorf("policies (- want, + got):\n%s", diff)
	}
	if diff := cmp.Diff([]Archive{{Name: "vault", Path: "/mnt/vault", MinFree: .05}}, c.Archives); diff != "" {
		t.Errorf("archives (- want, + got):\n%s", diff)
	}
	if v := Default().Tiering.Verify; v.Schedule.Value != "30 4 * * *" || v.Time != time.Hour || v.Bytes != 0 {
		t.Errorf("verify %+v", v)
	}
}

func TestTieringSample(t *testing.T) {
	c, err := Load("samples/tiering.yaml", noEnv)
	if err != nil {
		t.Fatal(err)
	}
	p := c.Policies[0]
	want := Policy{
		Name: "cold-video", Volume: "/srv/video", Archive: "vault", Order: "largest", Leave: "nothing",
		Exclude: []string{"**/.snapshot/**", "/srv/video/live/**"},
		Start:   Start{Above: .8, FullWithin: 30 * day}, Stop: Stop{Below: .7},
		Limit: Limit{
			Bytes: 2 << 40, Files: 1e6, Bandwidth: 3 << 19,
			Window: Window{From: 22 * time.Hour, To: 6 * time.Hour},
		},
		Enforce: true, ExportedLinks: true,
	}
	if diff := cmp.Diff(want, p, cmpopts.IgnoreTypes(Text{})); diff != "" {
		t.Errorf("policy (- want, + got):\n%s", diff)
	}
	holds := []Hold{{"FIR-2026-118", []string{"/srv/video/cam-14/2026-03-*/**"}}, {"audit 7/2026", []string{"/srv/scans/{a,b}/**"}}}
	if diff := cmp.Diff(holds, c.Holds); diff != "" {
		t.Errorf("holds (- want, + got):\n%s", diff)
	}
	if v := c.Tiering.Verify; v.Schedule.Value != "@weekly" || v.Time != 8*time.Hour || v.Bytes != 4e12 {
		t.Errorf("verify %+v", v)
	}
	if a := c.Archives[0]; a.Name != "vault" || a.Path != "/mnt/vault" || a.MinFree != 0 {
		t.Errorf("archive %+v", a)
	}
}

// `where: true` is every file: written out, it is meant.
func TestWhereTrueIsARule(t *testing.T) {
	c, err := Parse("t.yaml", []byte(strings.Replace(plainPolicy, "idle > days(9)", "true", 1)))
	if err != nil || c.Policies[0].Where.Value != "true" {
		t.Errorf("%+v, %v", c, err)
	}
}

func TestTextKnowsWhereItsCharactersStand(t *testing.T) {
	for name, tc := range map[string]struct {
		where        string // as it is written
		blame        string // what is blamed; empty: the whole
		line, column int
	}{
		"plain":                 {"where: idle > dais(9)", "dais", 4, 23},
		"the whole":             {"where: idle > dais(9)", "", 4, 16},
		"quoted":                {`where: "idle > dais(9)"`, "dais", 4, 24},
		"single quotes":         {"where: 'idle > dais(9)'", "dais", 4, 24},
		"other letters":         {`where: 'name == "Ü" && x'`, "x", 4, 32},
		"a literal block":       {"where: |\n          idle > 1 &&\n\n            dais(9)\n\n", "dais", 7, 13},
		"its first line":        {"where: |-\n          dais(9)", "dais", 5, 11},
		"its line break":        {"where: |\n          idle >\n           dais", "\n", 5, 17},
		"with a return":         {"where: |\r\n          idle > 1 &&\r\n            dais(9)\r\n", "dais", 6, 13},
		"spaces at its end":     {"where: |\n          idle > 1 &&  \n          dais(9)   \n", "dais", 6, 11},
		"space around":          {"where: \"\\t  idle > 1 \\n\"", "", 4, 16},
		"spaces before":         {"where: '  idle > dais '", "dais", 4, 26},
		"blank lines":           {"where: |\n\n\n          idle > dais", "dais", 7, 18},
		"a deeper first":        {"where: |2\n             idle >\n          dais", "dais", 6, 11},
		"an indicator":          {"where: |2\n          idle > 1", ">", 5, 16},
		"escapes: the whole":    {`where: "idle\u0020> dais(9)"`, "dais", 4, 16},
		"a folded block: whole": {"where: >\n          idle > 1 &&\n          dais(9)", "dais", 4, 16},
		"two lines: whole":      {"where: idle > 1 &&\n          dais(9)", "dais", 4, 16},
		"a doubled quote":       {"where: 'name == ''a'' && x'", "x", 4, 16},
	} {
		t.Run(name, func(t *testing.T) {
			check := func(c *Config) []Problem {
				w := c.Policies[0].Where
				at := -1
				if before, _, ok := strings.Cut(w.Value, tc.blame); ok && tc.blame != "" {
					at = len([]rune(before))
				}
				return []Problem{w.Problem(at, "%s is unknown", tc.blame)}
			}
			// The key stands in line 4, column 9, so that a plain value begins in column 16.
			text := "archives: {vault: {path: /mnt/vault}}\npolicies:\n  -\n        " + strings.TrimSpace(tc.where) +
				"\n        name: a\n        volume: /srv/a\n        archive: vault\n"
			_, err := Parse("t.yaml", []byte(text), check)
			var e *Error
			if !errors.As(err, &e) || len(e.Problems) != 1 {
				t.Fatalf("error %v of\n%s", err, text)
			}
			if p := e.Problems[0]; p.Line != tc.line || p.Column != tc.column || p.Field != "policies[0].where" || p.File != "t.yaml" {
				t.Errorf("blamed %s, want %d:%d in\n%s", p, tc.line, tc.column, text)
			}
		})
	}
}

func TestChecksReportAmongTheOthersAndNeedNoSoundFile(t *testing.T) {
	const text = `archives: {vault: {path: /mnt/vault}}
policies:
  - {name: a, volume: /srv/a, archive: vault, where: idle > 1, schedule: never, order: x}
  - {name: b, volume: /srv/b, archive: valt, where: "", schedule: never}
colour: red
`
	schedules := func(c *Config) []Problem {
		var all []Problem
		for _, p := range c.Policies {
			all = append(all, p.Schedule.Problem(0, "no schedule"))
		}
		return all
	}
	rules := func(c *Config) []Problem {
		return []Problem{c.Policies[0].Where.Problem(5, "bad"), c.Tiering.Verify.Schedule.Problem(0, "a default has no place")}
	}
	_, err := Parse("t.yaml", []byte(text), schedules, rules)
	want := strings.Join([]string{
		"t.yaml: tiering.verify.schedule: a default has no place",
		"t.yaml:3:59: policies[0].where: bad",
		"t.yaml:3:74: policies[0].schedule: no schedule",
		"t.yaml:3:88: policies[0].order: \"x\" is unknown: write one of coldest, largest, oldest",
		"t.yaml:4:40: policies[1].archive: there is no archive \"valt\"; did you mean `vault`?",
		"t.yaml:4:53: policies[1].where: is empty, and an empty rule moves nothing: write what may move, such as idle > days(60); `true` is every file",
		"t.yaml:4:67: policies[1].schedule: no schedule",
		"t.yaml:5:1: colour: unknown key; known here: agent, archives, data_dir, holds, host, influx, planner, policies, tags, tiering, timezone",
	}, "\n")
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
}

func TestLoadRunsChecks(t *testing.T) {
	file := filepath.Join(t.TempDir(), "t.yaml")
	if err := os.WriteFile(file, []byte(plainPolicy), 0o600); err != nil {
		t.Fatal(err)
	}
	called := false
	if _, err := Load(file, noEnv, func(c *Config) []Problem { called = len(c.Policies) == 1; return nil }); err != nil || !called {
		t.Errorf("error %v, called %v", err, called)
	}
	if _, err := Load(file, noEnv, func(*Config) []Problem { return []Problem{{Message: "wrong"}} }); err == nil {
		t.Error("a check's problem is no error")
	}
}

func TestShowKeepsTextsThatYAMLCouldMisread(t *testing.T) {
	for _, where := range []string{
		"# a\nidle > 1", "- x", "a: b", "'q'", `"q"`, "a\n  b\n c", "a\n\tb", "a\n\n\nb", "{a", "null", "~", "0x10", "*a", "&a",
		"!a", "| a", "> a", "%a", "@a", "`a`", "a #b", "a:", "idle > 1 // \u00fc\u2028\u0085x", "\ufeffa", "---", "...", "a\t\n b",
	} {
		c := Default()
		c.Archives = []Archive{{Name: "1", Path: "/mnt/a: b"}}
		c.Policies = []Policy{{Name: "true", Volume: "/srv/# a", Archive: "1", Where: Text{Value: where}, Order: "oldest", Leave: "link"}}
		var shown bytes.Buffer
		if err := c.Show(&shown); err != nil {
			t.Fatal(err)
		}
		again, err := Parse("t.yaml", shown.Bytes())
		if err != nil {
			t.Errorf("%q: %v of\n%s", where, err, &shown)
			continue
		}
		if p := again.Policies[0]; p.Where.Value != where || p.Name != "true" || p.Volume != "/srv/# a" || again.Archives[0].Path != "/mnt/a: b" {
			t.Errorf("%q is shown as\n%s\nwhich is read as %q", where, &shown, p.Where.Value)
		}
	}
}

func TestNearest(t *testing.T) {
	for _, tc := range []struct {
		written string
		among   []string
		want    string
	}{
		{"hots", []string{"holds", "host"}, "host"}, // letters that change places
		{"abcd", []string{"abcdef", "abcdeg"}, "abcdef"},
		{"abcd", []string{"abce", "abcf"}, "abce"},
		{"Vault", []string{"vault", "vaults"}, "vault"},
		{"xyz", []string{"vault", "archive"}, ""},
	} {
		if got := Nearest(tc.written, tc.among); got != tc.want {
			t.Errorf("%q among %q is %q, want %q", tc.written, tc.among, got, tc.want)
		}
	}
}

func TestParseSize(t *testing.T) {
	for text, want := range map[string]int64{
		"0": 0, "1048576": 1 << 20, "1B": 1, "1kB": 1000, "1.5 KiB": 1536, "2TiB": 2 << 40, "2TB": 2e12, "7PiB": 7 << 50,
		"0.0000001kB": 0, "9223372036854775807": 1<<63 - 1,
	} {
		if got, err := ParseSize(text); err != nil || got != want {
			t.Errorf("%q: %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "-1", "+1", "1 ", "1kb", "1K", "1e9", "1,000", "1_000", ".5GB", "9223372036854775808", "8192PiB", "1GiB/s", "NaN", "0x10"} {
		if got, err := ParseSize(text); err == nil {
			t.Errorf("%q is %d, want an error", text, got)
		}
	}
	for n, want := range map[int64]string{0: "0", 1: "1", 999: "999", 1000: "1kB", 1536: "1536", 2 << 40: "2TiB", 4e12: "4TB", 3 << 19: "1536KiB", 1<<63 - 1: "9223372036854775807"} {
		got := sizeText(n)
		if back, err := ParseSize(got); got != want || err != nil || back != n {
			t.Errorf("%d is shown as %q, want %q; read back %d, %v", n, got, want, back, err)
		}
	}
}

func TestParseWindow(t *testing.T) {
	for text, want := range map[string]Window{
		"22:00-06:00": {22 * time.Hour, 6 * time.Hour},
		"09:30-17:05": {9*time.Hour + 30*time.Minute, 17*time.Hour + 5*time.Minute},
		"18:00-24:00": {18 * time.Hour, 0},
		"00:00-00:01": {0, time.Minute},
	} {
		got, err := ParseWindow(text)
		if err != nil || got != want {
			t.Errorf("%q: %+v, %v; want %+v", text, got, err, want)
		}
		if back, err := ParseWindow(got.String()); err != nil || back != got {
			t.Errorf("%q is shown as %q", text, got)
		}
	}
	if s := (Window{}).String(); s != "" {
		t.Errorf("a window that is always open is shown as %q", s)
	}
}

func TestNested(t *testing.T) {
	for _, tc := range []struct{ a, b, want string }{
		{"/srv/a", "/srv/a", "is the same as"},
		{"/srv/a/b", "/srv/a", "lies within"},
		{"/srv/a", "/srv/a/b", "contains"},
		{"/", "/srv/a", "contains"},
		{"/srv/ab", "/srv/a", ""},
		{"/srv/a", "/srv/b", ""},
		{"", "/srv/b", ""},
		{"srv", "/", ""},
	} {
		if got := nested(tc.a, tc.b); got != tc.want {
			t.Errorf("%s and %s: %q, want %q", tc.a, tc.b, got, tc.want)
		}
	}
}
