package mover

import (
	"errors"
	"io/fs"
	"syscall"

	"github.com/tidemark/tidemark/internal/fsys"
	"github.com/tidemark/tidemark/tiering/catalog"
)

// Attributes of lsattr that forbid a rename or a removal.
const (
	flagImmutable  = 0x10
	flagAppendOnly = 0x20
	flagNoCOW      = 0x800000 // of btrfs: forbids nothing, but only a file without content takes it
)

// source opens a file at home and sees that it may be moved: a regular file with one name, unchanged, that nobody has open
// for writing. Reasons to leave it alone are skips.
func (h *homes) source(op *catalog.Operation) (f fsys.File, dir fsys.Dir, name string, err error) {
	if dir, name, err = h.walk(op.Path); err != nil {
		return nil, nil, "", missing(err)
	}
	if f, err = dir.Open(name); err != nil {
		return nil, nil, "", missing(err)
	}
	info, err := f.Stat()
	if err == nil {
		err = unchanged(info, op)
	}
	if err == nil {
		err = movable(f)
	}
	if err != nil {
		f.Close()
		return nil, nil, "", err
	}
	return f, dir, name, nil
}

// missing makes a skip of what only says that the name is no longer what the plan saw.
func missing(err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return skip("gone since the scan")
	case errors.Is(err, syscall.ELOOP), errors.Is(err, syscall.ENOTDIR):
		return skip("the path leads through a symlink now: not followed")
	case errors.Is(err, syscall.EXDEV):
		return skip("the path leads to another mount now: not followed")
	case errors.Is(err, syscall.EAGAIN):
		return skip("in use: another process has a lease on it")
	case errors.Is(err, syscall.ENXIO), errors.Is(err, syscall.ENODEV):
		return skip("no regular file now")
	}
	return err
}

// unchanged compares a file with what the operation, and so the plan, knows of it.
func unchanged(info fsys.Info, op *catalog.Operation) error {
	switch {
	case !info.IsRegular():
		return skip("no regular file now")
	case info.Nlink != 1:
		return skipf("has %d hard links", info.Nlink)
	case info.Ino != op.Ino, info.Dev != op.Dev:
		return skip("replaced by another file since the scan")
	case info.Size != op.Size, info.Mtime != op.Mtime:
		return skip("changed since the scan")
	case info.Ctime != op.Ctime:
		return skip("its attributes changed since the scan")
	}
	return nil
}

func movable(f fsys.File) error {
	flags, err := f.Flags()
	if errors.Is(err, fsys.ErrUnsupported) {
		return nil
	}
	if err != nil {
		return err
	}
	if flags&flagImmutable != 0 {
		return skip("immutable (chattr +i)")
	}
	if flags&flagAppendOnly != 0 {
		return skip("append-only (chattr +a)")
	}
	return nil
}

// noWriter sees that nobody has the file open for writing, by a read lease that is given back at once: a writer would wait for it.
// Filesystems without leases are told apart by release, which needs one.
func noWriter(f fsys.File) error {
	err := f.SetLease(fsys.LeaseRead)
	switch {
	case errors.Is(err, syscall.EAGAIN):
		return skip("open for writing")
	case errors.Is(err, fsys.ErrUnsupported), errors.Is(err, syscall.EINVAL):
		return nil
	case err != nil:
		return err
	}
	return f.SetLease(fsys.LeaseNone)
}

// stillThere sees that the name leads to the very file that is open, unchanged and unopened by writers.
func stillThere(f fsys.File, dir fsys.Dir, name string, op *catalog.Operation) error {
	if err := noWriter(f); err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if err := unchanged(info, op); err != nil {
		return err
	}
	named, err := dir.StatName(name)
	if err != nil {
		return missing(err)
	}
	return unchanged(named, op)
}

func isSymlinkError(err error) bool { return errors.Is(err, syscall.ELOOP) }
