package planner

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidemark/tidemark/internal/volume"
)

// now is the tests' present, half a day after 00:00 UTC.
var now = time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)

const day = 24 * time.Hour

// sampleAt is a reading of now, of a volume of host h.
func sampleAt(path, fstype, device string, used, free int64) volume.Sample {
	return volume.Sample{
		ID: volume.ID{Host: "h", Path: path}, Time: now,
		Attributes: volume.Attributes{Fstype: fstype, Device: device, Mode: "rw"},
		Usage:      volume.Usage{Total: used + free, Used: used, Free: free},
	}
}

func sorted(samples ...volume.Sample) []volume.Sample {
	slices.SortFunc(samples, func(a, b volume.Sample) int { return a.ID.Compare(b.ID) })
	return samples
}

// told writes units as "volume used/free".
func told(all []unit) []string {
	var text []string
	for _, u := range all {
		var parts []string
		for _, id := range u.parts {
			parts = append(parts, id.Path)
		}
		text = append(text, u.sample.ID.String()+" of "+strings.Join(parts, " "))
	}
	return text
}

func TestUnits(t *testing.T) {
	ago := func(s volume.Sample, d time.Duration) volume.Sample { s.Time = s.Time.Add(-d); return s }
	on := func(host string, s volume.Sample) volume.Sample { s.Host = host; return s }
	stuck := func(s volume.Sample) volume.Sample { s.Stuck = true; return s }
	missing := func(s volume.Sample) volume.Sample { s.Missing = true; return s }
	for _, tc := range []struct {
		name string
		in   []volume.Sample
		want []string
	}{
		{"nothing", nil, nil},
		{"each has its space to itself", []volume.Sample{sampleAt("/", "ext4", "sda1", 1, 1), sampleAt("/b", "xfs", "sda1", 1, 1)}, []string{"h:/ of /", "h:/b of /b"}},
		{"a btrfs under its shortest path", []volume.Sample{
			sampleAt("/data", "btrfs", "sdb", 1, 1), sampleAt("/data/sub", "btrfs", "sdb", 1, 1), sampleAt("/other", "btrfs", "sdc", 1, 1),
		}, []string{"h:/data of /data", "h:/other of /other"}},
		{"the shortest path is not the first", []volume.Sample{sampleAt("/a/long", "btrfs", "sdb", 1, 1), sampleAt("/z", "btrfs", "sdb", 1, 1)}, []string{"h:/z of /z"}},
		{"the first of equally short ones", []volume.Sample{sampleAt("/b", "btrfs", "sdb", 1, 1), sampleAt("/a", "btrfs", "sdb", 1, 1)}, []string{"h:/a of /a"}},
		{"one device on two hosts is two", []volume.Sample{sampleAt("/a", "btrfs", "sdb", 1, 1), on("i", sampleAt("/a", "btrfs", "sdb", 1, 1))}, []string{"h:/a of /a", "i:/a of /a"}},
		{"one device and two filesystems are two", []volume.Sample{sampleAt("/a", "btrfs", "tank", 1, 1), sampleAt("/b", "zfs", "tank", 1, 1)}, []string{"h:/a of /a", "h:/b of /b"}},
		{"datasets of a ZFS pool are its parts", []volume.Sample{
			sampleAt("/a/long", "zfs", "tank/long", 1, 1), sampleAt("/z", "zfs", "tank", 1, 1), sampleAt("/zz", "zfs", "tank2", 1, 1),
		}, []string{"h:/z of /a/long /z", "h:/zz of /zz"}},
		{"a dataset that is mounted twice is one part", []volume.Sample{sampleAt("/a/long", "zfs", "tank/x", 1, 1), sampleAt("/z", "zfs", "tank/x", 1, 1)}, []string{"h:/z of /a/long"}},
		{"a path that was left does not speak for the pool", []volume.Sample{ago(sampleAt("/a", "btrfs", "sdb", 1, 1), day+time.Second), sampleAt("/data", "btrfs", "sdb", 1, 1)}, []string{"h:/data of /data"}},
		{"a path that was read a day before does", []volume.Sample{ago(sampleAt("/a", "btrfs", "sdb", 1, 1), day), sampleAt("/data", "btrfs", "sdb", 1, 1)}, []string{"h:/a of /a"}},
		{"a pool that is silent as a whole", []volume.Sample{ago(sampleAt("/a", "btrfs", "sdb", 1, 1), 9*day), ago(sampleAt("/data", "btrfs", "sdb", 1, 1), 9*day)}, []string{"h:/a of /a"}},
		{"a dataset that was destroyed is no part", []volume.Sample{sampleAt("/t", "zfs", "t", 1, 1), ago(sampleAt("/t/gone", "zfs", "t/gone", 1, 1), 2*day)}, []string{"h:/t of /t"}},
		{"trouble is not hidden by the pool", []volume.Sample{
			sampleAt("/", "btrfs", "sdb", 1, 1), missing(sampleAt("/home", "btrfs", "sdb", 1, 1)), stuck(sampleAt("/srv", "btrfs", "sdb", 1, 1)),
		}, []string{"h:/ of /", "h:/home of /home", "h:/srv of /srv"}},
		{"trouble does not speak for the pool", []volume.Sample{missing(sampleAt("/", "btrfs", "sdb", 1, 1)), sampleAt("/home", "btrfs", "sdb", 1, 1)}, []string{"h:/ of /", "h:/home of /home"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, told(units(sorted(tc.in...)))); diff != "" {
				t.Errorf("units (-want +got):\n%s", diff)
			}
		})
	}
}

func TestZFSPoolAddsItsDatasetsUp(t *testing.T) {
	a, b, twice, quota := sampleAt("/t", "zfs", "t", 10, 100), sampleAt("/t/b", "zfs", "t/b", 300, 100), sampleAt("/twice", "zfs", "t/b", 300, 100), sampleAt("/t/q", "zfs", "t/q", 5, 1)
	a.InodesTotal, a.InodesUsed, a.InodesFree = 1010, 10, 1000
	b.InodesTotal, b.InodesUsed, b.InodesFree = 1030, 30, 1000
	got := units(sorted(a, b, twice, quota))
	if len(got) != 1 {
		t.Fatalf("units %v, want one", told(got))
	}
	want := volume.Usage{Total: 415, Used: 315, Free: 100, InodesTotal: 1040, InodesUsed: 40, InodesFree: 1000}
	if got[0].sample.Usage != want || got[0].sample.Device != "t" {
		t.Errorf("usage %+v of %s, want %+v of t", got[0].sample.Usage, got[0].sample.Device, want)
	}
}

func TestAddDays(t *testing.T) {
	at := func(n int, used, free int64) volume.Day {
		return volume.Day{Start: time.Date(2026, 1, n, 0, 0, 0, 0, time.UTC), Usage: volume.Usage{Total: used + free, Used: used, Free: free}}
	}
	a, b := []volume.Day{at(1, 1, 9), at(3, 2, 8), at(4, 3, 7)}, []volume.Day{at(2, 10, 5), at(3, 20, 9), at(5, 30, 1)}
	want := []volume.Day{at(1, 1, 9), at(2, 10, 5), at(3, 22, 9), at(4, 3, 7), at(5, 30, 1)}
	for name, got := range map[string][]volume.Day{"a and b": addDays(a, b), "b and a": addDays(b, a)} {
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if diff := cmp.Diff(a, addDays(nil, a)); diff != "" {
		t.Errorf("with nothing (-want +got):\n%s", diff)
	}
}
