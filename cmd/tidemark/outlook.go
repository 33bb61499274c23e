package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"github.com/tidemark/tidemark/config"
	"github.com/tidemark/tidemark/internal/history"
	"github.com/tidemark/tidemark/internal/volume"
	"github.com/tidemark/tidemark/planner"
	"github.com/tidemark/tidemark/planner/forecast"
	"github.com/tidemark/tidemark/tiering"
)

// plannerOutlook answers the engine with the planner's forecasts.
type plannerOutlook struct {
	p   *program
	cfg *config.Config
}

var _ tiering.Outlook = (*plannerOutlook)(nil)

// FullWithin is the median time to full of the volume that holds a path.
func (o *plannerOutlook) FullWithin(ctx context.Context, path string, now time.Time) (in time.Duration, ok bool, why string, err error) {
	id := volume.ID{Host: o.cfg.Host, Path: path}
	if id.Path, err = mountPoint(path); err != nil {
		return 0, false, "", fmt.Errorf("find the volume of %s: %w", path, err)
	}
	past, err := o.history(ctx)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, false, "this host has no history yet (tidemark agent begins one)", nil
	}
	if err != nil {
		return 0, false, "", err
	}
	defer past.Close()
	query := planner.Query{
		Select: volume.Selector(id), Now: now, Options: forecast.Options{Horizon: o.cfg.Planner.Horizon}, PolicyOf: policyOf(o.cfg, 0),
	}
	for look, err := range (planner.Planner{History: past}).Outlooks(ctx, query) {
		if err != nil {
			return 0, false, "", fmt.Errorf("the outlook of %s: %w", id, err)
		}
		if look.Resource == volume.Space {
			in, ok, why = timeToFull(look, now)
			return in, ok, why, nil
		}
	}
	return 0, false, fmt.Sprintf("the history does not know %s", id), nil
}

func timeToFull(look planner.Outlook, now time.Time) (in time.Duration, ok bool, why string) {
	full := look.TimeToFull
	switch {
	case !full.P50.IsZero():
		return max(0, full.P50.Sub(now)), true, ""
	case full.Reason != "":
		return 0, false, "its forecast has no date: " + string(full.Reason)
	}
	return 0, false, "it is likely full only beyond the planner's horizon"
}

func (o *plannerOutlook) history(ctx context.Context) (source, error) {
	if o.cfg.Influx != nil {
		client, err := newInfluxClient(o.cfg)
		if err != nil {
			return source{}, err
		}
		return source{client.History(o.cfg.Influx.Bucket), client, client.Close, nil}, nil
	}
	dir, err := o.cfg.DataDir(false, o.p.getenv)
	if err != nil {
		return source{}, err
	}
	store, err := history.OpenReadOnly(ctx, filepath.Join(dir, historyFile))
	if err != nil {
		return source{}, err
	}
	return source{store, nil, func() { store.Close() }, &catalogMoves{p: o.p, cfg: o.cfg}}, nil
}
