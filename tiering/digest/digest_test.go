package digest_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/zeebo/blake3"

	"github.com/tidemark/tidemark/tiering/digest"
)

const mib = 1 << 20

// holed is a file in memory whose data lies in extents; all else is a hole.
type holed struct {
	*bytes.Reader
	data [][2]int64 // sorted, not touching
}

func (h holed) NextData(offset, size int64) (start, end int64, err error) {
	for _, d := range h.data {
		if d[1] > offset {
			return min(max(d[0], offset), size), min(d[1], size), nil
		}
	}
	return size, size, nil
}

func (h holed) length() int64 { return h.Size() }

func whole(content []byte) holed {
	return holed{bytes.NewReader(content), [][2]int64{{0, int64(len(content))}}}
}

// plain and sparse are new hashes of each kind.
func plain() *digest.Hash  { return digest.New(0, 0) }
func sparse() *digest.Hash { return digest.New(1<<40, 0) }

func of(t *testing.T, f holed, hash *digest.Hash, buf int) string {
	t.Helper()
	if err := digest.Of(f, f.length(), hash, make([]byte, buf), nil); err != nil {
		t.Fatal(err)
	}
	return hash.Sum()
}

// The vectors are those that BLAKE3's authors publish: the input is 0, 1, …, 250, 0, 1, … of the length given.
func TestPlainIsBlake3(t *testing.T) {
	for _, c := range []struct {
		length int
		want   string
	}{
		{0, "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"},
		{1, "2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213"},
		{1024, "42214739f095a406f3fc83deb889744ac00df831c10daa55189b5d121c855af7"},
		{1025, "d00278ae47eb27b34faecf67b4fe263f82d5412916c1ffd97c8cb7fb814b8444"},
		{102400, "bc3e3d41a1146b069abffad3c0d44860cf664390afce4d9661f7902e7943e085"},
	} {
		content := make([]byte, c.length)
		for i := range content {
			content[i] = byte(i % 251)
		}
		if got := of(t, whole(content), plain(), 4096); got != "blake3:"+c.want {
			t.Errorf("length %d: %s, want %s", c.length, got, c.want)
		}
	}
}

// reference computes the sparse kind as the package comment words it.
func reference(content []byte) string {
	h := blake3.New()
	for at := 0; at < len(content); at += mib {
		block := content[at:min(at+mib, len(content))]
		if len(bytes.Trim(block, "\x00")) > 0 {
			h.Write(number(at))
			h.Write(block)
		}
	}
	h.Write(number(len(content)))
	return fmt.Sprintf("blake3-sparse:%x", h.Sum(nil))
}

func number(n int) []byte {
	out := make([]byte, 8)
	for i := range out {
		out[i] = byte(n >> (8 * i))
	}
	return out
}

func TestSparseIsAsWorded(t *testing.T) {
	data := func(at, length, size int) []byte {
		content := make([]byte, size)
		for i := range length {
			content[at+i] = byte(i%255 + 1)
		}
		return content
	}
	for name, content := range map[string][]byte{
		"empty":                {},
		"a byte":               {1},
		"a zero":               {0},
		"only a hole":          make([]byte, 5*mib+7),
		"one block":            data(0, mib, mib),
		"across blocks":        data(mib-3, 6, 3*mib),
		"data at a short end":  data(2*mib, 5, 2*mib+5),
		"zeros at a short end": data(0, 5, 2*mib+5),
	} {
		t.Run(name, func(t *testing.T) {
			if got, want := of(t, whole(content), sparse(), 100_003), reference(content); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		})
	}
}

// A filesystem may put holes wherever there are zeros, and none at all; reads may be of any length.
func TestHolesChangeNothing(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for round := range 12 {
		content := make([]byte, random.IntN(5*mib))
		for range random.IntN(6) {
			at := random.IntN(len(content) + 1)
			for i := at; i < min(at+random.IntN(mib), len(content)); i++ {
				content[i] = byte(random.Uint32())
			}
		}
		f := holed{bytes.NewReader(content), extents(random, content)}
		for kind, hash := range map[string]func() *digest.Hash{"plain": plain, "sparse": sparse} {
			want := of(t, whole(content), hash(), mib)
			if got := of(t, f, hash(), 1+random.IntN(2*mib)); got != want {
				t.Errorf("round %d, %s: %d bytes with data in %v: %s, without holes %s", round, kind, len(content), f.data, got, want)
			}
		}
	}
}

