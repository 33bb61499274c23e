package mover

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"syscall"

	"github.com/tidemark/tidemark/internal/fsys"
	"github.com/tidemark/tidemark/tiering/archive"
	"github.com/tidemark/tidemark/tiering/catalog"
	"github.com/tidemark/tidemark/tiering/digest"
)

// ErrVolumeFull says that a file does not fit back onto its volume.
var ErrVolumeFull = errors.New("the volume is full")

// Recall brings released files back to their names, verified and with all their attributes; the objects stay in the archive. A
// candidate's Path is where its link is now. A file whose attributes could not all be restored is at home nevertheless, with
// its Err saying which are missing. An error ends the run.
func (m *Mover) Recall(ctx context.Context, candidates []Candidate) ([]Result, error) {
	results := make([]Result, len(candidates))
	b := &batch{m: m, homes: m.homes(), files: make([]*moving, len(candidates))}
	defer b.close()
	now := m.opt.Now()
	for i, c := range candidates {
		o := c.Object
		results[i] = Result{Path: c.Path, Object: o}
		b.files[i] = &moving{result: &results[i], reason: c.Reason, op: &catalog.Operation{
			Kind: catalog.Recall, Phase: catalog.Intent, Run: m.opt.Run, Policy: o.Policy, Archive: m.opt.Archive.Name, Host: m.opt.Host,
			Volume: m.opt.Volume, Path: c.Path, Leave: o.Leave, ObjectID: o.ID, Object: o.Object, Version: o.Version, Size: o.Size,
			Allocated: o.Allocated, Digest: o.Digest, Attributes: o.Attributes, Started: now,
		}}
	}
	if err := b.begin(ctx); err != nil {
		return results, err
	}
	err := b.recall(ctx)
	return results, errors.Join(err, b.abandon(ctx, m.staging, err != nil))
}

func (b *batch) recall(ctx context.Context) error {
	m := b.m
	if err := b.each(ctx, func(f *moving) error { return b.copyHome(ctx, f) }); err != nil {
		return err
	}
	ctx = context.WithoutCancel(ctx)
	ops, _ := b.activeOps()
	if len(ops) == 0 {
		return nil
	}
	for _, op := range ops {
		op.Phase = catalog.Exchanging
	}
	if err := m.opt.Catalog.Advance(ctx, ops); err != nil {
		return fmt.Errorf("journal %d recalled files: %w", len(ops), err)
	}
	if err := b.each(ctx, b.takeHome); err != nil {
		return err
	}
	return b.commitRecalled(ctx)
}

// copyHome copies an object to the volume's staging, verified, durable, and with its attributes.
func (b *batch) copyHome(ctx context.Context, f *moving) (err error) {
	m, op := b.m, f.op
	if f.dir, f.name, err = b.homes.orMake(op); err != nil {
		return missing(err)
	}
	if err := m.vacant(f, op); err != nil {
		return err
	}
	if err := b.homes.sameHands(f.dir, f.name, op, op.Attributes.UID); err != nil {
		return err
	}
	if f.copy, err = m.opt.Archive.OpenObject(op.Object); err != nil {
		return fmt.Errorf("open the object in the archive: %w", err)
	}
	info, err := f.copy.Stat()
	if err != nil {
		return err
	}
	if info.Size != op.Size {
		return fmt.Errorf("the object in the archive has %d bytes, not %d: run archive verify", info.Size, op.Size)
	}
	usage, err := m.volume.StatFS()
	if err != nil {
		return err
	}
	if need := min(info.Allocated, info.Size); need > usage.Available {
		return fmt.Errorf("%w: %d bytes are free on %s, %d are needed", ErrVolumeFull, usage.Available, m.opt.Volume, need)
	}
	f.left = true // also after an error: it may be there
	to, err := m.staging.Create(fileName(op), 0o600)
	if err != nil {
		return volumeFull(err)
	}
	f.src = to
	noCOW(to, op.Attributes.Flags)
	hash, err := digest.Like(op.Digest)
	if err != nil {
		return err
	}
	if err := m.copyFile(ctx, f.copy, to, info, hash); err != nil {
		return volumeFull(err)
	}
	if got := hash.Sum(); got != op.Digest {
		return fmt.Errorf("the object in the archive reads as %s, it was archived as %s: not recalled; run archive verify", got, op.Digest)
	}
	return b.dress(f)
}

// noCOW sets the one attribute of lsattr (C, of btrfs) that only a file without content takes. If that fails the last step says so.
func noCOW(f fsys.File, want uint32) {
	if want&flagNoCOW == 0 {
		return
	}
	if flags, err := f.Flags(); err == nil {
		_ = f.SetFlags(flags | flagNoCOW)
	}
}

