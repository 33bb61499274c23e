// Package crash is a filesystem in memory that forgets, when its power is cut, what was not synced. Tests run the mover on it and ask
// what is left after a power cut at any point.
//
// What it promises is what POSIX promises, and no more, where a journaling filesystem would do better by chance:
//
//   - File.Sync makes a file's content and attributes durable, but none of its names.
//   - Dir.Sync makes the names in that directory durable (a rename as a whole, also its other half), but neither what is in the
//     files nor the name of the directory itself.
//   - SyncFS makes all of its mount durable.
//   - What was not synced may survive nonetheless. Names and attributes survive in an order: a change never without the
//     earlier changes of the same name or of the same file that it stands on. Content survives block by block.
//
// It behaves as Linux does for root, errnos included (a differential test compares it with ext4), as far as the mover's calls reach.
package crash

import (
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/tidemark/tidemark/internal/fsys"
)

// Magic numbers of statfs, for Mount.Type.
const (
	Ext4  = 0xef53
	XFS   = 0x58465342
	Btrfs = 0x9123683e
	Tmpfs = 0x01021994
)

// Lack is what a filesystem cannot do.
type Lack uint

const (
	Xattrs Lack = 1 << iota // none at all, ACLs among them
	ACLs
	Flags
	Projects
	Leases
	NoReplace // rename (EINVAL)
	Exchange  // rename (EINVAL)
	Links     // hard links (EPERM)
)

// Mount is one filesystem.
type Mount struct {
	Path   string // absolute and clean
	Type   int64  // Ext4 if zero
	Size   int64  // bytes; beyond them is ENOSPC. A tebibyte if zero
	Inodes int64  // how many files, the root among them; beyond them is ENOSPC. No limit if zero
	Quota  int64  // bytes; beyond them is EDQUOT. No limit if zero
	Lacks  Lack
}

// FS is a set of mounts. All of it may be used at the same time.
type FS struct {
	mu     sync.Mutex
	mounts []*mount // longest path first
	clock  fsys.Time
	dead   bool
}

var _ fsys.FS = (*FS)(nil)

const (
	blockSize = 4096
	rootInode = 2
	tick      = 1000 // nanoseconds by which each change moves the clock
)

type mount struct {
	Mount
	fs        *FS
	dev       uint64
	lastInode uint64
	now       map[uint64]*inode
	disk      map[uint64]*inode // what is durable
	log       []*record         // what is not, in order
	last      map[key]*record   // the last change of a name or inode, in the log or done
	moved     *record           // the last rename of a directory
	used      int64             // blocks
	locks     map[uint64]bool   // inodes that are locked
}

// New makes empty filesystems, durably. A mount within another hides a directory of that.
func New(mounts ...Mount) *FS {
	f := &FS{clock: fsys.Time{Sec: 1_800_000_000}}
	for i, m := range mounts {
		if m.Type == 0 {
			m.Type = Ext4
		}
		if m.Size == 0 {
			m.Size = 1 << 40
		}
		fresh := newMount(f, m, uint64(i+1)<<8)
		root := &inode{ino: rootInode, attrs: attrs{mode: unix.S_IFDIR | 0o755}, entries: map[string]uint64{}, nlink: 2, parent: rootInode}
		root.atime, root.mtime, root.ctime = f.clock, f.clock, f.clock
		fresh.now[rootInode], fresh.disk[rootInode] = root, root.clone()
		f.mounts = append(f.mounts, fresh)
	}
	slices.SortFunc(f.mounts, func(a, b *mount) int { return len(b.Path) - len(a.Path) })
	for _, m := range slices.Backward(f.mounts) {
		if parent, rest := f.mountOf(m.Path, m); parent != nil {
			if _, err := parent.makeAll(rest); err != nil {
				panic(err)
			}
			parent.syncAll()
		}
	}
	f.attach()
	return f
}

func newMount(f *FS, m Mount, dev uint64) *mount {
	return &mount{
		Mount: m, fs: f, dev: dev, lastInode: rootInode, now: map[uint64]*inode{}, disk: map[uint64]*inode{},
		last: map[key]*record{}, locks: map[uint64]bool{},
	}
}

// attach hides the directories on which other mounts are.
func (f *FS) attach() {
	for _, m := range f.mounts {
		if parent, rest := f.mountOf(m.Path, m); parent != nil {
			if at, err := parent.walk(rest); err == nil {
				at.mounted = m
			}
		}
	}
}

