package catalog

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"github.com/tidemark/tidemark/internal/fsys"
)

// Known is what a scan asks about each file: is an unchanged copy in an archive? It holds what is archived, not what is released, in 56
// bytes a file, and is safe for concurrent use.
type Known struct {
	files []knownFile // sorted by inode
}

type knownFile struct {
	ino                  uint64
	mtime, ctime         int64 // seconds
	size                 int64
	recalled             int64 // Unix nanoseconds; 0: never
	id                   int64
	mtimeNsec, ctimeNsec int32
}

// ArchivedUnder loads what is archived, and not released, of the files below a directory of a host.
func (c *Catalog) ArchivedUnder(ctx context.Context, host, prefix string) (*Known, error) {
	k := &Known{}
	paths, err := newPathRange(prefix, "")
	if err != nil {
		return nil, err
	}
	from := knownPlace{path: []byte(paths.low), id: -1}
	// Pages keep the one connection free for others in between.
	for more := true; more; {
		if from, more, err = c.loadKnown(ctx, k, host, from, paths.high); err != nil {
			return nil, fmt.Errorf("read what is archived below %q: %w", prefix, err)
		}
	}
	slices.SortFunc(k.files, compareKnown)
	return k, nil
}

const knownPage = 10000

// knownPlace is how far the loading has come.
type knownPlace struct {
	path []byte
	id   int64
}

// loadKnown adds one page behind a place.
func (c *Catalog) loadKnown(ctx context.Context, k *Known, host string, from knownPlace, high string) (next knownPlace, more bool, err error) {
	where, args := "host = "+nameID+" AND state = 1 AND (path, id) > (?, ?)", []any{host, from.path, from.id}
	if high != "" {
		where, args = where+" AND path < ?", append(args, []byte(high))
	}
	var path, packed sql.RawBytes
	n := 0
	err = c.query(ctx, fmt.Sprintf(`SELECT path, home, size, coalesce(recalled_at, 0), id
		FROM object INDEXED BY object_archived WHERE %s ORDER BY path, id LIMIT %d`, where, knownPage), args, func(rows *sql.Rows) error {
		var f knownFile
		if err := rows.Scan(&path, &packed, &f.size, &f.recalled, &f.id); err != nil {
			return err
		}
		h, err := unpackHome(packed)
		if err != nil {
			return fmt.Errorf("object %d, %q: %w", f.id, path, err)
		}
		f.ino, f.mtime, f.mtimeNsec, f.ctime, f.ctimeNsec = h.ino, h.mtime.Sec, h.mtime.Nsec, h.ctime.Sec, h.ctime.Nsec
		k.files = append(k.files, f)
		if n++; n == knownPage {
			next = knownPlace{slices.Clone(path), f.id}
		}
		return nil
	})
	return next, n == knownPage, err
}

func compareKnown(a, b knownFile) int {
	switch {
	case a.ino != b.ino && a.ino < b.ino:
		return -1
	case a.ino != b.ino:
		return 1
	}
	return int(min(max(b.id-a.id, -1), 1)) // the newest first
}

// Len is how many files it knows.
func (k *Known) Len() int { return len(k.files) }

// Lookup is what is known of the file with this inode: it is unchanged while size, mtime and ctime are these. Devices are not
// compared, as their numbers may change with a reboot; a directory to scan is on one of them. recalledAt is zero for a file that was never recalled. Of several rows it is the newest object's.
func (k *Known) Lookup(ino uint64) (mtime, ctime fsys.Time, size int64, recalledAt time.Time, id int64, ok bool) {
	i, ok := slices.BinarySearchFunc(k.files, ino, func(f knownFile, ino uint64) int {
		switch {
		case f.ino < ino:
			return -1
		case f.ino > ino:
			return 1
		}
		return 0
	})
	if !ok {
		return mtime, ctime, 0, time.Time{}, 0, false
	}
	f := &k.files[i]
	if f.recalled != 0 {
		recalledAt = time.Unix(0, f.recalled).UTC()
	}
	return fsys.Time{Sec: f.mtime, Nsec: f.mtimeNsec}, fsys.Time{Sec: f.ctime, Nsec: f.ctimeNsec}, f.size, recalledAt, f.id, true
}
