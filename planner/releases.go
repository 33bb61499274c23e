package planner

import (
	"context"
	"fmt"
	"slices"

	"github.com/tidemark/tidemark/internal/volume"
	"github.com/tidemark/tidemark/planner/forecast"
)

// touched is what one resource of a unit is, whose use tiering has changed.
type touched struct {
	volume.ID
	volume.Resource
}

// interventions are what tiering freed and brought back, by the unit that shows it; none from a history that does not know.
func (p Planner) interventions(ctx context.Context, q Query, chosen []volume.Sample, all []unit) (map[touched][]forecast.Intervention, error) {
	known, ok := p.History.(Releases)
	if !ok || len(chosen) == 0 {
		return nil, nil
	}
	releases, err := known.Releases(ctx, q.Select.Host, q.Now.Add(-q.Past), q.Now)
	if err != nil {
		return nil, fmt.Errorf("read what tiering freed: %w", err)
	}
	if len(releases) == 0 {
		return nil, nil
	}
	mounts := chosen
	if q.Select.Path != "" { // a directory's release may be another volume's, mounted below the chosen one
		mounts, err = p.History.Newest(ctx, volume.Selector{Host: q.Select.Host}, q.Now.Add(-remembered), q.Now.Add(clockSkew))
		if err != nil {
			return nil, fmt.Errorf("read the newest samples: %w", err)
		}
	}
	mountsOf, unitsOf := map[string][]volume.Sample{}, map[string][]unit{}
	for _, m := range mounts {
		mountsOf[m.Host] = append(mountsOf[m.Host], m)
	}
	for _, u := range all {
		unitsOf[u.sample.Host] = append(unitsOf[u.sample.Host], u) // a pool is of one host
	}
	changes := map[touched][]forecast.Intervention{}
	for _, r := range releases {
		m, found := holder(mountsOf[r.Host], volume.ID{Host: r.Host, Path: r.Path})
		if !found {
			continue
		}
		for _, u := range unitsOf[r.Host] {
			if !u.shows(m) {
				continue
			}
			for resource, freed := range map[volume.Resource]int64{volume.Space: r.Bytes, volume.Inodes: r.Inodes} {
				if key := (touched{u.sample.ID, resource}); freed != 0 {
					changes[key] = append(changes[key], forecast.Intervention{Time: r.Time, Change: -float64(freed)})
				}
			}
		}
	}
	return changes, nil
}

// shows says whether what is freed on a volume is freed in a unit: in its own, and in the whole pool's. A ZFS dataset that stands alone
// says nothing of the others of its pool, a btrfs of all of it.
func (u unit) shows(m volume.Sample) bool {
	if u.sample.ID == m.ID || slices.Contains(u.parts, m.ID) {
		return true
	}
	whole := u.sample.Fstype != "zfs" || len(u.parts) > 1
	return whole && u.sample.Measured() && poolOf(m) != (pool{}) && poolOf(m) == poolOf(u.sample)
}
