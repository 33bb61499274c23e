package tiering

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/tidemark/tidemark/internal/mounttest"
	"github.com/tidemark/tidemark/tiering/catalog"
	"github.com/tidemark/tidemark/tiering/mover"
)

// fill leaves about so many bytes for root on a filesystem, in a file that is returned.
func fill(t *testing.T, dir string, leave int64) string {
	t.Helper()
	f, err := os.Create(filepath.Join(dir, "filler"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for chunk := int64(4 << 20); chunk >= 4096; {
		var st unix.Statfs_t
		if err := unix.Statfs(dir, &st); err != nil {
			t.Fatal(err)
		}
		info, err := f.Stat()
		if err != nil {
			t.Fatal(err)
		}
		if int64(st.Bfree)*st.Bsize-leave < chunk {
			chunk /= 2
			continue
		}
		if err := unix.Fallocate(int(f.Fd()), 0, info.Size(), chunk); errors.Is(err, unix.ENOSPC) {
			chunk /= 2
		} else if err != nil {
			t.Fatal(err)
		}
	}
	return f.Name()
}

// large writes n files of a MiB.
func (p place) large(t *testing.T, dir string, n int) (files []file) {
	t.Helper()
	for i, f := range p.tree(t, dir, n, 7) {
		f.content = slices.Repeat(append(f.content[:8:8], byte(i)), (1<<20)/9)
		f.write(t)
		files = append(files, f)
	}
	syncFS(t, p.Volume)
	return files
}

// What fits into an archive is moved, the rest is reported and stays; the next run goes on when there is room.
func TestFullArchive(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		minFree float64
	}{
		{"to the last block", 0}, // the copies themselves fail
		{"to min_free", .2},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := newPlace(t, catalog.LeaveLink)
			p.MinFree = test.minFree
			var st unix.Statfs_t
			if err := unix.Statfs(p.Vault, &st); err != nil {
				t.Fatal(err)
			}
			filler := fill(t, p.Vault, int64(test.minFree*float64(st.Blocks))*st.Bsize+6<<20)
			files := p.large(t, "tree", 12)
			a, _, died := order{place: p, Do: "run", Quick: true}.process(t)
			if died || a.Run == nil {
				t.Fatalf("%t %s", died, a)
			}
			moved := a.Run.FilesReleased
			if moved < 2 || moved > 10 || a.Run.FilesArchived != moved || len(a.Run.Failed) != 12-int(moved) || len(a.Run.Skipped) != 0 {
				t.Fatalf("%s", a)
			}
			for _, f := range a.Run.Failed {
				if !strings.Contains(f.Reason, mover.ErrArchiveFull.Error()) {
					t.Errorf("%+v", f)
				}
			}
			if wrong := p.settled(t, files); wrong != nil {
				t.Errorf("%s\n%s", a, strings.Join(wrong, "\n"))
			}
			if err := os.Remove(filler); err != nil {
				t.Fatal(err)
			}
			p.MinFree = 0
			p.finishes(t, "with room again", files, filepath.Join(p.Volume, "tree"))
			p.sameFromArchive(t)
		})
	}
}

// An archive on which not even a record fits any more fails clearly, and loses nothing.
func TestArchiveFullToTheLastByte(t *testing.T) {
	t.Parallel()
	p := newPlace(t, catalog.LeaveLink)
	filler := fill(t, p.Vault, 0)
	files := p.tree(t, "tree", 30, 3)
	a, _, _ := order{place: p, Do: "run", Quick: true}.process(t)
	if a.Run == nil || !strings.Contains(fmt.Sprint(a), mover.ErrArchiveFull.Error()) {
		t.Fatalf("%s", a)
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	p.finishes(t, "with room again", files, filepath.Join(p.Volume, "tree"))
	p.sameFromArchive(t)
}

// Onto a full volume nothing is recalled, and nothing half; what fits is.
func TestFullVolume(t *testing.T) {
	t.Parallel()
	p := newPlace(t, catalog.LeaveLink)
	files := p.large(t, "tree", 12)
	p.here(t, "run")
	filler := fill(t, p.Volume, 5<<20)
	all := filepath.Join(p.Volume, "tree")
	a, _, _ := order{place: p, Do: "recall", Paths: []string{all}, Quick: true}.process(t)
	if a.Recall == nil || a.Err != "" || len(a.Recall.Failed) < 2 || a.Recall.Files+int64(len(a.Recall.Failed)) != 12 {
		t.Fatalf("%s", a)
	}
	for _, f := range a.Recall.Failed {
		if !strings.Contains(f.Reason, mover.ErrVolumeFull.Error()) {
			t.Errorf("%+v", f)
		}
		if info, err := os.Lstat(f.Path); err != nil || info.Mode().Type() != os.ModeSymlink {
			t.Errorf("%s failed and is no link now: %v %v", f.Path, info, err)
		}
	}
	if wrong := p.settled(t, files); wrong != nil {
		t.Errorf("%s\n%s", a, strings.Join(wrong, "\n"))
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	p.finishes(t, "with room again", files, all)
}

// When the disk of the catalog is full a run ends with a clear error, and all that it began can be finished.
func TestFullCatalogDisk(t *testing.T) {
	t.Parallel()
	mounttest.RequireRoot(t)
	p := newPlace(t, catalog.LeaveLink)
	disk := mounttest.Mount(t, "-t", "tmpfs", "-o", "size=2m", "tidemark-test")
	p.Catalog = filepath.Join(disk, "tiering", "catalog.db")
	p.here(t, "run")
	const names = 100
	for leave := int64(0); leave <= 512<<10; leave += 128 << 10 {
		dir := fmt.Sprint("tree", leave)
		files := p.tree(t, dir, 24, uint64(leave))
		var many []file
		for i := range names {
			f := file{path: filepath.Join(p.Volume, dir, "many", fmt.Sprint("a rather long name to fill pages of the catalog ", i)), content: []byte{1, byte(i)}, mode: 0o644}
			f.write(t)
			many = append(many, f)
		}
		files = append(files, many...)
		filler := fill(t, disk, leave)
		a, _, died := order{place: p, Do: "run", Quick: true}.process(t)
		if died || a.Err == "" || !strings.Contains(a.Err, "full") {
			t.Fatalf("%d bytes left: died %t, %q", leave, died, a.Err)
		}
		t.Logf("%d bytes left: %s", leave, a.Err)
		if err := os.Remove(filler); err != nil {
			t.Fatal(err)
		}
		mounttest.Run(t, "mount", "-o", "remount,size=64m", disk)
		p.finishes(t, fmt.Sprintf("%d bytes were left", leave), files, "")
		p.forget(t, dir)
	}
	p.sameFromArchive(t)
}
