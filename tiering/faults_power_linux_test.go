package tiering

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tidemark/tidemark/internal/mounttest"
	"github.com/tidemark/tidemark/tiering/catalog"
)

// powered is a place whose power fails.
type powered struct {
	place
	images map[string]string // of the mount points
	cuts   []cut             // the kinds, without At
	hits   int
}

func newPowered(t *testing.T, leave catalog.Leave) *powered {
	t.Helper()
	p, volume, vault := onImages(t, leave)
	both := []string{p.Volume, p.Vault}
	return &powered{place: p, images: map[string]string{p.Volume: volume, p.Vault: vault}, cuts: []cut{
		{Roots: both, How: shutNow, Die: true},
		{Roots: both[:1], How: shutNow, Die: true},
		{Roots: both[1:], How: shutNow, Die: true},
		{Roots: both, How: shutLogged, Die: true},
		{Roots: both[:1], How: shutNow},
		{Roots: both[1:], How: shutNow},
		{Roots: both, How: shutNow},
	}}
}

// powerUp mounts again what lost its power; the filesystems replay their logs.
func (p *powered) powerUp(t *testing.T, roots []string) {
	t.Helper()
	for _, dir := range roots {
		p.images[dir] = remount(t, dir, p.images[dir])
	}
}

// remount takes a filesystem away and mounts it again, from a copy of its image, which is returned: somebody who copied this mount
// namespace at the wrong moment would keep the filesystem, dead as it is, alive.
func remount(t *testing.T, dir, image string, mend ...string) string {
	t.Helper()
	fstype := strings.TrimSpace(mounttest.Run(t, "findmnt", "-n", "-o", "FSTYPE", dir))
	mounttest.Run(t, "umount", dir)
	again := image + "'"
	mounttest.Run(t, "cp", "--sparse=always", image, again)
	if err := os.Remove(image); err != nil {
		t.Fatal(err)
	}
	for _, command := range mend {
		if out, err := exec.Command(command, "-fy", again).CombinedOutput(); err != nil && !strings.Contains(string(out), "MODIFIED") {
			t.Fatalf("%s: %v\n%s", command, err, out)
		}
	}
	mounttest.Run(t, "mount", "-o", map[string]string{"ext4": "errors=remount-ro", "xfs": "nouuid"}[fstype], again, dir)
	return again
}

// cutAt does an order until the power fails.
func (p *powered) cutAt(t *testing.T, kind cut, at int, do string, paths ...string) string {
	t.Helper()
	kind.At = at
	a, out, died := order{place: p.place, Do: do, Paths: paths, Quick: true, Cut: &kind}.process(t)
	hit := strings.HasPrefix(out, "cut\n")
	if hit {
		p.hits++
	}
	if hit && kind.Die != died || !hit && (a.Err != "" || died) {
		t.Fatalf("%s, cut %+v: hit %t, died %t, %s", do, kind, hit, died, a)
	}
	if hit {
		p.powerUp(t, kind.Roots)
	}
	return fmt.Sprintf("%s, power of %d filesystems from %s cut (%d) before call %d, died %t", do, len(kind.Roots), kind.Roots[0], kind.How, at, kind.Die)
}

func (p *powered) calls(t *testing.T, do string, paths ...string) int {
	t.Helper()
	a, _, _ := order{place: p.place, Do: do, Paths: paths, Quick: true, Cut: &cut{}}.process(t)
	if a.Err != "" || a.Calls < 10 {
		t.Fatalf("%s: %s", do, a)
	}
	return a.Calls
}

// The power of the volume, of the archive, or of both fails before any call of a run or a recall that changes something. What the
// filesystems make of their logs afterwards is enough.
func TestPowerCuts(t *testing.T) {
	t.Parallel()
	mounttest.RequireRoot(t)
	for _, leave := range []catalog.Leave{catalog.LeaveLink, catalog.LeaveNothing} {
		t.Run(string(leave), func(t *testing.T) {
			p := newPowered(t, leave)
			p.here(t, "run")
			few := 7
			if leave == catalog.LeaveNothing {
				few = 3
			}
			p.cutRuns(t, few)
			p.cutRecalls(t, few)
			p.sameFromArchive(t)
			if p.hits < 2*few-2 {
				t.Errorf("cut only %d times", p.hits)
			}
			t.Logf("cut %d times", p.hits)
		})
	}
}

// With the catalog on the volume itself, everything there fails at once.
func TestPowerCutsWithTheCatalogOnTheVolume(t *testing.T) {
	t.Parallel()
	mounttest.RequireRoot(t)
	p := newPowered(t, catalog.LeaveLink)
	p.Catalog = filepath.Join(p.Volume, ".catalog", "catalog.db")
	p.here(t, "run")
	p.cutRuns(t, 4)
	p.cutRecalls(t, 3)
	p.sameFromArchive(t)
	if p.hits < 5 {
		t.Errorf("cut only %d times", p.hits)
	}
	t.Logf("cut %d times", p.hits)
}

func (p *powered) cutRuns(t *testing.T, few int) {
	t.Helper()
	p.tree(t, "count", 6, 0)
	calls := p.calls(t, "run")
	p.forget(t, "count")
	for i, n := range sample(calls, few, calls, len(p.Leave)) {
		dir := fmt.Sprint("run", n)
		files := p.tree(t, dir, filesOf(i/len(p.cuts)), uint64(n))
		what := p.cutAt(t, p.cuts[i%len(p.cuts)], n, "run")
		p.finishes(t, what, files, filepath.Join(p.Volume, dir))
		p.forget(t, dir)
	}
}

func (p *powered) cutRecalls(t *testing.T, few int) {
	t.Helper()
	files := p.tree(t, "recalls", 6, 1)
	p.here(t, "run")
	all := filepath.Join(p.Volume, "recalls")
	calls := p.calls(t, "recall", all)
	p.finishes(t, "not cut", files, "")
	for i, n := range sample(calls, few, calls, len(p.Leave)) {
		p.finishes(t, p.cutAt(t, p.cuts[i%len(p.cuts)], n, "recall", all), files, "")
	}
	p.finishes(t, "at last", files, all)
	if err := os.RemoveAll(all); err != nil {
		t.Fatal(err)
	}
}
