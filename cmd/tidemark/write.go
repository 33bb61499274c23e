package main

import (
	"context"
	"iter"

	"github.com/urfave/cli/v2"

	"github.com/tidemark/tidemark/config"
	"github.com/tidemark/tidemark/internal/influx"
	"github.com/tidemark/tidemark/internal/line"
	"github.com/tidemark/tidemark/planner"
)

// writeBatch is how many lines one request carries.
const writeBatch = 5000

// writeForecasts writes forecasts and outlooks to the forecast bucket, at once or not at all: what is interrupted is
// written again whole by the next run.
func (p *program) writeForecasts(ctx *cli.Context, cfg *config.Config, history source, outlooks iter.Seq2[planner.Outlook, error]) error {
	client := history.client
	if client == nil {
		var err error
		if client, err = newInfluxClient(cfg); err != nil {
			return err
		}
		defer client.Close()
	}
	made := p.now()
	batch := lineBatch{ctx: ctx.Context, client: client, bucket: cfg.Influx.ForecastBucket}
	volumes := 0
	for o, err := range outlooks {
		if err != nil {
			return err
		}
		points := append(planner.ForecastPoints(o, made), planner.OutlookPoint(o, made))
		points = append(points, planner.EventPoints(o, made)...)
		if err := batch.add(points); err != nil {
			return err
		}
		volumes++
	}
	if err := batch.flush(); err != nil {
		return err
	}
	p.say("wrote %s, %s, to bucket %s", counts(volumes, "outlook"), counts(batch.written, "point"), cfg.Influx.ForecastBucket)
	return nil
}

// lineBatch writes points in batches.
type lineBatch struct {
	ctx     context.Context
	client  *influx.Client
	bucket  string
	lines   []string
	written int
}

func (b *lineBatch) add(points []line.Point) error {
	for _, p := range points {
		l, err := line.Encode(p)
		if err != nil {
			return err
		}
		if b.lines = append(b.lines, l); len(b.lines) >= writeBatch {
			if err := b.flush(); err != nil {
				return err
			}
		}
	}
	return nil
}

func (b *lineBatch) flush() error {
	if len(b.lines) == 0 {
		return nil
	}
	if err := b.client.Write(b.ctx, b.bucket, b.lines); err != nil {
		return err // it names the bucket
	}
	b.written += len(b.lines)
	b.lines = b.lines[:0]
	return nil
}
