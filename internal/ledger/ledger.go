// Package ledger keeps the outlooks that a host without InfluxDB has published, in one SQLite file, so that they can be scored
// when their time has come.
package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"math"
	"time"

	"github.com/tidemark/tidemark/internal/sqlite"
	"github.com/tidemark/tidemark/internal/volume"
)

// Retention is how long an outlook is kept: two years.
const Retention = 2 * 365 * 24 * time.Hour

// ErrCorrupt says that a ledger is damaged.
var ErrCorrupt = sqlite.ErrCorrupt

// Ledger is a host's published outlooks. It is safe for concurrent use, and several processes may open one file.
type Ledger struct {
	db   *sql.DB
	path string
}

// Open opens a ledger for writing and makes it where it is missing. A damaged file is set aside under another name, with a
// warning, and a new one begun.
func Open(ctx context.Context, path string, now func() time.Time, log *slog.Logger) (*Ledger, error) {
	db, err := sqlite.OpenOrSetAside(ctx, path, "ledger", schema, now, log)
	if err != nil {
		return nil, err
	}
	return &Ledger{db, path}, nil
}

// OpenReadOnly opens an existing ledger for reading; a missing one is fs.ErrNotExist.
func OpenReadOnly(ctx context.Context, path string) (*Ledger, error) {
	db, err := sqlite.OpenReadOnly(ctx, path, len(schema))
	if err != nil {
		return nil, fmt.Errorf("open the ledger: %w", err)
	}
	return &Ledger{db, path}, nil
}

// Path is the file's.
func (l *Ledger) Path() string { return l.path }

// Close closes the file.
func (l *Ledger) Close() error { return l.db.Close() }

// Publish keeps outlooks in one transaction, durable when it returns, and says how many of them are new: one whose volume, resource
// and UTC day have one already is not kept, since a published outlook is never rewritten.
func (l *Ledger) Publish(ctx context.Context, all []volume.PublishedSeries) (kept int, err error) {
	tx, err := l.db.BeginTx(ctx, nil)
	if err != nil {
		return 0, fmt.Errorf("publish to the ledger: %w", sqlite.Explain(err))
	}
	defer tx.Rollback()
	for _, s := range all {
		for _, o := range s.Outlooks {
			result, err := tx.ExecContext(ctx, `INSERT INTO outlook VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
				ON CONFLICT DO NOTHING`, row(s, o)...)
			if err != nil {
				return 0, fmt.Errorf("publish to the ledger: %s: %w", s.ID, sqlite.Explain(err))
			}
			n, err := result.RowsAffected()
			if err != nil {
				return 0, err
			}
			kept += int(n)
		}
	}
	if err := tx.Commit(); err != nil {
		return 0, fmt.Errorf("publish to the ledger: %w", sqlite.Explain(err))
	}
	return kept, nil
}

func row(s volume.PublishedSeries, o volume.Published) []any {
	args := []any{
		s.Host, []byte(s.Path), string(s.Resource), volume.StartOfDay(o.Made).Unix(), o.Made.Unix(), o.Origin.Unix(),
		null(o.Used), null(o.Capacity), o.FullLevel, null(o.P10Days), null(o.P50Days), null(o.P90Days),
		null(o.Probability7), null(o.Probability30), null(o.Probability90), o.Reason,
	}
	for _, p := range o.Ahead {
		args = append(args, null(p.Forecast), null(p.Lower), null(p.Upper))
	}
	return args
}

func null(v float64) sql.NullFloat64 { return sql.NullFloat64{Float64: v, Valid: !math.IsNaN(v)} }

// Prune drops what is older than Retention.
func (l *Ledger) Prune(ctx context.Context, now time.Time) error {
	if _, err := l.db.ExecContext(ctx, "DELETE FROM outlook WHERE day < ?", volume.StartOfDay(now.Add(-Retention)).Unix()); err != nil {
		return fmt.Errorf("prune the ledger: %w", sqlite.Explain(err))
	}
	return nil
}

