package main

import (
	"context"
	"fmt"
	"io"
	"sync"

	"github.com/tidemark/tidemark/config"
	"github.com/tidemark/tidemark/internal/table"
	"github.com/tidemark/tidemark/tiering"
	"github.com/tidemark/tidemark/tiering/report"
)

// previews are what the policies would do now, for `tidemark up`, which shows it and never moves anything.
type previews struct {
	p       *program
	cfg     *config.Config
	changed chan struct{} // holds one token when there is something new to show

	mu    sync.Mutex // guards what follows
	lines []string   // of each policy, in the order of the configuration; empty: not known yet
}

func newPreviews(p *program, cfg *config.Config) *previews {
	return &previews{p: p, cfg: cfg, changed: make(chan struct{}, 1), lines: make([]string, len(cfg.Policies))}
}

// run previews every policy at once, then by its schedule, until ctx ends.
func (v *previews) run(ctx context.Context) error {
	c := &compiler{cfg: v.cfg, now: v.p.now()}
	var jobs []tiering.Job
	for i, of := range v.cfg.Policies {
		if s := c.schedule(of.Schedule); s != nil {
			jobs = append(jobs, tiering.Job{Name: "policy " + of.Name, Schedule: *s, Run: func(ctx context.Context) error { v.preview(ctx, i); return nil }})
		}
		v.preview(ctx, i)
	}
	scheduler, err := tiering.NewScheduler(v.p.now, v.p.log, jobs...)
	if err != nil {
		return err
	}
	scheduler.Run(ctx)
	<-ctx.Done()
	return nil
}

// preview looks at one policy. That it can't be previewed is what is shown then.
func (v *previews) preview(ctx context.Context, i int) {
	name := v.cfg.Policies[i].Name
	line, err := v.p.previewLine(ctx, v.cfg, name)
	if ctx.Err() != nil {
		return
	}
	if err != nil {
		line = fmt.Sprintf("policy %s can't be previewed: %s", name, table.Printable(err.Error()))
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.lines[i] = line
	select {
	case v.changed <- struct{}{}:
	default:
	}
}

func (p *program) previewLine(ctx context.Context, cfg *config.Config, name string) (string, error) {
	t, err := p.openTiering(ctx, cfg, "up", toRead)
	if err != nil {
		return "", err
	}
	defer t.Close()
	v, err := t.Preview(ctx, name)
	if err != nil {
		return "", err
	}
	return report.PlanLine(&v.Plan), nil
}

// write writes what is known.
func (v *previews) write(w io.Writer) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, line := range v.lines {
		if line == "" {
			continue
		}
		if _, err := fmt.Fprintln(w, line); err != nil {
			return err
		}
	}
	return nil
}
