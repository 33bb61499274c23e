package crash_test

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tidemark/tidemark/internal/fsys"
	"github.com/tidemark/tidemark/internal/fsys/crash"
	"github.com/tidemark/tidemark/internal/mounttest"
)

// world is what a sequence of calls works on: directories and files that are open, in slots.
type world struct {
	dirs  [5]fsys.Dir
	files [6]fsys.File
	locks [2]io.Closer
}

// call is one call with its arguments fixed, so that it can be done twice.
type call struct {
	text string
	do   func(w *world) string
}

// The model and ext4 do the same calls and must answer the same.
func TestAgreesWithExt4(t *testing.T) {
	for seed := range uint64(3) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			path := mounttest.Mount(t, "-o", "loop", mounttest.Image(t, "ext4", 64, "-b", "4096", "-O", "^large_dir"))
			host := open(t, fsys.Host{}, path)
			model := open(t, crash.New(crash.Mount{Path: "/model", Lacks: crash.Projects}), "/model")
			must(t, host.dirs[0].RemoveDir("lost+found"))
			random := rand.New(rand.NewPCG(seed, 7))
			var log []string
			for range 3000 {
				c := next(random)
				real, ours := c.do(host), c.do(model)
				log = append(log, fmt.Sprintf("%s: %s", c.text, real))
				if real != ours {
					t.Fatalf("%s\n%s\next4:  %s\nmodel: %s", strings.Join(log[max(0, len(log)-6):], "\n"), c.text, real, ours)
				}
			}
			if diff := cmp.Diff(tree(host.dirs[0], ""), tree(model.dirs[0], "")); diff != "" {
				t.Errorf("in the end (-ext4 +model):\n%s", diff)
			}
			for _, w := range []*world{host, model} {
				w.close()
			}
		})
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// open fills all slots.
func open(t *testing.T, f fsys.FS, path string) *world {
	t.Helper()
	w := &world{}
	for i := range w.dirs {
		d, err := f.OpenRoot(path)
		must(t, err)
		w.dirs[i] = d
	}
	for i := range w.files {
		file, err := w.dirs[0].Create(fmt.Sprint("first", i), 0o644)
		must(t, err)
		w.files[i] = file
	}
	return w
}

func (w *world) close() {
	for _, d := range w.dirs {
		d.Close()
	}
	for _, f := range w.files {
		f.Close()
	}
	for _, l := range w.locks {
		if l != nil {
			l.Close()
		}
	}
}

// result is the errno, or else what was answered.
func result(err error, answer ...any) string {
	var errno syscall.Errno
	switch {
	case errors.As(err, &errno):
		return errno.Error()
	case err != nil && !errors.Is(err, io.EOF):
		var path interface{ Unwrap() error }
		if errors.As(err, &path) {
			err = path.Unwrap()
		}
		return err.Error()
	}
	return fmt.Sprint(answer...)
}

var names = []string{"a", "b", "c", "d", "e", "f", "first0", "first1", "x", "y"}

// odd are names and paths that are mostly wrong.
var odd = []string{"", ".", "..", "a/b", strings.Repeat("n", 255), strings.Repeat("n", 256), "/", "b/.", "c/..", "d/"}

func name(random *rand.Rand) string {
	if random.IntN(40) == 0 {
		return odd[random.IntN(len(odd))]
	}
	return names[random.IntN(len(names))]
}

func next(random *rand.Rand) call {
	if random.IntN(2) == 0 {
		return onDir(random)
	}
	return onNode(random)
}

