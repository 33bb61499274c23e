package fsys

import (
	"io"

	"golang.org/x/sys/unix"
)

func (d *hostDir) Rename(name string, to Dir, newName string, how Rename) error {
	return d.toName("rename", name, to, newName, func(fd, toFd int) error {
		switch how {
		case Replace:
			return unix.Renameat2(fd, name, toFd, newName, 0)
		case NoReplace:
			return unix.Renameat2(fd, name, toFd, newName, unix.RENAME_NOREPLACE)
		case Exchange:
			return unix.Renameat2(fd, name, toFd, newName, unix.RENAME_EXCHANGE)
		}
		return unix.EINVAL
	})
}

func (d *hostDir) Link(name string, to Dir, newName string) error {
	return d.toName("link", name, to, newName, func(fd, toFd int) error {
		return unix.Linkat(fd, name, toFd, newName, 0)
	})
}

// toName does something with a name here and a name in another directory, which must be the host's as well.
func (d *hostDir) toName(op, name string, to Dir, newName string, call func(fd, toFd int) error) error {
	other, ok := to.(*hostDir)
	if !ok {
		return linkFailed(op, join(d.dir, name), newName, unix.EXDEV)
	}
	err := error(unix.EINVAL)
	if ValidName(name) && ValidName(newName) {
		err = ignoringEINTR(func() error { return call(d.number(), other.number()) })
	}
	return linkFailed(op, join(d.dir, name), join(other.dir, newName), err)
}

func (d *hostDir) SyncFS() error {
	return d.failed("syncfs", ignoringEINTR(func() error { return unix.Syncfs(d.number()) }))
}

func (d *hostDir) StatFS() (Usage, error) {
	var st unix.Statfs_t
	if err := ignoringEINTR(func() error { return unix.Fstatfs(d.number(), &st) }); err != nil {
		return Usage{}, d.failed("statfs", err)
	}
	block := int64(st.Frsize) // the unit of the counts; Bsize is what to read at once
	if block <= 0 {
		block = int64(st.Bsize)
	}
	return Usage{
		Type: int64(st.Type), Total: int64(st.Blocks) * block, Free: int64(st.Bfree) * block,
		Available: max(0, int64(st.Bavail)) * block, ReadOnly: int64(st.Flags)&unix.ST_RDONLY != 0,
	}, nil
}

func (d *hostDir) Lock(name string) (io.Closer, error) {
	if !ValidName(name) {
		return nil, d.nameFailed("lock", name, unix.EINVAL)
	}
	fd, err := openat2(d.number(), name, unix.O_RDWR|unix.O_CREAT|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, d.nameFailed("lock", name, err)
	}
	lock := newHostFile(fd, d.dir, name)
	err = ignoringEINTR(func() error { return unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB) })
	if err == nil {
		return lock, nil
	}
	lock.Close()
	if err == unix.EWOULDBLOCK {
		err = ErrLocked
	}
	return nil, d.nameFailed("lock", name, err)
}
