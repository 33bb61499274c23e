package archive

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"syscall"

	"github.com/tidemark/tidemark/internal/fsys"
)

// FlagImmutable is FS_IMMUTABLE_FL: nobody can write to the file, rename or remove it.
const FlagImmutable = 0x10

// ErrNarrowed says that all was done, but that fewer people can read than could at home, as the archive can't keep the ACL.
var ErrNarrowed = errors.New("fewer can read it in the archive than at home: its ACL doesn't fit there")

// Protect gives an object in staging, with all its content, the attributes of the file at home less everything that lets
// somebody write: owner, group, mode without write, setuid, setgid and sticky bits, the ACL without write, the xattrs of users that
// fit, and last the times. What does not fit, and xattrs of other namespaces, are in the manifest only. ErrNarrowed: it is done, but
// narrower.
func Protect(f fsys.File, home fsys.Attributes, can Can) error {
	narrowed, err := setAccessFitting(f, fileAccess(home), can)
	if err != nil {
		return fmt.Errorf("protect the object: %w", err)
	}
	if can.Xattrs {
		for _, name := range slices.Sorted(maps.Keys(home.Xattrs)) {
			if !strings.HasPrefix(name, "user.") {
				continue
			}
			if err := f.SetXattr(name, home.Xattrs[name]); err != nil && !doesNotFit(err) {
				return fmt.Errorf("set the object's attribute %q: %w", name, err)
			}
		}
	}
	if err := f.SetTimes(home.Atime, home.Mtime); err != nil {
		return fmt.Errorf("set the object's times: %w", err)
	}
	if narrowed {
		return ErrNarrowed
	}
	return nil
}

// SetImmutable makes an object immutable, where the archive can do that. Do it after the object has its name: an immutable file
// can't be renamed. It is durable after a sync of the file only; Check finds those that are not.
func SetImmutable(f fsys.File, can Can) error { return setImmutable(f, can, true) }

// ClearImmutable lets root remove an object.
func ClearImmutable(f fsys.File, can Can) error { return setImmutable(f, can, false) }

func setImmutable(f fsys.File, can Can, on bool) error {
	flags, err := f.Flags()
	if err != nil {
		return unlessUnable(err, can)
	}
	want := flags &^ FlagImmutable
	if on {
		want = flags | FlagImmutable
	}
	if want == flags {
		return nil
	}
	return unlessUnable(f.SetFlags(want), can)
}

// unlessUnable is no error where the archive was never able.
func unlessUnable(err error, can Can) error {
	if err == nil || !can.Immutable && (errors.Is(err, fsys.ErrUnsupported) || errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.ENOTTY)) {
		return nil
	}
	return fmt.Errorf("change whether the object is immutable: %w", err)
}

// Seal makes an object immutable that lost the flag, as a power cut may do.
func (a *Archive) Seal(object string) error {
	f, err := a.OpenObject(object)
	if err != nil {
		return err
	}
	return errors.Join(SetImmutable(f, a.Marker.Can), f.Sync(), f.Close())
}
