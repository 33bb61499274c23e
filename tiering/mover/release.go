package mover

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"syscall"
	"time"

	"github.com/tidemark/tidemark/internal/fsys"
	"github.com/tidemark/tidemark/tiering/archive"
	"github.com/tidemark/tidemark/tiering/catalog"
)

// Candidate is a file whose space may be freed: its unchanged copy is in the archive.
type Candidate struct {
	Path   string // where it is at home now
	Object catalog.Object
	Reason string
}

// Releases are files whose names lead to the archive, or nowhere, and which wait in the trash for their purge.
type Releases struct {
	b     *batch
	begun time.Time // when the last of them went to the trash
}

// Files is how many descriptors it holds.
func (r *Releases) Files() int { return len(r.b.active()) }

// Release takes files from their names into the trash and commits that, but keeps them: Purge frees their space, or puts back what
// somebody was still writing to. The files of Releases hold leases until then. Only those that dropped out have their
// Result in results; Purge fills in the others. An error ends the run.
func (m *Mover) Release(ctx context.Context, candidates []Candidate) (r *Releases, results []Result, err error) {
	results = make([]Result, len(candidates))
	b := &batch{m: m, homes: m.homes(), files: make([]*moving, len(candidates))}
	now := m.opt.Now()
	for i, c := range candidates {
		o := c.Object
		results[i] = Result{Path: c.Path, Object: o}
		b.files[i] = &moving{result: &results[i], reason: c.Reason, op: &catalog.Operation{
			Kind: catalog.Release, Phase: catalog.Intent, Run: m.opt.Run, Policy: m.opt.Policy, Archive: m.opt.Archive.Name, Host: m.opt.Host,
			Volume: m.opt.Volume, Path: c.Path, Leave: m.opt.Leave, ObjectID: o.ID, Object: o.Object, Version: o.Version, Dev: o.Dev, Ino: o.Ino,
			Size: o.Size, Allocated: o.Allocated, Mtime: o.Mtime, Ctime: o.Ctime, Digest: o.Digest, Started: now,
		}}
	}
	r = &Releases{b: b}
	if err := m.reachable(); err != nil {
		b.stopped()
		b.close()
		return nil, results, err
	}
	if err := b.begin(ctx); err != nil {
		b.close()
		return nil, results, err
	}
	if err := b.release(ctx); err != nil {
		b.close()
		return nil, results, err
	}
	r.begun = m.opt.Now()
	return r, results, nil
}

// reachable sees that the archive is mounted where the links will lead: our descriptors keep an unmounted filesystem alive.
func (m *Mover) reachable() error {
	a := m.opt.Archive
	if err := a.Present(); err != nil {
		return err
	}
	root, err := m.opt.FS.OpenRoot(a.Path)
	if err != nil {
		return fmt.Errorf("archive %s is gone from %s: %w", a.Name, a.Path, err)
	}
	defer root.Close()
	there, err := root.Stat()
	ours, err2 := a.Root.Stat()
	if err := errors.Join(err, err2); err != nil {
		return fmt.Errorf("archive %s: %w", a.Name, err)
	}
	if there.Dev != ours.Dev || there.Ino != ours.Ino {
		return fmt.Errorf("archive %s is no longer mounted at %s: mount it again", a.Name, a.Path)
	}
	return nil
}

func (b *batch) release(ctx context.Context) error {
	err := b.each(ctx, func(f *moving) error { return b.lease(ctx, f) })
	if err == nil && b.m.opt.Leave == catalog.LeaveLink {
		err = b.each(ctx, b.prepareLink)
	}
	if err == nil {
		err = b.takeAway(context.WithoutCancel(ctx))
	}
	return errors.Join(err, b.abandon(ctx, b.m.trash, err != nil))
}

