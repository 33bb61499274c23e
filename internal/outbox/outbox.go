// Package outbox keeps lines that still have to reach InfluxDB, in order and durably, until the server has answered for each.
// It is a table of another package's database (the history of a host: sample and line in one transaction), or has a file
// of its own.
package outbox

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/tidemark/tidemark/internal/sqlite"
)

// Entry is one line of the outbox.
type Entry struct {
	Seq  int64  // rises with every line, never used twice
	Line string // line protocol, times in seconds
}

// Stats says how the outbox stands. Counters run since the file was made.
type Stats struct {
	Depth       int64     // lines waiting
	Bytes       int64     // their size
	Oldest      time.Time // when the oldest of them was written; zero when none waits
	Dropped     int64     // lines given up because the outbox reached its cap
	Expired     int64     // lines that the server refused as older than its retention
	Quarantined int64     // lines that the server will never take, kept aside with its reason
}

// Caps bound an outbox; the zero value of each has the default that is named.
type Caps struct {
	Age   time.Duration // 0: 30 days
	Bytes int64         // 0: 1 GiB
}

// Outbox is the lines that still have to reach the server. It is safe for concurrent use.
type Outbox struct {
	db   *sql.DB
	caps Caps
}

// In is the outbox of a database whose migrations include Schema. Whoever opened the database closes it.
func In(db *sql.DB, caps Caps) *Outbox {
	if caps.Age == 0 {
		caps.Age = 30 * 24 * time.Hour
	}
	if caps.Bytes == 0 {
		caps.Bytes = 1 << 30
	}
	return &Outbox{db, caps}
}

// Open opens an outbox with a file of its own and makes it where it is missing. A damaged file is set aside under another
// name, with a warning, and a new one begun: what is measured goes on, and nothing is deleted.
func Open(ctx context.Context, path string, caps Caps, now func() time.Time, log *slog.Logger) (*Outbox, error) {
	db, err := sqlite.OpenOrSetAside(ctx, path, "outbox", []string{Schema}, now, log)
	if err != nil {
		return nil, err
	}
	return In(db, caps), nil
}

// Close closes an outbox that has a file of its own.
func (o *Outbox) Close() error { return o.db.Close() }

// Append adds lines, which are durable when it returns: all of them, or none with an error.
func (o *Outbox) Append(ctx context.Context, now time.Time, lines []string) error {
	return o.change(ctx, func(tx *sql.Tx) error {
		insert, err := tx.PrepareContext(ctx, insertLine)
		if err != nil {
			return err
		}
		defer insert.Close()
		return Appender{insert}.Append(ctx, now, lines)
	})
}

const insertLine = "INSERT INTO outbox (t, line) VALUES (?, ?)"

// Appender adds lines within the transactions of whoever keeps more than an outbox in a database.
type Appender struct{ insert *sql.Stmt }

// Prepare makes the appender of a database, which ends with it.
func Prepare(ctx context.Context, db *sql.DB) (Appender, error) {
	insert, err := db.PrepareContext(ctx, insertLine)
	if err != nil {
		return Appender{}, fmt.Errorf("prepare the outbox: %w", err)
	}
	return Appender{insert}, nil
}

// Within is the same appender for a transaction, with which it ends.
func (a Appender) Within(ctx context.Context, tx *sql.Tx) Appender {
	return Appender{tx.StmtContext(ctx, a.insert)}
}

// Append adds lines to the transaction.
func (a Appender) Append(ctx context.Context, now time.Time, lines []string) error {
	for _, line := range lines {
		if _, err := a.insert.ExecContext(ctx, now.Unix(), line); err != nil {
			return fmt.Errorf("append to the outbox: %w", err)
		}
	}
	return nil
}

// Next returns the oldest lines, at most limit.
func (o *Outbox) Next(ctx context.Context, limit int) ([]Entry, error) {
	rows, err := o.db.QueryContext(ctx, "SELECT seq, line FROM outbox ORDER BY seq LIMIT ?", limit)
	if err != nil {
		return nil, fmt.Errorf("read the outbox: %w", err)
	}
	defer rows.Close()
	var entries []Entry
	for rows.Next() {
		var e Entry
		if err := rows.Scan(&e.Seq, &e.Line); err != nil {
			return nil, fmt.Errorf("read the outbox: %w", err)
		}
		entries = append(entries, e)
	}
	return entries, rows.Err()
}

// Delete removes lines that the server acknowledged. Lines that are gone already are no error.
func (o *Outbox) Delete(ctx context.Context, entries []Entry) error {
	return o.change(ctx, func(tx *sql.Tx) error {
		_, err := deleteEntries(ctx, tx, entries)
		return err
	})
}

