package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/tidemark/tidemark/config"
	"github.com/tidemark/tidemark/internal/fsys"
	"github.com/tidemark/tidemark/tiering"
	"github.com/tidemark/tidemark/tiering/archive"
	"github.com/tidemark/tidemark/tiering/report"
)

// The demo's second half: files of its own are archived, released, read through their links, recalled and verified by the real engine,
// between two volumes that only a process of its own can see.

// playTiering is the hidden command by which the demo does so, with mounts of its own.
const playTiering = "play-tiering"

const (
	demoPolicy  = "demo-video"
	demoArchive = "demo-vault"
	demoCase    = "DEMO-1"
	demoRule    = `idle > days(60) && ext == "mp4"`
	demoSize    = 1 << 20
)

func (p *program) playTieringCommand() *cli.Command {
	return &cli.Command{
		Name: playTiering, Hidden: true, Usage: "moves the demo's files, within mounts of its own", ArgsUsage: "DIR",
		Action: func(ctx *cli.Context) error { return p.playTiering(ctx.Context, ctx.Args().First()) },
	}
}

// demoTiering plays with files below dir. Without the right to mount it stops before the release.
func (p *program) demoTiering(ctx context.Context, dir string) error {
	fmt.Fprint(p.stdout, "\n5. Tiering: recordings that nobody opened for 60 days go to an archive.\n")
	if os.Geteuid() != 0 {
		return p.previewOnly(ctx, dir, "only root can mount the two volumes that this takes (sudo tidemark up --demo)")
	}
	err := runApart(ctx, p.stdout, p.stderr, playTiering, dir)
	if cannot := (*cannotMount)(nil); errors.As(err, &cannot) {
		return p.previewOnly(ctx, dir, cannot.Error())
	}
	return err
}

// cannotMount says why the demo gets no volumes of its own.
type cannotMount struct{ cause error }

func (c *cannotMount) Error() string {
	return fmt.Sprintf("volumes can't be mounted here: %v", c.cause)
}

// demoFile is one of the demo's recordings.
type demoFile struct {
	name string
	cold bool
}

func demoFiles() []demoFile {
	return []demoFile{
		{"cam-1/monday.mp4", true},
		{"cam-1/tuesday.mp4", true},
		{"cam-1/today.mp4", false},
		{"cam-2/evidence.mp4", true},
		{"cam-2/index.txt", true},
		{"cam-2/monday.mp4", true},
	}
}

// makeDemoFiles writes them below a directory, with made-up times.
func makeDemoFiles(hot string, now time.Time) (map[string][]byte, error) {
	contents := map[string][]byte{}
	for _, f := range demoFiles() {
		path := filepath.Join(hot, f.name)
		content := make([]byte, demoSize)
		if _, err := rand.Read(content); err != nil {
			return nil, err
		}
		age := time.Hour
		if f.cold {
			age = 100 * 24 * time.Hour
		}
		err := os.MkdirAll(filepath.Dir(path), 0o755)
		if err == nil {
			err = os.WriteFile(path, content, 0o644)
		}
		if err == nil {
			err = os.Chtimes(path, now.Add(-age), now.Add(-age))
		}
		if err != nil {
			return nil, fmt.Errorf("make a file of the demo: %w", err)
		}
		contents[path] = content
	}
	return contents, nil
}

// demoConfiguration has a policy between the two directories below dir.
func demoConfiguration(dir string) *config.Config {
	cfg := config.Default()
	cfg.Host, cfg.Data = demoHost, filepath.Join(dir, "state") // apart from what is moved: nothing is moved from a data_dir
	cfg.Archives = []config.Archive{{Name: demoArchive, Path: filepath.Join(dir, "vault"), MinFree: .01}}
	cfg.Policies = []config.Policy{{
		Name: demoPolicy, Volume: filepath.Join(dir, "hot"), Archive: demoArchive, Where: config.Text{Value: demoRule}, Order: "coldest", Leave: "link",
		Enforce: true, ExportedLinks: true, KeepRecalled: 7 * 24 * time.Hour,
	}}
	cfg.Holds = []config.Hold{{Case: demoCase, Paths: []string{filepath.Join(dir, "hot/cam-2/evidence.mp4")}}}
	return cfg
}

// previewOnly is what is left of the demo where nothing can be mounted.
func (p *program) previewOnly(ctx context.Context, dir, why string) error {
	if _, err := makeDemoFiles(filepath.Join(dir, "hot"), p.now()); err != nil {
		return err
	}
	t, err := p.openTiering(ctx, demoConfiguration(dir), "up --demo", toRead)
	if err != nil {
		return err
	}
	defer t.Close()
	v, err := t.Preview(ctx, demoPolicy)
	if err != nil {
		return err
	}
	p.showDemoPlan(dir, v)
	_, err = fmt.Fprintf(p.stdout, "   It stops here, before anything is moved: %s.\n", why)
	return err
}

