package tiering

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tidemark/tidemark/internal/fsys"
	"github.com/tidemark/tidemark/internal/fsys/fault"
	"github.com/tidemark/tidemark/tiering/catalog"
	"github.com/tidemark/tidemark/tiering/policy"
	"github.com/tidemark/tidemark/tiering/selection"
)

// The test binary plays the other processes: what they do is in these variables, as JSON.
const (
	engineVariable = "TIDEMARK_ENGINE_PLAY"
	racerVariable  = "TIDEMARK_RACER_PLAY"
)

// everything says that all is to be tried, as make crash does, not a sample of it.
func everything() bool { return os.Getenv("TIDEMARK_CRASH") != "" }

func TestMain(m *testing.M) {
	if text := os.Getenv(engineVariable); text != "" {
		os.Exit(playEngine(text))
	}
	if text := os.Getenv(racerVariable); text != "" {
		os.Exit(playRacer(text))
	}
	os.Exit(m.Run())
}

// place is a volume, an archive and a catalog: all that a process needs to know.
type place struct {
	Volume, Vault, Catalog string
	Policy, Archive        string
	Leave                  catalog.Leave
	MinFree                float64
	KeepRecalled           time.Duration
}

// order is what a process does at a place.
type order struct {
	place
	Do    string   // run, recall or recover
	Paths []string // of a recall
	Quick bool     // does not wait for what is to settle
	Cut   *cut     // power fails
	// Wait says "waiting" before the call of that number, and goes on once its input ends.
	Wait int
}

// cut is a power failure of filesystems before the At-th call that changes something.
type cut struct {
	At    int
	Roots []string
	How   int  // shutLogged or shutNow
	Die   bool // the process dies with it; else it goes on, with dead filesystems
}

// answer is what came of it.
type answer struct {
	Run    *Report
	Recall *RecallReport
	Err    string
	Hint   string
	Calls  int // that changed something, and were counted
}

func (a answer) String() string {
	text, _ := json.Marshal(a)
	return string(text)
}

func (a *answer) read(line string) error { return json.Unmarshal([]byte(line), a) }

// quickClock lets waits pass at once.
type quickClock struct {
	mu    sync.Mutex
	ahead time.Duration
}

func (c *quickClock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.ahead)
}

func (c *quickClock) sleep(ctx context.Context, d time.Duration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ahead += d
	return ctx.Err()
}

// engine is one for a place. The caller closes the catalog.
func (p place) engine(ctx context.Context, fs fsys.FS, quick bool) (*Engine, *catalog.Catalog, error) {
	rule, err := policy.Compile("size >= 1")
	excludes, err2 := policy.NewExcludes(p.Volume, []string{"**/lost+found/**", "**/.catalog/**"})
	c, err3 := catalog.Open(ctx, p.Catalog)
	if err := errors.Join(err, err2, err3); err != nil {
		return nil, nil, err
	}
	o := Options{
		Host: "h", FS: fs, Catalog: c, Archives: []ArchiveVolume{{Name: p.Archive, Path: p.Vault, MinFree: p.MinFree}},
		Policies: []Policy{{
			Name: p.Policy, Volume: p.Volume, Archive: p.Archive, Rule: rule, Exclude: excludes, Order: selection.Coldest, Leave: p.Leave,
			KeepRecalled: p.KeepRecalled, Enforce: true, Fingerprint: "f",
		}},
		Actor: catalog.Actor{User: "root", Command: "test"}, Now: time.Now, Sleep: wait, Log: slog.New(slog.DiscardHandler),
	}
	if quick {
		clock := &quickClock{}
		o.Now, o.Sleep = clock.now, clock.sleep
	}
	return New(o), c, nil
}

// playEngine is the main of a process that does what is ordered, until SIGTERM.
func playEngine(text string) int {
	var o order
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	a, err := o.do(ctx)
	if err != nil {
		a.Err = err.Error()
		if r := (*Refusal)(nil); errors.As(err, &r) {
			a.Hint = r.Hint
		}
	}
	fmt.Println(a)
	return 0
}

func (o order) do(ctx context.Context) (a answer, err error) {
	counted, calls, err := o.faults()
	if err != nil {
		return a, err
	}
	e, c, err := o.engine(ctx, counted, o.Quick)
	if err != nil {
		return a, err
	}
	defer func() { a.Calls, err = calls(), errors.Join(err, c.Close()) }()
	switch o.Do {
	case "run":
		report, err := e.Run(ctx, o.Policy, RunOptions{})
		a.Run = &report
		return a, err
	case "recall":
		report, err := e.Recall(ctx, o.Paths)
		a.Recall = &report
		return a, err
	case "recover":
		_, err := e.Recover(ctx)
		return a, err
	}
	return a, fmt.Errorf("what is %q?", o.Do)
}

