package crash

import (
	"io"
	"maps"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/tidemark/tidemark/internal/fsys"
)

type dir struct{ node }

var _ fsys.Dir = (*dir)(nil)

const longestName = 255

// lookup finds a name in a directory.
func (m *mount) lookup(at *inode, name string) (*inode, error) {
	switch {
	case !at.isDir():
		return nil, unix.ENOTDIR
	case at.unlinked:
		return nil, unix.ENOENT
	case len(name) > longestName:
		return nil, unix.ENAMETOOLONG
	}
	ino, ok := at.entries[name]
	if !ok {
		return nil, unix.ENOENT
	}
	return m.now[ino], nil
}

// onName is a call about one name.
func (d *dir) onName(op, name string, call func() error) error {
	d.m.fs.mu.Lock()
	defer d.m.fs.mu.Unlock()
	err := d.usable()
	if !fsys.ValidName(name) {
		err = unix.EINVAL
	}
	if err == nil {
		err = call()
	}
	return pathError(op, join(d.dir, name), err)
}

// onFile is onName where the name is there.
func (d *dir) onFile(op, name string, call func(i *inode) error) error {
	return d.onName(op, name, func() error {
		i, err := d.m.lookup(d.inode, name)
		if err != nil {
			return err
		}
		return call(i)
	})
}

func (d *dir) OpenDir(path string) (fsys.Dir, error) {
	d.m.fs.mu.Lock()
	defer d.m.fs.mu.Unlock()
	err := d.usable()
	if bad := fsys.CheckPath(path); bad != nil {
		err = bad
	}
	at := d.inode
	for name := range strings.SplitSeq(path, "/") {
		if err != nil || name == "" || name == "." {
			continue
		}
		at, err = d.m.enter(at, name)
	}
	if err != nil {
		return nil, pathError("open", join(d.dir, path), err)
	}
	next := &dir{node{m: d.m, inode: at, dir: d.dir}}
	if path != "." {
		next.dir = join(d.dir, path)
	}
	next.hold()
	return next, nil
}

func (m *mount) enter(at *inode, name string) (*inode, error) {
	next, err := m.lookup(at, name)
	switch {
	case err != nil:
		return nil, err
	case next.kind() == unix.S_IFLNK:
		return nil, unix.ELOOP
	case !next.isDir():
		return nil, unix.ENOTDIR
	case next.mounted != nil:
		return nil, unix.EXDEV
	}
	return next, nil
}

func (d *dir) Open(name string) (fsys.File, error) { return d.open(name, false) }

func (d *dir) OpenReadWrite(name string) (fsys.File, error) { return d.open(name, true) }