// lease opens a file, sees that nobody else has it open and that it is what the object is a copy of.
func (b *batch) lease(ctx context.Context, f *moving) (err error) {
	op := f.op
	if err := b.m.held(ctx, op.Path); err != nil {
		return err
	}
	if f.dir, f.name, err = b.homes.of(op.Path); err != nil {
		return missing(err)
	}
	if f.src, err = f.dir.Open(f.name); err != nil {
		return missing(err)
	}
	if err := takeWriteLease(f.src); err != nil {
		return err
	}
	info, err := f.src.Stat()
	if err != nil {
		return err
	}
	op.Dev = info.Dev // numbers of devices change with a reboot; the volume is the one that was opened
	if err := unchanged(info, op); err != nil {
		return err
	}
	f.info, op.Allocated = info, info.Allocated
	return movable(f.src)
}

func takeWriteLease(f fsys.File) error {
	err := f.SetLease(fsys.LeaseWrite)
	switch {
	case errors.Is(err, syscall.EAGAIN):
		return skip("in use: somebody has it open")
	case errors.Is(err, fsys.ErrUnsupported), errors.Is(err, syscall.EINVAL):
		return skip("its filesystem has no leases, so that a writer can't be told: not released")
	}
	return err
}

// target is where a link to the operation's object leads.
func (m *Mover) target(op *catalog.Operation) string { return path.Join(m.opt.Archive.Path, op.Object) }

// longestTarget bounds a link's target, in bytes: the kernel takes no longer path.
const longestTarget = 4095

// prepareLink makes the link in the trash, with the file's owner and times: its owner can move it as before, and lists of files by date
// stay true. In a sticky directory that all may write to (such as /tmp) Linux lets others follow only links of the directory's owner.
func (b *batch) prepareLink(f *moving) error {
	m, op, name := b.m, f.op, fileName(f.op)
	target := m.target(op)
	if len(target) > longestTarget {
		return skipf("a link to the archive would be %d bytes long: not released", len(target))
	}
	f.left = true // also after an error: it may be there
	if err := m.trash.Symlink(target, name); err != nil {
		if errors.Is(err, syscall.ENAMETOOLONG) {
			return skip("a link to the archive would be too long for this filesystem: not released")
		}
		return err
	}
	owner := f.info.UID
	dir, err := f.dir.Stat()
	if err != nil {
		return err
	}
	if dir.Mode&0o1002 == 0o1002 {
		owner = dir.UID
	}
	return errors.Join(m.trash.ChownName(name, owner, f.info.GID), m.trash.SetTimesName(name, f.info.Atime, f.info.Mtime))
}

// takeAway moves the files from their names to the trash, and commits it.
func (b *batch) takeAway(ctx context.Context) error {
	if err := b.each(ctx, func(f *moving) error { return b.exchange(ctx, f) }); err != nil {
		return err
	}
	files := b.active()
	if len(files) == 0 {
		return nil
	}
	err := b.syncTakenAway(files)
	if err == nil {
		err = b.record(ctx, archive.KindRelease, files)
	}
	if err == nil {
		err = b.commitReleased(ctx)
	}
	if err == nil {
		return nil
	}
	// Back to where they were. What cannot go back stays in the journal.
	for _, f := range files {
		f.result.Err = fmt.Errorf("release: %w", err)
		if !f.pending {
			f.result.Err = errors.Join(f.result.Err, b.putBackOrKeep(ctx, f, "release: "+err.Error()))
		}
	}
	return err
}

// commitReleased commits. Files whose objects can't be released any more drop out and go back: at the path of an object something else may
// have been archived meanwhile, when its file was moved away.
func (b *batch) commitReleased(ctx context.Context) error {
	for {
		err := b.commitActive(ctx)
		refused := (*catalog.RefusedError)(nil)
		if !errors.As(err, &refused) || len(refused.Operations) == 0 {
			return err
		}
		for _, f := range b.active() {
			if !slices.Contains(refused.Operations, f.op.ID) {
				continue
			}
			why := error(skip("its copy in the archive has become an older version of another file: it will be archived anew"))
			if kept := b.putBackOrKeep(ctx, f, why.Error()); kept != nil {
				why = fmt.Errorf("%v: %w", why, kept)
			}
			f.result.set(why)
		}
	}
}

