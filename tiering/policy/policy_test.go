package policy

import (
	"errors"
	"fmt"
	"os/user"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/tidemark/tidemark/internal/fsys"
)

func TestCompileErrors(t *testing.T) {
	tests := []struct{ name, where, want string }{
		{"empty", " \n", "column 1: an empty rule moves nothing"},
		{"syntax", "size >", "column 6: unexpected token EOF\nsize >\n     ^"},
		{"misspelt", "sise > 3", "column 1: unknown name sise: did you mean size?\nsise > 3\n^"},
		{"unknown", "size > frobnicate", "column 8: unknown name frobnicate: a rule may ask for"},
		{"column in runes", `name == "ä" && foo`, "column 16: unknown name foo"},
		{"second line", "size > 1 &&\n  sise > 2", "line 2, column 3: unknown name sise: did you mean size?\n  sise > 2\n  ^"},
		{"no duration", "idle > 60", "column 6: invalid operation: > (mismatched types time.Duration and int): write a time as days(60)"},
		{"no date", `mtime > "2026"`, `write a date as date("2026-01-01")`},
		{"wrong date", `mtime > date("yesterday")`, "is no date"},
		{"no boolean", "size + 1", "the rule must be true or false, but this is int"},
		{"function uncalled", "$env == 1", "function"},
		{"clock", "mtime < now()", "unknown name now"},
		{"loop", "any([1, 2], {# > uid})", "a rule has no any()"},
		{"repeat", `repeat(name, 9) == ""`, "unknown name repeat"},
		{"memory", "let x = name + name; x + x == name", "a rule has no VariableDeclarator"},
		{"range", "uid in 1..1000000", "in needs a list that is written out"},
		{"range alone", "[1..3] == [1]", "a rule has no"},
		{"layouts that grow", `mtime.Format("1") == ""`, "a rule has no Format()"},
		{"computed pattern", "name matches ext", "the pattern of matches must be written out"},
		{"bad pattern", `name matches "("`, "missing closing )"},
		{"computed glob", "glob(name)", "the pattern of glob must be written out"},
		{"bad glob", `glob("[")`, "no glob"},
		{"explosive glob", `glob("` + strings.Repeat("{a,b}", 30) + `")`, "write fewer of them"},
		{"mixed list", `ext in ["mp4", 1]`, "column 16: the list must hold constants"},
		{"other list", `ext in [1]`, "cannot use string as type int in array"},
		{"too many days", "idle > days(1e9)", "too much"},
		{"division", "1 % 0 == size", "division by zero"},
		{"too long", strings.Repeat(" ", maxLength) + "true", "more than 16384"},
		{"too many parts", "size in [" + strings.Repeat("1,", 5000) + "1]", "node"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			rule, err := Compile(test.where)
			var e *Error
			if !errors.As(err, &e) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v, %v; want an error with %q", rule, err, test.want)
			}
		})
	}
}