func onDir(random *rand.Rand) call {
	at, to, a, b := random.IntN(5), random.IntN(5), name(random), name(random)
	slot, mode, how := random.IntN(6), []uint32{0o644, 0o755, 0o4711, 0o2770}[random.IntN(4)], fsys.Rename(random.IntN(4))
	dir := func(text string, do func(w *world, d fsys.Dir) string) call {
		return call{fmt.Sprintf("%s dir %d %q (to %d %q, slot %d, mode %o, %d)", text, at, a, to, b, slot, mode, how), func(w *world) string { return do(w, w.dirs[at]) }}
	}
	file := func(w *world, f fsys.File, err error) string {
		if err == nil {
			w.files[slot].Close()
			w.files[slot] = f
		}
		return result(err)
	}
	switch random.IntN(16) {
	case 0, 1:
		return dir("opendir", func(w *world, d fsys.Dir) string {
			path := a
			if slot > 3 {
				path = a + "/" + b
			}
			next, err := d.OpenDir(path)
			if err == nil {
				w.dirs[1+to%4].Close()
				w.dirs[1+to%4] = next
			}
			return result(err)
		})
	case 2:
		return dir("open", func(w *world, d fsys.Dir) string { f, err := d.Open(a); return file(w, f, err) })
	case 3:
		return dir("open for writing", func(w *world, d fsys.Dir) string { f, err := d.OpenReadWrite(a); return file(w, f, err) })
	case 4:
		return dir("create", func(w *world, d fsys.Dir) string { f, err := d.Create(a, mode); return file(w, f, err) })
	case 5:
		return dir("stat", func(_ *world, d fsys.Dir) string { info, err := d.StatName(a); return result(err, show(info)) })
	case 6:
		return dir("names", func(_ *world, d fsys.Dir) string { names, err := d.Names(); return result(err, names) })
	case 7:
		return dir("symlink", func(_ *world, d fsys.Dir) string {
			target, err := d.ReadLink(b)
			return result(err, target) + result(d.Symlink([]string{"", a, "/x", strings.Repeat("l", 5000), "\x00"}[min(slot, 4)], b))
		})
	case 8:
		return dir("of name", func(_ *world, d fsys.Dir) string {
			if slot < 3 {
				return result(d.ChownName(a, uint32(slot), 1<<32-1))
			}
			return result(d.SetTimesName(a, fsys.Time{Sec: -5, Nsec: 1}, fsys.Time{Sec: 6}))
		})
	case 9, 10:
		return dir("mkdir", func(_ *world, d fsys.Dir) string { return result(d.Mkdir(a, mode)) })
	case 11:
		return dir("remove", func(_ *world, d fsys.Dir) string { return result(d.Remove(a)) })
	case 12:
		return dir("rmdir", func(_ *world, d fsys.Dir) string { return result(d.RemoveDir(a)) })
	case 13, 14:
		return dir("rename", func(w *world, d fsys.Dir) string { return result(d.Rename(a, w.dirs[to], b, how)) })
	default:
		return dir("link", func(w *world, d fsys.Dir) string {
			if slot == 5 {
				return lock(w, d, a, to%2)
			}
			return result(d.Link(a, w.dirs[to], b))
		})
	}
}

func lock(w *world, d fsys.Dir, name string, slot int) string {
	l, err := d.Lock(name)
	if err != nil {
		return result(err)
	}
	if w.locks[slot] != nil {
		w.locks[slot].Close()
	}
	w.locks[slot] = l
	return "locked"
}

// show is what both must say alike: times of the clock are only recent.
func show(i fsys.Info) string {
	times := ""
	for _, t := range []fsys.Time{i.Atime, i.Mtime} {
		if t.Sec > 1e9 || i.IsSymlink() { // reading a symlink moves its atime
			times += " recent"
		} else {
			times += " " + t.String()
		}
	}
	size := i.Size
	if i.IsDir() {
		size = 0
	}
	return fmt.Sprintf("%o %d %d:%d %d%s", i.Mode, i.Nlink, i.UID, i.GID, size, times)
}

