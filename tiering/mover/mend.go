package mover

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/tidemark/tidemark/tiering/archive"
	"github.com/tidemark/tidemark/tiering/catalog"
)

// Mend replaces a bad object from the copy at home, which must be unchanged and prove to have the object's digest. Only archived
// files have one; of a released file nothing is left but the object.
func (m *Mover) Mend(ctx context.Context, o catalog.Object, why string) (Result, error) {
	result := Result{Path: o.Path, Object: o}
	if o.State != catalog.Archived {
		result.Err = errors.New("no copy is at home any more: restore the archive from its own backup")
		return result, nil
	}
	op := &catalog.Operation{
		Kind: catalog.Mend, Phase: catalog.Intent, Policy: o.Policy, Run: m.opt.Run, Archive: m.opt.Archive.Name, Host: m.opt.Host,
		Volume: m.opt.Volume, Path: o.Path, ObjectID: o.ID, Dev: o.Dev, Ino: o.Ino, Size: o.Size, Allocated: o.Allocated, Mtime: o.Mtime,
		Ctime: o.Ctime, Started: m.opt.Now(),
	}
	b := &batch{m: m, homes: m.homes(), files: []*moving{{op: op, result: &result, reason: why}}}
	defer b.close()
	if err := b.begin(ctx); err != nil {
		return result, err
	}
	err := b.mend(ctx, o)
	return result, errors.Join(err, b.abandon(ctx, m.vault, err != nil))
}

func (b *batch) mend(ctx context.Context, o catalog.Object) error {
	m, f := b.m, b.files[0]
	if err := b.prepareCopies(ctx); err != nil || !f.active() {
		return err
	}
	if f.op.Digest != o.Digest {
		f.result.Err = fmt.Errorf("the copy at home reads as %s, it was archived as %s: it is not what the object was", f.op.Digest, o.Digest)
		return nil
	}
	ctx = context.WithoutCancel(ctx)
	if err := m.name(ctx, f.op); err != nil {
		return err
	}
	f.op.Phase = catalog.Publishing
	if err := m.opt.Catalog.Advance(ctx, []*catalog.Operation{f.op}); err != nil {
		return err
	}
	if err := b.publish(ctx, f); err != nil {
		f.result.Err = err
		return nil
	}
	f.pending = true // until it is committed, recovery finishes it
	if _, err := m.adopt(ctx, f.op, f.copy); err != nil {
		return err
	}
	f.pending, f.op.ID, f.result.Bytes = false, 0, o.Size
	return nil
}

// finishMend disposes of the bad object, now that its successor is durable, and commits.
func (m *Mover) finishMend(ctx context.Context, op *catalog.Operation, why string) error {
	old, ok, err := m.opt.Catalog.ObjectByID(ctx, op.ObjectID)
	if err != nil {
		return err
	}
	if !ok {
		return fmt.Errorf("the catalog has no object %d", op.ObjectID)
	}
	if err := m.dispose(old); err != nil {
		return err
	}
	gone := archive.Record{
		Op: op.ID, Kind: archive.KindDispose, Time: m.opt.Now(), Host: old.Host, Path: old.Path, Object: old.Object,
		Version: old.Version, Reason: why,
	}
	if err := m.write(ctx, gone); err != nil {
		return err
	}
	_, err = m.opt.Catalog.CommitMended(ctx, m.opt.Actor, m.opt.Now(), op, why)
	return err
}

// dispose removes an object for good.
func (m *Mover) dispose(o catalog.Object) error {
	dir, name, err := m.opt.Archive.ObjectParent(o.Object)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer dir.Close()
	f, err := dir.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = errors.Join(archive.ClearImmutable(f, m.opt.Archive.Marker.Can), f.Close())
	}
	if err != nil {
		return fmt.Errorf("dispose of %s: %w", o.Object, err)
	}
	if err := removeIfThere(dir, name); err != nil {
		return fmt.Errorf("dispose of %s: %w", o.Object, err)
	}
	return dir.Sync()
}
