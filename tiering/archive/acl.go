package archive

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// The extended attributes that hold POSIX ACLs.
const (
	XattrAccess  = "system.posix_acl_access"
	XattrDefault = "system.posix_acl_default"
)

// Tag is whom an entry of an ACL is about (acl(5)).
type Tag uint16

const (
	TagUserObj  Tag = 0x01 // the owner
	TagUser     Tag = 0x02 // the user ID
	TagGroupObj Tag = 0x04 // the owning group
	TagGroup    Tag = 0x08 // the group ID
	TagMask     Tag = 0x10 // the most that users and groups get, the owner apart
	TagOther    Tag = 0x20 // everybody else
)

// Entry is one entry of an ACL. Perm is of read 4, write 2, execute or search 1. ID is of users and groups, and 0 otherwise.
type Entry struct {
	Tag  Tag
	Perm uint16
	ID   uint32
}

// ACL is a POSIX ACL as the kernel takes it: owner, users, owning group, groups, mask where there are users or groups, others;
// users and groups by rising ID.
type ACL []Entry

// The binary form: a version, then entries of tag, permissions and ID, all little endian.
const (
	aclVersion   = 2
	aclHeader    = 4
	aclEntry     = 8
	aclUndefined = 0xffffffff // the ID of an entry that has none
)

// ParseACL reads the value of one of the extended attributes that hold ACLs. Entries are sorted. What the kernel would refuse is an error.
func ParseACL(value []byte) (ACL, error) {
	if len(value) < aclHeader || (len(value)-aclHeader)%aclEntry != 0 {
		return nil, fmt.Errorf("an ACL of %d bytes", len(value))
	}
	if v := binary.LittleEndian.Uint32(value); v != aclVersion {
		return nil, fmt.Errorf("an ACL of version %d", v)
	}
	var acl ACL
	for b := value[aclHeader:]; len(b) > 0; b = b[aclEntry:] {
		e := Entry{Tag(binary.LittleEndian.Uint16(b)), binary.LittleEndian.Uint16(b[2:]), binary.LittleEndian.Uint32(b[4:])}
		if e.Tag != TagUser && e.Tag != TagGroup {
			e.ID = 0
		}
		acl = append(acl, e)
	}
	acl.sort()
	return acl, acl.valid()
}

func (l ACL) sort() {
	slices.SortFunc(l, func(a, b Entry) int { return cmp.Or(cmp.Compare(a.Tag, b.Tag), cmp.Compare(a.ID, b.ID)) })
}

// valid checks a sorted ACL.
func (l ACL) valid() error {
	count := map[Tag]int{}
	for i, e := range l {
		if e.Perm > 7 {
			return fmt.Errorf("an ACL with permissions %o", e.Perm)
		}
		switch e.Tag {
		case TagUser, TagGroup:
			if e.ID == aclUndefined {
				return errors.New("an ACL with an entry for nobody")
			}
		case TagUserObj, TagGroupObj, TagMask, TagOther:
		default:
			return fmt.Errorf("an ACL with an entry of kind %#x", e.Tag)
		}
		if i > 0 && l[i-1].Tag == e.Tag && l[i-1].ID == e.ID {
			return errors.New("an ACL with two entries for the same")
		}
		count[e.Tag]++
	}
	if count[TagUserObj] != 1 || count[TagGroupObj] != 1 || count[TagOther] != 1 {
		return errors.New("an ACL without owner, owning group or others")
	}
	if count[TagUser]+count[TagGroup] > 0 && count[TagMask] != 1 {
		return errors.New("an ACL without mask")
	}
	return nil
}

// Format is the value of the extended attribute.
func (l ACL) Format() []byte {
	b := binary.LittleEndian.AppendUint32(make([]byte, 0, aclHeader+aclEntry*len(l)), aclVersion)
	for _, e := range l {
		id := e.ID
		if e.Tag != TagUser && e.Tag != TagGroup {
			id = aclUndefined
		}
		b = binary.LittleEndian.AppendUint16(b, uint16(e.Tag))
		b = binary.LittleEndian.AppendUint16(b, e.Perm)
		b = binary.LittleEndian.AppendUint32(b, id)
	}
	return b
}

// String is the ACL as setfacl(1) takes it, with numeric IDs: u::rw-,u:1000:r--,g::r--,m::r--,o::---.
func (l ACL) String() string {
	var s strings.Builder
	for i, e := range l {
		if i > 0 {
			s.WriteByte(',')
		}
		switch e.Tag {
		case TagUserObj, TagUser:
			s.WriteString("u:")
		case TagGroupObj, TagGroup:
			s.WriteString("g:")
		case TagMask:
			s.WriteString("m:")
		default:
			s.WriteString("o:")
		}
		if e.Tag == TagUser || e.Tag == TagGroup {
			s.WriteString(strconv.FormatUint(uint64(e.ID), 10))
		}
		s.WriteByte(':')
		for bit, letter := range "rwx" {
			if e.Perm&(4>>bit) == 0 {
				letter = '-'
			}
			s.WriteRune(letter)
		}
	}
	return s.String()
}

// perm is what an entry says that there is once; 7 for a mask that is not there.
func (l ACL) perm(tag Tag) uint16 {
	for _, e := range l {
		if e.Tag == tag {
			return e.Perm
		}
	}
	return 7
}
