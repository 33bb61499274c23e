package tiering

import (
	"context"
	"errors"

	"github.com/tidemark/tidemark/tiering/selection"
)

// Preview is the plan that a run would execute now. It changes nothing.
func (e *Engine) Preview(ctx context.Context, name string) (*selection.Plan, error) {
	p, err := e.Policy(name)
	if err != nil {
		return nil, err
	}
	return e.plan(ctx, p)
}

func (e *Engine) plan(ctx context.Context, p Policy) (*selection.Plan, error) {
	return nil, errors.New("not yet")
}
