package hostdisk

import (
	"os"
	"path/filepath"
	"testing"
)

// aSystem is a /dev, /sys and udev with a disk of two partitions and a volume on a device mapper.
func aSystem(t *testing.T) system {
	t.Helper()
	dir := t.TempDir()
	write := func(path, text string) {
		path = filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	link := func(path, target string) {
		path = filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(target, path); err != nil {
			t.Fatal(err)
		}
	}
	write("dev/dm-1", "")
	link("dev/mapper/vg-data", "../dm-1")
	write("sys/block/dm-1/dm/name", "vg-data\n")
	write("sys/block/dm-2/dm/name", "luks-pool\n")
	link("sys/dev/block/253:1", "../../devices/virtual/block/dm-1")
	link("sys/dev/block/8:1", "../../devices/pci0000:00/ata1/block/sda/sda1")
	write("sys/class/block/dm-1/dev", "253:1\n")
	write("sys/class/block/sda2/dev", "8:2\n")
	write("sys/class/block/cciss!c0d0/dev", "104:0\n")
	write("udev/b8:2", "S:disk/by-label/DATA\nE:ID_FS_TYPE=ext4\nE:ID_FS_LABEL=DATA=1\nE:ID_FS_LABEL_ENC=x\n")
	write("udev/b253:1", "E:ID_FS_LABEL=not-this\n")
	write("udev/b104:0", "E:ID_FS_LABEL=raid\n")
	return system{dev: filepath.Join(dir, "dev"), sys: filepath.Join(dir, "sys"), udev: filepath.Join(dir, "udev")}
}

func TestDeviceNamesAndLabels(t *testing.T) {
	with := aSystem(t)
	// What a service with PrivateDevices= sees: /dev without disks.
	without := with
	without.dev = t.TempDir()
	for _, tc := range []struct {
		name          string
		m             mount
		device, label string
	}{
		{"a partition with a label", mount{source: "/dev/sda2", major: 8, minor: 2}, "/dev/sda2", "DATA=1"},
		{"a mapped volume, whose name is its label", mount{source: "/dev/mapper/vg-data", major: 253, minor: 1}, "/dev/dm-1", "vg-data"},
		{"a mapped btrfs, whose number is no device's", mount{source: "/dev/mapper/luks-pool", minor: 60}, "/dev/dm-2", "luks-pool"},
		{"an unknown mapping", mount{source: "/dev/mapper/gone", minor: 61}, "/dev/mapper/gone", ""},
		{"/dev/root", mount{source: "/dev/root", major: 8, minor: 1}, "/dev/sda1", ""},
		{"/dev/root without a block device", mount{source: "/dev/root", minor: 62}, "/dev/root", ""},
		{"a device in a directory", mount{source: "/dev/cciss/c0d0", major: 104}, "/dev/cciss/c0d0", "raid"},
		{"an export", mount{source: "filer:/dev/mapper/vg-data", minor: 63}, "filer:/dev/mapper/vg-data", ""},
		{"nothing", mount{minor: 64}, "", ""},
	} {
		for dev, s := range map[string]system{"with /dev": with, "without": without} {
			device := s.resolve(tc.m)
			if label := s.label(device); device != tc.device || label != tc.label {
				t.Errorf("%s, %s: %q labelled %q, want %q labelled %q", tc.name, dev, device, label, tc.device, tc.label)
			}
		}
	}
}
