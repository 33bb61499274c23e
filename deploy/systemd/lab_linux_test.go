package systemd

import (
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tidemark/tidemark/internal/mounttest"
)

// deadline bounds every wait of these tests.
const deadline = 60 * time.Second

// lab is a directory that other users may enter, with the built program, a real filesystem at data and a hung one at hung.
type lab struct {
	dir  string
	hung *mounttest.FUSE
}

func newLab(t *testing.T) lab {
	t.Helper()
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
	// One that lets go of a caller who is killed: of another the kernel keeps the process, and a stopping unit waits for it.
	hung := mounttest.MountFUSE(t, filepath.Join(dir, "hung"), mounttest.FUSEOptions{Hangs: true, Interruptible: true})
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
