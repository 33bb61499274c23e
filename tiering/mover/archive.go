package mover

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"syscall"

	"github.com/tidemark/tidemark/internal/fsys"
	"github.com/tidemark/tidemark/tiering/archive"
	"github.com/tidemark/tidemark/tiering/catalog"
	"github.com/tidemark/tidemark/tiering/digest"
	"github.com/tidemark/tidemark/tiering/selection"
)

// ErrArchiveFull says that a file does not fit into what the archive has left. Smaller ones may.
var ErrArchiveFull = errors.New("the archive is full")

// Archive copies, verifies and publishes a batch of files; they stay at home. An error ends the run: results say what became of
// each file until then, and operations that are left pending are for Recover.
func (m *Mover) Archive(ctx context.Context, items []selection.Item) ([]Result, error) {
	results := make([]Result, len(items))
	b := &batch{m: m, homes: m.homes(), files: make([]*moving, len(items))}
	defer b.close()
	now := m.opt.Now()
	for i, it := range items {
		results[i].Path = it.Path
		b.files[i] = &moving{result: &results[i], reason: it.Reason, op: &catalog.Operation{
			Kind: catalog.Archive, Phase: catalog.Intent, Run: m.opt.Run, Policy: m.opt.Policy, Archive: m.opt.Archive.Name, Host: m.opt.Host,
			Volume: m.opt.Volume, Path: it.Path, Dev: it.Dev, Ino: it.Ino, Size: it.Size, Allocated: it.Allocated, Mtime: it.Mtime,
			Ctime: it.Ctime, Started: now,
		}}
	}
	if err := b.begin(ctx); err != nil {
		return results, err
	}
	return results, b.archive(ctx)
}

// archive takes the steps from the copy to the commit.
func (b *batch) archive(ctx context.Context) error {
	err := b.prepareCopies(ctx)
	if err == nil {
		err = b.publishAll(ctx)
	}
	// What dropped out leaves nothing behind; on the way to a stop neither does the rest.
	return errors.Join(err, b.abandon(ctx, b.m.vault, err != nil))
}

// prepareCopies brings the batch to copies in staging that are complete, durable, verified, and equal to what is at home now.
func (b *batch) prepareCopies(ctx context.Context) error {
	m := b.m
	room, err := m.room()
	if err != nil {
		return err
	}
	copyOne := func(f *moving) error { return b.copyToStaging(ctx, f, &room) }
	if err := b.each(ctx, copyOne); err != nil {
		return err
	}
	if err := b.syncCopies(ctx, copyOne); err != nil {
		return err
	}
	if err := b.each(ctx, func(f *moving) error { return b.verifyCopy(ctx, f) }); err != nil {
		return err
	}
	return b.each(ctx, func(f *moving) error {
		if err := m.held(ctx, f.op.Path); err != nil {
			return err
		}
		return stillThere(f.src, f.dir, f.name, f.op)
	})
}

// room is how many bytes may be added to the archive.
func (m *Mover) room() (int64, error) {
	usage, err := m.opt.Archive.Root.StatFS()
	if err != nil {
		return 0, fmt.Errorf("archive %s: %w", m.opt.Archive.Name, err)
	}
	return usage.Available - int64(m.opt.MinFree*float64(usage.Total)), nil
}

// copyToStaging copies one file with its attributes into the archive's staging.
func (b *batch) copyToStaging(ctx context.Context, f *moving, room *int64) (err error) {
	m, op := b.m, f.op
	if err := m.held(ctx, op.Path); err != nil {
		return err
	}
	if f.src == nil {
		if f.src, f.dir, f.name, err = b.homes.source(op); err != nil {
			return err
		}
		if err := noWriter(f.src); err != nil {
			return err
		}
	}
	attributes, info, err := fsys.ReadAttributes(f.src)
	if err != nil {
		return err
	}
	op.Attributes, op.Allocated = attributes, info.Allocated
	if *room -= min(info.Allocated, info.Size); *room < 0 {
		*room += min(info.Allocated, info.Size)
		return fmt.Errorf("%w: %d bytes are left of what it may hold, %d are needed", ErrArchiveFull, max(0, *room), info.Allocated)
	}
	f.left = true // also after an error: it may be there
	to, err := m.vault.Create(fileName(op), 0o600)
	if err != nil {
		return full(err)
	}
	defer to.Close()
	hash := digest.New(info.Size, info.Allocated)
	if err := m.copyFile(ctx, f.src, to, info, hash); err != nil {
		return full(err)
	}
	op.Digest = hash.Sum()
	err = archive.Protect(to, attributes, m.opt.Archive.Marker.Can)
	if errors.Is(err, archive.ErrNarrowed) {
		err = nil // nobody reads who could not; the engine refuses links where that would take access away
	}
	return full(err)
}

