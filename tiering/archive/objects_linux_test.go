package archive_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tidemark/tidemark/internal/fsys"
	"github.com/tidemark/tidemark/internal/mounttest"
	"github.com/tidemark/tidemark/tiering/archive"
	"github.com/tidemark/tidemark/tiering/catalog"
	"github.com/tidemark/tidemark/tiering/digest"
)

// plainHome is a home where everybody may go everywhere.
func plainHome(string) (fsys.Attributes, error) { return fsys.Attributes{Mode: 0o755}, nil }

func digestOf(content string) string {
	h := digest.New(int64(len(content)), int64(len(content)))
	h.Write([]byte(content))
	return h.Sum()
}

func object(path string, version int, content string) catalog.Object {
	return catalog.Object{
		Archive: "vault", Host: "alpha", Path: path, Version: version, Object: archive.ObjectPath("alpha", path, version),
		Size: int64(len(content)), Digest: digestOf(content),
	}
}

// publish makes an object as the mover does: in staging, protected, renamed, immutable.
func publish(t *testing.T, a *archive.Archive, path string, version int, content string, attributes fsys.Attributes) {
	t.Helper()
	publishFrom(t, a, plainHome, path, version, content, attributes)
}

func publishFrom(t *testing.T, a *archive.Archive, home archive.Home, path string, version int, content string, attributes fsys.Attributes) {
	t.Helper()
	stage, err := a.Staging()
	must(t, err)
	defer stage.Close()
	file, err := stage.Create("1", 0o600)
	must(t, err)
	defer file.Close()
	_, err = file.WriteAt([]byte(content), 0)
	must(t, err)
	if err := archive.Protect(file, attributes, a.Marker.Can); err != nil && !errors.Is(err, archive.ErrNarrowed) {
		t.Fatal(err)
	}
	dir, name, err := a.ObjectDir(t.Context(), home, "alpha", path, version)
	must(t, err)
	defer dir.Close()
	must(t, stage.Rename("1", dir, name, fsys.NoReplace))
	must(t, archive.SetImmutable(file, a.Marker.Can))
	t.Cleanup(func() { // or the test's directory, where it is on no mount of its own, could not be removed
		if file, err := a.OpenObject(archive.ObjectPath("alpha", path, version)); err == nil {
			archive.ClearImmutable(file, a.Marker.Can)
			file.Close()
		}
	})
}

func TestObjectPath(t *testing.T) {
	for _, c := range []struct {
		path    string
		version int
		want    string
	}{
		{"/srv/a", 1, "data/alpha/srv/a"},
		{"/a", 1, "data/alpha/a"},
		{"/srv/a", 2, "versions/2/alpha/srv/a"},
		{"/srv/\xff", 12, "versions/12/alpha/srv/\xff"},
	} {
		if got := archive.ObjectPath("alpha", c.path, c.version); got != c.want {
			t.Errorf("version %d of %q is %q; want %q", c.version, c.path, got, c.want)
		}
	}
}

func TestObjectDirRefusesWhatIsNoObject(t *testing.T) {
	a := initialise(t, mount(t, "tmpfs"))
	for _, c := range []struct {
		name, host, path string
		version          int
	}{
		{"host with a slash", "a/b", "/x", 1},
		{"host ..", "..", "/x", 1},
		{"no host", "", "/x", 1},
		{"relative", "alpha", "x", 1},
		{"up", "alpha", "/../../x", 1},
		{"not clean", "alpha", "/a//x", 1},
		{"the root", "alpha", "/", 1},
		{"a zero byte", "alpha", "/a\x00", 1},
		{"version 0", "alpha", "/x", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, _, err := a.ObjectDir(t.Context(), plainHome, c.host, c.path, c.version); err == nil {
				t.Errorf("version %d of %q of host %q was accepted", c.version, c.path, c.host)
			}
		})
	}
	for _, object := range []string{"", "data", "data/alpha", "data/alpha/", "data/../x", "data/alpha/../../x", "versions/1/alpha/x", "versions/02/alpha/x", "versions/x/alpha/x", ".tidemark/archive.json", "/data/alpha/x", "data//x"} {
		if _, err := a.OpenObject(object); err == nil || errors.Is(err, os.ErrNotExist) {
			t.Errorf("object %q: %v; want it refused", object, err)
		}
	}
}

func TestLongAndOddNames(t *testing.T) {
	filesystems(t, func(t *testing.T, path string) {
		a := initialise(t, path)
		long := strings.Repeat("n", 255)
		for _, p := range []string{
			"/" + long[1:], strings.Repeat("/"+long, 20) + "/f", "/\xff\xfe/\x80", "/ /\n/\t", "/-rf", "/data/alpha/x", "/.tidemark/y", "/ü/\"<&>\\",
		} {
			for _, version := range []int{1, 2} {
				publish(t, a, p, version, "x", fsys.Attributes{Mode: 0o644})
				must(t, a.Check(t.Context(), object(p, version, "x"), make([]byte, 10), nil))
			}
		}
		must(t, a.Sync(t.Context()))
	})
}

