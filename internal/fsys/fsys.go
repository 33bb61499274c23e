// Package fsys is every filesystem call of the mover behind an interface, so that tests can make each of them fail and can
// cut the power after each of them. It speaks of directories that are open and of single names within them: nothing is looked
// up twice by a path that somebody else may change in between.
//
// Implementations: Host (Linux), and in tests fault (makes the i-th call fail) and crash (a filesystem in memory that forgets what
// was not synced).
//
// Errors are *fs.PathError or *os.LinkError around a syscall.Errno, so that errors.Is works with both fs.ErrNotExist and
// unix.ENOSPC. What a filesystem cannot do at all is ErrUnsupported.
package fsys

import (
	"errors"
	"io"
)

// ErrUnsupported says that this filesystem has no such thing: attributes, ACLs, leases, project ids.
var ErrUnsupported = errors.ErrUnsupported

// FS is where directories are opened by an absolute path.
type FS interface {
	// OpenRoot opens the directory at an absolute path. It follows symlinks: the administrator wrote that path. All else is
	// reached from a root.
	OpenRoot(path string) (Dir, error)
}

// Node is what an open file and an open directory have in common.
type Node interface {
	io.Closer
	Stat() (Info, error)
	Chown(uid, gid uint32) error
	// Chmod sets the lower twelve bits. A Chown clears setuid and setgid: call Chmod after it.
	Chmod(mode uint32) error
	SetTimes(atime, mtime Time) error
	// Xattrs are all extended attributes that this process may see, ACLs among them (system.posix_acl_access). None is an empty map.
	Xattrs() (map[string][]byte, error)
	SetXattr(name string, value []byte) error
	RemoveXattr(name string) error
	// Flags are the attributes that lsattr shows (FS_IOC_GETFLAGS).
	Flags() (uint32, error)
	SetFlags(flags uint32) error
	// ProjectID is the quota project (FS_IOC_FSGETXATTR).
	ProjectID() (uint32, error)
	SetProjectID(id uint32) error
	// Sync makes the content of a file, or the names in a directory, durable.
	Sync() error
}

// File is an open regular file, or for Dir.Open whatever it was: look at Stat before reading.
type File interface {
	Node
	io.ReaderAt
	io.WriterAt
	Truncate(size int64) error
	// NextData is the start and end of the first data at or after offset; start is the size where only a hole follows. Where the
	// filesystem cannot tell, everything is data.
	NextData(offset, size int64) (start, end int64, err error)
	// DropCache lets the next read come from the medium. The file must have been synced.
	DropCache() error
	// SetLease takes a lease (LeaseRead, LeaseWrite) or gives it back (LeaseNone). EAGAIN: somebody has it open in a way that
	// excludes the lease.
	SetLease(kind Lease) error
	// Lease is the lease that is held; another kind than was taken means that somebody waits for it (a break).
	Lease() (Lease, error)
}

// Dir is an open directory. A name is one component, never empty, "." or "..", without a slash (EINVAL); only OpenDir takes a path.
type Dir interface {
	Node
	// OpenDir opens a directory below by a relative path of any length. No component may be a symlink (ELOOP) or leave this
	// directory or its mount (EXDEV). "." opens the directory itself once more.
	OpenDir(path string) (Dir, error)
	// Open opens for reading: it never follows a symlink (ELOOP), never blocks on a FIFO, never changes atime where allowed.
	Open(name string) (File, error)
	// OpenReadWrite opens an existing regular file for reading and writing, by the same rules.
	OpenReadWrite(name string) (File, error)
	// Create makes a file for reading and writing that did not exist (EEXIST). The mode is not subject to the umask.
	Create(name string, mode uint32) (File, error)
	// StatName is about the name itself: a symlink is not followed.
	StatName(name string) (Info, error)
	// Names are sorted, without "." and "..".
	Names() ([]string, error)
	ReadLink(name string) (string, error)
	Symlink(target, name string) error
	// Chown and times of the name itself, for symlinks.
	ChownName(name string, uid, gid uint32) error
	SetTimesName(name string, atime, mtime Time) error
	// Mkdir makes a directory; the mode is not subject to the umask.
	Mkdir(name string, mode uint32) error
	// Remove unlinks anything but a directory.
	Remove(name string) error
	RemoveDir(name string) error
	// Rename moves name to newName in another directory; with Replace it may replace, with NoReplace it may not (EEXIST), with
	// Exchange both must exist and change places. EINVAL: the filesystem knows no such rename.
	Rename(name string, to Dir, newName string, how Rename) error
	// Link gives a file a second name.
	Link(name string, to Dir, newName string) error
	// SyncFS makes the whole filesystem durable. It reports write errors that happened since this directory was opened, so open
	// it before the first write.
	SyncFS() error
	StatFS() (Usage, error)
	// Lock takes the lock named by a file in this directory (made if needed), which dies with its holder. ErrLocked: somebody has it.
	Lock(name string) (io.Closer, error)
}

// ErrLocked says that another process, or another part of this one, holds the lock.
var ErrLocked = errors.New("locked by another process")

// Lease is a kind of lease (fcntl F_SETLEASE).
type Lease int

const (
	LeaseNone  Lease = iota
	LeaseRead        // nobody has it open for writing
	LeaseWrite       // nobody else has it open
)

// Rename is how a rename treats what is at the new name.
type Rename int

const (
	Replace Rename = iota
	NoReplace
	Exchange
)

// Usage is how full a filesystem is.
type Usage struct {
	Type      int64 // the magic number of statfs
	Total     int64 // bytes
	Free      int64 // bytes, root's reserve included
	Available int64 // bytes for everybody
	ReadOnly  bool
}

// Used is the share of the usable space (used + available) that is used, within [0, 1].
func (u Usage) Used() float64 {
	used := u.Total - u.Free
	if used+u.Available <= 0 {
		return 0
	}
	return float64(used) / float64(used+u.Available)
}
