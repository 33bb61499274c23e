package history

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/tidemark/tidemark/internal/volume"
)

// selected is the condition for a volume.Selector over the table series; its arguments come from selection.
const selected = "(?1 = '' OR series.host = ?1) AND (length(?2) = 0 OR series.path = ?2)"

func selection(sel volume.Selector) (host string, path []byte) { return sel.Host, []byte(sel.Path) }

// newestBefore is the table newest as it was before ?4. Where a clock that was ahead has left a later reading, the samples tell.
const newestBefore = `SELECT * FROM newest WHERE t < ?4 UNION ALL
	SELECT sample.* FROM newest JOIN sample ON sample.series = newest.series AND sample.t =
		(SELECT max(t) FROM sample WHERE series = newest.series AND t < ?4) WHERE newest.t >= ?4`

// Newest implements planner.History. Of a state that was reported behind until nothing is known before.
func (s *Store) Newest(ctx context.Context, sel volume.Selector, since, until time.Time) ([]volume.Sample, error) {
	host, path := selection(sel)
	rows, err := s.db.QueryContext(ctx, `SELECT series.host, series.path,
			newest.t, newest.total, newest.free, newest.used, newest.inodes_total, newest.inodes_free, newest.inodes_used,
			state.t, state.reserved, state.stuck, state.missing,
			attributes.device, attributes.fstype, attributes.mode, attributes.label, attributes.tags
		FROM series LEFT JOIN (`+newestBefore+`) AS newest ON newest.series = series.id
			LEFT JOIN state ON state.series = series.id AND state.t < ?4
			LEFT JOIN attributes ON attributes.id = coalesce(newest.attributes, state.attributes)
		WHERE `+selected+` AND max(coalesce(newest.t, state.t), coalesce(state.t, newest.t)) >= ?3`, host, path, ceilUnix(since), ceilUnix(until))
	if err != nil {
		return nil, fmt.Errorf("read the newest samples: %w", err)
	}
	defer rows.Close()
	var samples []volume.Sample
	for rows.Next() {
		sample, err := scanNewest(rows)
		if err != nil {
			return nil, fmt.Errorf("read the newest samples: %w", err)
		}
		samples = append(samples, sample)
	}
	slices.SortFunc(samples, func(a, b volume.Sample) int { return a.ID.Compare(b.ID) })
	return samples, rows.Err()
}

func scanNewest(rows *sql.Rows) (volume.Sample, error) {
	var s volume.Sample
	var path []byte
	var read, reported, total, free, used, inodesTotal, inodesFree, inodesUsed, reserved sql.NullInt64
	var stuck, missing sql.NullBool
	var tags string
	err := rows.Scan(&s.Host, &path, &read, &total, &free, &used, &inodesTotal, &inodesFree, &inodesUsed,
		&reported, &reserved, &stuck, &missing, &s.Device, &s.Fstype, &s.Mode, &s.Label, &tags)
	if err != nil {
		return s, err
	}
	s.Path = string(path)
	s.Usage = volume.Usage{
		Total: total.Int64, Free: free.Int64, Used: used.Int64,
		InodesTotal: inodesTotal.Int64, InodesFree: inodesFree.Int64, InodesUsed: inodesUsed.Int64,
	}
	s.Reserved = reserved.Int64
	s.Time = time.Unix(read.Int64, 0).UTC()
	// A report of trouble counts until the volume is read again.
	if reported.Valid && (!read.Valid || reported.Int64 >= read.Int64) {
		s.Stuck, s.Missing = stuck.Bool, missing.Bool
		if !s.Measured() {
			s.Time = time.Unix(reported.Int64, 0).UTC()
		}
	}
	if tags == "{}" {
		return s, nil
	}
	return s, json.Unmarshal([]byte(tags), &s.Tags)
}

// Days implements planner.History. One series is held in memory at a time.
func (s *Store) Days(ctx context.Context, sel volume.Selector, from, to time.Time) iter.Seq2[volume.DaySeries, error] {
	return func(yield func(volume.DaySeries, error) bool) {
		all, err := s.selectSeries(ctx, sel)
		if err != nil {
			yield(volume.DaySeries{}, err)
			return
		}
		for _, one := range all {
			days, err := s.days(ctx, one.key, firstDay(from), volume.StartOfDay(to))
			if err != nil {
				yield(volume.DaySeries{}, fmt.Errorf("read the days of %s: %w", one.ID, err))
				return
			}
			if len(days) > 0 && !yield(volume.DaySeries{ID: one.ID, Days: days}, nil) {
				return
			}
		}
	}
}

