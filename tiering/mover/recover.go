package mover

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/tidemark/tidemark/internal/fsys"
	"github.com/tidemark/tidemark/tiering/archive"
	"github.com/tidemark/tidemark/tiering/catalog"
	"github.com/tidemark/tidemark/tiering/digest"
)

// Recovered is what recovery did with one interrupted operation.
type Recovered struct {
	Operation catalog.Operation
	Outcome   string // in words
	Err       error  `json:"-"` // it stays in the journal
}

// Recover finishes or reverts every interrupted operation of this volume and this archive. It goes by the journal alone, and running
// it again changes nothing. An error is the catalog's.
func (m *Mover) Recover(ctx context.Context) ([]Recovered, error) {
	ops, err := m.opt.Catalog.Pending(ctx)
	if err != nil {
		return nil, err
	}
	var all []Recovered
	for _, op := range ops {
		if op.Volume != m.opt.Volume || op.Archive != m.opt.Archive.Name || op.Host != m.opt.Host {
			continue
		}
		if err := ctx.Err(); err != nil {
			return all, err
		}
		r := Recovered{Operation: op}
		r.Outcome, r.Err = m.recoverOne(context.WithoutCancel(ctx), &op)
		all = append(all, r)
	}
	return all, nil
}

func (m *Mover) recoverOne(ctx context.Context, op *catalog.Operation) (string, error) {
	switch {
	case (op.Kind == catalog.Archive || op.Kind == catalog.Mend) && op.Phase == catalog.Intent:
		return m.discard(ctx, op, m.vault)
	case op.Kind == catalog.Archive || op.Kind == catalog.Mend:
		return m.recoverPublishing(ctx, op)
	case op.Kind == catalog.Release && op.Phase == catalog.Intent:
		return m.recoverRelease(ctx, op)
	case op.Kind == catalog.Release:
		return m.recoverPurge(ctx, op)
	case op.Kind == catalog.Recall && op.Phase == catalog.Intent:
		return m.discard(ctx, op, m.staging)
	case op.Kind == catalog.Recall:
		return m.recoverRecall(ctx, op)
	}
	return "", fmt.Errorf("operation %d (%s, %s) is of a newer version: run that one's recover", op.ID, op.Kind, op.Phase)
}

// discard removes a copy that was not complete, and ends the operation.
func (m *Mover) discard(ctx context.Context, op *catalog.Operation, in fsys.Dir) (string, error) {
	if err := m.discardName(op, in); err != nil {
		return "", err
	}
	return "begun, nothing was moved: forgotten", m.opt.Catalog.Drop(ctx, []*catalog.Operation{op})
}

// recoverPublishing adopts a published object that proves to be the copy, and forgets all else. A copy that still is in staging was
// never published: if something is at its name, that is somebody else's.
func (m *Mover) recoverPublishing(ctx context.Context, op *catalog.Operation) (string, error) {
	staged, err := m.vault.StatName(fileName(op))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	if err == nil && staged.Nlink < 2 { // with two names it was being published without a rename
		return m.discard(ctx, op, m.vault)
	}
	object, err := m.opt.Archive.OpenObject(op.Object)
	if errors.Is(err, fs.ErrNotExist) {
		return m.discard(ctx, op, m.vault)
	}
	if err != nil {
		return "", err
	}
	defer object.Close()
	if ok, err := m.is(ctx, object, op); err != nil {
		return "", err
	} else if !ok {
		what, err := m.discard(ctx, op, m.vault)
		return what + "; " + op.Object + " in the archive is not its copy, and was left alone", err
	}
	if err := removeIfThere(m.vault, fileName(op)); err != nil {
		return "", err
	}
	return m.adopt(ctx, op, object)
}

// is reads a file and compares it with the operation's digest.
func (m *Mover) is(ctx context.Context, f fsys.File, op *catalog.Operation) (bool, error) {
	info, err := f.Stat()
	if err != nil || !info.IsRegular() || info.Size != op.Size {
		return false, err
	}
	hash, err := digest.Like(op.Digest)
	if err != nil {
		return false, err
	}
	got, err := m.readBack(ctx, f, op.Size, hash)
	return got == op.Digest, err
}

