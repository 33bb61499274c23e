package archive_test

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"syscall"
	"testing"

	"github.com/tidemark/tidemark/internal/fsys"
	"github.com/tidemark/tidemark/internal/fsys/crash"
	"github.com/tidemark/tidemark/tiering/archive"
	"github.com/tidemark/tidemark/tiering/catalog"
)

// steps counts the calls of a filesystem that matter and, before one of them, does something that may make it fail.
type steps struct {
	fsys.FS
	mu     sync.Mutex
	n      int
	before func(n int, call string) error
}

func (s *steps) step(call string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.n++
	return s.before(s.n, call)
}

// then is a call after its step.
func then[T any](s *steps, name string, call func() (T, error)) (T, error) {
	if err := s.step(name); err != nil {
		var none T
		return none, err
	}
	return call()
}

func (s *steps) do(name string, call func() error) error {
	_, err := then(s, name, func() (any, error) { return nil, call() })
	return err
}

func (s *steps) OpenRoot(path string) (fsys.Dir, error) {
	return s.dir(then(s, "root", func() (fsys.Dir, error) { return s.FS.OpenRoot(path) }))
}

func (s *steps) dir(d fsys.Dir, err error) (fsys.Dir, error) {
	if err != nil {
		return nil, err
	}
	return stepDir{d, s}, nil
}

func (s *steps) file(f fsys.File, err error) (fsys.File, error) {
	if err != nil {
		return nil, err
	}
	return stepFile{f, s}, nil
}

type stepDir struct {
	fsys.Dir
	s *steps
}

func (d stepDir) OpenDir(path string) (fsys.Dir, error) {
	return d.s.dir(then(d.s, "opendir", func() (fsys.Dir, error) { return d.Dir.OpenDir(path) }))
}

func (d stepDir) Open(name string) (fsys.File, error) {
	return d.s.file(then(d.s, "open", func() (fsys.File, error) { return d.Dir.Open(name) }))
}

func (d stepDir) OpenReadWrite(name string) (fsys.File, error) {
	return d.s.file(then(d.s, "openrw", func() (fsys.File, error) { return d.Dir.OpenReadWrite(name) }))
}

func (d stepDir) Create(name string, mode uint32) (fsys.File, error) {
	return d.s.file(then(d.s, "create", func() (fsys.File, error) { return d.Dir.Create(name, mode) }))
}

func (d stepDir) Mkdir(name string, mode uint32) error {
	return d.s.do("mkdir", func() error { return d.Dir.Mkdir(name, mode) })
}

func (d stepDir) Remove(name string) error {
	return d.s.do("remove", func() error { return d.Dir.Remove(name) })
}

func (d stepDir) Rename(name string, to fsys.Dir, newName string, how fsys.Rename) error {
	return d.s.do("rename", func() error { return d.Dir.Rename(name, to.(stepDir).Dir, newName, how) })
}

func (d stepDir) Link(name string, to fsys.Dir, newName string) error {
	return d.s.do("link", func() error { return d.Dir.Link(name, to.(stepDir).Dir, newName) })
}

func (d stepDir) Names() ([]string, error) { return then(d.s, "names", d.Dir.Names) }
func (d stepDir) Stat() (fsys.Info, error) { return then(d.s, "stat", d.Dir.Stat) }
func (d stepDir) StatName(name string) (fsys.Info, error) {
	return then(d.s, "statname", func() (fsys.Info, error) { return d.Dir.StatName(name) })
}

func (d stepDir) Lock(name string) (io.Closer, error) {
	return then(d.s, "lock", func() (io.Closer, error) { return d.Dir.Lock(name) })
}
func (d stepDir) Sync() error { return d.s.do("syncdir", d.Dir.Sync) }
func (d stepDir) Chmod(mode uint32) error {
	return d.s.do("chmod", func() error { return d.Dir.Chmod(mode) })
}

func (d stepDir) Chown(uid, gid uint32) error {
	return d.s.do("chown", func() error { return d.Dir.Chown(uid, gid) })
}
func (d stepDir) Xattrs() (map[string][]byte, error) { return then(d.s, "xattrs", d.Dir.Xattrs) }