// dress gives the copy its attributes and makes it durable. What can't be restored is remembered; the file is more than that.
func (b *batch) dress(f *moving) error {
	a := f.op.Attributes
	a.Flags &= flagNoCOW // the others come last: an immutable file can't be renamed
	f.missing = fsys.RestoreAttributes(f.src, a)
	if fails(f.missing) {
		return volumeFull(f.missing)
	}
	if err := f.src.Sync(); err != nil {
		return volumeFull(err)
	}
	info, err := f.src.Stat()
	if err != nil {
		return err
	}
	op := f.op
	op.Dev, op.Ino, op.Mtime, op.Ctime, op.Allocated = info.Dev, info.Ino, info.Mtime, info.Ctime, info.Allocated
	return nil
}

// fails says that an error is of a filesystem in trouble, not of one that has no such attribute or does not allow it.
func fails(err error) bool {
	return slices.ContainsFunc([]error{syscall.ENOSPC, syscall.EDQUOT, syscall.EIO, syscall.ESTALE, syscall.EROFS, syscall.ENOMEM}, func(e error) bool { return errors.Is(err, e) })
}

func volumeFull(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("%w: %w", ErrVolumeFull, err)
	}
	return err
}

// vacant sees that the file's place is free or holds our link.
func (m *Mover) vacant(f *moving, op *catalog.Operation) error {
	info, err := f.dir.StatName(f.name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.IsSymlink() {
		if ours, err := isLink(f.dir, f.name, m.target(op)); ours || err != nil {
			return err
		}
	}
	return skip("another file has its name now: move that away, then recall again")
}

// takeHome gives the copy its name. What comes out for it must be our link, else it is put back.
func (b *batch) takeHome(f *moving) error {
	m, op, id := b.m, f.op, fileName(f.op)
	err := m.staging.Rename(id, f.dir, f.name, fsys.NoReplace)
	if err == nil {
		f.left = false // there was nothing
		return nil
	}
	if !errors.Is(err, fs.ErrExist) {
		f.pending = true
		return err
	}
	if err := m.vacant(f, op); err != nil {
		return err
	}
	if err := m.staging.Rename(id, f.dir, f.name, fsys.Exchange); err != nil {
		f.pending = !errors.Is(err, fs.ErrNotExist)
		return err
	}
	ours, err := isLink(m.staging, id, m.target(op))
	if err != nil {
		f.pending = true
		return err
	}
	if ours {
		return nil
	}
	// Somebody put a file there at this very instant. It gets its name back.
	kept, err := m.giveBack(op, f.dir, f.name, f.src)
	if err != nil {
		f.pending = true
		return fmt.Errorf("another file was at %s: what is in %s is kept (tidemark recover puts it back): %w", op.Path,
			path.Join(m.opt.Volume, PrivateDir, "staging", id), err)
	}
	f.left = false
	if kept != "" {
		return fmt.Errorf("another file took its name at this instant: not recalled, but somebody used what was there: it is kept as %s", kept)
	}
	return skip("another file took its name at this instant: not recalled")
}

// giveBack returns a file that somebody had put in the link's place at the instant of the exchange. The copy had the name until then: it
// goes when nobody can have used it, else it is kept beside the file, and kept says where. copied is the copy, or nil. All is durable.
func (m *Mover) giveBack(op *catalog.Operation, dir fsys.Dir, name string, copied fsys.File) (kept string, err error) {
	id := fileName(op)
	if err := exchangeUntil(op.Ino, dir, name, m.staging, id); err != nil {
		return "", err
	}
	if err := errors.Join(dir.Sync(), m.staging.Sync()); err != nil {
		return "", err
	}
	return m.discardCopy(op, dir, name, copied)
}

// discardCopy removes a recall's copy from staging. What may have been at home and in use is kept beside the file instead.
func (m *Mover) discardCopy(op *catalog.Operation, dir fsys.Dir, name string, copied fsys.File) (kept string, err error) {
	used, err := m.used(op, copied)
	if err != nil {
		return "", err
	}
	if used && dir != nil {
		if kept, err = moveBeside(m.staging, op, dir, name); err != nil {
			return "", err
		}
		return kept, errors.Join(dir.Sync(), m.staging.Sync())
	}
	if used {
		return "", fmt.Errorf("somebody used the copy in staging %s, and the directory of %s is gone: it is kept there", fileName(op), op.Path)
	}
	return "", m.discardName(op, m.staging)
}

// used says that what is in staging is not the recall's copy, or that somebody has it open or wrote to it.
func (m *Mover) used(op *catalog.Operation, copied fsys.File) (bool, error) {
	staged, err := m.staging.StatName(fileName(op))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil || staged.Ino != op.Ino || staged.Size != op.Size || staged.Mtime != op.Mtime {
		return true, err
	}
	if copied == nil {
		if copied, err = m.staging.Open(fileName(op)); err != nil {
			return true, err
		}
		defer copied.Close()
	}
	err = takeWriteLease(copied)
	if s := skip(""); errors.As(err, &s) {
		return true, nil
	}
	return err != nil, err
}

// commitRecalled removes the links and commits.
func (b *batch) commitRecalled(ctx context.Context) error {
	m := b.m
	files := b.active()
	if len(files) == 0 {
		return nil
	}
	err := b.settleHome(files)
	if err == nil {
		err = b.record(ctx, archive.KindRecall, files)
	}
	if err == nil {
		ops, _ := b.activeOps()
		err = m.opt.Catalog.CommitRecalled(ctx, m.opt.Actor, m.opt.Now(), ops)
	}
	if err != nil {
		for _, f := range files {
			f.pending = true
			f.result.Err = fmt.Errorf("at home, not yet committed (tidemark recover finishes it): %w", err)
		}
		return err
	}
	for _, f := range files {
		f.result.Bytes, f.result.Err = f.op.Size, f.missing
		f.op.ID, f.done = 0, true
	}
	return nil
}

// settleHome makes the names durable, then the links in staging go, then the file attributes come: an immutable file could not have
// been renamed. The operations then know the files as they are.
func (b *batch) settleHome(files []*moving) error {
	if err := b.homes.sync(); err != nil {
		return err
	}
	for _, f := range files {
		if err := removeIfThere(b.m.staging, fileName(f.op)); err != nil {
			return err
		}
		f.left = false
	}
	if err := b.m.staging.Sync(); err != nil {
		return err
	}
	for _, f := range files {
		if err := restoreFlags(f); err != nil {
			return err
		}
	}
	return nil
}

// restoreFlags gives a file its flags, durably, and sees what it is then.
func restoreFlags(f *moving) error {
	before, err1 := f.src.Flags()
	err := fsys.RestoreFlags(f.src, f.op.Attributes.Flags)
	if fails(err) {
		return err
	}
	f.missing = errors.Join(f.missing, err)
	if after, err2 := f.src.Flags(); after != before || err1 != nil || err2 != nil || f.unsure {
		if err := f.src.Sync(); err != nil {
			return err
		}
	}
	info, err := f.src.Stat()
	if err != nil {
		return err
	}
	f.op.Ctime = info.Ctime // but Mtime is as dress gave it: what somebody wrote since is in no object, and shows by it
	return nil
}

// orMake opens the directory of a file, making it anew, as it was, where it is gone.
func (h *homes) orMake(op *catalog.Operation) (fsys.Dir, string, error) {
	dir, name, err := h.of(op.Path)
	if !errors.Is(err, fs.ErrNotExist) {
		return dir, name, err
	}
	rel, ok := h.m.below(path.Dir(op.Path))
	if !ok {
		return nil, "", fmt.Errorf("%s is not on volume %s", op.Path, h.m.opt.Volume)
	}
	at, made := h.m.volume, strings.TrimSuffix(h.m.opt.Volume, "/")
	for part := range strings.SplitSeq(rel, "/") {
		made += "/" + part
		next, err := h.child(at, part, archive.Directory{Path: made, Version: op.Version})
		if at != h.m.volume {
			at.Close()
		}
		if err != nil {
			return nil, "", fmt.Errorf("make directory %s: %w", made, err)
		}
		at = next
	}
	h.dirs[path.Dir(op.Path)] = at
	return at, path.Base(op.Path), nil
}

// child opens a directory, or makes it with the attributes that the archive remembers of it. Without any it is root's alone:
// nobody shall see more than before.
func (h *homes) child(parent fsys.Dir, name string, full archive.Directory) (fsys.Dir, error) {
	d, err := parent.OpenDir(name)
	if !errors.Is(err, fs.ErrNotExist) {
		return d, err
	}
	if err := parent.Mkdir(name, 0o700); err != nil {
		return nil, err
	}
	if d, err = parent.OpenDir(name); err != nil {
		return nil, err
	}
	err = h.remember()
	if a, known := h.lost[full]; err == nil && known {
		err = fsys.RestoreAttributes(d, a)
	}
	if err := errors.Join(err, d.Sync(), parent.Sync()); err != nil {
		d.Close()
		return nil, err
	}
	return d, nil
}
