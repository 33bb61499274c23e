package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/tidemark/tidemark/agent"
	"github.com/tidemark/tidemark/agent/hostdisk"
	"github.com/tidemark/tidemark/agent/shipper"
	"github.com/tidemark/tidemark/config"
	"github.com/tidemark/tidemark/internal/history"
	"github.com/tidemark/tidemark/internal/influx"
	"github.com/tidemark/tidemark/internal/volume"
	"github.com/tidemark/tidemark/planner"
)

// This file is the only place where parts are put together: configuration values become each package's own options.

// config reads the configuration once a run.
func (p *program) config(ctx *cli.Context) (*config.Config, error) {
	return readOrInterrupt(ctx.Context, func() (*config.Config, error) {
		return config.Load(ctx.String("config"), p.getenv, p.checks()...)
	})
}

func parseDuration(ctx *cli.Context, flag string) (time.Duration, error) {
	d, err := config.ParseDuration(ctx.String(flag))
	if err != nil {
		return 0, usagef("write a duration such as 30d", "--%s %q is no duration", flag, ctx.String(flag))
	}
	return d, nil
}

// newDisks reads this host. Where nothing but a container's root is mounted, always shows that, so that a first look is
// never empty.
func (p *program) newDisks(cfg *config.Config, always bool) (*hostdisk.Disks, error) {
	return hostdisk.New(hostdisk.Options{
		Host: cfg.Host, Tags: cfg.Tags, ExcludeFstypes: cfg.Agent.Exclude.Fstypes, ExcludePaths: cfg.Agent.Exclude.Paths,
		RootFallback: always, Log: p.log, Apart: readApart,
	})
}

const historyFile = "agent/history.db"

// openHistory opens this host's history for writing.
func (p *program) openHistory(ctx context.Context, cfg *config.Config) (*history.Store, error) {
	dir, err := cfg.DataDir(true, p.getenv)
	if err != nil {
		return nil, &fault{err, "", exitUsage}
	}
	return history.Open(ctx, filepath.Join(dir, historyFile), history.Options{Log: p.log, Now: p.now})
}

func notConfigured(what string) error {
	return usagef("add influx: {url, bucket, token_file} to the configuration", "%s needs InfluxDB: InfluxDB is not configured", what)
}

// newInfluxClient needs cfg.Influx; the token is read from its file now.
func newInfluxClient(cfg *config.Config) (*influx.Client, error) {
	if cfg.Influx == nil {
		return nil, notConfigured("this")
	}
	token, err := cfg.Influx.Token()
	if err != nil {
		return nil, &fault{err, "", exitUsage}
	}
	client, err := influx.New(influx.Options{URL: cfg.Influx.URL, Org: cfg.Influx.Org, Token: token, CAFile: cfg.Influx.CAFile})
	if err != nil {
		return nil, &fault{err, "", exitUsage}
	}
	return client, nil
}

// newShipper ships the outbox of store.
func (p *program) newShipper(to *influx.BucketWriter, store *history.Store) *shipper.Shipper {
	return shipper.New(store.Outbox(), to, shipper.Options{Now: p.now, Logger: p.log})
}

func recorded(ship *shipper.Shipper) func([]volume.Sample) {
	return func([]volume.Sample) { ship.Notify() }
}

// source is a history to read, and what must be closed after.
type source struct {
	planner.History
	client *influx.Client // nil for the host's own history
	close  func()
	moved  *catalogMoves // of the host's own history
}

func (s source) Close() { s.close() }

// Releases are known to InfluxDB; of the host's own history tiering's catalog knows them, which is not for everybody to read.
func (s source) Releases(ctx context.Context, host string, from, to time.Time) ([]volume.Release, error) {
	if known, ok := s.History.(planner.Releases); ok {
		return known.Releases(ctx, host, from, to)
	}
	return s.moved.releases(ctx, host, from, to)
}