func TestDecide(t *testing.T) {
	excludes, err := NewExcludes("/srv/video", []string{"**/.snapshot/**", "*.tmp"})
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name  string
		where string // "": the design's example
		edit  func(*File, *Judge)
		want  Verdict
	}{
		{"eligible", "", nil, Verdict{
			Eligible: true, Clause: `idle > days(60), size >= MiB(1), ext in ["mp4", "mkv"]`,
			Reason: "idle 92.5d > 60d by atime, size 1.2 GiB ≥ 1 MiB, ext mp4",
		}},
		{"by mtime", "", func(_ *File, j *Judge) { j.Moment.Atime = false }, Verdict{
			Eligible: true, Clause: `idle > days(60), size >= MiB(1), ext in ["mp4", "mkv"]`,
			Reason: "idle 100d > 60d by mtime, size 1.2 GiB ≥ 1 MiB, ext mp4",
		}},
		{"written after it was read", "", func(f *File, _ *Judge) { f.Mtime = daysAgo(3) }, Verdict{
			Why: Unmatched, Clause: "idle > days(60)", Reason: "idle 3d is not > 60d by mtime",
		}},
		{"just about", "", func(f *File, _ *Judge) { f.Atime = daysAgo(60) }, Verdict{
			Why: Unmatched, Clause: "idle > days(60)", Reason: "idle 60d is not > 60d by atime",
		}},
		{"first of two", "", func(f *File, _ *Judge) { f.Size, f.Name = 1000, "x.txt" }, Verdict{
			Why: Unmatched, Clause: "size >= MiB(1)", Reason: "size 1000 B is not ≥ 1 MiB",
		}},
		{"not in", "", func(f *File, _ *Judge) { f.Name = "x.txt" }, Verdict{
			Why: Unmatched, Clause: `ext in ["mp4", "mkv"]`, Reason: `ext txt is not in "mp4", "mkv"`,
		}},
		{"either", `age < days(1) or owner == "user1000" or size > 0`, nil, Verdict{
			Eligible: true, Clause: `owner == "user1000"`, Reason: "owner user1000",
		}},
		{"not", `not (idle < days(1) or ext == "txt") and mode != 0o644`, nil, Verdict{
			Eligible: true, Clause: `idle < days(1), ext == "txt", mode != 420`,
			Reason: "idle 92.5d is not < 1d by atime, ext mp4, not txt, mode 0640, not 0644",
		}},
		{"glob", `glob("/srv/video/cam-14/**") and mtime < date("2026-01-01")`, nil, Verdict{
			Eligible: true, Clause: `glob("/srv/video/cam-14/**"), mtime < date("2026-01-01")`,
			Reason: `path matches "/srv/video/cam-14/**", mtime 2025-11-21T12:00:00Z < 2026-01-01`,
		}},
		{"unreadable attribute", `size > 0 and xattr("user.broken") != "x"`, nil, Verdict{
			Why: Undecided, Clause: `xattr("user.broken") != "x"`, Reason: "user.broken: input/output error",
		}},
		{"nobody reads attributes", `xattr("user.keep") != "x"`, func(f *File, _ *Judge) { f.Xattr = nil }, Verdict{
			Why: Undecided, Clause: `xattr("user.keep") != "x"`, Reason: "extended attributes cannot be read here",
		}},
		{"nameless owner", `owner != "root"`, func(f *File, _ *Judge) { f.UID = 13 }, Verdict{
			Why: Undecided, Clause: `owner != "root"`, Reason: "the directory does not answer",
		}},
		{"directory", "", func(f *File, _ *Judge) { f.Mode = fsys.TypeDir }, Verdict{Why: NotRegular, Reason: "not a regular file"}},
		{"symlink", "", func(f *File, _ *Judge) { f.Mode = fsys.TypeSymlink }, Verdict{Why: NotRegular, Reason: "not a regular file"}},
		{"hard link", "", func(f *File, _ *Judge) { f.Nlink = 2 }, Verdict{
			Why: HardLinked, Reason: "has 2 names: releasing one would free nothing",
		}},
		{"empty", "true", func(f *File, _ *Judge) { f.Size = 0 }, Verdict{Why: Empty, Reason: "takes no space: releasing it would free nothing"}},
		{"a hole", "true", func(f *File, _ *Judge) { f.Allocated = 0 }, Verdict{Why: Empty, Reason: "takes no space: releasing it would free nothing"}},
		{"ours", "", func(f *File, _ *Judge) { f.Dir = "/srv/video/.tidemark/trash" }, Verdict{Why: Internal, Reason: "is tidemark's own"}},
		{"not ours", "size < 0", func(f *File, _ *Judge) { f.Dir = "/srv/video/.tidemarks" }, Verdict{
			Why: Unmatched, Clause: "size < 0", Reason: "size 1.2 GiB is not < 0 B",
		}},
		{"excluded name", "", func(f *File, _ *Judge) { f.Name = "x.tmp" }, Verdict{Why: Excluded, Reason: `excluded by "*.tmp"`}},
		{"excluded above", "", func(f *File, _ *Judge) { f.Dir = "/srv/video/.snapshot/a/b" }, Verdict{
			Why: Excluded, Reason: `excluded by "**/.snapshot/**"`,
		}},
		{"young", "", func(f *File, j *Judge) { j.MinAge, f.Ctime = time.Hour, daysAgo(0.5/24) }, Verdict{
			Why: TooYoung, Reason: "was changed 30m0s ago, less than 1h",
		}},
		{"old enough", "size < 0", func(f *File, j *Judge) { j.MinAge, f.Ctime = time.Hour, daysAgo(1.0/24) }, Verdict{
			Why: Unmatched, Clause: "size < 0", Reason: "size 1.2 GiB is not < 0 B",
		}},
		{"held", "size > 0", func(_ *File, j *Judge) {
			j.Held = func(path string) (string, bool) { return "FIR-118", path == "/srv/video/cam-14/2026-01-03/a b.mp4" }
		}, Verdict{Why: Held, Clause: "size > 0", Reason: "held: FIR-118"}},
		{"recalled", "size > 0", func(_ *File, j *Judge) { j.Known = recalledAgo(6) }, Verdict{
			Why: Recalled, Archived: true, Clause: "size > 0", Reason: "was recalled and is left alone until 2026-03-02T12:00:00Z",
		}},
		{"recalled long ago", "size > 0", func(_ *File, j *Judge) { j.Known = recalledAgo(7) }, Verdict{
			Eligible: true, Archived: true, Clause: "size > 0", Reason: "size 1.2 GiB > 0 B",
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			where := test.where
			if where == "" {
				where = rules()[0]
			}
			rule, err := Compile(where)
			if err != nil {
				t.Fatal(err)
			}
			f := video()
			j := &Judge{Rule: rule, Volume: "/srv/video", Excludes: excludes, KeepRecalled: 7 * 24 * time.Hour, Moment: moment()}
			if test.edit != nil {
				test.edit(f, j)
				f.Place(f.Dir, f.Name)
			}
			if got := j.Decide(f); got != test.want {
				t.Errorf("got  %+v\nwant %+v", got, test.want)
			}
			if test.name == "excluded above" {
				return // that a scan does not enter it is for the scan
			}
			if got, known := j.Session().Quick(f); got != test.want.Why || known.Archived != test.want.Archived {
				t.Errorf("quickly %v, %v", got, known)
			}
		})
	}
}

