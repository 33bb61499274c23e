package fsys

import (
	"io"

	"golang.org/x/sys/unix"
)

type hostFile struct{ hostNode }

func newHostFile(fd int, dir, name string) *hostFile {
	f := &hostFile{hostNode{dir: dir, name: name}}
	f.fd.Store(int32(fd))
	return f
}

func (f *hostFile) ReadAt(p []byte, offset int64) (int, error) {
	done := 0
	for done < len(p) {
		switch n, err := unix.Pread(f.number(), p[done:], offset+int64(done)); {
		case err == unix.EINTR:
		case err != nil:
			return done, f.failed("read", err)
		case n == 0:
			return done, io.EOF
		default:
			done += n
		}
	}
	return done, nil
}

func (f *hostFile) WriteAt(p []byte, offset int64) (int, error) {
	done := 0
	for done < len(p) {
		switch n, err := unix.Pwrite(f.number(), p[done:], offset+int64(done)); {
		case err == unix.EINTR:
		case err != nil:
			return done, f.failed("write", err)
		case n == 0:
			return done, f.failed("write", unix.EIO)
		default:
			done += n
		}
	}
	return done, nil
}

func (f *hostFile) Truncate(size int64) error {
	return f.failed("truncate", ignoringEINTR(func() error { return unix.Ftruncate(f.number(), size) }))
}

// NextData believes SEEK_DATA and SEEK_HOLE. They move the descriptor's offset, which nothing here uses.
func (f *hostFile) NextData(offset, size int64) (start, end int64, err error) {
	if offset >= size {
		return size, size, nil
	}
	start, err = f.seek(offset, unix.SEEK_DATA)
	switch err {
	case nil:
	case unix.ENXIO:
		return size, size, nil
	case unix.EINVAL, unix.EOPNOTSUPP:
		if offset >= 0 {
			return offset, size, nil
		}
		fallthrough
	default:
		return 0, 0, f.failed("seek", err)
	}
	if start >= size {
		return size, size, nil
	}
	end, err = f.seek(start, unix.SEEK_HOLE)
	if err != nil || end <= start { // it was truncated meanwhile; the reader will see
		return start, size, nil
	}
	return start, min(end, size), nil
}

func (f *hostFile) seek(offset int64, whence int) (int64, error) {
	for {
		at, err := unix.Seek(f.number(), offset, whence)
		if err != unix.EINTR {
			return at, err
		}
	}
}

func (f *hostFile) DropCache() error {
	return f.failed("fadvise", ignoringEINTR(func() error {
		return unix.Fadvise(f.number(), 0, 0, unix.FADV_DONTNEED)
	}))
}

// SetLease asks the kernel. A break sends SIGIO, which the Go runtime ignores. Giving back a lease that is not held, or no more, is no error.
func (f *hostFile) SetLease(kind Lease) error {
	arg := unix.F_UNLCK
	switch kind {
	case LeaseNone:
	case LeaseRead:
		arg = unix.F_RDLCK
	case LeaseWrite:
		arg = unix.F_WRLCK
	default:
		return f.failed("lease", unix.EINVAL)
	}
	err := ignoringEINTR(func() error {
		_, err := unix.FcntlInt(uintptr(f.number()), unix.F_SETLEASE, arg)
		return err
	})
	switch {
	case kind == LeaseNone && (err == unix.EAGAIN || err == unix.EINVAL):
		err = nil
	case err == unix.EINVAL:
		err = unix.EOPNOTSUPP // the filesystem has none
	}
	return f.failed("lease", err)
}

func (f *hostFile) Lease() (Lease, error) {
	for {
		kind, err := unix.FcntlInt(uintptr(f.number()), unix.F_GETLEASE, 0)
		switch {
		case err == unix.EINTR:
		case err != nil:
			return LeaseNone, f.failed("lease", err)
		case kind == unix.F_RDLCK:
			return LeaseRead, nil
		case kind == unix.F_WRLCK:
			return LeaseWrite, nil
		default:
			return LeaseNone, nil
		}
	}
}
