package main

import (
	"context"
	"fmt"
	"io"
	"iter"
	"slices"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/tidemark/tidemark/config"
	"github.com/tidemark/tidemark/internal/volume"
	"github.com/tidemark/tidemark/planner"
	"github.com/tidemark/tidemark/planner/forecast"
	"github.com/tidemark/tidemark/planner/report"
)

func (p *program) forecastCommand() *cli.Command {
	return &cli.Command{
		Name:  "forecast",
		Usage: "when volumes fill",
		UsageText: "tidemark forecast [--host H] [--volume PATH] [--by TAG] [--horizon 180d] [--level 95] [--write]\n" +
			"tidemark forecast --accuracy [--host H] [--volume PATH] [--format json]\n" +
			"tidemark forecast --input FILE.csv --steps N [--pool] [--level 95] [--full-level 100%] [--format csv]",
		Description: "Forecasts from the history (this host's own, or the fleet's in InfluxDB), or from any CSV\n" +
			"`series,time,used[,capacity]`. A volume without a date has a reason in its place.",
		Flags: []cli.Flag{
			formatFlag(),
			&cli.StringFlag{Name: "input", Usage: "forecast the series of a CSV `FILE` (- for standard input)"},
			&cli.IntFlag{Name: "steps", Usage: "with --input: forecast `N` steps of each series"},
			&cli.BoolFlag{Name: "pool", Usage: "with --input: take the series for like volumes, of which short ones lean on the growth of the others"},
			&cli.StringFlag{Name: "level", Value: "95", Usage: "share of outcomes the interval holds, in `PERCENT`"},
			&cli.StringFlag{Name: "full-level", Usage: "share of the capacity that counts as full, in `PERCENT` (default: from the configuration; 100% with --input)"},
			&cli.StringFlag{Name: "horizon", Usage: "how far ahead, a `DURATION` such as 180d (default: from the configuration)"},
			hostFlag(), volumeFlag(), sourceFlag(),
			&cli.StringFlag{Name: "by", Usage: "group by this `TAG` and add up each group"},
			&cli.BoolFlag{Name: "write", Usage: "publish forecasts and outlooks: to InfluxDB, for the boards, or else to this host's ledger"},
			&cli.BoolFlag{Name: "accuracy", Usage: "how right the outlooks were that were published"},
		},
		Action: p.forecast,
	}
}

func (p *program) forecast(ctx *cli.Context) error {
	cfg, err := p.config(ctx)
	if err != nil {
		return err
	}
	opt, err := forecastOptions(ctx, cfg)
	if err != nil {
		return err
	}
	if err := checkFormat(ctx); err != nil {
		return err
	}
	if ctx.Bool("accuracy") {
		return p.accuracy(ctx, cfg)
	}
	if ctx.IsSet("input") {
		return p.forecastFile(ctx, opt)
	}
	if ctx.IsSet("pool") {
		return usagef("the history knows by path, tags and host which volumes are alike", "--pool goes with --input")
	}
	if ctx.IsSet("steps") {
		return usagef("from the history the horizon says how far: --horizon 180d", "--steps goes with --input")
	}
	return p.forecastHistory(ctx, cfg, opt)
}

// forecastOptions reads the flags that both kinds of input share. FullLevel stays 0 where no flag sets it.
func forecastOptions(ctx *cli.Context, cfg *config.Config) (forecast.Options, error) {
	opt, err := horizonOptions(ctx, cfg)
	if err != nil {
		return opt, err
	}
	level, err := config.ParsePercent(ctx.String("level"))
	if err != nil || level <= 0 || level >= 1 {
		return opt, usagef("write a percentage between 0 and 100, such as 95", "--level %q is no level of an interval", ctx.String("level"))
	}
	opt.Level = level
	return opt, nil
}

