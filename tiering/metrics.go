package tiering

import (
	"context"
	"errors"
	"time"

	"github.com/tidemark/tidemark/internal/line"
	"github.com/tidemark/tidemark/internal/volume"
	"github.com/tidemark/tidemark/tiering/archive"
	"github.com/tidemark/tidemark/tiering/catalog"
	"github.com/tidemark/tidemark/tiering/scan"
	"github.com/tidemark/tidemark/tiering/selection"
)

func (e *Engine) record(ctx context.Context, points ...line.Point) error {
	if e.opt.Record == nil || len(points) == 0 {
		return nil
	}
	return e.opt.Record(ctx, points)
}

// recordRun hands what a run came to, and the head of the audit log, to the boards and the journal.
func (e *Engine) recordRun(ctx context.Context, plan selection.Plan, run catalog.Run) error {
	seq, hash, err := e.opt.Catalog.AuditHead(ctx)
	if err != nil {
		return err
	}
	// Outside of the catalog, so that not even root can write the log anew unnoticed.
	head := catalog.FormatHead(seq, hash)
	e.opt.Log.Info("audit head", "head", head)
	p := RunPoint(plan, run, e.opt.Tags)
	p.Fields = append(p.Fields, line.Text("audit_head", head))
	if policy, err := e.Policy(plan.Policy); err == nil { // a link takes an inode, as the file did
		inodes := int64(0)
		if policy.Leave == catalog.LeaveNothing {
			inodes = run.FilesReleased
		}
		p.Fields = append(p.Fields, line.Int("inodes_released", inodes))
	}
	return e.record(ctx, p)
}

// recordRecalls hands what was brought back to a volume since a time to the boards, by whole hours: a point of an hour is written anew with
// each recall in it, so that no two recalls share a point and none is counted twice.
func (e *Engine) recordRecalls(ctx context.Context, at string, since time.Time) error {
	if e.opt.Record == nil {
		return nil
	}
	all, err := e.opt.Catalog.Moved(ctx, e.opt.Host, since, e.opt.Now().Add(time.Hour))
	if err != nil {
		return err
	}
	var points []line.Point
	for _, m := range all {
		if m.Volume == at && m.Recalled+m.InodesRecalled > 0 {
			points = append(points, RecallPoint(m, e.opt.Tags))
		}
	}
	return e.record(ctx, points...)
}

// bucketNames are scan.Buckets by the days from which each begins, as the boards sort by name.
var bucketNames = [len(scan.Buckets)]string{"0000d", "0001d", "0007d", "0030d", "0090d", "0180d", "0365d", "0730d", "1825d", "future"}

// recordScan hands how cold a volume is, and what a policy could move, to the boards.
func (e *Engine) recordScan(ctx context.Context, p Policy, v *Preview) error {
	id := volume.ID{Host: e.opt.Host, Path: p.Volume}
	ages := v.Scan.Ages()
	buckets := make([]AgeBucket, len(ages))
	for i, a := range ages {
		buckets[i] = AgeBucket{Name: bucketNames[i], Bytes: a.Bytes, Files: a.Files}
	}
	eligible := make([]Eligible, len(v.Ahead))
	for i, h := range v.Ahead {
		eligible[i] = Eligible{Days: h.Days, Bytes: h.Bytes, Files: h.Files}
	}
	points := AgePoints(id, buckets, e.opt.Tags, v.Plan.Made)
	return e.record(ctx, append(points, EligiblePoints(id, p.Name, eligible, e.opt.Tags, v.Plan.Made)...)...)
}

// RecordPreview hands a preview to the boards, as a run would.
func (e *Engine) RecordPreview(ctx context.Context, name string, v *Preview) error {
	p, err := e.Policy(name)
	if err != nil {
		return err
	}
	return e.recordScan(ctx, p, v)
}

// RecordArchives hands what every archive holds, and how full it is, to the boards. An archive that is not there is left out.
func (e *Engine) RecordArchives(ctx context.Context) error {
	totals, err := e.opt.Catalog.Totals(ctx)
	if err != nil {
		return err
	}
	var points []line.Point
	for _, v := range e.opt.Archives {
		use := ArchiveUse{Host: e.opt.Host, Archive: v.Name}
		t := totals[v.Name]
		use.Files, use.Bytes = t.Archived.Files+t.Released.Files, t.Archived.Bytes+t.Released.Bytes
		use.ReleasedFiles, use.ReleasedBytes = t.Released.Files, t.Released.Bytes
		use.Bad, use.OldestCheck, use.Recalls = t.Bad, t.OldestCheck, t.Recalled
		if use.Usage, err = e.archiveUsage(v); err != nil {
			if errors.Is(err, archive.ErrNotInitialised) {
				continue
			}
			e.opt.Log.Warn("an archive can't be read", "archive", v.Name, "error", err)
			continue
		}
		points = append(points, ArchivePoint(use, e.opt.Tags, e.opt.Now()))
	}
	return e.record(ctx, points...)
}

func (e *Engine) archiveUsage(v ArchiveVolume) (volume.Usage, error) {
	a, err := archive.OpenForReading(e.opt.FS, v.Path, v.Name)
	if err != nil {
		return volume.Usage{}, err
	}
	defer a.Close()
	u, err := a.Root.StatFS()
	return volume.Usage{Total: u.Total, Free: u.Available, Used: u.Total - u.Free}, err
}
