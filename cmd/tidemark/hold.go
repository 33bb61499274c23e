package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/tidemark/tidemark/config"
	"github.com/tidemark/tidemark/internal/fsys"
	"github.com/tidemark/tidemark/tiering/archive"
	"github.com/tidemark/tidemark/tiering/catalog"
	"github.com/tidemark/tidemark/tiering/report"
)

func (p *program) holdCommand() *cli.Command {
	caseFlag := func() cli.Flag {
		return &cli.StringFlag{Name: "case", Usage: "what the files are held for, such as FIR-2026-118"}
	}
	return &cli.Command{
		Name:  "hold",
		Usage: "evidence and legal holds: files that must not be moved, released or deleted",
		Subcommands: []*cli.Command{
			{
				Name: "add", Usage: "hold files", ArgsUsage: "GLOB" + severalArguments, Action: p.holdAdd, Flags: []cli.Flag{caseFlag()},
				UsageText: "tidemark hold add --case CASE GLOB…",
				Description: "GLOB is a path or a glob over absolute paths in quotes; ** crosses directories, and a directory holds all below it.\n" +
					"Recall stays allowed: it takes nothing away.",
			},
			{
				Name: "rm", Usage: "lift holds of a case: those that are named, or all", ArgsUsage: "GLOB" + severalArguments, Action: p.holdRemove,
				Flags: []cli.Flag{caseFlag()}, UsageText: "tidemark hold rm --case CASE [GLOB…]",
			},
			{Name: "ls", Usage: "list the holds", Action: p.holdList, Flags: []cli.Flag{formatFlag()}, UsageText: "tidemark hold ls [--format table|json|csv]"},
		},
	}
}

// holdArguments are the case and the globs, absolute and valid.
func (p *program) holdArguments(ctx *cli.Context) (cfg *config.Config, caseID string, globs []string, err error) {
	if cfg, err = p.config(ctx); err != nil {
		return nil, "", nil, err
	}
	if caseID = strings.TrimSpace(ctx.String("case")); caseID == "" {
		return nil, "", nil, usagef("such as --case FIR-2026-118", "hold %s needs --case CASE", ctx.Command.Name)
	}
	for _, arg := range ctx.Args().Slice() {
		glob, err := absolute(arg)
		if err == nil {
			err = catalog.ValidateHold(catalog.Hold{Case: caseID, Glob: glob})
		}
		if err != nil {
			return nil, "", nil, usagef("write a glob over absolute paths, such as '/srv/video/cam-14/**'", "%w", err)
		}
		globs = append(globs, glob)
	}
	return cfg, caseID, globs, nil
}

func (p *program) holdAdd(ctx *cli.Context) error {
	cfg, caseID, globs, err := p.holdArguments(ctx)
	if err != nil {
		return err
	}
	if _, err := named(ctx, "a glob"); err != nil {
		return err
	}
	t, err := p.openTiering(ctx.Context, cfg, called(ctx), toWrite)
	if err != nil {
		return err
	}
	defer t.Close()
	now := p.now()
	var records []archive.Record
	added := 0
	for _, glob := range globs {
		isNew, err := t.catalog.AddHold(ctx.Context, t.actor, catalog.Hold{Case: caseID, Glob: glob, At: now})
		if err != nil {
			return inPart(err, int64(len(records)))
		}
		if isNew {
			added++
		}
		records = append(records, t.holdRecord(archive.KindHold, now, caseID, glob))
	}
	p.say("%s placed for %s, %d were there already", report.Count(int64(added), "hold"), caseID, len(globs)-added)
	return p.recordHolds(ctx.Context, t, records, "run this again when it is mounted")
}

func (t *tierer) holdRecord(kind archive.Kind, now time.Time, caseID, glob string) archive.Record {
	return archive.Record{Kind: kind, Time: now, Host: t.cfg.Host, Case: caseID, Glob: glob, By: t.actor.User}
}

