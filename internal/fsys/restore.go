package fsys

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Flags of a file as lsattr shows them.
const (
	FlagImmutable = 0x10 // nobody can change, rename or link it, root included
	FlagAppend    = 0x20 // it can only grow

	// settable are those that chattr can set. The others say how a filesystem stores a file.
	settable   = 0x01 | 0x02 | 0x04 | 0x08 | FlagImmutable | FlagAppend | 0x40 | 0x80 | 0x400 | 0x4000 | 0x8000 | 0x10000 | 0x20000 | 0x800000 | 0x2000000 | 0x20000000
	protecting = FlagImmutable | FlagAppend
)

// Names of extended attributes that are more than a name.
const (
	XattrACL        = "system.posix_acl_access"
	XattrDefaultACL = "system.posix_acl_default"
	XattrCapability = "security.capability"
)

// RestoreAttributes makes a file what ReadAttributes saw: first the owner (which drops setuid, setgid and capabilities), then extended
// attributes and ACLs, the mode, the project, the times, and the flags that protect it at the very end. Extended attributes that it has
// besides go away, such as an ACL that it inherited; only labels of security modules (security.*) stay, but for capabilities.
//
// The error joins one error for each attribute that could not be restored, by its name; all others are. Nobody gets more than he had:
// without its owner a file gets no setuid and setgid bits, and without its ACL its group gets no more than the ACL granted.
//
// What no call can restore: the times of creation and of the last change (btime, ctime), flags that say how a filesystem stores a
// file, and NOCOW of btrfs once there is content.
func RestoreAttributes(f File, a Attributes) error {
	var failed []error
	fail := func(err error, format string, args ...any) bool {
		if err != nil {
			failed = append(failed, fmt.Errorf(format+": %w", append(args, err)...))
		}
		return err != nil
	}
	flags, err := unprotect(f)
	fail(err, "flags")
	mode := a.Mode
	if fail(f.Chown(a.UID, a.GID), "owner %d:%d", a.UID, a.GID) {
		mode &^= 0o6000
	}
	noACL := false
	for name, err := range restoreXattrs(f, a.Xattrs) {
		fail(err, "extended attribute %s", name)
		noACL = noACL || name == XattrACL
	}
	if acl, ok := a.Xattrs[XattrACL]; noACL && ok {
		mode = withoutACL(mode, acl)
	}
	fail(f.Chmod(mode), "mode %04o", mode)
	fail(restoreProject(f, a.Project), "project %d", a.Project)
	fail(f.SetTimes(a.Atime, a.Mtime), "times")
	missed, err := restoreFlags(f, flags, a.Flags)
	fail(err, "flags %#x", missed)
	return errors.Join(failed...)
}

// unprotect takes away the flags that would forbid all else, and says which flags the file has then.
func unprotect(f File) (uint32, error) {
	flags, err := f.Flags()
	if errors.Is(err, ErrUnsupported) {
		return 0, nil
	}
	if err != nil || flags&protecting == 0 {
		return flags, err
	}
	return flags &^ protecting, f.SetFlags(flags &^ protecting)
}

// restoreXattrs returns what failed by its name, in order.
func restoreXattrs(f File, want map[string][]byte) func(yield func(string, error) bool) {
	return func(yield func(string, error) bool) {
		have, err := f.Xattrs()
		if err != nil && !errors.Is(err, ErrUnsupported) {
			yield("list", err)
			return
		}
		for _, name := range slices.Sorted(maps.Keys(have)) {
			_, keep := want[name]
			if keep || strings.HasPrefix(name, "security.") && name != XattrCapability {
				continue
			}
			if err := f.RemoveXattr(name); err != nil && !yield(name, err) {
				return
			}
		}
		for _, name := range slices.Sorted(maps.Keys(want)) {
			if value, ok := have[name]; ok && bytes.Equal(value, want[name]) {
				continue
			}
			if err := f.SetXattr(name, want[name]); err != nil && !yield(name, err) {
				return
			}
		}
	}
}

// withoutACL is the mode of a file that loses its ACL: there the bits of the group were the ACL's mask, and the group has its own entry.
func withoutACL(mode uint32, acl []byte) uint32 {
	const (
		header, entry = 4, 8
		ofGroup       = 0x04
	)
	granted := uint32(0)
	for at := header; at+entry <= len(acl); at += entry {
		if binary.LittleEndian.Uint16(acl[at:]) == ofGroup {
			granted = uint32(binary.LittleEndian.Uint16(acl[at+2:])) & 7
		}
	}
	return mode & (^uint32(0o070) | granted<<3)
}

func restoreProject(f File, want uint32) error {
	have, err := f.ProjectID()
	if errors.Is(err, ErrUnsupported) && want == 0 {
		return nil
	}
	if err != nil || have == want {
		return err
	}
	return f.SetProjectID(want)
}

// restoreFlags sets one flag after the other, those that protect at last: a filesystem that knows one of them not refuses
// them all. It returns those that are not as they should be.
func restoreFlags(f File, have, want uint32) (missed uint32, err error) {
	differ := (have ^ want) & settable
	if differ == 0 {
		return 0, nil
	}
	for _, group := range []uint32{differ &^ protecting, differ & FlagAppend, differ & FlagImmutable} {
		for bit := uint32(1); bit != 0; bit <<= 1 {
			if group&bit == 0 {
				continue
			}
			if failure := f.SetFlags(have ^ bit); failure != nil {
				missed, err = missed|bit, failure
				continue
			}
			have ^= bit
		}
	}
	// Some flags are accepted and ignored.
	if now, failure := f.Flags(); failure == nil && (now^want)&settable&^missed != 0 {
		missed |= (now ^ want) & settable
		err = errors.Join(err, fmt.Errorf("the filesystem ignored some: %w", ErrUnsupported))
	}
	return missed, err
}
