package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/tidemark/tidemark/config"
	"github.com/tidemark/tidemark/internal/table"
	"github.com/tidemark/tidemark/tiering"
	"github.com/tidemark/tidemark/tiering/report"
)

func (p *program) policyCommand() *cli.Command {
	return &cli.Command{
		Name:  "policy",
		Usage: "what the policies would move, and moving it",
		Subcommands: []*cli.Command{
			{
				Name: "check", Usage: "say what would stop a run; changes nothing", ArgsUsage: "[NAME]", Action: p.policyCheck,
				UsageText: "tidemark policy check [NAME]",
			},
			{
				Name: "preview", Usage: "the plan that a run would execute now; changes nothing", ArgsUsage: "NAME", Action: p.policyPreview,
				UsageText: "tidemark policy preview [--output PLAN] [--format table|json|csv] [--limit-rows N] NAME",
				Flags: []cli.Flag{
					formatFlag(),
					&cli.StringFlag{Name: "output", Usage: "write the plan to a new `FILE`, for policy run --plan"},
					&cli.IntFlag{Name: "limit-rows", Usage: "show at most `N` files, 0 all", DefaultText: "30 in a table, else all"},
				},
			},
			{
				Name: "run", Usage: "archive and release what the policy says", ArgsUsage: "NAME", Action: p.policyRun,
				UsageText: "tidemark policy run [--plan PLAN] [--force] [--format table|json|csv] NAME",
				Description: "Honours the policy's start and window; --force ignores both. A policy without enforce: true only runs by a plan\n" +
					"that a preview wrote. Exit code 3: some files failed, or the stop mark was not reached.",
				Flags: []cli.Flag{
					formatFlag(),
					&cli.StringFlag{Name: "plan", Usage: "execute exactly the plan in this `FILE`"},
					&cli.BoolFlag{Name: "force", Usage: "run whatever start and window say"},
				},
			},
			{
				Name: "explain", Usage: "what the policies make of a file, clause by clause", ArgsUsage: "PATH", Action: p.policyExplain,
				UsageText: "tidemark policy explain PATH",
			},
		},
	}
}

// named is the one argument of a command, which it cannot do without.
func named(ctx *cli.Context, what string) (string, error) {
	if !ctx.Args().Present() || ctx.Args().First() == "" {
		return "", usagef("see "+ctx.Command.HelpName+" --help", "%s needs %s", strings.TrimPrefix(ctx.Command.HelpName, "tidemark "), what)
	}
	return ctx.Args().First(), nil
}

// called is the command as the audit log has it, such as "policy run cold-video".
func called(ctx *cli.Context) string {
	return strings.Join(append([]string{strings.TrimPrefix(ctx.Command.HelpName, "tidemark ")}, ctx.Args().Slice()...), " ")
}

func findPolicy(cfg *config.Config, name string) (config.Policy, error) {
	var names []string
	for _, p := range cfg.Policies {
		if p.Name == name {
			return p, nil
		}
		names = append(names, p.Name)
	}
	return config.Policy{}, unknownName("policy", "policies", name, names)
}

func findArchive(cfg *config.Config, name string) (config.Archive, error) {
	var names []string
	for _, a := range cfg.Archives {
		if a.Name == name {
			return a, nil
		}
		names = append(names, a.Name)
	}
	return config.Archive{}, unknownName("archive", "archives", name, names)
}

func unknownName(what, key, name string, known []string) error {
	hint := fmt.Sprintf("add it under %s: in the configuration", key)
	if near := config.Nearest(name, known); near != "" {
		hint = fmt.Sprintf("did you mean %q?", near)
	} else if len(known) > 0 {
		hint = "known: " + strings.Join(known, ", ")
	}
	return usagef(hint, "there is no %s %q", what, name)
}

// tellPending says that operations were interrupted, to the commands that leave them alone.
func (p *program) tellPending(ctx context.Context, t *tierer) error {
	pending, err := t.catalog.Pending(ctx)
	if err != nil {
		return err
	}
	switch len(pending) {
	case 0:
	case 1:
		p.say("1 operation is pending: run tidemark recover")
	default:
		p.say("%d operations are pending: run tidemark recover", len(pending))
	}
	return nil
}

