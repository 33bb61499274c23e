package tiering

import (
	"context"
	"errors"

	"github.com/tidemark/tidemark/tiering/mover"
)

// Recover finishes or reverts everything that was interrupted, on every volume. What cannot be reached now stays pending, and is
// among the results with its error.
func (e *Engine) Recover(ctx context.Context) ([]mover.Recovered, error) {
	ops, err := e.opt.Catalog.Pending(ctx)
	if err != nil {
		return nil, err
	}
	groups := map[group][]mover.Candidate{}
	for _, op := range ops {
		if op.Host == e.opt.Host {
			groups[group{op.Archive, op.Volume}] = nil
		}
	}
	var all []mover.Recovered
	var errs []error
	for _, g := range sortedGroups(groups) {
		done, err := e.recoverGroup(ctx, g)
		all = append(all, done...)
		errs = append(errs, err)
	}
	return all, errors.Join(errs...)
}

func (e *Engine) recoverGroup(ctx context.Context, g group) (done []mover.Recovered, err error) {
	a, _, err := e.openArchive(ctx, g.archive)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, a.Close()) }()
	m, err := e.moverFor(g.volume, a, nil)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, m.Close()) }()
	for _, p := range e.opt.Policies {
		if p.Volume == g.volume {
			if err := e.opt.Catalog.InterruptRuns(ctx, p.Name); err != nil {
				return nil, err
			}
		}
	}
	return m.Recover(ctx)
}
