package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tidemark/tidemark/internal/influxtest"
)

// This file runs the program as processes of its own: what a signal, a crash or a terminal does can only be seen from outside.

const (
	patience  = 60 * time.Second // for what another process does; only a failing test waits that long
	farewell  = 12 * time.Second // from SIGTERM to the end
	pollEvery = 5 * time.Millisecond
)

// home is a place of its own for the program: a configuration, a data directory, a temporary directory.
type home struct {
	dir, state string
	env        []string
}

// onlyRoot has / as the one volume, whatever its type and whatever else this machine has mounted.
const onlyRoot = "exclude: {fstypes: [], paths: ['/?*/**']}"

// newHome writes the configuration; data_dir and host stand in it already.
func newHome(t *testing.T, yaml string) *home {
	t.Helper()
	dir := t.TempDir()
	h := &home{dir: dir, state: filepath.Join(dir, "state")}
	if err := os.Mkdir(filepath.Join(dir, "tmp"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, kv := range os.Environ() {
		switch name, _, _ := strings.Cut(kv, "="); name {
		case "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "JOURNAL_STREAM", "COLUMNS", "TIDEMARK_CONFIG", "TMPDIR":
		default:
			h.env = append(h.env, kv)
		}
	}
	h.env = append(h.env, "TIDEMARK_CONFIG="+h.config(), "TMPDIR="+filepath.Join(dir, "tmp"), "XDG_STATE_HOME="+filepath.Join(dir, "xdg"))
	h.configure(t, "host: testhost\ndata_dir: "+h.state+"\n"+yaml)
	return h
}

func (h *home) config() string { return filepath.Join(h.dir, "tidemark.yaml") }

func (h *home) history() string { return filepath.Join(h.state, historyFile) }

// configure writes the whole configuration anew.
func (h *home) configure(t *testing.T, yaml string) {
	t.Helper()
	if err := os.WriteFile(h.config(), []byte(yaml), 0o644); err != nil {
		t.Fatal(err)
	}
}

// secretOf is a token for the server that must show nowhere. InfluxDB 1.8 without users takes any.
func secretOf(s *influxtest.Server) string { return cmp.Or(s.Token, "user:dont-show-this") }

func tokenFileOf(t *testing.T, s *influxtest.Server) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(secretOf(s)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// outcome is how a command ended.
type outcome struct {
	stdout, stderr string
	code           int
}

// tidemark runs a command to its end.
func (h *home) tidemark(t *testing.T, args ...string) outcome {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "tidemark", args...)
	cmd.Env, cmd.Dir = h.env, h.dir
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatalf("tidemark %s: %v", strings.Join(args, " "), err)
	}
	return outcome{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}

// does runs a command that must succeed, and returns its result.
func (h *home) does(t *testing.T, args ...string) string {
	t.Helper()
	got := h.tidemark(t, args...)
	if got.code != exitDone {
		t.Fatalf("tidemark %s: exit code %d\n%s%s", strings.Join(args, " "), got.code, got.stdout, got.stderr)
	}
	return got.stdout
}

// fails runs a command that must end with that code, print no result, and say each of the texts on stderr.
func (h *home) fails(t *testing.T, code int, say []string, args ...string) {
	t.Helper()
	got := h.tidemark(t, args...)
	if got.code != code {
		t.Errorf("tidemark %s: exit code %d, want %d\n%s", strings.Join(args, " "), got.code, code, got.stderr)
	}
	if got.stdout != "" {
		t.Errorf("tidemark %s failed and printed a result:\n%s", strings.Join(args, " "), got.stdout)
	}
	for _, text := range say {
		if !strings.Contains(got.stderr, text) {
			t.Errorf("tidemark %s does not say %q:\n%s", strings.Join(args, " "), text, got.stderr)
		}
	}
}

// text gathers what a process writes while others read it.
type text struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (x *text) Write(p []byte) (int, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.b.Write(p)
}

func (x *text) String() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.b.String()
}

func (x *text) has(s string) func() bool {
	return func() bool { return strings.Contains(x.String(), s) }
}

// process is a run of the program that goes on until it is told to end.
type process struct {
	name           string
	cmd            *exec.Cmd
	stdout, stderr text
	ended          chan struct{} // closed when it has ended
}

// start starts the program; it ends with the test at the latest. Each prepare may change the command before.
func (h *home) start(t *testing.T, args []string, prepare ...func(*exec.Cmd)) *process {
	t.Helper()
	p := &process{name: "tidemark " + strings.Join(args, " "), cmd: exec.Command("tidemark", args...), ended: make(chan struct{})}
	p.cmd.Env, p.cmd.Dir = h.env, h.dir
	p.cmd.Stdout, p.cmd.Stderr = &p.stdout, &p.stderr
	p.cmd.SysProcAttr = &syscall.SysProcAttr{}
	for _, f := range prepare {
		f(p.cmd)
	}
	p.cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // the kernel ties Pdeathsig to the thread that started the process
		defer runtime.UnlockOSThread()
		err := p.cmd.Start()
		started <- err
		if err == nil {
			_ = p.cmd.Wait() // how it ended is in ProcessState
			close(p.ended)
		}
	}()
	if err := <-started; err != nil {
		t.Fatalf("start %s: %v", p.name, err)
	}
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			t.Logf("%s said:\n%s%s", p.name, p.stdout.String(), p.stderr.String())
		}
	})
	return p
}

// kill ends the process as a crash would.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // it may have ended
	<-p.ended
}

// ends sends a signal and checks that the process ends within a farewell, with exit code 0.
func (p *process) ends(t *testing.T, signal syscall.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(signal); err != nil {
		t.Fatalf("%s: %v\n%s", p.name, err, p.stderr.String())
	}
	if code := p.end(t, farewell); code != exitDone {
		t.Errorf("%s ended by %v with exit code %d, want 0\n%s", p.name, signal, code, p.stderr.String())
	}
}

// end waits for the end of the process and returns its exit code, -1 when a signal ended it.
func (p *process) end(t *testing.T, within time.Duration) int {
	t.Helper()
	select {
	case <-p.ended:
	case <-time.After(within):
		t.Fatalf("%s goes on after %s\n%s%s", p.name, within, p.stdout.String(), p.stderr.String())
	}
	return p.cmd.ProcessState.ExitCode()
}

// waits waits until the process has brought something about. It fails when the process ends before.
func (p *process) waits(t *testing.T, what string, done func() bool) {
	t.Helper()
	err := eventually(done, p.ended)
	if err != nil {
		t.Fatalf("%s: waiting for %s: %v\n%s%s", p.name, what, err, p.stdout.String(), p.stderr.String())
	}
}

// eventually looks until the condition holds: the state of another process can only be polled. It gives up after its
// patience, or when ended is closed.
func eventually(done func() bool, ended <-chan struct{}) error {
	deadline := time.After(patience)
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-ended:
			if done() {
				return nil
			}
			return errors.New("the process has ended")
		case <-deadline:
			return fmt.Errorf("nothing after %s", patience)
		}
	}
	return nil
}
