package hostdisk

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
)

const recorded = `24 1 8:2 / / rw,relatime shared:1 - ext4 /dev/sda2 rw,errors=remount-ro
25 24 0:22 / /proc rw,nosuid shared:12 - proc proc rw
26 24 0:23 / /sys rw - sysfs sysfs rw
31 24 0:27 / /run rw,nosuid,nodev - tmpfs tmpfs rw,size=812k,mode=755
40 24 253:1 / /srv/a\040b rw,relatime shared:20 master:3 propagate_from:2 - xfs /dev/mapper/vg-data rw,attr2
41 24 8:17 / /mnt/ro ro,relatime - ext4 /dev/sdb1 rw
42 24 8:18 / /mnt/super rw,relatime - ext4 /dev/sdb2 ro,errors=remount-ro
43 24 0:50 / /mnt/nfs rw,relatime - nfs4 filer:/export/x rw,vers=4.2
44 24 0:51 / /home rw - autofs systemd-1 rw,fd=43
45 24 0:60 /@ /data rw - btrfs /dev/sdc rw,subvol=/@
46 45 0:60 /@home /data/home rw - btrfs /dev/sdc rw,subvol=/@home
47 24 253:1 /dir /srv/bind rw,relatime - xfs /dev/mapper/vg-data rw
48 24 253:1 / /srv/whole/again rw,relatime - xfs /dev/mapper/vg-data rw
49 24 8:33 / /over rw - ext4 /dev/sdd1 rw
50 49 8:34 / /over rw - ext4 /dev/sdd2 rw
51 24 8:49 / /hidden/deep rw - ext4 /dev/sde1 rw
52 24 8:50 / /hidden rw - ext4 /dev/sde2 rw
53 24 8:65 /only/this /bound rw - ext4 /dev/sdf1 rw
54 24 0:70 / /snap/x ro - squashfs /dev/loop3 ro
55 24 0:60 /@home/some/dir /srv/btrfs-bind rw - btrfs /dev/sdc rw,subvolid=257,subvol=/@home
`

