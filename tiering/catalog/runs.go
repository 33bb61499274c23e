package catalog

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// BeginRun writes a run down and gives it its id. Earlier runs of the policy that have no end were interrupted: a policy runs once
// at a time.
func (c *Catalog) BeginRun(ctx context.Context, r *Run) error {
	return c.write(ctx, "begin a run", func(t *transaction) error {
		if _, err := t.exec("UPDATE run SET interrupted = 1 WHERE policy = ? AND ended IS NULL", r.Policy); err != nil {
			return err
		}
		return t.row(`INSERT INTO run (policy, started, ended, triggered, files_archived, bytes_archived, files_released, bytes_released,
				failed, skipped, insufficient, error) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id`,
			[]any{
				r.Policy, packTime(r.Started), packTime(r.Ended), r.Triggered, r.FilesArchived, r.BytesArchived, r.FilesReleased, r.BytesReleased,
				r.Failed, r.Skipped, r.Insufficient, r.Error,
			}, &r.ID)
	})
}

// UpdateRun writes how far a run has come. Files and bytes are not written but read into r: the commits count them, each
// in its own transaction, so that a crash loses none.
func (c *Catalog) UpdateRun(ctx context.Context, r *Run) error {
	return c.write(ctx, "update a run", func(t *transaction) error {
		err := t.row(`UPDATE run SET ended = ?2, triggered = ?3, failed = ?4, skipped = ?5, insufficient = ?6, error = ?7, interrupted = 0 WHERE id = ?1
				RETURNING files_archived, bytes_archived, files_released, bytes_released`,
			[]any{r.ID, packTime(r.Ended), r.Triggered, r.Failed, r.Skipped, r.Insufficient, r.Error},
			&r.FilesArchived, &r.BytesArchived, &r.FilesReleased, &r.BytesReleased)
		if errors.Is(err, sql.ErrNoRows) {
			return fmt.Errorf("there is no run %d", r.ID)
		}
		return err
	})
}

// InterruptRuns marks the runs of a policy ("": of all) that have no end as interrupted. Call it where no run can be under way.
func (c *Catalog) InterruptRuns(ctx context.Context, policy string) error {
	return c.write(ctx, "mark interrupted runs", func(t *transaction) error {
		_, err := t.exec("UPDATE run SET interrupted = 1 WHERE ended IS NULL AND (?1 = '' OR policy = ?1)", policy)
		return err
	})
}

const selectRun = `SELECT id, policy, started, ended, interrupted, triggered, files_archived, bytes_archived, files_released, bytes_released,
	failed, skipped, insufficient, error FROM run `

// Runs are the newest runs of a policy ("": of all), newest first, at most limit (0: all).
func (c *Catalog) Runs(ctx context.Context, policy string, limit int) ([]Run, error) {
	if limit <= 0 {
		limit = -1
	}
	if policy == "" {
		return c.runs(ctx, "ORDER BY id DESC LIMIT ?", limit)
	}
	return c.runs(ctx, "WHERE policy = ? ORDER BY id DESC LIMIT ?", policy, limit)
}

// LastRun is the newest run of a policy that came to its end.
func (c *Catalog) LastRun(ctx context.Context, policy string) (Run, bool, error) {
	runs, err := c.runs(ctx, "WHERE policy = ? AND ended IS NOT NULL ORDER BY id DESC LIMIT 1", policy)
	if err != nil || len(runs) == 0 {
		return Run{}, false, err
	}
	return runs[0], true, nil
}

func (c *Catalog) runs(ctx context.Context, where string, args ...any) ([]Run, error) {
	var runs []Run
	err := c.query(ctx, selectRun+where, args, func(rows *sql.Rows) error {
		var r Run
		var started, ended *int64
		err := rows.Scan(&r.ID, &r.Policy, &started, &ended, &r.Interrupted, &r.Triggered, &r.FilesArchived, &r.BytesArchived, &r.FilesReleased, &r.BytesReleased,
			&r.Failed, &r.Skipped, &r.Insufficient, &r.Error)
		r.Started, r.Ended = unpackTime(started), unpackTime(ended)
		runs = append(runs, r)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the runs: %w", err)
	}
	return runs, nil
}

// countArchived and countReleased add to the runs that operations belong to.
func (t *transaction) countArchived(ops []*Operation) error {
	return t.count(ops, func(op *Operation) int64 { return op.Size },
		"UPDATE run SET files_archived = files_archived + ?, bytes_archived = bytes_archived + ? WHERE id = ?")
}

func (t *transaction) countReleased(ops []*Operation) error {
	return t.count(ops, func(op *Operation) int64 { return op.Allocated },
		"UPDATE run SET files_released = files_released + ?, bytes_released = bytes_released + ? WHERE id = ?")
}

func (t *transaction) count(ops []*Operation, bytes func(*Operation) int64, update string) error {
	type sum struct{ files, bytes int64 }
	sums := map[int64]sum{}
	for _, op := range ops {
		if op.Run != 0 {
			s := sums[op.Run]
			sums[op.Run] = sum{s.files + 1, s.bytes + bytes(op)}
		}
	}
	for run, s := range sums {
		if _, err := t.exec(update, s.files, s.bytes, run); err != nil {
			return err
		}
	}
	return nil
}
