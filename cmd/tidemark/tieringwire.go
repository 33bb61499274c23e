package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/tidemark/tidemark/config"
	"github.com/tidemark/tidemark/internal/fsys"
	"github.com/tidemark/tidemark/internal/line"
	"github.com/tidemark/tidemark/internal/outbox"
	"github.com/tidemark/tidemark/tiering"
	"github.com/tidemark/tidemark/tiering/archive"
	"github.com/tidemark/tidemark/tiering/catalog"
	"github.com/tidemark/tidemark/tiering/policy"
	"github.com/tidemark/tidemark/tiering/selection"
)

// This file puts the tiering engine together, as wire.go does with the rest.

const (
	catalogFile       = "tiering/catalog.db"
	tieringOutboxFile = "tiering/outbox.db"
	// causeConfiguration is the Cause of holds that stand in the configuration.
	causeConfiguration = "configuration"
)

// compiler turns the configuration of tiering into the engine's own values and gathers what is wrong.
type compiler struct {
	cfg      *config.Config
	now      time.Time
	problems []config.Problem
}

func (c *compiler) policy(i int) tiering.Policy {
	from := c.cfg.Policies[i]
	p := tiering.Policy{
		Name: from.Name, Volume: from.Volume, Archive: from.Archive, Rule: c.rule(from.Where), Exclude: c.excludes(i), Schedule: c.schedule(from.Schedule),
		StartAbove: from.Start.Above, FullWithin: from.Start.FullWithin, StopBelow: from.Stop.Below, Order: selection.Order(from.Order),
		Leave: catalog.Leave(from.Leave), KeepRecalled: from.KeepRecalled, MostBytes: from.Limit.Bytes, MostFiles: from.Limit.Files,
		Bandwidth: from.Limit.Bandwidth, Enforce: from.Enforce, ExportedLinks: from.ExportedLinks, Fingerprint: fingerprint(from),
	}
	if w := from.Limit.Window; w.From != w.To {
		p.Window = &tiering.Window{From: w.From, To: w.To, Location: c.cfg.Timezone}
	}
	return p
}

// rule compiles a where. An empty one was reported already.
func (c *compiler) rule(where config.Text) *policy.Rule {
	if strings.TrimSpace(where.Value) == "" {
		return nil
	}
	rule, err := policy.Compile(where.Value)
	var bad *policy.Error
	switch {
	case errors.As(err, &bad):
		c.problems = append(c.problems, where.Problem(offset(where.Value, bad.Line, bad.Column), "%s", bad.Message))
	case err != nil:
		c.problems = append(c.problems, where.Problem(-1, "%v", err))
	}
	return rule
}

// offset is how many characters of a text stand before a line and column, both from 1.
func offset(text string, line, column int) int {
	n := 0
	for i, l := range strings.SplitAfter(text, "\n") {
		if i+1 == line {
			break
		}
		n += utf8.RuneCountInString(l)
	}
	return n + column - 1
}

// schedule compiles one; an empty one never comes.
func (c *compiler) schedule(text config.Text) *tiering.Schedule {
	if text.Value == "" {
		return nil
	}
	s, err := tiering.ParseSchedule(text.Value, c.cfg.Timezone, c.now)
	if err != nil {
		c.problems = append(c.problems, text.Problem(-1, "%v", err))
		return nil
	}
	return &s
}

func (c *compiler) excludes(i int) *policy.Excludes {
	from := c.cfg.Policies[i]
	excludes, err := policy.NewExcludes(from.Volume, from.Exclude)
	if err != nil {
		c.problems = append(c.problems, config.Problem{Field: fmt.Sprintf("policies[%d].exclude", i), Message: err.Error()})
	}
	return excludes
}

func (c *compiler) holds() []catalog.Hold {
	var all []catalog.Hold
	for i, h := range c.cfg.Holds {
		for _, glob := range h.Paths {
			hold := catalog.Hold{Case: h.Case, Glob: glob, Cause: causeConfiguration}
			if err := catalog.ValidateHold(hold); err != nil && h.Case != "" {
				c.problems = append(c.problems, config.Problem{Field: fmt.Sprintf("holds[%d].paths", i), Message: err.Error()})
			}
			all = append(all, hold)
		}
	}
	return all
}

// fingerprint is a digest of all that decides what a plan of a policy holds. Whether and when it runs, and how fast, does not.
func fingerprint(p config.Policy) string {
	text, err := json.Marshal([]any{
		p.Name, p.Volume, p.Archive, p.Where.Value, p.Exclude, p.Start, p.Stop, p.Order, p.Leave, p.KeepRecalled, p.Limit.Bytes, p.Limit.Files, p.ExportedLinks,
	})
	if err != nil {
		panic(err) // texts and numbers
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:16])
}

// access is how a command opens the catalog.
type access int

