// Package history is a host's embedded past: the samples of its volumes, the days they make, and the outbox of lines
// that still have to reach InfluxDB, in one SQLite file.
package history

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"time"

	"github.com/tidemark/tidemark/internal/outbox"
	"github.com/tidemark/tidemark/internal/sqlite"
	"github.com/tidemark/tidemark/internal/volume"
)

// Options of a Store; the zero value of each has the default that is named.
type Options struct {
	RawRetention time.Duration // of samples; 0: 14 days
	DayRetention time.Duration // of days; 0: 10 years
	Outbox       outbox.Caps
	Now          func() time.Time
	Log          *slog.Logger
}

const day = 24 * time.Hour

// ErrCorrupt says that a history is damaged.
var ErrCorrupt = sqlite.ErrCorrupt

func (o Options) withDefaults() Options {
	if o.RawRetention == 0 {
		o.RawRetention = 14 * day
	}
	if o.DayRetention == 0 {
		o.DayRetention = 3653 * day
	}
	return o
}

// Store is a host's history. It is safe for concurrent use, and several processes may open one file.
type Store struct {
	db         *sql.DB
	path       string
	opt        Options
	statements statements // of a store that is written
	mu         sync.Mutex // guards ids
	ids        idCache
}

// Open opens a history for writing and makes it where it is missing. A damaged file is set aside under another name, with
// a warning, and a new one begun: sampling goes on, and nothing is deleted.
func Open(ctx context.Context, path string, opt Options) (*Store, error) {
	opt = opt.withDefaults()
	db, err := sqlite.OpenOrSetAside(ctx, path, "history", schema, opt.Now, opt.Log)
	if err != nil {
		return nil, err
	}
	return writable(ctx, db, path, opt)
}

// writable makes the store of a database that is open for writing; it closes it on failure.
func writable(ctx context.Context, db *sql.DB, path string, opt Options) (*Store, error) {
	prepared, err := prepare(ctx, db)
	if err != nil {
		db.Close()
		return nil, fmt.Errorf("open the history: %w", err)
	}
	return &Store{db: db, path: path, opt: opt, statements: prepared}, nil
}

// OpenReadOnly opens an existing history for its planner.History methods alone.
func OpenReadOnly(ctx context.Context, path string) (*Store, error) {
	db, err := sqlite.OpenReadOnly(ctx, path, len(schema))
	if err != nil {
		return nil, fmt.Errorf("open the history: %w", err)
	}
	return &Store{db: db, path: path}, nil
}

// OpenInMemory begins a history that ends with the process.
func OpenInMemory(ctx context.Context) (*Store, error) {
	db, err := sqlite.OpenInMemory(ctx, schema)
	if err != nil {
		return nil, err
	}
	return writable(ctx, db, "", Options{Now: time.Now}.withDefaults())
}

// Path is the file's; empty in memory.
func (s *Store) Path() string { return s.path }

// Close closes the file.
func (s *Store) Close() error { return s.db.Close() }

// Outbox is the store's: lines join it with the samples that they tell of.
func (s *Store) Outbox() *outbox.Outbox { return outbox.In(s.db, s.opt.Outbox) }

// Record keeps samples and outbox lines in one transaction, durable when it returns. A sample that was not measured
// changes only the volume's state. A sample at a time that is already there replaces it.
func (s *Store) Record(ctx context.Context, samples []volume.Sample, lines []string) error {
	return s.write(ctx, func(w *writer) error {
		for _, sample := range samples {
			if err := w.sample(ctx, sample); err != nil {
				return fmt.Errorf("%s: %w", sample.ID, err)
			}
		}
		return w.lines.Append(ctx, s.opt.Now(), lines)
	})
}

// Import gives a volume a past. What is there at the same times is replaced; the volume's state is left alone.
func (s *Store) Import(ctx context.Context, id volume.ID, readings []volume.Reading) error {
	return s.write(ctx, func(w *writer) error {
		attributes, err := w.attributes(ctx, volume.Attributes{Mode: "rw"}, nil)
		if err != nil {
			return err
		}
		series, err := w.series(ctx, id)
		if err != nil {
			return err
		}
		for _, r := range readings {
			if err := w.reading(ctx, series, attributes, r); err != nil {
				return err
			}
		}
		return nil
	})
}

// idCache keeps the ids of series and attributes, which never change once they are committed.
type idCache struct {
	series     map[volume.ID]int64
	attributes map[attributeKey]int64
}

type attributeKey struct {
	volume.Attributes
	tags string
}

// writer is one transaction. The ids that it makes join the store's cache only after the commit.
type writer struct {
	statements // of the transaction
	tx         *sql.Tx
	now        int64 // Unix seconds
	known      idCache
	fresh      idCache
}

func (s *Store) write(ctx context.Context, f func(*writer) error) error {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	s.mu.Lock()
	known := s.ids
	s.mu.Unlock()
	w := &writer{statements: s.statements.within(ctx, tx), tx: tx, now: s.opt.Now().Unix(), known: known, fresh: idCache{map[volume.ID]int64{}, map[attributeKey]int64{}}}
	if err := f(w); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	s.remember(w.fresh)
	return nil
}

