package tiering

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tidemark/tidemark/internal/fsys"
	"github.com/tidemark/tidemark/internal/mounttest"
	"github.com/tidemark/tidemark/tiering/catalog"
)

// A volume's lock keeps a second engine out, and dies with its process.
func TestTwoEnginesAtOneVolume(t *testing.T) {
	t.Parallel()
	p := newPlace(t, catalog.LeaveLink)
	files := p.tree(t, "tree", 6, 1)
	h := order{place: p, Do: "run", Quick: true}.hold(t, 40)
	a, _, _ := order{place: p, Do: "run", Quick: true}.process(t)
	if want := "another tidemark is at work on " + p.Volume; a.Err != want || a.Hint == "" || a.Run.FilesArchived != 0 {
		t.Errorf("the second engine: %q, want %q; %s", a.Err, want, a)
	}
	a, _, _ = order{place: p, Do: "recover"}.process(t)
	if !strings.Contains(a.Err, "another tidemark") {
		t.Errorf("recovery beside a run: %s", a)
	}
	h.kill()
	p.finishes(t, "its process was killed", files, filepath.Join(p.Volume, "tree"))
}

// Two volumes share an archive and a catalog; their engines work at the same time.
func TestTwoVolumesShareAnArchive(t *testing.T) {
	t.Parallel()
	p := newPlace(t, catalog.LeaveLink)
	q := p
	q.Volume, q.Policy = mounttest.Mount(t, mounttest.Image(t, "ext4", 64)), "cold-too"
	for round := range 3 {
		dir := fmt.Sprint("tree", round)
		files, others := p.tree(t, dir, 40, 1), q.tree(t, dir, 40, 2)
		// Both are in the middle of it before either goes on.
		one, other := order{place: p, Do: "run", Quick: true}.hold(t, 90), order{place: q, Do: "run", Quick: true}.hold(t, 90)
		one.in.Close()
		for _, a := range []answer{other.goOn(), one.goOn()} {
			if a.Err != "" || a.Run.FilesReleased != 40 {
				t.Fatalf("%s", a)
			}
		}
		p.finishes(t, "one of two", files, filepath.Join(p.Volume, dir))
		q.finishes(t, "the other of two", others, filepath.Join(q.Volume, dir))
		p.forget(t, dir)
		q.forget(t, dir)
	}
	p.sameFromArchive(t)
}

// SIGTERM ends a run at a safe point: nothing is left in staging or trash, nothing in flight, what is reported is so, and the next run
// does the rest.
func TestTerminated(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		files func(place) []file
		at    []int // each run has less to copy
	}{
		{"many files", func(p place) []file { return p.tree(t, "tree", 600, 1) }, []int{5, 700, 4500, 7000, 2000}},
		{"large files", func(p place) []file { return p.large(t, "tree", 30) }, []int{20, 200, 400, 70}},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := newPlace(t, catalog.LeaveLink)
			files := test.files(p)
			for _, n := range test.at {
				p.terminated(t, n, files)
			}
			p.finishes(t, "stopped", files, filepath.Join(p.Volume, "tree"))
		})
	}
}

func (p place) terminated(t *testing.T, n int, files []file) {
	t.Helper()
	before := links(files)
	h := order{place: p, Do: "run"}.hold(t, n) // with real waits
	if err := h.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	a := h.goOn()
	took := time.Since(begun)
	t.Logf("before call %d: %d archived, %d released, in %v", n, a.Run.FilesArchived, a.Run.FilesReleased, took)
	if took > 15*time.Second { // 3 s on a machine that does nothing else
		t.Errorf("it took %v", took)
	}
	if got := links(files) - before; a.Run.FilesReleased != int64(got) || len(a.Run.Failed)+len(a.Run.Skipped) > 0 {
		t.Errorf("stopped before call %d: %d are released, the report says: %s", n, got, a)
	}
	if wrong := p.settled(t, files); wrong != nil {
		t.Fatalf("stopped before call %d: %s\n%s", n, a, strings.Join(wrong, "\n"))
	}
}

