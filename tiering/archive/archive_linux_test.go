package archive_test

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/tidemark/tidemark/internal/fsys"
	"github.com/tidemark/tidemark/internal/mounttest"
	"github.com/tidemark/tidemark/tiering/archive"
)

var now = time.Date(2026, 3, 4, 5, 6, 7, 8, time.UTC)

// mount mounts a new, empty filesystem.
func mount(t *testing.T, fstype string) string {
	t.Helper()
	mounttest.RequireRoot(t)
	switch fstype {
	case "tmpfs":
		return mounttest.Mount(t, "-t", "tmpfs", "-o", "size=64m,mode=0755", "none")
	case "xfs":
		return mounttest.Mount(t, "-o", "loop", mounttest.Image(t, "xfs", 320))
	}
	return mounttest.Mount(t, "-o", "loop", mounttest.Image(t, fstype, 64))
}

// filesystems runs a test on each kind of filesystem, mounted at a place of its own.
func filesystems(t *testing.T, test func(t *testing.T, path string)) {
	for _, fstype := range []string{"ext4", "xfs", "tmpfs"} {
		t.Run(fstype, func(t *testing.T) { test(t, mount(t, fstype)) })
	}
}

func initialise(t *testing.T, path string) *archive.Archive {
	t.Helper()
	a, err := archive.Init(fsys.Host{}, path, "vault", "alpha", now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close() })
	return a
}

func wantError(t *testing.T, err, target error, text string) {
	t.Helper()
	if err == nil || target != nil && !errors.Is(err, target) || !strings.Contains(err.Error(), text) {
		t.Errorf("error %v; want one that is %v and says %q", err, target, text)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// listing is all names below a directory, with their modes and, for files, their content.
func listing(t *testing.T, root string) map[string]string {
	t.Helper()
	all := map[string]string{}
	must(t, filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(root, p)
		all[name] = info.Mode().String() + " " + info.ModTime().String()
		if info.Mode().IsRegular() {
			text, err := os.ReadFile(p)
			all[name] += " " + string(text)
			return err
		}
		return nil
	}))
	return all
}

func TestInitMakesTheLayoutAndProbes(t *testing.T) {
	want := map[string]archive.Can{
		"ext4":  {NoReplace: true, Exchange: true, Link: true, Immutable: true, ACL: true, Xattrs: true, Flags: true},
		"xfs":   {NoReplace: true, Exchange: true, Link: true, Immutable: true, ACL: true, Xattrs: true, Flags: true, Project: true},
		"tmpfs": {NoReplace: true, Exchange: true, Link: true, Immutable: true, ACL: true, Xattrs: true, Flags: true},
	}
	filesystems(t, func(t *testing.T, path string) {
		old := unix.Umask(0o077) // no mode may depend on it
		defer unix.Umask(old)
		// What the archive's directory inherits to those in it, they must not have.
		mounttest.Run(t, "setfacl", "-d", "-m", "u:1234:rwx", path)
		a := initialise(t, path)
		if diff := cmp.Diff(want[filepath.Base(t.Name())], a.Marker.Can); diff != "" {
			t.Errorf("can (-want +got)\n%s", diff)
		}
		for name, mode := range map[string]fs.FileMode{
			".tidemark": fs.ModeDir | 0o700, ".tidemark/staging": fs.ModeDir | 0o700, ".tidemark/manifest": fs.ModeDir | 0o700,
			"data": fs.ModeDir | 0o755, "versions": fs.ModeDir | 0o755, "README.txt": 0o644, ".tidemark/archive.json": 0o600,
		} {
			info, err := os.Lstat(filepath.Join(path, name))
			must(t, err)
			if info.Mode() != mode {
				t.Errorf("%s has mode %v; want %v", name, info.Mode(), mode)
			}
			if size, err := unix.Lgetxattr(filepath.Join(path, name), archive.XattrDefault, nil); err == nil {
				t.Errorf("%s inherited a default ACL (%d bytes)", name, size)
			}
			if _, err := unix.Lgetxattr(filepath.Join(path, name), archive.XattrAccess, nil); err == nil {
				t.Errorf("%s inherited an ACL", name)
			}
		}
		left, err := os.ReadDir(filepath.Join(path, ".tidemark/staging"))
		if err != nil || len(left) > 0 {
			t.Errorf("the probe left %v in staging (%v)", left, err)
		}
		text, err := os.ReadFile(filepath.Join(path, ".tidemark/archive.json"))
		must(t, err)
		var marker archive.Marker
		must(t, json.Unmarshal(text, &marker))
		if diff := cmp.Diff(a.Marker, marker); diff != "" {
			t.Errorf("marker (-open +written)\n%s", diff)
		}
		if len(marker.ID) != 36 || marker.Name != "vault" || marker.Host != "alpha" || !marker.Created.Equal(now) || marker.Version != 1 {
			t.Errorf("marker %+v", marker)
		}
	})
}

