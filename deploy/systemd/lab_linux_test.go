package systemd

import (
	"fmt"
	"io"
	"io/fs"
	"log"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"

	"github.com/tidemark/tidemark/internal/mounttest"
)

// deadline bounds every wait of these tests.
const deadline = 60 * time.Second

// hungFilesystem is a FUSE whose statfs(2) never answers before the test ends, or its caller does: of a filesystem that does
// not even let go of a caller that is killed, the kernel keeps the process.
type hungFilesystem struct {
	fuse.RawFileSystem
	asked, release chan struct{}
}

func (f *hungFilesystem) StatFs(cancel <-chan struct{}, _ *fuse.InHeader, _ *fuse.StatfsOut) fuse.Status {
	select {
	case f.asked <- struct{}{}:
	default:
	}
	select {
	case <-f.release:
	case <-cancel:
	}
	return fuse.EINTR
}

func (*hungFilesystem) GetAttr(_ <-chan struct{}, in *fuse.GetAttrIn, out *fuse.AttrOut) fuse.Status {
	out.Ino, out.Mode, out.Nlink = in.NodeId, syscall.S_IFDIR|0o755, 2
	return fuse.OK
}

func (*hungFilesystem) String() string { return "hung" }

// lab is a directory that other users may enter, with the built program, a real filesystem at data and a hung one at hung.
type lab struct {
	dir  string
	hung *hungFilesystem
}

func newLab(t *testing.T) lab {
	t.Helper()
	mounttest.RequireFilesystem(t, "fuse")
	dir, err := os.MkdirTemp("", "tidemark-lab-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"top", "data", "hung", "units"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	buildProgram(t, filepath.Join(dir, "tidemark"))
	mounttest.On(t, filepath.Join(dir, "data"), "-o", "loop", mounttest.Image(t, "ext4", 16))
	hung := &hungFilesystem{fuse.NewDefaultRawFileSystem(), make(chan struct{}, 1), make(chan struct{})}
	server, err := fuse.NewServer(hung, filepath.Join(dir, "hung"),
		&fuse.MountOptions{DirectMount: true, AllowOther: true, FsName: "hung", Name: "tidemark", Logger: log.New(io.Discard, "", 0)})
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan struct{})
	go func() { server.Serve(); close(served) }()
	t.Cleanup(func() {
		close(hung.release)
		if err := syscall.Unmount(filepath.Join(dir, "hung"), syscall.MNT_DETACH); err != nil {
			t.Error(err)
			return
		}
		<-served
	})
	if err := server.WaitMount(); err != nil {
		t.Fatal(err)
	}
	return lab{dir, hung}
}

// buildProgram builds the product. The go command keeps a test's result while what the test looked at is the same, and
// does not see what another process reads: so the test looks at every source.
func buildProgram(t *testing.T, path string) {
	t.Helper()
	build := exec.Command("go", "build", "-o", path, "../../cmd/tidemark")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	err := filepath.WalkDir("../..", func(path string, _ fs.DirEntry, err error) error {
		if err == nil && filepath.Ext(path) == ".go" {
			_, err = os.Stat(path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// notifySocket is what sd_notify(3) writes to. An abstract address is reached from any mount namespace.
func notifySocket(t *testing.T) (*net.UnixConn, string) {
	t.Helper()
	address := fmt.Sprintf("@tidemark-test-%d-%d", os.Getpid(), time.Now().UnixNano())
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: address, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn, address
}

// waitFor reads notifications until one holds the line.
func waitFor(t *testing.T, conn *net.UnixConn, line string) {
	t.Helper()
	if err := conn.SetReadDeadline(time.Now().Add(deadline)); err != nil {
		t.Fatal(err)
	}
	message := make([]byte, 4096)
	for {
		n, err := conn.Read(message)
		if err != nil {
			t.Fatalf("waiting for %s: %v", line, err)
		}
		for l := range strings.Lines(string(message[:n])) {
			if strings.TrimSpace(l) == line {
				return
			}
		}
	}
}