func TestTerminatedRecall(t *testing.T) {
	t.Parallel()
	p := newPlace(t, catalog.LeaveLink)
	files := p.large(t, "tree", 12)
	all := filepath.Join(p.Volume, "tree")
	p.here(t, "run")
	h := order{place: p, Do: "recall", Paths: []string{all}}.hold(t, 60)
	if err := h.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	a := h.goOn()
	if home := len(files) - links(files); a.Err == "" || a.Recall.Files != int64(home) || len(a.Recall.Failed)+len(a.Recall.Skipped) > 0 {
		t.Errorf("%d are at home, the report says: %s", home, a)
	}
	if wrong := p.settled(t, files); wrong != nil {
		t.Fatalf("%s\n%s", a, strings.Join(wrong, "\n"))
	}
	p.finishes(t, "stopped", files, all)
}

// links is how many files are links.
func links(files []file) (n int) {
	for _, f := range files {
		if info, err := os.Lstat(f.path); err == nil && info.Mode().Type() == os.ModeSymlink {
			n++
		}
	}
	return n
}

// A run that was killed shows as interrupted once somebody can know.
func TestInterruptedRunShows(t *testing.T) {
	t.Parallel()
	p := newPlace(t, catalog.LeaveLink)
	p.tree(t, "tree", 6, 1)
	for _, do := range []string{"recover", "run"} {
		order{place: p, Do: "run", Quick: true}.hold(t, 40).kill()
		p.here(t, do)
		c, done := p.openCatalog(t)
		runs, err := c.Runs(t.Context(), p.Policy, 0)
		done()
		if err != nil || len(runs) == 0 {
			t.Fatal(err)
		}
		killed := slices.IndexFunc(runs, func(r catalog.Run) bool { return r.Ended.IsZero() })
		if killed < 0 || !runs[killed].Interrupted {
			t.Errorf("after %s: %+v", do, runs)
		}
	}
}

// A catalog that was restored from before a run is refused; rebuilt from the archive alone it brings back everything.
func TestLostAndOldCatalogs(t *testing.T) {
	t.Parallel()
	p := newPlace(t, catalog.LeaveLink)
	first := p.tree(t, "first", 6, 1)
	p.here(t, "run")
	old, err := os.ReadFile(p.Catalog)
	if err != nil {
		t.Fatal(err)
	}
	second := p.tree(t, "second", 9, 2)
	p.here(t, "run")
	p.here(t, "recall", filepath.Join(p.Volume, "second", "file 0"))

	p.replaceCatalog(t, old)
	for _, o := range []order{{Do: "run"}, {Do: "recall", Paths: []string{first[0].path}}} {
		o.place = p
		a, _, _ := o.process(t)
		if !strings.Contains(a.Err, "older than archive") || !strings.Contains(a.Hint, "archive rebuild vault") {
			t.Errorf("an old catalog, %s: %s", o.Do, a)
		}
	}
	all := slices.Concat(first, second)
	for _, content := range [][]byte{old, nil} {
		p.replaceCatalog(t, content)
		p.rebuild(t, len(all))
		p.sameFromArchive(t)
		if wrong := p.settled(t, all); wrong != nil {
			t.Errorf("rebuilt:\n%s", strings.Join(wrong, "\n"))
		}
	}
	a := p.here(t, "recall", filepath.Join(p.Volume, "first"), filepath.Join(p.Volume, "second"))
	if len(a.Recall.Failed)+len(a.Recall.Skipped) > 0 || a.Recall.Files != int64(len(all))-1 {
		t.Errorf("%s", a)
	}
	if wrong := slices.Concat(home(all), p.settled(t, all)); wrong != nil {
		t.Errorf("recalled from a rebuilt catalog:\n%s", strings.Join(wrong, "\n"))
	}
	if a := p.here(t, "run"); a.Run.FilesArchived != 0 || a.Run.FilesReleased != int64(len(all)) {
		t.Errorf("what is unchanged is copied again: %s", a)
	}
}

// replaceCatalog puts content in the place of the catalog; nil: there is none.
func (p place) replaceCatalog(t *testing.T, content []byte) {
	t.Helper()
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.RemoveAll(p.Catalog + suffix); err != nil {
			t.Fatal(err)
		}
	}
	if content != nil {
		if err := os.WriteFile(p.Catalog, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func (p place) rebuild(t *testing.T, objects int) {
	t.Helper()
	e, c, err := p.engine(t.Context(), fsys.Host{}, true)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	report, err := e.Rebuild(t.Context(), p.Archive, false)
	if err != nil || report.Objects != int64(objects) || len(report.Problems) > 0 {
		t.Errorf("%v %+v", err, report)
	}
}