func (w *writer) series(ctx context.Context, id volume.ID) (int64, error) {
	if n, ok := w.known.series[id]; ok {
		return n, nil
	}
	if n, ok := w.fresh.series[id]; ok {
		return n, nil
	}
	var n int64
	err := w.tx.QueryRowContext(ctx, `INSERT INTO series (host, path) VALUES (?, ?)
		ON CONFLICT (host, path) DO UPDATE SET host = host RETURNING id`, id.Host, []byte(id.Path)).Scan(&n)
	w.fresh.series[id] = n
	return n, err
}

func (w *writer) attributes(ctx context.Context, a volume.Attributes, tags map[string]string) (int64, error) {
	text := []byte("{}")
	if len(tags) > 0 {
		var err error
		if text, err = json.Marshal(tags); err != nil { // sorts the keys
			return 0, err
		}
	}
	key := attributeKey{a, string(text)}
	if n, ok := w.known.attributes[key]; ok {
		return n, nil
	}
	if n, ok := w.fresh.attributes[key]; ok {
		return n, nil
	}
	var n int64
	err := w.tx.QueryRowContext(ctx, `INSERT INTO attributes (device, fstype, mode, label, tags) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT DO UPDATE SET mode = mode RETURNING id`, a.Device, a.Fstype, a.Mode, a.Label, key.tags).Scan(&n)
	w.fresh.attributes[key] = n
	return n, err
}

func (w *writer) sample(ctx context.Context, s volume.Sample) error {
	series, err := w.series(ctx, s.ID)
	if err != nil {
		return err
	}
	attributes, err := w.attributes(ctx, s.Attributes, s.Tags)
	if err != nil {
		return err
	}
	_, err = w.state.ExecContext(ctx, series, s.Time.Unix(), attributes, s.Reserved, s.Stuck, s.Missing, w.now)
	if err != nil || !s.Measured() {
		return err
	}
	return w.reading(ctx, series, attributes, volume.Reading{Time: s.Time, Usage: s.Usage})
}

// reading keeps one reading and its day. A day is its worst readings in any order; only where a reading is replaced must
// its day be made anew, and that can be done while all of the day's samples are there.
func (w *writer) reading(ctx context.Context, series, attributes int64, r volume.Reading) error {
	t, start := r.Time.Unix(), volume.StartOfDay(r.Time).Unix()
	var replaced bool
	err := w.isThere.QueryRowContext(ctx, series, t).Scan(&replaced)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	u := r.Usage
	args := []any{series, t, attributes, u.Total, u.Free, u.Used, u.InodesTotal, u.InodesFree, u.InodesUsed}
	if _, err := w.sampleRow.ExecContext(ctx, args...); err != nil {
		return err
	}
	if _, err := w.newest.ExecContext(ctx, append(args, w.now)...); err != nil {
		return err
	}
	if replaced {
		_, err = w.dayAnew.ExecContext(ctx, series, start)
		return err
	}
	_, err = w.day.ExecContext(ctx, series, start, u.Total, u.Free, u.Used, u.InodesTotal, u.InodesFree, u.InodesUsed)
	return err
}

func (s *Store) remember(fresh idCache) {
	if len(fresh.series)+len(fresh.attributes) == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	// New maps each time: a transaction that has begun goes on reading the ones it was given.
	series, attributes := maps.Clone(s.ids.series), maps.Clone(s.ids.attributes)
	if series == nil {
		series, attributes = map[volume.ID]int64{}, map[attributeKey]int64{}
	}
	maps.Copy(series, fresh.series)
	maps.Copy(attributes, fresh.attributes)
	s.ids = idCache{series, attributes}
}

// pruneBatch bounds how long one transaction of Prune keeps a sampling waiting.
const pruneBatch = 5000

// Prune drops samples and days beyond their retention, and the outbox's oldest lines beyond its caps, which it counts.
// History retention never touches the outbox.
func (s *Store) Prune(ctx context.Context, now time.Time) error {
	// A raw sample goes only with its whole day, so that a day can be made anew while any of its samples is there.
	raw := volume.StartOfDay(now.Add(-s.opt.RawRetention)).Unix()
	days := volume.StartOfDay(now.Add(-s.opt.DayRetention)).Unix()
	for _, drop := range []struct {
		query string
		limit int64
	}{
		{"DELETE FROM sample WHERE (series, t) IN (SELECT series, t FROM sample WHERE series = ? AND t < ? LIMIT ?)", raw},
		{"DELETE FROM day WHERE (series, start) IN (SELECT series, start FROM day WHERE series = ? AND start < ? LIMIT ?)", days},
	} {
		if err := s.dropOld(ctx, drop.query, drop.limit); err != nil {
			return err
		}
	}
	return s.Outbox().Prune(ctx, now)
}

func (s *Store) dropOld(ctx context.Context, query string, limit int64) error {
	rows, err := s.db.QueryContext(ctx, "SELECT id FROM series")
	if err != nil {
		return err
	}
	var ids []int64
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			rows.Close()
			return err
		}
		ids = append(ids, id)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return err
	}
	for _, id := range ids {
		for {
			result, err := s.db.ExecContext(ctx, query, id, limit, pruneBatch)
			if err != nil {
				return err
			}
			if n, err := result.RowsAffected(); err != nil || n < pruneBatch {
				if err != nil {
					return err
				}
				break
			}
		}
	}
	return nil
}