func onNode(random *rand.Rand) call {
	slot, at, length := random.IntN(6), int64(random.IntN(40_000)), random.IntN(9000)
	flags := []uint32{0, 0, 0x10, 0x20, 0x48, 0x80, 0x800000}[random.IntN(7)]
	mode, kind := uint32(random.IntN(0o10001))&^0o1000 /* sticky restricts links */, fsys.Lease(random.IntN(5)-1)
	xattr := []string{"user.a", "user.b", "trusted.c", "nothing", "user.", "security.capability", fsys.XattrACL, fsys.XattrDefaultACL, "system.other", ""}[random.IntN(10)]
	onDirectory := random.IntN(4) == 0
	node := func(text string, do func(n fsys.Node) string) call {
		return call{fmt.Sprintf("%s %d (directory %v, %q, flags %#x, mode %o)", text, slot, onDirectory, xattr, flags, mode), func(w *world) string {
			if onDirectory {
				return do(w.dirs[slot%5])
			}
			return do(w.files[slot])
		}}
	}
	file := func(text string, do func(f fsys.File) string) call {
		return call{fmt.Sprintf("%s %d (at %d, %d, lease %d)", text, slot, at, length, kind), func(w *world) string { return do(w.files[slot]) }}
	}
	switch random.IntN(16) {
	case 0:
		return node("stat", func(n fsys.Node) string { info, err := n.Stat(); return result(err, show(info)) })
	case 1:
		return node("chown", func(n fsys.Node) string { return result(n.Chown(mode, 1<<32-1)) })
	case 2:
		return node("chmod", func(n fsys.Node) string { return result(n.Chmod(mode)) })
	case 3:
		return node("times", func(n fsys.Node) string {
			return result(n.SetTimes(fsys.Time{Sec: 7}, fsys.Time{Sec: int64(length), Nsec: int32(at)}))
		})
	case 4:
		return node("xattrs", func(n fsys.Node) string { all, err := n.Xattrs(); return result(err, all) })
	case 5, 6:
		return node("setxattr", func(n fsys.Node) string { return result(n.SetXattr(xattr, value(xattr, length))) })
	case 7:
		return node("removexattr", func(n fsys.Node) string { return result(n.RemoveXattr(xattr)) })
	case 8:
		return node("flags", func(n fsys.Node) string { flags, err := n.Flags(); return result(err, flags&0xf8) })
	case 9:
		if random.IntN(4) > 0 {
			flags = 0
		}
		return node("setflags", func(n fsys.Node) string {
			now, _ := n.Flags()
			return result(n.SetFlags(now&^0xf8 | flags)) // those that say how ext4 stores a file stay
		})
	case 10:
		return node("sync", func(n fsys.Node) string { return result(n.Sync()) })
	case 11, 12:
		return file("write", func(f fsys.File) string {
			n, err := f.WriteAt([]byte(strings.Repeat(fmt.Sprint(at%10), length)), at-100)
			return result(err, n)
		})
	case 13:
		return file("read", func(f fsys.File) string {
			buf := make([]byte, length)
			n, err := f.ReadAt(buf, at-100)
			return result(err, n, crc32.ChecksumIEEE(buf[:n]), err == io.EOF)
		})
	case 14:
		return file("layout", func(f fsys.File) string {
			if length%2 == 0 {
				return result(f.Truncate(at - 100))
			}
			start, end, err := f.NextData(at, at+int64(length))
			info, statErr := f.Stat()
			if statErr == nil && info.IsDir() {
				return "of a directory, which each filesystem knows for itself"
			}
			return result(err, start, end)
		})
	default:
		return file("lease", func(f fsys.File) string {
			if kind < 0 {
				lease, err := f.Lease()
				return result(err, lease)
			}
			return result(f.SetLease(kind))
		})
	}
}

// value is one that the attribute may have.
func value(xattr string, n int) []byte {
	none := "\xff\xff\xff\xff"
	perm := func(shift int) string { return string(rune(n>>shift&7)) + "\x00" }
	switch {
	case n%10 == 0:
		return []byte("nonsense")
	case strings.HasPrefix(xattr, "system.posix") && n%2 == 0: // no more than a mode
		return []byte("\x02\x00\x00\x00" + "\x01\x00" + perm(0) + none + "\x04\x00" + perm(1) + none + "\x20\x00" + perm(2) + none)
	case strings.HasPrefix(xattr, "system.posix"):
		return []byte("\x02\x00\x00\x00" + "\x01\x00" + perm(0) + none + "\x02\x00" + perm(1) + "\x05\x00\x00\x00" +
			"\x04\x00" + perm(2) + none + "\x10\x00" + perm(3) + none + "\x20\x00" + perm(4) + none)
	case xattr == "security.capability":
		return []byte("\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00")
	}
	return []byte(fmt.Sprint(n))
}

// tree is all that is below a directory, in words.
func tree(d fsys.Dir, path string) (out []string) {
	names, err := d.Names()
	if err != nil {
		return []string{err.Error()}
	}
	for _, name := range names {
		info, err := d.StatName(name)
		line := path + "/" + name + " " + result(err, show(info))
		switch {
		case info.IsDir():
			sub, err := d.OpenDir(name)
			if err != nil {
				line += err.Error()
				break
			}
			line += attributes(sub)
			out = append(out, tree(sub, path+"/"+name)...)
			sub.Close()
		case info.IsRegular():
			f, err := d.Open(name)
			if err != nil {
				line += result(err)
				break
			}
			content := make([]byte, info.Size)
			f.ReadAt(content, 0)
			line += fmt.Sprint(" ", crc32.ChecksumIEEE(content)) + attributes(f)
			f.Close()
		case info.IsSymlink():
			target, _ := d.ReadLink(name)
			line += target
		}
		out = append(out, line)
	}
	slices.Sort(out)
	return out
}

func attributes(n fsys.Node) string {
	a, _, err := fsys.ReadAttributes(n)
	return result(err, " ", a.Xattrs, a.Flags&0xf8)
}
