package archive

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidemark/tidemark/internal/fsys"
)

// Whatever can be read is written again as something that reads the same.
func FuzzParseLine(f *testing.F) {
	for _, r := range []Record{
		{Op: 1, Kind: KindArchive, Time: time.Unix(1, 2).UTC(), Host: "h", Path: "/a", Attributes: &fsys.Attributes{Xattrs: map[string][]byte{"user.\xff": {1}}}},
		{Kind: KindHold, Case: "c\xff", Glob: "/**"},
	} {
		text, err := appendLine(nil, r)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text[:len(text)-len(sumBefore)-sumDigits-len(sumAfter)-1]) // without its checksum
	}
	f.Add([]byte(`{"op":1,"time":"10000-01-01T00:00:00Z"`))
	f.Add([]byte(`{"op":1,"attributes":null,"xattrs_b64":[{"name":"eA==","value":"eA=="}]`))
	f.Add([]byte("{"))
	f.Fuzz(func(t *testing.T, body []byte) {
		if _, err := parseLine(body); err == nil && !bytes.HasSuffix(body, []byte(sumAfter)) {
			t.Fatal("a line without checksum was read")
		}
		whole := append(bytes.Clone(body), sumBefore...)
		whole = append(append(whole, checksum(body)...), sumAfter...)
		r, err := parseLine(whole)
		if err != nil {
			return
		}
		again, err := appendLine(nil, r)
		if err != nil {
			return // a year that JSON has no room for
		}
		r2, err := parseLine(bytes.TrimSuffix(again, []byte("\n")))
		if err != nil {
			t.Fatalf("%q became %q: %v", body, again, err)
		}
		if diff := cmp.Diff(normal(r), normal(r2)); diff != "" {
			t.Errorf("%q became %q\n%s", body, again, diff)
		}
	})
}

// normal has no maps that are there but empty, which are not written.
func normal(r Record) Record {
	r.Time = r.Time.UTC()
	if r.Attributes != nil && len(r.Attributes.Xattrs) == 0 {
		attributes := *r.Attributes
		attributes.Xattrs = nil
		r.Attributes = &attributes
	}
	return r
}

// Whatever stands between two records, they are read.
func FuzzReadRecords(f *testing.F) {
	record := Record{Op: 5, Kind: KindRelease, Time: time.Unix(1, 0).UTC(), Host: "h", Path: "/a"}
	text, err := appendLine(nil, record)
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(""))
	f.Add([]byte("\n\n"))
	f.Add([]byte("x"))
	f.Add(text[:len(text)-1])
	f.Add(make([]byte, 100))
	f.Fuzz(func(t *testing.T, between []byte) {
		all := bytes.Join([][]byte{text, between, []byte("\n"), text}, nil)
		var first, last Record
		lines := int64(0)
		readRecords(t.Context(), bytes.NewReader(all), "h", func(r Record, err error) bool {
			if damage := (*Damage)(nil); errors.As(err, &damage) {
				if damage.Line <= lines || damage.Last {
					t.Errorf("%v after line %d", damage, lines)
				}
				lines = damage.Line
				return true
			} else if err != nil {
				t.Error(err)
			}
			if first.Op == 0 {
				first = r
			}
			last = r
			return true
		})
		if diff := cmp.Diff([]Record{record, record}, []Record{first, last}); diff != "" {
			t.Errorf("records (-want +got)\n%s", diff)
		}
		if lines > int64(strings.Count(string(all), "\n")) {
			t.Errorf("line %d of %d is damaged", lines, strings.Count(string(all), "\n"))
		}
	})
}

// What is parsed is valid, is formatted as it is, and gives nobody in an archive more than at home.
func FuzzParseACL(f *testing.F) {
	for _, acl := range []ACL{
		{{TagUserObj, 7, 0}, {TagGroupObj, 5, 0}, {TagOther, 0, 0}},
		{{TagUserObj, 7, 0}, {TagUser, 6, 9}, {TagUser, 1, 10}, {TagGroupObj, 5, 0}, {TagGroup, 7, 3}, {TagMask, 3, 0}, {TagOther, 4, 0}},
	} {
		f.Add(acl.Format())
	}
	f.Add([]byte{2, 0, 0, 0})
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, value []byte) {
		acl, err := ParseACL(value)
		if err != nil {
			return
		}
		again, err := ParseACL(acl.Format())
		if err != nil || cmp.Diff(acl, again) != "" {
			t.Fatalf("%v became %v, %v", acl, again, err)
		}
		home := fsys.Attributes{UID: 9, Mode: uint32(acl.perm(TagUserObj)<<6 | acl.perm(TagMask)&7<<3 | acl.perm(TagOther)), Xattrs: map[string][]byte{XattrAccess: value}}
		for _, a := range []access{directoryAccess(home), fileAccess(home)} {
			if a.acl != nil && a.acl.valid() != nil {
				t.Errorf("%v gives %v: %v", acl, a.acl, a.acl.valid())
			}
			if a.mode&0o022 != 0 || a.acl != nil && a.mode&0o070 == 0 {
				t.Errorf("%v gives mode %o and %v", acl, a.mode, a.acl)
			}
			if w := a.without(); w.acl != nil || w.mode&^a.mode != 0 {
				t.Errorf("%v without ACLs: mode %o of %o", acl, w.mode, a.mode)
			}
		}
	})
}
