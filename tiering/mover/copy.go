package mover

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/tidemark/tidemark/internal/fsys"
	"github.com/tidemark/tidemark/tiering/digest"
)

// copyFile copies size bytes, hashing what was read; holes stay holes. to must be empty.
func (m *Mover) copyFile(ctx context.Context, from, to fsys.File, info fsys.Info, hash *digest.Hash) error {
	buf, done := m.buffer()
	defer done()
	size := info.Size
	for at := int64(0); at < size; {
		end := size
		if info.Allocated < size { // only then it is worth asking
			start, e, err := from.NextData(at, size)
			if err != nil {
				return err
			}
			hash.Hole(start - at)
			at, end = start, e
		}
		for at < end {
			n, err := from.ReadAt((*buf)[:min(int64(len(*buf)), end-at)], at)
			if n == 0 {
				if err == nil || errors.Is(err, io.EOF) {
					return skip("became shorter while it was read")
				}
				return err
			}
			hash.Write((*buf)[:n])
			if _, err := to.WriteAt((*buf)[:n], at); err != nil {
				return err
			}
			at += int64(n)
			if err := m.moved(ctx, n); err != nil {
				return err
			}
		}
	}
	if info.Allocated < size {
		return to.Truncate(size) // a hole at the end
	}
	return nil
}

// readBack hashes a file from the medium. It must have been synced.
func (m *Mover) readBack(ctx context.Context, f fsys.File, size int64, hash *digest.Hash) (string, error) {
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	if info.Size != size {
		return "", fmt.Errorf("the copy has %d bytes, not %d", info.Size, size)
	}
	if err := f.DropCache(); err != nil {
		return "", err
	}
	buf, done := m.buffer()
	defer done()
	if err := digest.Of(f, size, hash, *buf, func(n int) error { return m.moved(ctx, n) }); err != nil {
		return "", err
	}
	return hash.Sum(), nil
}
