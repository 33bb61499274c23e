package catalog

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// told is what an archive says of itself.
func told() ([]Object, []Hold) {
	var objects []Object
	for i := range 3 {
		op := archiveOperation(i)
		copied(op)
		o := archived(op, 0, noon)
		o.State = []State{Archived, Released, Superseded}[i]
		objects = append(objects, o)
	}
	return objects, []Hold{{Case: "A", Glob: "/srv/**", By: "bob", At: noon}}
}

func TestImportReplacesAnArchive(t *testing.T) {
	c := fresh(t)
	old := archiveSome(t, c, 10, 2, nil)
	kept := archiveSome(t, c, 20, 1, func(op *Operation) { op.Archive = "attic" })
	_, err := c.AddHold(t.Context(), someone, Hold{Case: "B", Glob: "/b", At: noon})
	must(t, err)
	objects, holds := told()
	must(t, c.Import(t.Context(), someone, noon, "vault", objects, holds, 500))
	var got []Object
	for o, err := range c.Objects(t.Context(), Query{Archive: "vault", Superseded: true}) {
		must(t, err)
		got = append(got, o)
	}
	if diff := cmp.Diff(objects, got, cmpopts.IgnoreFields(Object{}, "ID"), cmpopts.SortSlices(func(a, b Object) bool { return a.Path < b.Path })); diff != "" {
		t.Error(diff)
	}
	if _, ok, err := c.Object(t.Context(), "web-1", old[0].Path); ok || err != nil {
		t.Errorf("what the archive does not have is known still: %v", err)
	}
	if got := state(t, c, kept[0].ID); got != Archived {
		t.Errorf("an object of another archive is %q", got)
	}
	if holds, err := c.Holds(t.Context()); err != nil || len(holds) != 2 || holds[0].Case != "A" || holds[0].By != "bob" {
		t.Errorf("holds %+v, %v", holds, err)
	}
	if ops := begin(t, c, archiveOperation(1)); ops[0].ID != 501 {
		t.Errorf("the next operation is %d", ops[0].ID)
	}
	records := collectAudit(t, c, AuditFilter{Limit: 1})
	if len(records) != 1 || records[0].Action != "rebuild" || records[0].Archive != "vault" || !strings.HasPrefix(records[0].Reason, "3 objects instead of 2, 1 holds") || records[0].Seq != 5 {
		t.Errorf("audited %+v", records)
	}
	if r := verify(t, c, ""); r.Broken != nil || r.Records != 5 {
		t.Errorf("%+v", r)
	}
}

func TestImportWithOperationsInFlight(t *testing.T) {
	c := fresh(t)
	archiveSome(t, c, 10, 2, nil)
	elsewhere := archiveOperation(5)
	elsewhere.Archive = "attic"
	begin(t, c, archiveOperation(3), archiveOperation(4), elsewhere)
	objects, holds := told()
	before := dump(t, c)
	err := c.Import(t.Context(), someone, noon, "vault", objects, holds, 500)
	if !errors.Is(err, ErrPending) || !strings.Contains(err.Error(), "2 for vault, the first is 3; run: tidemark recover") {
		t.Errorf("error %v", err)
	}
	if diff := cmp.Diff(before, dump(t, c)); diff != "" {
		t.Errorf("changed: %s", diff)
	}
	must(t, c.Import(t.Context(), someone, noon, "vault", objects, holds, 1, DiscardOperations()))
	if pending, err := c.Pending(t.Context()); err != nil || len(pending) != 1 || pending[0].Archive != "attic" {
		t.Errorf("in flight: %+v, %v", pending, err)
	}
	if r := collectAudit(t, c, AuditFilter{Limit: 1}); !strings.Contains(r[0].Reason, "2 operations in flight discarded") {
		t.Errorf("audited %+v", r)
	}
	if last, err := c.LastOperation(t.Context()); err != nil || last != 5 {
		t.Errorf("the last operation is %d, %v", last, err)
	}
}

func TestImportIsWholeOrNothing(t *testing.T) {
	c := fresh(t)
	archiveSome(t, c, 10, 2, nil)
	before := dump(t, c)
	for name, spoil := range map[string]func([]Object, []Hold){
		"an object twice":               func(o []Object, _ []Hold) { o[2] = o[1] },
		"an object of another archive":  func(o []Object, _ []Hold) { o[2].Archive = "attic" },
		"an object in no state":         func(o []Object, _ []Hold) { o[2].State = "" },
		"a hold that matches nothing":   func(_ []Object, h []Hold) { h[0].Glob = "x" },
		"an object that leaves a stub":  func(o []Object, _ []Hold) { o[2].Leave = "stub" },
		"two objects of the same name":  func(o []Object, _ []Hold) { o[1].Object, o[2].Object = "x", "x" },
		"a hold that belongs to nobody": func(_ []Object, h []Hold) { h[0].Case = "" },
	} {
		objects, holds := told()
		spoil(objects, holds)
		if err := c.Import(t.Context(), someone, noon, "vault", objects, holds, 500); err == nil {
			t.Errorf("%s is taken", name)
		}
		if diff := cmp.Diff(before, dump(t, c)); diff != "" {
			t.Errorf("%s changed: %s", name, diff)
		}
	}
}

// More than a batch, into an empty catalog.
func TestImportOfMany(t *testing.T) {
	c := fresh(t)
	objects := make([]Object, 2100)
	for i := range objects {
		objects[i] = Object{Archive: "vault", Host: "web-1", Path: fmt.Sprint("/", i), Version: 1, Object: fmt.Sprint("data/web-1/", i), State: Released}
	}
	must(t, c.Import(t.Context(), someone, noon, "vault", objects, nil, 0))
	all, err := c.Totals(t.Context())
	if err != nil || all["vault"].Released.Files != 2100 {
		t.Errorf("%+v, %v", all, err)
	}
	if objects[5].ID != 0 {
		t.Error("the caller's objects were changed")
	}
}

func TestArchivesAreKnownByTheirIDs(t *testing.T) {
	c := fresh(t)
	is := func(want string) {
		t.Helper()
		if id, err := c.ArchiveID(t.Context(), "vault"); err != nil || id != want {
			t.Errorf("the vault is %q, want %q: %v", id, want, err)
		}
	}
	is("")
	must(t, c.Recognise(t.Context(), "vault", "first"))
	must(t, c.Recognise(t.Context(), "vault", "second"))
	is("first")
	must(t, c.Import(t.Context(), someone, noon, "vault", nil, nil, 0))
	is("first")
	must(t, c.Import(t.Context(), someone, noon, "vault", nil, nil, 0, As("second")))
	is("second")
}