// mountOf is the mount that a path is on, other than one, and the path within it.
func (f *FS) mountOf(path string, other *mount) (*mount, string) {
	for _, m := range f.mounts {
		rest, ok := strings.CutPrefix(path, m.Path)
		if m != other && ok && (rest == "" || rest[0] == '/' || m.Path == "/") {
			return m, strings.Trim(rest, "/")
		}
	}
	return nil, ""
}

// walk finds a directory by its path, without following anything.
func (m *mount) walk(path string) (*inode, error) {
	at := m.now[rootInode]
	for name := range strings.SplitSeq(path, "/") {
		if name == "" {
			continue
		}
		next, err := m.lookup(at, name)
		if err != nil {
			return nil, err
		}
		at = next
	}
	return at, nil
}

// makeAll makes the directories of a path that are missing.
func (m *mount) makeAll(path string) (*inode, error) {
	at := m.now[rootInode]
	for name := range strings.SplitSeq(path, "/") {
		if name == "" {
			continue
		}
		next, err := m.lookup(at, name)
		if err == unix.ENOENT {
			next, err = m.make(at, name, &inode{attrs: attrs{mode: unix.S_IFDIR | 0o755}})
		}
		if err != nil {
			return nil, err
		}
		at = next
	}
	return at, nil
}

// now is the clock, which moves.
func (f *FS) now() fsys.Time {
	f.clock.Nsec += tick
	if f.clock.Nsec >= 1e9 {
		f.clock.Sec++
		f.clock.Nsec -= 1e9
	}
	return f.clock
}

// OpenRoot opens the directory at an absolute path. It follows symlinks.
func (f *FS) OpenRoot(path string) (fsys.Dir, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	m, at, err := f.find(path)
	if err == nil && !at.isDir() {
		err = unix.ENOTDIR
	}
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	d := &dir{node{m: m, inode: at, dir: path}}
	d.hold()
	return d, nil
}

// find follows symlinks, as the rest of the system does.
func (f *FS) find(path string) (*mount, *inode, error) {
	if f.dead {
		return nil, nil, unix.EIO
	}
	if !strings.HasPrefix(path, "/") {
		return nil, nil, unix.EINVAL
	}
	for range 40 {
		m, rest := f.mountOf(path, nil)
		if m == nil {
			return nil, nil, unix.ENOENT
		}
		at, next, err := m.follow(rest)
		if err != nil || next == "" {
			return m, at, err
		}
		path = next
	}
	return nil, nil, unix.ELOOP
}

// follow walks a path until it ends or meets a symlink; then next is the path to go on with.
func (m *mount) follow(path string) (at *inode, next string, err error) {
	at = m.now[rootInode]
	names := strings.Split(path, "/")
	for i, name := range names {
		if name == "" {
			continue
		}
		if at, err = m.lookup(at, name); err != nil {
			return nil, "", err
		}
		if at.kind() != unix.S_IFLNK {
			continue
		}
		rest := strings.Join(names[i+1:], "/")
		if strings.HasPrefix(at.target, "/") {
			return nil, clean(at.target + "/" + rest), nil
		}
		return nil, clean(m.Path + "/" + strings.Join(names[:i], "/") + "/" + at.target + "/" + rest), nil
	}
	return at, "", nil
}

// clean is for paths without symlinks before a "..", which is good enough for tests.
func clean(path string) string {
	var out []string
	for name := range strings.SplitSeq(path, "/") {
		switch name {
		case "", ".":
		case "..":
			out = out[:max(0, len(out)-1)]
		default:
			out = append(out, name)
		}
	}
	return "/" + strings.Join(out, "/")
}

func pathError(op, path string, err error) error {
	if err == nil {
		return nil
	}
	return &fs.PathError{Op: op, Path: path, Err: err}
}

func linkError(op, from, to string, err error) error {
	if err == nil {
		return nil
	}
	return &os.LinkError{Op: op, Old: from, New: to, Err: err}
}

// room says whether so many more blocks fit.
func (m *mount) room(blocks int64) error {
	switch bytes := (m.used + blocks) * blockSize; {
	case m.Quota > 0 && bytes > m.Quota:
		return syscall.EDQUOT
	case bytes > m.Size:
		return syscall.ENOSPC
	}
	return nil
}
