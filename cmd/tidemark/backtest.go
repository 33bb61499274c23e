package main

import (
	"fmt"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/tidemark/tidemark/config"
	"github.com/tidemark/tidemark/internal/table"
	"github.com/tidemark/tidemark/internal/volume"
	"github.com/tidemark/tidemark/planner"
	"github.com/tidemark/tidemark/planner/backtest"
	"github.com/tidemark/tidemark/planner/report"
)

func (p *program) backtestCommand() *cli.Command {
	return &cli.Command{
		Name:  "backtest",
		Usage: "how wrong past forecasts would have been",
		UsageText: "tidemark backtest [--host H] [--volume PATH] [--by TAG] [--horizon-days 7,30,90] [--origins N] [--format json]\n" +
			"tidemark backtest --input FILE.csv [--horizon-days 7,30,90] [--origins N]",
		Description: "Forecasts from moments of the past, each of which knows only what was before it, and compares with what came:\n" +
			"the forecast beside \"no change\" and a straight line, the alarms \"full within 30 days\" and \"a quarter of the free\n" +
			"space goes within 30 days\", and the dates of volumes that filled. docs/forecasting.md defines each number.",
		Flags: []cli.Flag{
			formatFlag(),
			&cli.StringFlag{Name: "input", Usage: "judge the series of a CSV `FILE` (- for standard input)"},
			&cli.StringFlag{Name: "horizon-days", Value: "7,30,90", Usage: "how many `DAYS` ahead, one or more"},
			&cli.IntFlag{Name: "origins", Value: 18, Usage: "judge at most `N` moments of each series, ten days apart, the newest"},
			&cli.StringFlag{Name: "level", Value: "95", Usage: "share of outcomes the interval is to hold, in `PERCENT`"},
			&cli.StringFlag{Name: "full-level", Usage: "share of the capacity that counts as full, in `PERCENT` (default: from the configuration; 100% with --input)"},
			&cli.StringFlag{Name: "resource", Value: "space", Usage: "judge this `RESOURCE`: space or inodes"},
			hostFlag(), volumeFlag(), sourceFlag(),
			&cli.StringFlag{Name: "by", Usage: "a table for each value of this `TAG`"},
		},
		Action: p.backtest,
	}
}

const (
	mostOrigins     = 1000
	mostHorizonDays = 3650
	mostHorizons    = 10
)

func (p *program) backtest(ctx *cli.Context) error {
	cfg, err := p.config(ctx)
	if err != nil {
		return err
	}
	opt, err := backtestOptions(ctx, cfg)
	if err != nil {
		return err
	}
	ask := backtestQuestion{p: p, ctx: ctx, cfg: cfg, level: opt.Forecast.Level}
	if ctx.IsSet("input") {
		ask.noun = "series"
		return ask.file(opt)
	}
	ask.noun = "volume"
	return ask.history(opt)
}

func backtestOptions(ctx *cli.Context, cfg *config.Config) (backtest.Options, error) {
	var opt backtest.Options
	if err := checkFormat(ctx); err != nil {
		return opt, err
	}
	if ctx.IsSet("by") && ctx.String("format") != "table" {
		return opt, usagef("leave one of them out", "--by makes a table of each group; it has no meaning with --format %s", ctx.String("format"))
	}
	if r := ctx.String("resource"); r != string(volume.Space) && r != string(volume.Inodes) {
		return opt, usagef("write space or inodes", "--resource %q is unknown", r)
	}
	if opt.Origins = ctx.Int("origins"); opt.Origins < 1 || opt.Origins > mostOrigins {
		return opt, usagef("", "--origins %d is not within 1 to %d", opt.Origins, mostOrigins)
	}
	var err error
	if opt.Horizons, err = horizonDays(ctx.String("horizon-days")); err != nil {
		return opt, err
	}
	opt.Forecast, err = forecastOptions(ctx, cfg)
	return opt, err
}

// horizonDays reads days, in any order.
func horizonDays(text string) ([]int, error) {
	bad := func() ([]int, error) {
		return nil, usagef("write up to ten numbers of days from 1 to 3650, such as 7,30,90", "--horizon-days %q is no list of days", text)
	}
	var days []int
	for part := range strings.SplitSeq(text, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(part))
		if err != nil || n < 1 || n > mostHorizonDays {
			return bad()
		}
		days = append(days, n)
	}
	slices.Sort(days)
	if days = slices.Compact(days); len(days) > mostHorizons {
		return bad()
	}
	return days, nil
}