// full tells a full archive apart.
func full(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("%w: %w", ErrArchiveFull, err)
	}
	return err
}

// fewFiles is up to how many files an fsync each is cheaper than a sync of the whole filesystem.
const fewFiles = 4

// syncCopies makes the copies durable. After an error the page cache may be clean and wrong: everything is copied once more, with
// an fsync for each file, and what fails then is given up.
func (b *batch) syncCopies(ctx context.Context, copyOne func(*moving) error) error {
	files := b.active()
	if len(files) == 0 {
		return nil
	}
	var err error
	if len(files) > fewFiles {
		err = b.m.vault.SyncFS()
	} else {
		for _, f := range files {
			err = errors.Join(err, b.syncCopy(f))
		}
	}
	if err == nil {
		return nil
	}
	return b.each(ctx, func(f *moving) error {
		if err := removeIfThere(b.m.vault, fileName(f.op)); err != nil {
			return err
		}
		if err := copyOne(f); err != nil {
			return err
		}
		return b.syncCopy(f)
	})
}

func (b *batch) syncCopy(f *moving) error {
	file, err := b.m.vault.OpenReadWrite(fileName(f.op))
	if err != nil {
		return err
	}
	return full(errors.Join(file.Sync(), file.Close()))
}

// verifyCopy reads the copy back from the medium. It stays open: its immutable flag is set once it has its name.
func (b *batch) verifyCopy(ctx context.Context, f *moving) (err error) {
	if f.copy, err = b.m.vault.Open(fileName(f.op)); err != nil {
		return err
	}
	hash, err := digest.Like(f.op.Digest)
	if err != nil {
		return err
	}
	got, err := b.m.readBack(ctx, f.copy, f.op.Size, hash)
	if err != nil {
		return fmt.Errorf("read the copy back: %w", err)
	}
	if got != f.op.Digest {
		return fmt.Errorf("the copy reads back as %s, what was read at home is %s: check the archive's medium", got, f.op.Digest)
	}
	return nil
}

// publishAll gives the copies their names and commits them. From the first name on the batch runs to its end: a stop waits.
func (b *batch) publishAll(ctx context.Context) error {
	m := b.m
	ctx = context.WithoutCancel(ctx)
	err := b.each(ctx, func(f *moving) error { return m.name(ctx, f.op) })
	if err != nil {
		return err
	}
	ops, _ := b.activeOps()
	if len(ops) == 0 {
		return nil
	}
	for _, op := range ops {
		op.Phase = catalog.Publishing
	}
	if err := m.opt.Catalog.Advance(ctx, ops); err != nil {
		return fmt.Errorf("journal %d copies: %w", len(ops), err)
	}
	if err := b.each(ctx, func(f *moving) error { return b.publish(ctx, f) }); err != nil {
		return err
	}
	return b.commitArchived(ctx)
}

// name chooses the object's name: the lowest version that is free.
func (m *Mover) name(ctx context.Context, op *catalog.Operation) error {
	version, err := m.opt.Catalog.NextVersion(ctx, op.Archive, op.Host, op.Path)
	if err != nil {
		return err
	}
	op.Version, op.Object = version, archive.ObjectPath(op.Host, op.Path, version)
	return nil
}

// mostTaken is how many names that the catalog does not know may be taken before a file is given up.
const mostTaken = 20

// publish renames the copy to its object. A name that something unknown has is left to it: the next version is tried.
func (b *batch) publish(ctx context.Context, f *moving) error {
	m, op := b.m, f.op
	for range mostTaken {
		taken, err := b.publishAs(ctx, f)
		if err != nil || !taken {
			return full(err)
		}
		op.Version++
		op.Object = archive.ObjectPath(op.Host, op.Path, op.Version)
		if err := m.opt.Catalog.Advance(ctx, []*catalog.Operation{op}); err != nil {
			return err
		}
	}
	return fmt.Errorf("%d names in a row are taken by files that the catalog does not know: run archive rebuild", mostTaken)
}

