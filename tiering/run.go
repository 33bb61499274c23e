package tiering

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tidemark/tidemark/internal/fsys"
	"github.com/tidemark/tidemark/tiering/archive"
	"github.com/tidemark/tidemark/tiering/catalog"
	"github.com/tidemark/tidemark/tiering/mover"
	"github.com/tidemark/tidemark/tiering/selection"
)

// RunOptions say how a policy is run.
type RunOptions struct {
	Force bool            // whatever start and window say
	Plan  *selection.Plan // exactly this one; nil: what the volume asks for now
}

// Report is what came of a run.
type Report struct {
	Run       int64
	Policy    string
	Triggered bool
	Reason    string         // why it ran, or did not
	Plan      selection.Plan // without its files

	FilesArchived, BytesArchived int64
	FilesReleased, BytesReleased int64 // as allocated
	Failed                       []Trouble
	Skipped                      []Trouble
	UsedAfter                    float64 // percent, as the filesystem says afterwards
	// Insufficient says that the stop mark was not reached.
	Insufficient bool
	Recovered    []mover.Recovered
	// Kept says that the filesystem's free space grew by much less than what was released: something, such as snapshots, keeps it.
	Kept bool
}

// Trouble is a file that was not moved.
type Trouble struct {
	Path   string
	Reason string
}

// Run runs a policy once: recovery, plan, archive, release. It honours the policy's start and window unless forced. Troubles of single
// files are in the report; an error means that the run ended early, and the report says how far it came.
func (e *Engine) Run(ctx context.Context, name string, opt RunOptions) (Report, error) {
	p, err := e.Policy(name)
	if err != nil {
		return Report{}, err
	}
	r := &runner{e: e, p: p, report: Report{Policy: name}, batchFiles: min(mostBatchFiles, descriptors()/(2*filesOpen*batchesAtOnce))}
	err = r.run(ctx, opt)
	return r.report, err
}

// runner is one run.
type runner struct {
	e       *Engine
	p       Policy
	archive *archive.Archive
	mover   *mover.Mover
	record  catalog.Run
	// onlyArchive leaves the files at home.
	onlyArchive bool
	batchFiles  int
	// anytime lets it go on when its window closes.
	anytime      bool
	moverOptions func(*mover.Options)

	mu     sync.Mutex // guards what follows
	report Report
	failed error // what ends the run
}

func (r *runner) run(ctx context.Context, opt RunOptions) (err error) {
	e, p := r.e, r.p
	if p.Window != nil && !opt.Force && !p.Window.Open(e.opt.Now()) {
		r.report.Reason = fmt.Sprintf("outside its window %s; it opens at %s", p.Window, p.Window.Opens(e.opt.Now()).Format(time.RFC3339))
		return nil
	}
	a, v, err := e.openArchive(ctx, p.Archive)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.Close()) }()
	r.archive = a
	if err := e.guard(ctx, p, a); err != nil {
		return err
	}
	r.anytime = opt.Force
	r.moverOptions = func(o *mover.Options) {
		o.Policy, o.Leave, o.MinFree, o.Pace = p.Name, p.Leave, v.MinFree, e.pace(p).Wait
	}
	if r.mover, err = e.moverFor(p.Volume, a, r.moverOptions); err != nil {
		return err
	}
	defer func() {
		if r.mover != nil {
			err = errors.Join(err, r.mover.Close())
		}
	}()
	if err := e.opt.Catalog.InterruptRuns(ctx, p.Name); err != nil { // whoever is at work has the lock, or writes its end
		return err
	}
	if r.report.Recovered, err = r.mover.Recover(ctx); err != nil {
		return fmt.Errorf("recover what was interrupted: %w", err)
	}
	plan, err := e.planFor(ctx, p, opt)
	if err != nil {
		return err
	}
	r.report.Plan, r.report.Triggered, r.report.Reason = *plan, plan.Triggered, plan.Reason
	r.report.Plan.Files = nil
	if !plan.Triggered && !opt.Force && opt.Plan == nil {
		return nil
	}
	return r.execute(ctx, plan)
}

// planFor is the plan that was handed over, if it is of this policy, or a new one.
func (e *Engine) planFor(ctx context.Context, p Policy, opt RunOptions) (*selection.Plan, error) {
	if opt.Plan == nil {
		v, err := e.preview(ctx, p)
		if err != nil {
			return nil, err
		}
		return &v.Plan, e.recordScan(ctx, p, v)
	}
	plan := opt.Plan
	if plan.Policy != p.Name || plan.Fingerprint != p.Fingerprint || plan.Host != e.opt.Host || plan.Volume != p.Volume || plan.Archive != p.Archive {
		return nil, refuse("make a new plan: tidemark policy preview --output PLAN "+p.Name,
			"the plan is not of policy %s as it is configured now on host %s", p.Name, e.opt.Host)
	}
	return plan, nil
}

