package mover_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/tidemark/tidemark/internal/fsys/crash"
	"github.com/tidemark/tidemark/internal/fsys/fault"
	"github.com/tidemark/tidemark/tiering/mover"
)

// keeping is a power cut: with which luck, of what was not synced.
type keeping struct {
	seed uint64
	keep float64
}

// extent is how much of the matrix is tried.
type extent struct {
	large  bool
	errnos []unix.Errno
	lost   []unix.Errno // errors of calls that happened all the same
	cuts   []keeping
	nested []keeping
	// every is that the power is cut after each n-th change of a recovery, and each n-th call of a recovery is made to fail.
	every int
	// stride is that each n-th state and call of the scenario itself is tried. It is 1 but under the race detector.
	stride int
	// finish is that each n-th world is looked at again before a second cut, after a second recovery and after the next run. All
	// are looked at as they are durable.
	finish int
}

// size is the whole matrix where TIDEMARK_CRASH is set (make crash), else one that go test can afford.
func size() extent {
	worst, best := keeping{0, 0}, keeping{0, 1}
	if os.Getenv("TIDEMARK_CRASH") == "" {
		stride := 1
		if slow {
			stride = 40
		}
		return extent{
			stride: stride, errnos: []unix.Errno{unix.EIO}, lost: []unix.Errno{unix.ESTALE}, cuts: []keeping{worst, best, {1, 0.5}},
			nested: []keeping{worst, best}, every: 7, finish: 11,
		}
	}
	e := extent{
		large: true, errnos: []unix.Errno{unix.EIO, unix.ENOSPC, unix.EDQUOT, unix.ESTALE}, lost: []unix.Errno{unix.EIO, unix.ESTALE},
		cuts: []keeping{worst, best}, every: 1, stride: 1, finish: 3,
	}
	for seed := range uint64(8) {
		e.cuts = append(e.cuts, keeping{seed + 1, 0.5})
	}
	e.nested = e.cuts[:4]
	return e
}

// state is what a power cut left.
type state struct {
	disk  *crash.FS
	log   []change
	label string
}

// counts say how much was tried.
type counts struct {
	calls, commits         int // of the scenario
	faults, hits           int
	cuts, states           int // cuts, and the different states that they left
	nestedCuts, nested     int
	nestedFaults, nestHits int
	settled                int // worlds that were looked at
}

// matrix is one scenario being tried.
type matrix struct {
	t      *testing.T
	s      scenario
	e      extent
	from   *template
	proven *proven
	seen   map[print]bool
	traces map[string]bool // the ways that a recovery took
	n      counts
}

// The test that matters: whatever call fails, and whenever the power is cut, nothing is lost, and recovery puts all in order.
func TestEveryStep(t *testing.T) {
	e := size()
	var proven proven
	for _, s := range scenarios() {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			m := &matrix{
				t: t, s: s, e: e, from: newTemplate(t, s, e.large), proven: &proven, seen: map[print]bool{}, traces: map[string]bool{},
			}
			m.try()
			n := m.n
			t.Logf("%d calls, %d of the catalog; %d faults, %d hit; %d cuts left %d states; within recoveries %d cuts left %d, %d faults, %d hit",
				n.calls, n.commits, n.faults, n.hits, n.cuts, n.states, n.nestedCuts, n.nested, n.nestedFaults, n.nestHits)
			if n.faults != n.hits || n.nestedFaults != n.nestHits {
				t.Errorf("not every planted fault was hit")
			}
		})
	}
}

// mayChange says whether a call can change what a power cut leaves.
func mayChange(op string) bool {
	switch op {
	case "Stat", "StatName", "ReadAt", "Open", "OpenDir", "OpenRoot", "OpenReadWrite", "NextData", "DropCache", "Lease", "SetLease", "Xattrs",
		"Flags", "ProjectID", "Names", "ReadLink", "StatFS", "Close", "Pending", "NextVersion", "ObjectByID":
		return false
	}
	return true
}

// syncs says whether a call can change what the worst power cut leaves.
func syncs(op string) bool { return op == "Sync" || op == "SyncFS" || strings.HasPrefix(op, "commit") }