// Expire removes lines that the server refused as older than its retention, and counts them.
func (o *Outbox) Expire(ctx context.Context, entries []Entry) error {
	return o.change(ctx, func(tx *sql.Tx) error {
		n, err := deleteEntries(ctx, tx, entries)
		if err != nil {
			return err
		}
		return count(ctx, tx, "expired", n)
	})
}

// mostQuarantined bounds the quarantine; the newest lines stay.
const mostQuarantined = 10_000

// Quarantine sets a line aside that the server will never take, with its reason, and counts it.
func (o *Outbox) Quarantine(ctx context.Context, entry Entry, reason string, now time.Time) error {
	return o.change(ctx, func(tx *sql.Tx) error {
		n, err := deleteEntries(ctx, tx, []Entry{entry})
		if err != nil || n == 0 {
			return err
		}
		if _, err := tx.ExecContext(ctx, "INSERT INTO quarantine VALUES (?, ?, ?, ?)", entry.Seq, now.Unix(), entry.Line, reason); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM quarantine WHERE seq <=
			(SELECT seq FROM quarantine ORDER BY seq DESC LIMIT 1 OFFSET ?)`, mostQuarantined); err != nil {
			return err
		}
		return count(ctx, tx, "quarantined", n)
	})
}

// Stats says how the outbox stands, without counting its lines.
func (o *Outbox) Stats(ctx context.Context) (Stats, error) {
	var s Stats
	var oldest sql.NullInt64
	err := o.db.QueryRowContext(ctx, `SELECT depth, bytes, dropped, expired, quarantined,
		(SELECT t FROM outbox ORDER BY seq LIMIT 1) FROM outbox_count`).
		Scan(&s.Depth, &s.Bytes, &s.Dropped, &s.Expired, &s.Quarantined, &oldest)
	if err != nil {
		return s, fmt.Errorf("count the outbox: %w", err)
	}
	if oldest.Valid {
		s.Oldest = time.Unix(oldest.Int64, 0).UTC()
	}
	return s, nil
}

// pruneBatch bounds how long one transaction of Prune keeps a writer waiting.
const pruneBatch = 5000

// Prune drops the oldest lines beyond the caps, a batch a transaction, and counts them.
func (o *Outbox) Prune(ctx context.Context, now time.Time) error {
	for {
		var n int64
		err := o.change(ctx, func(tx *sql.Tx) error {
			result, err := tx.ExecContext(ctx, `DELETE FROM outbox WHERE seq IN (SELECT seq FROM outbox ORDER BY seq LIMIT ?1)
				AND (t < ?2 OR seq <= (SELECT max(seq) FROM (SELECT seq,
					(SELECT bytes FROM outbox_count) - sum(octet_length(line)) OVER (ORDER BY seq) + octet_length(line) AS left_with
					FROM (SELECT seq, line FROM outbox ORDER BY seq LIMIT ?1)) WHERE left_with > ?3))`,
				pruneBatch, now.Add(-o.caps.Age).Unix(), o.caps.Bytes)
			if err != nil {
				return err
			}
			if n, err = result.RowsAffected(); err != nil {
				return err
			}
			return count(ctx, tx, "dropped", n)
		})
		if err != nil || n < pruneBatch {
			return err
		}
	}
}

func (o *Outbox) change(ctx context.Context, f func(*sql.Tx) error) error {
	tx, err := o.db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("change the outbox: %w", err)
	}
	defer tx.Rollback()
	if err := f(tx); err != nil {
		return fmt.Errorf("change the outbox: %w", err)
	}
	return tx.Commit()
}

func deleteEntries(ctx context.Context, tx *sql.Tx, entries []Entry) (int64, error) {
	remove, err := tx.PrepareContext(ctx, "DELETE FROM outbox WHERE seq = ?")
	if err != nil {
		return 0, err
	}
	defer remove.Close()
	var n int64
	for _, e := range entries {
		result, err := remove.ExecContext(ctx, e.Seq)
		if err != nil {
			return n, err
		}
		affected, err := result.RowsAffected()
		if err != nil {
			return n, err
		}
		n += affected
	}
	return n, nil
}

// count adds to a counter: dropped, expired or quarantined.
func count(ctx context.Context, tx *sql.Tx, counter string, n int64) error {
	if n == 0 {
		return nil
	}
	switch counter {
	case "dropped", "expired", "quarantined":
	default:
		return errors.New("no counter " + counter)
	}
	_, err := tx.ExecContext(ctx, "UPDATE outbox_count SET "+counter+" = "+counter+" + ?", n)
	return err
}
