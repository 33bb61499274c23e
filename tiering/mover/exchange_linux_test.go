package mover_test

import (
	"fmt"
	"path"
	"strings"
	"testing"

	"github.com/tidemark/tidemark/internal/fsys"
	"github.com/tidemark/tidemark/internal/fsys/crash"
	"github.com/tidemark/tidemark/internal/fsys/fault"
	"github.com/tidemark/tidemark/tiering/catalog"
)

// hasty is a user who acts at the very moments between two exchanges of names.
type hasty struct {
	t    *testing.T
	disk *crash.FS
	file string
	n    int
	// lines are what he wrote and did not take away himself: each must be somewhere on the volume in the end.
	lines map[string]bool
	last  string // what he gave the name last
	later []func()
}

func (h *hasty) line() string {
	h.n++
	s := fmt.Sprintf("<line %d>", h.n)
	h.lines[s] = true
	return s
}

// seen is what he reads at the path.
func (h *hasty) seen() string {
	b, _ := h.disk.Content(h.file)
	return string(b)
}

func (h *hasty) forgetSeen() {
	for s := range h.lines {
		if strings.Contains(h.seen(), s) {
			delete(h.lines, s)
		}
	}
}

func (h *hasty) in() (fsys.Dir, string) {
	d, err := h.disk.OpenRoot(path.Dir(h.file))
	must(h.t, err)
	h.t.Cleanup(func() { d.Close() })
	return d, path.Base(h.file)
}

func (h *hasty) replace() {
	h.forgetSeen()
	h.last = h.line()
	must(h.t, h.disk.Put(h.file+".tmp", []byte(h.last), 0o644))
	d, name := h.in()
	must(h.t, d.Rename(name+".tmp", d, name, fsys.Replace))
}

func (h *hasty) remove() {
	h.forgetSeen()
	h.last = ""
	d, name := h.in()
	must(h.t, d.Remove(name))
}

func (h *hasty) open(writes bool, do func(o *crash.Other)) {
	o, err := h.disk.Other(h.file)
	if err != nil || o.Open(writes) != nil {
		return // an object: nobody may write to it
	}
	if o.IsOpen() {
		do(o)
		return
	}
	h.later = append(h.later, func() { do(o) })
}

func (h *hasty) write(o *crash.Other) {
	line := h.line()
	_, err := o.WriteAt([]byte(line), int64(1000*h.n)) // behind whatever is there
	must(h.t, err)
	must(h.t, o.Close())
}

func (h *hasty) overwrite() { h.open(true, h.write) }

// holdOpen writes when all is over.
func (h *hasty) holdOpen() {
	h.open(true, func(o *crash.Other) { h.later = append(h.later, func() { h.write(o) }) })
}

func (h *hasty) read() {
	h.open(false, func(o *crash.Other) { h.later = append(h.later, func() { must(h.t, o.Close()) }) })
}

func (h *hasty) nothing() {}

// check sees that every line is in a file of the volume, and that what he gave the name last has it.
func (h *hasty) check(label string) {
	h.t.Helper()
	all, err := h.disk.Dump(path.Dir(h.file))
	must(h.t, err)
	content := ""
	for name, e := range all {
		if strings.HasPrefix(name, h.file) && e.Mode&fsys.TypeMask == fsys.TypeRegular {
			b, err := h.disk.Content(name)
			must(h.t, err)
			content += string(b)
		}
	}
	for s := range h.lines {
		if !strings.Contains(content, s) {
			h.t.Errorf("%s: %s is lost", label, s)
		}
	}
	if h.last != "" && !strings.Contains(h.seen(), h.last) {
		h.t.Errorf("%s: at its path is %.20q, not %s", label, h.seen(), h.last)
	}
}

// Who replaces a file at the instant of an exchange, and then replaces, changes, opens or removes once more what has its name until it
// is changed back, loses nothing, and the newest has the name: at once, and after an interruption at any call.
func TestReplacedAtTheExchange(t *testing.T) {
	habits := map[string]func(*hasty){
		"nothing": (*hasty).nothing, "replace": (*hasty).replace, "overwrite": (*hasty).overwrite, "hold open": (*hasty).holdOpen, "remove": (*hasty).remove,
	}
	link := catalog.LeaveLink
	recall := scenario{leave: link, before: []step{archiveAll, releaseAll}, run: recallAll, few: true}
	release := scenario{leave: link, before: []step{archiveAll}, run: releaseAll, few: true}
	for _, one := range []struct {
		name  string
		s     scenario
		first []func(*hasty) // at which exchange
	}{
		{"recall", recall, []func(*hasty){(*hasty).replace}},
		{"release", release, []func(*hasty){(*hasty).read, (*hasty).replace}}, // the reader makes it go back
	} {
		for second, do2 := range habits {
			for third, do3 := range habits {
				t.Run(one.name+"/"+second+"/"+third, func(t *testing.T) {
					t.Parallel()
					w := newTemplate(t, one.s, false).world(t)
					defer w.book.Close()
					h := &hasty{t: t, disk: w.disk, file: w.files[0].path, lines: map[string]bool{}}
					habits := append(append([]func(*hasty){}, one.first...), do2, do3)
					exchanges, interrupted := 0, 0
					w.fs = fault.New(w.disk, fault.Plan{
						Before: func(c fault.Call) {
							if c.How == fsys.Exchange {
								if exchanges < len(habits) {
									habits[exchanges](h)
								}
								exchanges++
							}
						},
						After: func(c fault.Call, _ error) {
							if exchanges >= len(one.first) && mayChange(c.Op) {
								interrupted++
								h.interrupted(w, fmt.Sprintf("interrupted after %s", c))
							}
						},
					})
					must(t, w.take(one.s.run))
					if exchanges < len(one.first)+1 || interrupted < 3 {
						t.Errorf("%d exchanges, %d interruptions", exchanges, interrupted)
					}
					for _, do := range h.later {
						do()
					}
					w.fs = w.disk
					h.check("at its end")
					if done, err := w.recover(); err != nil || len(done) > 0 {
						t.Errorf("left to recover: %+v, %v", done, err)
					}
				})
			}
		}
	}
}

// interrupted looks at what recovery makes of a world as it is, when the user goes on before.
func (h *hasty) interrupted(w *world, label string) {
	for name, do := range map[string]func(*hasty){"nothing": (*hasty).nothing, "overwrite": (*hasty).overwrite, "replace": (*hasty).replace} {
		after := newWorld(h.t, w.disk.Survivors(0, 1), w.book.log, w.leave, w.files)
		his := &hasty{t: h.t, disk: after.disk, file: h.file, n: 100 + h.n, last: h.last, lines: map[string]bool{}}
		for s := range h.lines {
			his.lines[s] = true
		}
		if strings.Contains(his.seen(), "<line") && !strings.Contains(his.seen(), his.last) {
			his.last = "" // of two files that he put there the older has the name: which one is newer nobody knows any more
		}
		do(his)
		done, err := after.recover()
		if err != nil {
			h.t.Errorf("%s, then %s: %v", label, name, err)
		}
		for _, r := range done {
			if r.Err != nil {
				h.t.Errorf("%s, then %s: %v", label, name, r.Err)
			}
		}
		his.check(fmt.Sprintf("%s, then %s, then recovered: %+v", label, name, outcomes(done)))
		after.book.Close()
	}
}
