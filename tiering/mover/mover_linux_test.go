package mover_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidemark/tidemark/internal/fsys"
	"github.com/tidemark/tidemark/internal/fsys/fault"
	"github.com/tidemark/tidemark/internal/mounttest"
	"github.com/tidemark/tidemark/tiering/archive"
	"github.com/tidemark/tidemark/tiering/catalog"
	"github.com/tidemark/tidemark/tiering/mover"
	"github.com/tidemark/tidemark/tiering/selection"
)

// place is a volume and an archive on real filesystems.
type place struct {
	t             *testing.T
	volume, vault string
	catalog       *catalog.Catalog
	archive       *archive.Archive
	leave         catalog.Leave
}

func newPlace(t *testing.T, volume, vault string) *place {
	t.Helper()
	p := &place{t: t, volume: volume, vault: vault, leave: catalog.LeaveLink}
	var err error
	if p.archive, err = archive.Init(fsys.Host{}, vault, "vault", "h", time.Now()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.archive.Close(); thaw(vault) })
	if p.catalog, err = catalog.Open(t.Context(), filepath.Join(t.TempDir(), "tiering", "catalog.db")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.catalog.Close() })
	return p
}

// thaw lets a test's directory be removed.
func thaw(dir string) {
	filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			if r, err := (fsys.Host{}).OpenRoot(filepath.Dir(path)); err == nil {
				if f, err := r.Open(filepath.Base(path)); err == nil {
					archive.ClearImmutable(f, archive.Can{})
					f.Close()
				}
				r.Close()
			}
		}
		return nil
	})
}

func (p *place) mover() *mover.Mover {
	p.t.Helper()
	m, err := mover.New(mover.Options{
		FS: fsys.Host{}, Catalog: p.catalog, Archive: p.archive, Host: "h", Volume: p.volume, Policy: "cold", Leave: p.leave,
		Actor: catalog.Actor{User: "root", Command: "test"}, Now: time.Now, Sleep: func(context.Context, time.Duration) error { time.Sleep(time.Millisecond); return nil },
	})
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { m.Close() })
	return m
}

func (p *place) item(rel string) selection.Item {
	p.t.Helper()
	path := filepath.Join(p.volume, rel)
	var st syscall.Stat_t
	if err := syscall.Lstat(path, &st); err != nil {
		p.t.Fatal(err)
	}
	return selection.Item{
		Path: path, Dev: st.Dev, Ino: st.Ino, Size: st.Size, Allocated: st.Blocks * 512, Reason: "cold",
		Mtime: fsys.Time{Sec: st.Mtim.Sec, Nsec: int32(st.Mtim.Nsec)}, Ctime: fsys.Time{Sec: st.Ctim.Sec, Nsec: int32(st.Ctim.Nsec)},
	}
}

func sum(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x", sha256.Sum256(b))
}

func all(t *testing.T, results []mover.Result, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range results {
		if !r.Done() {
			t.Errorf("%s: skipped %q, error %v", r.Path, r.Skipped, r.Err)
		}
	}
}

