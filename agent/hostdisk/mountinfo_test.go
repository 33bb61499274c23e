package hostdisk

import (
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
46 24 0:60 /@home /data/home rw - btrfs /dev/sdc rw,subvol=/@home
47 24 253:1 /dir /srv/bind rw,relatime - xfs /dev/mapper/vg-data rw
48 24 253:1 / /srv/whole/again rw,relatime - xfs /dev/mapper/vg-data rw
49 24 8:33 / /over rw - ext4 /dev/sdd1 rw
50 49 8:34 / /over rw - ext4 /dev/sdd2 rw
51 24 8:49 / /hidden/deep rw - ext4 /dev/sde1 rw
52 24 8:50 / /hidden rw - ext4 /dev/sde2 rw
53 24 8:65 /only/this /bound rw - ext4 /dev/sdf1 rw
54 24 0:70 / /snap/x ro - squashfs /dev/loop3 ro
`

func TestVolumesOfARecordedHost(t *testing.T) {
	mounts, err := parseMountinfo(strings.NewReader(recorded))
	if err != nil {
		t.Fatal(err)
	}
	excluded := func(m mount) bool { return m.fstype == "tmpfs" || m.fstype == "squashfs" }
	var got []string
	for _, m := range volumesOf(mounts, excluded) {
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

func TestParseMountRefuses(t *testing.T) {
	for _, line := range []string{"", "1 2 3", "24 1 8:2 / / rw shared:1 ext4 /dev/sda2 rw", "24 1 x:2 / / rw - ext4 /dev/sda2 rw", "24 1 8:2 / / rw - ext4"} {
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
		volumes := volumesOf(mounts, func(mount) bool { return false })
		if len(volumes) > len(mounts) {
			t.Fatalf("%d volumes of %d mounts", len(volumes), len(mounts))
		}
		if again := volumesOf(mounts, func(mount) bool { return false }); !reflect.DeepEqual(volumes, again) {
			t.Fatal("the order of volumes is not the same twice")
		}
	})
}
