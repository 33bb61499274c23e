package scan

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/tidemark/tidemark/internal/fsys"
	"github.com/tidemark/tidemark/tiering/policy"
)

const (
	blockSize = 64 << 10 // of a getdents call
	batchSize = 128      // files for a visit
)

// worker reads directories and looks at files.
type worker struct {
	*walk
	number int
	Result
	atimes, mtimes Spread
	now            int64

	block  []byte
	dir    *Directory
	fd     int
	path   []byte // of dir
	subs   []byte // names of subdirectories found, as in work
	batch  [batchSize]policy.File
	filled int
	size   int64 // of the files in the batch
	about  unix.Statx_t
	entry  policy.File // a directory that may be excluded
}

func newWorker(w *walk, number int) *worker {
	k := &worker{walk: w, number: number, now: w.opt.Now.Unix(), block: make([]byte, blockSize)}
	for i := range k.batch {
		f := &k.batch[i]
		f.Xattr = func(name string) (string, error) { return k.xattr(f, name) }
	}
	return k
}

func (k *worker) run() {
	for {
		w, ok := k.next()
		if !ok {
			return
		}
		switch {
		case w.names != nil:
			k.enter(w.dir, w.names)
		case w.entries != nil:
			k.lookAt(w.dir, w.entries)
		default:
			k.read(w.dir)
		}
		k.done(w.dir, true)
	}
}

// enter reads a subdirectory.
func (k *worker) enter(parent *Directory, name []byte) {
	d, err := k.openChild(parent, name)
	switch {
	case err == nil:
		k.read(d)
		k.done(d, false)
	case errors.Is(err, unix.EXDEV):
		k.Mounts++
	case isGone(err):
		k.Vanished++
	default:
		k.Errors++
		k.tell(string(appendPath(nil, parent))+"/"+string(name[:len(name)-1]), fmt.Errorf("open: %w", err))
	}
}

// isGone says that what was listed is not there, or is no directory, any more.
func isGone(err error) bool {
	return errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP) || errors.Is(err, unix.ESTALE) ||
		errors.Is(err, errMoved)
}

// begin makes a directory the one that is worked on.
func (k *worker) begin(d *Directory) bool {
	fd, err := k.descriptor(d)
	if err != nil {
		k.failed(d, "", err)
		return false
	}
	k.dir, k.fd = d, fd
	k.path = appendPath(k.path[:0], d)
	return true
}

func (k *worker) failed(d *Directory, name string, err error) {
	if isGone(err) {
		k.Vanished++
		return
	}
	k.Errors++
	path := string(appendPath(nil, d))
	if name != "" {
		path += "/" + name
	}
	k.tell(path, err)
}

// read lists a directory and looks at what is in it, or leaves that to workers who have nothing to do.
func (k *worker) read(d *Directory) {
	if !k.begin(d) {
		return
	}
	k.Directories++
	for !k.stopped.Load() {
		n, err := retry(func() (int, error) { return unix.Getdents(k.fd, k.block) })
		if err != nil {
			k.failed(d, "", fmt.Errorf("read: %w", err))
		}
		if n <= 0 || err != nil {
			break
		}
		if n > blockSize/2 && k.walk.idle.Load() > 0 {
			k.push(&work{dir: d, entries: bytes.Clone(k.block[:n])})
			continue
		}
		k.entries(k.block[:n])
	}
}

// lookAt is for entries that another worker has listed.
func (k *worker) lookAt(d *Directory, entries []byte) {
	if k.begin(d) {
		k.entries(entries)
	}
}

// entries goes through what getdents said: struct linux_dirent64 {ino u64, off u64, reclen u16, type u8, name, 0}.
func (k *worker) entries(block []byte) {
	for len(block) > 0 && !k.stopped.Load() {
		length := binary.NativeEndian.Uint16(block[16:])
		name := block[19:length]
		name = name[:bytes.IndexByte(name, 0)+1]
		k.look(name, block[18])
		block = block[length:]
	}
	k.flush()
	if len(k.subs) > 0 {
		k.push(&work{dir: k.dir, names: bytes.Clone(k.subs)})
		k.subs = k.subs[:0]
	}
}

// look takes an entry, whose name ends in a zero byte.
func (k *worker) look(name []byte, kind byte) {
	switch kind {
	case unix.DT_DIR:
		k.sub(name)
	case unix.DT_REG, unix.DT_UNKNOWN:
		k.file(name)
	default:
		k.Others++
	}
}

