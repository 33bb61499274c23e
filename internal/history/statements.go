package history

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/tidemark/tidemark/internal/outbox"
)

// statements are those that every sampling runs for every volume. They are prepared once: parsing them took more than half of
// a sampling's time. The last parameter of state and newest is now: what a clock that was ahead has left behind it gives way.
type statements struct {
	state, isThere, sampleRow, newest, day, dayAnew *sql.Stmt
	lines                                           outbox.Appender
}

// prepare needs the database's one connection for itself.
func prepare(ctx context.Context, db *sql.DB) (statements, error) {
	var s statements
	for _, one := range []struct {
		into  **sql.Stmt
		query string
	}{
		{&s.state, `INSERT INTO state VALUES (?, ?, ?, ?, ?, ?)
			ON CONFLICT (series) DO UPDATE SET t = excluded.t, attributes = excluded.attributes, reserved = excluded.reserved,
				stuck = excluded.stuck, missing = excluded.missing WHERE excluded.t >= t OR t > ?7`},
		{&s.isThere, "SELECT 1 FROM sample WHERE series = ? AND t = ?"},
		{&s.sampleRow, "INSERT OR REPLACE INTO sample VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"},
		{&s.newest, `INSERT INTO newest VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT (series) DO UPDATE SET t = excluded.t, attributes = excluded.attributes, total = excluded.total,
				free = excluded.free, used = excluded.used, inodes_total = excluded.inodes_total,
				inodes_free = excluded.inodes_free, inodes_used = excluded.inodes_used WHERE excluded.t >= t OR t > ?10`},
		{&s.day, `INSERT INTO day VALUES (?, ?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT (series, start) DO UPDATE SET total = max(total, excluded.total), free = min(free, excluded.free),
				used = max(used, excluded.used), inodes_total = max(inodes_total, excluded.inodes_total),
				inodes_free = min(inodes_free, excluded.inodes_free), inodes_used = max(inodes_used, excluded.inodes_used)`},
		{&s.dayAnew, `INSERT OR REPLACE INTO day SELECT series, ?2, max(total), min(free), max(used),
			max(inodes_total), min(inodes_free), max(inodes_used) FROM sample WHERE series = ?1 AND t >= ?2 AND t < ?2 + 86400`},
	} {
		var err error
		if *one.into, err = db.PrepareContext(ctx, one.query); err != nil {
			return s, fmt.Errorf("prepare %q: %w", one.query, err)
		}
	}
	var err error
	s.lines, err = outbox.Prepare(ctx, db)
	return s, err
}

// within are the same statements for a transaction, with which they end.
func (s statements) within(ctx context.Context, tx *sql.Tx) statements {
	of := func(stmt *sql.Stmt) *sql.Stmt { return tx.StmtContext(ctx, stmt) }
	return statements{of(s.state), of(s.isThere), of(s.sampleRow), of(s.newest), of(s.day), of(s.dayAnew), s.lines.Within(ctx, tx)}
}
