package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	group "github.com/oklog/run"
	"github.com/urfave/cli/v2"

	"github.com/tidemark/tidemark/agent"
	"github.com/tidemark/tidemark/agent/hostdisk"
	"github.com/tidemark/tidemark/agent/shipper"
	"github.com/tidemark/tidemark/config"
	"github.com/tidemark/tidemark/internal/history"
	"github.com/tidemark/tidemark/internal/influx"
	"github.com/tidemark/tidemark/internal/outbox"
)

func (p *program) agentCommand() *cli.Command {
	return &cli.Command{
		Name:      "agent",
		Usage:     "samples this host's volumes and ships the samples",
		UsageText: "tidemark agent [--once]",
		Description: "Samples at the configured interval into this host's history and, where InfluxDB is configured, ships every\n" +
			"sample there in order; an outage loses nothing. Runs until SIGTERM or SIGINT.",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "once", Usage: "print one sample as line protocol, record nothing, and end"},
		},
		Action: p.agent,
	}
}

func (p *program) agent(ctx *cli.Context) error {
	cfg, err := p.config(ctx)
	if err != nil {
		return err
	}
	if !ctx.Bool("once") {
		p.log = serviceLogger(p.stderr)
	}
	disks, err := p.newDisks(cfg, false)
	if err != nil {
		return err
	}
	defer disks.Close()
	if ctx.Bool("once") {
		return p.agentOnce(ctx.Context, disks)
	}
	return untilInterrupted(ctx.Context, p.sampleAndShip(ctx.Context, cfg, disks))
}

// untilInterrupted takes the end that was asked for as a good one, also where it came in the middle of the start.
func untilInterrupted(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// sampleAndShip runs until ctx ends.
func (p *program) sampleAndShip(ctx context.Context, cfg *config.Config, disks *hostdisk.Disks) error {
	var client *influx.Client
	if cfg.Influx != nil { // a token that cannot be used ends the run before anything is touched
		var err error
		if client, err = newInfluxClient(cfg); err != nil {
			return err
		}
		defer client.Close()
	}
	store, err := p.openHistory(ctx, cfg)
	if err != nil {
		return err
	}
	defer store.Close()
	opt := p.agentOptions(cfg, disks, store)
	opt.Beat, opt.BeatEvery = watchdog(p)
	var actors group.Group
	if client != nil {
		ship := p.newShipper(client.Writer(cfg.Influx.Bucket), store)
		opt.Outbox = outboxOf(store)
		opt.Recorded = recorded(ship)
		// It ends after the agent, not with it: what the agent records last is shipped too.
		addActor(context.WithoutCancel(ctx), &actors, func(ctx context.Context) error { ship.Run(ctx); return nil })
	}
	addActor(ctx, &actors, agent.New(opt).Run)
	p.log.Info("agent starts", "version", version, "host", cfg.Host, "every", cfg.Agent.Every.String(), "ships", cfg.Influx != nil)
	notify(p, daemon.SdNotifyReady)
	stopping := context.AfterFunc(ctx, func() { notify(p, daemon.SdNotifyStopping) })
	defer stopping()
	err = actors.Run()
	p.log.Info("agent ends")
	return err
}

// addActor runs f until ctx ends or another actor returns.
func addActor(ctx context.Context, actors *group.Group, f func(context.Context) error) {
	ctx, cancel := context.WithCancel(ctx)
	actors.Add(func() error { return f(ctx) }, func(error) { cancel() })
}

func (p *program) agentOnce(ctx context.Context, disks *hostdisk.Disks) error {
	now := p.now()
	samples, err := disks.Sample(ctx, now)
	if err != nil {
		return fmt.Errorf("read the volumes: %w", err)
	}
	if len(samples) == 0 {
		p.say("%s", agent.NoVolume)
	}
	io, ioErr := disks.IO(ctx, now)
	lines, err := agent.Lines(samples, io...)
	for _, l := range lines {
		if _, err := fmt.Fprintln(p.stdout, l); err != nil {
			return err
		}
	}
	return errors.Join(err, ioErr)
}

func (p *program) agentOptions(cfg *config.Config, disks *hostdisk.Disks, store *history.Store) agent.Options {
	return agent.Options{
		Host: cfg.Host, Version: version, Tags: cfg.Tags, Every: cfg.Agent.Every, Disks: disks, Store: store, Now: p.now, Log: p.log,
	}
}

func outboxOf(store *history.Store) func(context.Context, time.Time) (agent.Outbox, error) {
	return func(ctx context.Context, now time.Time) (agent.Outbox, error) {
		s, err := store.Outbox().Stats(ctx)
		box := agent.Outbox{Depth: s.Depth, Dropped: s.Dropped, Expired: s.Expired, Quarantined: s.Quarantined}
		if !s.Oldest.IsZero() {
			box.Age = max(now.Sub(s.Oldest), 0)
		}
		return box, err
	}
}

// watchdog returns what feeds systemd's watchdog, at half its interval; nothing without one.
func watchdog(p *program) (beat func(), every time.Duration) {
	interval, err := daemon.SdWatchdogEnabled(false)
	if err != nil || interval <= 0 {
		return nil, 0
	}
	return func() { notify(p, daemon.SdNotifyWatchdog) }, interval / 2
}

func notify(p *program, state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		p.log.Warn("cannot tell the service manager", "state", state, "error", err)
	}
}

var (
	_ agent.Store    = (*history.Store)(nil)
	_ agent.Disks    = (*hostdisk.Disks)(nil)
	_ shipper.Outbox = (*outbox.Outbox)(nil)
)
