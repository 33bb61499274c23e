package catalog

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bmatcuk/doublestar/v4"
	"github.com/google/go-cmp/cmp"

	"github.com/tidemark/tidemark/internal/fsys"
)

// put inserts objects as they are; what a listing needs is filled in.
func put(t testing.TB, c *Catalog, objects ...Object) {
	t.Helper()
	must(t, c.write(t.Context(), "put", func(tx *transaction) error {
		id, err := tx.nextObject()
		for i := range objects {
			o := &objects[i]
			o.ID = id + int64(i)
			o.Version = max(o.Version, 1)
			if o.Archive == "" {
				o.Archive = "vault"
			}
			if o.Host == "" {
				o.Host = "web-1"
			}
			if o.State == "" {
				o.State = Archived
			}
			if o.Object == "" {
				o.Object = objectName(o.Host, o.Path, o.Version)
			}
		}
		if err != nil {
			return err
		}
		return tx.insert(objects...)
	}))
}

// listed is the objects of a query as host:path@archive/version.
func listed(t testing.TB, c *Catalog, q Query) (found []string) {
	t.Helper()
	for o, err := range c.Objects(t.Context(), q) {
		must(t, err)
		found = append(found, fmt.Sprintf("%s:%s@%s/%d", o.Host, o.Path, o.Archive, o.Version))
	}
	return found
}

