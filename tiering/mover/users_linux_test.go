package mover_test

import (
	"fmt"
	"os"
	"path"
	"strings"
	"testing"

	"github.com/tidemark/tidemark/internal/fsys"
	"github.com/tidemark/tidemark/internal/fsys/crash"
	"github.com/tidemark/tidemark/internal/fsys/fault"
	"github.com/tidemark/tidemark/tiering/catalog"
)

// user is somebody who does something to the file at the worst moment.
type user struct {
	t    *testing.T
	disk *crash.FS
	file string
	old  string
	// expect is what he can rely on to read, by path.
	expect map[string]string
	later  func() // once the mover has let go
}

func (u *user) dir(of string) (fsys.Dir, string) {
	d, err := u.disk.OpenRoot(path.Dir(of))
	if err != nil {
		return nil, ""
	}
	u.t.Cleanup(func() { d.Close() })
	return d, path.Base(of)
}

// open opens the file as any program does, through a link too, and does something once it is open.
func (u *user) open(writes bool, do func(o *crash.Other)) {
	o, err := u.disk.Other(u.file)
	if err != nil || o.Open(writes) != nil { // gone, or an object, which nobody may write to
		return
	}
	if o.IsOpen() {
		do(o)
		return
	}
	u.later = func() {
		if !o.IsOpen() {
			u.t.Errorf("a user waits for good")
		}
		do(o)
	}
}

func (u *user) write(o *crash.Other, text string, at int64) {
	if _, err := o.WriteAt([]byte(text), at); err != nil {
		u.t.Error(err)
	}
	b := []byte(u.old + text)
	copy(b[at:], text)
	u.expect[u.file] = string(b[:max(len(u.old), int(at)+len(text))])
	o.Close()
}

// habits are what users do, by name.
func habits() map[string]func(u *user) {
	return map[string]func(u *user){
		"modify": func(u *user) { u.open(true, func(o *crash.Other) { u.write(o, "NEW", 0) }) },
		"append": func(u *user) { u.open(true, func(o *crash.Other) { u.write(o, "NEW", int64(len(u.old))) }) },
		"read":   func(u *user) { u.open(false, func(o *crash.Other) { u.later = func() { o.Close() } }) },
		"truncate": func(u *user) {
			d, name := u.dir(u.file)
			if f, err := d.OpenReadWrite(name); err == nil {
				must(u.t, f.Truncate(1))
				u.expect[u.file] = u.old[:1]
				f.Close()
			}
		},
		"chmod": func(u *user) {
			d, name := u.dir(u.file)
			if f, err := d.Open(name); err == nil {
				f.Chmod(0o600)
				f.Close()
			}
		},
		"replace": func(u *user) {
			must(u.t, u.disk.Put(u.file+".tmp", []byte("new file"), 0o644))
			d, name := u.dir(u.file)
			must(u.t, d.Rename(name+".tmp", d, name, fsys.Replace))
			u.expect[u.file] = "new file"
		},
		"rename": func(u *user) {
			d, name := u.dir(u.file)
			if d.Rename(name, d, name+".moved", fsys.NoReplace) == nil {
				delete(u.expect, u.file)
				u.expect[u.file+".moved"] = u.old
			}
		},
		"link": func(u *user) {
			d, name := u.dir(u.file)
			if d.Link(name, d, name+".linked") == nil {
				u.expect[u.file+".linked"] = u.old
			}
		},
		"symlink in its place": func(u *user) {
			must(u.t, u.disk.Put(hot+"/elsewhere", []byte("elsewhere"), 0o644))
			d, name := u.dir(u.file)
			must(u.t, d.Symlink(hot+"/elsewhere", name+".tmp"))
			must(u.t, d.Rename(name+".tmp", d, name, fsys.Replace))
			u.expect[u.file] = "elsewhere"
		},
		"delete": func(u *user) {
			d, name := u.dir(u.file)
			d.Remove(name)
			delete(u.expect, u.file)
		},
		"move the directory": func(u *user) {
			d, name := u.dir(path.Dir(u.file))
			in, err := d.OpenDir(name)
			must(u.t, err)
			defer in.Close()
			_, err = in.StatName(path.Base(u.file))
			must(u.t, d.Rename(name, d, "moved", fsys.NoReplace))
			delete(u.expect, u.file)
			if err != nil {
				return // it was not there
			}
			u.expect[path.Join(path.Dir(path.Dir(u.file)), "moved", path.Base(u.file))] = u.old
		},
		"symlink for the directory": func(u *user) {
			d, name := u.dir(path.Dir(u.file))
			must(u.t, d.Rename(name, d, "moved", fsys.NoReplace))
			must(u.t, d.Symlink("moved", name))
		},
	}
}

// Whatever a user does to a file at whatever moment, he reads what he wrote, and the archive keeps what it had.
func TestUsersAreFaster(t *testing.T) {
	stride := 3
	switch {
	case os.Getenv("TIDEMARK_CRASH") != "":
		stride = 1
	case slow:
		stride = 23
	}
	var proven proven
	for _, s := range scenarios() {
		if s.lacks != 0 || s.name == "mend" || s.name == "second version" {
			continue
		}
		s.few = true
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			from := newTemplate(t, s, false)
			w := from.world(t)
			calls := fault.New(w.disk, fault.Plan{})
			w.fs = calls
			must(t, w.take(s.run))
			tried := 0
			for name, habit := range habits() {
				for i := 1 + len(name)%stride; i <= calls.Count(); i += stride {
					tried++
					race(t, s, from, i, name, habit, &proven)
				}
			}
			t.Logf("%d calls, %d races", calls.Count(), tried)
		})
	}
}

// race lets a user act before one call, or never when the mover makes fewer.
func race(t *testing.T, s scenario, from *template, at int, name string, habit func(*user), proven *proven) {
	w := from.world(t)
	defer w.book.Close()
	p := from.files[0]
	old := string(p.data[0])
	u := &user{t: t, disk: w.disk, file: p.path, old: old, expect: map[string]string{p.path: old}}
	where := ""
	w.fs = fault.New(w.disk, fault.Plan{Before: func(c fault.Call) {
		if c.Number == at {
			where = c.String()
			habit(u)
		}
	}})
	err := w.take(s.run)
	if u.later != nil {
		u.later()
	}
	w.fs = w.disk
	said := fmt.Sprintf("%+v %v", w.results, err)
	done, err := w.recover()
	said += fmt.Sprintf("%+v %v", done, err)
	label := fmt.Sprintf("%s before %s: %s", name, where, said)
	for file, want := range u.expect {
		got, err := w.disk.Content(file)
		o, _, err2 := w.book.Catalog.Object(t.Context(), host, p.path)
		must(t, err2)
		if err != nil && want == old && s.leave == catalog.LeaveNothing && o.State == catalog.Released {
			continue // nothing is what the policy leaves; the object is looked at below
		}
		if err != nil || string(got) != want {
			t.Errorf("%s:\n%s is %.20q (%v), want %.20q", label, file, got, err, want)
		}
	}
	c := &check{w: w, proven: proven, reported: said}
	c.vault, err = w.disk.Dump(vault)
	must(t, err)
	c.objects = w.objects()
	c.inArchive()
	for _, err := range c.errs {
		t.Errorf("%s: %v", label, err)
	}
	pending, err := w.book.Catalog.Pending(t.Context())
	must(t, err)
	for _, op := range pending {
		if !strings.Contains(said, "kept") {
			t.Errorf("%s: operation %d stays pending without a word", label, op.ID)
		}
	}
}
