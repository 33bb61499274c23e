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
	later  []func() // once the mover has let go
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
	u.later = append(u.later, func() {
		if !o.IsOpen() {
			u.t.Errorf("a user waits for good")
		}
		do(o)
	})
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
		"read":   func(u *user) { u.open(false, func(o *crash.Other) { u.later = append(u.later, func() { o.Close() }) }) },
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
	all := scenarios()
	for _, s := range all {
		if strings.HasPrefix(s.name, "release") {
			s.name, s.opened = s.name+" of a file that was just opened", true
			all = append(all, s)
		}
	}
	for _, s := range all {
		if s.lacks != 0 || s.name == "mend" || s.name == "second version" {
			continue
		}
		s.few = true
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			from := newTemplate(t, s, false)
			w := from.world(t)
			u := &user{t: t, disk: w.disk, file: from.files[0].path}
			calls := u.around(w, s, func(fault.Call) {})
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

// around calls back before each call of a world. Where the scenario says so the user has found the file just before it is taken away, and
// opens it when it is in the trash.
func (u *user) around(w *world, s scenario, before func(fault.Call)) *fault.FS {
	var o *crash.Other
	open := false
	calls := fault.New(w.disk, fault.Plan{Before: func(c fault.Call) {
		switch {
		case s.opened && o == nil && c.Op == "Rename" && c.Path == u.file:
			o, _ = u.disk.Other(u.file)
		case o != nil && !open && c.Op == "Sync" && strings.HasSuffix(c.Path, "/trash"):
			must(u.t, o.Open(false))
			u.later, open = append(u.later, func() { o.Close() }), true
		}
		before(c)
	}})
	w.fs = calls
	return calls
}

// race lets a user act before one call, or never when the mover makes fewer.
func race(t *testing.T, s scenario, from *template, at int, name string, habit func(*user), proven *proven) {
	w := from.world(t)
	defer w.book.Close()
	p := from.files[0]
	old := string(p.data[0])
	u := &user{t: t, disk: w.disk, file: p.path, old: old, expect: map[string]string{p.path: old}}
	where := ""
	u.around(w, s, func(c fault.Call) {
		if c.Number == at {
			where = c.String()
			habit(u)
		}
	})
	err := w.take(s.run)
	for _, do := range u.later {
		do()
	}
	w.fs = w.disk
	said := fmt.Sprintf("%+v %v", w.results, err)
	done, err := w.recover()
	said += fmt.Sprintf("%+v %v", done, err)
	label := fmt.Sprintf("%s before %s: %s", name, where, said)
	u.reads(w, label)
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
	// What the catalog takes for a copy of what is at home is released by the next run: he must not notice.
	for _, step := range []step{archiveAll, releaseAll} {
		if err := w.take(step); err != nil && len(pending) == 0 {
			t.Errorf("%s: the next run: %v", label, err)
		}
	}
	u.reads(w, label+", and after the next run")
}

// reads sees that he finds what he expects.
func (u *user) reads(w *world, label string) {
	u.t.Helper()
	for file, want := range u.expect {
		got, err := w.disk.Content(file)
		o, _, err2 := w.book.Catalog.Object(u.t.Context(), host, u.file)
		must(u.t, err2)
		if err != nil && w.leave == catalog.LeaveNothing && o.State == catalog.Released {
			got, err = w.disk.Content(vault + "/" + o.Object) // nothing is what the policy leaves
		}
		if err != nil || string(got) != want {
			u.t.Errorf("%s:\n%s is %.20q (%v), want %.20q", label, file, got, err, want)
		}
	}
}

// What is archived at a file's old path while the file, moved away, is being released makes the file's own object an older version: that
// one file stays at home, and the others go.
func TestSupersededWhileReleased(t *testing.T) {
	from := newTemplate(t, scenario{leave: catalog.LeaveLink, before: []step{archiveAll}}, false)
	w := from.world(t)
	defer w.book.Close()
	o, _, err := w.book.Catalog.Object(t.Context(), host, w.files[1].path)
	must(t, err)
	w.book.after = func(op string) {
		if op != "Begin" {
			return
		}
		w.book.after = nil
		next := &catalog.Operation{
			Kind: catalog.Archive, Phase: catalog.Publishing, Archive: o.Archive, Host: host, Volume: hot, Path: o.Path, Version: 2,
			Object: "versions/2/h" + o.Path, Size: 1, Digest: o.Digest,
		}
		must(t, w.book.Catalog.Begin(t.Context(), []*catalog.Operation{next}))
		_, err := w.book.Catalog.CommitArchived(t.Context(), actor, w.now, []*catalog.Operation{next}, []string{""})
		must(t, err)
	}
	must(t, w.take(releaseAll))
	for _, r := range w.results {
		if refused := r.Path == o.Path; r.Err != nil || r.Done() == refused {
			t.Errorf("%s: skipped %q, %v", r.Path, r.Skipped, r.Err)
		}
	}
	if info, ok := w.info(o.Path); !ok || !info.IsRegular() {
		t.Errorf("at home is %+v, %v", info, ok)
	}
	if done, err := w.recover(); err != nil || len(done) > 0 {
		t.Errorf("left to recover: %+v, %v", done, err)
	}
}
