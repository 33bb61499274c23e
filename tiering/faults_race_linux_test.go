package tiering

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/tidemark/tidemark/internal/fsys"
	"github.com/tidemark/tidemark/internal/mounttest"
	"github.com/tidemark/tidemark/tiering/catalog"
)

// racing is a process that races.
type racing struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

func (r race) start(t *testing.T) *racing {
	t.Helper()
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	p := &racing{cmd: another(t, racerVariable, text)}
	in, err := p.cmd.StdinPipe()
	out, err2 := p.cmd.StdoutPipe()
	if err := errors.Join(err, err2, p.cmd.Start()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.cmd.Process.Kill(); p.cmd.Wait() })
	p.in, p.out = in, bufio.NewReader(out)
	if line, err := p.out.ReadString('\n'); line != "ready\n" {
		t.Fatalf("the racer says %q: %v", line, err)
	}
	return p
}

func (p *racing) end(t *testing.T) (r raced) {
	t.Helper()
	p.in.Close()
	line, err := p.out.ReadString('\n')
	if err == nil {
		err = json.Unmarshal([]byte(line), &r)
	}
	if err := errors.Join(err, p.cmd.Wait()); err != nil {
		t.Fatalf("the racer: %q %v", line, err)
	}
	return r
}

// newTrack is a place whose volume is a directory of a filesystem, with an outside beside it.
func newTrack(t *testing.T) (p place, outside string) {
	t.Helper()
	mount := mounttest.Mount(t, mounttest.Image(t, "ext4", 256))
	p = place{
		Volume: filepath.Join(mount, "volume"), Vault: mounttest.Mount(t, mounttest.Image(t, "xfs", 320)),
		Catalog: filepath.Join(t.TempDir(), "tiering", "catalog.db"), Policy: "cold", Archive: "vault", Leave: catalog.LeaveLink,
	}
	if err := os.Mkdir(p.Volume, 0o755); err != nil {
		t.Fatal(err)
	}
	p.initArchive(t)
	return p, filepath.Join(mount, "outside")
}