// openSource opens the history that --source, or else the configuration, says.
func (p *program) openSource(ctx *cli.Context, cfg *config.Config) (source, error) {
	useInflux, err := sourceIsInflux(ctx, cfg)
	if err != nil {
		return source{}, err
	}
	if useInflux {
		client, err := newInfluxClient(cfg)
		if err != nil {
			return source{}, err
		}
		return source{client.History(cfg.Influx.Bucket), client, client.Close, nil}, nil
	}
	dir, err := cfg.DataDir(false, p.getenv)
	if err != nil {
		return source{}, &fault{err, "", exitUsage}
	}
	path := filepath.Join(dir, historyFile)
	store, err := history.OpenReadOnly(ctx.Context, path)
	if errors.Is(err, fs.ErrNotExist) {
		return source{}, failf("start `tidemark agent` or `tidemark up`, or give it a past with `tidemark import`",
			"this host has no history yet: %w", err)
	}
	if errors.Is(err, fs.ErrPermission) {
		return source{}, failf("members of the group tidemark may read it", "%w", err)
	}
	if errors.Is(err, history.ErrCorrupt) {
		return source{}, failf("restart the agent: it sets the damaged file aside and begins a new one", "%w", err)
	}
	if err != nil {
		return source{}, err
	}
	moved := &catalogMoves{p: p, cfg: cfg, chosen: volume.Selector{Host: ctx.String("host"), Path: ctx.String("volume")}}
	return source{store, nil, func() { store.Close() }, moved}, nil
}

func sourceIsInflux(ctx *cli.Context, cfg *config.Config) (bool, error) {
	switch s := ctx.String("source"); s {
	case "":
		return cfg.Influx != nil, nil
	case "influx":
		if cfg.Influx == nil {
			return false, notConfigured("--source influx")
		}
		return true, nil
	case "local":
		return false, nil
	default:
		return false, usagef("write local or influx", "--source %q is unknown", s)
	}
}

// openSourceOrHost is openSource, but a host without a history is sampled once: "how full is it" has an answer at once.
func (p *program) openSourceOrHost(ctx *cli.Context, cfg *config.Config) (source, error) {
	src, err := p.openSource(ctx, cfg)
	if !errors.Is(err, fs.ErrNotExist) {
		return src, err
	}
	disks, err := p.newDisks(cfg, true)
	if err != nil {
		return source{}, err
	}
	defer disks.Close()
	store, err := history.OpenInMemory(ctx.Context)
	if err != nil {
		return source{}, err
	}
	samples, err := disks.Sample(ctx.Context, p.now())
	if err == nil {
		err = store.Record(ctx.Context, samples, nil)
	}
	if err != nil {
		store.Close()
		return source{}, fmt.Errorf("sample this host: %w", err)
	}
	p.say("this host has no history yet, so there are no dates; `tidemark agent` or `tidemark up` begins one")
	return source{store, nil, func() { store.Close() }, nil}, nil
}

// importTarget takes a volume's past.
type importTarget interface {
	Import(ctx context.Context, id volume.ID, readings []volume.Reading) error
	Name() string // for people
	Close()
}

func (p *program) openImport(ctx *cli.Context, cfg *config.Config) (importTarget, error) {
	useInflux, err := sourceIsInflux(ctx, cfg)
	if err != nil {
		return nil, err
	}
	if useInflux {
		client, err := newInfluxClient(cfg)
		if err != nil {
			return nil, err
		}
		return influxImport{client, cfg.Influx.Bucket}, nil
	}
	store, err := p.openHistory(ctx.Context, cfg)
	if err != nil {
		return nil, err
	}
	return localImport{store}, nil
}

type localImport struct{ store *history.Store }

func (l localImport) Import(ctx context.Context, id volume.ID, readings []volume.Reading) error {
	return l.store.Import(ctx, id, readings)
}
func (localImport) Name() string { return "this host's history" }
func (l localImport) Close()     { l.store.Close() }

type influxImport struct {
	client *influx.Client
	bucket string
}

func (i influxImport) Import(ctx context.Context, id volume.ID, readings []volume.Reading) error {
	for len(readings) > 0 {
		n := min(len(readings), writeBatch)
		samples := make([]volume.Sample, n)
		for k, r := range readings[:n] {
			samples[k] = volume.Sample{ID: id, Time: r.Time, Usage: r.Usage, Attributes: volume.Attributes{Mode: "rw"}}
		}
		lines, err := agent.DiskLines(samples)
		if err != nil {
			return err
		}
		if err := i.client.Write(ctx, i.bucket, lines); err != nil {
			return err
		}
		readings = readings[n:]
	}
	return nil
}
func (i influxImport) Name() string { return "bucket " + i.bucket }
func (i influxImport) Close()       { i.client.Close() }
