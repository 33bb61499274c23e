package fsys

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// Host is this machine's filesystems. It needs Linux 5.8, and never looks up a name twice. What it opens is for one user at a time
// where Close is concerned: a call that runs while another closes the same file may meet another file's descriptor. All else
// may be called at the same time.
//
// A file that somebody holds a lease on is not waited for: opening it is EAGAIN (and asks the holder to give the lease back).
type Host struct{}

var (
	_ FS   = Host{}
	_ Dir  = (*hostDir)(nil)
	_ File = (*hostFile)(nil)
)

// OpenRoot opens the directory at an absolute path.
func (Host) OpenRoot(path string) (Dir, error) {
	if !strings.HasPrefix(path, "/") {
		return nil, &fs.PathError{Op: "open", Path: path, Err: unix.EINVAL}
	}
	fd, err := withoutAtime(unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, func(flags int) (int, error) {
		return unix.Open(path, flags, 0)
	})
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	return newHostDir(fd, path), nil
}

// resolve is how every path below a root is looked up: nothing on the way, nor at its end, may lead elsewhere.
const resolve = unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_XDEV | unix.RESOLVE_NO_MAGICLINKS

// openat2 opens one path (shorter than PATH_MAX) below a directory.
func openat2(dir int, path string, flags int, mode uint32) (int, error) {
	how := unix.OpenHow{Flags: uint64(flags), Mode: uint64(mode), Resolve: resolve}
	for {
		fd, err := unix.Openat2(dir, path, &how)
		if err != unix.EINTR {
			return fd, err
		}
	}
}

// withoutAtime opens with O_NOATIME, which is for the owner of a file and for root, and else without.
func withoutAtime(flags int, open func(flags int) (int, error)) (int, error) {
	for {
		fd, err := open(flags | unix.O_NOATIME)
		if err == unix.EPERM {
			fd, err = open(flags)
		}
		if err != unix.EINTR {
			return fd, err
		}
	}
}

// ignoringEINTR calls again what a signal interrupted.
func ignoringEINTR(call func() error) error {
	for {
		if err := call(); err != unix.EINTR {
			return err
		}
	}
}

// hostNode is a descriptor that is closed once. Its path is for messages only.
type hostNode struct {
	fd   atomic.Int32 // -1: closed
	dir  string
	name string // within dir; empty: dir is the path
}

func (n *hostNode) number() int { return int(n.fd.Load()) }

func (n *hostNode) path() string {
	if n.name == "" {
		return n.dir
	}
	return join(n.dir, n.name)
}

func join(dir, name string) string { return strings.TrimSuffix(dir, "/") + "/" + name }

// failed gives an error its operation and path; nil stays nil.
func (n *hostNode) failed(op string, err error) error {
	if err == nil {
		return nil
	}
	return &fs.PathError{Op: op, Path: n.path(), Err: err}
}

func (n *hostNode) Close() error {
	fd := n.fd.Swap(-1)
	if fd < 0 {
		return n.failed("close", unix.EBADF)
	}
	err := unix.Close(int(fd))
	if err == unix.EINTR { // Linux has closed it by then
		err = nil
	}
	return n.failed("close", err)
}

func (n *hostNode) Stat() (Info, error) {
	var st unix.Stat_t
	for {
		switch err := unix.Fstat(n.number(), &st); err {
		case nil:
			return infoOf(&st), nil
		case unix.EINTR:
		default:
			return Info{}, n.failed("stat", err)
		}
	}
}

func infoOf(st *unix.Stat_t) Info {
	return Info{
		Dev: uint64(st.Dev), Ino: st.Ino, Mode: st.Mode, Nlink: uint64(st.Nlink), UID: st.Uid, GID: st.Gid,
		Size: st.Size, Allocated: st.Blocks * 512,
		Atime: timeOf(st.Atim), Mtime: timeOf(st.Mtim), Ctime: timeOf(st.Ctim),
	}
}

func timeOf(ts unix.Timespec) Time { return Time{Sec: int64(ts.Sec), Nsec: int32(ts.Nsec)} }

func (n *hostNode) Chown(uid, gid uint32) error {
	return n.failed("chown", ignoringEINTR(func() error { return unix.Fchown(n.number(), int(uid), int(gid)) }))
}

func (n *hostNode) Chmod(mode uint32) error {
	if mode&^0o7777 != 0 {
		return n.failed("chmod", unix.EINVAL)
	}
	return n.failed("chmod", ignoringEINTR(func() error { return unix.Fchmod(n.number(), mode) }))
}

func (n *hostNode) Sync() error {
	return n.failed("sync", ignoringEINTR(func() error { return unix.Fsync(n.number()) }))
}

// linkFailed is failed for two names.
func linkFailed(op, from, to string, err error) error {
	if err == nil {
		return nil
	}
	return &os.LinkError{Op: op, Old: from, New: to, Err: err}
}

// unsupported turns the errnos by which an ioctl says that it is not known here into the one that is ErrUnsupported.
func unsupported(err error) error {
	if err == unix.ENOTTY || errors.Is(err, ErrUnsupported) {
		return unix.EOPNOTSUPP
	}
	return err
}
