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
// somebody else took that, beside it. Nothing is ever replaced. It may be called again after a crash in its middle.
func (m *Mover) putBack(op *catalog.Operation) (where string, err error) {
	h := m.homes()
	defer h.close()
	dir, name, err := h.of(op.Path)
	if err != nil {
		return "", fmt.Errorf("its directory is gone; the file is kept as %s: %w", m.inTrash(op), err)
	}
	inTrash, err := m.trash.StatName(fileName(op))
	if err == nil && !inTrash.IsSymlink() { // a link: the file is at home already
		err = h.sameHands(dir, name, op, inTrash.UID)
	}
	ours := false
	if err == nil && op.Leave == catalog.LeaveLink {
		ours, err = isLink(dir, name, m.target(op))
	}
	if err == nil && ours {
		where, err = m.exchangeBack(op, dir, name)
	} else if err == nil {
		where, err = m.renameBack(op, dir, name)
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
	if err := dir.Rename(name, m.trash, id, fsys.Exchange); err != nil {
		return "", err
	}
	return m.renameBack(op, dir, name)
}

// renameBack gives the file its name back if nobody has it, else one beside it.
func (m *Mover) renameBack(op *catalog.Operation, dir fsys.Dir, name string) (string, error) {
	id := fileName(op)
	err := moveNew(m.trash, id, dir, name)
	if err == nil || !errors.Is(err, fs.ErrExist) {
		return op.Path, err
	}
	const longest = 255 // bytes of a name
	suffix := ".tidemark-restored-" + id
	beside := name[:min(len(name), longest-len(suffix))] + suffix
	return path.Join(path.Dir(op.Path), beside), moveNew(m.trash, id, dir, beside)
}

// putBackOrKeep undoes a release that was not committed. The operation stays in the journal where that fails.
func (b *batch) putBackOrKeep(ctx context.Context, f *moving, why string) error {
	where, err := b.m.putBack(f.op)
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
