package mover

import (
	"context"
	"errors"
	"fmt"

	"github.com/tidemark/tidemark/internal/fsys"
	"github.com/tidemark/tidemark/tiering/catalog"
)

// moving is one file on its way.
type moving struct {
	op     *catalog.Operation
	reason string // for the audit log
	result *Result

	dir  fsys.Dir // at home; the batch owns it
	name string
	src  fsys.File // open at home
	info fsys.Info // of src, as release saw it
	copy fsys.File // the copy or the object, open for reading
	// left says that something may be left in staging or trash, so that the operation may not be dropped before it is away.
	left bool
	// unsure says that flags which are set already may not be durable.
	unsure bool
	// done says that its move is committed.
	done bool
	// missing is which attributes a recalled file lacks.
	missing error
	// pending says that the operation must stay for recovery: what it left behind is not known.
	pending bool
}

func (f *moving) active() bool { return f.result.Err == nil && f.result.Skipped == "" }

func (f *moving) close() {
	for _, file := range []*fsys.File{&f.src, &f.copy} {
		if *file != nil {
			(*file).Close()
			*file = nil
		}
	}
}

// batch is files that take each step together.
type batch struct {
	m     *Mover
	homes *homes
	files []*moving
}

func (b *batch) close() {
	for _, f := range b.files {
		f.close()
	}
	b.homes.close()
}

// each takes a step for every file that is still on its way. A file that fails drops out; the end of ctx is nobody's failure.
func (b *batch) each(ctx context.Context, step func(*moving) error) error {
	for _, f := range b.files {
		if err := ctx.Err(); err != nil {
			return err
		}
		if !f.active() {
			continue
		}
		err := step(f)
		if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
			return err
		}
		f.result.set(err)
	}
	return nil
}

// active are the files that are still on their way.
func (b *batch) active() (files []*moving) {
	for _, f := range b.files {
		if f.active() {
			files = append(files, f)
		}
	}
	return files
}

func (b *batch) activeOps() (ops []*catalog.Operation, reasons []string) {
	for _, f := range b.active() {
		ops, reasons = append(ops, f.op), append(reasons, f.reason)
	}
	return ops, reasons
}

func (b *batch) begin(ctx context.Context) error {
	ops := make([]*catalog.Operation, len(b.files))
	for i, f := range b.files {
		ops[i] = f.op
	}
	if err := b.m.opt.Catalog.Begin(ctx, ops); err != nil {
		b.stopped()
		return fmt.Errorf("journal %d files: %w", len(ops), err)
	}
	return nil
}

// stopped notes which files will not be moved because the run ends: those that neither dropped out nor were committed.
func (b *batch) stopped() {
	for _, f := range b.active() {
		f.result.Stopped = f.result.Stopped || !f.done
	}
}

// abandon ends the operations of the files that dropped out (all: of every file), after what they left in a directory of ours is
// away for good: a file without an operation would be nobody's. It runs to its end even when the run is being stopped.
func (b *batch) abandon(ctx context.Context, in fsys.Dir, all bool) error {
	ctx = context.WithoutCancel(ctx)
	if all {
		b.stopped()
	}
	var ops []*catalog.Operation
	sync := false
	for _, f := range b.files {
		if f.op.ID == 0 || f.pending || !all && f.active() {
			continue
		}
		f.close()
		if f.left {
			if err := removeIfThere(in, fileName(f.op)); err != nil {
				f.pending = true
				f.result.Err = errors.Join(f.result.Err, fmt.Errorf("clean up (tidemark recover will try again): %w", err))
				continue
			}
			f.left, sync = false, true
		}
		ops = append(ops, f.op)
	}
	if sync {
		if err := in.Sync(); err != nil {
			return fmt.Errorf("clean up (tidemark recover will try again): %w", err)
		}
	}
	if len(ops) == 0 {
		return nil
	}
	if err := b.m.opt.Catalog.Drop(ctx, ops); err != nil {
		return fmt.Errorf("end %d operations: %w", len(ops), err)
	}
	for _, op := range ops {
		op.ID = 0 // it is over
	}
	return nil
}
