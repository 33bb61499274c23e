package crash

import (
	"slices"

	"golang.org/x/sys/unix"

	"github.com/tidemark/tidemark/internal/fsys"
)

// SetLease gives what the kernel would give.
func (f *file) SetLease(kind fsys.Lease) error {
	return f.do("lease", func() error {
		i := f.inode
		readers, writers := i.opens()
		switch {
		case kind < fsys.LeaseNone || kind > fsys.LeaseWrite:
			return unix.EINVAL
		case kind == fsys.LeaseNone:
		case f.m.Lacks&Leases != 0 || !i.isRegular():
			return unix.EOPNOTSUPP
		case kind == fsys.LeaseRead && (writers > 0 || i.isBreaking(f)):
			return unix.EAGAIN
		case kind == fsys.LeaseWrite && readers+writers > 1:
			return unix.EAGAIN
		}
		f.lease = kind
		if f.breaking && kind <= f.breakTo {
			f.breaking = false
		}
		i.letIn()
		return nil
	})
}

func (f *file) Lease() (lease fsys.Lease, err error) {
	err = f.do("lease", func() error {
		if lease = f.lease; f.breaking {
			lease = f.breakTo
		}
		return nil
	})
	return lease, err
}

// opens counts who has a file open.
func (i *inode) opens() (readers, writers int) {
	for f := range i.files {
		if f.writable {
			writers++
		} else {
			readers++
		}
	}
	for o := range i.others {
		if o.writes {
			writers++
		} else {
			readers++
		}
	}
	return readers, writers
}

// isBreaking says whether a lease other than this file's is to be given back.
func (i *inode) isBreaking(than *file) bool {
	for f := range i.files {
		if f != than && f.breaking {
			return true
		}
	}
	return false
}

// breakLeases asks for the leases that forbid an open, and says whether there are any.
func (i *inode) breakLeases(writes bool) bool {
	any := false
	for f := range i.files {
		to := fsys.LeaseNone
		if !writes {
			to = fsys.LeaseRead
		}
		if f.lease <= to {
			continue
		}
		any = true
		if !f.breaking || to < f.breakTo {
			f.breaking, f.breakTo = true, to
		}
	}
	return any
}

// letIn opens for those who wait, where no lease forbids it any more.
func (i *inode) letIn() {
	i.waiting = slices.DeleteFunc(i.waiting, func(o *Other) bool {
		if i.breakLeases(o.writes) {
			return false
		}
		o.enter()
		return true
	})
}

// Other is another process that has found a file, and may open it later, wherever the file is by then.
type Other struct {
	m      *mount
	inode  *inode
	writes bool
	open   bool
}

// Other finds a file by its path, following symlinks.
func (f *FS) Other(path string) (*Other, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	m, i, err := f.find(path)
	if err != nil {
		return nil, pathError("open", path, err)
	}
	return &Other{m: m, inode: i}, nil
}

// Open opens it, for writing or only for reading. A lease that forbids it is asked for, and the process waits until the lease is given
// back (IsOpen says when) or taken (Force).
func (o *Other) Open(writes bool) error {
	o.m.fs.mu.Lock()
	defer o.m.fs.mu.Unlock()
	switch {
	case o.m.fs.dead:
		return pathError("open", "another process", unix.EIO)
	case o.open:
		return pathError("open", "another process", unix.EBUSY)
	case writes && o.inode.protected():
		return pathError("open", "another process", unix.EPERM)
	}
	o.writes = writes
	if o.inode.breakLeases(writes) {
		o.inode.waiting = append(o.inode.waiting, o)
		return nil
	}
	o.enter()
	return nil
}

func (o *Other) enter() {
	if o.inode.others == nil {
		o.inode.others = map[*Other]bool{}
	}
	o.inode.others[o] = true
	o.inode.handles++
	o.open = true
}

// IsOpen says whether it waits no more.
func (o *Other) IsOpen() bool {
	o.m.fs.mu.Lock()
	defer o.m.fs.mu.Unlock()
	return o.open
}

// Force takes the leases on which it waits, as the kernel does after 45 seconds.
func (o *Other) Force() {
	o.m.fs.mu.Lock()
	defer o.m.fs.mu.Unlock()
	for f := range o.inode.files {
		if f.breaking {
			f.lease, f.breaking = f.breakTo, false
		}
	}
	o.inode.letIn()
}

// WriteAt writes. It must be open for writing.
func (o *Other) WriteAt(p []byte, offset int64) (int, error) {
	o.m.fs.mu.Lock()
	defer o.m.fs.mu.Unlock()
	switch {
	case o.m.fs.dead:
		return 0, pathError("write", "another process", unix.EIO)
	case !o.open || !o.writes:
		return 0, pathError("write", "another process", unix.EBADF)
	}
	n, err := o.inode.write(o.m, p, offset)
	o.m.written(o.inode)
	return n, pathError("write", "another process", err)
}

// Close closes it, or gives up waiting.
func (o *Other) Close() error {
	o.m.fs.mu.Lock()
	defer o.m.fs.mu.Unlock()
	o.inode.waiting = slices.DeleteFunc(o.inode.waiting, func(other *Other) bool { return other == o })
	if o.open {
		delete(o.inode.others, o)
		o.open = false
		o.inode.handles--
		o.m.freeUnused(o.inode)
	}
	return nil
}