func TestInitASecondTimeTouchesNothing(t *testing.T) {
	filesystems(t, func(t *testing.T, path string) {
		initialise(t, path)
		before := listing(t, path)
		for _, name := range []string{"vault", "other"} {
			_, err := archive.Init(fsys.Host{}, path, name, "alpha", now.Add(time.Hour))
			wantError(t, err, archive.ErrInitialised, `"vault"`)
		}
		if diff := cmp.Diff(before, listing(t, path)); diff != "" {
			t.Errorf("the second init changed (-before +after)\n%s", diff)
		}
	})
}

func TestInitRefuses(t *testing.T) {
	path := mount(t, "tmpfs")
	for _, c := range []struct {
		name, host, want string
		prepare          func(dir string) error
	}{
		{"no directory", "alpha", "no such file", os.Remove},
		{"a file", "alpha", "not a directory", func(dir string) error {
			return errors.Join(os.Remove(dir), os.WriteFile(dir, nil, 0o600))
		}},
		{"of another user", "alpha", "belongs to user 1234", func(dir string) error { return os.Chown(dir, 1234, 0) }},
		{"writable for a group", "alpha", "chmod go-w", func(dir string) error { return os.Chmod(dir, 0o775) }},
		{"writable for a user by ACL", "alpha", "chmod go-w", func(dir string) error {
			acl := archive.ACL{{Tag: archive.TagUserObj, Perm: 7}, {Tag: archive.TagUser, Perm: 7, ID: 1234}, {Tag: archive.TagGroupObj}, {Tag: archive.TagMask, Perm: 7}, {Tag: archive.TagOther}}
			return unix.Setxattr(dir, archive.XattrAccess, acl.Format(), 0)
		}},
		{"with data and no marker", "alpha", "no marker", func(dir string) error { return os.MkdirAll(dir+"/data/alpha", 0o755) }},
		{"with a manifest and no marker", "alpha", "no marker", func(dir string) error {
			return errors.Join(os.MkdirAll(dir+"/.tidemark/manifest", 0o700), os.WriteFile(dir+"/.tidemark/manifest/alpha.jsonl", nil, 0o600))
		}},
		{"with a damaged marker", "alpha", "damaged", func(dir string) error {
			return errors.Join(os.Mkdir(dir+"/.tidemark", 0o700), os.WriteFile(dir+"/.tidemark/archive.json", []byte("{"), 0o600))
		}},
		{"by a host with a slash", "a/b", "host", nil},
		{"by a host named ..", "..", "host", nil},
		{"by a host without a name", "", "host", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir, err := os.MkdirTemp(path, "")
			must(t, err)
			must(t, os.Chmod(dir, 0o755))
			if c.prepare != nil {
				must(t, c.prepare(dir))
			}
			before, _ := os.ReadDir(dir)
			_, err = archive.Init(fsys.Host{}, dir, "vault", c.host, now)
			wantError(t, err, nil, c.want)
			after, _ := os.ReadDir(dir)
			if len(before) != len(after) {
				t.Errorf("the refused init left something: %v", after)
			}
		})
	}
}

