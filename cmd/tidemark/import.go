package main

import (
	"fmt"
	"math"

	"github.com/urfave/cli/v2"

	"github.com/tidemark/tidemark/internal/volume"
	"github.com/tidemark/tidemark/planner/csvinput"
)

func (p *program) importCommand() *cli.Command {
	return &cli.Command{
		Name:      "import",
		Usage:     "give volumes a past, from a CSV",
		UsageText: "tidemark import FILE.csv",
		Description: "Reads `series,time,used,capacity`: series is host:path, used and capacity are bytes, capacity is required.\n" +
			"The past goes to this host's own history, or to InfluxDB where that is configured (--source says so).\n" +
			"Importing a file again changes nothing.",
		ArgsUsage: "FILE.csv",
		Flags:     []cli.Flag{sourceFlag()},
		Action:    p.importCSV,
	}
}

func (p *program) importCSV(ctx *cli.Context) error {
	if ctx.NArg() != 1 {
		return usagef("tidemark import FILE.csv (- for standard input)", "import needs a file")
	}
	cfg, err := p.config(ctx)
	if err != nil {
		return err
	}
	name := ctx.Args().First()
	file, err := p.readCSV(ctx.Context, name)
	if err != nil {
		return err
	}
	series, err := toReadings(name, file)
	if err != nil {
		return err
	}
	target, err := p.openImport(ctx, cfg)
	if err != nil {
		return err
	}
	defer target.Close()
	n := 0
	for _, s := range series {
		if err := target.Import(ctx.Context, s.ID, s.Readings); err != nil {
			return fmt.Errorf("import %s: %w", s.ID, err)
		}
		n += len(s.Readings)
	}
	p.say("imported %s of %s into %s", counts(int(n), "reading"), counts(len(series), "volume"), target.Name())
	return nil
}

// importSeries is one volume's past.
type importSeries struct {
	volume.ID
	Readings []volume.Reading
}

// toReadings checks every series before anything is written.
func toReadings(name string, file *csvinput.File) ([]importSeries, error) {
	all := make([]importSeries, 0, len(file.Series))
	for _, s := range file.Series {
		bad := func(format string, args ...any) error {
			return usagef("nothing was imported; correct the file", "%s:%d: series %q: %s", name, s.FirstLine, s.Name, fmt.Sprintf(format, args...))
		}
		id, err := volume.ParseID(s.Name)
		if err != nil {
			return nil, bad("%v", err)
		}
		one := importSeries{ID: id}
		for _, o := range s.Observations() {
			switch {
			case math.IsNaN(o.Used):
				continue
			case math.IsNaN(o.Capacity):
				return nil, bad("no capacity at %s; import needs one in every row", o.Time.Format("2006-01-02"))
			case o.Used >= math.MaxInt64 || o.Capacity >= math.MaxInt64:
				return nil, bad("more than 8 EiB at %s; used and capacity are bytes", o.Time.Format("2006-01-02"))
			}
			used, capacity := int64(o.Used), int64(o.Capacity)
			one.Readings = append(one.Readings, volume.Reading{
				Time:  o.Time,
				Usage: volume.Usage{Total: capacity, Used: used, Free: max(capacity-used, 0)},
			})
		}
		all = append(all, one)
	}
	return all, nil
}
