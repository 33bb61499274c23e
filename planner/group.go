package planner

import (
	"slices"
	"strings"

	"github.com/tidemark/tidemark/internal/volume"
)

// Group is the volumes that share a tag's value, with their sum. A network filesystem that several hosts mount is counted
// once, by device, and a pool once.
type Group struct {
	Value            string // of the tag; empty for volumes without it
	Outlooks         []Outlook
	Used, Capacity   float64 // bytes
	CountedElsewhere int     // volumes left out of the sum because another one shows the same space
}

// GroupBy gathers outlooks by a tag (or host, path, device, fstype), sorted by value, each group in the given order.
func GroupBy(outlooks []Outlook, tag string) []Group {
	byValue := map[string]*Group{}
	for _, o := range outlooks {
		value := TagValue(o.Sample, tag)
		g, ok := byValue[value]
		if !ok {
			g = &Group{Value: value}
			byValue[value] = g
		}
		g.Outlooks = append(g.Outlooks, o)
	}
	groups := make([]Group, 0, len(byValue))
	for _, g := range byValue {
		g.sum()
		groups = append(groups, *g)
	}
	slices.SortFunc(groups, func(a, b Group) int { return strings.Compare(a.Value, b.Value) })
	return groups
}

func (g *Group) sum() {
	counted := map[sharedSpace]bool{}
	for _, o := range g.Outlooks {
		if o.Resource != volume.Space || !(o.Capacity > 0) {
			continue
		}
		if space, shared := spaceOf(o.Sample); shared {
			if counted[space] {
				g.CountedElsewhere++
				continue
			}
			counted[space] = true
		}
		g.Used += o.Used
		g.Capacity += o.Capacity
	}
}

// sharedSpace names space that more than one volume shows: a network filesystem's device, on any host, or a pool of one.
type sharedSpace struct {
	device string
	pool   pool
}

func spaceOf(s volume.Sample) (space sharedSpace, shared bool) {
	if volume.Network(s.Fstype) {
		return sharedSpace{device: s.Device}, true
	}
	p := poolOf(s)
	return sharedSpace{pool: p}, p != (pool{})
}

// TagValue is the value of a tag, or of host, path, device, fstype, by which volumes are grouped; empty without it.
func TagValue(s volume.Sample, tag string) string {
	switch tag {
	case "host":
		return s.Host
	case "path":
		return s.Path
	case "device":
		return s.Device
	case "fstype":
		return s.Fstype
	default:
		return s.Tags[tag]
	}
}
