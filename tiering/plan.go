package tiering

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/tidemark/tidemark/internal/fsys"
	"github.com/tidemark/tidemark/tiering/catalog"
	"github.com/tidemark/tidemark/tiering/policy"
	"github.com/tidemark/tidemark/tiering/scan"
	"github.com/tidemark/tidemark/tiering/selection"
)

// Preview is what a policy would do now, and what its volume looks like.
type Preview struct {
	Plan selection.Plan
	// Skipped are the first of the files that the rule takes but that are left alone, with why; SkippedFiles how many there are.
	Skipped      []selection.Skip
	SkippedFiles int64
	Scan         scan.Result
	Ahead        []selection.Horizon // what the policy could move by then; nil where that can't be said
	Unreadable   []Trouble           // the first of what could not be read
}

// mostTroubles is how many of the files that were left alone a preview names.
const mostTroubles = 1000

// Preview is the plan that a run would execute now. It changes nothing.
func (e *Engine) Preview(ctx context.Context, name string) (*Preview, error) {
	p, err := e.Policy(name)
	if err != nil {
		return nil, err
	}
	return e.preview(ctx, p)
}

// preview scans a policy's volume and selects.
func (e *Engine) preview(ctx context.Context, p Policy) (*Preview, error) {
	now := e.opt.Now()
	volume, err := e.opt.FS.OpenRoot(p.Volume)
	if err != nil {
		return nil, refuse("is it mounted? else correct the policy's volume", "volume %s: %v", p.Volume, err)
	}
	defer volume.Close()
	known := e.startLoading(ctx, p.Volume)
	defer known.wait()
	judge, err := e.judge(ctx, p, known, now)
	if err != nil {
		return nil, err
	}
	v := &Preview{}
	workers := 2 * runtime.GOMAXPROCS(0)
	collector := selection.NewCollector(judge, p.Order, workers)
	e.progress.begin(now, "scanning", 0, 0)
	v.Scan, err = scan.Walk(ctx, scan.Options{
		Path: p.Volume, Now: now, Excludes: p.Exclude, Workers: workers, Progress: e.progress.set,
		Error: func(path string, err error) {
			if len(v.Unreadable) < mostTroubles {
				v.Unreadable = append(v.Unreadable, Trouble{path, err.Error()})
			}
		},
	}, collector.Visit)
	e.progress.end()
	if err != nil {
		return nil, fmt.Errorf("scan %s: %w", p.Volume, err)
	}
	if _, err := known.wait(); err != nil {
		return nil, err
	}
	candidates, err := collector.Candidates(v.Scan.Trust.Atime)
	if err != nil {
		return nil, err
	}
	v.Skipped, v.Ahead = candidates.Skipped(mostTroubles), candidates.Ahead()
	v.SkippedFiles = int64(len(v.Skipped))
	return v, e.selectInto(ctx, p, v, candidates, known, volume)
}

// selectInto makes the plan.
func (e *Engine) selectInto(ctx context.Context, p Policy, v *Preview, candidates *selection.Candidates, known *loading, volume fsys.Dir) error {
	usage, err := volume.StatFS()
	if err != nil {
		return fmt.Errorf("volume %s: %w", p.Volume, err)
	}
	looker, err := scan.NewLooker(p.Volume)
	if err != nil {
		return err
	}
	defer looker.Close()
	used := usage.Total - usage.Free
	plan, skips, err := candidates.Select(selection.Request{
		Used: used, Usable: used + usage.Available, Stop: p.StopBelow, MaxFiles: p.MostFiles, MaxBytes: p.MostBytes,
		Look: looker.Look,
	})
	if err != nil {
		return err
	}
	v.Skipped = append(v.Skipped, skips...)
	v.SkippedFiles += int64(len(skips))
	for i := range plan.Files {
		if it := &plan.Files[i]; it.Archived {
			_, _, _, _, it.ObjectID, _ = known.lookup(it.Ino)
		}
	}
	plan.Version, plan.Policy, plan.Fingerprint, plan.Host = 1, p.Name, p.Fingerprint, e.opt.Host
	plan.Volume, plan.Archive, plan.Made = p.Volume, p.Archive, e.opt.Now()
	plan.Triggered, plan.Reason, err = e.triggered(ctx, p, usage)
	v.Plan = plan
	return err
}

