package fsys

import (
	"errors"
	"io"
	"io/fs"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

type hostDir struct {
	hostNode
	reading sync.Mutex // the descriptor's offset is where the next names are read
}

func newHostDir(fd int, path string) *hostDir {
	d := &hostDir{hostNode: hostNode{dir: path}}
	d.fd.Store(int32(fd))
	return d
}

// nameFailed is failed about a name in the directory.
func (d *hostDir) nameFailed(op, name string, err error) error {
	if err == nil {
		return nil
	}
	return &fs.PathError{Op: op, Path: join(d.dir, name), Err: err}
}

// onName does something with one name, if it is one.
func (d *hostDir) onName(op, name string, call func(fd int) error) error {
	if !ValidName(name) {
		return d.nameFailed(op, name, unix.EINVAL)
	}
	return d.nameFailed(op, name, ignoringEINTR(func() error { return call(d.number()) }))
}

func (d *hostDir) OpenDir(path string) (Dir, error) {
	fail := func(err error) (Dir, error) { return nil, d.nameFailed("open", path, err) }
	if err := CheckPath(path); err != nil {
		return fail(err)
	}
	at, rest := d.number(), path
	for {
		var piece string
		piece, rest = cutPath(rest)
		fd, err := openDirectory(at, piece)
		if at != d.number() {
			unix.Close(at)
		}
		if err != nil {
			return fail(err)
		}
		if rest == "" {
			return newHostDir(fd, d.below(path)), nil
		}
		at = fd
	}
}

func (d *hostDir) below(path string) string {
	if path == "." {
		return d.dir
	}
	return join(d.dir, path)
}

// longest is how long a path may be that the kernel takes at once: PATH_MAX less the zero at its end.
const longest = unix.PathMax - 1

// cutPath cuts off the front of a path what the kernel takes at once.
func cutPath(path string) (piece, rest string) {
	if len(path) <= longest {
		return path, ""
	}
	at := strings.LastIndexByte(path[:longest], '/')
	if at < 0 { // one name, too long for any filesystem: the kernel says so
		return path, ""
	}
	return path[:at], strings.TrimLeft(path[at:], "/")
}

// tries bounds how often a lookup is begun anew that a rename on its way disturbed.
const tries = 32

func openDirectory(at int, path string) (fd int, err error) {
	for range tries {
		fd, err = withoutAtime(unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, func(flags int) (int, error) {
			return openat2(at, path, flags, 0)
		})
		if err != unix.EAGAIN {
			break
		}
	}
	return fd, err
}

func (d *hostDir) open(name string, flags int) (*hostFile, error) {
	if !ValidName(name) {
		return nil, d.nameFailed("open", name, unix.EINVAL)
	}
	fd, err := withoutAtime(flags|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, func(flags int) (int, error) {
		return openat2(d.number(), name, flags, 0)
	})
	if err != nil {
		return nil, d.nameFailed("open", name, err)
	}
	return newHostFile(fd, d.dir, name), nil
}

func (d *hostDir) Open(name string) (File, error) {
	f, err := d.open(name, unix.O_RDONLY)
	if err != nil {
		return nil, err
	}
	return f, nil
}

func (d *hostDir) OpenReadWrite(name string) (File, error) {
	f, err := d.open(name, unix.O_RDWR)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.IsRegular() {
		err = d.nameFailed("open", name, unix.EINVAL)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func (d *hostDir) Create(name string, mode uint32) (File, error) {
	if !ValidName(name) || mode&^0o7777 != 0 {
		return nil, d.nameFailed("create", name, unix.EINVAL)
	}
	fd, err := withoutAtime(unix.O_RDWR|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, func(flags int) (int, error) {
		return openat2(d.number(), name, flags, mode)
	})
	if err != nil {
		return nil, d.nameFailed("create", name, err)
	}
	f := newHostFile(fd, d.dir, name)
	if err := f.Chmod(mode); err != nil {
		f.Close()
		return nil, errors.Join(err, d.Remove(name))
	}
	return f, nil
}

func (d *hostDir) StatName(name string) (Info, error) {
	if !ValidName(name) {
		return Info{}, d.nameFailed("stat", name, unix.EINVAL)
	}
	var st unix.Stat_t
	for {
		switch err := unix.Fstatat(d.number(), name, &st, unix.AT_SYMLINK_NOFOLLOW|unix.AT_NO_AUTOMOUNT); err {
		case nil:
			return infoOf(&st), nil
		case unix.EINTR:
		default:
			return Info{}, d.nameFailed("stat", name, err)
		}
	}
}

func (d *hostDir) Names() ([]string, error) {
	d.reading.Lock()
	defer d.reading.Unlock()
	if _, err := unix.Seek(d.number(), 0, io.SeekStart); err != nil {
		return nil, d.failed("read", err)
	}
	var names []string
	buf := make([]byte, 32<<10)
	for {
		n, err := unix.Getdents(d.number(), buf)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return nil, d.failed("read", err)
		}
		if n == 0 {
			slices.Sort(names)
			return names, nil
		}
		_, _, names = unix.ParseDirent(buf[:n], -1, names)
	}
}

func (d *hostDir) ReadLink(name string) (string, error) {
	if !ValidName(name) {
		return "", d.nameFailed("readlink", name, unix.EINVAL)
	}
	for size := 256; ; size *= 4 {
		buf := make([]byte, size)
		n, err := unix.Readlinkat(d.number(), name, buf)
		switch {
		case err == unix.EINTR:
			size /= 4
		case err != nil:
			return "", d.nameFailed("readlink", name, err)
		case n < size:
			return string(buf[:n]), nil
		}
	}
}

func (d *hostDir) Symlink(target, name string) error {
	return d.onName("symlink", name, func(fd int) error { return unix.Symlinkat(target, fd, name) })
}

func (d *hostDir) ChownName(name string, uid, gid uint32) error {
	return d.onName("chown", name, func(fd int) error {
		return unix.Fchownat(fd, name, int(uid), int(gid), unix.AT_SYMLINK_NOFOLLOW)
	})
}

// Mkdir opens what it made to give it its mode. Should another have put a directory in its place meanwhile, that must at least be ours.
func (d *hostDir) Mkdir(name string, mode uint32) error {
	if mode&^0o7777 != 0 {
		return d.nameFailed("mkdir", name, unix.EINVAL)
	}
	const enter = 0o500 // to be able to open it
	if err := d.onName("mkdir", name, func(fd int) error { return unix.Mkdirat(fd, name, mode|enter) }); err != nil {
		return err
	}
	fd, err := openDirectory(d.number(), name)
	if err != nil {
		return d.nameFailed("mkdir", name, err)
	}
	made := newHostDir(fd, join(d.dir, name))
	defer made.Close()
	info, err := made.Stat()
	if err != nil {
		return err
	}
	if info.UID != uint32(unix.Geteuid()) {
		return d.nameFailed("mkdir", name, unix.ESTALE)
	}
	return made.Chmod(mode)
}

func (d *hostDir) Remove(name string) error {
	return d.onName("remove", name, func(fd int) error { return unix.Unlinkat(fd, name, 0) })
}

func (d *hostDir) RemoveDir(name string) error {
	return d.onName("remove", name, func(fd int) error { return unix.Unlinkat(fd, name, unix.AT_REMOVEDIR) })
}
