package mover_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/tidemark/tidemark/internal/fsys"
	"github.com/tidemark/tidemark/internal/mounttest"
	"github.com/tidemark/tidemark/tiering/catalog"
	"github.com/tidemark/tidemark/tiering/mover"
	"github.com/tidemark/tidemark/tiering/selection"
)

// A hold that is placed while a run goes on counts before every step that takes something away, the last one included.
func TestHoldCountsAtTheLastMoment(t *testing.T) {
	mounttest.RequireRoot(t)
	p := newPlace(t, mounttest.Mount(t, mounttest.Image(t, "ext4", 16)), mounttest.Mount(t, mounttest.Image(t, "ext4", 16)))
	asked, heldFrom := 0, 0 // from which question on the file is held
	now := time.Now()
	m, err := mover.New(mover.Options{
		FS: fsys.Host{}, Catalog: p.catalog, Archive: p.archive, Host: "h", Volume: p.volume, Policy: "cold", Leave: catalog.LeaveLink,
		Now:   func() time.Time { return now },
		Sleep: func(_ context.Context, d time.Duration) error { now = now.Add(d); return nil },
		Held: func(context.Context, string) (catalog.Hold, bool, error) {
			asked++
			return catalog.Hold{Case: "FIR-1"}, asked >= heldFrom, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	path := filepath.Join(p.volume, "evidence")
	if err := os.WriteFile(path, []byte("evidence"), 0o600); err != nil {
		t.Fatal(err)
	}
	const held = "under hold (case FIR-1)"
	// Before the copy, and again before it is published.
	for heldFrom = 1; heldFrom <= 2; heldFrom++ {
		asked = 0
		results, err := m.Archive(t.Context(), []selection.Item{p.item("evidence")})
		if err != nil || results[0].Skipped != held {
			t.Fatalf("archive, held from question %d of %d: %v %+v", heldFrom, asked, err, results[0])
		}
	}
	asked, heldFrom = 0, 1000
	results, err := m.Archive(t.Context(), []selection.Item{p.item("evidence")})
	all(t, results, err)
	if asked != 2 {
		t.Errorf("archive asked %d times", asked)
	}
	object := results[0].Object
	// Before the lease, before the exchange, and before the purge.
	for heldFrom = 1; heldFrom <= 3; heldFrom++ {
		asked = 0
		releases, results, err := m.Release(t.Context(), []mover.Candidate{{Path: path, Object: object, Reason: "full"}})
		if err != nil {
			t.Fatal(err)
		}
		if err := m.Purge(t.Context(), releases); err != nil {
			t.Fatal(err)
		}
		if asked != heldFrom || results[0].Skipped != held {
			t.Errorf("release, held from question %d, asked %d times: %+v", heldFrom, asked, results[0])
		}
		if info, err := os.Lstat(path); err != nil || !info.Mode().IsRegular() {
			t.Fatalf("held from question %d: %v %v", heldFrom, info, err)
		}
		var ok bool
		if object, ok, err = p.catalog.Object(t.Context(), "h", path); err != nil || !ok || object.State != catalog.Archived {
			t.Fatalf("held from question %d: %+v %v", heldFrom, object, err)
		}
	}
}