const (
	// toRead makes no catalog, and takes none as an empty one.
	toRead access = iota
	toWrite
	// toServe writes too, and gives way to others at the disks: nobody waits for it.
	toServe
)

// tierer is the engine with what it stands on.
type tierer struct {
	*tiering.Engine
	cfg     *config.Config
	catalog *catalog.Catalog
	actor   catalog.Actor
	points  *pointsOutbox
}

// openTiering puts the engine together. command is what the audit log says was called. Close it.
func (p *program) openTiering(ctx context.Context, cfg *config.Config, command string, how access) (*tierer, error) {
	if err := archive.ValidHost(cfg.Host); err != nil {
		return nil, usagef("set host: in the configuration", "%w", err)
	}
	c := &compiler{cfg: cfg, now: p.now()}
	var policies []tiering.Policy
	for i := range cfg.Policies {
		policies = append(policies, c.policy(i))
	}
	holds := c.holds()
	if len(c.problems) > 0 { // loading the configuration has found none
		return nil, &config.Error{Problems: c.problems}
	}
	cat, dir, err := p.openCatalog(ctx, cfg, how)
	if err != nil {
		return nil, err
	}
	t := &tierer{cfg: cfg, catalog: cat, actor: p.actor(command)}
	o := tiering.Options{
		Host: cfg.Host, FS: fsys.Host{}, Catalog: cat, Archives: archivesOf(cfg), Policies: policies, Own: []string{dir}, Holds: holds,
		Outlook: &plannerOutlook{p, cfg}, Actor: t.actor, Now: p.now, Sleep: sleep, Log: p.log, Tags: cfg.Tags,
	}
	if cfg.Influx != nil && how != toRead {
		t.points = &pointsOutbox{p: p, path: filepath.Join(dir, tieringOutboxFile)}
		o.Record = t.points.record
	}
	if how == toServe {
		o.Pressure, o.PauseAbove = tiering.ReadPressure, 100*cfg.Tiering.PauseAbove
	}
	t.Engine = tiering.New(o)
	return t, nil
}

// Close closes what the engine stood on.
func (t *tierer) Close() error {
	var err error
	if t.points != nil {
		err = t.points.close()
	}
	return errors.Join(err, t.catalog.Close())
}

func archivesOf(cfg *config.Config) []tiering.ArchiveVolume {
	var all []tiering.ArchiveVolume
	for _, a := range cfg.Archives {
		all = append(all, tiering.ArchiveVolume{Name: a.Name, Path: a.Path, MinFree: a.MinFree})
	}
	return all
}

func (p *program) openCatalog(ctx context.Context, cfg *config.Config, how access) (cat *catalog.Catalog, dir string, err error) {
	if dir, err = cfg.DataDir(how != toRead, p.getenv); err != nil {
		return nil, "", &fault{err, "", exitUsage}
	}
	path := filepath.Join(dir, catalogFile)
	switch err = catalog.CheckDirectory(filepath.Dir(path)); {
	case errors.Is(err, fs.ErrPermission) || errors.Is(err, fs.ErrNotExist): // as opening it says
	case err != nil:
		return nil, "", &fault{err, "look what is in it; move it away, or give it to the user that runs tiering alone (chown, chmod 0700)", exitUsage}
	}
	if how != toRead {
		cat, err = catalog.Open(ctx, path)
	} else if cat, err = catalog.OpenReadOnly(ctx, path); errors.Is(err, fs.ErrNotExist) {
		cat, err = catalog.OpenInMemory(ctx)
	}
	if errors.Is(err, fs.ErrPermission) {
		return nil, "", failf("run it as root: the catalog is for root alone", "%w", err)
	}
	return cat, dir, err
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// pointsOutbox keeps points for the boards until they are shipped. Its file is opened with the first of them.
type pointsOutbox struct {
	p    *program
	path string

	mu  sync.Mutex // guards what follows
	box *outbox.Outbox
}

// record keeps points. That it can't is no reason to end a run: it is logged.
func (o *pointsOutbox) record(ctx context.Context, points []line.Point) error {
	err := o.append(ctx, points)
	if err != nil {
		o.p.log.Warn("points for the boards were not kept", "error", err)
	}
	return nil
}

func (o *pointsOutbox) append(ctx context.Context, points []line.Point) error {
	lines := make([]string, 0, len(points))
	for _, point := range points {
		l, err := line.Encode(point)
		if err != nil {
			return err
		}
		lines = append(lines, l)
	}
	box, err := o.open(ctx)
	if err != nil {
		return err
	}
	return box.Append(ctx, o.p.now(), lines)
}

func (o *pointsOutbox) open(ctx context.Context) (*outbox.Outbox, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	var err error
	if o.box == nil {
		o.box, err = outbox.Open(ctx, o.path, outbox.Caps{}, o.p.now, o.p.log)
	}
	return o.box, err
}

func (o *pointsOutbox) close() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.box == nil {
		return nil
	}
	return o.box.Close()
}
