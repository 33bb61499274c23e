package mounttest

import (
	"io"
	"log"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"

	"github.com/hanwen/go-fuse/v2/fuse"
)

// FUSE is a filesystem of one empty directory that answers statfs(2) as a test wants it.
type FUSE struct {
	fuse.RawFileSystem
	Asked chan struct{} // a value for each statfs that came, as many as it holds
	LetGo func()        // lets what hangs be answered, and all that comes later
	opt   FUSEOptions
	held  chan struct{}
}

// FUSEOptions say how it answers.
type FUSEOptions struct {
	Answer fuse.StatfsOut
	Hangs  bool // until LetGo, or the test's end
	// Interruptible answers a caller who is interrupted, as by being killed, while it hangs. Others are kept by the kernel until LetGo, so that
	// they cannot end.
	Interruptible bool
}

// MountFUSE serves one at dir until the test ends. Whoever starts processes that may be held releases them before waiting
// for their end.
func MountFUSE(t testing.TB, dir string, opt FUSEOptions) *FUSE {
	t.Helper()
	RequireFilesystem(t, "fuse")
	f := &FUSE{RawFileSystem: fuse.NewDefaultRawFileSystem(), Asked: make(chan struct{}, 100), opt: opt, held: make(chan struct{})}
	f.LetGo = sync.OnceFunc(func() { close(f.held) })
	if !opt.Hangs {
		f.LetGo()
	}
	server, err := fuse.NewServer(f, dir, &fuse.MountOptions{
		DirectMount: true, AllowOther: true, FsName: "test", Name: "tidemark", Logger: log.New(io.Discard, "", 0),
	})
	if err != nil {
		t.Fatal(err)
	}
	keepFromChildren(t)
	served := make(chan struct{})
	go func() { server.Serve(); close(served) }()
	t.Cleanup(func() {
		f.LetGo()
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
			return
		}
		<-served
	})
	if err := server.WaitMount(); err != nil {
		t.Fatal(err)
	}
	return f
}

// keepFromChildren closes the server's end for processes that the test starts: one that has it keeps the filesystem hanging
// after the test has died, and with it itself.
func keepFromChildren(t testing.TB) {
	t.Helper()
	open, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range open {
		if target, err := os.Readlink(path); err == nil && target == "/dev/fuse" {
			fd, err := strconv.Atoi(filepath.Base(path))
			if err != nil {
				t.Fatal(err)
			}
			syscall.CloseOnExec(fd)
		}
	}
}

// StatFs answers statfs(2).
func (f *FUSE) StatFs(cancel <-chan struct{}, _ *fuse.InHeader, out *fuse.StatfsOut) fuse.Status {
	select {
	case f.Asked <- struct{}{}:
	default:
	}
	if !f.opt.Interruptible {
		cancel = nil
	}
	select {
	case <-f.held:
	case <-cancel:
		return fuse.EINTR
	}
	*out = f.opt.Answer
	return fuse.OK
}

// GetAttr says that all is a directory.
func (*FUSE) GetAttr(_ <-chan struct{}, in *fuse.GetAttrIn, out *fuse.AttrOut) fuse.Status {
	out.Ino, out.Mode, out.Nlink = in.NodeId, syscall.S_IFDIR|0o755, 2
	return fuse.OK
}

func (*FUSE) String() string { return "tidemark-test" }