// horizonOptions are how far ahead, and what counts as full. FullLevel stays 0 where no flag sets it.
func horizonOptions(ctx *cli.Context, cfg *config.Config) (forecast.Options, error) {
	opt := forecast.Options{Horizon: cfg.Planner.Horizon}
	if ctx.IsSet("full-level") {
		full, err := config.ParsePercent(ctx.String("full-level"))
		if err != nil || full <= 0 || full > 1 {
			return opt, usagef("write a percentage from 1% to 100%", "--full-level %q is no share of the capacity", ctx.String("full-level"))
		}
		opt.FullLevel = full
	}
	if ctx.IsSet("horizon") {
		horizon, err := config.ParseDuration(ctx.String("horizon"))
		if err != nil || horizon < 24*time.Hour || horizon > 10*365*24*time.Hour {
			return opt, usagef("write a duration from 1d to 10y, such as 180d", "--horizon %q is no horizon", ctx.String("horizon"))
		}
		opt.Horizon = horizon
	}
	return opt, nil
}

// mostSteps bounds what one series may print.
const mostSteps = 100_000

func (p *program) forecastFile(ctx *cli.Context, opt forecast.Options) error {
	for _, other := range []string{"host", "volume", "source", "by", "write"} {
		if ctx.IsSet(other) {
			return usagef("", "--%s goes with the history, not with --input", other)
		}
	}
	opt.Steps = ctx.Int("steps")
	if !ctx.IsSet("steps") || opt.Steps < 1 || opt.Steps > mostSteps {
		return usagef("it says how many steps to forecast", "--input needs --steps N, from 1 to %d", mostSteps)
	}
	if opt.FullLevel == 0 {
		opt.FullLevel = 1
	}
	file, err := p.readCSV(ctx.Context, ctx.String("input"))
	if err != nil {
		return err
	}
	var like *forecast.Growth
	if ctx.Bool("pool") {
		if like = planner.FileGrowth(file); like == nil {
			p.say("warning: %s: --pool changes nothing: it needs five series with a capacity and %d weeks of past", ctx.String("input"), forecast.LeastWeeksLent)
		}
	}
	var out writer
	switch ctx.String("format") {
	case "csv":
		out, err = report.NewPointsCSV(p.stdout)
	case "json":
		out = report.NewForecastsJSON(p.stdout)
	default:
		out = &tableWriter{p: p, write: report.Forecasts}
	}
	if err != nil {
		return err
	}
	t := &tally{what: "forecast", noun: "series", begun: p.now()}
	t.set(0, len(file.Series))
	return writeAll(out, counted(p, t, ctx.String("format") != "table", untilDone(ctx.Context, planner.FileOutlooks(file, opt, like))))
}

func (p *program) forecastHistory(ctx *cli.Context, cfg *config.Config, opt forecast.Options) error {
	if ctx.Bool("write") {
		if ctx.IsSet("format") || ctx.IsSet("by") {
			return usagef("run it once without --write to see the result", "--write prints no result, so --format and --by have no meaning")
		}
	}
	if ctx.IsSet("by") && ctx.String("format") != "table" {
		return usagef("leave one of them out", "--by adds groups up in a table; it has no meaning with --format %s", ctx.String("format"))
	}
	history, err := p.openSource(ctx, cfg)
	if err != nil {
		return err
	}
	defer history.Close()
	query := p.query(ctx, cfg, opt)
	t := &tally{what: "forecast", noun: "outlooks", begun: p.now()}
	outlooks := counted(p, t, ctx.String("format") != "table", planner.Planner{History: history}.Outlooks(ctx.Context, query))
	if ctx.Bool("write") {
		if err := p.checkKnown(ctx, history); err != nil {
			return err
		}
		if cfg.Influx == nil {
			return p.publishHere(ctx, cfg, outlooks)
		}
		return p.writeForecasts(ctx, cfg, history, outlooks)
	}
	var out writer
	switch format, by := ctx.String("format"), ctx.String("by"); {
	case format == "csv":
		out, err = report.NewVolumePointsCSV(p.stdout)
	case format == "json":
		out = report.NewForecastsJSON(p.stdout)
	case by != "":
		out = &groupWriter{p: p, tag: by}
	default:
		out = &tableWriter{p: p, write: report.Forecasts}
	}
	if err != nil {
		return err
	}
	return writeAll(out, outlooks)
}

