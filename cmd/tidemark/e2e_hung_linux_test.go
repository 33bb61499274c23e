package main

import (
	"strings"
	"syscall"
	"testing"

	"github.com/tidemark/tidemark/internal/mounttest"
)

// TestEndsThoughAFilesystemHoldsItsCallers has a FUSE that never answers, so that the kernel keeps whoever asks it: it is reported,
// its neighbours are read, and the program ends.
func TestEndsThoughAFilesystemHoldsItsCallers(t *testing.T) {
	dir := t.TempDir()
	hung := mounttest.MountFUSE(t, dir, mounttest.FUSEOptions{Hangs: true})
	fine := mounttest.Mount(t, "-o", "loop", mounttest.Image(t, "ext4", 16))
	h := newHome(t, "agent: {every: 1s}\n")
	for _, command := range [][]string{{"volumes"}, {"agent", "--once"}} {
		p := h.start(t, command)
		t.Cleanup(hung.LetGo)
		if code := p.end(t, patience); code != exitDone {
			t.Errorf("%v: exit code %d\n%s", command, code, p.stderr.String())
		}
		out := p.stdout.String()
		stuck := strings.Contains(out, "STUCK") || strings.Contains(out, "stuck=1i")
		if !stuck || !strings.Contains(out, dir) || !strings.Contains(out, fine) {
			t.Errorf("%v with %s hung and %s fine:\n%s%s", command, dir, fine, out, p.stderr.String())
		}
	}
	agent := h.start(t, []string{"agent"})
	t.Cleanup(hung.LetGo)
	agent.waits(t, "readings", func() bool { return len(h.readings(t)) >= 3 })
	agent.ends(t, syscall.SIGTERM)
}
