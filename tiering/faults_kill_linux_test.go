package tiering

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/tidemark/tidemark/internal/mounttest"
	"github.com/tidemark/tidemark/tiering/catalog"
)

// sample are the points out of n at which something is done: a few, spread evenly, others for each salt; or, where everything is
// wanted, many.
func sample(n, few, many, salt int) (points []int) {
	step := max(1, n/few)
	if everything() {
		step = max(1, n/many)
	}
	for i := 1 + salt%step; i <= n; i += step {
		points = append(points, i)
	}
	return points
}

// A process that is killed at any system call that changes files loses nothing and doubles nothing: recovery, the next run and a
// recall finish what it began.
func TestKilledAtSystemCalls(t *testing.T) {
	t.Parallel()
	mounttest.RequireRoot(t)
	for _, leave := range []catalog.Leave{catalog.LeaveLink, catalog.LeaveNothing} {
		t.Run(string(leave), func(t *testing.T) {
			p := newPlace(t, leave)
			p.here(t, "run") // makes the catalog and the private directories
			t.Run("run", p.killedRuns)
			t.Run("recall", p.killedRecalls)
			t.Run("recover", p.killedRecoveries)
			p.sameFromArchive(t)
		})
	}
}

// count is how many calls an order takes that is not interrupted.
func (p place) count(t *testing.T, do string, paths ...string) int {
	t.Helper()
	n, _ := killedAt(t, order{place: p, Do: do, Paths: paths, Quick: true}.command(t), 0)
	if n < 10 {
		t.Fatalf("%s: only %d calls", do, n)
	}
	return n
}

// killAt does an order in a process that is killed at its n-th call, and says whether it lived long enough.
func (p place) killAt(t *testing.T, n int, do string, paths ...string) bool {
	t.Helper()
	_, killed := killedAt(t, order{place: p, Do: do, Paths: paths, Quick: true}.command(t), n)
	return killed
}

// filesOf is how many files the n-th tree has: some few, which are synced one by one, or more, whose filesystem is synced.
func filesOf(n int) int { return []int{3, 6}[n%2] }

func (p place) killedRuns(t *testing.T) {
	p.tree(t, "runs", 6, 0)
	calls := p.count(t, "run")
	p.forget(t, "runs")
	hits := 0
	for _, n := range sample(calls, 8, calls, len(p.Leave)) {
		dir := fmt.Sprint("run", n)
		files := p.tree(t, dir, filesOf(n), uint64(n))
		if p.killAt(t, n, "run") {
			hits++
		}
		p.finishes(t, fmt.Sprintf("killed at call %d of %d of a run", n, calls), files, filepath.Join(p.Volume, dir))
		p.forget(t, dir)
	}
	t.Logf("%d calls, killed %d times", calls, hits)
	if hits < 5 {
		t.Errorf("killed only %d times", hits)
	}
}

func (p place) killedRecalls(t *testing.T) {
	files := p.tree(t, "recalls", 6, 1)
	p.here(t, "run")
	all := filepath.Join(p.Volume, "recalls")
	calls := p.count(t, "recall", all)
	p.finishes(t, "not killed", files, "")
	hits := 0
	for _, n := range sample(calls, 6, calls, len(p.Leave)) {
		if p.killAt(t, n, "recall", all) {
			hits++
		}
		p.finishes(t, fmt.Sprintf("killed at call %d of %d of a recall", n, calls), files, "")
	}
	p.finishes(t, "at last", files, all)
	p.forget(t, "recalls")
	t.Logf("%d calls, killed %d times", calls, hits)
	if hits < 4 {
		t.Errorf("killed only %d times", hits)
	}
}

// killedRecoveries kill a run somewhere, and then its recovery at one call after the other until one comes to its end.
func (p place) killedRecoveries(t *testing.T) {
	p.tree(t, "recoveries", 6, 2)
	calls := p.count(t, "run")
	p.forget(t, "recoveries")
	hits := 0
	for _, at := range sample(calls, 2, 20, 2*len(p.Leave)) {
		dir := fmt.Sprint("recovery", at)
		files := p.tree(t, dir, filesOf(at), uint64(at))
		p.killAt(t, at, "run")
		step := 11
		if everything() {
			step = 3
		}
		for n := 3; p.killAt(t, n, "recover"); n += step {
			hits++
		}
		p.finishes(t, fmt.Sprintf("killed at call %d of a run, and then in recoveries", at), files, filepath.Join(p.Volume, dir))
		p.forget(t, dir)
	}
	t.Logf("%d recoveries killed", hits)
	if hits < 4 {
		t.Errorf("killed only %d times", hits)
	}
}