func recalledAgo(days int) func(*File) Copy {
	return func(*File) Copy {
		return Copy{Archived: true, RecalledAt: now().Add(-time.Duration(days) * 24 * time.Hour)}
	}
}

func TestExplain(t *testing.T) {
	rule, err := Compile(`not (idle > days(100)) and (size > GiB(3) or ext in ["a", "mp4"]) and uid == 0 and gid == 0`)
	if err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	for _, c := range rule.Explain(video(), moment()) {
		fmt.Fprintf(&got, "%s%s: %v %v %q\n", strings.Repeat("  ", c.Depth), c.Text, c.Value, c.Decided, c.Reason)
	}
	want := `not (idle > days(100)) and (size > GiB(3) or ext in ["a", "mp4"]) and uid == 0 and gid == 0: false true ""
  not (idle > days(100)): true false ""
    idle > days(100): false false "idle 92.5d is not > 100d by atime"
  size > GiB(3) or ext in ["a", "mp4"]: true false ""
    size > GiB(3): false false "size 1.2 GiB is not > 3 GiB"
    ext in ["a", "mp4"]: true false "ext mp4"
  uid == 0: false true "uid 1000, not 0"
  gid == 0: false false "gid 100, not 0"
`
	if got.String() != want {
		t.Errorf("got\n%swant\n%s", got.String(), want)
	}
}

func TestRising(t *testing.T) {
	tests := map[string]bool{
		`idle > days(60) and size > 3`:                        true,
		`not (idle <= days(60)) or days(3) <= age`:            true,
		`not (age > days(60))`:                                false,
		`idle > days(60) and age < days(90)`:                  false,
		`idle == days(60)`:                                    false,
		`idle > age`:                                          false,
		`(idle > days(3)) == true`:                            false,
		`size > 3 ? idle > days(3) : age > days(9)`:           true,
		`idle > days(3) ? size > 3 : size > 4`:                false,
		`mtime < date("2026-01-01")`:                          true,
		`idle * 2 > days(3)`:                                  false,
		`not (not (idle >= days(3)) or not (age > hours(9)))`: true,
		`days(3) > idle`:                                      false,
	}
	for where, want := range tests {
		rule, err := Compile(where)
		if err != nil {
			t.Fatal(err)
		}
		if rule.Rising() != want {
			t.Errorf("%s: rising is %v", where, !want)
		}
	}
}

func TestExt(t *testing.T) {
	for name, want := range map[string]string{
		"a.MP4": "MP4", "a.tar.gz": "gz", ".bashrc": "", ".a.b": "b", "a": "", "a.": "", ".": "",
	} {
		f := &File{}
		f.Place("/", name)
		if got := f.ext(); got != want {
			t.Errorf("ext of %q is %q, want %q", name, got, want)
		}
		if f.Path() != "/"+name {
			t.Errorf("path of %q is %q", name, f.Path())
		}
	}
}