// canaries are files outside that symlinks lead to for a while. What is returned says who touched them.
func canaries(t *testing.T, outside string) (touched func() []string) {
	t.Helper()
	watch, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(watch) })
	for _, d := range directories {
		dir := filepath.Join(outside, d)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		for i := range 300 {
			if err := os.WriteFile(filepath.Join(dir, fmt.Sprint("f", i)), []byte("canary"), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := unix.InotifyAddWatch(watch, dir, unix.IN_ALL_EVENTS); err != nil {
			t.Fatal(err)
		}
	}
	return func() (events []string) {
		buf := make([]byte, 1<<16)
		n, err := unix.Read(watch, buf)
		if !errors.Is(err, unix.EAGAIN) {
			events = append(events, fmt.Sprintf("%d bytes of events, %v: %q", n, err, buf[:max(0, n)]))
		}
		return events
	}
}

// Files that are used in every way while runs and recalls go on lose nothing that was written to them.
func TestRacingProcesses(t *testing.T) {
	t.Parallel()
	mounttest.RequireRoot(t)
	p, outside := newTrack(t)
	touched := canaries(t, outside)
	rounds, racers := 2, []*racing{}
	if everything() {
		rounds = 40
	}
	for i := range 3 {
		r := race{Dir: filepath.Join(p.Volume, fmt.Sprint("racer", i)), Outside: outside, Seed: uint64(i + 1), Files: 250}
		racers = append(racers, r.start(t))
	}
	var moved, recalled, disturbed int64
	for range rounds {
		a, _, _ := order{place: p, Do: "run"}.process(t)
		if a.Err != "" {
			t.Fatalf("%s", a)
		}
		moved += a.Run.FilesReleased
		disturbed += int64(len(a.Run.Skipped) + len(a.Run.Failed))
		// By links wherever they were moved to (one may be gone again, then nothing is done), and by where files were.
		for _, paths := range [][]string{p.links(t, 20), {p.Volume}} {
			a, _, _ = order{place: p, Do: "recall", Paths: paths}.process(t)
			if a.Err != "" && !strings.Contains(a.Err, "nothing of it is in an archive") {
				t.Fatalf("%s", a)
			}
			recalled += a.Recall.Files
		}
	}
	a, _, _ := order{place: p, Do: "run"}.process(t)
	moved += a.Run.FilesReleased
	var all []raced
	for _, r := range racers {
		all = append(all, r.end(t))
	}
	p.here(t, "recover")
	p.kept(t, all)
	if events := touched(); len(events) > 0 {
		t.Errorf("outside the volume: %s", events)
	}
	t.Logf("%d released, %d recalled, %d left alone", moved, recalled, disturbed)
	if moved < 100 || recalled < 20 || disturbed < 10 {
		t.Error("that was no race")
	}
}

// links are some names that lead into the archive.
func (p place) links(t *testing.T, most int) (paths []string) {
	t.Helper()
	// find follows no directory that was exchanged for a symlink while it reads, as WalkDir would; that names vanish is no failure.
	out, _ := exec.Command("find", p.Volume, "-type", "l", "-print0").Output()
	for path := range strings.SplitSeq(string(out), "\x00") {
		if path != "" && len(paths) < most && !slices.Contains(directories, filepath.Base(path)) {
			paths = append(paths, path)
		}
	}
	return paths
}

// kept sees that everything is as the racers left it, and that the archive's versions have their bytes.
func (p place) kept(t *testing.T, all []raced) {
	t.Helper()
	known, gone := map[string]bool{}, map[string]bool{}
	lost := 0
	for _, r := range all {
		t.Logf("%d files, %d refused, %v", len(r.Files), r.Refused, r.Done)
		for path, want := range r.Files {
			known[path] = true
			if got, err := os.ReadFile(path); err != nil || string(got) != want {
				if lost++; lost <= 5 {
					info, _ := os.Lstat(path)
					t.Errorf("%s: %v\n%q, want\n%q\n%v", path, err, got, want, info)
				}
			}
		}
		for path := range r.Gone {
			gone[path] = true
		}
	}
	if lost > 0 {
		t.Errorf("%d files lost writes", lost)
	}
	var beside []string
	filepath.WalkDir(p.Volume, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			t.Error(err)
		case d.IsDir() && d.Name() == ".tidemark":
			return fs.SkipDir
		case d.IsDir(), known[path], gone[path]:
		case strings.Contains(path, ".tidemark-restored-"):
			beside = append(beside, path)
		case strings.Contains(path, "/aside"): // released while its directory had that name, and recalled by it
		default:
			t.Errorf("nobody made %s", path)
		}
		return nil
	})
	t.Logf("kept beside another file: %d", len(beside))
	e, c, err := p.engine(t.Context(), fsys.Host{}, true)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	verified, err := e.Verify(t.Context(), p.Archive, VerifyOptions{})
	if err != nil || len(verified.Bad)+len(verified.Mended) > 0 || verified.Checked == 0 {
		t.Errorf("the archive: %v %+v", err, verified)
	}
	if wrong := p.settled(t, nil); wrong != nil {
		t.Error(strings.Join(wrong, "\n"))
	}
	p.sameFromArchive(t)
}

// Writers that open, append and close while thousands of files are released lose no append.
func TestNoAppendIsLost(t *testing.T) {
	t.Parallel()
	mounttest.RequireRoot(t)
	p, outside := newTrack(t)
	if err := os.Mkdir(outside, 0o755); err != nil {
		t.Fatal(err)
	}
	// How many are released in a round is up to the writers: it goes on until there were enough to say something.
	rounds, files, enough := 2, 500, int64(500)
	if everything() {
		rounds, files, enough = 40, 1200, 20_000
	}
	var writers []*racing
	for i := range 3 {
		r := race{Dir: filepath.Join(p.Volume, fmt.Sprint("writer", i)), Outside: outside, Seed: uint64(i + 1), Files: files, AppendOnly: true}
		writers = append(writers, r.start(t))
	}
	var released, opened int64
	for round := 0; round < rounds || released < enough && round < 10*rounds; round++ {
		if round > 0 {
			if a, _, _ := (order{place: p, Do: "recall", Paths: []string{p.Volume}}).process(t); a.Err != "" {
				t.Fatalf("%s", a)
			}
		}
		a, _, _ := order{place: p, Do: "run"}.process(t)
		if a.Err != "" {
			t.Fatalf("%s", a)
		}
		released += a.Run.FilesReleased
		for _, s := range a.Run.Skipped {
			if strings.Contains(s.Reason, "open") {
				opened++
			}
		}
	}
	var all []raced
	for _, w := range writers {
		all = append(all, w.end(t))
	}
	p.kept(t, all)
	t.Logf("%d released, %d left alone or put back because they were open", released, opened)
	if released < enough {
		t.Errorf("only %d were released", released)
	}
}
