package tiering

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tidemark/tidemark/tiering/archive"
	"github.com/tidemark/tidemark/tiering/catalog"
)

// VerifyOptions say how much is read back.
type VerifyOptions struct {
	Bytes int64         // stop after so many; 0: no limit
	Time  time.Duration // stop after that long; 0: no limit
	// Since leaves out what was read at or after this time; the zero time: everything is read once.
	Since time.Time
}

// VerifyReport is what was found.
type VerifyReport struct {
	Archive        string
	Checked, Bytes int64
	Bad            []Trouble // of objects that are bad and stay so
	Mended         []Trouble // of objects that were bad and were replaced from the copy at home
}

const verifyPage = 200

// Verify reads objects back, those first whose last reading is the oldest, and compares them with their digests. A bad one is marked,
// audited, and mended from the copy at home while there is one.
func (e *Engine) Verify(ctx context.Context, name string, opt VerifyOptions) (report VerifyReport, err error) {
	report.Archive = name
	a, _, err := e.openArchive(ctx, name)
	if err != nil {
		return report, err
	}
	defer func() { err = errors.Join(err, a.Close()) }()
	started := e.opt.Now()
	before := started
	if !opt.Since.IsZero() {
		before = opt.Since
	}
	e.progress.begin(started, "verifying "+name, 0, opt.Bytes)
	defer e.progress.end()
	buf := make([]byte, 1<<20)
	over := func() bool {
		return opt.Bytes > 0 && report.Bytes >= opt.Bytes || opt.Time > 0 && e.opt.Now().Sub(started) >= opt.Time || ctx.Err() != nil
	}
	if err := e.verifyBad(ctx, a, buf, &report); err != nil {
		return report, err
	}
	for !over() {
		objects, err := e.opt.Catalog.NextToCheck(ctx, name, verifyPage)
		if err != nil {
			return report, err
		}
		n := 0
		for n < len(objects) && objects[n].CheckedAt.Before(before) {
			n++
		}
		if n == 0 {
			break
		}
		if err := e.verifyPage(ctx, a, objects[:n], buf, over, &report); err != nil {
			return report, err
		}
	}
	return report, ctx.Err()
}

// verifyBad looks at the objects that are known to be bad again: they may have been repaired from outside, or can be mended now.
func (e *Engine) verifyBad(ctx context.Context, a *archive.Archive, buf []byte, report *VerifyReport) error {
	var bad []catalog.Object
	for o, err := range e.opt.Catalog.Objects(ctx, catalog.Query{Archive: a.Name, Bad: true}) {
		if err != nil {
			return err
		}
		bad = append(bad, o)
	}
	return e.verifyPage(ctx, a, bad, buf, func() bool { return ctx.Err() != nil }, report)
}

// verifyPage checks some objects and writes down what was found.
func (e *Engine) verifyPage(ctx context.Context, a *archive.Archive, objects []catalog.Object, buf []byte, over func() bool, report *VerifyReport) error {
	var good []int64
	bad := map[int64]string{}
	var broken []catalog.Object
	for _, o := range objects {
		if over() {
			break
		}
		err := a.Check(ctx, o, buf, func(n int) error { e.progress.bytes(int64(n)); return ctx.Err() })
		if ctx.Err() != nil {
			break
		}
		var isBad *archive.Bad
		if errors.As(err, &isBad) && isBad.Fault == archive.FaultMutable && a.Seal(o.Object) == nil {
			err = nil // its bytes are right; a crash may have taken the flag
		}
		if err != nil && !errors.As(err, &isBad) {
			return errors.Join(e.opt.Catalog.MarkChecked(context.WithoutCancel(ctx), e.opt.Actor, e.opt.Now(), good, bad), err)
		}
		report.Checked++
		report.Bytes += o.Size
		e.progress.moreFiles(1)
		if err == nil {
			good = append(good, o.ID)
			continue
		}
		bad[o.ID] = isBad.Detail
		o.Bad = isBad.Detail
		broken = append(broken, o)
	}
	if err := e.opt.Catalog.MarkChecked(context.WithoutCancel(ctx), e.opt.Actor, e.opt.Now(), good, bad); err != nil {
		return err
	}
	for _, o := range broken {
		e.mendOrReport(ctx, a, o, report)
	}
	return nil
}

func (e *Engine) mendOrReport(ctx context.Context, a *archive.Archive, o catalog.Object, report *VerifyReport) {
	t := Trouble{o.Object, o.Bad}
	if err := e.mend(ctx, a, o); err != nil {
		t.Reason += "; not mended: " + err.Error()
		report.Bad = append(report.Bad, t)
		return
	}
	report.Mended = append(report.Mended, t)
}

// mend replaces a bad object from the copy at home.
func (e *Engine) mend(ctx context.Context, a *archive.Archive, o catalog.Object) (err error) {
	if o.State != catalog.Archived || o.Host != e.opt.Host {
		return errors.New("no copy is at home: restore it from a backup of the archive, or recall what can still be read")
	}
	volume, err := e.volumeOf(o.Path)
	if err != nil {
		return err
	}
	m, err := e.moverFor(volume, a, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.Close()) }()
	result, err := m.Mend(ctx, o, o.Bad)
	if err != nil {
		return err
	}
	if result.Skipped != "" {
		return fmt.Errorf("the copy at home can't be used: %s", result.Skipped)
	}
	return result.Err
}

// RebuildReport is what a rebuild found in an archive.
type RebuildReport struct {
	Archive  string
	Objects  int64
	Released int64
	Holds    int64
	Problems []archive.Problem // what it could not place
}

// Rebuild makes what the catalog knows of an archive anew, from the archive alone.
func (e *Engine) Rebuild(ctx context.Context, name string, discardOperations bool) (report RebuildReport, err error) {
	report.Archive = name
	v, err := e.ArchiveVolume(name)
	if err != nil {
		return report, err
	}
	a, err := archive.OpenForReading(e.opt.FS, v.Path, v.Name)
	if err != nil {
		return report, archiveRefusal(v, err)
	}
	defer func() { err = errors.Join(err, a.Close()) }()
	e.progress.begin(e.opt.Now(), "reading archive "+name, 0, 0)
	defer e.progress.end()
	objects, holds, last, problems, err := a.Rebuild(ctx, func(records, files int64) { e.progress.set(files, 0) })
	if err != nil {
		return report, err
	}
	report.Objects, report.Holds, report.Problems = int64(len(objects)), int64(len(holds)), problems
	for _, o := range objects {
		if o.State == catalog.Released {
			report.Released++
		}
	}
	options := []catalog.ImportOption{catalog.As(a.Marker.ID)}
	if discardOperations {
		options = append(options, catalog.DiscardOperations())
	}
	err = e.opt.Catalog.Import(ctx, e.opt.Actor, e.opt.Now(), name, objects, holds, last, options...)
	if errors.Is(err, catalog.ErrPending) {
		return report, refuse("tidemark recover; or, if the catalog is not to be believed: --discard-operations", "operations of archive %s are in flight", name)
	}
	return report, err
}
