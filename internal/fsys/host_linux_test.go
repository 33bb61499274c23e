package fsys_test

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/tidemark/tidemark/internal/fsys"
	"github.com/tidemark/tidemark/internal/mounttest"
)

// filesystems are what files are moved on, in real.
var filesystems = []struct {
	name string
	mib  int64
	mkfs []string
}{
	{"ext4", 64, []string{"-b", "4096"}},
	{"xfs", 320, nil},
	{"btrfs", 128, nil},
	{"tmpfs", 0, nil},
}

// onEach runs a test on a new filesystem of each kind.
func onEach(t *testing.T, test func(t *testing.T, fstype, dir string)) {
	t.Helper()
	for _, f := range filesystems {
		t.Run(f.name, func(t *testing.T) {
			if f.name == "tmpfs" {
				test(t, f.name, mounttest.Mount(t, "-t", "tmpfs", "-o", "size=64m", "tmpfs"))
				return
			}
			test(t, f.name, mounttest.Mount(t, "-o", "loop", mounttest.Image(t, f.name, f.mib, f.mkfs...)))
		})
	}
}

// root opens a directory of the host until the test ends.
func root(t testing.TB, path string) fsys.Dir {
	t.Helper()
	d, err := fsys.Host{}.OpenRoot(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// want is for errnos.
func want(t testing.TB, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: %v, want %v", what, err, want)
	}
}

// write makes a file.
func write(t testing.TB, d fsys.Dir, name, content string) fsys.File {
	t.Helper()
	f, err := d.Create(name, 0o644)
	must(t, err)
	t.Cleanup(func() { f.Close() })
	_, err = f.WriteAt([]byte(content), 0)
	must(t, err)
	return f
}

// read is a file's content.
func read(t testing.TB, d fsys.Dir, name string) string {
	t.Helper()
	f, err := d.Open(name)
	must(t, err)
	defer f.Close()
	content, err := io.ReadAll(io.NewSectionReader(f, 0, 1<<40))
	must(t, err)
	return string(content)
}

func TestNamesAndLinks(t *testing.T) {
	onEach(t, func(t *testing.T, fstype, dir string) {
		d := root(t, dir)
		defer unix.Umask(unix.Umask(0o077))
		must(t, d.Mkdir("sub", 0o2775))
		sub, err := d.OpenDir("sub")
		must(t, err)
		defer sub.Close()
		f, err := sub.Create("file", 0o6777)
		must(t, err)
		defer f.Close()
		if info, err := d.StatName("sub"); err != nil || info.Mode != fsys.TypeDir|0o2775 {
			t.Errorf("mkdir under a umask gave %o, %v", info.Mode, err)
		}
		if info, err := f.Stat(); err != nil || info.Mode != fsys.TypeRegular|0o6777 {
			t.Errorf("create under a umask gave %o, %v", info.Mode, err)
		}
		_, err = sub.Create("file", 0o600)
		want(t, "create again", err, unix.EEXIST)
		want(t, "mkdir again", d.Mkdir("sub", 0o700), unix.EEXIST)
		must(t, sub.Link("file", d, "second"))
		must(t, d.Symlink("/anywhere/"+strings.Repeat("long/", 100), "link"))
		must(t, d.ChownName("link", 5, 6))
		must(t, d.SetTimesName("link", fsys.Time{Sec: 1}, fsys.Time{Sec: -2, Nsec: 3}))
		if info, err := d.StatName("link"); err != nil || !info.IsSymlink() || info.UID != 5 || info.GID != 6 || info.Mtime.String() != "-2.000000003" {
			t.Errorf("link: %+v, %v", info, err)
		}
		if target, err := d.ReadLink("link"); err != nil || len(target) != 510 {
			t.Errorf("link leads to %q, %v", target, err)
		}
		_, err = d.Open("link")
		want(t, "open a link", err, unix.ELOOP)
		if info, err := d.StatName("second"); err != nil || info.Nlink != 2 {
			t.Errorf("second name: %+v, %v", info, err)
		}
		for range 2 {
			names, err := d.Names()
			must(t, err)
			names = slices.DeleteFunc(names, func(n string) bool { return n == "lost+found" })
			if !slices.Equal(names, []string{"link", "second", "sub"}) {
				t.Errorf("names: %q", names)
			}
		}
		want(t, "remove a directory", d.Remove("sub"), unix.EISDIR)
		want(t, "rmdir a full one", d.RemoveDir("sub"), unix.ENOTEMPTY)
		want(t, "rmdir a file", d.RemoveDir("second"), unix.ENOTDIR)
		must(t, sub.Remove("file"))
		must(t, d.RemoveDir("sub"))
		must(t, d.Sync())
		must(t, d.SyncFS())
		_, err = d.StatName("sub")
		want(t, "stat what is gone", err, fs.ErrNotExist)
		usage, err := d.StatFS()
		magic := map[string]int64{"ext4": unix.EXT4_SUPER_MAGIC, "xfs": unix.XFS_SUPER_MAGIC, "btrfs": unix.BTRFS_SUPER_MAGIC, "tmpfs": unix.TMPFS_MAGIC}[fstype]
		if err != nil || usage.Type != magic || usage.Total < 32<<20 || usage.Free < usage.Available || usage.ReadOnly || usage.Used() >= 0.9 {
			t.Errorf("usage %+v, %v", usage, err)
		}
	})
}

func TestRenames(t *testing.T) {
	onEach(t, func(t *testing.T, _, dir string) {
		d := root(t, dir)
		must(t, d.Mkdir("other", 0o755))
		other, err := d.OpenDir("other")
		must(t, err)
		defer other.Close()
		write(t, d, "a", "A")
		write(t, other, "b", "B")
		want(t, "no replace", d.Rename("a", other, "b", fsys.NoReplace), unix.EEXIST)
		want(t, "exchange with nothing", d.Rename("a", other, "none", fsys.Exchange), unix.ENOENT)
		must(t, d.Rename("a", other, "b", fsys.Exchange))
		if a, b := read(t, d, "a"), read(t, other, "b"); a != "B" || b != "A" {
			t.Errorf("exchanged: %q %q", a, b)
		}
		must(t, d.Rename("a", other, "b", fsys.Replace))
		if b := read(t, other, "b"); b != "B" {
			t.Errorf("replaced: %q", b)
		}
		must(t, other.Rename("b", d, "c", fsys.NoReplace))
		want(t, "an unknown way", d.Rename("c", d, "d", fsys.Rename(9)), unix.EINVAL)
		want(t, "to another filesystem", d.Rename("c", root(t, t.TempDir()), "c", fsys.Replace), unix.EXDEV)
		if c := read(t, d, "c"); c != "B" {
			t.Errorf("moved: %q", c)
		}
	})
}

func TestNamesThatAreNone(t *testing.T) {
	d := root(t, t.TempDir())
	write(t, d, "file", "")
	for _, name := range []string{"", ".", "..", "a/b", "/", "a\x00b"} {
		_, open := d.Open(name)
		_, readWrite := d.OpenReadWrite(name)
		_, create := d.Create(name, 0o600)
		_, stat := d.StatName(name)
		_, link := d.ReadLink(name)
		_, lock := d.Lock(name)
		for what, err := range map[string]error{
			"open": open, "open for writing": readWrite, "create": create, "stat": stat, "readlink": link, "lock": lock,
			"symlink": d.Symlink("x", name), "chown": d.ChownName(name, 1, 1), "utimes": d.SetTimesName(name, fsys.Time{}, fsys.Time{}),
			"mkdir": d.Mkdir(name, 0o700), "remove": d.Remove(name), "rmdir": d.RemoveDir(name),
			"rename": d.Rename(name, d, "x", fsys.Replace), "rename to": d.Rename("file", d, name, fsys.Replace),
			"link": d.Link(name, d, "x"), "link to": d.Link("file", d, name),
		} {
			want(t, what+" "+name, err, unix.EINVAL)
		}
	}
	for path, errno := range map[string]error{"": unix.EINVAL, "a\x00": unix.EINVAL, "..": unix.EXDEV, "a/../b": unix.EXDEV, "/etc": unix.EXDEV, "file": unix.ENOTDIR, "none": unix.ENOENT} {
		_, err := d.OpenDir(path)
		want(t, "open directory "+path, err, errno)
	}
	_, err := fsys.Host{}.OpenRoot("etc")
	want(t, "a root that is not absolute", err, unix.EINVAL)
	for _, path := range []string{".", "./", "./."} {
		again, err := d.OpenDir(path)
		must(t, err)
		defer again.Close()
		if got := read(t, again, "file"); got != "" {
			t.Errorf("%q", got)
		}
	}
	_, err = d.Create(strings.Repeat("n", 256), 0o600)
	want(t, "a name too long", err, unix.ENAMETOOLONG)
	_, err = d.OpenDir(strings.Repeat("n", 5000))
	want(t, "a path of one name too long", err, unix.ENAMETOOLONG)
	for _, times := range [][2]fsys.Time{{{Nsec: -1}, {}}, {{}, {Nsec: 1e9}}, {{Nsec: unix.UTIME_OMIT}, {}}} {
		want(t, "times", d.SetTimes(times[0], times[1]), unix.EINVAL)
	}
	want(t, "mode", d.Chmod(0o10644), unix.EINVAL)
}

func TestLongPaths(t *testing.T) {
	d := root(t, mounttest.Mount(t, "-t", "tmpfs", "tmpfs"))
	at, path := d, ""
	for range 40 {
		name := strings.Repeat("n", 250)
		must(t, at.Mkdir(name, 0o755))
		next, err := at.OpenDir(name)
		must(t, err)
		defer next.Close()
		at, path = next, path+"/"+name
	}
	write(t, at, "file", "deep")
	before := descriptors(t)
	deep, err := d.OpenDir(path[1:])
	must(t, err)
	if read(t, deep, "file") != "deep" {
		t.Error("another directory was opened")
	}
	must(t, deep.Close())
	_, err = d.OpenDir(path[1:] + "/none")
	want(t, "below a long path", err, unix.ENOENT)
	must(t, at.Symlink(".", "link"))
	_, err = d.OpenDir(path[1:] + "/link")
	want(t, "a link at the end of a long path", err, unix.ELOOP)
	_, err = d.OpenDir(path[1:] + "/link/x")
	want(t, "a link within a long path", err, unix.ELOOP)
	if after := descriptors(t); after != before {
		t.Errorf("%d descriptors were open, now %d", before, after)
	}
}

func descriptors(t *testing.T) int {
	t.Helper()
	open, err := os.ReadDir("/proc/self/fd")
	must(t, err)
	return len(open)
}

func TestWhatIsNoFile(t *testing.T) {
	dir := t.TempDir()
	d := root(t, dir)
	must(t, unix.Mkfifo(filepath.Join(dir, "fifo"), 0o644))
	must(t, unix.Mknod(filepath.Join(dir, "socket"), unix.S_IFSOCK|0o644, 0))
	must(t, d.Mkdir("dir", 0o755))
	f, err := d.Open("fifo") // would hang
	must(t, err)
	defer f.Close()
	if info, err := f.Stat(); err != nil || info.IsRegular() {
		t.Errorf("fifo: %+v, %v", info, err)
	}
	_, err = d.Open("socket")
	want(t, "open a socket", err, unix.ENXIO)
	_, err = d.OpenReadWrite("fifo")
	want(t, "write to a fifo", err, unix.EINVAL)
	_, err = d.OpenReadWrite("dir")
	want(t, "write to a directory", err, unix.EISDIR)
	g, err := d.Open("dir")
	must(t, err)
	defer g.Close()
	if info, err := g.Stat(); err != nil || !info.IsDir() {
		t.Errorf("dir: %+v, %v", info, err)
	}
}

func TestClosingTwiceClosesNothingElse(t *testing.T) {
	d := root(t, t.TempDir())
	f, err := d.Create("a", 0o600)
	must(t, err)
	must(t, f.Close())
	g := write(t, d, "b", "B") // takes the number that is free now
	want(t, "close again", f.Close(), unix.EBADF)
	_, err = f.WriteAt([]byte("x"), 0)
	want(t, "write to what is closed", err, unix.EBADF)
	buf := make([]byte, 2)
	if n, err := g.ReadAt(buf, 0); n != 1 || err != io.EOF || buf[0] != 'B' {
		t.Errorf("the other file: %d, %v", n, err)
	}
	closed, err := d.OpenDir(".")
	must(t, err)
	must(t, closed.Close())
	_, err = closed.Names()
	want(t, "names of what is closed", err, unix.EBADF)
	_, err = closed.OpenDir("x")
	want(t, "below what is closed", err, unix.EBADF)
}