func TestInitLeavesAloneWhatIsThere(t *testing.T) {
	path := mount(t, "tmpfs")
	must(t, os.WriteFile(path+"/README.txt", []byte("mine"), 0o600))
	must(t, os.WriteFile(path+"/other", []byte("mine too"), 0o600))
	before := listing(t, path)
	initialise(t, path)
	after := listing(t, path)
	for _, name := range []string{"README.txt", "other"} {
		if before[name] != after[name] {
			t.Errorf("%s became %q", name, after[name])
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	path := mount(t, "tmpfs")
	initialise(t, path)
	write := func(text string) func(t *testing.T) string {
		return func(t *testing.T) string {
			dir := t.TempDir()
			must(t, os.Mkdir(dir+"/.tidemark", 0o700))
			must(t, os.WriteFile(dir+"/.tidemark/archive.json", []byte(text), 0o600))
			return dir
		}
	}
	for _, c := range []struct {
		name, archive string
		path          func(t *testing.T) string
		is            error
		says          string
	}{
		{"no directory", "vault", func(*testing.T) string { return path + "/nowhere" }, fs.ErrNotExist, "is it mounted?"},
		{"not initialised", "vault", func(t *testing.T) string { return t.TempDir() }, archive.ErrNotInitialised, "is it mounted? If it is new, run tidemark archive init vault"},
		{"another name", "safe", func(*testing.T) string { return path }, archive.ErrOther, `"vault"`},
		{"a newer layout", "vault", write(`{"version":2,"id":"x","name":"vault"}`), archive.ErrNewer, "upgrade"},
		{"a damaged marker", "vault", write(`{"version":1,"id`), nil, "damaged"},
		{"an empty marker", "vault", write(``), nil, "damaged"},
		{"a marker without id", "vault", write(`{"version":1,"name":"vault"}`), nil, "damaged"},
	} {
		t.Run(c.name, func(t *testing.T) {
			at := c.path(t)
			_, err := archive.Open(fsys.Host{}, at, c.archive)
			wantError(t, err, c.is, c.says)
			_, err = archive.OpenForReading(fsys.Host{}, at, c.archive)
			wantError(t, err, c.is, c.says)
		})
	}
}

func TestReadOnlyMountsAreForReading(t *testing.T) {
	filesystems(t, func(t *testing.T, path string) {
		a := initialise(t, path)
		publish(t, a, "/srv/a", 1, "content", fsys.Attributes{Mode: 0o644})
		must(t, a.Append(t.Context(), []archive.Record{{Op: 7, Kind: archive.KindRelease, Time: now, Host: "alpha", Path: "/srv/a", Object: "data/alpha/srv/a"}}))
		must(t, a.Sync(t.Context()))
		must(t, a.Close())
		mounttest.Run(t, "mount", "-o", "remount,ro", path)
		_, err := archive.Open(fsys.Host{}, path, "vault")
		wantError(t, err, archive.ErrReadOnly, "mount it for writing")
		a, err = archive.OpenForReading(fsys.Host{}, path, "vault")
		must(t, err)
		defer a.Close()
		must(t, a.Check(t.Context(), object("/srv/a", 1, "content"), make([]byte, 1<<16), nil))
		last, err := a.LastOperation("alpha")
		if err != nil || last != 7 {
			t.Errorf("last operation %d, %v; want 7", last, err)
		}
	})
}

func TestWhereAnArchiveIs(t *testing.T) {
	path := mount(t, "tmpfs")
	var st unix.Stat_t
	must(t, unix.Stat(path, &st))
	a := initialise(t, path)
	if same, err := a.SameFilesystemAsParent(); err != nil || same || a.Device() != uint64(st.Dev) {
		t.Errorf("on a mount: same filesystem %v, %v; device %d, want %d", same, err, a.Device(), st.Dev)
	}
	must(t, os.Mkdir(path+"/below", 0o755))
	below := initialise(t, path+"/below")
	if same, err := below.SameFilesystemAsParent(); err != nil || !same {
		t.Errorf("in a directory: same filesystem %v, %v; want true", same, err)
	}
	must(t, a.Present())
	must(t, os.Remove(path+"/.tidemark/archive.json"))
	wantError(t, a.Present(), fs.ErrNotExist, "is it still mounted?")
}