// adopt finishes what commitArchived would have done.
func (m *Mover) adopt(ctx context.Context, op *catalog.Operation, object fsys.File) (string, error) {
	kind := archive.KindArchive
	if op.Kind == catalog.Mend {
		kind = archive.KindMend
	}
	record := archive.Of(kind, op, m.opt.Now())
	if op.Kind == catalog.Mend {
		old, _, err := m.opt.Catalog.ObjectByID(ctx, op.ObjectID)
		if err != nil {
			return "", err
		}
		record.Replaces = old.Object
	}
	if err := m.seal(object); err != nil {
		return "", err
	}
	if err := m.vault.SyncFS(); err != nil {
		return "", err
	}
	if err := m.write(ctx, record); err != nil {
		return "", err
	}
	if op.Kind == catalog.Mend {
		return "a bad object was replaced", m.finishMend(ctx, op, "finished after an interruption")
	}
	_, err := m.opt.Catalog.CommitArchived(ctx, m.opt.Actor, m.opt.Now(), []*catalog.Operation{op}, []string{"finished after an interruption"})
	return "archived: the copy was complete and published", err
}

// recoverRelease reverts a release that was not committed.
func (m *Mover) recoverRelease(ctx context.Context, op *catalog.Operation) (string, error) {
	inTrash, err := m.trash.StatName(fileName(op))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	theirs := err == nil
	if theirs && inTrash.IsSymlink() { // ours, prepared, or what a reverted exchange left; or one that took the file's place
		ours, err := isLink(m.trash, fileName(op), m.target(op))
		if err != nil {
			return "", err
		}
		theirs = !ours
	}
	where := op.Path
	if theirs {
		if where, err = m.putBack(op, nil); err != nil {
			return "", err
		}
	} else {
		if err := m.discardName(op, m.trash); err != nil {
			return "", err
		}
		info, err := m.infoAt(op.Path)
		if err != nil {
			return "", err
		}
		if info.Ino == op.Ino && info.Ctime == op.Ctime {
			return "begun, nothing was moved: forgotten", m.drop(ctx, op)
		}
	}
	// The manifest may say released already.
	return "the file is at home again: " + where, m.commitRestored(ctx, op, "not released: interrupted", where)
}

func (m *Mover) drop(ctx context.Context, op *catalog.Operation) error {
	return m.opt.Catalog.Drop(ctx, []*catalog.Operation{op})
}

// recoverPurge ends a release that was committed: the file in the trash is purged if nobody changed it or has it open, and put back
// otherwise.
func (m *Mover) recoverPurge(ctx context.Context, op *catalog.Operation) (string, error) {
	f, err := m.trash.Open(fileName(op))
	if errors.Is(err, fs.ErrNotExist) {
		if err := m.trash.Sync(); err != nil {
			return "", err
		}
		info, err := m.infoAt(op.Path)
		if err != nil {
			return "", err
		}
		if info.IsRegular() && info.Ino == op.Ino {
			return "the file is at home again", m.commitRestored(ctx, op, "put back, finished after an interruption", op.Path)
		}
		return "released: its space was free already", m.opt.Catalog.CommitPurged(ctx, m.opt.Now(), []*catalog.Operation{op})
	}
	if err != nil && !isSymlinkError(err) {
		return "", err
	}
	if err != nil {
		return m.finishPutBack(ctx, op)
	}
	result := Result{Path: op.Path}
	b := &batch{m: m, homes: m.homes(), files: []*moving{{op: op, result: &result, src: f}}}
	defer b.close()
	if err := b.leaseInTrash(op); err != nil {
		if err := b.restore(ctx, b.files[0], err); err != nil {
			return "", err
		}
		return "the file is at home again: " + result.Skipped, result.Err
	}
	if err := m.Purge(ctx, &Releases{b: b, begun: m.opt.Now()}); err != nil {
		return "", err
	}
	if result.Skipped != "" {
		return "the file is at home again: " + result.Skipped, result.Err
	}
	return "released: its space is free", result.Err
}

// finishPutBack ends a putBack after its exchange: in the trash is our link, or one that somebody had put in its place.
func (m *Mover) finishPutBack(ctx context.Context, op *catalog.Operation) (string, error) {
	ours, err := isLink(m.trash, fileName(op), m.target(op))
	if err != nil {
		return "", err
	}
	where := op.Path
	if ours {
		err = m.discardName(op, m.trash)
	} else {
		where, err = m.putBack(op, nil)
	}
	if err != nil {
		return "", err
	}
	return "the file is at home again: " + where, m.commitRestored(ctx, op, "put back, finished after an interruption", where)
}

