package main

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/tidemark/tidemark/config"
	"github.com/tidemark/tidemark/internal/fsys"
	"github.com/tidemark/tidemark/tiering/catalog"
	"github.com/tidemark/tidemark/tiering/policy"
	"github.com/tidemark/tidemark/tiering/report"
)

func (p *program) listCommand(name, usage string) *cli.Command {
	return &cli.Command{
		Name: name, Usage: usage, ArgsUsage: "[GLOB]", Action: p.archiveList,
		UsageText: "tidemark archive " + name + " [--archive NAME] [--where EXPR] [--state STATE] [--format table|json|csv] [GLOB]",
		Description: "GLOB is a directory, a glob over absolute paths (** crosses directories), or one over names, such as '*.mp4'.\n" +
			"--where is an expression as in a policy; idle and age go by the times that the file had when it was archived.",
		Flags: []cli.Flag{
			formatFlag(),
			&cli.StringFlag{Name: "archive", Usage: "only what is in this archive, by its `NAME`"},
			&cli.StringFlag{Name: "where", Usage: "only files for which this `EXPR` holds"},
			&cli.StringFlag{Name: "state", Usage: "only `STATE`: archived, released, superseded (older versions) or bad"},
		},
	}
}

func (p *program) archiveList(ctx *cli.Context) error {
	cfg, err := p.config(ctx)
	if err != nil {
		return err
	}
	if err := checkFormat(ctx); err != nil {
		return err
	}
	queries, err := listQueries(ctx, cfg)
	if err != nil {
		return err
	}
	names := policy.NewNames()
	where, err := p.newWhere(ctx, names)
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
	out, err := p.objectWriter(ctx.String("format"), names)
	if err != nil {
		return err
	}
	return p.listObjects(ctx.Context, t.catalog, queries, where, out)
}

func (p *program) listObjects(ctx context.Context, c *catalog.Catalog, queries []catalog.Query, where *where, out *report.Objects) error {
	n := 0
	for _, q := range queries {
		for o, err := range c.Objects(ctx, q) {
			if err != nil {
				return err
			}
			if !where.match(o) {
				continue
			}
			n++
			if err := out.Add(o); err != nil {
				return err
			}
		}
	}
	if where.undecided > 0 {
		p.say("warning: --where could not be decided for %s", report.Count(where.undecided, "file"))
	}
	if n == 0 {
		p.say("no file in the archives is like that")
	}
	return out.Close()
}

func (p *program) objectWriter(format string, names *policy.Names) (*report.Objects, error) {
	owner := func(uid uint32) string {
		name, err := names.Owner(uid)
		if err != nil {
			return ""
		}
		return name
	}
	switch format {
	case "json":
		return report.NewObjectsJSON(p.stdout, owner)
	case "csv":
		return report.NewObjectsCSV(p.stdout, owner)
	}
	return report.NewObjects(p.stdout), nil
}

// listQueries are what the flags and the argument ask for: one query, or two where a path may be a file or a directory.
func listQueries(ctx *cli.Context, cfg *config.Config) ([]catalog.Query, error) {
	var q catalog.Query
	if name := ctx.String("archive"); ctx.IsSet("archive") {
		if _, err := findArchive(cfg, name); err != nil {
			return nil, err
		}
		q.Archive = name
	}
	switch state := ctx.String("state"); state {
	case "":
	case "archived", "released", "superseded":
		q.States = []catalog.State{catalog.State(state)}
	case "bad":
		q.Bad = true
	default:
		return nil, usagef("write archived, released, superseded or bad", "--state %q is unknown", state)
	}
	arg := ctx.Args().First()
	if arg == "" {
		return []catalog.Query{q}, nil
	}
	if !strings.Contains(arg, "/") && isGlob(arg) {
		q.Glob = "/**/" + arg
	} else if path, err := absolute(arg); err != nil {
		return nil, err
	} else if isGlob(arg) {
		q.Glob = path
	} else {
		file, below := q, q
		file.Glob, below.Prefix = strings.ReplaceAll(path, `\`, `\\`), path
		return []catalog.Query{file, below}, nil
	}
	if _, err := policy.CompileGlob(q.Glob); err != nil {
		return nil, usagef("** crosses directories, * does not", "%q is no glob: %w", arg, err)
	}
	return []catalog.Query{q}, nil
}

// where is the --where of a list; without one it takes everything.
type where struct {
	session   *policy.Session
	now       time.Time
	undecided int64
}

func (p *program) newWhere(ctx *cli.Context, names *policy.Names) (*where, error) {
	if !ctx.IsSet("where") {
		return &where{}, nil
	}
	rule, err := policy.Compile(ctx.String("where"))
	if bad := (*policy.Error)(nil); errors.As(err, &bad) {
		return nil, usagef("", "--where: %w", err)
	}
	if err != nil {
		return nil, err
	}
	judge := policy.Judge{Rule: rule, Volume: "/", Moment: policy.Moment{Now: p.now(), Atime: true, Owner: names.Owner, Group: names.Group}}
	return &where{session: judge.Session(), now: p.now()}, nil
}

func (w *where) match(o catalog.Object) bool {
	if w.session == nil {
		return true
	}
	switch w.session.Matches(fileOf(o), w.now, true) {
	case policy.Eligible:
		return true
	case policy.Undecided:
		w.undecided++
	}
	return false
}

// fileOf is the file at home as it was when it was archived.
func fileOf(o catalog.Object) *policy.File {
	a := o.Attributes
	f := policy.FileAt(o.Path, fsys.Info{
		Dev: o.Dev, Ino: o.Ino, Mode: a.Mode | fsys.TypeRegular, Nlink: 1, UID: a.UID, GID: a.GID, Size: o.Size, Allocated: o.Allocated,
		Atime: a.Atime, Mtime: a.Mtime, Ctime: o.Ctime,
	})
	f.Xattr = func(name string) (string, error) { return string(a.Xattrs[name]), nil }
	return f
}
