package tiering

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/tidemark/tidemark/internal/fsys"
	"github.com/tidemark/tidemark/tiering/archive"
	"github.com/tidemark/tidemark/tiering/catalog"
	"github.com/tidemark/tidemark/tiering/mover"
)

// RecallReport is what came of a recall.
type RecallReport struct {
	Files, Bytes int64
	Failed       []Trouble
	Skipped      []Trouble
	Recovered    []mover.Recovered
}

// Recall brings files back: single ones, everything below a directory, or what a glob matches. A path that is a link into
// an archive is recalled to where the link is. What matches nothing is an error before anything is done.
func (e *Engine) Recall(ctx context.Context, paths []string) (RecallReport, error) {
	var report RecallReport
	groups := map[group][]mover.Candidate{}
	seen := map[int64]bool{}
	for _, p := range paths {
		found, err := e.recallable(ctx, p, seen, groups)
		if err != nil {
			return report, err
		}
		if !found {
			return report, refuse("see what is in the archives: tidemark archive find GLOB", "%s: nothing of it is in an archive", p)
		}
	}
	var files, bytes int64
	for _, all := range groups {
		files += int64(len(all))
		for _, c := range all {
			bytes += c.Object.Size
		}
	}
	e.progress.begin(e.opt.Now(), "recalling", files, bytes)
	defer e.progress.end()
	var errs []error
	for _, g := range sortedGroups(groups) {
		errs = append(errs, e.recallGroup(ctx, g, groups[g], &report))
	}
	return report, errors.Join(errs...)
}

// group is what one mover can bring back.
type group struct{ archive, volume string }

func sortedGroups(groups map[group][]mover.Candidate) []group {
	var all []group
	for g := range groups {
		all = append(all, g)
	}
	slices.SortFunc(all, func(a, b group) int { return strings.Compare(a.volume+"\x00"+a.archive, b.volume+"\x00"+b.archive) })
	return all
}

// recallable adds the released files that a path stands for.
func (e *Engine) recallable(ctx context.Context, p string, seen map[int64]bool, groups map[group][]mover.Candidate) (found bool, err error) {
	add := func(at string, o catalog.Object) error {
		found = true
		if seen[o.ID] {
			return nil
		}
		seen[o.ID] = true
		volume, err := e.volumeOf(at)
		if err != nil {
			return err
		}
		g := group{o.Archive, volume}
		groups[g] = append(groups[g], mover.Candidate{Path: at, Object: o, Reason: "recalled by " + e.opt.Actor.User})
		return nil
	}
	if o, ok, err := e.linked(ctx, p); err != nil {
		return false, err
	} else if ok {
		return true, add(p, o)
	}
	if o, ok, err := e.opt.Catalog.Object(ctx, e.opt.Host, p); err != nil {
		return false, err
	} else if ok {
		return true, add(p, o)
	}
	query := catalog.Query{Host: e.opt.Host, Prefix: p, States: []catalog.State{catalog.Released}}
	if strings.ContainsAny(p, "*?[{") {
		if !doublestar.ValidatePattern(p) {
			return false, refuse("", "%q is no valid glob", p)
		}
		query.Prefix, query.Glob = "", p
	}
	for o, err := range e.opt.Catalog.Objects(ctx, query) {
		if err != nil {
			return found, err
		}
		if err := add(o.Path, o); err != nil {
			return found, err
		}
	}
	return found, nil
}