func (p *program) showDemoPlan(dir string, v *tiering.Preview) {
	fmt.Fprintf(p.stdout, "   Of %s in it, the rule\n     %s\n   would move %d:\n", report.Count(v.Scan.Files, "file"), demoRule, len(v.Plan.Files))
	for _, it := range v.Plan.Files {
		rel, err := filepath.Rel(filepath.Join(dir, "hot"), it.Path)
		if err != nil {
			rel = it.Path
		}
		fmt.Fprintf(p.stdout, "     %-18s %7s  %s\n", rel, report.Bytes(it.Size), it.Reason)
	}
	for _, s := range v.Skipped {
		fmt.Fprintf(p.stdout, "     %-18s stays: it is %s\n", filepath.Join(filepath.Base(filepath.Dir(s.Path)), filepath.Base(s.Path)), s.Reason)
	}
}

// playTiering moves files from dir/hot to dir/vault and back. Both become volumes of this process alone.
func (p *program) playTiering(ctx context.Context, dir string) error {
	if dir == "" {
		return usagef("", "%s needs a directory", playTiering)
	}
	p.log = slog.New(slog.DiscardHandler) // what a run would tell the journal
	for _, volume := range []string{"hot", "vault"} {
		if err := mountOwn(filepath.Join(dir, volume)); err != nil {
			return exitStatus(exitCannotMount)
		}
	}
	contents, err := makeDemoFiles(filepath.Join(dir, "hot"), p.now())
	if err != nil {
		return err
	}
	cfg := demoConfiguration(dir)
	a, err := archive.Init(fsys.Host{}, cfg.Archives[0].Path, demoArchive, demoHost, p.now())
	if err != nil {
		return err
	}
	if can := a.Marker.Can; !can.Immutable || !can.ACL {
		cfg.Policies[0].Leave = "nothing" // this kernel's tmpfs can't protect what links lead to
	}
	if err := a.Close(); err != nil {
		return err
	}
	t, err := p.openTiering(ctx, cfg, "up --demo", toWrite)
	if err != nil {
		return err
	}
	defer t.Close()
	return p.moveThereAndBack(ctx, t, dir, contents)
}

func (p *program) moveThereAndBack(ctx context.Context, t *tierer, dir string, contents map[string][]byte) error {
	v, err := t.Preview(ctx, demoPolicy)
	if err != nil {
		return err
	}
	p.showDemoPlan(dir, v)
	r, err := t.Run(ctx, demoPolicy, tiering.RunOptions{Plan: &v.Plan})
	if err != nil {
		return err
	}
	if len(r.Failed)+len(r.Skipped) > 0 || len(v.Plan.Files) == 0 {
		return fmt.Errorf("the demo's run left files behind: %v %v", r.Failed, r.Skipped)
	}
	fmt.Fprintf(p.stdout, "   Run: %s copied, read back and compared; %s freed.\n", report.Count(r.FilesArchived, "file"), report.Bytes(r.BytesReleased))
	if t.cfg.Policies[0].Leave == "link" {
		for _, it := range v.Plan.Files {
			if err := sameBytes(it.Path, contents[it.Path], os.ModeSymlink); err != nil {
				return err
			}
		}
		fmt.Fprint(p.stdout, "   Each is a link into the archive now, and reads as before: the same bytes.\n")
	}
	back := v.Plan.Files[0].Path
	if _, err := t.Recall(ctx, []string{back}); err != nil {
		return err
	}
	if err := sameBytes(back, contents[back], 0); err != nil {
		return err
	}
	fmt.Fprintf(p.stdout, "   Recalled %s: a file again, the same bytes.\n", filepath.Base(back))
	checked, err := t.Verify(ctx, demoArchive, tiering.VerifyOptions{})
	if err != nil {
		return err
	}
	audited, err := t.catalog.VerifyAudit(ctx, "")
	if err != nil {
		return err
	}
	if len(checked.Bad) > 0 || audited.Broken != nil {
		return fmt.Errorf("the demo's archive is not sound: %v %v", checked.Bad, audited.Broken)
	}
	_, err = fmt.Fprintf(p.stdout, "   Verified: %s read back, all as written; the audit log has %s, unbroken.\n",
		report.Count(checked.Checked, "object"), report.Count(audited.Records, "record"))
	return err
}

// sameBytes sees that a name is of a type and reads as it should.
func sameBytes(path string, want []byte, kind os.FileMode) error {
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	got, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if info.Mode().Type() != kind || !bytes.Equal(got, want) {
		return fmt.Errorf("%s is not what it was (%s)", path, info.Mode())
	}
	return nil
}

// exitCannotMount is how the command tells the demo that it got no volumes.
const exitCannotMount = 77
