package hostdisk

import (
	"errors"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tidemark/tidemark/internal/mounttest"
)

// TestServesAnotherProcess is the process apart of the tests below.
func TestServesAnotherProcess(t *testing.T) {
	if os.Getenv("HOSTDISK_APART") == "" {
		return // run by its parent only
	}
	if err := Serve(os.Stdin, os.Stdout); err != nil {
		t.Fatal(err)
	}
	os.Exit(0) // nothing more on standard output
}

// started remembers the processes apart that a test has had.
type started struct{ all []*exec.Cmd }

func (s *started) command() *exec.Cmd {
	cmd := exec.Command(os.Args[0], "-test.run=^TestServesAnotherProcess$")
	cmd.Env = append(os.Environ(), "HOSTDISK_APART=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	s.all = append(s.all, cmd)
	return cmd
}

func (a *apart) current() *serving {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.process
}

func apartDisks(t *testing.T, s *started) *Disks {
	t.Helper()
	d, err := New(Options{Host: "h", Timeout: 10 * time.Second, Log: slog.New(slog.DiscardHandler), Apart: s.command})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	return d
}

func TestFUSEIsReadByAProcessApart(t *testing.T) {
	dir := t.TempDir() + "/a\n\xff" // what a mount point may be called
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	mounttest.MountFUSE(t, dir, mounttest.FUSEOptions{Answer: sized})
	plain := mounttest.Mount(t, "-o", "loop", mounttest.Image(t, "ext4", 16))
	s := &started{}
	d := apartDisks(t, s)
	for round := range 3 {
		got := sampleNow(t, d)
		want, _ := statOf(t, dir)
		if got[dir].Usage != want || !got[dir].Measured() || !got[plain].Measured() {
			t.Fatalf("round %d: %+v, want %+v", round, got[dir], want)
		}
		if len(s.all) != 1+min(round, 1) {
			t.Fatalf("round %d: %d processes were started", round, len(s.all))
		}
		if round == 0 { // one that dies is started again
			process := d.apart.current()
			s.all[0].Process.Kill()
			for d.apart.current() == process { // until its end is seen
				runtime.Gosched()
			}
		}
	}
	if _, err := d.apart.read(mount{point: plain + "/none", fstype: "fuse"}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a path that is not there: %v", err)
	}
	if _, err := d.apart.read(mount{point: plain, fstype: "fuse"}); !errors.Is(err, errCovered) {
		t.Errorf("a path that leads to something else: %v", err)
	}
	d.Close()
	for s.all[1].Process.Signal(syscall.Signal(0)) == nil { // it ends when nobody asks any more
		runtime.Gosched()
	}
}

func TestWithoutAProcessApartThisOneReads(t *testing.T) {
	a := apart{command: func() *exec.Cmd { return exec.Command("/nowhere/at/all") }}
	if got, err := a.read(mount{point: "/nowhere", fstype: "fuse"}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestServeRefusesWhatIsNoQuestion(t *testing.T) {
	if err := Serve(strings.NewReader("{}x"), io.Discard); err == nil {
		t.Error("took it")
	}
	if err := Serve(strings.NewReader(""), io.Discard); err != nil {
		t.Error(err)
	}
}
