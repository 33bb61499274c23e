package main

import (
	"fmt"
	"slices"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/tidemark/tidemark/internal/table"
	"github.com/tidemark/tidemark/planner"
	"github.com/tidemark/tidemark/planner/forecast"
	"github.com/tidemark/tidemark/planner/report"
)

func formatFlag() cli.Flag {
	return &cli.StringFlag{Name: "format", Value: "table", Usage: "write the result as `FORMAT`: table, json or csv"}
}

func hostFlag() cli.Flag {
	return &cli.StringFlag{Name: "host", Usage: "only the volumes of this `HOST`"}
}

func volumeFlag() cli.Flag {
	return &cli.StringFlag{Name: "volume", Usage: "only the volume mounted at this `PATH`"}
}

func sourceFlag() cli.Flag {
	return &cli.StringFlag{Name: "source", Usage: "read the history from `SOURCE`: local or influx (default: influx where it is configured)"}
}

// checkFormat refuses an unknown --format.
func checkFormat(ctx *cli.Context) error {
	switch ctx.String("format") {
	case "table", "json", "csv":
		return nil
	}
	return usagef("write table, json or csv", "--format %q is unknown", ctx.String("format"))
}

func (p *program) volumesCommand() *cli.Command {
	return &cli.Command{
		Name:      "volumes",
		Usage:     "how full every known volume is now, with its outlook",
		UsageText: "tidemark volumes [--host H] [--volume PATH] [--format json]\ntidemark volumes --check [--warning 30d] [--critical 7d]",
		Description: "Without any history it reads this host's volumes once. With --check it answers as a Nagios plugin:\n" +
			"one line, performance data, exit code 0 (ok), 1 (warning), 2 (critical) or 3 (unknown).",
		Flags: []cli.Flag{
			formatFlag(), hostFlag(), volumeFlag(), sourceFlag(),
			&cli.BoolFlag{Name: "check", Usage: "answer as a Nagios plugin"},
			&cli.StringFlag{Name: "warning", Value: "30d", Usage: "with --check: warn when a volume is likely full within this `DURATION`"},
			&cli.StringFlag{Name: "critical", Value: "7d", Usage: "with --check: critical when a volume is likely full within this `DURATION`"},
		},
		Action: p.volumes,
	}
}

func (p *program) volumes(ctx *cli.Context) error {
	if ctx.Bool("check") {
		return p.checkVolumes(ctx)
	}
	if ctx.IsSet("warning") || ctx.IsSet("critical") {
		return usagef("", "--warning and --critical go with --check")
	}
	if err := checkFormat(ctx); err != nil {
		return err
	}
	outlooks, err := p.volumeOutlooks(ctx)
	if err != nil {
		return err
	}
	var out writer
	switch ctx.String("format") {
	case "csv":
		out, err = report.NewVolumesCSV(p.stdout)
	case "json":
		out = report.NewVolumesJSON(p.stdout)
	default:
		out = &tableWriter{p: p, write: report.Volumes}
	}
	if err != nil {
		return err
	}
	for _, o := range outlooks {
		if err := out.Add(o); err != nil {
			return fmt.Errorf("write the result: %w", err)
		}
	}
	return out.Close()
}

// volumeOutlooks are the outlooks of the volumes that the flags choose.
func (p *program) volumeOutlooks(ctx *cli.Context) ([]planner.Outlook, error) {
	cfg, err := p.config(ctx)
	if err != nil {
		return nil, err
	}
	history, err := p.openSourceOrHost(ctx, cfg)
	if err != nil {
		return nil, err
	}
	defer history.Close()
	return p.outlooks(ctx.Context, planner.Planner{History: history}, p.query(ctx, cfg, forecast.Options{Horizon: cfg.Planner.Horizon}))
}

// checkVolumes is the Nagios plugin. Its exit codes are Nagios' own, and whatever keeps it from an answer is "unknown".
func (p *program) checkVolumes(ctx *cli.Context) error {
	if ctx.IsSet("format") {
		return p.unknown(fmt.Errorf("--check has a format of its own; leave --format out"))
	}
	var limits report.CheckLimits
	for flag, limit := range map[string]*time.Duration{"warning": &limits.Warning, "critical": &limits.Critical} {
		d, err := parseDuration(ctx, flag)
		if err != nil {
			return p.unknown(err)
		}
		*limit = d
	}
	if limits.Warning < limits.Critical {
		return p.unknown(fmt.Errorf("--warning %s is shorter than --critical %s: it would never warn", ctx.String("warning"), ctx.String("critical")))
	}
	outlooks, err := p.volumeOutlooks(ctx)
	if err != nil {
		return p.unknown(err)
	}
	result := report.Check(outlooks, limits, p.now())
	if _, err := fmt.Fprint(p.stdout, result.Text); err != nil {
		return err
	}
	return exitStatus(result.Status)
}

// asPlugin says whether a call that was not understood meant the Nagios plugin.
func asPlugin(args []string) bool {
	return slices.Contains(args, "volumes") && (slices.Contains(args, "--check") || slices.Contains(args, "-check"))
}

func (p *program) unknown(err error) error {
	fmt.Fprintf(p.stdout, "TIDEMARK UNKNOWN - %s\n", table.Printable(err.Error()))
	return exitStatus(report.Unknown)
}
