package scan

import (
	"errors"
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"
)

// handle is how a directory is open. The walk's lock guards it.
type handle struct {
	fd       int // -1: not open
	using    int // workers that need it now
	waiting  int // work on the stack that will need it
	dev, ino uint64
}

// errMoved says that a name does not lead to the same directory any more.
var errMoved = errors.New("another directory has taken its place")

// openBelow opens a subdirectory: never through a symlink, never onto another mount.
func openBelow(parent int, name []byte) (int, error) {
	how := unix.OpenHow{
		Flags:   unix.O_RDONLY | unix.O_DIRECTORY | unix.O_CLOEXEC | unix.O_NOATIME,
		Resolve: unix.RESOLVE_NO_XDEV | unix.RESOLVE_NO_SYMLINKS,
	}
	for {
		fd, _, errno := unix.Syscall6(unix.SYS_OPENAT2, uintptr(parent), uintptr(unsafe.Pointer(&name[0])), uintptr(unsafe.Pointer(&how)),
			unsafe.Sizeof(how), 0, 0)
		switch errno {
		case 0:
			return int(fd), nil
		case unix.EINTR:
		case unix.EPERM:
			if how.Flags&unix.O_NOATIME == 0 {
				return -1, errno
			}
			how.Flags &^= unix.O_NOATIME // somebody else's directory
		default:
			return -1, errno
		}
	}
}

// openChild opens a subdirectory of one that the caller uses; the caller uses the new one too, until it calls done.
func (w *walk) openChild(parent *Directory, name []byte) (*Directory, error) {
	fd, err := w.descriptor(parent)
	if err != nil {
		return nil, err
	}
	child, err := openBelow(fd, name)
	if err != nil {
		return nil, err
	}
	var st unix.Stat_t
	if err := unix.Fstat(child, &st); err != nil {
		unix.Close(child)
		return nil, err
	}
	if st.Dev != w.root.dev {
		unix.Close(child)
		return nil, unix.EXDEV // a subvolume
	}
	d := &Directory{Parent: parent, Name: string(name[:len(name)-1]), handle: handle{fd: child, using: 1, dev: st.Dev, ino: st.Ino}}
	w.mu.Lock()
	w.opened()
	w.mu.Unlock()
	return d, nil
}

// descriptor is that of a directory in use, which is opened again if it was closed to save descriptors.
func (w *walk) descriptor(d *Directory) (int, error) {
	w.mu.Lock()
	if d.fd >= 0 {
		defer w.mu.Unlock()
		return d.fd, nil
	}
	above := d.Parent
	way := []*Directory{d}
	for ; above.fd < 0; above = above.Parent { // the first is always open
		way = append(way, above)
	}
	above.using++
	start := above.fd
	w.mu.Unlock()
	defer w.done(above, false)
	fd, err := openAgain(start, way)
	if err != nil {
		return -1, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if d.fd >= 0 { // another worker was faster
		unix.Close(fd)
		return d.fd, nil
	}
	d.fd = fd
	w.opened()
	return fd, nil
}

// openAgain goes from an open directory to the first of a way, whose last is the nearest. Each must be the one that it was.
func openAgain(start int, way []*Directory) (int, error) {
	fd := start
	for _, d := range slices.Backward(way) {
		next, err := openBelow(fd, append([]byte(d.Name), 0))
		if fd != start {
			unix.Close(fd)
		}
		if err != nil {
			return -1, err
		}
		fd = next
		var st unix.Stat_t
		if err := unix.Fstat(fd, &st); err != nil || st.Dev != d.dev || st.Ino != d.ino {
			unix.Close(fd)
			return -1, errors.Join(errMoved, err)
		}
	}
	return fd, nil
}

// opened counts a descriptor that was opened, and closes one that will be needed late if there are too many. The caller has the lock.
func (w *walk) opened() {
	w.open++
	for _, waiting := range w.stack {
		if w.open <= w.opt.OpenDirectories {
			return
		}
		if d := waiting.dir; d.fd >= 0 && d.using == 0 && d != w.root {
			w.close(d)
		}
	}
}

// drop closes a directory that nobody needs any more. The caller has the lock.
func (w *walk) drop(d *Directory) {
	if d.using == 0 && d.waiting == 0 && d.fd >= 0 && d != w.root {
		w.close(d)
	}
}

func (w *walk) close(d *Directory) {
	unix.Close(d.fd)
	d.fd = -1
	w.open--
}

func retry[T any](call func() (T, error)) (T, error) {
	for {
		v, err := call()
		if !errors.Is(err, unix.EINTR) {
			return v, err
		}
	}
}
