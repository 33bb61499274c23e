package catalog

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tidemark/tidemark/internal/fsys"
)

// attributesVersion is the first byte of packed attributes.
const attributesVersion = 1

// packAttributes is attributes in some forty bytes: numbers as varints, then the extended attributes sorted by name, each name and
// value behind its length. A count or length of a map or value is one more than it is, and 0 where it is nil.
func packAttributes(a fsys.Attributes) []byte {
	b := append(make([]byte, 0, 48), attributesVersion)
	for _, n := range []uint32{a.UID, a.GID, a.Mode, a.Flags, a.Project} {
		b = binary.AppendUvarint(b, uint64(n))
	}
	for _, t := range []fsys.Time{a.Atime, a.Mtime} {
		b = binary.AppendVarint(b, t.Sec)
		b = binary.AppendVarint(b, int64(t.Nsec))
	}
	if a.Xattrs == nil {
		return append(b, 0)
	}
	b = binary.AppendUvarint(b, uint64(len(a.Xattrs))+1)
	if len(a.Xattrs) == 0 {
		return b
	}
	for _, name := range slices.Sorted(maps.Keys(a.Xattrs)) {
		value := a.Xattrs[name]
		b = binary.AppendUvarint(b, uint64(len(name)))
		b = append(b, name...)
		if value == nil {
			b = append(b, 0)
			continue
		}
		b = binary.AppendUvarint(b, uint64(len(value))+1)
		b = append(b, value...)
	}
	return b
}

var errAttributes = errors.New("the attributes in the catalog are damaged")

// unpackAttributes reads what packAttributes wrote, and nothing else.
func unpackAttributes(b []byte) (fsys.Attributes, error) {
	var a fsys.Attributes
	if len(b) == 0 || b[0] != attributesVersion {
		return a, errAttributes
	}
	u := &unpacker{b: b[1:]}
	for _, n := range []*uint32{&a.UID, &a.GID, &a.Mode, &a.Flags, &a.Project} {
		*n = u.uint32()
	}
	for _, t := range []*fsys.Time{&a.Atime, &a.Mtime} {
		t.Sec, t.Nsec = u.int64(), u.int32()
	}
	a.Xattrs = u.xattrs()
	if u.bad || len(u.b) > 0 {
		return fsys.Attributes{}, errAttributes
	}
	return a, nil
}

// unpacker reads from the front of b; once something is wrong all else reads as zero.
type unpacker struct {
	b   []byte
	bad bool
}

func (u *unpacker) fail() { u.b, u.bad = nil, true }

func (u *unpacker) uint64() uint64 {
	n, size := binary.Uvarint(u.b)
	if size <= 0 {
		u.fail()
		return 0
	}
	u.b = u.b[size:]
	return n
}

func (u *unpacker) uint32() uint32 {
	n := u.uint64()
	if n > 1<<32-1 {
		u.fail()
		return 0
	}
	return uint32(n)
}

func (u *unpacker) int64() int64 {
	n, size := binary.Varint(u.b)
	if size <= 0 {
		u.fail()
		return 0
	}
	u.b = u.b[size:]
	return n
}

func (u *unpacker) int32() int32 {
	n := u.int64()
	if int64(int32(n)) != n {
		u.fail()
		return 0
	}
	return int32(n)
}

func (u *unpacker) bytes(n uint64) []byte {
	if n > uint64(len(u.b)) {
		u.fail()
		return nil
	}
	b := u.b[:n]
	u.b = u.b[n:]
	return b
}

func (u *unpacker) xattrs() map[string][]byte {
	count := u.uint64()
	if count == 0 {
		return nil
	}
	all, last := map[string][]byte{}, ""
	for i := range count - 1 {
		name := string(u.bytes(u.uint64()))
		var value []byte
		if n := u.uint64(); n > 0 {
			value = append([]byte{}, u.bytes(n-1)...)
		}
		if u.bad {
			return nil
		}
		if i > 0 && name <= last {
			u.fail()
			return nil
		}
		all[name], last = value, name
	}
	return all
}

// digestKinds are the kinds of digest that are packed; the first byte is the index.
var digestKinds = [...]string{"blake3:", "blake3-sparse:"}

// packDigest is a digest in 33 bytes: its kind and the hash. One of another form is kept as its text behind 0xff.
func packDigest(digest string) []byte {
	for i, kind := range digestKinds {
		text, ok := strings.CutPrefix(digest, kind)
		if !ok || strings.ToLower(text) != text {
			continue
		}
		if hash, err := hex.DecodeString(text); err == nil {
			return append([]byte{byte(i)}, hash...)
		}
	}
	return append([]byte{0xff}, digest...)
}

func unpackDigest(b []byte) (string, error) {
	switch {
	case len(b) > 0 && b[0] == 0xff:
		return string(b[1:]), nil
	case len(b) > 0 && int(b[0]) < len(digestKinds):
		return digestKinds[b[0]] + hex.EncodeToString(b[1:]), nil
	}
	return "", fmt.Errorf("the digest %x in the catalog is damaged", b)
}

// packTime is a time as Unix nanoseconds, nil for never.
func packTime(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UnixNano()
}

func unpackTime(n *int64) time.Time {
	if n == nil {
		return time.Time{}
	}
	return time.Unix(0, *n).UTC()
}