func (d stepDir) SetXattr(name string, value []byte) error {
	return d.s.do("setxattr", func() error { return d.Dir.SetXattr(name, value) })
}

type stepFile struct {
	fsys.File
	s *steps
}

func (f stepFile) ReadAt(p []byte, at int64) (int, error) {
	return then(f.s, "read", func() (int, error) { return f.File.ReadAt(p, at) })
}

func (f stepFile) WriteAt(p []byte, at int64) (int, error) {
	return then(f.s, "write", func() (int, error) { return f.File.WriteAt(p, at) })
}
func (f stepFile) Stat() (fsys.Info, error) { return then(f.s, "stat", f.File.Stat) }
func (f stepFile) Sync() error              { return f.s.do("sync", f.File.Sync) }
func (f stepFile) Flags() (uint32, error)   { return then(f.s, "flags", f.File.Flags) }
func (f stepFile) SetFlags(flags uint32) error {
	return f.s.do("setflags", func() error { return f.File.SetFlags(flags) })
}

func (f stepFile) Chmod(mode uint32) error {
	return f.s.do("chmod", func() error { return f.File.Chmod(mode) })
}

func (f stepFile) Chown(uid, gid uint32) error {
	return f.s.do("chown", func() error { return f.File.Chown(uid, gid) })
}

func (f stepFile) SetXattr(name string, value []byte) error {
	return f.s.do("setxattr", func() error { return f.File.SetXattr(name, value) })
}

func newCrash() *crash.FS { return crash.New(crash.Mount{Path: "/vault"}) }

// everyStep runs something with a step that goes wrong, for each step; when it runs through, all were hit.
func everyStep(t *testing.T, run func(t *testing.T, at int) (hit bool)) {
	t.Helper()
	for at := 1; ; at++ {
		if !run(t, at) {
			if at < 20 {
				t.Fatalf("only %d steps were hit", at-1)
			}
			t.Logf("%d steps", at-1)
			return
		}
		if t.Failed() {
			t.Fatalf("at step %d", at)
		}
	}
}

// usable makes sure that an archive that was initialised, or now is, is whole.
func usable(t *testing.T, fs fsys.FS, why string) {
	t.Helper()
	a, err := archive.Init(fs, "/vault", "vault", "alpha", now)
	if errors.Is(err, archive.ErrInitialised) {
		a, err = archive.Open(fs, "/vault", "vault")
	}
	if err != nil {
		t.Errorf("%s: %v", why, err)
		return
	}
	defer a.Close()
	if want := (archive.Can{NoReplace: true, Exchange: true, Link: true, Immutable: true, ACL: true, Xattrs: true, Flags: true, Project: true}); a.Marker.Can != want {
		t.Errorf("%s: can %+v", why, a.Marker.Can)
	}
	for _, name := range []string{"data", "versions", ".tidemark/staging", ".tidemark/manifest"} {
		dir, err := a.Root.OpenDir(name)
		if err != nil {
			t.Errorf("%s: %v", why, err)
			continue
		}
		if names, err := dir.Names(); err != nil || len(names) > 0 {
			t.Errorf("%s: %s holds %v, %v", why, name, names, err)
		}
		dir.Close()
	}
	if file, err := a.Root.Open("README.txt"); err != nil {
		t.Errorf("%s: %v", why, err)
	} else if info, err := file.Stat(); err != nil || info.Size == 0 {
		t.Errorf("%s: the README has %d bytes, %v", why, info.Size, err)
	}
}

func TestInitAfterAFaultAtEveryStep(t *testing.T) {
	for _, errno := range []syscall.Errno{syscall.EIO, syscall.ENOSPC, syscall.EROFS} {
		t.Run(errno.Error(), func(t *testing.T) {
			everyStep(t, func(t *testing.T, at int) bool {
				disk, hit, what := newCrash(), false, ""
				a, err := archive.Init(&steps{FS: disk, before: func(n int, call string) error {
					if n != at {
						return nil
					}
					hit, what = true, call
					return errno
				}}, "/vault", "vault", "alpha", now)
				if hit && err == nil {
					t.Errorf("step %d (%s) failed and nothing was said", at, what)
				}
				if err == nil {
					a.Close()
				} else if !errors.Is(err, errno) {
					t.Errorf("step %d (%s): %v", at, what, err)
				}
				usable(t, disk, what)
				return hit
			})
		})
	}
}

