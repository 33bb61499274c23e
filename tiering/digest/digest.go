// Package digest hashes the content of files, so that a copy can be proven.
//
// A digest is written "blake3:HEX", the BLAKE3 hash (32 bytes) of the content that b3sum prints too, or, for a file of which at least 64 MiB
// are holes, "blake3-sparse:HEX": the BLAKE3 hash of those blocks of 1 MiB that are not all zero, each behind its offset, and of the size
// at the end; a terabyte of holes would take minutes to hash otherwise. The kind is chosen once, when a file is archived,
// and its digest depends on the content alone, never on where a filesystem put holes.
//
// To compute a sparse digest by other means: feed BLAKE3, for each block of 1 MiB (the last may be shorter) that is not all zero, the
// offset of the block in bytes as 8 bytes, little endian, and then the block; at the end the size of the file in the same form.
package digest

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/zeebo/blake3"
)

const (
	plainPrefix  = "blake3:"
	sparsePrefix = "blake3-sparse:"

	sparseFrom = 64 << 20 // bytes of holes
	blockSize  = 1 << 20
)

// zeros is never written.
var zeros = make([]byte, blockSize)

// Hash is one digest in the making: the content comes through Write and Hole, in order. It is not safe for concurrent use.
type Hash struct {
	inner   *blake3.Hasher
	sparse  bool
	size    int64  // so far
	partial []byte // sparse: the block that is not complete yet
}

// New chooses the kind for a file of so many bytes, of which so many are allocated.
func New(size, allocated int64) *Hash {
	return &Hash{inner: blake3.New(), sparse: size-allocated >= sparseFrom}
}

// Like is a hash of the kind that an existing digest is of.
func Like(digest string) (*Hash, error) {
	sum, plain := strings.CutPrefix(digest, plainPrefix)
	sparse := false
	if !plain {
		sum, sparse = strings.CutPrefix(digest, sparsePrefix)
	}
	raw, err := hex.DecodeString(sum)
	if !plain && !sparse || err != nil || len(raw) != 32 || strings.ToLower(sum) != sum {
		return nil, fmt.Errorf("%q is no digest: want %sHEX or %sHEX with 64 lower case digits", digest, plainPrefix, sparsePrefix)
	}
	return &Hash{inner: blake3.New(), sparse: sparse}, nil
}

// Write adds content. It never fails.
func (h *Hash) Write(p []byte) (int, error) {
	n := len(p)
	if !h.sparse {
		h.size += int64(n)
		return h.inner.Write(p)
	}
	for len(p) > 0 {
		if len(h.partial) == 0 && len(p) >= blockSize {
			h.block(p[:blockSize])
			h.size += blockSize
			p = p[blockSize:]
			continue
		}
		p = p[h.fill(p):]
	}
	return n, nil
}

// Hole adds n bytes that are zero.
func (h *Hash) Hole(n int64) {
	for n > 0 {
		switch {
		case !h.sparse:
			some := min(n, blockSize)
			h.inner.Write(zeros[:some])
			h.size += some
			n -= some
		case len(h.partial) == 0 && n >= blockSize:
			whole := n / blockSize * blockSize
			h.size += whole
			n -= whole
		default:
			n -= int64(h.fill(zeros[:min(n, blockSize)]))
		}
	}
}

// fill adds to the block that is not complete yet what fits, and says how much that was.
func (h *Hash) fill(p []byte) int {
	if h.partial == nil {
		h.partial = make([]byte, 0, blockSize)
	}
	p = p[:min(len(p), blockSize-len(h.partial))]
	h.partial = append(h.partial, p...)
	h.size += int64(len(p))
	if len(h.partial) == blockSize {
		h.size -= blockSize // block wants the offset of its start
		h.block(h.partial)
		h.size += blockSize
		h.partial = h.partial[:0]
	}
	return len(p)
}

// block hashes a block that starts at h.size.
func (h *Hash) block(p []byte) {
	if bytes.Equal(p, zeros[:len(p)]) {
		return
	}
	writeNumber(h.inner, h.size)
	h.inner.Write(p)
}

func writeNumber(to *blake3.Hasher, n int64) {
	var number [8]byte
	binary.LittleEndian.PutUint64(number[:], uint64(n))
	to.Write(number[:])
}

// Sum is the digest of what was added so far; more may be added afterwards.
func (h *Hash) Sum() string {
	if !h.sparse {
		return plainPrefix + hex.EncodeToString(h.inner.Sum(nil))
	}
	whole := Hash{inner: h.inner.Clone(), size: h.size - int64(len(h.partial))}
	whole.block(h.partial)
	writeNumber(whole.inner, h.size)
	return sparsePrefix + hex.EncodeToString(whole.inner.Sum(nil))
}
