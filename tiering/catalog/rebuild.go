package catalog

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"
)

// ImportOption lets Import do what it otherwise refuses.
type ImportOption func(*importing)

type importing struct {
	discard bool
	id      string // of the archive; empty: as it is known
}

// DiscardOperations lets Import go on although operations of the archive are in flight: they are taken out of the journal. What they
// left in staging and trash stays there and is reported as without a journal row.
func DiscardOperations() ImportOption { return func(i *importing) { i.discard = true } }

// Import replaces all that is known of an archive by what the archive says of itself: its objects, the holds that its manifest
// recorded, the highest operation id that it has seen. All or nothing. Ids of objects are given anew. Holds that stand here and not there
// stay: nothing that is held is let go by a rebuild. The audit log goes on. Operations in flight are ErrPending.
func (c *Catalog) Import(ctx context.Context, by Actor, now time.Time, archive string, objects []Object, holds []Hold, lastOperation int64, opts ...ImportOption) error {
	var o importing
	for _, opt := range opts {
		opt(&o)
	}
	return c.write(ctx, "import what "+archive+" has", func(t *transaction) error {
		discarded, err := t.discard(archive, o)
		if err != nil {
			return err
		}
		before, err := t.exec("DELETE FROM object WHERE archive = "+nameID, archive)
		if err != nil {
			return err
		}
		if err := t.importObjects(archive, objects); err != nil {
			return err
		}
		for _, h := range holds {
			if err := ValidateHold(h); err != nil {
				return err
			}
			if _, err := t.insertHold(h); err != nil {
				return err
			}
		}
		if err := t.raiseOperations(lastOperation); err != nil {
			return err
		}
		if err := t.become(archive, o.id); err != nil {
			return err
		}
		reason := fmt.Sprintf("%d objects instead of %d, %d holds, operations up to %d", len(objects), before, len(holds), lastOperation)
		if discarded > 0 {
			reason += fmt.Sprintf(", %d operations in flight discarded", discarded)
		}
		return t.audit(AuditRecord{Time: now, Actor: by, Action: "rebuild", Archive: archive, Reason: reason})
	})
}

func (t *transaction) discard(archive string, o importing) (int64, error) {
	n, first, err := t.inFlight(archive)
	if err != nil || n == 0 {
		return 0, err
	}
	if !o.discard {
		return 0, fmt.Errorf("%w: %d for %s, the first is %d; run: tidemark recover", ErrPending, n, archive, first)
	}
	return t.exec("DELETE FROM operation WHERE archive = ?", archive)
}

func (t *transaction) importObjects(archive string, objects []Object) error {
	id, err := t.nextObject()
	if err != nil {
		return err
	}
	const batch = 1000
	for some := range slices.Chunk(objects, batch) {
		some = slices.Clone(some)
		for i := range some {
			if some[i].Archive != archive {
				return fmt.Errorf("the object %q is of %s", some[i].Object, some[i].Archive)
			}
			some[i].ID, id = id, id+1
		}
		if err := t.insert(some...); err != nil {
			return err
		}
	}
	return nil
}

// Totals are what an archive has.
type Totals struct {
	Archived, Released, Superseded Total
	Recalled                       int64     // files that were recalled at least once
	Bad                            int64     // files known to be bad, of every state but disposed
	OldestCheck                    time.Time // when the one was read that was read longest ago; zero: one never was, or there is none
}

// Total is a number of files and their bytes.
type Total struct{ Files, Bytes int64 }

// selectArchives asks the partial indexes which archives there are; the rows have no index of archives alone.
const selectArchives = `SELECT id, text FROM name WHERE EXISTS (SELECT 1 FROM object WHERE archive = name.id AND state <> 4 AND bad IS NULL)
	OR EXISTS (SELECT 1 FROM object WHERE archive = name.id AND bad IS NOT NULL)`

// selectTotals adds up one archive in one pass: a GROUP BY would sort every row first.
const selectTotals = `SELECT count(*) FILTER (WHERE state = 1), coalesce(sum(size) FILTER (WHERE state = 1), 0),
	count(*) FILTER (WHERE state = 2), coalesce(sum(size) FILTER (WHERE state = 2), 0),
	count(*) FILTER (WHERE state = 3), coalesce(sum(size) FILTER (WHERE state = 3), 0),
	count(recalled_at), count(bad) FILTER (WHERE state <> 4) FROM object WHERE +archive = ?`

// Totals are what each archive has, by name. It reads every row, once for each archive.
func (c *Catalog) Totals(ctx context.Context) (map[string]Totals, error) {
	var archives []nameRef
	err := c.query(ctx, selectArchives, nil, func(rows *sql.Rows) error {
		var a nameRef
		err := rows.Scan(&a.id, &a.text)
		archives = append(archives, a)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("add up the archives: %w", err)
	}
	all := map[string]Totals{}
	for _, a := range archives {
		if all[a.text], err = c.totals(ctx, a); err != nil {
			return nil, fmt.Errorf("add up %s: %w", a.text, err)
		}
	}
	return all, nil
}

func (c *Catalog) totals(ctx context.Context, archive nameRef) (t Totals, err error) {
	err = c.query(ctx, selectTotals, []any{archive.id}, func(rows *sql.Rows) error {
		return rows.Scan(&t.Archived.Files, &t.Archived.Bytes, &t.Released.Files, &t.Released.Bytes, &t.Superseded.Files, &t.Superseded.Bytes, &t.Recalled,
			&t.Bad)
	})
	if err != nil {
		return t, err
	}
	oldest, err := c.NextToCheck(ctx, archive.text, 1)
	if len(oldest) > 0 {
		t.OldestCheck = oldest[0].CheckedAt
	}
	return t, err
}
