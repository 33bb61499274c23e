package crash

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"maps"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/tidemark/tidemark/internal/fsys"
)

// Put makes a file and the directories above it, or gives a file that is there a new content, all of it durable.
func (f *FS) Put(path string, content []byte, mode uint32) error {
	return f.build("put", path, unix.S_IFREG|mode, func(m *mount, i *inode) error {
		if !i.isRegular() {
			return unix.EEXIST
		}
		i.truncate(m, 0)
		_, err := i.write(m, content, 0)
		m.written(i)
		return err
	})
}

// Special makes a FIFO or a socket (unix.S_IFIFO, unix.S_IFSOCK), a directory (unix.S_IFDIR) or anything else but a regular file, and the
// directories above it, durably. The mode is the whole one.
func (f *FS) Special(path string, mode uint32) error {
	return f.build("mknod", path, mode, func(_ *mount, i *inode) error {
		if i.kind() != mode&unix.S_IFMT {
			return unix.EEXIST
		}
		return nil
	})
}

func (f *FS) build(op, path string, mode uint32, call func(m *mount, i *inode) error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	err := func() error {
		if f.dead {
			return unix.EIO
		}
		m, rest := f.mountOf(path, nil)
		if m == nil || rest == "" {
			return unix.ENOENT
		}
		parent, name := split(rest)
		at, err := m.makeAll(parent)
		if err != nil {
			return err
		}
		i, err := m.lookup(at, name)
		if err == unix.ENOENT {
			i, err = m.make(at, name, &inode{attrs: attrs{mode: mode}})
		}
		if err == nil {
			err = call(m, i)
		}
		m.syncAll()
		return err
	}()
	return pathError(op, path, err)
}

func split(path string) (parent, name string) {
	for at := len(path) - 1; at >= 0; at-- {
		if path[at] == '/' {
			return path[:at], path[at+1:]
		}
	}
	return "", path
}

// SyncAll makes everything durable.
func (f *FS) SyncAll() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, m := range f.mounts {
		m.syncAll()
	}
}

// Content is what is in a file (following symlinks).
func (f *FS) Content(path string) ([]byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, i, err := f.find(path)
	if err == nil && !i.isRegular() {
		err = unix.EINVAL
	}
	if err != nil {
		return nil, pathError("read", path, err)
	}
	content := make([]byte, i.size)
	i.read(content, 0)
	return content, nil
}

// Entry is what a dump says about one path.
type Entry struct {
	Ino                 uint64
	Mode                uint32 // with the kind of file
	Nlink               uint64
	UID, GID            uint32
	Size                int64
	Atime, Mtime, Ctime fsys.Time
	Flags               uint32
	Project             uint32
	Target              string            // of a symlink
	Content             string            // of a file: a digest that does not depend on where holes are
	Xattrs              map[string]string // none is nil
}

// Dump is all at and below a path, by full path. Other mounts are not entered.
func (f *FS) Dump(path string) (map[string]Entry, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	m, i, err := f.find(path)
	if err != nil {
		return nil, pathError("dump", path, err)
	}
	all := map[string]Entry{}
	m.dump(i, path, all)
	return all, nil
}

func (m *mount) dump(i *inode, path string, all map[string]Entry) {
	info := i.info(m)
	e := Entry{
		Ino: info.Ino, Mode: info.Mode, Nlink: info.Nlink, UID: info.UID, GID: info.GID, Size: info.Size, Atime: info.Atime, Mtime: info.Mtime, Ctime: info.Ctime,
		Flags: i.flags, Project: i.project, Target: i.target,
	}
	if i.isRegular() {
		e.Content = i.digest()
	}
	for name, value := range i.xattrs {
		if e.Xattrs == nil {
			e.Xattrs = map[string]string{}
		}
		e.Xattrs[name] = string(value)
	}
	all[path] = e
	for name, ino := range i.entries {
		m.dump(m.now[ino], join(path, name), all)
	}
}

func (i *inode) digest() string {
	h := sha256.New()
	number := func(n int64) {
		var b [8]byte
		binary.LittleEndian.PutUint64(b[:], uint64(n))
		h.Write(b[:])
	}
	for _, at := range slices.Sorted(maps.Keys(i.blocks)) {
		if block := i.blocks[at]; !allZero(block) {
			number(at)
			h.Write(block)
		}
	}
	number(i.size)
	return hex.EncodeToString(h.Sum(nil))
}

func allZero(block []byte) bool {
	for _, b := range block {
		if b != 0 {
			return false
		}
	}
	return true
}
