package crash

import (
	"encoding/binary"

	"golang.org/x/sys/unix"

	"github.com/tidemark/tidemark/internal/fsys"
)

// The form of ACLs: a header of 4 bytes (version 2) and entries of 8: tag, permissions, id.
const (
	aclHeader, aclEntry = 4, 8

	aclOwner, aclUser, aclGroupOwner, aclGroup, aclMask, aclOther = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20
)

// eachEntry calls with the tag and the permissions of each entry.
func eachEntry(acl []byte, call func(tag uint16, permissions []byte)) {
	for at := aclHeader; at+aclEntry <= len(acl); at += aclEntry {
		call(binary.LittleEndian.Uint16(acl[at:]), acl[at+2:at+4])
	}
}

// modeOf is what an ACL makes of the mode's nine bits, and whether it says more than they can.
func modeOf(acl []byte) (mode uint32, extended, valid bool) {
	if len(acl) < aclHeader || binary.LittleEndian.Uint32(acl) != 2 || (len(acl)-aclHeader)%aclEntry != 0 {
		return 0, false, false
	}
	seen := map[uint16]uint32{}
	eachEntry(acl, func(tag uint16, p []byte) {
		seen[tag] = uint32(p[0]) & 7
		extended = extended || tag == aclUser || tag == aclGroup || tag == aclMask
	})
	_, owner := seen[aclOwner]
	_, group := seen[aclGroupOwner]
	_, other := seen[aclOther]
	mask, masked := seen[aclMask]
	if !masked {
		mask = seen[aclGroupOwner]
	}
	_, user := seen[aclUser]
	_, groups := seen[aclGroup]
	return seen[aclOwner]<<6 | mask<<3 | seen[aclOther], extended, owner && group && other && (masked || !user && !groups)
}

func (i *inode) setACL(name string, acl []byte) error {
	mode, extended, valid := modeOf(acl)
	switch {
	case !valid:
		return unix.EINVAL
	case name == fsys.XattrDefaultACL && !i.isDir():
		return unix.EACCES
	case name == fsys.XattrDefaultACL:
		i.setXattr(name, acl)
		return nil
	}
	i.mode = i.mode&^0o777 | mode
	if extended {
		i.setXattr(name, acl)
	} else {
		i.removeXattr(name)
	}
	return nil
}

// chmod changes the ACL with the mode: the group's bits are its mask.
func (i *inode) chmod(mode uint32) {
	i.mode = i.kind() | mode
	acl, ok := i.xattrs[fsys.XattrACL]
	if !ok {
		return
	}
	next := append([]byte{}, acl...)
	eachEntry(next, func(tag uint16, p []byte) {
		switch tag {
		case aclOwner:
			p[0] = byte(mode >> 6 & 7)
		case aclMask:
			p[0] = byte(mode >> 3 & 7)
		case aclOther:
			p[0] = byte(mode & 7)
		}
	})
	i.setXattr(fsys.XattrACL, next)
}

// inherit is what a new file takes over from its directory. Its mode is already the wanted one.
func (i *inode) inherit(parent *inode) {
	i.flags = parent.flags & (knownFlags &^ (fsys.FlagImmutable | fsys.FlagAppend))
	acl, ok := parent.xattrs[fsys.XattrDefaultACL]
	if !ok || i.kind() == unix.S_IFLNK {
		return
	}
	if _, extended, _ := modeOf(acl); extended {
		i.setXattr(fsys.XattrACL, acl)
		i.chmod(i.mode & 0o7777)
	}
	if i.isDir() {
		i.setXattr(fsys.XattrDefaultACL, acl)
	}
}

// masked is the mode of a new file that nobody sets afterwards.
func (i *inode) masked(mode uint32) uint32 {
	if acl, ok := i.xattrs[fsys.XattrDefaultACL]; ok {
		granted, _, _ := modeOf(acl)
		mode &= granted
	}
	return mode
}
