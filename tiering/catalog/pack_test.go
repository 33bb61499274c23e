package catalog

import (
	"errors"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidemark/tidemark/internal/fsys"
)

// odd are attributes that a careless form would lose something of.
var odd = map[string]fsys.Attributes{
	"nothing":        {},
	"no xattrs":      {UID: 1, Xattrs: map[string][]byte{}},
	"empty and nil":  {Xattrs: map[string][]byte{"user.empty": {}, "user.nil": nil, "": {0}}},
	"bytes":          {Xattrs: map[string][]byte{"security.capability": {1, 0, 0, 2, 0xff, 0xfe}, "user.\xff": []byte("x\x00y")}},
	"all of it":      {UID: math.MaxUint32, GID: math.MaxUint32, Mode: 0o7777, Flags: 0x80000010, Project: math.MaxUint32},
	"before 1970":    {Atime: fsys.Time{Sec: -1, Nsec: 999999999}, Mtime: fsys.Time{Sec: math.MinInt64}},
	"far in future":  {Atime: fsys.Time{Sec: math.MaxInt64, Nsec: math.MaxInt32}, Mtime: fsys.Time{Sec: 1, Nsec: -1}},
	"names in a row": {Xattrs: map[string][]byte{"a": []byte("bc"), "ab": []byte("c"), "abc": {}}},
	"a long value":   {Xattrs: map[string][]byte{"user.big": make([]byte, 300)}},
}

var digests = []string{
	"", "blake3:", "blake3:00ff", "blake3-sparse:00ff", "blake3:00FF", "blake3:0", "blake3:zz", "sha256:00ff", "\xff", "blake3-sparse:",
}

func TestFactsComeBackAsTheyWere(t *testing.T) {
	for name, a := range odd {
		for _, digest := range digests {
			want := facts{allocated: -5, run: math.MaxInt64, digest: digest, attributes: a}
			got, err := unpackFacts(packFacts(want))
			if diff := cmp.Diff(want, got, cmp.AllowUnexported(facts{})); err != nil || diff != "" {
				t.Errorf("%s, %q: %v %s", name, digest, err, diff)
			}
		}
	}
}

func TestOperationsComeBackAsTheyWere(t *testing.T) {
	for name, a := range odd {
		want := Operation{
			Run: 1, Policy: "p", Host: "h", Volume: "/v\xff", Path: "/p\x00", Leave: LeaveNothing, ObjectID: math.MaxInt64, Object: "o", Version: 7,
			Dev: math.MaxUint64, Ino: math.MaxUint64, Size: math.MaxInt64, Mtime: fsys.Time{Sec: -7, Nsec: 1}, Ctime: fsys.Time{Sec: 8}, Digest: digests[1],
			Attributes: a, Allocated: 4096, Started: time.Date(2300, 1, 1, 0, 0, 0, 7, time.UTC),
		}
		for _, started := range []time.Time{want.Started, {}} {
			want.Started = started
			var got Operation
			err := unpackOperation(packOperation(&want), &got)
			if diff := cmp.Diff(want, got); err != nil || diff != "" {
				t.Errorf("%s: %v %s", name, err, diff)
			}
		}
	}
}

func TestHomeComesBackAsItWas(t *testing.T) {
	want := home{math.MaxUint64, math.MaxUint64, fsys.Time{Sec: math.MinInt64, Nsec: 5}, fsys.Time{Sec: 1}}
	if got, err := unpackHome(packHome(want)); err != nil || got != want {
		t.Errorf("%+v, %v", got, err)
	}
}

// Whatever is not a whole pack of a known version is refused, wherever it is cut.
func TestPacksThatAreCutOrLonger(t *testing.T) {
	f := packFacts(facts{digest: "blake3:00ff", attributes: odd["bytes"]})
	op := archiveOperation(1)
	copied(op)
	for name, one := range map[string]struct {
		packed []byte
		unpack func([]byte) error
	}{
		"facts":     {f, func(b []byte) error { _, err := unpackFacts(b); return err }},
		"home":      {packHome(home{dev: 5, ino: 6}), func(b []byte) error { _, err := unpackHome(b); return err }},
		"operation": {packOperation(op), func(b []byte) error { return unpackOperation(b, new(Operation)) }},
	} {
		if err := one.unpack(one.packed); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for n := range len(one.packed) {
			if err := one.unpack(one.packed[:n]); !errors.Is(err, ErrCorrupt) {
				t.Errorf("%s cut to %d of %d bytes: %v", name, n, len(one.packed), err)
			}
		}
		if err := one.unpack(append(one.packed, 0)); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s and a byte: %v", name, err)
		}
		if err := one.unpack(append([]byte{99}, one.packed[1:]...)); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s of version 99: %v", name, err)
		}
	}
}

func FuzzFacts(f *testing.F) {
	for _, a := range odd {
		if len(a.Xattrs["user.big"]) == 0 {
			f.Add(packFacts(facts{1, 2, digests[2], a}))
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		first, err := unpackFacts(b)
		if err != nil {
			return
		}
		again, err := unpackFacts(packFacts(first))
		if diff := cmp.Diff(first, again, cmp.AllowUnexported(facts{})); err != nil || diff != "" {
			t.Errorf("%v %s", err, diff)
		}
	})
}

func FuzzOperation(f *testing.F) {
	op := archiveOperation(1)
	f.Add(packOperation(op))
	copied(op)
	f.Add(packOperation(op))
	f.Fuzz(func(t *testing.T, b []byte) {
		var first, again Operation
		if unpackOperation(b, &first) != nil {
			return
		}
		err := unpackOperation(packOperation(&first), &again)
		if diff := cmp.Diff(first, again); err != nil || diff != "" {
			t.Errorf("%v %s", err, diff)
		}
	})
}

// Names that are not in order, or twice, were not written by us.
func TestXattrsOutOfOrder(t *testing.T) {
	for names, right := range map[[2]string]bool{{"a", "b"}: true, {"b", "a"}: false, {"a", "a"}: false, {"", "a"}: true, {"", ""}: false} {
		p := packer{}
		p.uint64(3)
		for _, name := range names {
			p.string(name)
			p.uint64(0)
		}
		u := &unpacker{b: p.b}
		if all := u.xattrs(); u.complete() != right || right != (len(all) == 2) {
			t.Errorf("%q: %v, %t", names, all, u.complete())
		}
	}
}
