package main

import (
	"context"
	"errors"
	"path/filepath"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	group "github.com/oklog/run"
	"github.com/urfave/cli/v2"

	"github.com/tidemark/tidemark/agent/shipper"
	"github.com/tidemark/tidemark/config"
	"github.com/tidemark/tidemark/internal/influx"
	"github.com/tidemark/tidemark/tiering"
	"github.com/tidemark/tidemark/tiering/catalog"
	"github.com/tidemark/tidemark/tiering/report"
)

func (p *program) tierdCommand() *cli.Command {
	return &cli.Command{
		Name: "tierd", Usage: "runs the policies on their schedules", UsageText: "tidemark tierd", Action: p.tierd,
		Description: "Recovers what was interrupted, then runs each policy by its schedule (one without enforce: true only previews) and reads\n" +
			"objects back by tiering.verify. Where InfluxDB is configured it ships what the boards show. Runs until SIGTERM or SIGINT.",
	}
}

func (p *program) tierd(ctx *cli.Context) error {
	cfg, err := p.config(ctx)
	if err != nil {
		return err
	}
	if len(cfg.Policies) == 0 && len(cfg.Archives) == 0 {
		return usagef("add archives: and policies: to the configuration", "tierd has nothing to do: there is no policy and no archive")
	}
	p.log = serviceLogger(p.stderr)
	return untilInterrupted(ctx.Context, p.runTierd(ctx.Context, cfg))
}

// runTierd runs until ctx ends.
func (p *program) runTierd(ctx context.Context, cfg *config.Config) error {
	var client *influx.Client
	if cfg.Influx != nil { // a token that cannot be used ends the run before anything is touched
		var err error
		if client, err = newInfluxClient(cfg); err != nil {
			return err
		}
		defer client.Close()
	}
	t, err := p.openTiering(ctx, cfg, "tierd", toServe)
	if err != nil {
		return err
	}
	defer t.Close()
	d := &tierDaemon{p: p, t: t, cfg: cfg}
	scheduler, err := d.scheduler()
	if err != nil {
		return err
	}
	if err := tiering.SetIdlePriority(); err != nil {
		p.log.Warn("the disks are shared with others evenly", "reason", err)
	}
	var actors group.Group
	if client != nil {
		box, err := t.points.open(ctx)
		if err != nil {
			return err
		}
		ship := shipper.New(box, client.Writer(cfg.Influx.Bucket), shipper.Options{Now: p.now, Logger: p.log})
		d.recorded = ship.Notify
		// It ends after the work, not with it: what is recorded last is shipped too.
		addActor(context.WithoutCancel(ctx), &actors, func(ctx context.Context) error { ship.Run(ctx); return nil })
		addActor(context.WithoutCancel(ctx), &actors, func(ctx context.Context) error { d.prune(ctx); return nil })
	}
	addActor(context.WithoutCancel(ctx), &actors, p.feedWatchdog)
	addActor(ctx, &actors, func(ctx context.Context) error {
		d.recoverAll(ctx)
		scheduler.Run(ctx)
		return nil
	})
	p.log.Info("tierd starts", "version", version, "host", cfg.Host, "policies", len(cfg.Policies), "archives", len(cfg.Archives), "ships", client != nil)
	notify(p, daemon.SdNotifyReady)
	stopping := context.AfterFunc(ctx, func() { notify(p, daemon.SdNotifyStopping) })
	defer stopping()
	err = actors.Run()
	p.log.Info("tierd ends")
	return err
}

// feedWatchdog tells systemd that the process lives, until ctx ends.
func (p *program) feedWatchdog(ctx context.Context) error {
	beat, every := watchdog(p)
	if beat == nil {
		<-ctx.Done()
		return nil
	}
	for {
		beat()
		if sleep(ctx, every) != nil {
			return nil
		}
	}
}

// tierDaemon is what tierd does at each time.
type tierDaemon struct {
	p        *program
	t        *tierer
	cfg      *config.Config
	recorded func() // nil: nothing is shipped
}

func (d *tierDaemon) scheduler() (*tiering.Scheduler, error) {
	var jobs []tiering.Job
	for _, of := range d.cfg.Policies {
		policy, err := d.t.Policy(of.Name)
		if err != nil {
			return nil, err
		}
		if policy.Schedule == nil {
			d.p.log.Info("a policy has no schedule, so it runs only when it is told to", "policy", of.Name)
			continue
		}
		jobs = append(jobs, tiering.Job{Name: "policy " + of.Name, Schedule: *policy.Schedule, Run: func(ctx context.Context) error {
			return d.policy(ctx, policy)
		}})
	}
	c := &compiler{cfg: d.cfg, now: d.p.now()}
	if s := c.schedule(d.cfg.Tiering.Verify.Schedule); s != nil && len(d.cfg.Archives) > 0 {
		jobs = append(jobs, tiering.Job{Name: "verify", Schedule: *s, Run: d.verify})
	}
	for _, j := range jobs {
		d.p.log.Info("scheduled", "job", j.Name, "schedule", j.Schedule.String(), "next", j.Schedule.Next(d.p.now()))
	}
	return tiering.NewScheduler(d.p.now, d.p.log, jobs...)
}