func TestInitAfterAPowerCutAtEveryStep(t *testing.T) {
	for _, keep := range []float64{0, 0.5, 1} {
		t.Run(fmt.Sprint(keep), func(t *testing.T) {
			everyStep(t, func(t *testing.T, at int) bool {
				disk, what := newCrash(), ""
				var after *crash.FS
				a, err := archive.Init(&steps{FS: disk, before: func(n int, call string) error {
					if n == at {
						after, what = disk.Cut(uint64(at), keep), call
					}
					if after != nil {
						return syscall.EIO
					}
					return nil
				}}, "/vault", "vault", "alpha", now)
				if err == nil {
					a.Close()
					after = disk.Cut(0, 0) // it is durable now
					if _, err := archive.Open(after, "/vault", "vault"); err != nil {
						t.Error(err)
					}
				}
				usable(t, after, what)
				return what != ""
			})
		})
	}
}

// With a README of the administrator's nothing else syncs the archive's directory.
func TestInitIsDurableWithoutItsReadme(t *testing.T) {
	disk := newCrash()
	must(t, disk.Put("/vault/README.txt", []byte("mine"), 0o644))
	disk.SyncAll()
	a, err := archive.Init(disk, "/vault", "vault", "alpha", now)
	must(t, err)
	must(t, a.Close())
	usable(t, disk.Cut(0, 0), "after a power cut")
}

// move publishes an object as the mover does, and says when all is durable.
func move(t *testing.T, a *archive.Archive) error {
	ctx := t.Context()
	stage, err := a.Staging()
	if err != nil {
		return err
	}
	defer stage.Close()
	if err := stage.Remove("2"); err != nil && !errors.Is(err, syscall.ENOENT) {
		return err
	}
	file, err := stage.Create("2", 0o600)
	if err != nil {
		return err
	}
	defer file.Close()
	o := object("/srv/b/c", 1, "moved")
	o.Attributes = fsys.Attributes{UID: 1, GID: 2, Mode: 0o640}
	if _, err := file.WriteAt([]byte("moved"), 0); err != nil {
		return err
	}
	if err := errors.Join(archive.Protect(file, o.Attributes, a.Marker.Can), file.Sync()); err != nil {
		return err
	}
	dir, name, err := a.ObjectDir(ctx, privateHome, o.Host, o.Path, 1)
	if err != nil {
		return err
	}
	defer dir.Close()
	if err := stage.Rename("2", dir, name, fsys.NoReplace); err != nil {
		return err
	}
	op := catalog.Operation{ID: 2, Host: o.Host, Path: o.Path, Object: o.Object, Version: 1, Size: o.Size, Digest: o.Digest, Attributes: o.Attributes}
	if err := dir.Sync(); err != nil {
		return err
	}
	if err := a.Append(ctx, []archive.Record{archive.Of(archive.KindArchive, &op, now)}); err != nil {
		return err
	}
	if err := a.Sync(ctx); err != nil {
		return err
	}
	return errors.Join(archive.SetImmutable(file, a.Marker.Can), file.Sync())
}

func privateHome(dir string) (fsys.Attributes, error) {
	return fsys.Attributes{UID: 1, GID: 2, Mode: 0o750}, nil
}

// begun is an archive with one object and its record, durable.
func begun(t *testing.T) *crash.FS {
	t.Helper()
	disk := newCrash()
	a, err := archive.Init(disk, "/vault", "vault", "alpha", now)
	must(t, err)
	defer a.Close()
	must(t, a.Append(t.Context(), []archive.Record{{Op: 1, Kind: archive.KindHold, Time: now, Host: "alpha", Case: "c", Glob: "/g"}}))
	must(t, a.Sync(t.Context()))
	return disk
}

