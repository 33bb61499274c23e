package main

import (
	"context"
	"errors"
	"io/fs"
	"iter"
	"path/filepath"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/tidemark/tidemark/config"
	localledger "github.com/tidemark/tidemark/internal/ledger"
	"github.com/tidemark/tidemark/internal/volume"
	"github.com/tidemark/tidemark/planner"
	"github.com/tidemark/tidemark/planner/forecast"
	"github.com/tidemark/tidemark/planner/ledger"
	"github.com/tidemark/tidemark/planner/report"
)

const ledgerFile = "planner/ledger.db"

// openLedger opens this host's ledger for writing.
func (p *program) openLedger(ctx context.Context, cfg *config.Config) (*localledger.Ledger, error) {
	dir, err := cfg.DataDir(true, p.getenv)
	if err != nil {
		return nil, &fault{err, "", exitUsage}
	}
	l, err := localledger.Open(ctx, filepath.Join(dir, ledgerFile), p.now, p.log)
	if errors.Is(err, fs.ErrPermission) {
		return nil, failf("members of the group tidemark may write it", "%w", err)
	}
	return l, err
}

// publish keeps the outlooks in this host's ledger, those that were never read aside. What is there already of this day stays.
func publish(ctx context.Context, l *localledger.Ledger, outlooks iter.Seq2[planner.Outlook, error], made time.Time) (seen, kept int, err error) {
	var all []volume.PublishedSeries
	for o, err := range outlooks {
		if err != nil {
			return 0, 0, err
		}
		if o.TimeToFull.Reason == planner.ReasonUnread {
			continue
		}
		all = append(all, volume.PublishedSeries{ID: o.Volume, Resource: o.Resource, Outlooks: []volume.Published{planner.PublishedOf(o, made)}})
	}
	if kept, err = l.Publish(ctx, all); err != nil {
		return 0, 0, err
	}
	return len(all), kept, l.Prune(ctx, made)
}

// publishHere is `forecast --write` on a host without InfluxDB.
func (p *program) publishHere(ctx *cli.Context, cfg *config.Config, outlooks iter.Seq2[planner.Outlook, error]) error {
	l, err := p.openLedger(ctx.Context, cfg)
	if err != nil {
		return err
	}
	defer l.Close()
	seen, kept, err := publish(ctx.Context, l, outlooks, p.now())
	if err != nil {
		return err
	}
	p.say("published %s in %s", counts(kept, "outlook"), l.Path())
	if kept < seen {
		p.say("%d were published today already, and stay as they were", seen-kept)
	}
	return nil
}

// dailyPublisher publishes the outlooks of `tidemark up` once a day.
type dailyPublisher struct {
	p    *program
	cfg  *config.Config
	plan planner.Planner
	done time.Time // the day that was published
	next time.Time // not tried again before this
}

// publishRetry is how long after a failure it is tried again.
const publishRetry = time.Hour

// publish does so when the day is a new one. What goes wrong is said and does not end the sampling.
func (d *dailyPublisher) publish(ctx context.Context, now time.Time) {
	today := volume.StartOfDay(now)
	if d.done.Equal(today) || now.Before(d.next) {
		return
	}
	err := d.publishToday(ctx, now)
	if err == nil {
		d.done = today
		return
	}
	d.next = now.Add(publishRetry)
	if ctx.Err() == nil {
		d.p.log.Warn("the outlooks of today are not kept yet, so they cannot be scored later; it is tried again in an hour", "error", err)
	}
}

func (d *dailyPublisher) publishToday(ctx context.Context, now time.Time) error {
	l, err := d.p.openLedger(ctx, d.cfg)
	if err != nil {
		return err
	}
	defer l.Close()
	query := planner.Query{Now: now, Options: forecast.Options{Horizon: d.cfg.Planner.Horizon}, PolicyOf: policyOf(d.cfg, 0)}
	_, _, err = publish(ctx, l, d.plan.Outlooks(ctx, query), now)
	return err
}

// checkAccuracy refuses what has no meaning for outlooks that were published.
func checkAccuracy(ctx *cli.Context) error {
	for _, other := range []string{"input", "steps", "level", "full-level", "horizon", "by", "write"} {
		if ctx.IsSet(other) {
			return usagef("leave it out", "--accuracy scores what was published, so --%s has no meaning", other)
		}
	}
	return nil
}

// accuracy is `forecast --accuracy`.
func (p *program) accuracy(ctx *cli.Context, cfg *config.Config) error {
	if err := checkAccuracy(ctx); err != nil {
		return err
	}
	history, err := p.openSource(ctx, cfg)
	if err != nil {
		return err
	}
	defer history.Close()
	var all []ledger.Accuracy
	store, closing, err := p.ledgerOf(ctx.Context, cfg, history)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err == nil {
		defer closing()
		for a, err := range ledger.Accuracies(ctx.Context, store, planner.Planner{History: history}, p.query(ctx, cfg, forecast.Options{})) {
			if err != nil {
				return err
			}
			all = append(all, a)
		}
	}
	if len(all) == 0 {
		p.say("no outlook was published yet of the volumes that --host and --volume choose; `tidemark forecast --write` publishes them, daily from its timer, and so does `tidemark up`")
	}
	switch ctx.String("format") {
	case "json":
		return report.AccuraciesJSON(p.stdout, all)
	case "csv":
		return report.AccuraciesCSV(p.stdout, all)
	}
	if len(all) == 0 {
		return nil
	}
	return report.Accuracies(p.stdout, all, p.columns())
}

// ledgerOf is where the outlooks of a history were published. A host that has published none is fs.ErrNotExist.
func (p *program) ledgerOf(ctx context.Context, cfg *config.Config, history source) (ledger.Store, func(), error) {
	if history.client != nil {
		return history.client.Ledger(cfg.Influx.ForecastBucket), func() {}, nil
	}
	dir, err := cfg.DataDir(false, p.getenv)
	if err != nil {
		return nil, nil, &fault{err, "", exitUsage}
	}
	l, err := localledger.OpenReadOnly(ctx, filepath.Join(dir, ledgerFile))
	switch {
	case errors.Is(err, fs.ErrPermission):
		return nil, nil, failf("members of the group tidemark may read it", "%w", err)
	case errors.Is(err, localledger.ErrCorrupt):
		return nil, nil, failf("`tidemark forecast --write` sets the damaged file aside and begins a new one", "%w", err)
	case err != nil:
		return nil, nil, err
	}
	return l, func() { l.Close() }, nil
}
