package crash

import (
	"io"

	"golang.org/x/sys/unix"

	"github.com/tidemark/tidemark/internal/fsys"
)

type file struct {
	node
	writable bool
	lease    fsys.Lease
	breaking bool       // somebody waits for the lease
	breakTo  fsys.Lease // to become this
}

var _ fsys.File = (*file)(nil)

func (f *file) Close() error {
	return f.closeWith(func() {
		delete(f.inode.files, f)
		f.lease, f.breaking = fsys.LeaseNone, false
		f.inode.letIn()
	})
}

func (f *file) ReadAt(p []byte, offset int64) (n int, err error) {
	err = f.do("read", func() error {
		switch {
		case offset < 0:
			return unix.EINVAL
		case f.inode.isDir():
			return unix.EISDIR
		case !f.inode.isRegular():
			return unix.ESPIPE
		}
		n = f.inode.read(p, offset)
		return nil
	})
	if err == nil && n < len(p) {
		err = io.EOF
	}
	return n, err
}

func (f *file) WriteAt(p []byte, offset int64) (n int, err error) {
	err = f.do("write", func() error {
		switch {
		case len(p) == 0:
			return nil
		case offset < 0:
			return unix.EINVAL
		case !f.writable:
			return unix.EBADF
		case f.inode.immutable():
			return unix.EPERM
		}
		n, err = f.inode.write(f.m, p, offset)
		if n > 0 {
			f.m.written(f.inode)
		}
		return err
	})
	return n, err
}

func (f *file) Truncate(size int64) error {
	return f.do("truncate", func() error {
		switch {
		case size < 0 || !f.writable:
			return unix.EINVAL
		case f.inode.protected():
			return unix.EPERM
		}
		f.inode.truncate(f.m, size)
		f.m.written(f.inode)
		return nil
	})
}

func (f *file) NextData(offset, size int64) (start, end int64, err error) {
	err = f.do("seek", func() error {
		switch {
		case offset >= size || f.inode.isRegular() && offset < 0:
			start, end = size, size
			if offset < 0 {
				return unix.ENXIO
			}
		case !f.inode.isRegular():
			start, end = offset, size
		default:
			start, end = f.inode.nextData(offset, size)
		}
		return nil
	})
	return start, end, err
}

// DropCache shows what a failed sync has lost.
func (f *file) DropCache() error {
	return f.do("fadvise", func() error {
		for number := range f.inode.lost {
			var was []byte
			if onDisk := f.m.disk[f.inode.ino]; onDisk != nil {
				was = onDisk.blocks[number]
			}
			if f.inode.blocks[number] != nil {
				f.m.used--
			}
			if was != nil {
				f.m.used++
			}
			setBlock(f.inode, number, was)
		}
		f.inode.lost = nil
		return nil
	})
}

func (n *node) Sync() error {
	return n.do("sync", func() error {
		n.m.syncInode(n.inode)
		if n.inode.isDir() {
			n.m.syncNames(n.inode.ino)
		}
		n.m.settle()
		return nil
	})
}
