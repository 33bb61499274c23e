package planner

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/tidemark/tidemark/internal/volume"
)

// outlookOf is the outlook of a volume, as far as groups look at it.
func outlookOf(host, path, fstype, device, site string, used, capacity float64) Outlook {
	s := sampleAt(path, fstype, device, 0, 0)
	s.Host = host
	if site != "" {
		s.Tags = map[string]string{"site": site}
	}
	o := Outlook{Sample: s, Volume: s.ID, Resource: volume.Space}
	o.Used, o.Capacity = used, capacity
	return o
}

func TestGroupCountsSpaceOnce(t *testing.T) {
	inodes := outlookOf("b", "/", "ext4", "sda", "north", 900, 1000)
	inodes.Resource = volume.Inodes
	missing := outlookOf("b", "/pool/gone", "btrfs", "sdb", "north", 70, 700)
	missing.Sample.Missing = true
	groups := GroupBy([]Outlook{
		outlookOf("a", "/nfs", "nfs4", "filer:/x", "north", 10, 100), outlookOf("b", "/mnt", "nfs4", "filer:/x", "north", 10, 100),
		outlookOf("b", "/y", "nfs4", "filer:/y", "north", 1000, 10000),
		outlookOf("b", "/", "ext4", "sda", "north", 5, 50), outlookOf("b", "/srv", "ext4", "sda", "north", 5, 50),
		outlookOf("b", "/pool", "btrfs", "sdb", "north", 70, 700), missing, outlookOf("a", "/pool", "btrfs", "sdb", "north", 70, 700),
		outlookOf("b", "/dead", "nfs4", "filer:/z", "north", math.NaN(), math.NaN()), outlookOf("c", "/z", "nfs4", "filer:/z", "north", 3, 30),
		outlookOf("c", "/", "ext4", "sda", "", 1, 2), inodes,
	}, "site")
	if len(groups) != 2 || groups[0].Value != "" || groups[1].Value != "north" {
		t.Fatalf("groups %+v", groups)
	}
	if g := groups[0]; g.Used != 1 || g.Capacity != 2 || g.CountedElsewhere != 0 || len(g.Outlooks) != 1 {
		t.Errorf("without a site: %v of %v, %d counted elsewhere, %d outlooks; want 1 of 2, 0, 1", g.Used, g.Capacity, g.CountedElsewhere, len(g.Outlooks))
	}
	if g := groups[1]; g.Used != 1163 || g.Capacity != 11630 || g.CountedElsewhere != 2 || len(g.Outlooks) != 11 {
		t.Errorf("north: %v of %v, %d counted elsewhere, %d outlooks; want 1163 of 11630, 2, 11", g.Used, g.Capacity, g.CountedElsewhere, len(g.Outlooks))
	}
}

func TestGroupByWhatEverySampleHas(t *testing.T) {
	outlooks := []Outlook{
		outlookOf("b", "/", "ext4", "sda", "north", 1, 2), outlookOf("a", "/srv", "xfs", "sda", "south", 1, 2), outlookOf("a", "/", "ext4", "sdb", "north", 1, 2),
	}
	for tag, want := range map[string][]string{
		"host": {"a 2", "b 1"}, "path": {"/ 2", "/srv 1"}, "device": {"sda 2", "sdb 1"}, "fstype": {"ext4 2", "xfs 1"},
		"site": {"north 2", "south 1"}, "rack": {" 3"},
	} {
		var got []string
		for _, g := range GroupBy(outlooks, tag) {
			got = append(got, fmt.Sprintf("%s %d", g.Value, len(g.Outlooks)))
		}
		if !slices.Equal(got, want) {
			t.Errorf("by %s: %q, want %q", tag, got, want)
		}
	}
	if north := GroupBy(outlooks, "site")[0]; north.Outlooks[0].Volume.Host != "b" || north.Outlooks[1].Volume.Host != "a" {
		t.Error("the order within a group changed")
	}
	if got := GroupBy(nil, "site"); len(got) != 0 {
		t.Errorf("of nothing: %+v", got)
	}
}