// What a filesystem does when it is shut down: it writes its log first, or nothing at all.
const (
	shutLogged = 1
	shutNow    = 2
	iocShut    = 0x8004587d
)

// changing are the calls that change something, or make a change durable.
func changing(c fault.Call) bool {
	switch c.Op {
	case "Create", "WriteAt", "Chown", "Chmod", "SetTimes", "SetXattr", "SetFlags", "Sync", "Truncate", "Symlink", "Mkdir", "Remove",
		"RemoveDir", "Rename", "Link", "SyncFS", "SetTimesName", "ChownName", "SetLease":
		return true
	}
	return false
}

// faults wraps the host's filesystem as ordered. calls is how many changing calls there were.
func (o order) faults() (wrapped fsys.FS, calls func() int, err error) {
	if o.Cut == nil && o.Wait == 0 {
		return fsys.Host{}, func() int { return 0 }, nil
	}
	var roots []int
	if o.Cut != nil {
		for _, root := range o.Cut.Roots {
			fd, err := unix.Open(root, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
			if err != nil {
				return nil, nil, err
			}
			roots = append(roots, fd)
		}
	}
	var mu sync.Mutex
	n := 0
	wrapped = fault.New(fsys.Host{}, fault.Plan{Before: func(c fault.Call) {
		if !changing(c) {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		n++
		if o.Wait == n {
			fmt.Println("waiting")
			io.Copy(io.Discard, os.Stdin)
		}
		if o.Cut != nil && o.Cut.At == n {
			o.Cut.now(roots)
		}
	}})
	return wrapped, func() int { mu.Lock(); defer mu.Unlock(); return n }, nil
}

func (c *cut) now(roots []int) {
	for _, fd := range roots {
		if err := unix.IoctlSetPointerInt(fd, iocShut, c.How); err != nil {
			fmt.Fprintln(os.Stderr, "shut down:", err)
			os.Exit(3)
		}
	}
	fmt.Println("cut")
	if c.Die {
		unix.Kill(os.Getpid(), unix.SIGKILL)
		select {}
	}
}

// command is a process that does what is ordered.
func (o order) command(t *testing.T) *exec.Cmd {
	t.Helper()
	text, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	return another(t, engineVariable, text)
}

func another(t *testing.T, variable string, text []byte) *exec.Cmd {
	t.Helper()
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binary, "-test.run=^$")
	// A process under the race detector would sleep for a second before it ends.
	cmd.Env = append(os.Environ(), variable+"="+string(text), "GORACE=atexit_sleep_ms=0 "+os.Getenv("GORACE"))
	cmd.Dir = "/"
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{}
	return cmd
}

// process runs the order in a process of its own to its end. died says that it did not come to an end of its own.
func (o order) process(t *testing.T) (a answer, out string, died bool) {
	t.Helper()
	cmd := o.command(t)
	var stdout bytes.Buffer
	cmd.Stdout = &stdout
	err := cmd.Run()
	out = stdout.String()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && exit.Sys().(syscall.WaitStatus).Signaled() {
		return a, out, true
	}
	if err != nil {
		t.Fatalf("%s: %v\n%s", o.Do, err, out)
	}
	if err := a.read(out[strings.LastIndexByte(strings.TrimSuffix(out, "\n"), '\n')+1:]); err != nil {
		t.Fatalf("%q: %v", out, err)
	}
	return a, out, false
}

// here does an order in this process, with the real filesystem and without waits. Nothing is forked meanwhile: a child holds what
// was open until it has become another program, and a copy that was just written would look as if somebody had it open.
func (p place) here(t *testing.T, do string, paths ...string) answer {
	t.Helper()
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	a, err := order{place: p, Do: do, Paths: paths, Quick: true}.do(t.Context())
	if err != nil {
		t.Fatalf("%s: %v", do, err)
	}
	return a
}

// own are the directories that must be empty when nothing is under way.
func (p place) own() []string {
	return []string{
		filepath.Join(p.Volume, ".tidemark/trash"), filepath.Join(p.Volume, ".tidemark/staging"), filepath.Join(p.Vault, ".tidemark/staging"),
	}
}