// extents leaves out some of the zeros.
func extents(random *rand.Rand, content []byte) (data [][2]int64) {
	for at := 0; at < len(content); {
		n := min(1+random.IntN(300_000), len(content)-at)
		zero := len(bytes.Trim(content[at:at+n], "\x00")) == 0
		switch last := len(data) - 1; {
		case zero && random.IntN(3) > 0:
		case last >= 0 && data[last][1] == int64(at):
			data[last][1] += int64(n)
		default:
			data = append(data, [2]int64{int64(at), int64(at + n)})
		}
		at += n
	}
	return data
}

func TestKindIsChosenByHoles(t *testing.T) {
	for _, c := range []struct {
		name            string
		size, allocated int64
		want            string
	}{
		{"dense", 1 << 40, 1 << 40, "blake3:"},
		{"nearly", 64 * mib, 1, "blake3:"},
		{"just", 64 * mib, 0, "blake3-sparse:"},
		{"more allocated than long", 1, 4096, "blake3:"},
	} {
		sum := digest.New(c.size, c.allocated).Sum()
		if !strings.HasPrefix(sum, c.want) || len(sum) != len(c.want)+64 {
			t.Errorf("%s: %s, want %s", c.name, sum, c.want)
		}
		like, err := digest.Like(sum)
		if err != nil || like.Sum() != sum {
			t.Errorf("%s: like %s is %v, %v", c.name, sum, like.Sum(), err)
		}
	}
}

func TestLikeRefuses(t *testing.T) {
	hex := strings.Repeat("ab", 32)
	for _, bad := range []string{"", hex, "blake3:", "blake3:" + hex + "00", "blake3:" + strings.ToUpper(hex), "blake3-sparse:" + hex[2:], "sha256:" + hex, "blake3:" + hex[1:] + "g"} {
		if _, err := digest.Like(bad); err == nil {
			t.Errorf("%q is taken for a digest", bad)
		}
	}
}

func TestTerabyteOfHoleIsInstant(t *testing.T) {
	hash := digest.New(1<<40, 0)
	if !strings.HasPrefix(hash.Sum(), "blake3-sparse:") {
		t.Fatal("not the sparse kind")
	}
	hash.Write([]byte("head"))
	hash.Hole(1 << 40)
	hash.Write([]byte("tail"))
	more, less := hash.Sum(), sparse()
	less.Hole(1<<40 + 8)
	if more == less.Sum() {
		t.Error("data makes no difference")
	}
	if hash.Sum() != more {
		t.Error("Sum changes what it sums")
	}
}

type broken struct {
	holed
	start, end int64
	err        error
}

func (b broken) NextData(int64, int64) (start, end int64, err error) { return b.start, b.end, b.err }

func TestOfFails(t *testing.T) {
	stop := errors.New("stop")
	content := whole(make([]byte, 10))
	for _, c := range []struct {
		name string
		file digest.File
		size int64
		each func(int) error
		want error
	}{
		{"shorter than said", content, 11, nil, io.ErrUnexpectedEOF},
		{"stopped", content, 10, func(int) error { return stop }, stop},
		{"no layout", broken{content, 0, 0, os.ErrClosed}, 10, nil, os.ErrClosed},
		{"layout goes back", broken{content, -1, 5, nil}, 10, nil, nil},
		{"layout goes nowhere", broken{content, 0, 0, nil}, 10, nil, nil},
		{"layout goes beyond", broken{content, 0, 12, nil}, 10, nil, nil},
	} {
		err := digest.Of(c.file, c.size, plain(), make([]byte, 4), c.each)
		if err == nil || c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
	if err := digest.Of(content, 10, plain(), nil, nil); err == nil {
		t.Error("no buffer is no error")
	}
	read := 0
	if err := digest.Of(content, 10, plain(), make([]byte, 4), func(n int) error { read += n; return nil }); err != nil || read != 10 {
		t.Errorf("told of %d bytes, %v", read, err)
	}
}

func BenchmarkHash(b *testing.B) {
	buf := make([]byte, mib)
	rand.NewChaCha8([32]byte{}).Read(buf)
	for name, hash := range map[string]*digest.Hash{"plain": plain(), "sparse": sparse()} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(mib)
			for b.Loop() {
				hash.Write(buf)
			}
		})
	}
}