// linked is the object that a link at a path leads to. Anybody can make a link to anything: only one that belongs to the file's owner, as
// a release leaves it, or to root says where the file is to go.
func (e *Engine) linked(ctx context.Context, p string) (catalog.Object, bool, error) {
	dir, err := e.parentOf(p)
	if err != nil {
		return catalog.Object{}, false, nil // not at home: the catalog may know it
	}
	defer dir.Close()
	target, err := dir.ReadLink(filepath.Base(p))
	link, err2 := dir.StatName(filepath.Base(p))
	if err != nil || err2 != nil {
		return catalog.Object{}, false, nil
	}
	for _, a := range e.opt.Archives {
		if !within(target, a.Path) {
			continue
		}
		object := strings.TrimPrefix(strings.TrimPrefix(target, strings.TrimSuffix(a.Path, "/")), "/")
		host, file, ok := archive.HomeOf(object)
		if !ok {
			continue
		}
		o, ok, err := e.opt.Catalog.Object(ctx, host, file)
		if err != nil {
			return o, false, err
		}
		if ok && o.Archive == a.Name && o.Object == object && (link.UID == o.Attributes.UID || link.UID == 0) {
			return o, true, nil
		}
	}
	return catalog.Object{}, false, nil
}

// parentOf opens the directory of a path. On a policy's volume it follows nothing: a user may have exchanged a directory for a symlink.
func (e *Engine) parentOf(p string) (fsys.Dir, error) {
	for _, of := range e.opt.Policies {
		if !within(p, of.Volume) || p == of.Volume {
			continue
		}
		volume, err := e.opt.FS.OpenRoot(of.Volume)
		if err != nil {
			return nil, err
		}
		defer volume.Close()
		rel, err := filepath.Rel(of.Volume, filepath.Dir(p))
		if err != nil {
			return nil, err
		}
		return volume.OpenDir(rel)
	}
	return e.opt.FS.OpenRoot(filepath.Dir(p))
}

// recallGroup brings back what one archive has of one volume.
func (e *Engine) recallGroup(ctx context.Context, g group, all []mover.Candidate, report *RecallReport) (err error) {
	a, v, err := e.openArchive(ctx, g.archive)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.Close()) }()
	m, err := e.moverWaiting(ctx, g.volume, a, func(o *mover.Options) { o.MinFree = v.MinFree })
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.Close()) }()
	begun := e.opt.Now()
	defer func() { err = errors.Join(err, e.recordRecalls(context.WithoutCancel(ctx), g.volume, begun)) }()
	recovered, err := m.Recover(ctx)
	report.Recovered = append(report.Recovered, recovered...)
	if err != nil {
		return fmt.Errorf("recover what was interrupted: %w", err)
	}
	slices.SortFunc(all, func(a, b mover.Candidate) int { return strings.Compare(a.Path, b.Path) })
	for len(all) > 0 {
		n, bytes := 0, int64(0)
		for n < len(all) && n < mostBatchFiles && (n == 0 || bytes+all[n].Object.Size <= mostBatchBytes) {
			bytes += all[n].Object.Size
			n++
		}
		results, err := m.Recall(ctx, all[:n])
		for _, res := range results {
			if res.Stopped {
				continue
			}
			e.progress.moreFiles(1)
			switch {
			case res.Err != nil:
				report.Failed = append(report.Failed, Trouble{res.Path, res.Err.Error()})
			case res.Skipped != "":
				report.Skipped = append(report.Skipped, Trouble{res.Path, res.Skipped})
			default:
				report.Files++
				report.Bytes += res.Bytes
			}
		}
		if err != nil {
			return err
		}
		all = all[n:]
	}
	return nil
}

// moverWaiting is moverFor, but it waits for its turn: a run gives way between two batches.
func (e *Engine) moverWaiting(ctx context.Context, volume string, a *archive.Archive, change func(*mover.Options)) (*mover.Mover, error) {
	m, err := e.moverFor(volume, a, change)
	if !errors.Is(err, fsys.ErrLocked) {
		return m, err
	}
	e.progress.rename("waiting for another tidemark on " + volume)
	defer e.progress.rename("recalling")
	defer mover.Await(e.opt.FS, volume).Close()
	for errors.Is(err, fsys.ErrLocked) && e.opt.Sleep(ctx, waitForTurn) == nil {
		m, err = e.moverFor(volume, a, change)
	}
	return m, err
}

// waitForTurn is how often a recall asks whether a run has given way.
const waitForTurn = 100 * time.Millisecond
