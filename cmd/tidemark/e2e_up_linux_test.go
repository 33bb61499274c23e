package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"github.com/tidemark/tidemark/internal/history"
	"github.com/tidemark/tidemark/internal/volume"
)

// `tidemark up` as a process: what a new user sees first.

// firstScreen is how long a start may take until it shows something.
const firstScreen = 10 * time.Second

func TestUpShowsThisMachineUntilItIsEnded(t *testing.T) {
	for name, signal := range map[string]syscall.Signal{"SIGTERM": syscall.SIGTERM, "SIGINT": syscall.SIGINT} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHome(t, "agent: {every: 1s, "+onlyRoot+"}\n")
			started := time.Now()
			p := h.start(t, []string{"up"})
			p.waits(t, "the table", func() bool {
				s := p.stdout.String()
				return strings.Contains(s, "testhost:/") && strings.Contains(s, "new_volume: ")
			})
			if took := time.Since(started); took > firstScreen {
				t.Errorf("the first screen took %s", took)
			}
			p.waits(t, "more samples", func() bool { return len(h.readings(t)) >= 3 }) // it goes on
			p.ends(t, signal)
			if n := strings.Count(p.stdout.String(), "VOLUME"); n != 1 {
				t.Errorf("the table was printed %d times within seconds, in a pipe", n)
			}
			for _, line := range strings.Split(strings.TrimSpace(p.stderr.String()), "\n") {
				if !strings.HasPrefix(line, "tidemark: ") {
					t.Errorf("stderr: %q does not begin with the program's name", line)
				}
			}
			store, err := history.Open(t.Context(), h.history(), history.Options{Now: time.Now}) // checks the file
			if err != nil {
				t.Fatal(err)
			}
			defer store.Close()
			newest, err := store.Newest(t.Context(), volume.Selector{}, started, time.Now().Add(time.Hour))
			if err != nil || len(newest) != 1 || newest[0].Path != "/" {
				t.Errorf("the history holds %v, %v", newest, err)
			}
			if left, _ := filepath.Glob(h.history() + ".corrupt*"); len(left) > 0 {
				t.Errorf("the history was not sound: %v", left)
			}
		})
	}
}

// terminal opens a pseudo-terminal of 80 columns: what a process writes to inside can be read from outside.
func terminal(t *testing.T) (outside, inside *os.File) {
	t.Helper()
	outside, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { outside.Close() })
	fd := int(outside.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 80}); err != nil {
		t.Fatal(err)
	}
	inner, _, errno := syscall.Syscall(syscall.SYS_IOCTL, outside.Fd(), unix.TIOCGPTPEER, unix.O_RDWR|unix.O_NOCTTY)
	if errno != 0 {
		t.Fatal(errno)
	}
	inside = os.NewFile(inner, "terminal")
	t.Cleanup(func() { inside.Close() })
	return outside, inside
}

// screen gathers what is written to a terminal.
func screen(outside *os.File) *text {
	var x text
	go func() {
		buffer := make([]byte, 4096)
		for {
			n, err := outside.Read(buffer)
			x.Write(buffer[:n])
			if err != nil { // nobody has it open any more
				return
			}
		}
	}()
	return &x
}

func TestUpRedrawsOnATerminal(t *testing.T) {
	t.Parallel()
	h := newHome(t, "agent: {every: 1s, "+onlyRoot+"}\n")
	outside, inside := terminal(t)
	shown := screen(outside)
	p := h.start(t, []string{"up"}, func(c *exec.Cmd) {
		c.Stdin, c.Stdout, c.Stderr = inside, inside, inside
		c.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	})
	const clear = "\x1b[H\x1b[2J"
	p.waits(t, "two redraws", func() bool { return strings.Count(shown.String(), clear) >= 2 })
	if _, err := outside.Write([]byte{3}); err != nil { // Ctrl-C
		t.Fatal(err)
	}
	if code := p.end(t, farewell); code != exitDone {
		t.Errorf("exit code %d after Ctrl-C", code)
	}
	if err := eventually(shown.has("ended; the samples stay in "), nil); err != nil {
		t.Errorf("it does not say that it ended: %v", err)
	}
	screens := strings.Split(shown.String(), clear)
	if strings.Contains(screens[0], "\x1b") {
		t.Errorf("the first screen moves the cursor: %q", screens[0])
	}
	for _, s := range screens[1 : len(screens)-1] {
		if !strings.Contains(s, "testhost:/") || !strings.Contains(s, "next sample") {
			t.Errorf("a redraw shows %q", s)
		}
		for _, line := range strings.Split(s, "\r\n") {
			if n := utf8.RuneCountInString(line); n > 80 {
				t.Errorf("a line of %d columns: %q", n, line)
			}
		}
	}
}

var playground = regexp.MustCompile(`A playground in (\S+)\. `)

func TestDemoRemovesItsPlayground(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name      string
		args      []string
		interrupt bool
		stays     bool
	}{
		{"to the end", []string{"up", "--demo"}, false, false},
		{"kept", []string{"up", "--demo", "--keep"}, false, true},
		{"interrupted", []string{"up", "--demo"}, true, false},
		{"interrupted and kept", []string{"up", "--demo", "--keep"}, true, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h := newHome(t, "")
			started := time.Now()
			p := h.start(t, tc.args)
			p.waits(t, "the playground", func() bool { return playground.MatchString(p.stdout.String()) })
			dir := playground.FindStringSubmatch(p.stdout.String())[1]
			if tc.interrupt {
				if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
					t.Fatal(err)
				}
			}
			code := p.end(t, patience)
			if took := time.Since(started); took > 20*time.Second {
				t.Errorf("the demo took %s", took)
			}
			want := exitDone
			if tc.interrupt {
				want = exitFailed
				if p.stderr.String() != "tidemark: interrupted\n" {
					t.Errorf("it says %q", p.stderr.String())
				}
			}
			if code != want {
				t.Errorf("exit code %d, want %d", code, want)
			}
			for _, told := range []string{"ALL OF IT IS MADE UP", "demo:/srv/video", "sawtooth", "\n6. The playground "} {
				if !tc.interrupt && !strings.Contains(p.stdout.String(), told) {
					t.Errorf("the demo does not tell %q:\n%s", told, p.stdout.String())
				}
			}
			if stays := size(dir) >= 0; stays != tc.stays {
				t.Errorf("the playground %s is there: %v, want %v", dir, stays, tc.stays)
			}
			if size(h.state) >= 0 {
				t.Error("the demo touched the data directory")
			}
			left, err := os.ReadDir(filepath.Join(h.dir, "tmp"))
			if err != nil || (len(left) > 0) != tc.stays {
				t.Errorf("the temporary directory holds %v, %v", left, err)
			}
		})
	}
}