func TestNames(t *testing.T) {
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	n := NewNames()
	var uid uint32
	fmt.Sscan(me.Uid, &uid)
	for range 2 {
		if name, err := n.Owner(uid); err != nil || name != me.Username {
			t.Errorf("owner %d: %q, %v", uid, name, err)
		}
		if name, err := n.Owner(4123456789); err != nil || name != "4123456789" {
			t.Errorf("nobody: %q, %v", name, err)
		}
		if name, err := n.Group(4123456789); err != nil || name != "4123456789" {
			t.Errorf("no group: %q, %v", name, err)
		}
	}
}

func TestGlobKinds(t *testing.T) {
	for pattern, want := range map[string]globKind{
		"/a/b": literal, "/a/**": below, "**/.snapshot/**": component, "**/x": base, "**/*.tmp": suffix, "/a/*/b": general, "**": general,
		"**/*": general, "{a,b}": general, `a\*`: general,
	} {
		g, err := CompileGlob(pattern)
		if err != nil || g.kind != want {
			t.Errorf("%q is of kind %v (%v), want %v", pattern, g.kind, err, want)
		}
	}
}

func FuzzGlob(f *testing.F) {
	for _, pattern := range []string{
		"/a/b", "/a/**", "**/b/**", "**/b", "**/*b", "/a/*/b", "**", "{a,/a}/b", `a\*`, "[a-b]/**", "/**", "**/*", "/a**", "*/**/b*", "**/**/**",
		"{/a/**,b}", "**/}", "a{b/**", "**/*/**", "/*a", "//**", "a//b", "**/a/", "**/*a/**",
	} {
		for _, path := range []string{"/a/b", "a/b/c", "b", "/", "", "/a", "/a/", "//", "ab/b/", "\xff/b", "/a/x/b"} {
			f.Add(pattern, path)
		}
	}
	f.Fuzz(func(t *testing.T, pattern, path string) {
		g, err := CompileGlob(pattern)
		if err != nil || strings.ContainsRune(pattern, utf8.RuneError) {
			return // doublestar takes all bytes that are not UTF-8 for the same
		}
		want, err := doublestar.Match(pattern, path)
		if err != nil {
			t.Fatalf("%q is valid, but cannot be matched: %v", pattern, err)
		}
		if got := g.Match(path); got != want {
			t.Errorf("%q of %q is %v, doublestar says %v (kind %v)", pattern, path, got, want, g.kind)
		}
	})
}

func TestExcludes(t *testing.T) {
	e, err := NewExcludes("/srv/", []string{"**/.snapshot/**", "*.tmp", "top/*/x", "/srv/abs/**", "/other"})
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"/srv/a.tmp": "*.tmp", "/srv/d/a.tmp": "*.tmp", "/srv/d/a.tmp/b": "*.tmp", "/srv/x/.snapshot/y/z": "**/.snapshot/**",
		"/srv/top/1/x": "top/*/x", "/srv/top/1/x/below": "top/*/x", "/srv/d/top/1/x": "", "/srv/abs/y": "/srv/abs/**", "/srv/absolute": "",
		"/srv/plain": "", "/srv/tmp": "",
	} {
		if got, excluded := e.MatchAll(FileAt(path, fsys.Info{})); got != want || excluded != (want != "") {
			t.Errorf("%s is excluded by %q, want %q", path, got, want)
		}
	}
	if _, err := NewExcludes("/srv", []string{"ok", "[", ""}); err == nil || !strings.Contains(err.Error(), "exclude[1]") {
		t.Errorf("a bad pattern: %v", err)
	}
}

func TestQuickDoesNotAllocate(t *testing.T) {
	rule, err := Compile(rules()[0] + ` and glob("**/cam-*/**")`)
	if err != nil {
		t.Fatal(err)
	}
	excludes, err := NewExcludes("/srv", []string{"**/.snapshot/**", "a/*/b"})
	if err != nil {
		t.Fatal(err)
	}
	s, f := (&Judge{Rule: rule, Volume: "/srv", Excludes: excludes, Moment: moment()}).Session(), video()
	if n := testing.AllocsPerRun(100, func() {
		f.Place(f.Dir, f.Name)
		if why, _ := s.Quick(f); why != Eligible {
			t.Error(why)
		}
	}); n > 0 {
		t.Errorf("%v allocations a decision", n)
	}
}
