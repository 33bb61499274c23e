package archive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"syscall"

	"github.com/tidemark/tidemark/internal/fsys"
	"github.com/tidemark/tidemark/tiering/catalog"
	"github.com/tidemark/tidemark/tiering/digest"
)

// Fault is what is wrong with an object.
type Fault string

const (
	FaultMissing    Fault = "missing"    // there is no file
	FaultKind       Fault = "kind"       // there is something else than a regular file
	FaultSize       Fault = "size"       // it is longer or shorter
	FaultDigest     Fault = "digest"     // its content is another one
	FaultUnreadable Fault = "unreadable" // the medium fails
	FaultMutable    Fault = "mutable"    // its content is right, but it is not immutable although the archive could protect it
)

// Bad says that an object is not what it should be. All other errors of Check say nothing about the object.
type Bad struct {
	Object string
	Fault  Fault
	Detail string
	Err    error // of the filesystem, if any
}

func (b *Bad) Error() string { return fmt.Sprintf("%s: %s", b.Object, b.Detail) }

// Unwrap is the error of the filesystem.
func (b *Bad) Unwrap() error { return b.Err }

// Check reads an object from the medium and compares its size and content with what is known, using buf (1 MiB is a good length).
// each, which may be nil, is told the bytes of every read and can end it with an error. A *Bad says what is wrong with the object; any
// other error (also when the archive is gone altogether) says that it could not be checked.
func (a *Archive) Check(ctx context.Context, o catalog.Object, buf []byte, each func(n int) error) error {
	stop := error(nil) // why we ended it ourselves
	err := a.check(o, buf, func(n int) error {
		if stop = ctx.Err(); stop == nil && each != nil {
			stop = each(n)
		}
		return stop
	})
	if stop != nil {
		return stop
	}
	if bad := (*Bad)(nil); errors.As(err, &bad) && bad.Err != nil {
		if gone := a.Present(); gone != nil {
			return gone
		}
	}
	return err
}

func (a *Archive) check(o catalog.Object, buf []byte, each func(n int) error) error {
	bad := func(fault Fault, err error, format string, args ...any) error {
		return &Bad{o.Object, fault, fmt.Sprintf(format, args...), err}
	}
	hash, err := digest.Like(o.Digest)
	if err != nil {
		return fmt.Errorf("check %s: %w", o.Object, err)
	}
	file, err := a.OpenObject(o.Object)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return bad(FaultMissing, err, "it is missing in the archive")
	case errors.Is(err, syscall.ELOOP), errors.Is(err, syscall.ENXIO), errors.Is(err, syscall.ENOTDIR):
		return bad(FaultKind, err, "there is no regular file in the archive, but something else")
	case unreadable(err):
		return bad(FaultUnreadable, err, "it can't be opened: %v", err)
	case err != nil:
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	switch {
	case err != nil:
		return bad(FaultUnreadable, err, "it can't be read: %v", err)
	case !info.IsRegular():
		return bad(FaultKind, nil, "there is no regular file in the archive, but something else (mode %o)", info.Mode)
	case info.Size != o.Size:
		return bad(FaultSize, nil, "it has %d bytes instead of %d", info.Size, o.Size)
	}
	if err := file.DropCache(); err != nil && !errors.Is(err, fsys.ErrUnsupported) {
		return err
	}
	err = digest.Of(file, o.Size, hash, buf, each)
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return bad(FaultSize, nil, "it is shorter than %d bytes", o.Size)
	case err != nil:
		return bad(FaultUnreadable, err, "it can't be read: %v", err)
	}
	if got := hash.Sum(); got != o.Digest {
		return bad(FaultDigest, nil, "its content has the digest %s instead of %s", got, o.Digest)
	}
	return a.checkImmutable(file, o)
}

// enodata is ENODATA, which package syscall does not have everywhere.
const enodata = syscall.Errno(61)

// euclean is EUCLEAN, by which a filesystem says that it found itself damaged; package syscall has it for Linux only.
const euclean = syscall.Errno(117)

// unreadable are the errors by which a medium fails, and those of a filesystem that finds itself damaged.
func unreadable(err error) bool {
	return errors.Is(err, syscall.EIO) || errors.Is(err, enodata) || errors.Is(err, syscall.EILSEQ) ||
		errors.Is(err, syscall.EBADMSG) || errors.Is(err, euclean)
}

func (a *Archive) checkImmutable(file fsys.File, o catalog.Object) error {
	if !a.Marker.Can.Immutable {
		return nil
	}
	flags, err := file.Flags()
	if err != nil {
		return err
	}
	if flags&FlagImmutable == 0 {
		return &Bad{o.Object, FaultMutable, "its content is right, but it is not immutable", nil}
	}
	return nil
}
