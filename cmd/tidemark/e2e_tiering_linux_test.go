package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tidemark/tidemark/internal/mounttest"
)

// The commands that move files as processes: killed, stopped, as a daemon.

// tieringHome is a home with a hot volume, an archive that is initialised, and an enforced policy between them.
type tieringHome struct {
	*home
	hot, vault string
	contents   map[string][]byte // of the files at home, by path
}

func newTieringHome(t *testing.T, policy string) *tieringHome {
	t.Helper()
	h := &tieringHome{
		hot: mounttest.Mount(t, mounttest.Image(t, "ext4", 96)), vault: mounttest.Mount(t, mounttest.Image(t, "ext4", 128)),
		contents: map[string][]byte{},
	}
	h.home = newHome(t, fmt.Sprintf(`archives: {vault: {path: %s, min_free: 1%%}}
policies:
  - {name: cold, volume: %s, archive: vault, where: ext == "mp4", enforce: true, %s}
agent: {every: 1s, %s}
`, h.vault, h.hot, policy, onlyRoot))
	h.does(t, "archive", "init", "vault")
	return h
}

// fill makes n cold files of so many KiB.
func (h *tieringHome) fill(t *testing.T, n, kib int) {
	t.Helper()
	r := rand.NewChaCha8([32]byte{1})
	for i := range n {
		path := filepath.Join(h.hot, fmt.Sprintf("d%d", i%3), fmt.Sprintf("f%03d.mp4", i))
		content := make([]byte, kib<<10)
		r.Read(content)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, content, 0o644); err != nil {
			t.Fatal(err)
		}
		h.contents[path] = content
	}
}

// intact sees that every file reads under its old name, whatever is there.
func (h *tieringHome) intact(t *testing.T) {
	t.Helper()
	for path, want := range h.contents {
		if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %d bytes, %v; want %d as they were", path, len(got), err, len(want))
		}
	}
}

// released counts the links at home.
func (h *tieringHome) released(t *testing.T) int {
	t.Helper()
	n := 0
	for path := range h.contents {
		if info, err := os.Lstat(path); err == nil && info.Mode().Type() == os.ModeSymlink {
			n++
		}
	}
	return n
}

func TestKilledRunIsRecovered(t *testing.T) {
	mounttest.RequireFilesystem(t, "ext4")
	t.Parallel()
	h := newTieringHome(t, "limit: {bandwidth: 8MiB/s}")
	h.fill(t, 40, 512)
	p := h.start(t, []string{"policy", "run", "cold"})
	p.waits(t, "a copy", func() bool {
		left, _ := filepath.Glob(filepath.Join(h.vault, ".tidemark/staging/*"))
		return len(left) > 0
	})
	p.kill()
	h.intact(t)
	// Read-only commands only say so; recovery ends it, once.
	got := h.tidemark(t, "archive", "ls")
	if got.code != exitDone || !strings.Contains(got.stderr, "pending: run tidemark recover") {
		t.Errorf("exit code %d, said %q", got.code, got.stderr)
	}
	if again := h.tidemark(t, "archive", "ls"); again.stdout != got.stdout || again.stderr != got.stderr {
		t.Errorf("a read-only command changed something: %q, then %q", got.stderr, again.stderr)
	}
	h.does(t, "recover")
	if said := h.tidemark(t, "recover").stderr; said != "tidemark: nothing was interrupted\n" {
		t.Errorf("recovering again says %q", said)
	}
	if left, _ := filepath.Glob(filepath.Join(h.vault, ".tidemark/staging/*")); len(left) > 0 {
		t.Errorf("staging holds %v", left)
	}
	h.intact(t)
	h.configure(t, strings.Replace(h.text(t), "limit: {bandwidth: 8MiB/s}", "", 1))
	h.does(t, "policy", "run", "cold")
	h.intact(t)
	if n := h.released(t); n != len(h.contents) {
		t.Errorf("%d of %d files were released", n, len(h.contents))
	}
	h.does(t, "archive", "verify")
	h.does(t, "audit", "verify")
}

