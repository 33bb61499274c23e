package planner

import (
	"context"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tidemark/tidemark/internal/volume"
	"github.com/tidemark/tidemark/planner/csvinput"
	"github.com/tidemark/tidemark/planner/forecast"
)

// likeness is what the volumes of a group that lends its growth have in common.
type likeness struct {
	resource     volume.Resource
	rule         string
	fstype, name string
}

// likenessesOf are the groups that a volume belongs to, the nearest first: what is mounted at one path of many hosts does one job;
// tags are a department's or a rack's; what only shares a host is better than nothing.
func likenessesOf(s volume.Sample, r volume.Resource) []likeness {
	all := []likeness{{r, "path", s.Fstype, s.Path}}
	if len(s.Tags) > 0 {
		var tags strings.Builder
		for _, k := range slices.Sorted(maps.Keys(s.Tags)) {
			tags.WriteString(k + "\x00" + s.Tags[k] + "\x00")
		}
		all = append(all, likeness{r, "tags", s.Fstype, tags.String()})
	}
	return append(all, likeness{r, "host", "", s.Host})
}

// growths are the growth of each group of like volumes.
type growths map[likeness]forecast.Growth

// of is the growth of the nearest group that is large enough; nil without one.
func (g growths) of(s volume.Sample, r volume.Resource) *forecast.Growth {
	for _, l := range likenessesOf(s, r) {
		if growth, ok := g[l]; ok {
			return &growth
		}
	}
	return nil
}

const (
	// youngPast is how old a volume is at most that borrows: eight weeks, counted from a bulk load in its first fortnight.
	youngPast = (8*7 + 14) * 24 * time.Hour
	// lentPast holds the 90 days whose growth is lent, and a fortnight before them, where a copy looks like a bulk load.
	lentPast = 110 * 24 * time.Hour
)

// withGrowth gives the young ones of a query's inputs the growth of like volumes. At the first of them the last days of all units are
// read, once, so that it makes no difference in which order volumes come.
func (p Planner) withGrowth(ctx context.Context, q Query, units []unit, inputs iter.Seq2[input, error]) iter.Seq2[input, error] {
	return func(yield func(input, error) bool) {
		var known growths
		for in, err := range inputs {
			young := len(in.days) == 0 || q.Now.Sub(in.days[0].Start) < youngPast
			if err == nil && young && len(units) > forecast.LeastLike {
				if known == nil {
					known, err = p.growths(ctx, q, units)
				}
				in.growth = known.of(in.sample, in.resource)
			}
			if !yield(in, err) || err != nil {
				return
			}
		}
	}
}

// growths reads how the units have grown of late. Space that several volumes show is lent once.
func (p Planner) growths(ctx context.Context, q Query, units []unit) (growths, error) {
	q.Past = min(q.Past, lentPast)
	type shared struct {
		sharedSpace
		volume.Resource
	}
	lent := map[shared]bool{}
	paces := map[likeness][]forecast.Pace{}
	for in, err := range p.inputs(ctx, q, units) {
		if err != nil {
			return nil, err
		}
		pace, ok := forecast.PaceOf(fitInput(in))
		if !ok {
			continue
		}
		if space, ok := spaceOf(in.sample); ok {
			if lent[shared{space, in.resource}] {
				continue
			}
			lent[shared{space, in.resource}] = true
		}
		for _, l := range likenessesOf(in.sample, in.resource) {
			paces[l] = append(paces[l], pace)
		}
	}
	known := growths{}
	for l, all := range paces {
		if growth, ok := forecast.Pool(all); ok {
			known[l] = growth
		}
	}
	return known, nil
}

// FileGrowth is the growth of a file's series taken for like volumes; nil where fewer than five have a long enough past and a capacity.
func FileGrowth(file *csvinput.File) *forecast.Growth {
	var all []forecast.Pace
	for _, s := range file.Series {
		if pace, ok := forecast.PaceOf(forecast.Input{Observations: s.Observations()}); ok {
			all = append(all, pace)
		}
	}
	growth, ok := forecast.Pool(all)
	if !ok {
		return nil
	}
	return &growth
}
