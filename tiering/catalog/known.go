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

// ArchivedUnder loads what is archived, and not released, of the files below a directory of a host: some seconds for a million. Other
// calls wait meanwhile.
func (c *Catalog) ArchivedUnder(ctx context.Context, host, prefix string) (*Known, error) {
	k := &Known{}
	paths, err := newPathRange(prefix, "")
	if err != nil {
		return nil, err
	}
	if err := c.loadKnown(ctx, k, host, paths); err != nil {
		return nil, fmt.Errorf("read what is archived below %q: %w", prefix, err)
	}
	exact := make([]knownFile, len(k.files)) // what grew by appending may be twice as large
	copy(exact, k.files)
	slices.SortFunc(exact, compareKnown)
	k.files = exact
	return k, nil
}

// loadKnown reads nothing but the index of what is archived: the rows stand all over the file.
func (c *Catalog) loadKnown(ctx context.Context, k *Known, host string, paths pathRange) error {
	where, args := "host = "+nameID+" AND path >= ?", []any{host, []byte(paths.low)}
	if paths.high != "" {
		where, args = where+" AND path < ?", append(args, []byte(paths.high))
	}
	var packed sql.RawBytes
	return c.query(ctx, "SELECT home, size, coalesce(recalled_at, 0), id FROM object INDEXED BY object_archived WHERE state = 1 AND "+where, args, func(rows *sql.Rows) error {
		var f knownFile
		if err := rows.Scan(&packed, &f.size, &f.recalled, &f.id); err != nil {
			return err
		}
		h, err := unpackHome(packed)
		if err != nil {
			return fmt.Errorf("object %d: %w", f.id, err)
		}
		f.ino, f.mtime, f.mtimeNsec, f.ctime, f.ctimeNsec = h.ino, h.mtime.Sec, h.mtime.Nsec, h.ctime.Sec, h.ctime.Nsec
		k.files = append(k.files, f)
		return nil
	})
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
