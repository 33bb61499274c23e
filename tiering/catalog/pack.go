package catalog

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tidemark/tidemark/internal/fsys"
)

// What no statement asks for is packed into one column: it takes a third of the space and half of the time. A pack begins with the
// version of its form; numbers are varints, texts stand behind their length.

// The versions of the forms. A released one stays readable.
const (
	factsVersion     = 1
	homeVersion      = 1
	operationVersion = 1
)

// facts are what is known of an object from its beginning and never changes.
type facts struct {
	allocated, run int64
	digest         string
	attributes     fsys.Attributes
}

func packFacts(f facts) []byte {
	p := packer{append(make([]byte, 0, 112), factsVersion)}
	p.int64(f.allocated)
	p.int64(f.run)
	p.text(packDigest(f.digest))
	p.attributes(f.attributes)
	return p.b
}

func unpackFacts(b []byte) (f facts, err error) {
	u := unpack(b, factsVersion)
	f.allocated, f.run = u.int64(), u.int64()
	if f.digest, err = unpackDigest(u.text()); err != nil {
		return facts{}, err
	}
	f.attributes = u.attributes()
	if !u.complete() {
		return facts{}, errPacked
	}
	return f, nil
}

// home is the copy of an object at home.
type home struct {
	dev, ino     uint64
	mtime, ctime fsys.Time
}

func packHome(h home) []byte {
	p := packer{append(make([]byte, 0, 40), homeVersion)}
	p.uint64(h.dev)
	p.uint64(h.ino)
	p.time(h.mtime)
	p.time(h.ctime)
	return p.b
}

func unpackHome(b []byte) (home, error) {
	u := unpack(b, homeVersion)
	h := home{u.uint64(), u.uint64(), u.time(), u.time()}
	if !u.complete() {
		return home{}, errPacked
	}
	return h, nil
}

// packOperation is an operation but for what has columns of its own: id, archive, kind, phase.
func packOperation(op *Operation) []byte {
	p := packer{append(make([]byte, 0, 384), operationVersion)}
	for _, text := range [...]string{op.Policy, op.Host, op.Volume, op.Path, string(op.Leave), op.Object} {
		p.string(text)
	}
	for _, n := range [...]int64{op.Run, op.ObjectID, int64(op.Version), op.Size, op.Allocated} {
		p.int64(n)
	}
	p.uint64(op.Dev)
	p.uint64(op.Ino)
	p.time(op.Mtime)
	p.time(op.Ctime)
	p.text(packDigest(op.Digest))
	p.attributes(op.Attributes)
	if op.Started.IsZero() {
		return append(p.b, 0)
	}
	p.b = append(p.b, 1)
	p.time(fsys.At(op.Started))
	return p.b
}

// unpackOperation fills in what packOperation packed.
func unpackOperation(b []byte, op *Operation) (err error) {
	u := unpack(b, operationVersion)
	var leave string
	for _, text := range [...]*string{&op.Policy, &op.Host, &op.Volume, &op.Path, &leave, &op.Object} {
		*text = string(u.text())
	}
	var version int64
	for _, n := range [...]*int64{&op.Run, &op.ObjectID, &version, &op.Size, &op.Allocated} {
		*n = u.int64()
	}
	op.Leave, op.Version = Leave(leave), int(version)
	op.Dev, op.Ino = u.uint64(), u.uint64()
	op.Mtime, op.Ctime = u.time(), u.time()
	if op.Digest, err = unpackDigest(u.text()); err != nil {
		return err
	}
	op.Attributes = u.attributes()
	if u.uint64() == 1 {
		op.Started = u.time().Go()
	}
	if !u.complete() {
		return errPacked
	}
	return nil
}

// packer appends to b.
type packer struct{ b []byte }

func (p *packer) uint64(n uint64) { p.b = binary.AppendUvarint(p.b, n) }
func (p *packer) int64(n int64)   { p.b = binary.AppendVarint(p.b, n) }

func (p *packer) time(t fsys.Time) {
	p.int64(t.Sec)
	p.int64(int64(t.Nsec))
}

func (p *packer) text(text []byte) {
	p.uint64(uint64(len(text)))
	p.b = append(p.b, text...)
}

func (p *packer) string(text string) {
	p.uint64(uint64(len(text)))
	p.b = append(p.b, text...)
}

// attributes packs the extended ones sorted by name. Their count and the lengths of their values are one more than they are, and 0 where
// the map or value is nil.
func (p *packer) attributes(a fsys.Attributes) {
	for _, n := range [...]uint32{a.UID, a.GID, a.Mode, a.Flags, a.Project} {
		p.uint64(uint64(n))
	}
	p.time(a.Atime)
	p.time(a.Mtime)
	if a.Xattrs == nil {
		p.uint64(0)
		return
	}
	p.uint64(uint64(len(a.Xattrs)) + 1)
	for _, name := range slices.Sorted(maps.Keys(a.Xattrs)) {
		p.string(name)
		value := a.Xattrs[name]
		if value == nil {
			p.uint64(0)
			continue
		}
		p.uint64(uint64(len(value)) + 1)
		p.b = append(p.b, value...)
	}
}

var errPacked = fmt.Errorf("a row cannot be read: %w", ErrCorrupt)

// unpacker reads from the front of b; once something is wrong all else reads as zero.
type unpacker struct {
	b   []byte
	bad bool
}

func unpack(b []byte, version byte) *unpacker {
	if len(b) == 0 || b[0] != version {
		return &unpacker{bad: true}
	}
	return &unpacker{b: b[1:]}
}

// complete says whether all was right and nothing is left.
func (u *unpacker) complete() bool { return !u.bad && len(u.b) == 0 }

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

func (u *unpacker) time() fsys.Time {
	sec, nsec := u.int64(), u.int64()
	if int64(int32(nsec)) != nsec {
		u.fail()
		return fsys.Time{}
	}
	return fsys.Time{Sec: sec, Nsec: int32(nsec)}
}

func (u *unpacker) text() []byte { return u.bytes(u.uint64()) }

func (u *unpacker) bytes(n uint64) []byte {
	if n > uint64(len(u.b)) {
		u.fail()
		return nil
	}
	b := u.b[:n]
	u.b = u.b[n:]
	return b
}

func (u *unpacker) attributes() fsys.Attributes {
	var a fsys.Attributes
	for _, n := range [...]*uint32{&a.UID, &a.GID, &a.Mode, &a.Flags, &a.Project} {
		*n = u.uint32()
	}
	a.Atime, a.Mtime = u.time(), u.time()
	a.Xattrs = u.xattrs()
	return a
}

func (u *unpacker) xattrs() map[string][]byte {
	count := u.uint64()
	if count == 0 {
		return nil
	}
	all, last := map[string][]byte{}, ""
	for i := range count - 1 {
		name := string(u.text())
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
	return "", fmt.Errorf("the digest %x: %w", b, errPacked)
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