// execute moves what the plan says, batch by batch.
func (r *runner) execute(ctx context.Context, plan *selection.Plan) error {
	e := r.e
	r.record = catalog.Run{Policy: r.p.Name, Started: e.opt.Now(), Triggered: plan.Reason}
	if err := e.opt.Catalog.BeginRun(ctx, &r.record); err != nil {
		return err
	}
	r.report.Run = r.record.ID
	r.mover.SetRun(r.record.ID)
	before, err := r.used()
	r.note(errors.Join(err, r.mover.Narrow(ctx)))
	var bytes int64
	for _, it := range plan.Files {
		bytes += it.Size
	}
	e.progress.begin(e.opt.Now(), "moving", int64(len(plan.Files)), 2*bytes) // each byte is copied and read back
	r.moveAll(ctx, plan.Files)
	e.progress.end()
	if errors.Is(r.failed, errWindow) {
		r.report.Reason, r.failed = r.report.Reason+"; ended when its window closed", nil
	}
	err = r.end(context.WithoutCancel(ctx), plan, before)
	return errors.Join(err, r.failed, ctx.Err())
}

// end writes down what came of the run.
func (r *runner) end(ctx context.Context, plan *selection.Plan, before fsys.Usage) error {
	e := r.e
	slices.SortFunc(r.report.Failed, byPath)
	slices.SortFunc(r.report.Skipped, byPath)
	after, err := r.used()
	r.note(err) // the run has an end all the same
	r.report.UsedAfter = 100 * after.Used()
	r.report.Insufficient = r.p.StopBelow > 0 && plan.Needed > 0 && after.Used() >= r.p.StopBelow
	freed := after.Available - before.Available
	r.report.Kept = r.report.BytesReleased > 64<<20 && freed < r.report.BytesReleased/2
	r.record.Ended, r.record.Insufficient = e.opt.Now(), r.report.Insufficient
	r.record.Failed, r.record.Skipped = int64(len(r.report.Failed)), int64(len(r.report.Skipped))
	if r.failed != nil {
		r.record.Error = r.failed.Error()
	}
	err = e.opt.Catalog.UpdateRun(ctx, &r.record)
	return errors.Join(err, e.recordRun(ctx, r.report.Plan, r.record))
}

func byPath(a, b Trouble) int { return strings.Compare(a.Path, b.Path) }

func (r *runner) used() (fsys.Usage, error) {
	volume, err := r.e.opt.FS.OpenRoot(r.p.Volume)
	if err != nil {
		return fsys.Usage{}, err
	}
	defer volume.Close()
	return volume.StatFS()
}

const (
	// A batch shares its commits and syncs.
	mostBatchFiles = 1000
	mostBatchBytes = 256 << 20
	// Batches that are at work at a time: one copies while another waits for its sync or reads back.
	batchesAtOnce = 3
	// Files in the trash hold a descriptor each until their purge.
	mostInTrash = 8000
	// filesOpen is how many descriptors a file of a batch has open: itself, its copy, its directory.
	filesOpen = 3
)

// batches cuts a plan, in its order, into batches of at most so many files.
func batches(items []selection.Item, files int) (all [][]selection.Item) {
	start, bytes := 0, int64(0)
	for i, it := range items {
		if i > start && (i-start >= files || bytes+it.Size > mostBatchBytes) {
			all, start, bytes = append(all, items[start:i]), i, 0
		}
		bytes += it.Size
	}
	if start < len(items) {
		all = append(all, items[start:])
	}
	return all
}

// moveAll moves the batches in their order until they are done, the run failed, its window closed, or ctx ends.
func (r *runner) moveAll(ctx context.Context, items []selection.Item) {
	left := batches(items, r.batchFiles)
	for len(left) > 0 {
		left = left[r.moveSome(ctx, left):]
		if len(left) == 0 || ctx.Err() != nil || r.over() {
			return
		}
		if err := r.giveWay(ctx); err != nil {
			r.note(err)
			return
		}
	}
}

// moveSome moves batches, some at a time, until something stops it or somebody waits for the volume, and says how many it has begun. All
// of them have come to an end, or to a safe point, when it returns.
func (r *runner) moveSome(ctx context.Context, all [][]selection.Item) (begun int) {
	work := make(chan []selection.Item)
	trash := newTickets(max(r.batchFiles, min(mostInTrash, descriptors()/2)))
	var movers, purges sync.WaitGroup
	for range batchesAtOnce {
		movers.Go(func() {
			for batch := range work {
				r.note(r.moveBatch(ctx, batch, trash, &purges))
			}
		})
	}
	for _, batch := range all {
		if ctx.Err() != nil || r.over() || r.closed() || begun > 0 && r.mover.Awaited() {
			break
		}
		work <- batch
		begun++
	}
	close(work)
	movers.Wait()
	purges.Wait()
	return begun
}

// errWindow ends a run whose window has closed. It is no failure.
var errWindow = errors.New("its window has closed")

// closed notes that the window has closed.
func (r *runner) closed() bool {
	if r.anytime || r.p.Window == nil || r.p.Window.Open(r.e.opt.Now()) {
		return false
	}
	r.note(errWindow)
	return true
}

