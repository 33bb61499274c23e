package scan

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tidemark/tidemark/internal/mounttest"
	"github.com/tidemark/tidemark/tiering/policy"
)

func now() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }

// seen is what a walk has handed over and told.
type seen struct {
	Result
	paths  []string
	failed []string
}

func walkTree(t testing.TB, opt Options, visited ...func()) seen {
	t.Helper()
	var mu sync.Mutex
	var s seen
	opt.Now = now()
	opt.Error = func(path string, err error) { s.failed = append(s.failed, fmt.Sprintf("%s: %v", path, err)) }
	result, err := Walk(context.Background(), opt, func(_ int, dir *Directory, files []policy.File) {
		mu.Lock()
		defer mu.Unlock()
		for _, tell := range visited {
			tell()
		}
		for i := range files {
			path := strings.Clone(files[i].Path())
			if want := string(appendPath(nil, dir)) + "/" + files[i].Name; path != want {
				t.Errorf("the path is %q, by its directory %q", path, want)
			}
			s.paths = append(s.paths, path)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Result = result
	slices.Sort(s.paths)
	return s
}

// found is what find(1) says of the same tree.
func found(t testing.TB, dir string, args ...string) []string {
	t.Helper()
	out, err := exec.Command("find", append([]string{dir, "-xdev"}, append(args, "-type", "f", "-print0")...)...).Output()
	if err != nil {
		t.Fatal(err)
	}
	paths := strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
	slices.Sort(paths)
	return paths
}

func write(t testing.TB, path string, size int) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, make([]byte, size), 0o644); err != nil {
		t.Fatal(err)
	}
}

// plant makes a tree with everything odd in it.
func plant(t testing.TB, root string) {
	t.Helper()
	for i := range 30 {
		for j := range 20 {
			write(t, fmt.Sprintf("%s/d%d/e%d/f%d.mp4", root, i%5, i, j), j)
		}
	}
	for _, name := range []string{strings.Repeat("n", 255), "a\nb", "\xff\xfe", " ", "-rf", "...", "\\"} {
		write(t, filepath.Join(root, name+"x"[:min(1, 255-len(name))], name), 10)
	}
	for i := range 1500 {
		write(t, fmt.Sprintf("%s/flat/%0100d", root, i), 1)
	}
	write(t, root+"/.tidemark/trash/1", 1)
	write(t, root+"/d1/.tidemark/ours-is-only-at-the-top", 1)
	for _, err := range []error{
		os.Symlink("..", root+"/d0/loop"), os.Symlink("f0.mp4", root+"/d0/e0/link"), os.Symlink("/nowhere", root+"/dangling"),
		unix.Mkfifo(root+"/fifo", 0o644), os.Link(root+"/d0/e0/f7.mp4", root+"/hard"), os.Mkdir(root+"/empty", 0o755),
		unix.Mknod(root+"/socket", unix.S_IFSOCK|0o644, 0), unix.Mknod(root+"/null", unix.S_IFCHR|0o644, int(unix.Mkdev(1, 3))),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestWalkAsFind(t *testing.T) {
	for _, fstype := range []string{"ext4", "xfs", "btrfs", "tmpfs"} {
		t.Run(fstype, func(t *testing.T) {
			root := volume(t, fstype)
			plant(t, root)
			want := found(t, root, "-path", root+"/.tidemark", "-prune", "-o")
			var first Result
			for _, workers := range []int{1, 2, 7} {
				s := walkTree(t, Options{Path: root, Workers: workers})
				if !slices.Equal(s.paths, want) {
					t.Fatalf("%d workers: %d files, find has %d", workers, len(s.paths), len(want))
				}
				if s.Others != 6 || s.HardLinked != 2 || s.Errors != 0 || s.Vanished != 0 || s.Mounts != 0 || s.Files != int64(len(want)) {
					t.Errorf("%d workers: %+v", workers, s.Result)
				}
				if first.Files == 0 {
					first = s.Result
				} else if first != s.Result {
					t.Errorf("%d workers: %+v, one: %+v", workers, s.Result, first)
				}
			}
		})
	}
}

// volume is a fresh filesystem.
func volume(t testing.TB, fstype string) string {
	t.Helper()
	if fstype == "tmpfs" {
		mounttest.RequireFilesystem(t, fstype)
		return mounttest.Mount(t, "-t", "tmpfs", "-o", "size=256m", "tmpfs")
	}
	size := int64(320)
	root := mounttest.Mount(t, "-o", "loop", mounttest.Image(t, fstype, size))
	os.Remove(root + "/lost+found")
	return root
}

func TestWalkStaysOnItsMount(t *testing.T) {
	root := volume(t, "btrfs")
	for _, dir := range []string{"in", "bind", "tmp", "deep/bind"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write(t, root+"/in/file", 5)
	write(t, root+"/mounted-on", 5)
	mounttest.Run(t, "btrfs", "subvolume", "create", root+"/sub")
	write(t, root+"/sub/file", 5)
	mounttest.On(t, root+"/bind", "--bind", root+"/in")
	mounttest.On(t, root+"/deep/bind", "--bind", root)
	mounttest.On(t, root+"/tmp", "-t", "tmpfs", "tmpfs")
	write(t, root+"/tmp/file", 5)
	mounttest.On(t, root+"/mounted-on", "--bind", root+"/in/file")
	s := walkTree(t, Options{Path: root})
	if want := []string{root + "/in/file"}; !slices.Equal(s.paths, want) || s.Mounts != 5 || s.Errors != 0 {
		t.Errorf("found %q, %+v; want %q and five mounts", s.paths, s.Result, want)
	}
	if s := walkTree(t, Options{Path: root + "/bind"}); len(s.paths) != 1 || s.Mounts != 0 {
		t.Errorf("from a bind mount: %q, %+v", s.paths, s.Result)
	}
}

func TestWalkDeepWithFewDescriptors(t *testing.T) {
	root := volume(t, "ext4")
	const depth = 120
	dir, err := unix.Open(root, unix.O_DIRECTORY, 0)
	if err != nil {
		t.Fatal(err)
	}
	name := strings.Repeat("deep", 25)
	for range depth { // 12,000 bytes, three times what the kernel takes
		for _, sub := range []string{name, "b", "c"} {
			if err := unix.Mkdirat(dir, sub, 0o755); err != nil {
				t.Fatal(err)
			}
			file, err := unix.Openat(dir, sub+"/f", unix.O_CREAT|unix.O_WRONLY, 0o644)
			if err != nil {
				t.Fatal(err)
			}
			unix.Close(file)
		}
		next, err := unix.Openat(dir, name, unix.O_DIRECTORY, 0)
		if err != nil {
			t.Fatal(err)
		}
		unix.Close(dir)
		dir = next
	}
	unix.Close(dir)
	want := openDescriptors(t)
	for _, workers := range []int{1, 3} {
		var most atomic.Int64
		s := walkTree(t, Options{Path: root, Workers: workers, OpenDirectories: 5}, func() {
			if n := int64(openDescriptors(t)); n > most.Load() {
				most.Store(n)
			}
		})
		// Besides those counted, each worker may be on its way to another.
		if most.Load() > int64(want+5+2*workers+1) {
			t.Errorf("%d workers: %d descriptors were open, there were %d", workers, most.Load(), want)
		}
		if s.Files != 3*depth || s.Directories != 3*depth+1 || s.Errors != 0 {
			t.Errorf("%d workers: %+v", workers, s.Result)
		}
	}
	if got := openDescriptors(t); got != want {
		t.Errorf("%d descriptors are open, there were %d", got, want)
	}
}

func openDescriptors(t testing.TB) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

func TestWalkExcludes(t *testing.T) {
	root := t.TempDir()
	for _, path := range []string{"a/.snapshot/x", "a/b/.snapshot/y/z", "keep/f", "top/f", "c/top/f", "c/old.d/f", "old.d"} {
		write(t, filepath.Join(root, path), 1)
	}
	excludes, err := policy.NewExcludes(root, []string{"**/.snapshot/**", "top", root + "/keep/**", "c/*.d/**"})
	if err != nil {
		t.Fatal(err)
	}
	s := walkTree(t, Options{Path: root, Excludes: excludes})
	if want := []string{root + "/old.d"}; !slices.Equal(s.paths, want) || s.Excluded != 6 {
		t.Errorf("found %q, %d excluded; want %q and 6", s.paths, s.Excluded, want)
	}
}

func TestWalkErrors(t *testing.T) {
	root := t.TempDir()
	if _, err := Walk(context.Background(), Options{Path: root + "/none"}, nil); err == nil || !strings.Contains(err.Error(), "none") {
		t.Errorf("no such directory: %v", err)
	}
	write(t, root+"/file", 1)
	if _, err := Walk(context.Background(), Options{Path: root + "/file"}, nil); err == nil {
		t.Error("walked a file")
	}
}

// TestWalkUnreadable runs itself as another user.
func TestWalkUnreadable(t *testing.T) {
	if dir := os.Getenv("TIDEMARK_TEST_WALK"); dir != "" {
		s := walkTree(t, Options{Path: dir})
		if s.Errors != 2 || s.Files != 2 || len(s.failed) != 2 || !strings.Contains(strings.Join(s.failed, "\n"), "closed: open: permission denied") {
			t.Errorf("%+v\n%s", s.Result, strings.Join(s.failed, "\n"))
		}
		return
	}
	mounttest.RequireRoot(t)
	root := mounttest.Mount(t, "-t", "tmpfs", "tmpfs")
	for dir := root; dir != "/"; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil && dir != "/" {
			t.Fatal(err)
		}
		if dir == os.TempDir() {
			break
		}
	}
	write(t, root+"/open/f", 1)
	write(t, root+"/closed/f", 1)
	write(t, root+"/listed/f", 1)
	for dir, mode := range map[string]fs.FileMode{"closed": 0o700, "listed": 0o744} {
		if err := os.Chmod(filepath.Join(root, dir), mode); err != nil {
			t.Fatal(err)
		}
	}
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	copied := root + "/scan.test"
	mounttest.Run(t, "cp", binary, copied)
	cmd := exec.Command("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", copied, "-test.run=^TestWalkUnreadable$")
	cmd.Env, cmd.Dir = []string{"TIDEMARK_TEST_WALK=" + root + "/", "PATH=/usr/bin"}, "/"
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