func (d *dir) open(name string, writes bool) (fsys.File, error) {
	var f *file
	err := d.onFile("open", name, func(i *inode) error {
		switch {
		case i.kind() == unix.S_IFLNK:
			return unix.ELOOP
		case i.mounted != nil:
			return unix.EXDEV
		case writes && i.isDir():
			return unix.EISDIR
		case writes && i.protected():
			return unix.EPERM
		case i.kind() == unix.S_IFSOCK:
			return unix.ENXIO
		case writes && !i.isRegular():
			return unix.EINVAL
		case i.breakLeases(writes):
			return unix.EAGAIN
		}
		f = d.opened(i, name, writes)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return f, nil
}

func (d *dir) opened(i *inode, name string, writes bool) *file {
	f := &file{node: node{m: d.m, inode: i, dir: d.dir, name: name}, writable: writes}
	f.hold()
	if i.isRegular() {
		if i.files == nil {
			i.files = map[*file]bool{}
		}
		i.files[f] = true
	}
	return f
}

// make gives a directory a new file. Its mode is the whole one.
func (m *mount) make(at *inode, name string, i *inode) (*inode, error) {
	switch _, err := m.lookup(at, name); {
	case err == nil:
		return nil, unix.EEXIST
	case err != unix.ENOENT || at.unlinked:
		return nil, err
	case at.immutable():
		return nil, unix.EPERM
	case m.Inodes > 0 && int64(len(m.now)) >= m.Inodes:
		return nil, unix.ENOSPC
	}
	m.lastInode++
	i.ino, i.nlink = m.lastInode, 1
	i.atime = m.fs.now()
	i.mtime, i.ctime = i.atime, i.atime
	if at.mode&unix.S_ISGID != 0 {
		i.gid = at.gid
	}
	if i.isDir() {
		i.entries, i.nlink, i.parent = map[string]uint64{}, 2, at.ino
		at.nlink++
	}
	i.inherit(at)
	m.now[i.ino] = i
	at.entries[name] = i.ino
	m.touched(at)
	i.born = m.add(&record{time: i.ctime, names: []change{{at.ino, name, i.ino}}, made: i.clone()}, i.ino)
	return i, nil
}

// touched moves the times of a directory whose names changed. That is part of the change of the names.
func (m *mount) touched(at *inode) {
	at.mtime = m.fs.clock
	at.ctime = at.mtime
}

func (d *dir) Create(name string, mode uint32) (fsys.File, error) {
	var f *file
	err := d.onName("create", name, func() error {
		if mode&^0o7777 != 0 {
			return unix.EINVAL
		}
		i, err := d.m.make(d.inode, name, &inode{attrs: attrs{mode: unix.S_IFREG | mode}})
		if err != nil {
			return err
		}
		f = d.opened(i, name, true)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return f, nil
}

func (d *dir) Mkdir(name string, mode uint32) error {
	return d.onName("mkdir", name, func() error {
		if mode&^0o7777 != 0 {
			return unix.EINVAL
		}
		_, err := d.m.make(d.inode, name, &inode{attrs: attrs{mode: unix.S_IFDIR | mode}})
		return err
	})
}

func (d *dir) Symlink(target, name string) error {
	return d.onName("symlink", name, func() error {
		switch {
		case strings.IndexByte(target, 0) >= 0:
			return unix.EINVAL
		case target == "":
			return unix.ENOENT
		case len(target) >= unix.PathMax:
			return unix.ENAMETOOLONG
		}
		_, err := d.m.make(d.inode, name, &inode{attrs: attrs{mode: unix.S_IFLNK | 0o777}, target: target})
		return err
	})
}

func (d *dir) StatName(name string) (info fsys.Info, err error) {
	err = d.onFile("stat", name, func(i *inode) error {
		m := d.m
		if i.mounted != nil {
			m, i = i.mounted, i.mounted.now[rootInode]
		}
		info = i.info(m)
		return nil
	})
	return info, err
}

func (d *dir) Names() (names []string, err error) {
	err = d.do("read", func() error {
		if d.inode.unlinked {
			return unix.ENOENT
		}
		names = slices.Sorted(maps.Keys(d.inode.entries))
		return nil
	})
	return names, err
}

func (d *dir) ReadLink(name string) (target string, err error) {
	err = d.onFile("readlink", name, func(i *inode) error {
		if i.kind() != unix.S_IFLNK {
			return unix.EINVAL
		}
		target = i.target
		return nil
	})
	return target, err
}

func (d *dir) ChownName(name string, uid, gid uint32) error {
	return d.onFile("chown", name, func(i *inode) error {
		if i.protected() {
			return unix.EPERM
		}
		i.chown(uid, gid)
		d.m.changed(i)
		return nil
	})
}

func (d *dir) SetTimesName(name string, atime, mtime fsys.Time) error {
	return d.onFile("utimes", name, func(i *inode) error { return d.m.setTimes(i, atime, mtime) })
}

func (d *dir) SyncFS() error {
	return d.do("syncfs", func() error {
		d.m.syncAll()
		return nil
	})
}

func (d *dir) StatFS() (usage fsys.Usage, err error) {
	err = d.do("statfs", func() error {
		free := max(0, d.m.Size-d.m.used*blockSize)
		usage = fsys.Usage{Type: d.m.Type, Total: d.m.Size, Free: free, Available: free}
		return nil
	})
	return usage, err
}

// lock is held until it is closed, or until the power is cut.
type lock struct {
	file *file
}

func (l lock) Close() error {
	return l.file.closeWith(func() {
		delete(l.file.inode.files, l.file)
		delete(l.file.m.locks, l.file.inode.ino)
	})
}

func (d *dir) Lock(name string) (io.Closer, error) {
	var held lock
	err := d.onName("lock", name, func() error {
		i, err := d.m.lookup(d.inode, name)
		if err == unix.ENOENT {
			i, err = d.m.make(d.inode, name, &inode{attrs: attrs{mode: unix.S_IFREG | d.inode.masked(0o600)}})
		}
		switch {
		case err != nil:
			return err
		case i.kind() == unix.S_IFLNK:
			return unix.ELOOP
		case i.isDir():
			return unix.EISDIR
		case i.protected():
			return unix.EPERM
		case i.breakLeases(true):
			return unix.EAGAIN
		case d.m.locks[i.ino]:
			return fsys.ErrLocked
		}
		d.m.locks[i.ino] = true
		held = lock{d.opened(i, name, true)}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return held, nil
}
