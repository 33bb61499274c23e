package fsys_test

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/tidemark/tidemark/internal/fsys"
)

// TestMain lets a test start this program as another process that does one thing.
func TestMain(m *testing.M) {
	if do := os.Getenv("FSYS_TEST_CHILD"); do != "" {
		if err := child(do, os.Getenv("FSYS_TEST_PATH")); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// child says "ready" when it has done its part, and ends when its input does.
func child(do, path string) error {
	dir, err := fsys.Host{}.OpenRoot(filepath.Dir(path))
	if err != nil {
		return err
	}
	switch do {
	case "read", "write", "append":
		flags := map[string]int{"read": unix.O_RDONLY, "write": unix.O_RDWR, "append": unix.O_WRONLY | unix.O_APPEND}[do]
		fd, err := unix.Open(path, flags, 0) // waits for a lease
		if err != nil {
			return err
		}
		if do == "append" {
			unix.Write(fd, []byte("more"))
		}
	case "lock":
		if _, err := dir.Lock(filepath.Base(path)); err != nil {
			return err
		}
	case "lease":
		return holdLease(dir, filepath.Base(path))
	}
	fmt.Println("ready")
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// holdLease takes a lease and gives it back when somebody asks for it; it must live through the signal that says so.
func holdLease(dir fsys.Dir, name string) error {
	f, err := dir.Open(name)
	if err != nil {
		return err
	}
	if err := f.SetLease(fsys.LeaseWrite); err != nil {
		return err
	}
	fmt.Println("ready")
	for {
		switch lease, err := f.Lease(); {
		case err != nil:
			return err
		case lease != fsys.LeaseWrite:
			if err := f.SetLease(fsys.LeaseNone); err != nil {
				return err
			}
			fmt.Println("given back")
			_, err := io.Copy(io.Discard, os.Stdin)
			return err
		}
	}
}

// process is this program, started once more.
type process struct {
	*exec.Cmd
	in  io.WriteCloser
	out *bufio.Scanner
}

// start starts a child, which ends with the test at the latest.
func start(t *testing.T, do, path string) *process {
	t.Helper()
	p := &process{Cmd: exec.Command(os.Args[0])}
	p.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0", "FSYS_TEST_CHILD="+do, "FSYS_TEST_PATH="+path)
	in, err := p.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := p.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.in, p.out = in, bufio.NewScanner(out)
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if p.ProcessState == nil {
			p.Process.Kill()
			p.Wait()
		}
	})
	return p
}

// expect waits for a line.
func (p *process) expect(t *testing.T, line string) {
	t.Helper()
	if !p.out.Scan() || p.out.Text() != line {
		t.Fatalf("the child said %q, want %q", p.out.Text(), line)
	}
}

// end lets it end and tells whether it did well.
func (p *process) end(t *testing.T) {
	t.Helper()
	p.in.Close()
	if err := p.Wait(); err != nil {
		t.Fatalf("the child: %v", err)
	}
}
