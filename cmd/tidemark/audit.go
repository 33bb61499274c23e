package main

import (
	"time"

	"github.com/urfave/cli/v2"

	"github.com/tidemark/tidemark/config"
	"github.com/tidemark/tidemark/tiering/catalog"
	"github.com/tidemark/tidemark/tiering/policy"
	"github.com/tidemark/tidemark/tiering/report"
)

func (p *program) auditCommand() *cli.Command {
	return &cli.Command{
		Name:      "audit",
		Usage:     "who did what, and proof that nobody edited it",
		UsageText: "tidemark audit [--since 30d] [--action ACTION] [--path PATH] [--limit N] [--format table|json|csv]\ntidemark audit verify [--head SEQ:HASH]",
		Flags: []cli.Flag{
			formatFlag(),
			&cli.StringFlag{Name: "since", Usage: "only what was done since a `TIME`: 30d ago, 2026-05-01, or 2026-05-01T12:00:00Z"},
			&cli.StringFlag{Name: "action", Usage: "only one `ACTION`: archive, release, recall, mend, restore, hold, unhold, verify, bad, rebuild or init"},
			&cli.StringFlag{Name: "path", Usage: "only a file, a directory and all below it, or a glob: `PATH`"},
			&cli.IntFlag{Name: "limit", Usage: "only the newest `N` records, 0 all", DefaultText: "100 in a table, else all"},
		},
		Action: p.audit,
		Subcommands: []*cli.Command{
			{
				Name: "verify", Usage: "read the whole log and say whether it is what was written; prints its head", Action: p.auditVerify,
				UsageText: "tidemark audit verify [--head SEQ:HASH] [--format table|json]",
				Description: "Write the head down where nobody who could change the log can reach it. With --head it is also seen that the log was cut off\n" +
					"or written anew since. Exit code 1: it is not what was written.",
				Flags: []cli.Flag{jsonFlag(), &cli.StringFlag{Name: "head", Usage: "a head that was written down before, `SEQ:HASH`"}},
			},
		},
	}
}

// recordsShown is how many records of the audit log a table shows.
const recordsShown = 100

func (p *program) audit(ctx *cli.Context) error {
	cfg, err := p.config(ctx)
	if err != nil {
		return err
	}
	if err := checkFormat(ctx); err != nil {
		return err
	}
	filter, err := p.auditFilter(ctx)
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
	out, err := p.auditWriter(ctx.String("format"))
	if err != nil {
		return err
	}
	n := 0
	for r, err := range t.catalog.Audit(ctx.Context, filter) {
		if err != nil {
			return err
		}
		n++
		if err := out.Add(r); err != nil {
			return err
		}
	}
	switch {
	case n == 0:
		p.say("no record of the audit log is like that")
	case n == filter.Limit && !ctx.IsSet("limit"):
		p.say("these are the newest %d; --limit 0 shows all", n)
	}
	return out.Close()
}

func (p *program) auditWriter(format string) (*report.Audit, error) {
	switch format {
	case "json":
		return report.NewAuditJSON(p.stdout)
	case "csv":
		return report.NewAuditCSV(p.stdout)
	}
	return report.NewAudit(p.stdout), nil
}

func (p *program) auditFilter(ctx *cli.Context) (f catalog.AuditFilter, err error) {
	f.Action = ctx.String("action")
	f.Limit = ctx.Int("limit")
	if f.Limit < 0 {
		return f, usagef("0 shows all", "--limit %d is less than none", f.Limit)
	}
	if !ctx.IsSet("limit") && ctx.String("format") == "table" {
		f.Limit = recordsShown
	}
	if ctx.IsSet("since") {
		if f.Since, err = parseSince(ctx.String("since"), p.now()); err != nil {
			return f, err
		}
	}
	if !ctx.IsSet("path") {
		return f, nil
	}
	path, err := absolute(ctx.String("path"))
	if err != nil {
		return f, err
	}
	if !isGlob(path) {
		f.Prefix = path
		return f, nil
	}
	if _, err := policy.CompileGlob(path); err != nil {
		return f, usagef("** crosses directories, * does not", "--path %q is no glob: %w", ctx.String("path"), err)
	}
	f.Glob = path
	return f, nil
}

// parseSince reads a duration back from now, a day (UTC) or a time.
func parseSince(text string, now time.Time) (time.Time, error) {
	if d, err := config.ParseDuration(text); err == nil {
		return now.Add(-d), nil
	}
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	return time.Time{}, usagef("write 30d, 2026-05-01, or 2026-05-01T12:00:00Z", "--since %q is no time", text)
}

func (p *program) auditVerify(ctx *cli.Context) error {
	cfg, err := p.config(ctx)
	if err != nil {
		return err
	}
	if err := checkJSONFormat(ctx); err != nil {
		return err
	}
	head := ctx.String("head")
	if ctx.IsSet("head") {
		if _, _, err := catalog.ParseHead(head); err != nil {
			return usagef("audit verify prints it, such as 42:9f86…", "--head: %w", err)
		}
	}
	t, err := p.openTiering(ctx.Context, cfg, called(ctx), toRead)
	if err != nil {
		return err
	}
	defer t.Close()
	r, err := t.catalog.VerifyAudit(ctx.Context, head)
	if err != nil {
		return err
	}
	write := report.AuditVerdict
	if ctx.String("format") == "json" {
		write = report.AuditVerdictJSON
	}
	if err := write(p.stdout, r); err != nil {
		return err
	}
	if r.Broken != nil {
		return exitStatus(exitFailed)
	}
	return nil
}