func (p *program) holdRemove(ctx *cli.Context) error {
	cfg, caseID, globs, err := p.holdArguments(ctx)
	if err != nil {
		return err
	}
	t, err := p.openTiering(ctx.Context, cfg, called(ctx), toWrite)
	if err != nil {
		return err
	}
	defer t.Close()
	if err := holdsToLift(ctx.Context, t, caseID, globs); err != nil {
		return err
	}
	now := p.now()
	if len(globs) == 0 {
		globs = []string{""} // all of the case
	}
	var records []archive.Record
	lifted := 0
	for _, glob := range globs {
		n, err := t.catalog.RemoveHold(ctx.Context, t.actor, now, caseID, glob)
		if err != nil {
			return inPart(err, int64(lifted))
		}
		lifted += n
		records = append(records, t.holdRecord(archive.KindUnhold, now, caseID, glob))
	}
	p.say("%s of %s lifted", report.Count(int64(lifted), "hold"), caseID)
	return p.recordHolds(ctx.Context, t, records, "a rebuild from it places them again")
}

// holdsToLift refuses what is not there before anything is lifted: a hold that seems lifted and is not, or the other way round, is
// not noticed for years.
func holdsToLift(ctx context.Context, t *tierer, caseID string, globs []string) error {
	holds, err := t.Holds(ctx)
	if err != nil {
		return err
	}
	var cases []string
	there := map[string]string{} // by glob, where it stands
	for _, h := range holds {
		cases = append(cases, h.Case)
		if h.Case == caseID && there[h.Glob] != catalog.CauseCatalog {
			there[h.Glob] = h.Cause
		}
	}
	if len(there) == 0 {
		hint := "see tidemark hold ls"
		if near := config.Nearest(caseID, cases); near != "" {
			hint = fmt.Sprintf("did you mean %q?", near)
		}
		return usagef(hint, "there is no hold of case %q", caseID)
	}
	inCatalog := 0
	for _, cause := range there {
		if cause == catalog.CauseCatalog {
			inCatalog++
		}
	}
	if len(globs) == 0 && inCatalog == 0 {
		return usagef("remove it there", "every hold of case %q stands in the configuration", caseID)
	}
	for _, g := range globs {
		switch there[g] {
		case "":
			return usagef("see tidemark hold ls", "case %q has no hold on %s", caseID, g)
		case causeConfiguration:
			return usagef("remove it there", "the hold of case %q on %s stands in the configuration", caseID, g)
		}
	}
	return nil
}

// recordHolds writes holds to the manifests of all archives, from which the catalog can be rebuilt. then is what an archive that
// is not there comes to.
func (p *program) recordHolds(ctx context.Context, t *tierer, records []archive.Record, then string) error {
	var errs []error
	for _, of := range t.cfg.Archives {
		err := appendRecords(ctx, of, records)
		switch {
		case errors.Is(err, archive.ErrNotInitialised), errors.Is(err, fs.ErrNotExist):
			p.say("warning: archive %s is not there, so its manifest does not know: %s", of.Name, then)
		case err != nil:
			errs = append(errs, fmt.Errorf("it stands in the catalog, but not in the manifest of archive %s: %w", of.Name, err))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return &fault{err, "run it again when the archive can be written", exitPart}
	}
	return nil
}

func appendRecords(ctx context.Context, of config.Archive, records []archive.Record) (err error) {
	a, err := archive.Open(fsys.Host{}, of.Path, of.Name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.Close()) }()
	if err := a.Append(ctx, records); err != nil {
		return err
	}
	return a.Sync(ctx)
}

func (p *program) holdList(ctx *cli.Context) error {
	cfg, err := p.config(ctx)
	if err != nil {
		return err
	}
	if err := checkFormat(ctx); err != nil {
		return err
	}
	t, err := p.openTiering(ctx.Context, cfg, called(ctx), toRead)
	if err != nil {
		return err
	}
	defer t.Close()
	holds, err := t.Holds(ctx.Context)
	if err != nil {
		return err
	}
	switch ctx.String("format") {
	case "json":
		return report.HoldsJSON(p.stdout, holds)
	case "csv":
		return report.HoldsCSV(p.stdout, holds)
	}
	if len(holds) == 0 {
		p.say("nothing is held")
	}
	return report.Holds(p.stdout, holds)
}