func TestVolumesOfARecordedHost(t *testing.T) {
	mounts, err := parseMountinfo(strings.NewReader(recorded))
	if err != nil {
		t.Fatal(err)
	}
	excluded := func(m mount) bool { return m.fstype == "tmpfs" || m.fstype == "squashfs" }
	var got []string
	for _, views := range viewsOf(mounts, excluded) {
		m := views[0]
		mode := "rw"
		if m.readOnly {
			mode = "ro"
		}
		got = append(got, m.point+" "+m.source+" "+mode)
	}
	want := []string{
		"/ /dev/sda2 rw",
		"/bound /dev/sdf1 rw", // a bind whose filesystem's root is mounted nowhere
		"/data /dev/sdc rw",
		"/data/home /dev/sdc rw",
		"/hidden /dev/sde2 rw", // it covers /hidden/deep
		"/mnt/nfs filer:/export/x rw",
		"/mnt/ro /dev/sdb1 ro",
		"/mnt/super /dev/sdb2 ro",
		"/over /dev/sdd2 rw", // the last mount on a path
		"/srv/a b /dev/mapper/vg-data rw",
	}
	if !slices.Equal(got, want) {
		t.Errorf("volumes:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestCovered(t *testing.T) {
	for _, tc := range []struct {
		name, table string
		want        []string // the points that nothing hides, in the table's order
	}{
		{"mounts older than the root, as an initramfs leaves them", `
22 27 0:21 / /proc rw - proc proc rw
23 27 8:3 / /usr rw - ext4 /dev/sda3 rw
27 1 8:1 / / rw - ext4 /dev/sda1 rw`, []string{"/proc", "/usr", "/"}},
		{"an older mount moved over a newer one", `
10 1 8:1 / / rw - ext4 /dev/sda1 rw
20 10 8:2 / /srv rw - ext4 /dev/sda2 rw
30 10 8:3 / /srv/deep rw - ext4 /dev/sda3 rw`, []string{"/", "/srv"}},
		{"a stack of three, with mounts on each", `
10 1 8:1 / / rw - ext4 /dev/sda1 rw
20 10 8:2 / /a rw - ext4 /dev/sda2 rw
21 20 8:3 / /a/below rw - ext4 /dev/sda3 rw
22 21 8:8 / /a/below/further rw - ext4 /dev/sda8 rw
30 20 8:4 / /a rw - ext4 /dev/sda4 rw
40 30 8:5 / /a rw - ext4 /dev/sda5 rw
41 40 8:6 / /a/above rw - ext4 /dev/sda6 rw
42 41 8:7 / /a/above/more rw - ext4 /dev/sda7 rw`, []string{"/", "/a", "/a/above", "/a/above/more"}},
		{"a mount over the root", `
10 1 8:1 / / rw - ext4 /dev/sda1 rw
11 10 8:2 / /srv rw - ext4 /dev/sda2 rw
12 10 8:3 / / rw - ext4 /dev/sda3 rw`, []string{"/"}},
		{"names that only begin alike", `
10 1 8:1 / / rw - ext4 /dev/sda1 rw
11 10 8:2 / /srv/b rw - ext4 /dev/sda2 rw
12 10 8:3 / /srv/bb rw - ext4 /dev/sda3 rw`, []string{"/", "/srv/b", "/srv/bb"}},
		{"a root that is its own parent, a circle that no kernel writes", `
10 10 8:1 / / rw - ext4 /dev/sda1 rw
20 21 8:2 / /x rw - ext4 /dev/sda2 rw
21 20 8:3 / /y rw - ext4 /dev/sda3 rw`, []string{"/", "/x", "/y"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			mounts, err := parseMountinfo(strings.NewReader(strings.TrimPrefix(tc.table, "\n") + "\n"))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for i, hidden := range covered(mounts) {
				if !hidden {
					got = append(got, mounts[i].point)
				}
			}
			if !slices.Equal(got, tc.want) {
				t.Errorf("in sight: %q, want %q", got, tc.want)
			}
		})
	}
}

func TestParseMountRefuses(t *testing.T) {
	for _, line := range []string{"", "1 2 3", "24 1 8:2 / / rw shared:1 ext4 /dev/sda2 rw", "24 1 x:2 / / rw - ext4 /dev/sda2 rw", "24 1 8:2 / / rw - ext4", "x 1 8:2 / / rw - ext4 /dev/sda2 rw"} {
		if m, err := parseMountinfo(strings.NewReader(line + "\n")); err == nil {
			t.Errorf("%q is read as %+v", line, m)
		}
	}
}

func TestUnescape(t *testing.T) {
	for in, want := range map[string]string{
		`/plain`: "/plain", `/a\040b`: "/a b", `/tab\011x\012\134y`: "/tab\tx\n\\y", `/short\04`: `/short\04`, `/not\09x`: `/not\09x`, `/\303\244`: "/ä",
	} {
		if got := unescape(in); got != want {
			t.Errorf("unescape(%q) = %q, want %q", in, got, want)
		}
	}
}

func FuzzParseMountinfo(f *testing.F) {
	f.Add(recorded)
	f.Add("24 1 8:2 / / rw - a b\n")
	f.Add("24 1 8:2 /\\040 /\\777 rw shared:1 - a b ro\n")
	f.Fuzz(func(t *testing.T, text string) {
		mounts, err := parseMountinfo(strings.NewReader(text))
		if err != nil {
			return
		}
		volumes := viewsOf(mounts, func(mount) bool { return false })
		if len(volumes) > len(mounts) {
			t.Fatalf("%d volumes of %d mounts", len(volumes), len(mounts))
		}
		if again := viewsOf(mounts, func(mount) bool { return false }); !reflect.DeepEqual(volumes, again) {
			t.Fatal("the order of volumes is not the same twice")
		}
	})
}

// BenchmarkViewsOf is a host with five thousand mounts, as container hosts have.
func BenchmarkViewsOf(b *testing.B) {
	mounts := []mount{{id: 1, major: 8, minor: 1, root: "/", point: "/", fstype: "ext4", source: "/dev/sda1"}}
	for i := range 5000 {
		mounts = append(mounts, mount{
			id: i + 2, parent: 1, minor: uint32(i + 1), root: "/", point: fmt.Sprintf("/var/lib/pods/%d/volumes/data", i), fstype: "nfs4",
		})
	}
	for b.Loop() {
		if n := len(viewsOf(mounts, func(mount) bool { return false })); n != 5001 {
			b.Fatalf("%d filesystems", n)
		}
	}
}
