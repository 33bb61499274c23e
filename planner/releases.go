package planner

import (
	"context"
	"fmt"
	"strings"

	"github.com/tidemark/tidemark/internal/volume"
	"github.com/tidemark/tidemark/planner/forecast"
)

// interventions are what tiering freed, by the volume that it was freed on; none from a history that does not know.
func (p Planner) interventions(ctx context.Context, q Query, chosen []volume.Sample) (map[volume.ID][]forecast.Intervention, error) {
	known, ok := p.History.(Releases)
	if !ok || len(chosen) == 0 {
		return nil, nil
	}
	all, err := known.Releases(ctx, q.Select.Host, q.Now.Add(-q.Past), q.Now)
	if err != nil {
		return nil, fmt.Errorf("read what tiering freed: %w", err)
	}
	if len(all) == 0 {
		return nil, nil
	}
	mounts := chosen
	if q.Select.Path != "" { // a directory's release may be another volume's, mounted below the chosen one
		mounts, err = p.History.Newest(ctx, volume.Selector{Host: q.Select.Host}, q.Now.Add(-remembered), q.Now.Add(clockSkew))
		if err != nil {
			return nil, fmt.Errorf("read the newest samples: %w", err)
		}
	}
	byVolume := map[volume.ID][]forecast.Intervention{}
	for _, r := range all {
		if id, found := volumeOf(r, mounts); found && r.Bytes > 0 {
			byVolume[id] = append(byVolume[id], forecast.Intervention{Time: r.Time, Change: -float64(r.Bytes)})
		}
	}
	return byVolume, nil
}

// volumeOf is the volume that a release's path lies on: the longest mount point above it.
func volumeOf(r volume.Release, mounts []volume.Sample) (id volume.ID, found bool) {
	for _, m := range mounts {
		above := m.Path == r.Path || strings.HasPrefix(r.Path, strings.TrimSuffix(m.Path, "/")+"/")
		if m.Host == r.Host && above && len(m.Path) >= len(id.Path) {
			id, found = m.ID, true
		}
	}
	return id, found
}