// rowsShown is how many files of a plan a table shows.
const rowsShown = 30

func (p *program) policyPreview(ctx *cli.Context) error {
	cfg, of, err := p.policyNamed(ctx)
	if err != nil {
		return err
	}
	rows := ctx.Int("limit-rows")
	if rows < 0 {
		return usagef("0 shows all", "--limit-rows %d is less than none", rows)
	}
	if !ctx.IsSet("limit-rows") && ctx.String("format") == "table" {
		rows = rowsShown
	}
	t, err := p.openTiering(ctx.Context, cfg, called(ctx), toRead)
	if err != nil {
		return err
	}
	defer t.Close()
	if err := p.tellPending(ctx.Context, t); err != nil {
		return err
	}
	stop := p.showProgress(t.Engine)
	v, err := t.Preview(ctx.Context, of.Name)
	stop()
	if err != nil {
		return err
	}
	p.tellUnreadable(v)
	plan := &v.Plan
	if plan.Insufficient {
		p.say("%s", report.Insufficient(plan))
	}
	if file := ctx.String("output"); ctx.IsSet("output") {
		if err := writePlan(file, plan); err != nil {
			return err
		}
		defer p.say("the plan is in %s; run exactly it: tidemark policy run --plan %s %s", file, file, of.Name)
	}
	switch ctx.String("format") {
	case "json":
		return report.PlanJSON(p.stdout, v, rows)
	case "csv":
		return report.PlanCSV(p.stdout, plan, rows)
	}
	return report.Plan(p.stdout, v, rows)
}

// unreadableShown is how much of what could not be read people are told of.
const unreadableShown = 5

// tellUnreadable says what a scan could not read, and so cannot be moved.
func (p *program) tellUnreadable(v *tiering.Preview) {
	for _, t := range v.Unreadable[:min(len(v.Unreadable), unreadableShown)] {
		p.say("warning: not read: %s: %s", table.Printable(t.Path), table.Printable(t.Reason))
	}
	if n := v.Scan.Errors - unreadableShown; n > 0 {
		p.say("warning: and %d more were not read", n)
	}
}

// policyNamed reads what policy commands share.
func (p *program) policyNamed(ctx *cli.Context) (*config.Config, config.Policy, error) {
	cfg, err := p.config(ctx)
	if err != nil {
		return nil, config.Policy{}, err
	}
	name, err := named(ctx, "the name of a policy")
	if err != nil {
		return nil, config.Policy{}, err
	}
	if err := checkFormat(ctx); err != nil {
		return nil, config.Policy{}, err
	}
	of, err := findPolicy(cfg, name)
	return cfg, of, err
}

func (p *program) policyRun(ctx *cli.Context) error {
	cfg, of, err := p.policyNamed(ctx)
	if err != nil {
		return err
	}
	opt := tiering.RunOptions{Force: ctx.Bool("force")}
	if ctx.IsSet("plan") {
		if opt.Plan, err = readPlan(ctx.Context, ctx.String("plan")); err != nil {
			return err
		}
	} else if !of.Enforce {
		return usagef(fmt.Sprintf("tidemark policy preview --output PLAN %s, then policy run --plan PLAN %s; or set enforce: true", of.Name, of.Name),
			"policy %s only previews: it has no enforce: true", of.Name)
	}
	t, err := p.openTiering(ctx.Context, cfg, called(ctx), toWrite)
	if err != nil {
		return err
	}
	defer t.Close()
	stop := p.showProgress(t.Engine)
	r, err := t.Run(ctx.Context, of.Name, opt)
	stop()
	return p.ranPolicy(ctx, r, err)
}

// ranPolicy tells what came of a run, and how that ends.
func (p *program) ranPolicy(ctx *cli.Context, r tiering.Report, err error) error {
	p.tellRecovered(r.Recovered)
	if err != nil && r.Run == 0 {
		return err
	}
	if werr := p.writeRun(ctx.String("format"), r); werr != nil {
		return werr
	}
	if r.Insufficient {
		p.say("%s", report.Insufficient(&r.Plan))
	}
	moved := r.FilesArchived + r.FilesReleased
	if stopped(ctx.Context, err) {
		p.say("stopped: %s archived and %s released until then; nothing is half done", report.Count(r.FilesArchived, "file"), report.Count(r.FilesReleased, "file"))
		return endedEarly(moved)
	}
	if err != nil {
		return inPart(err, moved)
	}
	if len(r.Failed) > 0 || r.Insufficient {
		return exitStatus(exitPart)
	}
	return nil
}