// recoverAll ends what was interrupted. What is out of reach now is tried again by each run.
func (d *tierDaemon) recoverAll(ctx context.Context) {
	all, err := d.t.Recover(ctx)
	d.p.tellRecovered(all)
	if err != nil && ctx.Err() == nil {
		d.p.log.Warn("not everything was recovered; each run tries again", "error", err, "hint", hintOf(err))
	}
}

// policy runs one once, or previews it.
func (d *tierDaemon) policy(ctx context.Context, of tiering.Policy) error {
	if !of.Enforce {
		return d.preview(ctx, of)
	}
	r, err := d.t.Run(ctx, of.Name, tiering.RunOptions{})
	if err != nil && r.Run == 0 {
		return err
	}
	d.p.tellRecovered(r.Recovered)
	d.p.log.Info("a policy ran", "policy", of.Name, "run", r.Run, "triggered", r.Triggered, "reason", r.Reason,
		"files_archived", r.FilesArchived, "bytes_archived", r.BytesArchived, "files_released", r.FilesReleased, "bytes_released", r.BytesReleased,
		"failed", len(r.Failed), "skipped", len(r.Skipped), "insufficient", r.Insufficient)
	for _, f := range r.Failed {
		d.p.log.Warn("a file was not moved", "policy", of.Name, "file", f.Path, "reason", f.Reason)
	}
	d.after(ctx)
	return err
}

// preview tells what a policy would do, to the log and to the boards.
func (d *tierDaemon) preview(ctx context.Context, of tiering.Policy) error {
	v, err := d.t.Preview(ctx, of.Name)
	if err != nil {
		return err
	}
	plan := &v.Plan
	d.p.log.Info("a policy was previewed: it has no enforce: true", "policy", of.Name, "triggered", plan.Triggered, "reason", plan.Reason,
		"files", len(plan.Files), "files_eligible", plan.EligibleN, "bytes_eligible", plan.Eligible, "insufficient", plan.Insufficient,
		"unreadable", v.Scan.Errors)
	err = d.t.RecordPreview(ctx, of.Name, v)
	d.after(ctx)
	return err
}

// verify reads objects back within the limits of the configuration.
func (d *tierDaemon) verify(ctx context.Context) error {
	names, err := archivesToVerify(d.cfg, "")
	if err != nil {
		return err
	}
	limits := tiering.VerifyOptions{Bytes: d.cfg.Tiering.Verify.Bytes, Time: d.cfg.Tiering.Verify.Time}
	all, err := verifyAll(ctx, d.t, names, limits, d.p.now)
	for _, r := range all {
		d.p.log.Info("objects were read back", "archive", r.Archive, "checked", r.Checked, "bytes", r.Bytes, "bad", len(r.Bad), "mended", len(r.Mended))
		for _, b := range r.Bad {
			d.p.log.Error("an object is bad", "archive", r.Archive, "object", b.Path, "reason", b.Reason)
		}
	}
	if sum := report.Verified(all); len(sum.Bad) > 0 {
		err = errors.Join(err, errors.New("there are bad objects"))
	}
	d.tellHead(ctx)
	d.after(ctx)
	return err
}

// after tells the boards how the archives are, and wakes the shipper.
func (d *tierDaemon) after(ctx context.Context) {
	if err := d.t.RecordArchives(ctx); err != nil && ctx.Err() == nil {
		d.p.log.Warn("the archives cannot be told of", "error", err)
	}
	if d.recorded != nil {
		d.recorded()
	}
}

// tellHead tells the journal the head of the audit log, as the engine does after a run: nobody can write the log anew unnoticed.
func (d *tierDaemon) tellHead(ctx context.Context) {
	seq, hash, err := d.t.catalog.AuditHead(context.WithoutCancel(ctx))
	if err != nil {
		d.p.log.Warn("the audit log cannot be read", "error", err)
	} else if seq > 0 {
		d.p.log.Info("audit head", "head", catalog.FormatHead(seq, hash))
	}
}

// pruneEvery is how often the outbox is cut back to its caps.
const pruneEvery = time.Hour

func (d *tierDaemon) prune(ctx context.Context) {
	for sleep(ctx, pruneEvery) == nil {
		box, err := d.t.points.open(ctx)
		if err == nil {
			err = box.Prune(ctx, d.p.now())
		}
		if err != nil && ctx.Err() == nil {
			d.p.log.Warn("the outbox was not cut back", "file", filepath.Base(tieringOutboxFile), "error", err)
		}
	}
}
