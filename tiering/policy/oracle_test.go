package policy

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/vm"

	"github.com/tidemark/tidemark/internal/fsys"
)

// now is when the tests decide.
func now() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }

func moment() Moment {
	return Moment{Now: now(), Atime: true, Owner: nameOf("user"), Group: nameOf("group")}
}

func nameOf(prefix string) func(uint32) (string, error) {
	return func(id uint32) (string, error) {
		if id == 13 {
			return "", errors.New("the directory does not answer")
		}
		return fmt.Sprint(prefix, id), nil
	}
}

// daysAgo is a file's time so long before now.
func daysAgo(days float64) fsys.Time {
	return fsys.At(now().Add(-time.Duration(days * 24 * float64(time.Hour))))
}

// video is a file that the example of the design takes.
func video() *File {
	f := FileAt("/srv/video/cam-14/2026-01-03/a b.mp4", fsys.Info{
		Dev: 1, Ino: 42, Mode: fsys.TypeRegular | 0o640, Nlink: 1, UID: 1000, GID: 100, Size: 1288490189, Allocated: 1288491008,
		Atime: daysAgo(92.5), Mtime: daysAgo(100), Ctime: daysAgo(100),
	})
	f.Xattr = func(name string) (string, error) {
		switch name {
		case "user.keep":
			return "yes", nil
		case "user.broken":
			return "", errors.New("user.broken: input/output error")
		}
		return "", nil
	}
	return f
}

// oracle compiles a rule with expr's own machine.
func oracle(where string) (*vm.Program, error) {
	return expr.Compile(where, append(language(), expr.Optimize(true))...)
}

// ask lets expr's machine decide.
func ask(program *vm.Program, f *File, m Moment) (bool, error) {
	var failed error
	note := func(s string, err error) string {
		failed = errors.Join(failed, err)
		return s
	}
	idle, _ := f.LastUse(m.Atime)
	env := variables{
		Path: f.Path(), Dir: f.Dir, Name: f.Name, Ext: f.ext(), Size: int(f.Size), Blocks: int(f.Allocated),
		Idle: m.Now.Sub(idle.Go()), Age: m.Now.Sub(f.Mtime.Go()), Mtime: f.Mtime.Go(), Atime: f.Atime.Go(),
		UID: int(f.UID), GID: int(f.GID), Mode: int(f.Permissions()), Nlink: int(f.Nlink),
		Xattr: func(name string) string { return note(f.Xattr(name)) },
		Glob: func(pattern string, text ...string) bool {
			g, err := CompileGlob(pattern)
			note("", err)
			if len(text) == 0 {
				return g.Match(f.Path())
			}
			return g.Match(text[0])
		},
	}
	// A name that cannot be looked up fails the rule only where it asks for it: the tests that fail it compare nothing.
	env.Owner, _ = m.Owner(f.UID)
	env.Group, _ = m.Group(f.GID)
	result, err := expr.Run(program, env)
	if err = errors.Join(err, failed); err != nil {
		return false, err
	}
	return result.(bool), nil
}

// rules are in the language.
func rules() []string {
	return []string{
		`idle > days(60) && size >= MiB(1) && ext in ["mp4", "mkv"]`,
		`idle > days(60) and (size >= GiB(1) or not (ext in ["mp4"])) and age > hours(2.5)`,
		`ext not in ["mp4", "mkv"] || idle <= days(1)`,
		`mtime < date("2026-01-01") and atime >= date("2025-11-28 00:00:00")`,
		`uid == 1000 && gid != 0 && owner == "user1000" && group != "group0"`,
		`mode == 0o640 and bitand(mode, 0o022) == 0 and bitor(mode, 1) != mode and nlink == 1`,
		`xattr("user.keep") == "yes" && xattr("user.none") == ""`,
		`glob("**/cam-*/**") && glob("*.mp4", name) && !glob("/srv/audio/**")`,
		`path startsWith "/srv/" and path endsWith "mp4" and dir contains "cam" and name matches "^a .*[0-9]$"`,
		`lower(ext) == "mp4" and upper(name) == "A B.MP4" and trim(name) == name and len(name) > 3`,
		`hasPrefix(name, "a") or hasSuffix(dir, "03")`,
		`size > 1 ? ext == "mp4" : ext == "mkv"`,
		`size * 2 > blocks + KiB(1) and size / 2 < 1e9 and size % 7 == 1 and -size < 0 and size - 1 != size and 2 ** 3 == 8`,
		`mtime + days(30) < date("2026-02-01") and atime - mtime < days(8) and days(1) + hours(1) == hours(25)`,
		`days(2) * 3 == days(6) and 2 * idle > days(100) and days(3) - hours(2) > hours(1)`,
		`mtime.Year() == 2025 and mtime.YearDay() > 300 and mtime.Day() < 32 and mtime.Hour() == 12 and mtime.Unix() > 0`,
		`uid in [0, 1000, 1001] and gid in [1,2,3,4,5,6,7,8,9,100]`,
		`ext in ["a","b","c","d","e","f","g","h","mp4"]`,
		`name + ext == "a b.mp4mp4" and name < "b" and name >= "a"`,
		`true and !false and (size > 0) == true and (size > 0) != false`,
		`1.5 < 2 and 1 < 2.5 and 1 == 1.0 and size > 1.5e3 and +size > 0`,
		`KiB(1.5) == 1536 and TiB(1) > GiB(1023) and 0 < size < TiB(1)`,
		`"a" in ["a"] and 3 in [3]`,
		`size % (nlink - 1) == 0`,
		`xattr("user.broken") == "x" or size > 0`,
		`age > days(96) and not (age < days(100)) and age <= days(100) and age >= days(100)`,
		`size < 7`, `size <= 7`, `size > 7`, `size >= 7`, `7 < size`, `7 <= size`, `7 > size`, `7 >= size`, `size == 7`, `size != 7`,
		`nlink < size`, `nlink <= uid % 3`, `nlink > uid % 3`, `nlink >= gid`, `nlink == mode`, `nlink != mode`,
		`(idle > days(1) ? mtime : atime) < date("2026-01-01")`,
		`(size > 3 ? idle : age) > days(3) and (true ? 1 : 2) == 1 and (size > 3 ? 1.5 : 2.5) < 2 and (size > 3 ? "a" : "b") == "a"`,
	}
}

