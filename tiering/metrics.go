package tiering

import (
	"context"

	"github.com/tidemark/tidemark/internal/line"
	"github.com/tidemark/tidemark/tiering/catalog"
	"github.com/tidemark/tidemark/tiering/selection"
)

// recordRun hands what a run came to to the boards.
func (e *Engine) recordRun(ctx context.Context, plan selection.Plan, run catalog.Run) error {
	if e.opt.Record == nil {
		return nil
	}
	return e.opt.Record(ctx, []line.Point{RunPoint(plan, run, e.opt.Tags)})
}
