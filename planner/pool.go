package planner

import (
	"hash/fnv"
	"slices"

	"github.com/tidemark/tidemark/internal/volume"
)

// oncePerPool keeps one sample of each pool, that of its shortest path (the first of equally short ones), and all samples
// that are no part of a pool. The order stays.
func oncePerPool(samples []volume.Sample) []volume.Sample {
	type pool struct{ host, name string }
	shortest := map[pool]string{}
	keyOf := func(s volume.Sample) (pool, bool) {
		name := volume.Pool(s.Attributes)
		return pool{s.Host, s.Fstype + " " + name}, name != ""
	}
	for _, s := range samples {
		if key, pooled := keyOf(s); pooled {
			if path, seen := shortest[key]; !seen || len(s.Path) < len(path) {
				shortest[key] = s.Path
			}
		}
	}
	return slices.DeleteFunc(slices.Clone(samples), func(s volume.Sample) bool {
		key, pooled := keyOf(s)
		return pooled && shortest[key] != s.Path
	})
}

// seed makes the simulated paths of a series the same in every run and independent of the other series.
func seed(series string, resource volume.Resource) uint64 {
	h := fnv.New64a()
	h.Write([]byte(series))
	h.Write([]byte{0})
	h.Write([]byte(resource))
	return h.Sum64()
}