func TestSameAsExpr(t *testing.T) {
	files := map[string]*File{"video": video()}
	log := video()
	log.Place("/srv", ".bashrc")
	log.Info = fsys.Info{Mode: fsys.TypeRegular | 0o755, Nlink: 2, Size: 7, Mtime: daysAgo(-3), Atime: fsys.Time{Sec: -1 << 40}}
	files["small"] = log
	for _, where := range rules() {
		rule, err := Compile(where)
		if err != nil {
			t.Errorf("%s: %v", where, err)
			continue
		}
		program, err := oracle(where)
		if err != nil {
			t.Fatalf("%s: %v", where, err)
		}
		for name, f := range files {
			for _, atime := range []bool{true, false} {
				m := moment()
				m.Atime = atime
				want, wantErr := ask(program, f, m)
				agree(t, rule, f, m, want, wantErr, name)
			}
		}
	}
}

func agree(t *testing.T, rule *Rule, f *File, m Moment, want bool, wantErr error, name string) {
	t.Helper()
	s := (&Judge{Rule: rule, Volume: "/srv", Moment: m}).Session()
	got := s.Matches(f, m.Now, m.Atime)
	if (got == Undecided) != (wantErr != nil) || wantErr == nil && (got == Eligible) != want {
		t.Errorf("%s of %s: %v, expr says %v (%v)", rule, name, got, want, wantErr)
	}
	clauses := rule.Explain(f, m)
	if (clauses[0].Err != nil) != (wantErr != nil) || clauses[0].Value != (want && wantErr == nil) {
		t.Errorf("%s of %s explained as %v (%v), expr says %v (%v)", rule, name, clauses[0].Value, clauses[0].Err, want, wantErr)
	}
}

func FuzzRule(f *testing.F) {
	for _, where := range rules() {
		f.Add(where, "/srv/a.mp4", int64(1<<30), int64(1750000000), int64(1760000000), uint32(1000), true)
	}
	for _, where := range []string{`size >`, `"\xff" == name`, `glob("{a,b}{c,d}")`, `1 / 0 > 2`, `days(1e300) > idle`, `mtime.In(nil) == mtime`} {
		f.Add(where, "/srv/\xff\n.x", int64(0), int64(-1<<62), int64(1<<62), uint32(0), false)
	}
	f.Fuzz(func(t *testing.T, where, path string, size, mtime, atime int64, id uint32, trusted bool) {
		rule, err := Compile(where)
		if err != nil {
			var e *Error
			if !errors.As(err, &e) || e.Line < 1 || e.Column < 1 || e.Message == "" {
				t.Fatalf("%q: %#v is no error with a place", where, err)
			}
			return
		}
		if id == 13 || len(path) < 2 || path[0] != '/' {
			return
		}
		file := FileAt(path, fsys.Info{
			Mode: fsys.TypeRegular | id&0o7777, Nlink: uint64(id % 3), UID: id, GID: id, Size: size,
			Allocated: size &^ 511, Mtime: fsys.Time{Sec: mtime, Nsec: 7}, Atime: fsys.Time{Sec: atime, Nsec: 8},
		})
		file.Xattr = video().Xattr
		program, err := oracle(where)
		if err != nil {
			t.Fatalf("%q: expr refuses it: %v", where, err)
		}
		m := moment()
		m.Atime = trusted
		want, wantErr := ask(program, file, m)
		agree(t, rule, file, m, want, wantErr, path)
		if rule.Rising() && want && wantErr == nil {
			m.Now = m.Now.Add(1000 * 24 * time.Hour)
			s := (&Judge{Rule: rule, Volume: "/srv", Moment: m}).Session()
			if s.Matches(file, m.Now, trusted) != Eligible {
				t.Errorf("%s of %q: taken now, but not later", rule, path)
			}
		}
	})
}

func BenchmarkMatches(b *testing.B) {
	for _, where := range []string{rules()[0], `glob("**/cam-*/**") and idle > days(60)`, `name matches "^a.*[0-9]$"`} {
		rule, err := Compile(where)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(where, func(b *testing.B) {
			s := (&Judge{Rule: rule, Volume: "/srv", Moment: moment()}).Session()
			f := video()
			b.ReportAllocs()
			for b.Loop() {
				f.Place(f.Dir, f.Name)
				s.Quick(f)
			}
		})
	}
}
