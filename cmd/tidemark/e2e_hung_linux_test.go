package main

import (
	"io"
	"log"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/hanwen/go-fuse/v2/fuse"

	"github.com/tidemark/tidemark/internal/mounttest"
)

// hungFilesystem is a FUSE that takes requests of statfs(2) and never answers, not even when their caller is killed: the kernel
// then keeps the caller.
type hungFilesystem struct {
	fuse.RawFileSystem
	release chan struct{}
}

func (f *hungFilesystem) StatFs(<-chan struct{}, *fuse.InHeader, *fuse.StatfsOut) fuse.Status {
	<-f.release
	return fuse.EIO
}

func (*hungFilesystem) GetAttr(_ <-chan struct{}, in *fuse.GetAttrIn, out *fuse.AttrOut) fuse.Status {
	out.Ino, out.Mode, out.Nlink = in.NodeId, syscall.S_IFDIR|0o755, 2
	return fuse.OK
}

func (*hungFilesystem) String() string { return "hung" }

// mountHung mounts one. A process that it holds can be ended after release alone.
func mountHung(t *testing.T) (dir string, release func()) {
	t.Helper()
	mounttest.RequireFilesystem(t, "fuse")
	dir = filepath.Join(t.TempDir(), "hung")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	f := &hungFilesystem{fuse.NewDefaultRawFileSystem(), make(chan struct{})}
	server, err := fuse.NewServer(f, dir, &fuse.MountOptions{
		DirectMount: true, AllowOther: true, FsName: "hung", Name: "tidemark", Logger: log.New(io.Discard, "", 0),
	})
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan struct{})
	release = sync.OnceFunc(func() { close(f.release) })
	go func() { server.Serve(); close(served) }()
	t.Cleanup(func() {
		release()
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
			return
		}
		<-served
	})
	if err := server.WaitMount(); err != nil {
		t.Fatal(err)
	}
	return dir, release
}

// TestEndsThoughAFilesystemHoldsItsCallers: whatever hangs is reported, its neighbours are read, and the program ends.
func TestEndsThoughAFilesystemHoldsItsCallers(t *testing.T) {
	dir, release := mountHung(t)
	fine := mounttest.Mount(t, "-o", "loop", mounttest.Image(t, "ext4", 16))
	h := newHome(t, "agent: {every: 1s}\n")
	for _, command := range [][]string{{"volumes"}, {"agent", "--once"}} {
		p := h.start(t, command)
		t.Cleanup(release)
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
	t.Cleanup(release)
	agent.waits(t, "readings", func() bool { return len(h.readings(t)) >= 3 })
	agent.ends(t, syscall.SIGTERM)
}