// commitActive commits what is still on its way. An error may be about the answer alone: the journal says whether it happened. Where that
// can't be read either, everything stays as it is for recovery.
func (b *batch) commitActive(ctx context.Context) error {
	m := b.m
	ops, reasons := b.activeOps()
	if len(ops) == 0 {
		return nil
	}
	err := m.opt.Catalog.CommitReleased(ctx, m.opt.Actor, m.opt.Now(), ops, reasons)
	if err == nil || errors.Is(err, catalog.ErrState) {
		return err
	}
	journal, unread := m.opt.Catalog.Pending(ctx)
	if unread != nil {
		for _, f := range b.active() {
			f.pending = true
		}
		return fmt.Errorf("commit (tidemark recover sees to it): %w", errors.Join(err, unread))
	}
	if !slices.ContainsFunc(journal, func(op catalog.Operation) bool { return op.ID == ops[0].ID && op.Phase == catalog.Purging }) {
		return err
	}
	for _, op := range ops {
		op.Phase = catalog.Purging
	}
	return nil
}

func (b *batch) syncTakenAway(files []*moving) error {
	synced := map[fsys.Dir]bool{}
	for _, f := range files {
		if synced[f.dir] {
			continue
		}
		if err := f.dir.Sync(); err != nil {
			return fmt.Errorf("sync %s: %w", path.Dir(f.op.Path), err)
		}
		synced[f.dir] = true
	}
	return b.m.trash.Sync()
}

// record writes durable records of files into the archive's manifest.
func (b *batch) record(ctx context.Context, kind archive.Kind, files []*moving) error {
	records := make([]archive.Record, len(files))
	for i, f := range files {
		records[i] = archive.Of(kind, f.op, b.m.opt.Now())
	}
	return b.m.write(ctx, records...)
}

// write makes records durable.
func (m *Mover) write(ctx context.Context, records ...archive.Record) error {
	if err := m.opt.Archive.Append(ctx, records); err != nil {
		return err
	}
	return m.opt.Archive.Sync(ctx)
}

// exchange takes one file away and sees that it was the leased one: a rename over its path leaves our lease intact.
func (b *batch) exchange(ctx context.Context, f *moving) error {
	m, op, name := b.m, f.op, fileName(f.op)
	if err := m.held(ctx, op.Path); err != nil {
		return err
	}
	var err error
	if op.Leave == catalog.LeaveLink {
		err = f.dir.Rename(f.name, m.trash, name, fsys.Exchange)
	} else {
		err = f.dir.Rename(f.name, m.trash, name, fsys.NoReplace)
	}
	switch {
	case errors.Is(err, syscall.EXDEV):
		return skip("on another filesystem than the volume's trash (a subvolume or mount of its own): give it a policy of its own")
	case errors.Is(err, syscall.EINVAL), errors.Is(err, fsys.ErrUnsupported):
		return skip("its filesystem can't exchange names: not released")
	case errors.Is(err, fs.ErrNotExist):
		return missing(err)
	case err != nil:
		f.pending = true // what happened is for recovery to see
		return err
	}
	if op.Leave == catalog.LeaveNothing {
		f.left = true
	}
	if err := b.stillLeased(f); err != nil {
		if kept := b.putBackOrKeep(ctx, f, err.Error()); kept != nil {
			return fmt.Errorf("%v: %w", err, kept) // not as a skip
		}
		return err
	}
	return nil
}

// stillLeased sees that the file in the trash is the leased one, that nobody changed it, and that nobody waits for it.
func (b *batch) stillLeased(f *moving) error {
	inTrash, err := b.m.trash.StatName(fileName(f.op))
	if err != nil {
		return err
	}
	// The rename itself changes ctime.
	op := *f.op
	op.Ctime = inTrash.Ctime
	if err := unchanged(inTrash, &op); err != nil {
		return err
	}
	lease, err := f.src.Lease()
	if err != nil {
		return err
	}
	if lease != fsys.LeaseWrite {
		return skip("somebody opened it meanwhile")
	}
	return nil
}