func (h *tieringHome) text(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(h.config())
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestStoppedRunComesToASafePoint(t *testing.T) {
	mounttest.RequireFilesystem(t, "ext4")
	t.Parallel()
	h := newTieringHome(t, "limit: {bandwidth: 8MiB/s}")
	h.fill(t, 60, 512)
	p := h.start(t, []string{"policy", "run", "--format", "json", "cold"})
	p.waits(t, "a copy", func() bool {
		left, _ := filepath.Glob(filepath.Join(h.vault, ".tidemark/staging/*"))
		return len(left) > 0
	})
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	code := p.end(t, farewell)
	var result struct {
		Archived int64 `json:"files_archived"`
		Released int64 `json:"files_released"`
	}
	if err := json.Unmarshal([]byte(p.stdout.String()), &result); err != nil {
		t.Fatalf("%v: %q", err, p.stdout.String())
	}
	want := exitFailed
	if result.Archived+result.Released > 0 {
		want = exitPart
	}
	if code != want || !strings.Contains(p.stderr.String(), "nothing is half done") {
		t.Errorf("exit code %d, want %d; said %q", code, want, p.stderr.String())
	}
	if result.Released == int64(len(h.contents)) {
		t.Error("the run was not stopped at all")
	}
	if n := h.released(t); int64(n) != result.Released {
		t.Errorf("%d files are links, it says %d", n, result.Released)
	}
	if said := h.tidemark(t, "recover").stderr; said != "tidemark: nothing was interrupted\n" {
		t.Errorf("something was half done: %q", said)
	}
	h.intact(t)
}

func TestProgressOnATerminal(t *testing.T) {
	mounttest.RequireFilesystem(t, "ext4")
	t.Parallel()
	h := newTieringHome(t, "limit: {bandwidth: 8MiB/s}")
	h.fill(t, 40, 512)
	outside, inside := terminal(t)
	shown := screen(outside)
	p := h.start(t, []string{"policy", "run", "cold"}, func(cmd *exec.Cmd) { cmd.Stderr = inside })
	p.waits(t, "progress", func() bool {
		s := shown.String()
		return strings.Contains(s, "moving: ") && strings.Contains(s, " of 40 files, ") && strings.Contains(s, "MiB/s, ") && strings.Contains(s, "\r\x1b[K")
	})
	if code := p.end(t, patience); code != exitDone {
		t.Errorf("exit code %d", code)
	}
	if s := p.stdout.String(); strings.Contains(s, "\x1b") || !strings.HasPrefix(s, "cold: 40 files archived") {
		t.Errorf("stdout has %q", s)
	}
}

func TestTierdRecoversTellsAndEnds(t *testing.T) {
	mounttest.RequireFilesystem(t, "ext4")
	t.Parallel()
	h := newTieringHome(t, `schedule: "@daily", limit: {bandwidth: 8MiB/s}`)
	h.fill(t, 40, 512)
	run := h.start(t, []string{"policy", "run", "cold"})
	run.waits(t, "a copy", func() bool {
		left, _ := filepath.Glob(filepath.Join(h.vault, ".tidemark/staging/*"))
		return len(left) > 0
	})
	run.kill()
	socket := filepath.Join(h.dir, "notify")
	told, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer told.Close()
	var states text
	go func() {
		b := make([]byte, 1<<10)
		for {
			n, err := told.Read(b)
			if err != nil {
				return
			}
			fmt.Fprintf(&states, "%s\n", b[:n])
		}
	}()
	p := h.start(t, []string{"tierd"}, func(cmd *exec.Cmd) { cmd.Env = append(cmd.Env, "NOTIFY_SOCKET="+socket, "WATCHDOG_USEC=200000") })
	p.waits(t, "its start", p.stderr.has("tierd starts"))
	p.waits(t, "READY and the watchdog", func() bool {
		s := states.String()
		return strings.Contains(s, "READY=1") && strings.Count(s, "WATCHDOG=1") >= 2
	})
	p.waits(t, "recovery", p.stderr.has("an interrupted operation was recovered"))
	p.ends(t, syscall.SIGTERM)
	for _, want := range []string{`job="policy cold"`, "job=verify", "tierd ends"} {
		if !p.stderr.has(want)() {
			t.Errorf("the log lacks %q:\n%s", want, p.stderr.String())
		}
	}
	if !strings.Contains(states.String(), "STOPPING=1") {
		t.Errorf("the service manager was told %q", states.String())
	}
	h.intact(t)
}

func TestTierdGoesOnWithoutItsArchive(t *testing.T) {
	mounttest.RequireFilesystem(t, "ext4")
	t.Parallel()
	h := newTieringHome(t, `schedule: "@daily"`)
	mounttest.Run(t, "umount", h.vault)
	p := h.start(t, []string{"tierd"})
	p.waits(t, "its start", p.stderr.has("tierd starts"))
	p.ends(t, syscall.SIGTERM)
}

func TestUpPreviewsPolicies(t *testing.T) {
	mounttest.RequireFilesystem(t, "ext4")
	t.Parallel()
	h := newTieringHome(t, "")
	h.fill(t, 3, 64)
	p := h.start(t, []string{"up"})
	p.waits(t, "the preview", func() bool {
		return strings.Contains(p.stdout.String(), "policy cold would move 3 files, 192 KiB, from "+h.hot+" to archive vault: ")
	})
	p.waits(t, "the table", func() bool { return strings.Contains(p.stdout.String(), "VOLUME") })
	p.ends(t, syscall.SIGTERM)
	if n := h.released(t); n != 0 {
		t.Errorf("up moved %d files", n)
	}
}

// TestDemoAsNobody: without root it shows a plan and says why it stops.
func TestDemoAsNobody(t *testing.T) {
	mounttest.RequireRoot(t)
	t.Parallel()
	h := newHome(t, "")
	for dir := h.dir; dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(filepath.Join(h.dir, "tmp"), 0o777); err != nil {
		t.Fatal(err)
	}
	program, err := exec.LookPath("tidemark")
	if err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(h.dir, "tidemark")
	mounttest.Run(t, "cp", program, copied) // it may be where nobody else can look
	mounttest.Run(t, "chmod", "0755", copied)
	started := time.Now()
	p := h.start(t, []string{"up", "--demo"}, func(cmd *exec.Cmd) {
		cmd.Path = copied
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: 65534, Gid: 65534}
	})
	if code := p.end(t, patience); code != exitDone {
		t.Errorf("exit code %d after %s\n%s", code, time.Since(started), p.stderr.String())
	}
	for _, want := range []string{"would move 3:\n", "evidence.mp4 stays: it is held", "It stops here, before anything is moved: only root can mount", "6. The playground is gone again"} {
		if !strings.Contains(p.stdout.String(), want) {
			t.Errorf("the demo does not tell %q:\n%s", want, p.stdout.String())
		}
	}
}
