package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/tidemark/tidemark/config"
	"github.com/tidemark/tidemark/planner"
	"github.com/tidemark/tidemark/planner/report"
)

func (p *program) planCommand() *cli.Command {
	return &cli.Command{
		Name:  "plan",
		Usage: "what to buy by when; what-if",
		UsageText: "tidemark plan [--by TAG] [--add 20TiB@2027-03-01] [--growth +30%] [--policy NAME] [--format html]\n" +
			"tidemark plan --input FILE.csv [--lead-time 45d] [--full-level 100%] [--add …] [--growth …]",
		Description: "The order date is the early date (1 future in 10 is full by then) less the lead time; what to buy is enough for fewer\n" +
			"than 1 future in 10 to be full within the horizon. Volumes of a group are simulated together. Each what-if stands as a row of its\n" +
			"own beside \"as it is\"; of several kinds there is also one with all together. --format html is one file that needs no network.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "format", Value: "table", Usage: "write the result as `FORMAT`: table, json, csv or html"},
			&cli.StringSliceFlag{Name: "add", Usage: "what if this were added: `SIZE@DATE` to every row, [HOST:PATH=]SIZE@DATE to one volume; may be repeated"},
			&cli.StringFlag{Name: "growth", Usage: "what if growth were other by `PERCENT`, such as +30% or -10%"},
			&cli.StringFlag{Name: "policy", Usage: "what if the policy `NAME` moved all that it may"},
			&cli.StringFlag{Name: "by", Usage: "a row for each value of this `TAG` (or host, path, device, fstype)"},
			&cli.StringFlag{Name: "lead-time", Usage: "from order to installed, a `DURATION` such as 45d (default: from the configuration)"},
			&cli.StringFlag{Name: "horizon", Usage: "how far ahead, a `DURATION` such as 365d (default: from the configuration)"},
			&cli.StringFlag{Name: "full-level", Usage: "share of the capacity that counts as full, in `PERCENT` (default: from the configuration; 100% with --input)"},
			&cli.StringFlag{Name: "input", Usage: "plan for the series of a CSV `FILE` (- for standard input)"},
			hostFlag(), volumeFlag(), sourceFlag(),
		},
		Action: p.plan,
	}
}

func (p *program) plan(ctx *cli.Context) error {
	cfg, err := p.config(ctx)
	if err != nil {
		return err
	}
	write, ok := planFormats[ctx.String("format")]
	if !ok {
		return usagef("write table, json, csv or html", "--format %q is unknown", ctx.String("format"))
	}
	q, err := planQuery(ctx, cfg)
	if err != nil {
		return err
	}
	q.Curves = ctx.String("format") == "html"
	d := report.Plan{LeadTime: q.LeadTime, Horizon: q.Options.Horizon}
	if ctx.IsSet("input") {
		err = p.planFile(ctx, q, &d)
	} else {
		err = p.planHistory(ctx, cfg, q, &d)
	}
	if err != nil {
		return planFault(err)
	}
	if len(d.Plans) == 0 {
		p.say(noVolume)
		if ctx.String("format") == "table" {
			return nil
		}
	}
	if err := write(p, d); err != nil {
		return fmt.Errorf("write the result: %w", err)
	}
	return nil
}

var planFormats = map[string]func(*program, report.Plan) error{
	"table": func(p *program, d report.Plan) error { return report.PlanTable(p.stdout, d, p.columns()) },
	"json":  func(p *program, d report.Plan) error { return report.PlanJSON(p.stdout, d) },
	"csv":   func(p *program, d report.Plan) error { return report.PlanCSV(p.stdout, d) },
	"html":  func(p *program, d report.Plan) error { return report.PlanHTML(p.stdout, d) },
}

// planFile plans for a CSV. Now is its newest time.
func (p *program) planFile(ctx *cli.Context, q planner.PlanQuery, d *report.Plan) error {
	for _, other := range []string{"host", "volume", "source", "by", "policy"} {
		if ctx.IsSet(other) {
			return usagef("", "--%s goes with the history, not with --input", other)
		}
	}
	file, err := p.readCSV(ctx.Context, ctx.String("input"))
	if err != nil {
		return err
	}
	q.Now = planner.Newest(file)
	if err := checkPlan(q, ctx); err != nil {
		return err
	}
	d.Now, d.Source = q.Now, inputName(ctx.String("input"))
	stop := p.planProgress(&q, "series")
	defer stop()
	d.Plans, err = planner.FilePlans(ctx.Context, file, q)
	return err
}

func (p *program) planHistory(ctx *cli.Context, cfg *config.Config, q planner.PlanQuery, d *report.Plan) error {
	q.Query, q.By = p.query(ctx, cfg, q.Options), ctx.String("by")
	if ctx.IsSet("by") && q.By == "" {
		return usagef("write a tag, or host", "--by needs a tag")
	}
	if err := checkPlan(q, ctx); err != nil {
		return err
	}
	history, err := p.openSource(ctx, cfg)
	if err != nil {
		return err
	}
	defer history.Close()
	if ctx.IsSet("policy") {
		if d.Moves, err = p.policyMoves(ctx, cfg, history); err != nil {
			return err
		}
		if q.Scenarios, err = scenarios(ctx, d.Moves); err != nil {
			return err
		}
	}
	d.Now, d.Source = q.Now, "the history of host "+cfg.Host
	if history.client != nil {
		d.Source = "bucket " + cfg.Influx.Bucket
	}
	stop := p.planProgress(&q, "volumes")
	defer stop()
	d.Plans, err = planner.Planner{History: history}.Plans(ctx.Context, q)
	return err
}

