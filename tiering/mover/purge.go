package mover

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tidemark/tidemark/internal/fsys"
	"github.com/tidemark/tidemark/tiering/archive"
	"github.com/tidemark/tidemark/tiering/catalog"
)

// poll is how often leases are looked at: a writer that waits for one gets the file back by then.
const poll = time.Second

// Purge frees the space of released files once they have been in the trash for Settle, and puts back those that somebody opened
// or that came under a hold since. It ends what Release began, also when ctx ends, and fills in the results. An error ends the
// run; what could not be purged is left to Recover.
func (m *Mover) Purge(ctx context.Context, r *Releases) (err error) {
	b := r.b
	defer b.close()
	defer func() {
		if err != nil {
			b.stopped()
		}
	}()
	ctx = context.WithoutCancel(ctx)
	for {
		if err := b.restoreOpened(ctx); err != nil {
			return err
		}
		left := Settle - m.opt.Now().Sub(r.begun)
		if left <= 0 {
			break
		}
		if err := m.opt.Sleep(ctx, min(left, poll)); err != nil {
			return err
		}
	}
	return b.purge(ctx)
}

// restoreOpened puts back the files whose lease somebody broke.
func (b *batch) restoreOpened(ctx context.Context) error {
	for _, f := range b.active() {
		lease, err := f.src.Lease()
		if err == nil && lease == fsys.LeaseWrite {
			continue
		}
		if err == nil {
			err = skip("somebody opened it meanwhile: it is back at home")
		}
		if err := b.restore(ctx, f, err); err != nil {
			return err
		}
	}
	return nil
}

func (b *batch) purge(ctx context.Context) error {
	m := b.m
	for _, f := range b.active() {
		err := m.held(ctx, f.op.Path)
		if err == nil {
			err = b.stillLeased(f)
		}
		if err != nil {
			if err := b.restore(ctx, f, err); err != nil {
				return err
			}
			continue
		}
		if err := m.trash.Remove(fileName(f.op)); err != nil {
			f.pending = true
			f.result.Err = fmt.Errorf("purge (tidemark recover will try again): %w", err)
		}
	}
	files := b.active()
	if len(files) == 0 {
		return nil
	}
	if err := m.trash.Sync(); err != nil {
		for _, f := range files {
			f.pending = true
			f.result.Err = fmt.Errorf("purge (tidemark recover will try again): %w", err)
		}
		return err
	}
	ops, _ := b.activeOps()
	if err := m.opt.Catalog.CommitPurged(ctx, m.opt.Now(), ops); err != nil {
		return fmt.Errorf("commit %d purged files (tidemark recover finishes them): %w", len(ops), err)
	}
	for _, f := range files {
		f.result.Bytes = f.op.Allocated
		f.op.ID, f.done = 0, true
	}
	return nil
}

// restore undoes a release that was committed: the file is at home again, and archived. why is its result. An error is the
// catalog's or the archive's, and ends the run.
func (b *batch) restore(ctx context.Context, f *moving, why error) error {
	f.result.set(why)
	where, err := b.m.putBack(f.op, f.dir)
	f.close() // a writer that waits for the lease goes on
	if err != nil {
		f.pending = true
		f.result.Err = errors.Join(f.result.Err, fmt.Errorf("put back (tidemark recover will try again): %w", err))
		return nil
	}
	if where != f.op.Path {
		f.result.Err = errors.Join(f.result.Err, fmt.Errorf("another file has its name now: it is kept as %s", where))
	}
	return b.m.commitRestored(ctx, f.op, why.Error(), where)
}

// commitRestored ends a release that was undone, committed or not, in the manifest and in the catalog. Both learn what the file
// is now: the renames changed it.
func (m *Mover) commitRestored(ctx context.Context, op *catalog.Operation, why, where string) error {
	home, err := m.unchangedAt(where, op)
	if err != nil {
		return err
	}
	record := archive.Of(archive.KindRestore, op, m.opt.Now())
	record.Dev, record.Ino, record.Mtime, record.Ctime = home.Dev, home.Ino, home.Mtime, home.Ctime
	if err := m.write(ctx, record); err != nil {
		return err
	}
	if err := m.opt.Catalog.CommitRestored(ctx, m.opt.Actor, m.opt.Now(), op, why+" ("+where+")", home); err != nil {
		return err
	}
	op.ID = 0
	return nil
}

// unchangedAt is the file at a path if it is the operation's and unchanged, else the zero value: it will be archived anew.
func (m *Mover) unchangedAt(where string, op *catalog.Operation) (fsys.Info, error) {
	info, err := m.infoAt(where)
	if err != nil || info.Ino != op.Ino || info.Size != op.Size || info.Mtime != op.Mtime {
		return fsys.Info{}, err
	}
	return info, nil
}

// infoAt is what is at a path of the volume; the zero value: nothing, or nothing that the path leads to without symlinks.
func (m *Mover) infoAt(file string) (info fsys.Info, err error) {
	h := m.homes()
	defer h.close()
	dir, name, err := h.of(file)
	if err == nil {
		info, err = dir.StatName(name)
	}
	if s := skip(""); errors.As(missing(err), &s) {
		return fsys.Info{}, nil
	}
	return info, err
}