func TestObjectsComeBackAsTheyWere(t *testing.T) {
	c := fresh(t)
	full := Object{
		Archive: "vault", Host: "web-1", Path: "/a/\xff\n\"'", Version: 3, Object: "elsewhere/\xfe", State: Released, Leave: LeaveNothing,
		Size: 1 << 60, Allocated: 5, Digest: "blake3:00ff", Attributes: odd["bytes"], Policy: "p", Run: 9,
		ArchivedAt: noon, ReleasedAt: noon.Add(1), RecalledAt: noon.Add(2), CheckedAt: noon.Add(3), Bad: "it's bad",
		Dev: 1 << 63, Ino: 1<<64 - 1, Mtime: fsys.Time{Sec: -1, Nsec: 7}, Ctime: fsys.Time{Sec: 1 << 40, Nsec: 8},
	}
	bare := Object{Archive: "vault", Host: "", Path: "/", Version: 1, Object: "data//", State: Disposed}
	all := []Object{full, bare}
	must(t, c.write(t.Context(), "put", func(tx *transaction) error {
		all[0].ID, all[1].ID = 7, 8
		return tx.insert(all...)
	}))
	for _, want := range all {
		if diff := cmp.Diff(want, object(t, c, want.ID)); diff != "" {
			t.Error(diff)
		}
	}
	if _, ok, err := c.ObjectByID(t.Context(), 99); ok || err != nil {
		t.Errorf("an object that is not there: %t, %v", ok, err)
	}
	for name, o := range map[string]Object{
		"the same version":        {Path: full.Path, Version: 3, Object: "other"},
		"the same object":         {Path: "/b", Object: full.Object},
		"a state that is none":    {Path: "/c", State: "gone"},
		"a leave that is unknown": {Path: "/d", Leave: "stub"},
	} {
		o.Archive, o.Host, o.ID = "vault", "web-1", 9
		if o.State == "" {
			o.State = Archived
		}
		if err := c.write(t.Context(), "put", func(tx *transaction) error { return tx.insert(o) }); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

func TestNewestObjectOfAFile(t *testing.T) {
	c := fresh(t)
	put(t, c,
		Object{Path: "/a", Version: 1, State: Superseded, ArchivedAt: noon},
		Object{Path: "/a", Version: 2, State: Released, ArchivedAt: noon.Add(2)},
		Object{Path: "/a", Version: 3, State: Disposed, ArchivedAt: noon.Add(3)},
		Object{Path: "/a", Archive: "attic", State: Archived, ArchivedAt: noon.Add(1)},
		Object{Path: "/a", Host: "web-2", State: Archived, ArchivedAt: noon.Add(9)},
		Object{Path: "/a/b", Version: 8, State: Archived, ArchivedAt: noon.Add(9)},
		Object{Path: "/gone", State: Superseded})
	if o, ok, err := c.Object(t.Context(), "web-1", "/a"); err != nil || !ok || o.Version != 2 {
		t.Errorf("%+v, %t, %v", o, ok, err)
	}
	for _, one := range [][2]string{{"web-1", "/gone"}, {"web-1", "/A"}, {"web-1", "/a/"}, {"web-3", "/a"}} {
		if o, ok, err := c.Object(t.Context(), one[0], one[1]); ok || err != nil {
			t.Errorf("%v: %+v, %v", one, o, err)
		}
	}
}

func TestQueries(t *testing.T) {
	c := fresh(t)
	put(t, c,
		Object{Host: "web-2", Path: "/srv/a.mkv"},
		Object{Path: "/srv/b/c.mkv", State: Released},
		Object{Path: "/srv/b.mkv"},
		Object{Path: "/srv/b0.mkv", Archive: "attic"},
		Object{Path: "/srv/b/c.mkv", Archive: "attic"},
		Object{Path: "/srv/b/\xff.mkv", Bad: "torn"},
		Object{Path: "/srv/b/old.mkv", State: Superseded},
		Object{Path: "/srv/b/new.mkv", Version: 2}, Object{Path: "/srv/b/new.mkv", State: Superseded},
		Object{Path: "/srv/b/gone.mkv", State: Disposed, Bad: "rot"},
		Object{Path: "/srv/b"}, Object{Path: "/srv/B/x"}, Object{Path: "/s*v/lit"}, Object{Path: "/srw"})
	bmkv, ff := "web-1:/srv/b.mkv@vault/1", "web-1:/srv/b/\xff.mkv@vault/1"
	newer, cVault, cAttic := "web-1:/srv/b/new.mkv@vault/2", "web-1:/srv/b/c.mkv@vault/1", "web-1:/srv/b/c.mkv@attic/1"
	below := []string{cVault, cAttic, newer, ff}
	for name, one := range map[string]struct {
		q    Query
		want []string
	}{
		"all": {Query{}, []string{
			"web-1:/s*v/lit@vault/1", "web-1:/srv/B/x@vault/1", "web-1:/srv/b@vault/1", bmkv, cVault, cAttic, newer, ff,
			"web-1:/srv/b0.mkv@attic/1", "web-1:/srw@vault/1", "web-2:/srv/a.mkv@vault/1",
		}},
		"a host":                 {Query{Host: "web-2"}, []string{"web-2:/srv/a.mkv@vault/1"}},
		"no such host":           {Query{Host: "web-9"}, nil},
		"no such archive":        {Query{Archive: "none"}, nil},
		"an archive":             {Query{Archive: "attic"}, []string{cAttic, "web-1:/srv/b0.mkv@attic/1"}},
		"a directory":            {Query{Prefix: "/srv/b"}, below},
		"a directory with slash": {Query{Prefix: "/srv/b/"}, below},
		"the root":               {Query{Prefix: "/", Host: "web-2"}, []string{"web-2:/srv/a.mkv@vault/1"}},
		"in a directory of one":  {Query{Prefix: "/srv/b", Archive: "vault"}, []string{cVault, newer, ff}},
		"released":               {Query{States: []State{Released}}, []string{cVault}},
		"superseded too":         {Query{Prefix: "/srv/b", Archive: "vault", Superseded: true}, []string{cVault, "web-1:/srv/b/new.mkv@vault/1", newer, "web-1:/srv/b/old.mkv@vault/1", ff}},
		"only superseded":        {Query{States: []State{Superseded}}, []string{"web-1:/srv/b/new.mkv@vault/1", "web-1:/srv/b/old.mkv@vault/1"}},
		"disposed":               {Query{States: []State{Disposed}}, []string{"web-1:/srv/b/gone.mkv@vault/1"}},
		"bad":                    {Query{Bad: true}, []string{ff}},
		"glob":                   {Query{Glob: "/srv/b*.mkv"}, []string{bmkv, "web-1:/srv/b0.mkv@attic/1"}},
		"glob over directories":  {Query{Glob: "/srv/**/c.mkv"}, []string{cVault, cAttic}},
		"all below and itself":   {Query{Glob: "/srv/b/**"}, append([]string{"web-1:/srv/b@vault/1"}, below...)},
		"a glob without any":     {Query{Glob: "/srv/b.mkv"}, []string{bmkv}},
		"a wildcard as it is":    {Query{Glob: `/s\*v/lit`}, []string{"web-1:/s*v/lit@vault/1"}},
		"glob in a directory":    {Query{Glob: "/**/*.mkv", Prefix: "/srv/b"}, below},
		"glob beside it":         {Query{Glob: "/srw/**", Prefix: "/srv/b"}, nil},
		"braces":                 {Query{Glob: "/srv/{b,B}/[cx]*"}, []string{"web-1:/srv/B/x@vault/1", cVault, cAttic}},
	} {
		if diff := cmp.Diff(one.want, listed(t, c, one.q)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	for name, q := range map[string]Query{
		"a relative directory": {Prefix: "srv"}, "a relative glob": {Glob: "*.mkv"}, "a malformed glob": {Glob: "/[a"}, "no state": {States: []State{"x"}},
	} {
		for _, err := range c.Objects(t.Context(), q) {
			if err == nil {
				t.Errorf("%s: no error", name)
			}
		}
	}
}

// Pages end within a path that has several rows, and the catalog may be changed while it is listed.
func TestListingOverPages(t *testing.T) {
	c := fresh(t)
	var objects []Object
	var want []string
	for i := range 2*objectPage + 1 {
		path := fmt.Sprintf("/srv/%06d", i/3)
		o := Object{Path: path, Version: i%3/2 + 1, Archive: []string{"vault", "attic", "attic"}[i%3]}
		objects = append(objects, o)
		want = append(want, fmt.Sprintf("web-1:%s@%s/%d", path, o.Archive, o.Version))
	}
	put(t, c, objects...)
	got := listed(t, c, Query{})
	if !slices.IsSorted(pathsOf(got)) {
		t.Error("the listing is not in the order of paths")
	}
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	n := 0
	for o, err := range c.Objects(t.Context(), Query{Archive: "vault"}) {
		must(t, err)
		must(t, c.MarkChecked(t.Context(), someone, noon, []int64{o.ID}, nil))
		if n++; n == 3 {
			break
		}
	}
}

func pathsOf(found []string) (paths []string) {
	for _, f := range found {
		path, _, _ := strings.Cut(f, "@")
		paths = append(paths, path)
	}
	return paths
}

// What a range by the index leaves out must not match: against doublestar alone, over all pairs.
func TestRangesOfGlobs(t *testing.T) {
	globs := []string{
		"/", "/*", "/**", "/a", "/a*", "/a/**", "/a/*", "/**/b", "/a/**/b", "/{a,b}/c", "/a?", "/a[/]b", `/a\*b`, `/a\\`, "/\xff*", "/\xff\xff", "/é*", "/a/b/../c",
		"/a/{b,c}*", "/a/**/", "/a//b", "/[!a]*",
	}
	paths := []string{
		"/", "/a", "/a/", "/a/b", "/a/b/c", "/a/x/b", "/ab", "/a*b", `/a\`, "/b/c", "/a/c", "/\xff", "/\xff\xff", "/\xff\xffx", "/é", "/éa", "/a0", "/b", "/a\x00", "/c/b",
	}
	for _, glob := range globs {
		r, err := newPathRange("", glob)
		if err != nil {
			continue
		}
		for _, path := range paths {
			want := doublestar.MatchUnvalidated(glob, path)
			if got := r.match(path); got != want {
				t.Errorf("%q with %q: %t, want %t", glob, path, got, want)
			}
		}
	}
}

func TestChecks(t *testing.T) {
	c := fresh(t)
	put(t, c,
		Object{Path: "/b", CheckedAt: noon.Add(2)}, Object{Path: "/never"}, Object{Path: "/a", CheckedAt: noon.Add(1), State: Released},
		Object{Path: "/old", CheckedAt: noon.Add(3), State: Superseded}, Object{Path: "/gone", State: Disposed}, Object{Path: "/other", Archive: "attic"})
	next := func(limit int) (paths []string) {
		t.Helper()
		objects, err := c.NextToCheck(t.Context(), "vault", limit)
		must(t, err)
		for _, o := range objects {
			paths = append(paths, o.Path)
		}
		return paths
	}
	if got := next(10); !slices.Equal(got, []string{"/never", "/a", "/b", "/old"}) {
		t.Errorf("%q", got)
	}
	if got := next(2); !slices.Equal(got, []string{"/never", "/a"}) {
		t.Errorf("at most two: %q", got)
	}
	later := noon.Add(time.Hour)
	must(t, c.MarkChecked(t.Context(), someone, later, []int64{2}, map[int64]string{1: "hash differs", 3: "missing"}))
	if got := next(10); !slices.Equal(got, []string{"/old", "/never"}) {
		t.Errorf("after the check: %q", got)
	}
	if o := object(t, c, 1); o.Bad != "hash differs" || !o.CheckedAt.Equal(noon.Add(2)) {
		t.Errorf("the bad one: %+v", o)
	}
	if o := object(t, c, 2); o.Bad != "" || !o.CheckedAt.Equal(later) {
		t.Errorf("the right one: %+v", o)
	}
	must(t, c.MarkChecked(t.Context(), someone, later, nil, map[int64]string{1: "hash differs"})) // known: not audited again
	must(t, c.MarkChecked(t.Context(), someone, later, []int64{3, 2}, nil))
	var got []string
	for _, r := range collectAudit(t, c, AuditFilter{}) {
		got = append(got, r.Action+" "+r.Path+" "+r.Reason)
	}
	if want := []string{"bad /b hash differs", "bad /a missing", "verify /a right again; it was bad: missing"}; !slices.Equal(got, want) {
		t.Errorf("audited %q, want %q", got, want)
	}
	for name, bad := range map[string]map[int64]string{"an object that is not there": {99: "x"}, "no reason": {1: ""}} {
		before := dump(t, c)
		if err := c.MarkChecked(t.Context(), someone, later, []int64{1}, bad); err == nil || cmp.Diff(before, dump(t, c)) != "" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTotals(t *testing.T) {
	c := fresh(t)
	if all, err := c.Totals(t.Context()); err != nil || len(all) != 0 {
		t.Errorf("of nothing: %v, %v", all, err)
	}
	put(t, c,
		Object{Path: "/1", Size: 1, CheckedAt: noon.Add(2)}, Object{Path: "/2", Size: 2, CheckedAt: noon.Add(1)}, Object{Path: "/3", Size: 4, State: Released, CheckedAt: noon.Add(3), Bad: "x"},
		Object{Path: "/4", Size: 8, State: Superseded, CheckedAt: noon.Add(4), Bad: "y"}, Object{Path: "/5", Size: 16, State: Disposed, Bad: "z"},
		Object{Path: "/6", Size: 32, Archive: "attic"})
	got, err := c.Totals(t.Context())
	want := map[string]Totals{
		"vault": {Archived: Total{2, 3}, Released: Total{1, 4}, Superseded: Total{1, 8}, Bad: 2, OldestCheck: noon.Add(1)},
		"attic": {Archived: Total{1, 32}},
	}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
}

func TestKnown(t *testing.T) {
	c := fresh(t)
	objects := []Object{
		{Path: "/srv/a", Dev: 1, Ino: 1e6, Size: 5, Mtime: fsys.Time{Sec: -1, Nsec: 2}, Ctime: fsys.Time{Sec: 3, Nsec: 4}, RecalledAt: noon},
		{Path: "/srv/b", Dev: 1, Ino: 1<<64 - 1, Size: 6},
		{Path: "/srv/c", Dev: 2, Ino: 2e6, Size: 7},
		{Path: "/srv/c", Dev: 3, Ino: 2e6, Size: 8, Archive: "attic"}, // newer, and after a reboot
		{Path: "/srv/d", Dev: 1, Ino: 11e6, State: Released},
		{Path: "/srv/e", Dev: 1, Ino: 12e6, State: Superseded},
		{Path: "/srv0", Dev: 1, Ino: 13e6},
		{Path: "/srv", Dev: 1, Ino: 14e6},
		{Path: "/srv/f", Dev: 1, Ino: 15e6, Host: "web-2"},
	}
	const many = 1000
	for i := range many {
		objects = append(objects, Object{Path: fmt.Sprintf("/srv/many/%06d", i), Dev: 3, Ino: uint64(i + 1), Size: int64(i)})
	}
	put(t, c, objects...)
	k, err := c.ArchivedUnder(t.Context(), "web-1", "/srv")
	must(t, err)
	if k.Len() != 4+many {
		t.Errorf("%d files are known", k.Len())
	}
	mtime, ctime, size, recalled, id, ok := k.Lookup(1e6)
	if mtime != objects[0].Mtime || ctime != objects[0].Ctime || size != 5 || !recalled.Equal(noon) || id != 1 || !ok {
		t.Errorf("%v %v %d %v %d %t", mtime, ctime, size, recalled, id, ok)
	}
	if _, _, size, recalled, _, ok := k.Lookup(1<<64 - 1); !ok || size != 6 || !recalled.IsZero() {
		t.Errorf("the highest inode: %d %v %t", size, recalled, ok)
	}
	if _, _, size, _, _, ok := k.Lookup(2e6); !ok || size != 8 {
		t.Errorf("of two archives: %d %t", size, ok)
	}
	for i := range many {
		if _, _, size, _, _, ok := k.Lookup(uint64(i + 1)); !ok || size != int64(i) {
			t.Fatalf("file %d: %d, %t", i, size, ok)
		}
	}
	for _, miss := range []uint64{11e6, 12e6, 13e6, 14e6, 15e6, 0} {
		if _, _, _, _, id, ok := k.Lookup(miss); ok {
			t.Errorf("%v is known as object %d", miss, id)
		}
	}
	if k, err := c.ArchivedUnder(t.Context(), "web-9", "/"); err != nil || k.Len() != 0 {
		t.Errorf("an unknown host: %v", err)
	}
	if _, err := c.ArchivedUnder(t.Context(), "web-1", "srv"); err == nil {
		t.Error("a relative directory is taken")
	}
}
