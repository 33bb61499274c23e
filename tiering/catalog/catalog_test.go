package catalog

import (
	"path/filepath"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tidemark/tidemark/internal/fsys"
)

func open(t testing.TB, path string) *Catalog {
	t.Helper()
	c, err := Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func fresh(t testing.TB) *Catalog {
	t.Helper()
	return open(t, filepath.Join(t.TempDir(), "tiering", "catalog.db"))
}

func inMemory(t testing.TB) *Catalog {
	t.Helper()
	c, err := OpenInMemory(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// archiveSome takes n files, from the first on, through the archive operation.
func archiveSome(t testing.TB, c *Catalog, first, n int, change func(*Operation)) []Object {
	t.Helper()
	ops, reasons := make([]*Operation, n), make([]string, n)
	for i := range ops {
		ops[i], reasons[i] = archiveOperation(first+i), "idle "+strconv.Itoa(i)
		if change != nil {
			change(ops[i])
		}
	}
	must(t, c.Begin(t.Context(), ops))
	for _, op := range ops {
		copied(op)
	}
	must(t, c.Advance(t.Context(), ops))
	objects, err := c.CommitArchived(t.Context(), someone, noon, ops, reasons)
	must(t, err)
	return objects
}

func releaseSome(t testing.TB, c *Catalog, objects []Object) []*Operation {
	t.Helper()
	ops := make([]*Operation, len(objects))
	for i := range objects {
		ops[i] = releaseOperation(&objects[i])
	}
	must(t, c.Begin(t.Context(), ops))
	must(t, c.CommitReleased(t.Context(), someone, noon, ops, make([]string, len(ops))))
	return ops
}

func TestAFileThroughItsLife(t *testing.T) {
	c := fresh(t)
	ctx := t.Context()
	objects := archiveSome(t, c, 0, 3, nil)
	for _, want := range objects {
		got, ok, err := c.Object(ctx, want.Host, want.Path)
		if diff := cmp.Diff(want, got); err != nil || !ok || diff != "" {
			t.Errorf("archived: %t, %v: %s", ok, err, diff)
		}
	}
	ops := releaseSome(t, c, objects)
	pending, err := c.Pending(ctx)
	must(t, err)
	if len(pending) != 3 || cmp.Diff(pending[1], *ops[1]) != "" || pending[1].Phase != Purging {
		t.Errorf("in flight after the release: %s", cmp.Diff(pending[1], *ops[1]))
	}
	must(t, c.CommitPurged(ctx, ops[:2]))
	must(t, c.CommitRestored(ctx, someone, noon, ops[2], "a writer came", fsys.Info{}))
	if pending, err := c.Pending(ctx); err != nil || len(pending) != 0 {
		t.Errorf("in flight at the end: %v, %v", pending, err)
	}
	for i, want := range []State{Released, Released, Archived} {
		if o, ok, err := c.ObjectByID(ctx, objects[i].ID); err != nil || !ok || o.State != want {
			t.Errorf("object %d is %s, %v; want %s", i, o.State, err, want)
		}
	}
	report, err := c.VerifyAudit(ctx, "")
	if err != nil || report.Broken != nil || report.Records != 7 {
		t.Errorf("the audit log: %+v, %v", report, err)
	}
}
