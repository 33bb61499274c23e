package fault

import (
	"github.com/tidemark/tidemark/internal/fsys"
)

type node struct {
	fs    *FS
	inner fsys.Node
	path  string
}

func (n *node) do(op string, call func() error) error {
	return n.fs.do(Call{Op: op, Path: n.path}, call, nil)
}

// Close closes also when it fails, as Linux does.
func (n *node) Close() error {
	return n.fs.do(Call{Op: "Close", Path: n.path}, n.inner.Close, func(*Fault) { n.inner.Close() })
}

func (n *node) Stat() (info fsys.Info, err error) {
	err = n.do("Stat", func() (err error) { info, err = n.inner.Stat(); return err })
	return info, err
}

// Generation is no call of fsys.Node: it is handed on uncounted.
func (n *node) Generation() (uint32, error) {
	if g, ok := n.inner.(interface{ Generation() (uint32, error) }); ok {
		return g.Generation()
	}
	return 0, fsys.ErrUnsupported
}

func (n *node) Chown(uid, gid uint32) error {
	return n.do("Chown", func() error { return n.inner.Chown(uid, gid) })
}

func (n *node) Chmod(mode uint32) error {
	return n.do("Chmod", func() error { return n.inner.Chmod(mode) })
}

func (n *node) SetTimes(atime, mtime fsys.Time) error {
	return n.do("SetTimes", func() error { return n.inner.SetTimes(atime, mtime) })
}

func (n *node) Xattrs() (all map[string][]byte, err error) {
	err = n.do("Xattrs", func() (err error) { all, err = n.inner.Xattrs(); return err })
	return all, err
}

func (n *node) SetXattr(name string, value []byte) error {
	return n.do("SetXattr", func() error { return n.inner.SetXattr(name, value) })
}

func (n *node) RemoveXattr(name string) error {
	return n.do("RemoveXattr", func() error { return n.inner.RemoveXattr(name) })
}

func (n *node) Flags() (flags uint32, err error) {
	err = n.do("Flags", func() (err error) { flags, err = n.inner.Flags(); return err })
	return flags, err
}

func (n *node) SetFlags(flags uint32) error {
	return n.do("SetFlags", func() error { return n.inner.SetFlags(flags) })
}

func (n *node) ProjectID() (id uint32, err error) {
	err = n.do("ProjectID", func() (err error) { id, err = n.inner.ProjectID(); return err })
	return id, err
}

func (n *node) SetProjectID(id uint32) error {
	return n.do("SetProjectID", func() error { return n.inner.SetProjectID(id) })
}

// Sync that fails does to a filesystem of the crash package what it does on Linux: the content is clean in the cache, and not on the disk.
// Later syncs succeed and change nothing about it.
func (n *node) Sync() error {
	return n.fs.do(Call{Op: "Sync", Path: n.path}, n.inner.Sync, func(*Fault) { n.LoseUnsynced(false) })
}

// LoseUnsynced tells the filesystem below, if it is one that can do so, to lose what was written and not synced.
func (n *node) LoseUnsynced(all bool) {
	if inner, ok := n.inner.(interface{ LoseUnsynced(all bool) }); ok {
		inner.LoseUnsynced(all)
	}
}

type file struct {
	node
	inner fsys.File
}

func (f *file) ReadAt(p []byte, offset int64) (n int, err error) {
	err = f.do("ReadAt", func() (err error) { n, err = f.inner.ReadAt(p, offset); return err })
	return n, err
}

func (f *file) WriteAt(p []byte, offset int64) (n int, err error) {
	err = f.fs.do(Call{Op: "WriteAt", Path: f.path}, func() (err error) {
		n, err = f.inner.WriteAt(p, offset)
		return err
	}, func(fault *Fault) {
		if part := min(fault.Partial, len(p)); part > 0 {
			n, _ = f.inner.WriteAt(p[:part], offset)
		}
	})
	return n, err
}

func (f *file) Truncate(size int64) error {
	return f.do("Truncate", func() error { return f.inner.Truncate(size) })
}

func (f *file) NextData(offset, size int64) (start, end int64, err error) {
	err = f.do("NextData", func() (err error) { start, end, err = f.inner.NextData(offset, size); return err })
	return start, end, err
}

func (f *file) DropCache() error { return f.do("DropCache", f.inner.DropCache) }

func (f *file) SetLease(kind fsys.Lease) error {
	return f.do("SetLease", func() error { return f.inner.SetLease(kind) })
}

func (f *file) Lease() (lease fsys.Lease, err error) {
	err = f.do("Lease", func() (err error) { lease, err = f.inner.Lease(); return err })
	return lease, err
}