// loading is what is archived of a volume, read while its scan goes on already: for millions of files that takes seconds.
type loading struct {
	done  chan struct{}
	known *catalog.Known // never nil once done
	err   error
}

func (e *Engine) startLoading(ctx context.Context, volume string) *loading {
	l := &loading{done: make(chan struct{})}
	go func() {
		defer close(l.done)
		if l.known, l.err = e.opt.Catalog.ArchivedUnder(ctx, e.opt.Host, volume); l.err != nil {
			l.known = &catalog.Known{} // the plan is given up after the scan
		}
	}()
	return l
}

func (l *loading) wait() (*catalog.Known, error) {
	<-l.done
	return l.known, l.err
}

func (l *loading) lookup(ino uint64) (mtime, ctime fsys.Time, size int64, recalledAt time.Time, id int64, ok bool) {
	known, _ := l.wait()
	return known.Lookup(ino)
}

// judge is the policy's, with the holds as they are now and the archived copies.
func (e *Engine) judge(ctx context.Context, p Policy, known *loading, now time.Time) (*policy.Judge, error) {
	holds, err := e.holds(ctx)
	if err != nil {
		return nil, err
	}
	names := policy.NewNames()
	return &policy.Judge{
		Rule: p.Rule, Volume: p.Volume, Excludes: p.Exclude, Own: e.ownOn(p.Volume), KeepRecalled: p.KeepRecalled,
		Held: func(path string) (string, bool) {
			h, held := holds.Match(path)
			return h.Case, held
		},
		Known: func(f *policy.File) policy.Copy {
			mtime, ctime, size, recalledAt, _, ok := known.lookup(f.Ino)
			if !ok || mtime != f.Mtime || ctime != f.Ctime || size != f.Size {
				return policy.Copy{}
			}
			return policy.Copy{Archived: true, RecalledAt: recalledAt}
		},
		Moment: policy.Moment{Now: now, Owner: names.Owner, Group: names.Group},
	}, nil
}

// ownOn are the directories of tidemark's own that a volume reaches, as paths on it: what it has to remember, and every archive. Else a
// policy for /var would move the catalog that it goes by.
func (e *Engine) ownOn(volume string) []string {
	all := slices.Clone(e.opt.Own)
	for _, a := range e.opt.Archives {
		all = append(all, a.Path)
	}
	volume = strings.TrimSuffix(volume, "/")
	realVolume := strings.TrimSuffix(real("/"+strings.TrimPrefix(volume, "/")), "/")
	var own []string
	for _, dir := range all {
		written := strings.TrimSuffix(dir, "/")
		resolved := strings.TrimSuffix(real(dir), "/")
		switch {
		case within(volume, written), within(realVolume, resolved):
			own = append(own, volume)
		case within(resolved, realVolume): // a symlink is not followed below a volume: this is where it would lead
			own = append(own, volume+strings.TrimPrefix(resolved, realVolume))
		}
	}
	return own
}

// triggered says whether a policy has something to do.
func (e *Engine) triggered(ctx context.Context, p Policy, usage fsys.Usage) (bool, string, error) {
	level := selection.Level{Used: usage.Used()}
	marks := selection.Marks{Above: p.StartAbove, FullWithin: p.FullWithin.Hours() / 24, Below: p.StopBelow}
	last, ok, err := e.opt.Catalog.LastRun(ctx, p.Name)
	if err != nil {
		return false, "", err
	}
	level.Unfinished = ok && last.Insufficient
	noDate := ""
	if p.FullWithin > 0 && e.opt.Outlook != nil {
		in, known, why, err := e.opt.Outlook.FullWithin(ctx, p.Volume, e.opt.Now())
		switch {
		case err != nil:
			e.opt.Log.Warn("the outlook can't be asked: only the use counts", "volume", p.Volume, "error", err)
			noDate = "; its outlook can't be asked"
		case known:
			days := in.Hours() / 24
			level.FullIn = &days
		default:
			noDate = "; it has no date: " + why
		}
	}
	yes, reason := selection.Trigger(level, marks)
	if !yes {
		reason += noDate
	}
	return yes, reason, nil
}
