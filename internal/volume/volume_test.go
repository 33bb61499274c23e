package volume

import (
	"slices"
	"testing"
	"time"
)

func TestParseID(t *testing.T) {
	for _, tc := range []struct {
		name, in, host, path string
		wantErr              bool
	}{
		{name: "plain", in: "db1:/var/lib", host: "db1", path: "/var/lib"},
		{name: "root", in: "db1:/", host: "db1", path: "/"},
		{name: "path with a colon", in: "db1:/mnt/a:/b", host: "db1", path: "/mnt/a:/b"},
		{name: "IPv6 host", in: "fe80::1:/srv", host: "fe80::1", path: "/srv"},
		{name: "drive", in: "win1:C:", host: "win1", path: "C:"},
		{name: "no host", in: ":/srv", wantErr: true},
		{name: "no path", in: "db1:", wantErr: true},
		{name: "no colon", in: "db1", wantErr: true},
		{name: "empty", in: "", wantErr: true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			id, err := ParseID(tc.in)
			if (err != nil) != tc.wantErr {
				t.Fatalf("ParseID(%q) error %v, want one: %v", tc.in, err, tc.wantErr)
			}
			if err == nil && (id != ID{Host: tc.host, Path: tc.path} || id.String() != tc.in) {
				t.Errorf("ParseID(%q) = %#v, written %q", tc.in, id, id)
			}
		})
	}
}

func TestDaysHoldWorstOfEachFinishedDayInAnyOrder(t *testing.T) {
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	readings := []Reading{
		{noon.Add(26 * time.Hour), Usage{Used: 5, Free: 5, Total: 10}},
		{noon, Usage{Used: 4, Free: 6, Total: 10, InodesUsed: 1, InodesFree: 9, InodesTotal: 10}},
		{noon.Add(time.Hour), Usage{Used: 7, Free: 13, Total: 20, InodesUsed: 3, InodesFree: 7, InodesTotal: 10}},
		{noon.Add(48 * time.Hour), Usage{Used: 9}}, // the unfinished day
	}
	want := []Day{
		{noon.Add(-12 * time.Hour), Usage{Used: 7, Free: 6, Total: 20, InodesUsed: 3, InodesFree: 7, InodesTotal: 10}},
		{noon.Add(12 * time.Hour), Usage{Used: 5, Free: 5, Total: 10}},
	}
	for range 2 {
		if got := Days(readings, noon.Add(49*time.Hour)); !slices.Equal(got, want) {
			t.Errorf("Days = %+v, want %+v", got, want)
		}
		slices.Reverse(readings)
	}
}

func TestUsableKeepsTheLastSizeWhileFull(t *testing.T) {
	in := []Usage{{Used: 12}, {Used: 60, Free: 40}, {Used: 103}, {Used: 105}, {Used: 100, Free: 100}}
	if got, want := Usable(in), []int64{12, 100, 100, 100, 200}; !slices.Equal(got, want) {
		t.Errorf("Usable = %v, want %v", got, want)
	}
}

func TestPercent(t *testing.T) {
	if got := (Usage{Used: 1, Free: 3, Total: 5}).UsedPercent(); got != 25 {
		t.Errorf("UsedPercent = %v, want 25", got)
	}
	if got := (Usage{}).InodesUsedPercent(); got != 0 {
		t.Errorf("InodesUsedPercent of nothing = %v, want 0", got)
	}
}

func TestPool(t *testing.T) {
	for _, tc := range []struct{ fstype, device, want string }{
		{"btrfs", "sdb1", "sdb1"}, {"zfs", "tank/home/x", "tank"}, {"zfs", "tank", "tank"}, {"ext4", "sda1", ""},
	} {
		if got := Pool(Attributes{Fstype: tc.fstype, Device: tc.device}); got != tc.want {
			t.Errorf("Pool(%s %s) = %q, want %q", tc.fstype, tc.device, got, tc.want)
		}
	}
}