// backtestQuestion is one call of the command.
type backtestQuestion struct {
	p     *program
	ctx   *cli.Context
	cfg   *config.Config
	level float64
	noun  string // of what is judged
	total int    // how many there are; 0: not known
}

func (q backtestQuestion) file(opt backtest.Options) error {
	for _, other := range []string{"host", "volume", "source", "by", "resource"} {
		if q.ctx.IsSet(other) {
			return usagef("", "--%s goes with the history, not with --input", other)
		}
	}
	full := opt.Forecast.FullLevel
	if full == 0 {
		full = 1
	}
	file, err := q.p.readCSV(q.ctx.Context, q.ctx.String("input"))
	if err != nil {
		return err
	}
	q.total = len(file.Series)
	return q.answer(planner.FilePasts(file, full), opt)
}

func (q backtestQuestion) history(opt backtest.Options) error {
	history, err := q.p.openSource(q.ctx, q.cfg)
	if err != nil {
		return err
	}
	defer history.Close()
	all := planner.Planner{History: history}.Pasts(q.ctx.Context, q.p.query(q.ctx, q.cfg, opt.Forecast))
	resource := volume.Resource(q.ctx.String("resource"))
	return q.answer(func(yield func(planner.Past, error) bool) {
		for past, err := range all {
			if (err != nil || past.Resource == resource) && !yield(past, err) {
				return
			}
		}
	}, opt)
}

// scoreWriter takes scores one by one.
type scoreWriter interface {
	Add(backtest.Score) error
	Close() error
}

func (q backtestQuestion) answer(pasts iter.Seq2[planner.Past, error], opt backtest.Options) error {
	var out scoreWriter
	var err error
	switch q.ctx.String("format") {
	case "json":
		out = report.NewBacktestsJSON(q.p.stdout)
	case "csv":
		out, err = report.NewBacktestsCSV(q.p.stdout)
	default:
		out = &scoreTable{q: q}
	}
	if err != nil {
		return err
	}
	t := &tally{what: "backtest", noun: plural(q.noun), begun: q.p.now()}
	t.set(0, q.total)
	_, gathers := out.(*scoreTable)
	seen, scored, short, err := q.write(out, counted(q.p, t, !gathers, backtest.Run(q.ctx.Context, pasts, opt)))
	switch {
	case err != nil:
		return err
	case seen == 0:
		q.p.say(noVolume)
	case scored == 0:
		return failf("give it more of its past: tidemark import", "nothing can be judged: %s: %s", table.Printable(short.Series), short.TooShort)
	}
	return nil
}

// write writes scores as they come.
func (q backtestQuestion) write(out scoreWriter, scores iter.Seq2[backtest.Score, error]) (seen, scored int, short backtest.Score, err error) {
	for s, err := range scores {
		if err != nil {
			return seen, scored, short, err
		}
		seen++
		if s.Origins > 0 {
			scored++
		} else if short.TooShort == nil {
			short = s
		}
		if err := out.Add(s); err != nil {
			return seen, scored, short, fmt.Errorf("write the result: %w", err)
		}
	}
	return seen, scored, short, out.Close()
}

func plural(noun string) string {
	if strings.HasSuffix(noun, "s") {
		return noun
	}
	return noun + "s"
}

// scoreTable gathers scores for tables.
type scoreTable struct {
	q   backtestQuestion
	all []backtest.Score
}

func (t *scoreTable) Add(s backtest.Score) error {
	t.all = append(t.all, s)
	return nil
}

func (t *scoreTable) Close() error {
	if !slices.ContainsFunc(t.all, func(s backtest.Score) bool { return s.Origins > 0 }) {
		return nil // an error says why
	}
	of := func(scores []backtest.Score) report.Backtests {
		return report.Backtests{Scores: scores, Level: t.q.level, Noun: t.q.noun}
	}
	p, tag := t.q.p, t.q.ctx.String("by")
	if tag == "" {
		return of(t.all).Write(p.stdout, p.columns())
	}
	groups := map[string][]backtest.Score{}
	for _, s := range t.all {
		value := planner.TagValue(s.Sample, tag)
		groups[value] = append(groups[value], s)
	}
	for i, value := range slices.Sorted(maps.Keys(groups)) {
		if i > 0 {
			fmt.Fprintln(p.stdout)
		}
		if err := report.BacktestGroup(p.stdout, tag, value, of(groups[value]), p.columns()); err != nil {
			return err
		}
	}
	return nil
}