// firstDay is from rounded up to 00:00 UTC.
func firstDay(from time.Time) time.Time {
	start := volume.StartOfDay(from)
	if start.Before(from) {
		start = start.Add(day)
	}
	return start
}

type seriesKey struct {
	volume.ID
	key int64
}

func (s *Store) selectSeries(ctx context.Context, sel volume.Selector) ([]seriesKey, error) {
	host, path := selection(sel)
	rows, err := s.db.QueryContext(ctx, "SELECT id, host, path FROM series WHERE "+selected, host, path)
	if err != nil {
		return nil, fmt.Errorf("read the volumes: %w", err)
	}
	defer rows.Close()
	var all []seriesKey
	for rows.Next() {
		var one seriesKey
		var path []byte
		if err := rows.Scan(&one.key, &one.Host, &path); err != nil {
			return nil, fmt.Errorf("read the volumes: %w", err)
		}
		one.Path = string(path)
		all = append(all, one)
	}
	slices.SortFunc(all, func(a, b seriesKey) int { return a.ID.Compare(b.ID) })
	return all, rows.Err()
}

func (s *Store) days(ctx context.Context, series int64, from, to time.Time) ([]volume.Day, error) {
	var days []volume.Day
	err := s.usages(ctx, `SELECT start, total, free, used, inodes_total, inodes_free, inodes_used FROM day
		WHERE series = ? AND start >= ? AND start < ? ORDER BY start`, series, from, to, func(t time.Time, u volume.Usage) {
		days = append(days, volume.Day{Start: t, Usage: u})
	})
	return days, err
}

// Readings implements planner.History.
func (s *Store) Readings(ctx context.Context, id volume.ID, from, to time.Time) ([]volume.Reading, error) {
	var series int64
	err := s.db.QueryRowContext(ctx, "SELECT id FROM series WHERE host = ? AND path = ?", id.Host, []byte(id.Path)).Scan(&series)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", id, err)
	}
	var readings []volume.Reading
	err = s.usages(ctx, `SELECT t, total, free, used, inodes_total, inodes_free, inodes_used FROM sample
		WHERE series = ? AND t >= ? AND t < ? ORDER BY t`, series, from, to, func(t time.Time, u volume.Usage) {
		readings = append(readings, volume.Reading{Time: t, Usage: u})
	})
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", id, err)
	}
	return readings, nil
}

// Lows implements planner.History. It seeks once for each series.
func (s *Store) Lows(ctx context.Context, sel volume.Selector, from, to time.Time) (map[volume.ID]volume.Low, error) {
	host, path := selection(sel)
	rows, err := s.db.QueryContext(ctx, `SELECT series.host, series.path, min(sample.used), min(sample.inodes_used)
		FROM series CROSS JOIN sample ON sample.series = series.id AND sample.t >= ?3 AND sample.t < ?4
		WHERE `+selected+` GROUP BY series.id`, host, path, ceilUnix(from), ceilUnix(to))
	if err != nil {
		return nil, fmt.Errorf("read the least use: %w", err)
	}
	defer rows.Close()
	lows := map[volume.ID]volume.Low{}
	for rows.Next() {
		var id volume.ID
		var path []byte
		var low volume.Low
		if err := rows.Scan(&id.Host, &path, &low.Used, &low.InodesUsed); err != nil {
			return nil, fmt.Errorf("read the least use: %w", err)
		}
		id.Path = string(path)
		lows[id] = low
	}
	return lows, rows.Err()
}

func (s *Store) usages(ctx context.Context, query string, series int64, from, to time.Time, add func(time.Time, volume.Usage)) error {
	rows, err := s.db.QueryContext(ctx, query, series, ceilUnix(from), ceilUnix(to))
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var t int64
		var u volume.Usage
		if err := rows.Scan(&t, &u.Total, &u.Free, &u.Used, &u.InodesTotal, &u.InodesFree, &u.InodesUsed); err != nil {
			return err
		}
		add(time.Unix(t, 0).UTC(), u)
	}
	return rows.Err()
}

// ceilUnix makes a bound of a half-open range from a time that is no whole second.
func ceilUnix(t time.Time) int64 {
	if t.Nanosecond() > 0 {
		return t.Unix() + 1
	}
	return t.Unix()
}