// planProgress shows how far a plan has come, until the function it returns is called.
func (p *program) planProgress(q *planner.PlanQuery, noun string) (stop func()) {
	t := &tally{what: "plan", noun: noun, begun: p.now()}
	q.Progress = t.set
	return p.showTally(t)
}

// planQuery reads the flags that both kinds of input share.
func planQuery(ctx *cli.Context, cfg *config.Config) (planner.PlanQuery, error) {
	q := planner.PlanQuery{LeadTime: cfg.Planner.LeadTime}
	var err error
	if q.Options, err = horizonOptions(ctx, cfg); err != nil {
		return q, err
	}
	if ctx.IsSet("lead-time") {
		q.LeadTime, err = config.ParseDuration(ctx.String("lead-time"))
		if err != nil || q.LeadTime > 10*365*24*time.Hour {
			return q, usagef("write a duration above zero and up to 10y, such as 45d", "--lead-time %q is no lead time", ctx.String("lead-time"))
		}
	}
	q.Scenarios, err = scenarios(ctx, nil)
	return q, err
}

// checkPlan says what is wrong with a query before anything is read.
func checkPlan(q planner.PlanQuery, ctx *cli.Context) error {
	err := q.Check()
	if err == nil {
		return nil
	}
	hint := ""
	switch {
	case q.LeadTime >= q.Options.Horizon:
		hint = "give a longer --horizon, or a shorter --lead-time"
	case ctx.IsSet("add"):
		hint = "see tidemark plan --help"
	}
	return usagef(hint, "%w", err)
}

// planFault makes what only the history could tell a fault of the usage.
func planFault(err error) error {
	var tag *planner.UnknownTagError
	var name *planner.UnknownVolumeError
	switch {
	case errors.As(err, &tag):
		return usagef(nearest(tag.Tag, tag.Known), "--by: %w", err)
	case errors.As(err, &name):
		return usagef(nearest(name.Name, name.Known), "%w", err)
	}
	return err
}

// mostKnown is how many names a hint lists.
const mostKnown = 8

func nearest(name string, known []string) string {
	if near := config.Nearest(name, known); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	if len(known) == 0 {
		return ""
	}
	text := "known: " + strings.Join(known[:min(len(known), mostKnown)], ", ")
	if more := len(known) - mostKnown; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// scenarios are what the flags ask: one for each kind, and one with all of them where there are several.
func scenarios(ctx *cli.Context, moves []planner.Move) ([]planner.Scenario, error) {
	var all []planner.Scenario
	together := planner.Scenario{Name: "all together"}
	if texts := ctx.StringSlice("add"); len(texts) > 0 {
		s := planner.Scenario{Name: strings.Join(texts, ", ")}
		for _, text := range texts {
			a, err := parseAddition(text)
			if err != nil {
				return nil, err
			}
			s.Adds = append(s.Adds, a)
		}
		together.Adds = s.Adds
		all = append(all, s)
	}
	if ctx.IsSet("growth") {
		growth, err := parseGrowth(ctx.String("growth"))
		if err != nil {
			return nil, err
		}
		together.Growth = growth
		all = append(all, planner.Scenario{Name: "growth " + growthText(growth), Growth: growth})
	}
	if len(moves) > 0 {
		together.Moves = moves
		all = append(all, planner.Scenario{Name: "policy " + moves[0].Policy, Moves: moves})
	}
	if len(all) > 1 {
		all = append(all, together)
	}
	return all, nil
}

// parseAddition reads [HOST:PATH=]SIZE@DATE. What is before the last = is the name, which may hold any character.
func parseAddition(text string) (planner.Addition, error) {
	var a planner.Addition
	bad := func(format string, args ...any) (planner.Addition, error) {
		return planner.Addition{}, usagef("write such as --add 20TiB@2027-03-01 or --add host:path=20TiB@2027-03-01", "--add %q: %s", text, fmt.Sprintf(format, args...))
	}
	rest := text
	if i := strings.LastIndexByte(text, '='); i >= 0 {
		a.Series, rest = text[:i], text[i+1:]
		if a.Series == "" {
			return bad("names no volume before =")
		}
	}
	size, day, found := strings.Cut(rest, "@")
	if !found {
		return bad("says no date")
	}
	n, err := config.ParseSize(size)
	if err != nil {
		return bad("%v", err)
	}
	if n == 0 {
		return bad("adds nothing")
	}
	if a.At, err = time.Parse(time.DateOnly, day); err != nil {
		return bad("%q is no date", day)
	}
	a.Amount = float64(n)
	return a, nil
}

// parseGrowth reads a change in percent: +30%, -10 or 0%.
func parseGrowth(text string) (float64, error) {
	v, err := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(text, "%")), 64)
	switch {
	case err != nil || v != v:
		return 0, usagef("write a change in percent, such as +30% or -10%", "--growth %q is no percentage", text)
	case v < -100:
		return 0, usagef("-100% is no growth at all", "--growth %q is below -100%%: growth cannot become less than none", text)
	case v > 10_000:
		return 0, usagef("write a change in percent, such as +30%", "--growth %q is more than a hundredfold", text)
	}
	return v / 100, nil
}

func growthText(growth float64) string {
	return fmt.Sprintf("%s%%", strings.TrimSuffix(fmt.Sprintf("%+.1f", growth*100), ".0"))
}
