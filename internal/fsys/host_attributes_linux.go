package fsys

import (
	"bytes"
	"unsafe"

	"golang.org/x/sys/unix"
)

func timespecs(atime, mtime Time) (times [2]unix.Timespec, err error) {
	for i, t := range []Time{atime, mtime} {
		if t.Nsec < 0 || t.Nsec >= 1e9 {
			return times, unix.EINVAL
		}
		if times[i], err = unix.TimeToTimespec(t.Go()); err != nil {
			return times, unix.EINVAL
		}
	}
	return times, nil
}

// SetTimes goes by the descriptor: utimensat with no path at all.
func (n *hostNode) SetTimes(atime, mtime Time) error {
	times, err := timespecs(atime, mtime)
	if err != nil {
		return n.failed("utimes", err)
	}
	return n.failed("utimes", ignoringEINTR(func() error {
		_, _, errno := unix.Syscall6(unix.SYS_UTIMENSAT, uintptr(n.number()), 0, uintptr(unsafe.Pointer(&times)), 0, 0, 0)
		if errno != 0 {
			return errno
		}
		return nil
	}))
}

func (d *hostDir) SetTimesName(name string, atime, mtime Time) error {
	times, err := timespecs(atime, mtime)
	if err != nil {
		return d.nameFailed("utimes", name, err)
	}
	return d.onName("utimes", name, func(fd int) error {
		return unix.UtimesNanoAt(fd, name, times[:], unix.AT_SYMLINK_NOFOLLOW)
	})
}

// Xattrs leaves out what XFS shows root twice: the ACLs in their form on the medium, besides system.posix_acl_*.
func (n *hostNode) Xattrs() (map[string][]byte, error) {
	var small [1024]byte
	list, err := growing(small[:], func(buf []byte) (int, error) { return unix.Flistxattr(n.number(), buf) })
	if err != nil {
		return nil, n.failed("listxattr", unsupported(err))
	}
	all := map[string][]byte{}
	for name := range bytes.SplitSeq(list, []byte{0}) {
		if len(name) == 0 || bytes.HasPrefix(name, []byte("trusted.SGI_ACL_")) {
			continue
		}
		var small [256]byte
		value, err := growing(small[:], func(buf []byte) (int, error) { return unix.Fgetxattr(n.number(), string(name), buf) })
		if err == unix.ENODATA { // somebody removed it since it was listed
			continue
		}
		if err != nil {
			return nil, n.failed("getxattr "+string(name), unsupported(err))
		}
		all[string(name)] = bytes.Clone(value)
	}
	return all, nil
}

// growing calls with larger and larger buffers until the answer fits.
func growing(buf []byte, call func(buf []byte) (int, error)) ([]byte, error) {
	for {
		n, err := call(buf)
		switch {
		case err == nil:
			return buf[:n], nil
		case err == unix.ERANGE && len(buf) < 1<<20:
			buf = make([]byte, 4*len(buf))
		case err != unix.EINTR:
			return nil, err
		}
	}
}

func (n *hostNode) SetXattr(name string, value []byte) error {
	err := ignoringEINTR(func() error { return unix.Fsetxattr(n.number(), name, value, 0) })
	return n.failed("setxattr "+name, unsupported(err))
}

func (n *hostNode) RemoveXattr(name string) error {
	err := ignoringEINTR(func() error { return unix.Fremovexattr(n.number(), name) })
	return n.failed("removexattr "+name, unsupported(err))
}

// The ioctls. FS_IOC_GETFLAGS is declared with a long and uses an int, on every filesystem.
const (
	getFlags   = unix.FS_IOC_GETFLAGS
	setFlags   = unix.FS_IOC_SETFLAGS
	getVersion = 0x80087601 // _IOR('v', 1, long)
	getFsxattr = 0x801c581f
	setFsxattr = 0x401c5820
)

// fsxattr is struct fsxattr of linux/fs.h.
type fsxattr struct {
	xflags, extentSize, extents, project, cowExtentSize uint32
	_                                                   [8]byte
}

func (n *hostNode) ioctl(request uint, arg unsafe.Pointer) error {
	for {
		_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(n.number()), uintptr(request), uintptr(arg))
		switch errno {
		case 0:
			return nil
		case unix.EINTR:
		default:
			return unsupported(errno)
		}
	}
}

func (n *hostNode) Flags() (uint32, error) {
	var flags [2]uint32 // room for a long, in case a filesystem means it
	err := n.ioctl(getFlags, unsafe.Pointer(&flags))
	return flags[0], n.failed("getflags", err)
}

func (n *hostNode) SetFlags(flags uint32) error {
	arg := [2]uint32{flags}
	return n.failed("setflags", n.ioctl(setFlags, unsafe.Pointer(&arg)))
}

// Generation is FS_IOC_GETVERSION: an inode that is used again has another one.
func (n *hostNode) Generation() (uint32, error) {
	var generation [2]uint32 // room for a long
	err := n.ioctl(getVersion, unsafe.Pointer(&generation))
	return generation[0], n.failed("getversion", err)
}

func (n *hostNode) ProjectID() (uint32, error) {
	var attr fsxattr
	err := n.ioctl(getFsxattr, unsafe.Pointer(&attr))
	return attr.project, n.failed("getproject", err)
}

func (n *hostNode) SetProjectID(id uint32) error {
	var attr fsxattr
	err := n.ioctl(getFsxattr, unsafe.Pointer(&attr))
	if err == nil {
		attr.project = id
		err = n.ioctl(setFsxattr, unsafe.Pointer(&attr))
	}
	return n.failed("setproject", err)
}
