package tiering

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/tidemark/tidemark/internal/fsys"
	"github.com/tidemark/tidemark/tiering/archive"
	"github.com/tidemark/tidemark/tiering/catalog"
)

// The filesystems on which a release is safe, by what statfs says: they answer leases truly and exchange names. Network filesystems
// answer leases misleadingly. tmpfs is for tests and demos.
var releasable = map[int64]string{
	0xEF53:     "ext4",
	0x58465342: "xfs",
	0x9123683E: "btrfs",
	0x01021994: "tmpfs",
}

// mayRelease refuses a volume whose filesystem does not allow a safe release.
func mayRelease(volume string, usage fsys.Usage) error {
	if _, ok := releasable[usage.Type]; ok {
		return nil
	}
	return refuse("move files by a policy on ext4, xfs or btrfs",
		"nothing can be released from %s: its filesystem (type %#x) can't tell whether a file is in use", volume, usage.Type)
}

// largestJump is by how much a clock may be behind the last run.
const largestJump = 24 * time.Hour

// guard sees that a policy may move files now.
func (e *Engine) guard(ctx context.Context, p Policy, a *archive.Archive) error {
	for _, g := range e.guards(ctx, p, a) {
		if g.Err != nil {
			return g.Err
		}
	}
	return nil
}

// guards are what a run depends on beside its archive. Of a volume that is not there nothing else is said.
func (e *Engine) guards(ctx context.Context, p Policy, a *archive.Archive) []Finding {
	info, usage, err := e.lookAtVolume(p.Volume)
	if err != nil {
		return []Finding{{"volume " + p.Volume + " is there", err}}
	}
	var apart, writable error
	if info.Dev == a.Device() {
		apart = refuse("put the archive on another volume", "archive %s at %s is on the filesystem of %s: moving there would free nothing",
			a.Name, a.Path, p.Volume)
	}
	if usage.ReadOnly {
		writable = refuse("remount it for writing", "volume %s is read-only", p.Volume)
	}
	return []Finding{
		{"volume " + p.Volume + " is on another filesystem than the archive", apart},
		{"volume " + p.Volume + " can be written", writable},
		{"its filesystem can tell whether a file is in use", mayRelease(p.Volume, usage)},
		{"what is left in a file's place is safe: " + string(p.Leave), e.mayLink(p, a)},
		{"the clock is not behind the last run", e.clock(ctx)},
	}
}

func (e *Engine) lookAtVolume(volume string) (fsys.Info, fsys.Usage, error) {
	dir, err := e.opt.FS.OpenRoot(volume)
	if err != nil {
		return fsys.Info{}, fsys.Usage{}, refuse("is it mounted? else correct the policy's volume", "volume %s: %v", volume, err)
	}
	defer dir.Close()
	info, err := dir.Stat()
	usage, err2 := dir.StatFS()
	if err := errors.Join(err, err2); err != nil {
		return info, usage, fmt.Errorf("volume %s: %w", volume, err)
	}
	return info, usage, nil
}

// mayLink refuses links that would let people change the archive, or that would dangle elsewhere.
func (e *Engine) mayLink(p Policy, a *archive.Archive) error {
	if p.Leave != catalog.LeaveLink {
		return nil
	}
	can := a.Marker.Can
	if os.Geteuid() == 0 && (!can.Immutable || !can.ACL) {
		return refuse("use an archive on ext4, xfs or btrfs with ACLs, or leave: nothing",
			"archive %s can't be protected: its filesystem has no immutable files or no ACLs, and a write through a link would change it", a.Name)
	}
	if p.ExportedLinks {
		return nil
	}
	how, exported, err := exportedBy(p.Volume)
	if err != nil {
		return err
	}
	if exported {
		return refuse("leave: nothing; or, if every client mounts the archive at the same path: exported_links: true",
			"volume %s is exported (%s): links would dangle at its clients", p.Volume, how)
	}
	return nil
}

// clock refuses to go by a clock that is more than a day behind the last run: idle times would be wrong.
func (e *Engine) clock(ctx context.Context) error {
	runs, err := e.opt.Catalog.Runs(ctx, "", 1)
	if err != nil || len(runs) == 0 {
		return err
	}
	last := runs[0].Started
	if runs[0].Ended.After(last) {
		last = runs[0].Ended
	}
	if now := e.opt.Now(); now.Before(last.Add(-largestJump)) {
		return refuse("set the clock", "the clock says %s, but the last run was at %s", now.UTC().Format(time.RFC3339), last.UTC().Format(time.RFC3339))
	}
	return nil
}
