package catalog

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// Moved is what releases freed on a volume, and recalls brought back to it, within an hour.
type Moved struct {
	Host, Volume       string    // the volume is a policy's: a mount point, or a directory on one
	Hour               time.Time // when it began
	Last               time.Time // the last of them within it
	Released, Recalled int64     // bytes, as allocated
	// InodesReleased are of files that left nothing in their place: a link takes an inode too. InodesRecalled are of those again.
	InodesReleased, InodesRecalled int64
}

// Moved is what was moved from and to the volumes of a host ("": of all) within the hours that end after from and begin before to,
// in time order. What a catalog did before it had this record is not in it.
func (c *Catalog) Moved(ctx context.Context, host string, from, to time.Time) ([]Moved, error) {
	var all []Moved
	err := c.query(ctx, `SELECT host, volume, hour, last, released, recalled, inodes_released, inodes_recalled FROM moved
		WHERE (?1 = '' OR host = ?1) AND hour > ?2 - 3600 AND hour < ?3 ORDER BY hour, host, volume`,
		[]any{host, from.Unix(), to.Unix()}, func(rows *sql.Rows) error {
			var m Moved
			var volume []byte
			var hour, last int64
			err := rows.Scan(&m.Host, &volume, &hour, &last, &m.Released, &m.Recalled, &m.InodesReleased, &m.InodesRecalled)
			m.Volume, m.Hour, m.Last = string(volume), time.Unix(hour, 0).UTC(), time.Unix(last, 0).UTC()
			all = append(all, m)
			return err
		})
	if err != nil {
		return nil, fmt.Errorf("read what was moved: %w", err)
	}
	return all, nil
}

// countMoved adds releases or recalls that have come to their end to the hour of now.
func (t *transaction) countMoved(ops []*Operation, now time.Time) error {
	type place struct{ host, volume string }
	type sum struct{ bytes, inodes int64 }
	releases, recalls := map[place]sum{}, map[place]sum{}
	for _, op := range ops {
		sums := releases
		if op.Kind == Recall {
			sums = recalls
		}
		s := sums[place{op.Host, op.Volume}]
		s.bytes += op.Allocated
		if op.Leave == LeaveNothing {
			s.inodes++
		}
		sums[place{op.Host, op.Volume}] = s
	}
	add := func(at place, released, recalled sum) error {
		_, err := t.exec(`INSERT INTO moved VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT (host, volume, hour) DO UPDATE SET
				last = max(last, excluded.last), released = released + excluded.released, recalled = recalled + excluded.recalled,
				inodes_released = inodes_released + excluded.inodes_released, inodes_recalled = inodes_recalled + excluded.inodes_recalled`,
			at.host, []byte(at.volume), now.Truncate(time.Hour).Unix(), now.Unix(), released.bytes, recalled.bytes, released.inodes, recalled.inodes)
		return err
	}
	for at, s := range releases {
		if err := add(at, s, sum{}); err != nil {
			return err
		}
	}
	for at, s := range recalls {
		if err := add(at, sum{}, s); err != nil {
			return err
		}
	}
	return nil
}
