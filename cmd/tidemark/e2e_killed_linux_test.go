package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/tidemark/tidemark/internal/mounttest"
)

// mutating are the system calls by which a move changes something.
var mutating = []string{"renameat2", "unlinkat", "symlinkat", "syncfs", "fsync", "ioctl", "pwrite64", "fchown"}

// TestKilledAtSystemCalls kills the real program at the n-th system call of a kind, in runs and in recalls: what it leaves is recovered, and
// the next one goes on. tiering has the same with more kinds of files, counted over all threads.
func TestKilledAtSystemCalls(t *testing.T) {
	mounttest.RequireFilesystem(t, "ext4")
	t.Parallel()
	h := newTieringHome(t, "keep_recalled: 0s")
	h.fill(t, 6, 48)
	at := []int{1, 4}
	if os.Getenv("TIDEMARK_CRASH") != "" {
		at = at[:0]
		for n := range 40 {
			at = append(at, n+1)
		}
	}
	kills := map[bool]int{}
	for _, call := range mutating {
		for _, n := range at {
			// Runs and recalls in turn, of what there is to move.
			run := (kills[true]+kills[false])%2 == 0
			args := []string{"policy", "run", "--force", "cold"}
			if n := h.released(t); run && n == len(h.contents) {
				h.does(t, "archive", "recall", h.hot)
			} else if !run && n == 0 {
				h.does(t, args...)
			}
			if !run {
				args = []string{"archive", "recall", h.hot}
			}
			if h.killedAt(t, call, n, args...) {
				kills[run]++
			}
			h.does(t, "recover")
			h.intact(t)
			for _, dir := range []string{h.vault + "/.tidemark/staging/*", h.hot + "/.tidemark/staging/*", h.hot + "/.tidemark/trash/*"} {
				if left, _ := filepath.Glob(dir); len(left) > 0 {
					t.Errorf("killed at %s %d of %v: after recovery there is %v", call, n, args, left)
				}
			}
		}
	}
	t.Logf("killed %d runs and %d recalls", kills[true], kills[false])
	if min(kills[true], kills[false]) < len(mutating)/4 {
		t.Errorf("only %d runs and %d recalls were killed", kills[true], kills[false])
	}
	h.does(t, "policy", "run", "--force", "cold")
	h.intact(t)
	if n := h.released(t); n != len(h.contents) {
		t.Errorf("%d of %d files were released", n, len(h.contents))
	}
	h.does(t, "archive", "verify")
	h.does(t, "archive", "recall", h.hot)
	h.intact(t)
	h.does(t, "audit", "verify")
}

// killedAt runs the program until a thread of it makes its n-th such call, which kills it; false: it came to its end before.
func (h *tieringHome) killedAt(t *testing.T, call string, n int, args ...string) bool {
	t.Helper()
	trace := []string{"-f", "-qq", "-o", "/dev/null", "-e", "trace=" + call, "-e", fmt.Sprintf("inject=%s:signal=SIGKILL:when=%d", call, n), "tidemark"}
	cmd := exec.CommandContext(t.Context(), "strace", append(trace, args...)...)
	cmd.Env, cmd.Dir = h.env, h.dir
	out, err := cmd.CombinedOutput()
	if err != nil && cmd.ProcessState == nil {
		t.Fatalf("strace: %v", err)
	}
	if err != nil && cmd.ProcessState.Exited() {
		t.Fatalf("tidemark %v ended by itself: %v\n%s", args, err, out)
	}
	return err != nil
}