// giveWay lets somebody who waits for the volume, such as a recall, have it first.
func (r *runner) giveWay(ctx context.Context) error {
	err := r.mover.Close()
	r.mover = nil
	if err != nil {
		return err
	}
	for {
		if err := r.e.opt.Sleep(ctx, 3*waitForTurn); err != nil {
			return nil
		}
		m, err := r.e.moverFor(r.p.Volume, r.archive, r.moverOptions)
		if err == nil {
			r.mover = m
			r.mover.SetRun(r.record.ID)
			return nil
		}
		if !errors.Is(err, fsys.ErrLocked) {
			return err
		}
	}
}

// note keeps the first thing that ends the run.
func (r *runner) note(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failed == nil && err != nil && !errors.Is(err, context.Canceled) {
		r.failed = err
	}
}

func (r *runner) over() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failed != nil
}

// moveBatch archives and releases one batch. Its purge waits in the background, so that the next batch can go on.
func (r *runner) moveBatch(ctx context.Context, items []selection.Item, trash *tickets, purges *sync.WaitGroup) error {
	candidates, err := r.archiveBatch(ctx, items)
	if err != nil || len(candidates) == 0 || r.onlyArchive {
		return err
	}
	trash.take(len(candidates))
	releases, results, err := r.mover.Release(ctx, candidates)
	if releases == nil {
		trash.give(len(candidates))
		r.released(results)
		return err
	}
	purges.Go(func() {
		defer trash.give(len(candidates))
		r.note(r.mover.Purge(ctx, releases))
		r.released(results)
	})
	return nil
}

// archiveBatch archives what is not archived yet, and says what can be released.
func (r *runner) archiveBatch(ctx context.Context, items []selection.Item) (candidates []mover.Candidate, err error) {
	var fresh, known []selection.Item
	reasons := make(map[string]string, len(items))
	for _, it := range items {
		reasons[it.Path] = it.Reason
		if it.Archived {
			known = append(known, it)
		} else {
			fresh = append(fresh, it)
		}
	}
	if len(fresh) > 0 {
		var results []mover.Result
		results, err = r.mover.Archive(ctx, fresh)
		for _, res := range results {
			switch {
			case res.Done() && res.Object.ID != 0:
				r.archived(res)
				candidates = append(candidates, mover.Candidate{Path: res.Path, Object: res.Object, Reason: reasons[res.Path]})
			case !res.Done() && !res.Stopped:
				r.trouble(res)
			}
		}
		if err != nil {
			return candidates, err
		}
	}
	for _, it := range known { // looked at now: what was archived just now may have taken the place of their objects
		o, ok, err := r.e.archivedCopy(ctx, it)
		if err != nil {
			return nil, err
		}
		if !ok {
			r.trouble(mover.Result{Path: it.Path, Skipped: "its copy in the archive is of another state than the plan says"})
			continue
		}
		r.e.progress.bytes(2 * it.Size)
		candidates = append(candidates, mover.Candidate{Path: it.Path, Object: o, Reason: it.Reason})
	}
	return candidates, err
}

func (r *runner) archived(res mover.Result) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.report.FilesArchived++
	r.report.BytesArchived += res.Bytes
}

// released counts what a release came to.
func (r *runner) released(results []mover.Result) {
	for _, res := range results {
		if res.Stopped {
			continue
		}
		if !res.Done() {
			r.trouble(res)
			continue
		}
		r.e.progress.moreFiles(1)
		r.mu.Lock()
		r.report.FilesReleased++
		r.report.BytesReleased += res.Bytes
		r.mu.Unlock()
	}
}

func (r *runner) trouble(res mover.Result) {
	r.e.progress.moreFiles(1)
	r.mu.Lock()
	defer r.mu.Unlock()
	if res.Err != nil {
		r.report.Failed = append(r.report.Failed, Trouble{res.Path, res.Err.Error()})
		return
	}
	r.report.Skipped = append(r.report.Skipped, Trouble{res.Path, res.Skipped})
}

// archivedCopy is the object of which a file is an unchanged copy.
func (e *Engine) archivedCopy(ctx context.Context, it selection.Item) (catalog.Object, bool, error) {
	o, ok, err := e.opt.Catalog.ObjectByID(ctx, it.ObjectID)
	if err != nil || !ok {
		return o, false, err
	}
	same := o.State == catalog.Archived && o.Bad == "" && o.Ino == it.Ino && o.Size == it.Size && o.Mtime == it.Mtime && o.Ctime == it.Ctime
	return o, same, nil
}

// tickets are a number of things that may be out at a time.
type tickets struct {
	mu   sync.Mutex
	free int
	more *sync.Cond
}

func newTickets(n int) *tickets {
	t := &tickets{free: n}
	t.more = sync.NewCond(&t.mu)
	return t
}

func (t *tickets) take(n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for t.free < n {
		t.more.Wait()
	}
	t.free -= n
}

func (t *tickets) give(n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.free += n
	t.more.Broadcast()
}
