package mover

import (
	"context"
	"path"

	"github.com/tidemark/tidemark/internal/fsys"
	"github.com/tidemark/tidemark/tiering/archive"
	"github.com/tidemark/tidemark/tiering/catalog"
)

// sameHands sees that a file which is about to come back gets into a directory that may have it: where its own link is (a release gives it to
// the file's owner, and nobody else can), or one that belongs to the file's owner, to root, or to whom the file's directory belonged
// when it was archived. Else somebody who may write to the directory above could have put one of his own there, to see what the
// real one hides.
func (h *homes) sameHands(dir fsys.Dir, name string, op *catalog.Operation, owner uint32) error {
	link, err := dir.StatName(name)
	if err == nil && link.UID == owner {
		if ours, err := isLink(dir, name, h.m.target(op)); err != nil || ours {
			return err
		}
	}
	info, err := dir.Stat()
	if err != nil || info.UID == owner || info.UID == 0 {
		return err
	}
	if err := h.remember(); err != nil {
		return err
	}
	_, was, _ := archive.HomeOf(op.Object)
	if a, known := h.lost[archive.Directory{Path: path.Dir(was), Version: op.Version}]; known && a.UID == info.UID {
		return nil
	}
	return skipf("its directory belongs to user %d now, who had nothing to do with it before: look at that, and give it to user %d first", info.UID, owner)
}

// remember reads what the archive knows of directories at home.
func (h *homes) remember() (err error) {
	if h.lost == nil {
		h.lost, err = h.m.opt.Archive.HomeDirectories(context.Background(), h.m.opt.Host)
	}
	return err
}