// watch collects the states that power cuts would leave after each call of a world that changes something, or each n-th such call.
func (m *matrix) watch(w *world, cuts []keeping, every int, label string) (calls *fault.FS, states *[]state, tried *int) {
	states, tried = new([]state), new(int)
	changes := 0
	look := func(what, op string, changed bool) {
		if !changed {
			*tried += len(cuts)
			return // as after the call before
		}
		if changes++; changes%every != 0 {
			return
		}
		*tried += len(cuts)
		for _, c := range cuts {
			if c.keep == 0 && !syncs(op) {
				continue // as after the last that did
			}
			disk := w.disk.Survivors(c.seed, c.keep)
			if p := printOf(disk, len(w.book.log)); !m.seen[p] {
				m.seen[p] = true
				*states = append(*states, state{disk, w.book.log, fmt.Sprintf("%s, cut after %s keeping %v (seed %d)", label, what, c.keep, c.seed)})
			}
		}
	}
	calls = fault.New(w.disk, fault.Plan{After: func(c fault.Call, _ error) { look(c.String(), c.Op, mayChange(c.Op)) }})
	w.book.after = func(op string) { look("commit "+op, "commit", mayChange(op)) }
	w.fs = calls
	return calls, states, tried
}

func (m *matrix) try() {
	w := m.from.world(m.t)
	calls, states, tried := m.watch(w, m.e.cuts, 1, m.s.name)
	if err := errors.Join(w.take(m.s.run), w.done()); err != nil {
		m.t.Fatalf("without any trouble: %v", err)
	}
	w.book.after, w.fs = nil, w.disk
	m.n.calls, m.n.commits, m.n.cuts, m.n.states = calls.Count(), len(w.book.calls), *tried, len(*states)
	m.settled(w, m.s.name)
	for i, s := range *states {
		if i%m.e.stride != 0 {
			continue
		}
		m.afterCut(s)
		if m.over() {
			return
		}
	}
	m.failCalls(calls.Calls())
	m.failCommits()
}

// over says that there are errors enough.
func (m *matrix) over() bool { return m.t.Failed() && os.Getenv("TIDEMARK_CRASH_ALL") == "" }

// failCalls makes each call of the filesystem fail.
func (m *matrix) failCalls(calls []fault.Call) {
	for i := 1; i <= m.n.calls; i += m.e.stride {
		for _, errno := range m.e.errnos {
			m.failOne(&fault.Fault{Number: i, Err: errno})
		}
		for _, errno := range m.e.lost {
			if !mayChange(calls[i-1].Op) {
				break // whether it happened makes no difference
			}
			m.failOne(&fault.Fault{Number: i, Err: errno, Happens: true})
		}
		if m.over() {
			return
		}
	}
}

func (m *matrix) failOne(f *fault.Fault) {
	w := m.from.world(m.t)
	calls := fault.New(w.disk, fault.Plan{Faults: []*fault.Fault{f}})
	w.fs = calls
	err := w.take(m.s.run)
	w.fs = w.disk
	m.n.faults++
	m.n.hits += calls.Hits()[0]
	m.settled(w, fmt.Sprintf("%s, %v of %v (happened: %v; the run's error: %v)", m.s.name, f.Err, calls.Failed(), f.Happens, err))
}

// failCommits makes each call of the catalog fail, before and after it happened.
func (m *matrix) failCommits() {
	for i := 1; i <= m.n.commits; i += min(m.e.stride, 2) {
		for _, happens := range []bool{false, true} {
			w := m.from.world(m.t)
			w.book.fail, w.book.happens = i, happens
			err := w.take(m.s.run)
			m.n.faults++
			m.n.hits += w.book.hit
			w.book.fail = 0
			m.settled(w, fmt.Sprintf("%s, commit %d %s fails (happened: %v; the run's error: %v)", m.s.name, i, w.book.calls[i-1], happens, err))
		}
		if m.over() {
			return
		}
	}
}

// afterCut recovers from a power cut, and from cuts and faults during that.
func (m *matrix) afterCut(s state) {
	w := newWorld(m.t, s.disk.Survivors(0, 1), s.log, m.s.leave, m.from.files)
	calls, states, tried := m.watch(w, m.e.nested, m.e.every, s.label+"; recovery")
	done, err := w.recover()
	trace := traceOf(calls.Calls())
	w.book.after, w.fs = nil, w.disk
	m.n.nestedCuts += *tried
	m.n.nested += len(*states)
	m.judge(w, s.label, s.label, done, err)
	for _, inner := range *states {
		m.settled(newWorld(m.t, inner.disk, inner.log, m.s.leave, m.from.files), inner.label)
	}
	if !m.traces[trace] {
		m.traces[trace] = true
		m.failRecovery(s, calls.Count(), max(m.e.every, m.e.stride))
	}
}