// leaseInTrash takes the lease that died with the interrupted process. Whoever opened the file since shows by it, or by its times.
func (b *batch) leaseInTrash(op *catalog.Operation) error {
	f := b.files[0]
	if err := takeWriteLease(f.src); err != nil {
		return err
	}
	info, err := f.src.Stat()
	if err != nil {
		return err
	}
	op.Dev = info.Dev
	return b.stillLeased(f)
}

// discardName removes an operation's file from a directory of ours, durably, also if it was removed before.
func (m *Mover) discardName(op *catalog.Operation, in fsys.Dir) error {
	return errors.Join(removeIfThere(in, fileName(op)), in.Sync())
}

// recoverRecall ends a recall whose copy was complete: forwards if it has its name, else backwards.
func (m *Mover) recoverRecall(ctx context.Context, op *catalog.Operation) (string, error) {
	id := fileName(op)
	staged, err := m.staging.StatName(id)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	h := m.homes()
	defer h.close()
	dir, name, dirErr := h.of(op.Path)
	there, err2 := fsys.Info{}, dirErr
	if dirErr == nil {
		there, err2 = dir.StatName(name)
	}
	home := err2 == nil && there.IsRegular() && there.Ino == op.Ino
	ours, err3 := isLink(m.staging, id, m.target(op))
	switch {
	case err == nil && staged.IsRegular() && staged.Ino == op.Ino: // it has not got its name, or was taken back at once
		return m.forgetCopy(ctx, op, dir, name, "begun, nothing was moved: forgotten")
	case err3 != nil:
		return "", err3
	case err == nil && !ours:
		return m.giveBackTaken(ctx, op, dir, name, home)
	case home:
		return m.finishRecall(ctx, op, dir, name)
	case err2 != nil && !errors.Is(err2, fs.ErrNotExist):
		return "", err2
	}
	// It had its name, and somebody moved or removed it since: it is theirs. The archive keeps its object.
	if err := m.discardName(op, m.staging); err != nil {
		return "", err
	}
	return "recalled, and moved or removed by somebody since: the archive keeps its object", m.drop(ctx, op)
}

// giveBackTaken returns a file that somebody had put in the link's place at the instant of the exchange.
func (m *Mover) giveBackTaken(ctx context.Context, op *catalog.Operation, dir fsys.Dir, name string, home bool) (string, error) {
	id := fileName(op)
	if dir == nil {
		return "", fmt.Errorf("a file that was at %s is kept in staging as %s: its directory is gone", op.Path, id)
	}
	if home {
		if err := exchangeUntil(op.Ino, dir, name, m.staging, id); err != nil {
			return "", err
		}
		if err := errors.Join(dir.Sync(), m.staging.Sync()); err != nil {
			return "", err
		}
		return m.forgetCopy(ctx, op, dir, name, "not recalled: another file has its name")
	}
	where, err := renameBack(m.staging, op, dir, name)
	if err != nil {
		return "", fmt.Errorf("a file that was at %s is kept in staging as %s: %w", op.Path, id, err)
	}
	if err := errors.Join(dir.Sync(), m.staging.Sync()); err != nil {
		return "", err
	}
	return "not recalled: another file has its name: " + where, m.drop(ctx, op)
}

// forgetCopy ends a recall whose copy is in staging.
func (m *Mover) forgetCopy(ctx context.Context, op *catalog.Operation, dir fsys.Dir, name, outcome string) (string, error) {
	kept, err := m.discardCopy(op, dir, name, nil)
	if err != nil {
		return "", err
	}
	if kept != "" {
		outcome += "; somebody used what was there meanwhile: it is kept as " + kept
	}
	return outcome, m.drop(ctx, op)
}

func (m *Mover) finishRecall(ctx context.Context, op *catalog.Operation, dir fsys.Dir, name string) (string, error) {
	f, err := dir.Open(name)
	if err != nil {
		return "", err
	}
	result := Result{Path: op.Path}
	b := &batch{m: m, homes: m.homes(), files: []*moving{{op: op, result: &result, dir: dir, name: name, src: f, unsure: true}}}
	defer b.close()
	if err := dir.Sync(); err != nil {
		return "", err
	}
	if err := b.commitRecalled(ctx); err != nil {
		return "", err
	}
	return "recalled", result.Err
}
