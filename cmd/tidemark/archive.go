package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/tidemark/tidemark/config"
	"github.com/tidemark/tidemark/internal/fsys"
	"github.com/tidemark/tidemark/tiering"
	"github.com/tidemark/tidemark/tiering/archive"
	"github.com/tidemark/tidemark/tiering/catalog"
	"github.com/tidemark/tidemark/tiering/report"
)

func (p *program) archiveCommand() *cli.Command {
	return &cli.Command{
		Name:  "archive",
		Usage: "what is in the archives, bringing it back, and looking after them",
		Subcommands: []*cli.Command{
			{
				Name: "init", Usage: "make the archive's directory an archive", ArgsUsage: "NAME", Action: p.archiveInit,
				UsageText:   "tidemark archive init NAME",
				Description: "The directory must be mounted and belong to root. What its filesystem can do is found out by doing it.",
			},
			p.listCommand("ls", "list what is in the archives"),
			p.listCommand("find", "find files in the archives by what is known of them"),
			{
				Name: "recall", Usage: "bring files back to where they were", ArgsUsage: "PATH" + severalArguments, Action: p.archiveRecall,
				UsageText: "tidemark archive recall [--format table|json] PATH…",
				Description: "PATH is a file, its link, a directory (all below it), or a glob over absolute paths in quotes.\n" +
					"Exit code 3: some files failed.",
				Flags: []cli.Flag{jsonFlag()},
			},
			{
				Name: "verify", Usage: "read objects back, the longest unread first, and mend bad ones", ArgsUsage: "[NAME]", Action: p.archiveVerify,
				UsageText:   "tidemark archive verify [--bytes 100GiB] [--time 2h] [--format table|json] [NAME]",
				Description: "Exit code 1: there are bad objects. Without limits everything is read once.",
				Flags: []cli.Flag{
					jsonFlag(),
					&cli.StringFlag{Name: "bytes", Usage: "end after so much, a `SIZE` such as 100GiB"},
					&cli.StringFlag{Name: "time", Usage: "end after that long, a `DURATION` such as 2h"},
				},
			},
			{
				Name: "rebuild", Usage: "make what the catalog knows of an archive anew, from the archive alone", ArgsUsage: "NAME", Action: p.archiveRebuild,
				UsageText: "tidemark archive rebuild [--discard-operations] NAME",
				Flags: []cli.Flag{
					&cli.BoolFlag{Name: "discard-operations", Usage: "forget what was interrupted: after the catalog was restored from a backup"},
				},
			},
		},
	}
}

// jsonFlag is --format where there is nothing to tabulate.
func jsonFlag() cli.Flag {
	return &cli.StringFlag{Name: "format", Value: "table", Usage: "table or json"}
}

func checkJSONFormat(ctx *cli.Context) error {
	if f := ctx.String("format"); f != "table" && f != "json" {
		return usagef("write table or json", "--format %q is unknown", f)
	}
	return nil
}

// absolute makes a path, or a glob, absolute against the working directory.
func absolute(path string) (string, error) {
	if path == "" {
		return "", usagef("", "a path is empty")
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", usagef("write an absolute path", "%s: %w", path, err)
	}
	return abs, nil
}

// archiveNamed reads what commands about one archive share.
func (p *program) archiveNamed(ctx *cli.Context) (*config.Config, config.Archive, error) {
	cfg, err := p.config(ctx)
	if err != nil {
		return nil, config.Archive{}, err
	}
	name, err := named(ctx, "the name of an archive")
	if err != nil {
		return nil, config.Archive{}, err
	}
	of, err := findArchive(cfg, name)
	return cfg, of, err
}

func (p *program) archiveInit(ctx *cli.Context) error {
	cfg, of, err := p.archiveNamed(ctx)
	if err != nil {
		return err
	}
	if err := archive.ValidHost(cfg.Host); err != nil {
		return usagef("set host: in the configuration", "%w", err)
	}
	now := p.now()
	a, err := archive.Init(fsys.Host{}, of.Path, of.Name, cfg.Host, now)
	switch {
	case errors.Is(err, archive.ErrInitialised), errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission):
		return usagef("", "%w", err)
	case err != nil:
		return err
	}
	defer a.Close()
	t, err := p.openTiering(ctx.Context, cfg, called(ctx), toWrite)
	if err != nil {
		return err
	}
	defer t.Close()
	record := catalog.AuditRecord{Time: now, Actor: t.actor, Action: "init", Archive: of.Name, Path: of.Path, Reason: "id " + a.Marker.ID}
	if err := t.catalog.AppendAudit(ctx.Context, record); err != nil {
		return err
	}
	return p.toldInit(cfg, a)
}

// toldInit says what an archive can do, and what is unwise about its place.
func (p *program) toldInit(cfg *config.Config, a *archive.Archive) error {
	if same, err := a.SameFilesystemAsParent(); err != nil {
		return err
	} else if same {
		p.say("warning: %s is no mount of its own: whether the archive is mounted will not show", a.Path)
	}
	for _, of := range cfg.Policies {
		if info, err := os.Stat(of.Volume); err == nil && of.Archive == a.Name && deviceOf(info) == a.Device() {
			p.say("warning: %s is on the same filesystem: policy %s will refuse to run", of.Volume, of.Name)
		}
	}
	can := a.Marker.Can
	if !can.Immutable || !can.ACL {
		p.say("warning: its filesystem has no immutable files or no ACLs: as root, policies that leave links refuse to run")
	}
	_, err := fmt.Fprintf(p.stdout, "archive %s at %s is initialised (%s)\n", a.Name, a.Path, a.Marker.ID)
	return err
}

