package archive

import (
	"errors"
	"io/fs"
	"maps"
	"slices"
	"syscall"

	"github.com/tidemark/tidemark/internal/fsys"
)

// readSearch are the permissions that an archive leaves: read, and execute or search.
const readSearch = 5

// access is what a directory of root's, or an object, allows.
type access struct {
	uid, gid uint32
	mode     uint32
	acl      ACL  // nil: the mode says it all
	narrowed bool // less than at home
}

// DirectoryAccess is how a directory that belongs to root, with the group of one at home, gives everybody else exactly the read
// and search access that the one at home gives, and no write access. acl is the value of system.posix_acl_access, nil where the
// mode says it all. Sticky and setgid bits and default ACLs are not taken over. An ACL that can't be read gives root alone access.
func DirectoryAccess(home fsys.Attributes) (mode uint32, acl []byte) {
	a := directoryAccess(home)
	if a.acl != nil {
		acl = a.acl.Format()
	}
	return a.mode, acl
}

func directoryAccess(home fsys.Attributes) access {
	r, ok := readersOf(home)
	if !ok {
		return access{gid: home.GID, mode: 0o700, narrowed: true}
	}
	// The owner at home is somebody like everybody else in the archive, whose own entry came first: root may all anyway.
	if home.UID != 0 {
		r.users[home.UID] = r.owner
	}
	r.owner = 7
	return r.access(home.GID)
}

// fileAccess is the access of an object, which keeps its owner, as read access to the file at home was.
func fileAccess(home fsys.Attributes) access {
	r, ok := readersOf(home)
	if !ok {
		return access{uid: home.UID, gid: home.GID, mode: home.Mode & 0o400, narrowed: true}
	}
	a := r.access(home.GID)
	a.uid = home.UID
	return a
}

// readers is who may read (4) and search or execute (1). Nothing is masked any more.
type readers struct {
	owner, group, other uint16
	users, groups       map[uint32]uint16
}

// readersOf is who may read at home; false where the ACL makes no sense.
func readersOf(home fsys.Attributes) (readers, bool) {
	r := readers{
		owner: uint16(home.Mode>>6) & readSearch, group: uint16(home.Mode>>3) & readSearch, other: uint16(home.Mode) & readSearch,
		users: map[uint32]uint16{}, groups: map[uint32]uint16{},
	}
	value, ok := home.Xattrs[XattrAccess]
	if !ok || home.Mode&0o070 == 0 { // where the mask is empty Linux looks at no ACL: those it names are like all others
		return r, true
	}
	acl, err := ParseACL(value)
	if err != nil {
		return r, false
	}
	mask := acl.perm(TagMask) & readSearch
	for _, e := range acl {
		switch e.Tag {
		case TagUserObj:
			r.owner = e.Perm & readSearch
		case TagUser:
			r.users[e.ID] = e.Perm & mask
		case TagGroupObj:
			r.group = e.Perm & mask
		case TagGroup:
			r.groups[e.ID] = e.Perm & mask
		case TagOther:
			r.other = e.Perm & readSearch
		}
	}
	return r, true
}

// access is a mode, and an ACL if it takes one. Its mask masks nothing, and is never empty (see readersOf).
func (r readers) access(gid uint32) access {
	plain := r.plain()
	if !plain.narrowed {
		plain.gid = gid
		return plain
	}
	acl := ACL{{TagUserObj, r.owner, 0}}
	for _, id := range slices.Sorted(maps.Keys(r.users)) {
		acl = append(acl, Entry{TagUser, r.users[id], id})
	}
	acl = append(acl, Entry{TagGroupObj, r.group, 0})
	for _, id := range slices.Sorted(maps.Keys(r.groups)) {
		acl = append(acl, Entry{TagGroup, r.groups[id], id})
	}
	acl = append(acl, Entry{TagMask, readSearch, 0}, Entry{TagOther, r.other, 0})
	return access{gid: gid, mode: uint32(r.owner)<<6 | readSearch<<3 | uint32(r.other), acl: acl}
}

// plain is the widest plain mode that gives nobody more; it is narrowed where somebody gets less. We do not know who is in which
// group, so a user who is named may be in the owning group or not.
func (r readers) plain() access {
	group, other := r.group, r.other
	for _, perm := range r.users {
		group &= perm
		other &= perm
	}
	for _, perm := range r.groups {
		other &= perm
	}
	narrowed := group != r.group || other != r.other
	for _, perm := range r.users {
		narrowed = narrowed || perm != group || perm != other
	}
	for _, perm := range r.groups {
		// A member of the owning group too has the rights of both at home.
		narrowed = narrowed || perm != other || perm|group != group
	}
	return access{mode: uint32(r.owner)<<6 | uint32(group)<<3 | uint32(other), narrowed: narrowed}
}

// without is the access where an ACL can't be had.
func (a access) without() access {
	if a.acl == nil {
		return a
	}
	r, _ := readersOf(fsys.Attributes{Mode: a.mode, Xattrs: map[string][]byte{XattrAccess: a.acl.Format()}})
	r.owner = uint16(a.mode >> 6)
	p := r.plain()
	p.uid, p.gid, p.narrowed = a.uid, a.gid, true
	return p
}

// setAccess gives a file or a directory its owner, mode and ACL. Meanwhile, and after a crash, fewer people have access, never
// more.
func setAccess(n fsys.Node, a access) error {
	if err := n.Chmod(a.mode & 0o700); err != nil {
		return err
	}
	if err := n.Chown(a.uid, a.gid); err != nil {
		return err
	}
	xattrs, err := n.Xattrs()
	if err != nil && !errors.Is(err, fsys.ErrUnsupported) {
		return err
	}
	for _, name := range []string{XattrDefault, XattrAccess} {
		if _, ok := xattrs[name]; !ok {
			continue
		}
		if err := n.RemoveXattr(name); err != nil {
			return err
		}
	}
	if a.acl != nil {
		if err := n.SetXattr(XattrAccess, a.acl.Format()); err != nil {
			return err
		}
	}
	return n.Chmod(a.mode) // with an ACL this sets its mask, to what it is
}

// setAccessFitting is setAccess, with the narrower plain mode where the filesystem can't keep the ACL. It says whether access
// is narrower than at home.
func setAccessFitting(n fsys.Node, a access, can Can) (narrowed bool, err error) {
	if !can.ACL {
		a = a.without()
	}
	err = setAccess(n, a)
	if a.acl != nil && doesNotFit(err) {
		a = a.without()
		err = setAccess(n, a)
	}
	return a.narrowed, err
}

// doesNotFit says that an attribute is too large for a filesystem, or is nothing that it knows.
func doesNotFit(err error) bool {
	return errors.Is(err, fsys.ErrUnsupported) || errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.E2BIG) ||
		errors.Is(err, syscall.ERANGE) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EINVAL)
}
