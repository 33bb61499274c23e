// Package planner answers capacity questions: how full volumes are, when they will be full, how sure that is.
package planner

import (
	"context"
	"iter"
	"time"

	"github.com/tidemark/tidemark/internal/volume"
)

// History is the past of volumes: this host's own, or a fleet's. Implementations are safe for concurrent use. Results do
// not depend on the order in which points were written, nor on their tags beside host and path: a volume that was
// remounted from another device is one series.
type History interface {
	// Newest returns the newest sample of each selected volume that was measured or reported within [since, until), sorted
	// by ID: what a clock that was ahead has left behind until hides nothing. State is the newest one reported. When that says stuck or missing, Usage and Attributes are the last that were read
	// (zero if none were) and Time is when the state was reported; otherwise Time is when the usage was read.
	Newest(ctx context.Context, sel volume.Selector, since, until time.Time) ([]volume.Sample, error)

	// Days yields the selected volumes that have readings within [from, to), sorted by ID, each with its days in time
	// order. from is rounded up and to down to 00:00 UTC: the day that is not finished at to is left out. One series is
	// held in memory at a time where the store allows it. An error ends the sequence.
	Days(ctx context.Context, sel volume.Selector, from, to time.Time) iter.Seq2[volume.DaySeries, error]

	// Readings returns the raw readings of one volume within [from, to), in time order; none is not an error.
	Readings(ctx context.Context, id volume.ID, from, to time.Time) ([]volume.Reading, error)

	// Lows returns the least Used and InodesUsed of each selected volume among its readings within [from, to), in one query for all;
	// volumes without a reading are not in it.
	Lows(ctx context.Context, sel volume.Selector, from, to time.Time) (map[volume.ID]volume.Low, error)
}

// Releases is what a history may know besides: what tiering's own runs freed and recalls brought back, so that it is taken for
// neither a cleanup nor a trend.
type Releases interface {
	// Releases returns what was freed on the host's volumes (any host's where it is empty) within [from, to), in any order.
	Releases(ctx context.Context, host string, from, to time.Time) ([]volume.Release, error)
}