func (p *program) archiveRecall(ctx *cli.Context) error {
	cfg, err := p.config(ctx)
	if err != nil {
		return err
	}
	if err := checkJSONFormat(ctx); err != nil {
		return err
	}
	if _, err := named(ctx, "a path"); err != nil {
		return err
	}
	var paths []string
	for _, arg := range ctx.Args().Slice() {
		path, err := absolute(arg)
		if err != nil {
			return err
		}
		paths = append(paths, path)
	}
	t, err := p.openTiering(ctx.Context, cfg, called(ctx), toWrite)
	if err != nil {
		return err
	}
	defer t.Close()
	stop := p.showProgress(t.Engine)
	r, err := t.Recall(ctx.Context, paths)
	stop()
	p.tellRecovered(r.Recovered)
	tried := r.Files + int64(len(r.Failed)+len(r.Skipped))
	if err != nil && tried == 0 {
		return err
	}
	write := report.Recall
	if ctx.String("format") == "json" {
		write = report.RecallJSON
	}
	if werr := write(p.stdout, r); werr != nil {
		return werr
	}
	switch {
	case stopped(ctx.Context, err):
		p.say("stopped: %s recalled until then; nothing is half done", report.Count(r.Files, "file"))
		return endedEarly(r.Files)
	case err != nil:
		return inPart(err, r.Files)
	case len(r.Failed) > 0:
		return endedEarly(r.Files)
	}
	return nil
}

func (p *program) archiveVerify(ctx *cli.Context) error {
	cfg, err := p.config(ctx)
	if err != nil {
		return err
	}
	if err := checkJSONFormat(ctx); err != nil {
		return err
	}
	opt, err := verifyOptions(ctx)
	if err != nil {
		return err
	}
	names, err := archivesToVerify(cfg, ctx.Args().First())
	if err != nil {
		return err
	}
	t, err := p.openTiering(ctx.Context, cfg, called(ctx), toWrite)
	if err != nil {
		return err
	}
	defer t.Close()
	if err := p.tellPending(ctx.Context, t); err != nil {
		return err
	}
	stop := p.showProgress(t.Engine)
	all, err := verifyAll(ctx.Context, t, names, opt, p.now)
	stop()
	sum := report.Verified(all)
	if err != nil && sum.Checked == 0 && !stopped(ctx.Context, err) {
		return err
	}
	if err := p.writeVerified(ctx.String("format"), all); err != nil {
		return err
	}
	switch {
	case stopped(ctx.Context, err):
		p.say("stopped: %s read back until then; the next verify goes on from there", report.Count(sum.Checked, "object"))
		return endedEarly(sum.Checked - int64(len(sum.Bad)))
	case err != nil:
		return inPart(err, sum.Checked)
	case len(sum.Bad) > 0:
		return exitStatus(exitFailed)
	}
	return nil
}

func (p *program) writeVerified(format string, all []tiering.VerifyReport) error {
	if format == "json" {
		return report.VerifyJSON(p.stdout, all)
	}
	for _, r := range all {
		if err := report.Verify(p.stdout, r); err != nil {
			return err
		}
	}
	return nil
}

func verifyOptions(ctx *cli.Context) (opt tiering.VerifyOptions, err error) {
	if ctx.IsSet("bytes") {
		if opt.Bytes, err = config.ParseSize(ctx.String("bytes")); err != nil || opt.Bytes <= 0 {
			return opt, usagef("write a size such as 100GiB", "--bytes %q is no size", ctx.String("bytes"))
		}
	}
	if ctx.IsSet("time") {
		if opt.Time, err = parseDuration(ctx, "time"); err != nil {
			return opt, err
		}
	}
	return opt, nil
}

func archivesToVerify(cfg *config.Config, name string) ([]string, error) {
	if name != "" {
		_, err := findArchive(cfg, name)
		return []string{name}, err
	}
	var names []string
	for _, a := range cfg.Archives {
		names = append(names, a.Name)
	}
	if len(names) == 0 {
		return nil, usagef("add one under archives: in the configuration", "there is no archive to verify")
	}
	slices.Sort(names)
	return names, nil
}

// verifyAll verifies archives one after another within the limits, which are for all of them together. What can't be read does not
// keep the others from it.
func verifyAll(ctx context.Context, t *tierer, names []string, opt tiering.VerifyOptions, now func() time.Time) ([]tiering.VerifyReport, error) {
	var all []tiering.VerifyReport
	var errs []error
	began := now()
	for _, name := range names {
		left := opt
		if left.Bytes -= report.Verified(all).Bytes; opt.Bytes > 0 && left.Bytes <= 0 {
			break
		}
		if left.Time -= now().Sub(began); opt.Time > 0 && left.Time <= 0 {
			break
		}
		if opt.Bytes == 0 {
			left.Bytes = 0
		}
		if opt.Time == 0 {
			left.Time = 0
		}
		r, err := t.Verify(ctx, name, left)
		all, errs = append(all, r), append(errs, err)
		if ctx.Err() != nil {
			break
		}
	}
	return all, errors.Join(errs...)
}

func (p *program) archiveRebuild(ctx *cli.Context) error {
	cfg, of, err := p.archiveNamed(ctx)
	if err != nil {
		return err
	}
	t, err := p.openTiering(ctx.Context, cfg, called(ctx), toWrite)
	if err != nil {
		return err
	}
	defer t.Close()
	stop := p.showProgress(t.Engine)
	r, err := t.Rebuild(ctx.Context, of.Name, ctx.Bool("discard-operations"))
	stop()
	if err != nil {
		return err
	}
	if err := report.Rebuild(p.stdout, r); err != nil {
		return err
	}
	if len(r.Problems) > 0 {
		return exitStatus(exitPart)
	}
	return nil
}

// isGlob says that a text is a pattern and not a path.
func isGlob(text string) bool { return strings.ContainsAny(text, "*?[{") }