// A path that was a file once and is a directory now has no room in the same version.
func TestAnObjectInTheWay(t *testing.T) {
	a := initialise(t, mount(t, "tmpfs"))
	publish(t, a, "/srv/a", 1, "x", fsys.Attributes{})
	_, _, err := a.ObjectDir(t.Context(), plainHome, "alpha", "/srv/a/b/c", 1)
	wantError(t, err, archive.ErrObstructed, "data/alpha/srv/a")
	publish(t, a, "/srv/a/b/c", 2, "y", fsys.Attributes{})
	must(t, a.Check(t.Context(), object("/srv/a", 1, "x"), make([]byte, 10), nil))
	must(t, a.Check(t.Context(), object("/srv/a/b/c", 2, "y"), make([]byte, 10), nil))
}

func TestProtect(t *testing.T) {
	acl := archive.ACL{
		{Tag: archive.TagUserObj, Perm: 7},
		{Tag: archive.TagUser, Perm: 6, ID: 1234},
		{Tag: archive.TagGroupObj, Perm: 2},
		{Tag: archive.TagMask, Perm: 7},
		{Tag: archive.TagOther, Perm: 1},
	}
	home := fsys.Attributes{
		UID: 1001, GID: 2002, Mode: 0o7771, Atime: fsys.Time{Sec: 1000000001, Nsec: 123456789}, Mtime: fsys.Time{Sec: 1500000000, Nsec: 987654321},
		Xattrs: map[string][]byte{
			archive.XattrAccess: acl.Format(), "user.a": []byte("1"), "user.large": make([]byte, 20<<10),
			"security.capability": {1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, "trusted.x": []byte("t"),
		},
	}
	filesystems(t, func(t *testing.T, path string) {
		a := initialise(t, path)
		publish(t, a, "/srv/a", 1, "content", home)
		file, err := a.OpenObject("data/alpha/srv/a")
		must(t, err)
		defer file.Close()
		got, info, err := fsys.ReadAttributes(file)
		must(t, err)
		if info.UID != 1001 || info.GID != 2002 || info.Mode != 0o100551 {
			t.Errorf("owner %d:%d mode %o; want 1001:2002 and 551 (its group bits are the mask)", info.UID, info.GID, info.Mode)
		}
		if info.Atime != home.Atime || info.Mtime != home.Mtime {
			t.Errorf("times %v %v; want %v %v", info.Atime, info.Mtime, home.Atime, home.Mtime)
		}
		want := "u::r-x,u:1234:r--,g::---,m::r-x,o::--x"
		gotACL, err := archive.ParseACL(got.Xattrs[archive.XattrAccess])
		if err != nil || gotACL.String() != want {
			t.Errorf("ACL %v, %v; want %s", gotACL, err, want)
		}
		if string(got.Xattrs["user.a"]) != "1" {
			t.Errorf("user.a is %q", got.Xattrs["user.a"])
		}
		for _, name := range []string{"security.capability", "trusted.x", archive.XattrDefault} {
			if _, ok := got.Xattrs[name]; ok {
				t.Errorf("the object has %s", name)
			}
		}
		if got.Flags&archive.FlagImmutable == 0 {
			t.Errorf("flags %#x: not immutable", got.Flags)
		}
	})
}

func TestImmutable(t *testing.T) {
	filesystems(t, func(t *testing.T, path string) {
		a := initialise(t, path)
		publish(t, a, "/srv/a", 1, "content", fsys.Attributes{Mode: 0o666})
		p := filepath.Join(path, "data/alpha/srv/a")
		for name, err := range map[string]error{
			"write":  os.WriteFile(p, []byte("other"), 0),
			"chmod":  os.Chmod(p, 0o777),
			"remove": os.Remove(p),
			"rename": os.Rename(p, p+"2"),
			"link":   os.Link(p, p+"3"),
		} {
			if !errors.Is(err, syscall.EPERM) {
				t.Errorf("%s by root: %v; want EPERM", name, err)
			}
		}
		file, err := a.OpenObject("data/alpha/srv/a")
		must(t, err)
		defer file.Close()
		must(t, archive.SetImmutable(file, a.Marker.Can)) // again
		must(t, archive.ClearImmutable(file, a.Marker.Can))
		must(t, os.Remove(p))
	})
}

func TestImmutableWhereThereIsNone(t *testing.T) {
	path := mount(t, "tmpfs")
	a := initialise(t, path)
	publish(t, a, "/a", 1, "x", fsys.Attributes{})
	for _, err := range []error{syscall.EOPNOTSUPP, syscall.ENOTTY, syscall.EPERM} {
		f := unable{err: err}
		if err := archive.SetImmutable(f, archive.Can{}); err != nil {
			t.Errorf("%v although the marker says that it can't: %v", f.err, err)
		}
		if err := archive.SetImmutable(f, archive.Can{Immutable: true}); !errors.Is(err, f.err) {
			t.Errorf("%v although the marker says that it can: %v", f.err, err)
		}
	}
	if err := archive.SetImmutable(unable{err: syscall.EIO}, archive.Can{}); !errors.Is(err, syscall.EIO) {
		t.Errorf("EIO: %v", err)
	}
}

// unable is a file without flags.
type unable struct {
	fsys.File
	err error
}

func (u unable) Flags() (uint32, error) { return 0, nil }
func (u unable) SetFlags(uint32) error  { return u.err }

func TestCheck(t *testing.T) {
	for _, c := range []struct {
		name  string
		fault archive.Fault
		spoil func(p string) error
	}{
		{"right", "", nil},
		{"missing", archive.FaultMissing, os.Remove},
		{"missing directory", archive.FaultMissing, func(p string) error { return os.RemoveAll(filepath.Dir(p)) }},
		{"shorter", archive.FaultSize, func(p string) error { return os.Truncate(p, 3) }},
		{"longer", archive.FaultSize, func(p string) error { return os.Truncate(p, 30) }},
		{"one bit", archive.FaultDigest, func(p string) error { return os.WriteFile(p, []byte("cOntent"), 0) }},
		{"a directory", archive.FaultKind, func(p string) error { return errors.Join(os.Remove(p), os.Mkdir(p, 0o700)) }},
		{"a link", archive.FaultKind, func(p string) error { return errors.Join(os.Remove(p), os.Symlink("/etc/passwd", p)) }},
		{"a pipe", archive.FaultKind, func(p string) error { return errors.Join(os.Remove(p), syscall.Mkfifo(p, 0o600)) }},
		{"a socket", archive.FaultKind, func(p string) error { return errors.Join(os.Remove(p), syscall.Mknod(p, syscall.S_IFSOCK|0o600, 0)) }},
		{"a file for its directory", archive.FaultKind, func(p string) error {
			return errors.Join(os.RemoveAll(filepath.Dir(p)), os.WriteFile(filepath.Dir(p), nil, 0o600))
		}},
		{"mutable", archive.FaultMutable, func(string) error { return nil }},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := mount(t, "tmpfs")
			a := initialise(t, path)
			publish(t, a, "/srv/d/a", 1, "content", fsys.Attributes{Mode: 0o644})
			if c.spoil != nil {
				file, err := a.OpenObject("data/alpha/srv/d/a")
				must(t, err)
				must(t, archive.ClearImmutable(file, a.Marker.Can))
				must(t, file.Close())
				must(t, c.spoil(filepath.Join(path, "data/alpha/srv/d/a")))
			}
			err := a.Check(t.Context(), object("/srv/d/a", 1, "content"), make([]byte, 4), nil)
			bad := (*archive.Bad)(nil)
			if c.fault == "" {
				must(t, err)
			} else if !errors.As(err, &bad) || bad.Fault != c.fault || bad.Object != "data/alpha/srv/d/a" {
				t.Errorf("%v; want %s", err, c.fault)
			}
			// When the archive is gone nothing is said about the object.
			must(t, os.RemoveAll(path+"/.tidemark"))
			err = a.Check(t.Context(), object("/srv/d/b", 1, "content"), make([]byte, 4), nil)
			if errors.As(err, &bad) || !errors.Is(err, os.ErrNotExist) {
				t.Errorf("of an archive that is gone: %v", err)
			}
		})
	}
}