func (p *program) writeRun(format string, r tiering.Report) error {
	switch format {
	case "json":
		return report.RunJSON(p.stdout, r)
	case "csv":
		return report.RunCSV(p.stdout, r)
	}
	return report.Run(p.stdout, r)
}

// stopped says that work ended because it was told to.
func stopped(ctx context.Context, err error) bool {
	return ctx.Err() != nil && errors.Is(err, context.Canceled)
}

// endedEarly is how a command ends that was stopped after so many files.
func endedEarly(done int64) error {
	if done > 0 {
		return exitStatus(exitPart)
	}
	return exitStatus(exitFailed)
}

// inPart is an error that came after some files were done: a refusal of the rest would say that nothing was touched.
func inPart(err error, done int64) error {
	if done == 0 {
		return err
	}
	return &fault{err, hintOf(err), exitPart}
}

func (p *program) policyExplain(ctx *cli.Context) error {
	cfg, err := p.config(ctx)
	if err != nil {
		return err
	}
	name, err := named(ctx, "a path")
	if err != nil {
		return err
	}
	path, err := absolute(name)
	if err != nil {
		return err
	}
	t, err := p.openTiering(ctx.Context, cfg, called(ctx), toRead)
	if err != nil {
		return err
	}
	defer t.Close()
	if err := p.tellPending(ctx.Context, t); err != nil {
		return err
	}
	all, err := t.Explain(ctx.Context, path)
	if err != nil {
		return err
	}
	return report.Explain(p.stdout, path, all)
}

func (p *program) policyCheck(ctx *cli.Context) error {
	cfg, err := p.config(ctx)
	if err != nil {
		return err
	}
	policies := cfg.Policies
	if name := ctx.Args().First(); name != "" {
		of, err := findPolicy(cfg, name)
		if err != nil {
			return err
		}
		policies = []config.Policy{of}
	}
	if len(policies) == 0 {
		return usagef("add one under policies: in the configuration", "there is no policy to check")
	}
	t, err := p.openTiering(ctx.Context, cfg, called(ctx), toRead)
	if err != nil {
		return err
	}
	defer t.Close()
	if err := p.tellPending(ctx.Context, t); err != nil {
		return err
	}
	wrong := false
	for _, of := range policies {
		findings, err := t.Check(ctx.Context, of.Name)
		if err != nil {
			return err
		}
		findings = append(p.configured(t, of), findings...)
		if err := report.Findings(p.stdout, of.Name, findings, of.Enforce); err != nil {
			return err
		}
		for _, f := range findings {
			wrong = wrong || f.Err != nil
		}
	}
	if wrong {
		return exitStatus(exitUsage)
	}
	return nil
}

// configured is what of a policy was found right when the configuration was loaded, and when it runs.
func (p *program) configured(t *tierer, of config.Policy) []tiering.Finding {
	all := []tiering.Finding{{What: "its rule is " + of.Where.Value}}
	policy, err := t.Policy(of.Name)
	if err != nil || policy.Schedule == nil {
		return append(all, tiering.Finding{What: "it has no schedule: it runs when it is told to"})
	}
	next := policy.Schedule.Next(p.now()).In(t.cfg.Timezone)
	all = append(all, tiering.Finding{What: fmt.Sprintf("its schedule is %s, next at %s", policy.Schedule, next.Format(time.RFC3339))})
	if policy.Window != nil && !policy.Window.Open(next) {
		all = append(all, tiering.Finding{What: "its schedule agrees with its window", Err: &tiering.Refusal{
			Why:  fmt.Sprintf("the next run at %s is outside its window %s", next.Format(time.RFC3339), policy.Window),
			Hint: "change schedule or limit.window, so that they meet",
		}})
	}
	return all
}