// traceOf is which calls were made, without about what.
func traceOf(calls []fault.Call) string {
	var b strings.Builder
	for _, c := range calls {
		b.WriteString(c.Op + " ")
	}
	return b.String()
}

// failRecovery makes calls of a recovery fail.
func (m *matrix) failRecovery(s state, calls, every int) {
	for i := 1 + len(m.traces)%every; i <= calls; i += every {
		w := newWorld(m.t, s.disk.Survivors(0, 1), s.log, m.s.leave, m.from.files)
		failing := fault.New(w.disk, fault.Plan{Faults: []*fault.Fault{{Number: i, Err: unix.EIO}}})
		w.fs = failing
		_, err := w.recover()
		w.fs = w.disk
		m.n.nestedFaults++
		m.n.nestHits += failing.Hits()[0]
		m.settled(w, fmt.Sprintf("%s; recovery with EIO of %v (%v)", s.label, failing.Failed(), err))
	}
}

// settled recovers a world and judges it.
func (m *matrix) settled(w *world, label string) {
	m.t.Helper()
	reported := label + fmt.Sprint(w.results)
	done, err := w.recover()
	m.judge(w, label, reported, done, err)
}

// judge sees that all is well with a world that was recovered: now, after another power cut, after another recovery, and after the next
// run. That is the world's end.
func (m *matrix) judge(w *world, label, reported string, done []mover.Recovered, err error) {
	m.t.Helper()
	defer w.book.Close()
	bad := func(format string, args ...any) {
		m.t.Helper()
		m.t.Error(strings.ReplaceAll(label+": "+fmt.Sprintf(format, args...), strings.Repeat("n", 255), "nnn…"))
	}
	if err != nil {
		bad("recover: %v", err)
		return
	}
	reported += fmt.Sprintf("%+v", done)
	for _, r := range done {
		if r.Err != nil {
			bad("recover operation %d (%s, %s): %v", r.Operation.ID, r.Operation.Kind, r.Operation.Phase, r.Err)
		}
	}
	m.n.settled++
	thorough := m.n.settled%m.e.finish == 0
	if thorough {
		if err := w.whole(m.from.want, m.proven, reported); err != nil {
			bad("%v\nrecovered: %+v", err, outcomes(done))
		}
		before := w.print()
		if again, err := w.recover(); err != nil || len(again) > 0 || w.print() != before {
			bad("recovering again changed something: %+v, %v", again, err)
		}
	}
	w.disk = w.disk.Survivors(0, 0)
	w.fs = w.disk
	if err := w.whole(m.from.want, m.proven, reported); err != nil {
		bad("what is durable afterwards: %v\nrecovered: %+v", err, outcomes(done))
	}
	if thorough {
		m.finish(w, bad, reported)
	}
}

func outcomes(done []mover.Recovered) (all []string) {
	for _, r := range done {
		all = append(all, fmt.Sprintf("%d %s %s: %s", r.Operation.ID, r.Operation.Kind, r.Operation.Phase, r.Outcome))
	}
	return all
}

// finish is the next run: it must be able to do all that is to do.
func (m *matrix) finish(w *world, bad func(string, ...any), reported string) {
	m.t.Helper()
	for _, step := range []step{mendAll, archiveAll, releaseAll} {
		if err := errors.Join(w.take(step), w.done()); err != nil {
			bad("the next run: %v", err)
			return
		}
	}
	if err := w.whole(m.from.want, m.proven, reported); err != nil {
		bad("after the next run: %v", err)
	}
	for path := range m.from.want {
		if o, _, err := w.book.Catalog.Object(context.Background(), host, path); err != nil || o.State != "released" {
			bad("after the next run %q is %s, %v", path, o.State, err)
		} else if o.Version > m.s.most {
			bad("%q was archived again though it had not changed: version %d", path, o.Version)
		}
	}
}