// At every step of a move a power cut leaves an archive that can be read; after the last all is there.
func TestAPowerCutAtEveryStepOfAMove(t *testing.T) {
	for _, keep := range []float64{0, 0.5, 1} {
		t.Run(fmt.Sprint(keep), func(t *testing.T) {
			everyStep(t, func(t *testing.T, at int) bool {
				disk, what := begun(t), ""
				var after *crash.FS
				s := &steps{FS: disk, before: func(int, string) error { return nil }}
				a, err := archive.Open(s, "/vault", "vault")
				must(t, err)
				opened := s.n
				s.before = func(n int, call string) error {
					if n == opened+at {
						after, what = disk.Cut(uint64(at), keep), call
					}
					if after != nil {
						return syscall.EIO
					}
					return nil
				}
				done := move(t, a) == nil
				a.Close()
				if after == nil {
					if !done {
						t.Fatal("the move failed without a fault")
					}
					after = disk.Cut(0, 0)
				}
				a, err = archive.Open(after, "/vault", "vault")
				must(t, err)
				defer a.Close()
				objects, holds, last, problems, err := a.Rebuild(t.Context(), nil)
				must(t, err)
				if len(holds) != 1 || last < 1 {
					t.Errorf("%s: holds %v, last operation %d", what, holds, last)
				}
				if done {
					complete(t, a, objects, problems)
				}
				return what != ""
			})
		})
	}
}

func complete(t *testing.T, a *archive.Archive, objects []catalog.Object, problems []archive.Problem) {
	t.Helper()
	if len(problems) > 0 || len(objects) != 1 {
		t.Errorf("%d objects, problems %v", len(objects), problems)
	}
	must(t, a.Check(t.Context(), object("/srv/b/c", 1, "moved"), make([]byte, 10), nil))
	mode, acl := archive.DirectoryAccess(fsys.Attributes{UID: 1, GID: 2, Mode: 0o750})
	for _, p := range []string{"data/alpha", "data/alpha/srv", "data/alpha/srv/b"} {
		dir, err := a.Root.OpenDir(p)
		must(t, err)
		got, info, err := fsys.ReadAttributes(dir)
		must(t, err)
		if info.UID != 0 || info.GID != 2 || got.Mode != mode || string(got.Xattrs[archive.XattrAccess]) != string(acl) {
			t.Errorf("%s: %d:%d mode %o, ACL %q", p, info.UID, info.GID, got.Mode, got.Xattrs[archive.XattrAccess])
		}
		dir.Close()
	}
}

// A fault at any step of a move is told, and the same move can be made again with the same archive.
func TestAFaultAtEveryStepOfAMove(t *testing.T) {
	everyStep(t, func(t *testing.T, at int) bool {
		disk, what := begun(t), ""
		s := &steps{FS: disk, before: func(int, string) error { return nil }}
		a, err := archive.Open(s, "/vault", "vault")
		must(t, err)
		defer a.Close()
		opened := s.n
		s.before = func(n int, call string) error {
			if n == opened+at {
				what = call
				return syscall.EIO
			}
			return nil
		}
		err = move(t, a)
		if what != "" && err == nil {
			t.Errorf("step %d (%s) failed and nothing was said", at, what)
		}
		if err != nil { // discard what was published, and again
			if dir, name, err := a.ObjectParent("data/alpha/srv/b/c"); err == nil {
				if file, err := dir.Open(name); err == nil {
					archive.ClearImmutable(file, a.Marker.Can)
					file.Close()
				}
				dir.Remove(name)
				dir.Close()
			}
			if err := move(t, a); err != nil {
				t.Errorf("again after step %d (%s): %v", at, what, err)
			}
		}
		after, err := archive.Open(disk.Cut(0, 0), "/vault", "vault")
		must(t, err)
		defer after.Close()
		objects, _, _, problems, err := after.Rebuild(t.Context(), nil)
		must(t, err)
		complete(t, after, objects, problems)
		return what != ""
	})
}