func TestCheckReadsTheMedium(t *testing.T) {
	image := mounttest.Image(t, "ext4", 64)
	path := mounttest.Mount(t, "-o", "loop", image)
	a := initialise(t, path)
	content := strings.Repeat("find me on the medium;", 1000)
	publish(t, a, "/a", 1, content, fsys.Attributes{Mode: 0o644})
	mounttest.Run(t, "sync", "-f", path)
	must(t, a.Check(t.Context(), object("/a", 1, content), make([]byte, 1<<20), nil)) // in the cache now
	raw, err := os.OpenFile(image, os.O_RDWR, 0)
	must(t, err)
	defer raw.Close()
	text := make([]byte, 64<<20)
	_, err = raw.ReadAt(text, 0)
	must(t, err)
	at := strings.Index(string(text), "find me on the medium;")
	if at < 0 {
		t.Fatal("the content is not in the image")
	}
	_, err = raw.WriteAt([]byte("F"), int64(at))
	must(t, err)
	must(t, raw.Sync())
	bad := (*archive.Bad)(nil)
	if err := a.Check(t.Context(), object("/a", 1, content), make([]byte, 1<<20), nil); !errors.As(err, &bad) || bad.Fault != archive.FaultDigest {
		t.Errorf("%v; want a wrong digest", err)
	}
}

func TestCheckEndsWhenItIsTold(t *testing.T) {
	a := initialise(t, mount(t, "tmpfs"))
	content := strings.Repeat("x", 100)
	publish(t, a, "/a", 1, content, fsys.Attributes{})
	enough := errors.New("enough")
	var sizes []int
	err := a.Check(t.Context(), object("/a", 1, content), make([]byte, 40), func(n int) error {
		if sizes = append(sizes, n); len(sizes) == 2 {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) || cmp.Diff([]int{40, 40}, sizes) != "" {
		t.Errorf("%v after reads of %v; want it to end after two", err, sizes)
	}
}