// publishAs renames the copy to the object's name of the operation's version; taken says that something has that name.
func (b *batch) publishAs(ctx context.Context, f *moving) (taken bool, err error) {
	m, op := b.m, f.op
	above := b.homes.above[path.Dir(op.Path)]
	home := func(dir string) (fsys.Attributes, error) {
		if a, ok := above[dir]; ok {
			return a, nil
		}
		return m.homeAttributes(dir)
	}
	dir, name, err := m.opt.Archive.ObjectDir(ctx, home, op.Host, op.Path, op.Version)
	if errors.Is(err, archive.ErrObstructed) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	defer dir.Close()
	err = moveNew(m.vault, fileName(op), dir, name)
	switch {
	case err == nil:
		f.left = false
	case errors.Is(err, fs.ErrExist):
		return true, nil
	default:
		f.pending = mayBe(dir, name, f.copy)
	}
	return false, err
}

// moveNew renames without replacing. Where the filesystem knows no such rename a second name is made and the first removed.
func moveNew(from fsys.Dir, name string, to fsys.Dir, newName string) error {
	err := from.Rename(name, to, newName, fsys.NoReplace)
	if !errors.Is(err, syscall.EINVAL) && !errors.Is(err, fsys.ErrUnsupported) {
		return err
	}
	if err := from.Link(name, to, newName); err != nil {
		return err
	}
	return from.Remove(name)
}

// mayBe says that a name leads to an open file, or that it is not known where it leads.
func mayBe(dir fsys.Dir, name string, file fsys.File) bool {
	named, err := dir.StatName(name)
	if errors.Is(err, fs.ErrNotExist) {
		return false
	}
	info, err2 := file.Stat()
	return err != nil || err2 != nil || named.Ino == info.Ino
}

// commitArchived makes the published objects immutable, durable and known.
func (b *batch) commitArchived(ctx context.Context) error {
	m := b.m
	err := b.each(ctx, func(f *moving) error {
		err := m.seal(f.copy)
		f.pending = err != nil
		return err
	})
	files := b.active()
	if err != nil || len(files) == 0 {
		return err
	}
	err = m.vault.SyncFS() // the objects' names, in whatever directories, and that they are immutable
	if err == nil {
		err = b.record(ctx, archive.KindArchive, files) // of nothing that a power cut could take away
	}
	if err != nil {
		// Whether the names are durable is not known: recovery looks at each.
		for _, f := range files {
			f.pending = true
			f.result.Err = fmt.Errorf("published, not yet committed (tidemark recover finishes it): %w", full(err))
		}
		return full(err)
	}
	ops, reasons := b.activeOps()
	objects, err := m.opt.Catalog.CommitArchived(ctx, m.opt.Actor, m.opt.Now(), ops, reasons)
	if err != nil {
		for _, f := range b.active() {
			f.pending = true
		}
		return fmt.Errorf("commit %d files (tidemark recover finishes them): %w", len(ops), err)
	}
	for i, f := range b.active() {
		f.result.Object, f.result.Bytes = objects[i], objects[i].Size
		f.op.ID, f.done = 0, true
	}
	return nil
}

// seal makes an object immutable and sees that nobody slipped in before: its owner could have opened it for writing in the
// instant between its name and the flag.
func (m *Mover) seal(object fsys.File) error {
	if err := archive.SetImmutable(object, m.opt.Archive.Marker.Can); err != nil {
		return err
	}
	if err := noWriter(object); err != nil {
		return fmt.Errorf("the object in the archive is %v: see who holds it, then run tidemark recover", err) // no skip: it is pending
	}
	return nil
}

// Narrow lets nobody see more of the archive's directories than of their homes as they are now.
func (m *Mover) Narrow(ctx context.Context) error {
	a := m.opt.Archive
	a.NewRun()
	if _, err := a.Narrow(ctx, m.homeAttributes, m.opt.Host, m.opt.Volume); err != nil {
		return err
	}
	return a.Sync(ctx)
}

// homeAttributes are those of a directory at home, on the volume or above it.
func (m *Mover) homeAttributes(dir string) (fsys.Attributes, error) {
	var d fsys.Dir
	var err error
	if rel, ok := m.below(dir); ok {
		d, err = m.volume.OpenDir(rel)
	} else {
		d, err = m.opt.FS.OpenRoot(dir)
	}
	if err != nil {
		return fsys.Attributes{}, err
	}
	defer d.Close()
	return seen(d)
}

// removeIfThere unlinks a file of ours; one that is gone already is no error.
func removeIfThere(dir fsys.Dir, name string) error {
	if err := dir.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
