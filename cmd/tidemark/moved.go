package main

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/tidemark/tidemark/config"
	"github.com/tidemark/tidemark/internal/volume"
)

// catalogMoves tells the planner what tiering freed on this host, and brought back, from tiering's catalog. That is for its owner
// alone: for others the runs stay unknown, which is said once, where it matters, and fails nothing.
type catalogMoves struct {
	p      *program
	cfg    *config.Config
	chosen volume.Selector // the volumes that are looked at
	said   bool
}

// releases are of this host: what the catalog knows of others is theirs to tell. None of nil.
func (c *catalogMoves) releases(ctx context.Context, host string, from, to time.Time) ([]volume.Release, error) {
	if c == nil || host != "" && host != c.cfg.Host {
		return nil, nil
	}
	all, err := c.read(ctx, from, to)
	if err == nil || ctx.Err() != nil {
		return all, ctx.Err()
	}
	if on := c.tiered(); len(on) > 0 && !c.said {
		c.said = true
		c.p.say("what tiering freed on %s counts as a cleanup: %v", strings.Join(on, ", "), err)
		c.p.say("hint: the user that runs tiering, root, may read its catalog; in InfluxDB everybody may")
	}
	return nil, nil
}

func (c *catalogMoves) read(ctx context.Context, from, to time.Time) ([]volume.Release, error) {
	catalog, _, err := c.p.openCatalog(ctx, c.cfg, toRead)
	if err != nil {
		return nil, err
	}
	defer catalog.Close()
	moved, err := catalog.Moved(ctx, c.cfg.Host, from, to)
	var all []volume.Release
	for _, m := range moved {
		all = append(all, volume.Release{Host: m.Host, Path: m.Volume, Time: m.Last, Bytes: m.Released - m.Recalled, Inodes: m.InodesReleased - m.InodesRecalled})
	}
	return all, err
}

// tiered are the chosen volumes that a policy moves files from.
func (c *catalogMoves) tiered() []string {
	var on []string
	for _, p := range c.cfg.Policies {
		at, err := mountPoint(p.Volume)
		if err != nil {
			at = p.Volume // it is not mounted now; it was
		}
		if c.chosen.Path == "" || c.chosen.Path == at {
			on = append(on, at)
		}
	}
	slices.Sort(on)
	return slices.Compact(on)
}