// sub remembers a subdirectory, unless it is excluded or our own.
func (k *worker) sub(name []byte) {
	bare := name[:len(name)-1]
	if string(bare) == "." || string(bare) == ".." || k.dir == k.root && string(bare) == ".tidemark" {
		return
	}
	if k.opt.Excludes != nil {
		k.entry.Place(view(k.path), view(bare))
		if _, excluded := k.opt.Excludes.Match(&k.entry); excluded {
			k.Excluded++
			return
		}
	}
	k.subs = append(k.subs, name...)
}

// stat fills in what is known of a name, which ends in a zero byte, in the directory that is open.
func (k *worker) stat(name []byte) error {
	for {
		_, _, errno := unix.Syscall6(unix.SYS_STATX, uintptr(k.fd), uintptr(unsafe.Pointer(&name[0])),
			unix.AT_SYMLINK_NOFOLLOW|unix.AT_NO_AUTOMOUNT, unix.STATX_BASIC_STATS|unix.STATX_MNT_ID, uintptr(unsafe.Pointer(&k.about)), 0)
		if errno == 0 {
			return nil
		} else if errno != unix.EINTR {
			return errno
		}
	}
}

// file looks at one that was listed as a file, or as nobody knows what.
func (k *worker) file(name []byte) {
	if err := k.stat(name); err != nil {
		k.failed(k.dir, string(name[:len(name)-1]), fmt.Errorf("stat: %w", err))
		return
	}
	a := &k.about
	switch kind := uint32(a.Mode) & fsys.TypeMask; {
	case kind == fsys.TypeDir:
		k.sub(name)
		return
	case kind != fsys.TypeRegular:
		k.Others++
		return
	case k.mount != 0 && a.Mnt_id != k.mount:
		k.Mounts++ // a file can be a mount point too
		return
	}
	f := &k.batch[k.filled]
	f.Place(view(k.path), view(name[:len(name)-1]))
	setInfo(&f.Info, a)
	k.count(&f.Info)
	if k.filled++; k.filled == batchSize {
		k.flush()
	}
}

func setInfo(i *fsys.Info, a *unix.Statx_t) {
	i.Dev, i.Ino, i.Mode, i.Nlink = device(a), a.Ino, uint32(a.Mode), uint64(a.Nlink)
	i.UID, i.GID, i.Size, i.Allocated = a.Uid, a.Gid, int64(a.Size), int64(a.Blocks)*512
	i.Atime = fsys.Time{Sec: a.Atime.Sec, Nsec: int32(a.Atime.Nsec)}
	i.Mtime = fsys.Time{Sec: a.Mtime.Sec, Nsec: int32(a.Mtime.Nsec)}
	i.Ctime = fsys.Time{Sec: a.Ctime.Sec, Nsec: int32(a.Ctime.Nsec)}
}

func device(a *unix.Statx_t) uint64 { return unix.Mkdev(a.Dev_major, a.Dev_minor) }

func (k *worker) count(i *fsys.Info) {
	share := i.Allocated
	if i.Nlink > 1 {
		k.HardLinked++
		share /= int64(i.Nlink)
	}
	k.Files++
	k.Bytes += i.Size
	k.size += i.Size
	k.Allocated += share
	k.ByMtime.count(k.now-i.Mtime.Sec, share)
	k.ByAtime.count(k.now-max(i.Atime.Sec, i.Mtime.Sec), share)
	k.atimes.count(i.Atime.Sec)
	k.mtimes.count(i.Mtime.Sec)
}

// flush hands the batch over.
func (k *worker) flush() {
	if k.filled == 0 {
		return
	}
	k.visit(k.number, k.dir, k.batch[:k.filled])
	k.progress(int64(k.filled), k.size)
	k.filled, k.size = 0, 0
}

// xattr reads an attribute of a file in the batch, through its directory.
func (k *worker) xattr(f *policy.File, name string) (string, error) {
	path := "/proc/self/fd/" + strconv.Itoa(k.fd) + "/" + f.Name
	value := make([]byte, 256)
	for {
		n, err := unix.Lgetxattr(path, name, value)
		switch {
		case errors.Is(err, unix.ENODATA), errors.Is(err, unix.EOPNOTSUPP):
			return "", nil
		case errors.Is(err, unix.ERANGE):
			value = make([]byte, 64<<10)
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return "", fmt.Errorf("xattr %s: %w", name, err)
		default:
			return string(value[:n]), nil
		}
	}
}

// appendPath appends the absolute path of a directory.
func appendPath(to []byte, d *Directory) []byte {
	if d.Parent == nil {
		return append(to, d.Name...)
	}
	to = appendPath(to, d.Parent)
	if len(to) > 0 && to[len(to)-1] != '/' {
		to = append(to, '/')
	}
	return append(to, d.Name...)
}

// view is a string that changes with its bytes.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