func TestThereAndBackAgain(t *testing.T) {
	for _, leave := range []catalog.Leave{catalog.LeaveLink, catalog.LeaveNothing} {
		t.Run(string(leave), func(t *testing.T) {
			mounttest.RequireRoot(t)
			volume := mounttest.Mount(t, mounttest.Image(t, "ext4", 64))
			vault := mounttest.Mount(t, mounttest.Image(t, "xfs", 320))
			p := newPlace(t, volume, vault)
			p.leave = leave
			os.MkdirAll(filepath.Join(volume, "a/b"), 0o750)
			os.Chown(filepath.Join(volume, "a/b"), 1234, 1235)
			var items []selection.Item
			before := map[string]string{}
			for i := range 20 {
				rel := fmt.Sprintf("a/b/file%d", i)
				path := filepath.Join(volume, rel)
				if err := os.WriteFile(path, []byte(fmt.Sprintf("content %d", i)), 0o640); err != nil {
					t.Fatal(err)
				}
				os.Chown(path, 1234, 1235)
				os.Chmod(path, 0o4750)
				os.Chtimes(path, time.Unix(1e9, 5), time.Unix(1e9, int64(i)))
				before[path] = describe(t, path)
				items = append(items, p.item(rel))
			}
			m := p.mover()
			results, err := m.Archive(t.Context(), items)
			all(t, results, err)
			var candidates []mover.Candidate
			for _, r := range results {
				candidates = append(candidates, mover.Candidate{Path: r.Path, Object: r.Object, Reason: "full"})
			}
			releases, results, err := m.Release(t.Context(), candidates)
			if err != nil {
				t.Fatal(err)
			}
			if err := m.Purge(t.Context(), releases); err != nil {
				t.Fatal(err)
			}
			all(t, results, nil)
			for path := range before {
				info, err := os.Lstat(path)
				if leave == catalog.LeaveLink {
					if err != nil || info.Mode()&fs.ModeSymlink == 0 {
						t.Errorf("%s: %v %v", path, info, err)
					}
					sum(t, path)
				} else if !os.IsNotExist(err) {
					t.Errorf("%s is still there", path)
				}
			}
			if leave == catalog.LeaveNothing {
				os.RemoveAll(filepath.Join(volume, "a"))
			}
			candidates = nil
			for path := range before {
				o, ok, err := p.catalog.Object(t.Context(), "h", path)
				if err != nil || !ok || o.State != catalog.Released {
					t.Fatal(o, ok, err)
				}
				candidates = append(candidates, mover.Candidate{Path: path, Object: o})
			}
			results, err = m.Recall(t.Context(), candidates)
			all(t, results, err)
			for path, want := range before {
				if diff := cmp.Diff(want, describe(t, path)); diff != "" {
					t.Errorf("%s: %s", path, diff)
				}
			}
			if info, _ := os.Stat(filepath.Join(volume, "a/b")); info.Mode().Perm() != 0o750 || info.Sys().(*syscall.Stat_t).Uid != 1234 {
				t.Errorf("directory %v", info.Mode())
			}
			ops, err := p.catalog.Pending(t.Context())
			if err != nil || len(ops) != 0 {
				t.Errorf("pending %v %v", ops, err)
			}
		})
	}
}

func describe(t *testing.T, path string) string {
	t.Helper()
	var st syscall.Stat_t
	if err := syscall.Lstat(path, &st); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(st.Mode, st.Uid, st.Gid, st.Size, st.Mtim, sum(t, path))
}

// A medium that gives back other bytes than it was given must not cost the file: the copy is thrown away, the file stays.
func TestCopyThatReadsBackWrong(t *testing.T) {
	mounttest.RequireRoot(t)
	volume, vault := mounttest.Mount(t, mounttest.Image(t, "ext4", 16)), mounttest.Mount(t, mounttest.Image(t, "ext4", 16))
	p := newPlace(t, volume, vault)
	staging := filepath.Join(vault, ".tidemark", "staging")
	spoiled := 0
	filesystem := fault.New(fsys.Host{}, fault.Plan{After: func(c fault.Call, err error) {
		if c.Op != "Sync" && c.Op != "SyncFS" {
			return
		}
		copies, _ := filepath.Glob(filepath.Join(staging, "*"))
		for _, name := range copies {
			if f, err := os.OpenFile(name, os.O_WRONLY, 0); err == nil {
				f.WriteAt([]byte("X"), 3)
				f.Sync()
				f.Close()
				spoiled++
			}
		}
	}})
	a, err := archive.Open(filesystem, vault, "vault")
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	m, err := mover.New(mover.Options{
		FS: filesystem, Catalog: p.catalog, Archive: a, Host: "h", Volume: volume, Policy: "cold", Leave: catalog.LeaveLink, Now: time.Now,
		Sleep: func(context.Context, time.Duration) error { return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	path := filepath.Join(volume, "file")
	if err := os.WriteFile(path, []byte("what it was"), 0o644); err != nil {
		t.Fatal(err)
	}
	results, err := m.Archive(t.Context(), []selection.Item{p.item("file")})
	if err != nil || spoiled == 0 {
		t.Fatalf("%v; %d copies were spoiled", err, spoiled)
	}
	if results[0].Err == nil || !strings.Contains(results[0].Err.Error(), "reads back as") {
		t.Errorf("%+v", results[0])
	}
	if o, ok, err := p.catalog.Object(t.Context(), "h", path); ok || err != nil {
		t.Errorf("the catalog has %+v, %v", o, err)
	}
	left, _ := filepath.Glob(filepath.Join(staging, "*"))
	ops, err := p.catalog.Pending(t.Context())
	if text, _ := os.ReadFile(path); string(text) != "what it was" || len(left)+len(ops) != 0 || err != nil {
		t.Errorf("%q, %v in staging, %v pending, %v", text, left, ops, err)
	}
}
