package planner

import (
	"hash/fnv"
	"slices"
	"time"

	"github.com/tidemark/tidemark/internal/volume"
)

// unit is what is told as one: a volume, or a pool under the path of one of its volumes.
type unit struct {
	sample volume.Sample // its Usage is the whole pool's
	parts  []volume.ID   // whose days make the unit's past, sorted, at least one
}

// pool names the space that volumes of a host share.
type pool struct{ host, fstype, name string }

// poolOf is the zero pool for a volume that has its space to itself.
func poolOf(s volume.Sample) pool {
	name := volume.Pool(s.Attributes)
	if name == "" {
		return pool{}
	}
	return pool{s.Host, s.Fstype, name}
}

// sameTime is how far apart the readings of a pool's volumes may be. One that was read longer ago is not mounted there
// any more (Telegraf does not say so), and must not speak for the pool.
const sameTime = 24 * time.Hour

// units gathers the newest samples (sorted by ID), a pool under its shortest path (the first of equally short ones). A
// volume that is stuck or missing is a unit of its own: it says nothing of its pool, and its trouble must not be hidden.
func units(newest []volume.Sample) []unit {
	pools := map[pool][]volume.Sample{}
	for _, s := range newest {
		if key := poolOf(s); key != (pool{}) && s.Measured() {
			pools[key] = append(pools[key], s)
		}
	}
	all := make([]unit, 0, len(newest))
	for _, s := range newest {
		members := pools[poolOf(s)]
		if len(members) == 0 || !s.Measured() {
			all = append(all, unit{s, []volume.ID{s.ID}})
		} else if u := poolUnit(members); u.sample.ID == s.ID {
			all = append(all, u)
		}
	}
	return all
}

// poolUnit is the unit of a pool's volumes (sorted by ID, at least one).
func poolUnit(members []volume.Sample) unit {
	last := slices.MaxFunc(members, func(a, b volume.Sample) int { return a.Time.Compare(b.Time) }).Time
	current := slices.DeleteFunc(slices.Clone(members), func(s volume.Sample) bool { return last.Sub(s.Time) > sameTime })
	u := unit{sample: slices.MinFunc(current, func(a, b volume.Sample) int { return len(a.Path) - len(b.Path) })}
	if u.sample.Fstype != "zfs" {
		u.parts = []volume.ID{u.sample.ID} // every volume of a btrfs reports the whole of it
		return u
	}
	// A ZFS dataset reports its own use, and as free what the pool (or its quota) leaves it.
	u.sample.Usage = volume.Usage{}
	datasets := map[string]bool{}
	for _, s := range current {
		if !datasets[s.Device] { // else it is mounted twice
			datasets[s.Device] = true
			u.sample.Usage = together(u.sample.Usage, s.Usage)
			u.parts = append(u.parts, s.ID)
		}
	}
	return u
}

// together is the use of two ZFS datasets of one pool: their uses add up, what is free is shared. Where a quota leaves
// one of them less than the pool has, the larger is the pool's.
func together(a, b volume.Usage) volume.Usage {
	u := volume.Usage{
		Used: a.Used + b.Used, Free: max(a.Free, b.Free),
		InodesUsed: a.InodesUsed + b.InodesUsed, InodesFree: max(a.InodesFree, b.InodesFree),
	}
	u.Total, u.InodesTotal = u.Used+u.Free, u.InodesUsed+u.InodesFree
	return u
}

// addDays merges the days of two parts of a pool, each in time order.
func addDays(a, b []volume.Day) []volume.Day {
	if len(a) == 0 {
		return b
	}
	merged := make([]volume.Day, 0, max(len(a), len(b)))
	for len(a) > 0 && len(b) > 0 {
		switch order := a[0].Start.Compare(b[0].Start); {
		case order < 0:
			merged, a = append(merged, a[0]), a[1:]
		case order > 0:
			merged, b = append(merged, b[0]), b[1:]
		default:
			merged = append(merged, volume.Day{Start: a[0].Start, Usage: together(a[0].Usage, b[0].Usage)})
			a, b = a[1:], b[1:]
		}
	}
	return append(append(merged, a...), b...)
}

// seed makes the simulated paths of a series the same in every run and independent of the other series.
func seed(series string, resource volume.Resource) uint64 {
	h := fnv.New64a()
	h.Write([]byte(series))
	h.Write([]byte{0})
	h.Write([]byte(resource))
	return h.Sum64()
}
