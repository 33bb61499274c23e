package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/tidemark/tidemark/config"
	"github.com/tidemark/tidemark/internal/influx"
	"github.com/tidemark/tidemark/internal/volume"
	"github.com/tidemark/tidemark/planner"
	"github.com/tidemark/tidemark/tiering"
)

// This file hands the planner what the tiering engine knows of a policy: neither of them knows the other.

// measuredWithin is how old what was measured of a policy may be.
const measuredWithin = 30 * 24 * time.Hour

// policyMoves are what the policy of --policy may move: of each host where tierd measured it, from InfluxDB; from a preview where this
// host stands alone.
func (p *program) policyMoves(ctx *cli.Context, cfg *config.Config, history source) ([]planner.Move, error) {
	name := ctx.String("policy")
	if history.client == nil {
		if _, err := findPolicy(cfg, name); err != nil {
			return nil, err
		}
		if host := ctx.String("host"); host != "" && host != cfg.Host {
			return nil, usagef("run it on that host, or with InfluxDB", "policy %q of host %s is not known here: without InfluxDB it is previewed on the host it runs on", name, host)
		}
		move, err := p.previewedMove(ctx.Context, cfg, name)
		return []planner.Move{move}, err
	}
	bucket := history.client.History(cfg.Influx.Bucket)
	tags := map[string]string{"policy": name}
	if host := ctx.String("host"); host != "" {
		tags["host"] = host
	}
	now := p.now()
	values, err := bucket.NewestValues(ctx.Context, tiering.EligibleMeasurement, "bytes", tags, now.Add(-measuredWithin), now.Add(time.Hour))
	if err != nil {
		return nil, fmt.Errorf("read what policy %s may move: %w", name, err)
	}
	moves := measuredMoves(values, cfg)
	if len(moves) > 0 {
		return moves, nil
	}
	if slices.ContainsFunc(cfg.Policies, func(of config.Policy) bool { return of.Name == name }) {
		return nil, failf("tidemark tierd measures it at each scheduled run; --source local previews it now",
			"policy %q was not measured within %d days", name, int(measuredWithin.Hours()/24))
	}
	known, err := bucket.NewestValues(ctx.Context, tiering.EligibleMeasurement, "bytes", nil, now.Add(-measuredWithin), now.Add(time.Hour))
	if err != nil {
		return nil, fmt.Errorf("read which policies there are: %w", err)
	}
	names := make([]string, 0, len(known))
	for _, v := range known {
		names = append(names, v.Tags["policy"])
	}
	slices.Sort(names)
	return nil, usagef(nearest(name, slices.Compact(names)), "there is no policy %q in the configuration, and none was measured", name)
}

// measuredMoves are one for each volume, from the newest measurement of each, sorted.
func measuredMoves(values []influx.Value, cfg *config.Config) []planner.Move {
	byVolume := map[volume.ID]*planner.Move{}
	for _, v := range values {
		days, err := strconv.Atoi(v.Tags["days"])
		if err != nil || v.Value < 0 {
			continue
		}
		id := volume.ID{Host: v.Tags["host"], Path: v.Tags["path"]}
		m := byVolume[id]
		if m == nil || v.Time.After(m.Measured) { // what was measured before counts no more
			m = &planner.Move{Policy: v.Tags["policy"], From: id, Measured: v.Time}
			byVolume[id] = m
		}
		if v.Time.Equal(m.Measured) {
			m.Eligible = append(m.Eligible, planner.Eligible{Days: days, Bytes: float64(v.Value)})
		}
	}
	var moves []planner.Move
	for _, m := range byVolume {
		slices.SortFunc(m.Eligible, func(a, b planner.Eligible) int { return cmp.Compare(a.Days, b.Days) })
		if m.From.Host == cfg.Host {
			configured(m, cfg)
		}
		moves = append(moves, *m)
	}
	slices.SortFunc(moves, func(a, b planner.Move) int { return a.From.Compare(b.From) })
	return moves
}

// configured adds what this host's configuration says of a policy.
func configured(m *planner.Move, cfg *config.Config) {
	for _, of := range cfg.Policies {
		if of.Name != m.Policy || of.Volume != m.From.Path {
			continue
		}
		m.Start, m.Stop, m.Previews, m.Archive = of.Start.Above, of.Stop.Below, !of.Enforce, of.Archive
		if a, err := findArchive(cfg, of.Archive); err == nil {
			m.To = volume.ID{Host: cfg.Host, Path: a.Path}
		}
	}
}

// previewedMove asks the engine, as `policy preview` does: it scans and changes nothing.
func (p *program) previewedMove(ctx context.Context, cfg *config.Config, name string) (planner.Move, error) {
	of, err := findPolicy(cfg, name)
	if err != nil {
		return planner.Move{}, err
	}
	t, err := p.openTiering(ctx, cfg, "plan", toRead)
	if err != nil {
		return planner.Move{}, err
	}
	defer t.Close()
	stop := p.showProgress(t.Engine)
	v, err := t.Preview(ctx, name)
	stop()
	if err != nil {
		return planner.Move{}, err
	}
	p.tellUnreadable(v)
	m := planner.Move{Policy: name, From: volume.ID{Host: cfg.Host, Path: of.Volume}, Measured: v.Plan.Made}
	for _, h := range v.Ahead {
		m.Eligible = append(m.Eligible, planner.Eligible{Days: h.Days, Bytes: float64(h.Bytes)})
	}
	if len(v.Ahead) == 0 { // the rule takes some files only for a while
		m.Eligible = []planner.Eligible{{Bytes: float64(v.Plan.Eligible)}}
		p.say("policy %s takes some files only for a while: what more it could move later cannot be said", name)
	}
	configured(&m, cfg)
	return m, nil
}
