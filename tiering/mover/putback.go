package mover

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"syscall"

	"github.com/tidemark/tidemark/internal/fsys"
	"github.com/tidemark/tidemark/tiering/catalog"
)

// putBack returns the file of a release from the trash to its home, durably, and says where it is: at its path, or, where
// somebody else took that, beside it. Nothing is ever replaced. It may be called again after a crash in its middle. dir is the directory
// that it was taken from, wherever that was moved to since; nil: the one at its path.
func (m *Mover) putBack(op *catalog.Operation, dir fsys.Dir) (where string, err error) {
	h, name := m.homes(), path.Base(op.Path)
	defer h.close()
	if dir == nil || removed(dir) {
		if dir, name, err = h.of(op.Path); err != nil {
			return "", fmt.Errorf("its directory is gone; the file is kept as %s: %w", m.inTrash(op), err)
		}
	}
	inTrash, err := m.trash.StatName(fileName(op))
	if err == nil && !inTrash.IsSymlink() { // a link: the file is at home already
		err = h.sameHands(dir, name, op, inTrash.UID)
	}
	ours := false
	if err == nil && op.Leave == catalog.LeaveLink {
		ours, err = isLink(dir, name, m.target(op))
	}
	switch {
	case err != nil:
	case ours:
		where, err = m.exchangeBack(op, dir, name)
	case inTrash.Ino != op.Ino && is(dir, name, op.Ino): // exchangeBack was interrupted between its exchanges
		where, err = m.changeBack(op, dir, name)
	default:
		where, err = renameBack(m.trash, op, dir, name)
	}
	if err != nil {
		return "", fmt.Errorf("the file is kept as %s: %w", m.inTrash(op), err)
	}
	return where, errors.Join(dir.Sync(), m.trash.Sync())
}

// inTrash is where a file waits, for people.
func (m *Mover) inTrash(op *catalog.Operation) string {
	return path.Join(m.opt.Volume, PrivateDir, "trash", fileName(op))
}

// isLink says whether a name is a link to target. Another file, or none, is no error.
func isLink(dir fsys.Dir, name, target string) (bool, error) {
	got, err := dir.ReadLink(name)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.EINVAL) {
		return false, nil
	}
	return err == nil && got == target, err
}

// removed says that an open directory has no name any more.
func removed(dir fsys.Dir) bool {
	info, err := dir.Stat()
	return err == nil && info.Nlink == 0
}

// is says that a name leads to an inode.
func is(dir fsys.Dir, name string, ino uint64) bool {
	info, err := dir.StatName(name)
	return err == nil && info.Ino == ino
}

// exchangeBack changes our link for the file. What comes out must be the link: when somebody put a file in its place at this very
// instant, that file gets its name back and ours one beside it.
func (m *Mover) exchangeBack(op *catalog.Operation, dir fsys.Dir, name string) (string, error) {
	id, target := fileName(op), m.target(op)
	if err := dir.Rename(name, m.trash, id, fsys.Exchange); err != nil {
		return "", err
	}
	ours, err := isLink(m.trash, id, target)
	if err != nil {
		return "", err
	}
	if ours {
		return op.Path, m.trash.Remove(id)
	}
	return m.changeBack(op, dir, name)
}

// changeBack gives the file in the trash the name that ours has, and keeps ours beside it.
func (m *Mover) changeBack(op *catalog.Operation, dir fsys.Dir, name string) (string, error) {
	if err := exchangeUntil(op.Ino, dir, name, m.trash, fileName(op)); err != nil {
		return "", err
	}
	if _, err := m.trash.StatName(fileName(op)); errors.Is(err, fs.ErrNotExist) {
		return op.Path, nil // somebody removed ours meanwhile
	}
	return renameBack(m.trash, op, dir, name)
}

// exchangeUntil gives the file that came out of an exchange its name back, where another inode (ours) is now. When what comes out for it
// is not that one, somebody has replaced the file once more: what he put there is newer, and gets the name in turn. In the end the
// older of the last two is in dir "in", or nothing where the name was free.
func exchangeUntil(ours uint64, dir fsys.Dir, name string, in fsys.Dir, id string) error {
	const most = 100 // users who replace a file within microseconds of each other, so often
	for range most {
		theirs, err := in.StatName(id)
		if err != nil {
			return err
		}
		err = dir.Rename(name, in, id, fsys.Exchange)
		if errors.Is(err, fs.ErrNotExist) {
			err = in.Rename(id, dir, name, fsys.NoReplace)
			if err == nil {
				return nil
			}
			if errors.Is(err, fs.ErrExist) {
				continue
			}
		}
		if err != nil {
			return err
		}
		out, err := in.StatName(id)
		if err != nil || out.Ino == ours {
			return err
		}
		ours = theirs.Ino
	}
	return fmt.Errorf("others replace %s all the time", name)
}

// renameBack gives the file its name back if nobody has it, else one beside it.
func renameBack(from fsys.Dir, op *catalog.Operation, dir fsys.Dir, name string) (string, error) {
	err := moveNew(from, fileName(op), dir, name)
	if err == nil || !errors.Is(err, fs.ErrExist) {
		return op.Path, err
	}
	return moveBeside(from, op, dir, name)
}

// moveBeside gives an operation's file a name beside the one that it should have.
func moveBeside(from fsys.Dir, op *catalog.Operation, dir fsys.Dir, name string) (string, error) {
	const longest = 255 // bytes of a name
	id := fileName(op)
	suffix := ".tidemark-restored-" + id
	beside := name[:min(len(name), longest-len(suffix))] + suffix
	return path.Join(path.Dir(op.Path), beside), moveNew(from, id, dir, beside)
}

// putBackOrKeep undoes a release that was not committed. The operation stays in the journal where that fails.
func (b *batch) putBackOrKeep(ctx context.Context, f *moving, why string) error {
	where, err := b.m.putBack(f.op, f.dir)
	if err == nil {
		f.left = false
		err = b.m.commitRestored(ctx, f.op, why, where) // the rename was a change, and the manifest may say released
	}
	if err != nil {
		f.pending = true
		return fmt.Errorf("put back (tidemark recover will try again): %w", err)
	}
	if where != f.op.Path {
		return fmt.Errorf("another file has its name now: it is kept as %s", where)
	}
	return nil
}