// checkKnown refuses a --host and a --volume that the history does not know.
func (p *program) checkKnown(ctx *cli.Context, history planner.History) error {
	host, path := ctx.String("host"), ctx.String("volume")
	if host == "" && path == "" {
		return nil
	}
	known, err := planner.Planner{History: history}.Known(ctx.Context, p.now())
	if err != nil {
		return err
	}
	var hosts, paths []string
	for _, id := range known {
		hosts = append(hosts, id.Host)
		if host == "" || id.Host == host {
			paths = append(paths, id.Path)
		}
	}
	slices.Sort(hosts)
	slices.Sort(paths)
	hosts, paths = slices.Compact(hosts), slices.Compact(paths)
	switch {
	case host != "" && !slices.Contains(hosts, host):
		return usagef(nearest(host, hosts), "the history knows no host %q", host)
	case path != "" && !slices.Contains(paths, path) && host != "":
		return usagef(nearest(path, paths), "the history of host %q knows no volume %q", host, path)
	case path != "" && !slices.Contains(paths, path):
		return usagef(nearest(path, paths), "the history knows no volume %q", path)
	}
	return nil
}

// query is the planner's question for the flags and the configuration.
func (p *program) query(ctx *cli.Context, cfg *config.Config, opt forecast.Options) planner.Query {
	return planner.Query{
		Select:   volume.Selector{Host: ctx.String("host"), Path: ctx.String("volume")},
		Now:      p.now(),
		Options:  opt,
		PolicyOf: policyOf(cfg, opt.FullLevel),
	}
}

// writer takes outlooks one by one.
type writer interface {
	Add(planner.Outlook) error
	Close() error
}

func writeAll(out writer, outlooks iter.Seq2[planner.Outlook, error]) error {
	for o, err := range outlooks {
		if err != nil {
			return err
		}
		if err := out.Add(o); err != nil {
			return fmt.Errorf("write the result: %w", err)
		}
	}
	return out.Close()
}

// untilDone ends a sequence with ctx: what is computed from a file alone asks no context.
func untilDone[T any](ctx context.Context, all iter.Seq2[T, error]) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for v, err := range all {
			if err == nil {
				err = ctx.Err()
			}
			if !yield(v, err) || err != nil {
				return
			}
		}
	}
}

// tableWriter gathers outlooks for a table. It drops the points, which no table shows: a fleet's would not fit in memory.
type tableWriter struct {
	p     *program
	write func(w io.Writer, outlooks []planner.Outlook, width int, now time.Time) error
	all   []planner.Outlook
}

const noVolume = "no volume is known that --host and --volume choose"

func (t *tableWriter) Add(o planner.Outlook) error {
	o.Points = nil
	t.all = append(t.all, o)
	return nil
}

func (t *tableWriter) Close() error {
	if len(t.all) == 0 {
		t.p.say(noVolume)
		return nil
	}
	return t.write(t.p.stdout, t.all, t.p.columns(), t.p.now())
}

// groupWriter writes a table for each value of a tag, with the group's sum.
type groupWriter struct {
	p   *program
	tag string
	all []planner.Outlook
}

func (g *groupWriter) Add(o planner.Outlook) error {
	o.Points = nil
	g.all = append(g.all, o)
	return nil
}

func (g *groupWriter) Close() error {
	if len(g.all) == 0 {
		g.p.say(noVolume)
		return nil
	}
	for i, group := range planner.GroupBy(g.all, g.tag) {
		if i > 0 {
			fmt.Fprintln(g.p.stdout)
		}
		if err := report.Group(g.p.stdout, g.tag, group, g.p.columns(), g.p.now()); err != nil {
			return err
		}
	}
	return nil
}