// Published implements the planner's ledger.Store.
func (l *Ledger) Published(ctx context.Context, sel volume.Selector, from, to time.Time) iter.Seq2[volume.PublishedSeries, error] {
	return func(yield func(volume.PublishedSeries, error) bool) {
		rows, err := l.db.QueryContext(ctx, `SELECT host, path, resource, made, origin, used, capacity, full_level, p10_days, p50_days, p90_days,
				prob_7d, prob_30d, prob_90d, reason,
				forecast_7d, lower_7d, upper_7d, forecast_30d, lower_30d, upper_30d, forecast_90d, lower_90d, upper_90d
			FROM outlook WHERE (?1 = '' OR host = ?1) AND (length(?2) = 0 OR path = ?2) AND day >= ?3 AND made < ?4
			ORDER BY host, path, resource DESC, day`, sel.Host, []byte(sel.Path), firstDay(from).Unix(), ceilUnix(to))
		if err != nil {
			yield(volume.PublishedSeries{}, fmt.Errorf("read the ledger: %w", sqlite.Explain(err)))
			return
		}
		defer rows.Close()
		var one volume.PublishedSeries
		for rows.Next() {
			id, resource, o, err := scan(rows)
			if err != nil {
				yield(volume.PublishedSeries{}, fmt.Errorf("read the ledger: %w", sqlite.Explain(err)))
				return
			}
			if len(one.Outlooks) > 0 && (one.ID != id || one.Resource != resource) {
				if !yield(one, nil) {
					return
				}
				one = volume.PublishedSeries{}
			}
			one.ID, one.Resource, one.Outlooks = id, resource, append(one.Outlooks, o)
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil {
			yield(volume.PublishedSeries{}, fmt.Errorf("read the ledger: %w", sqlite.Explain(err)))
			return
		}
		if len(one.Outlooks) > 0 {
			yield(one, nil)
		}
	}
}

func scan(rows *sql.Rows) (id volume.ID, resource volume.Resource, o volume.Published, err error) {
	var path []byte
	var made, origin int64
	var numbers [8 + 3*len(volume.PublishedDays)]sql.NullFloat64
	into := []any{
		&id.Host, &path, &resource, &made, &origin, &numbers[0], &numbers[1], &o.FullLevel, &numbers[2], &numbers[3], &numbers[4],
		&numbers[5], &numbers[6], &numbers[7], &o.Reason,
	}
	for i := range numbers[8:] {
		into = append(into, &numbers[8+i])
	}
	if err := rows.Scan(into...); err != nil {
		return id, resource, o, err
	}
	value := func(i int) float64 {
		if !numbers[i].Valid {
			return math.NaN()
		}
		return numbers[i].Float64
	}
	id.Path = string(path)
	o.Made, o.Origin = time.Unix(made, 0).UTC(), time.Unix(origin, 0).UTC()
	o.Used, o.Capacity, o.P10Days, o.P50Days, o.P90Days = value(0), value(1), value(2), value(3), value(4)
	o.Probability7, o.Probability30, o.Probability90 = value(5), value(6), value(7)
	for i := range o.Ahead {
		o.Ahead[i] = volume.Predicted{Forecast: value(8 + 3*i), Lower: value(9 + 3*i), Upper: value(10 + 3*i)}
	}
	return id, resource, o, nil
}

// firstDay is from rounded up to 00:00 UTC.
func firstDay(from time.Time) time.Time {
	start := volume.StartOfDay(from)
	if start.Before(from) {
		start = start.AddDate(0, 0, 1)
	}
	return start
}

// ceilUnix makes a bound of a half-open range from a time that is no whole second.
func ceilUnix(t time.Time) int64 {
	if t.Nanosecond() > 0 {
		return t.Unix() + 1
	}
	return t.Unix()
}
