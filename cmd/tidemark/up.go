package main

import (
	"context"
	"fmt"
	"time"

	group "github.com/oklog/run"
	"github.com/urfave/cli/v2"

	"github.com/tidemark/tidemark/agent"
	"github.com/tidemark/tidemark/config"
	"github.com/tidemark/tidemark/internal/volume"
	"github.com/tidemark/tidemark/planner"
	"github.com/tidemark/tidemark/planner/forecast"
	"github.com/tidemark/tidemark/planner/report"
)

func (p *program) upCommand() *cli.Command {
	return &cli.Command{
		Name:      "up",
		Usage:     "the whole system in one process: sample this machine, show its volumes and outlooks",
		UsageText: "tidemark up\ntidemark up --demo [--keep]",
		Description: "Needs no server, no root and no configuration. Samples go to this host's history, so that dates appear\n" +
			"after a week. Policies are previewed, never run. Runs until it is interrupted. With --demo it shows a made-up year\n" +
			"and moves files of its own instead, and ends.",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "demo", Usage: "a playground with a made-up year of history in a temporary directory"},
			&cli.BoolFlag{Name: "keep", Usage: "with --demo: leave the playground in place"},
		},
		Action: p.up,
	}
}

// reprintEvery is how often the table is printed again where it cannot be redrawn in place.
const reprintEvery = time.Hour

func (p *program) up(ctx *cli.Context) error {
	cfg, err := p.config(ctx)
	if err != nil {
		return err
	}
	if ctx.Bool("demo") {
		return p.demo(ctx.Context, cfg, ctx.Bool("keep"))
	}
	if ctx.Bool("keep") {
		return usagef("", "--keep goes with --demo")
	}
	return untilInterrupted(ctx.Context, p.sampleAndShow(ctx.Context, cfg))
}

// sampleAndShow runs until ctx ends.
func (p *program) sampleAndShow(ctx context.Context, cfg *config.Config) error {
	disks, err := p.newDisks(cfg, true)
	if err != nil {
		return err
	}
	defer disks.Close()
	store, err := p.openHistory(ctx, cfg)
	if err != nil {
		return err
	}
	defer store.Close()
	p.say("sampling %s every %s into %s; interrupt to end", cfg.Host, cfg.Agent.Every, store.Path())

	sampled := make(chan struct{}, 1)
	opt := p.agentOptions(cfg, disks, store)
	opt.Recorded = func([]volume.Sample) {
		select {
		case sampled <- struct{}{}:
		default: // a sampling that is not shown yet is shown with this one
		}
	}
	var actors group.Group
	addActor(ctx, &actors, agent.New(opt).Run)
	policies := newPreviews(p, cfg)
	if len(cfg.Policies) > 0 {
		addActor(ctx, &actors, policies.run)
	}
	own := source{History: store, moved: &catalogMoves{p: p, cfg: cfg}}
	addActor(ctx, &actors, func(ctx context.Context) error {
		return p.showVolumes(ctx, cfg, planner.Planner{History: own}, sampled, policies)
	})
	err = actors.Run()
	if ctx.Err() != nil {
		p.say("ended; the samples stay in %s", store.Path())
	}
	return err
}

// showVolumes prints the table after the first sampling, then again after each on a terminal, hourly elsewhere; below it, and when
// it changes, what the policies would do.
func (p *program) showVolumes(ctx context.Context, cfg *config.Config, plan planner.Planner, sampled <-chan struct{}, policies *previews) error {
	var printed time.Time
	ledger := dailyPublisher{p: p, cfg: cfg, plan: plan}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-policies.changed:
			if !p.onTerminal() || printed.IsZero() {
				if err := policies.write(p.stdout); err != nil {
					return err
				}
				continue
			}
		case <-sampled:
			if !p.onTerminal() && p.now().Sub(printed) < reprintEvery {
				continue
			}
		}
		outlooks, err := p.hostOutlooks(ctx, cfg, plan, p.now())
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		if p.onTerminal() && !printed.IsZero() {
			fmt.Fprint(p.stdout, "\x1b[H\x1b[2J")
		}
		printed = p.now()
		if err := report.Volumes(p.stdout, outlooks, p.columns(), printed); err != nil {
			return err
		}
		if p.onTerminal() {
			if err := policies.write(p.stdout); err != nil {
				return err
			}
			p.say("%s; next sample within %s; interrupt to end", printed.Format(time.DateTime), cfg.Agent.Every)
		}
		ledger.publish(ctx, printed)
	}
}

// hostOutlooks are the outlooks of all volumes in a history.
func (p *program) hostOutlooks(ctx context.Context, cfg *config.Config, plan planner.Planner, now time.Time) ([]planner.Outlook, error) {
	return p.outlooks(ctx, plan, planner.Query{Now: now, Options: forecast.Options{Horizon: cfg.Planner.Horizon}, PolicyOf: policyOf(cfg, 0)})
}

// outlooks gathers outlooks without their points, which no table shows.
func (p *program) outlooks(ctx context.Context, plan planner.Planner, query planner.Query) ([]planner.Outlook, error) {
	var all []planner.Outlook
	for o, err := range plan.Outlooks(ctx, query) {
		if err != nil {
			return nil, err
		}
		o.Points = nil
		all = append(all, o)
	}
	return all, nil
}

// policyOf asks the configuration; a full level other than 0 overrides it.
func policyOf(cfg *config.Config, full float64) func(volume.ID) planner.Policy {
	return func(id volume.ID) planner.Policy {
		of := cfg.Planner.For(id.Host, id.Path)
		if full != 0 {
			of.FullLevel = full
		}
		return planner.Policy{FullLevel: of.FullLevel, Owner: of.Owner}
	}
}
