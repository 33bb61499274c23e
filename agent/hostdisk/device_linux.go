package hostdisk

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// system is where the kernel and udev tell of block devices. A hardened service has a /dev of its own without any disks,
// so what /dev would say is read from /sys as well.
type system struct{ dev, sys, udev string }

var thisSystem = system{dev: "/dev", sys: "/sys", udev: "/run/udev/data"}

func resolveDevice(m mount) string { return thisSystem.resolve(m) }

func label(device string) string { return thisSystem.label(device) }

// resolve gives /dev/mapper/NAME and /dev/root the kernel's name for them (/dev/dm-N, /dev/sda1), as Telegraf does.
func (s system) resolve(m mount) string {
	name, mapped := strings.CutPrefix(m.source, "/dev/mapper/")
	if !mapped && m.source != "/dev/root" {
		return m.source
	}
	if mapped {
		if target, err := filepath.EvalSymlinks(filepath.Join(s.dev, "mapper", name)); err == nil {
			return "/dev" + strings.TrimPrefix(target, s.dev)
		}
	}
	number := fmt.Sprintf("%d:%d", m.major, m.minor)
	if target, err := os.Readlink(filepath.Join(s.sys, "dev/block", number)); err == nil {
		return "/dev/" + filepath.Base(target)
	}
	// btrfs has a device number of its own, which is no block device's: look for the name.
	names, _ := filepath.Glob(filepath.Join(s.sys, "block/dm-*/dm/name")) // the pattern is well formed
	for _, path := range names {
		if mapped && firstLine(path) == name {
			return "/dev/" + filepath.Base(filepath.Dir(filepath.Dir(path)))
		}
	}
	return m.source
}

// label is what Telegraf's tag of that name holds: the name of a device-mapper device, else the label of the filesystem
// as udev keeps it. Empty for what is no block device.
func (s system) label(device string) string {
	name, ok := strings.CutPrefix(device, "/dev/")
	if !ok {
		return ""
	}
	name = strings.ReplaceAll(name, "/", "!") // as sysfs does
	if mapped := firstLine(filepath.Join(s.sys, "block", name, "dm/name")); mapped != "" {
		return mapped
	}
	number := firstLine(filepath.Join(s.sys, "class/block", name, "dev"))
	if number == "" {
		return ""
	}
	f, err := os.Open(filepath.Join(s.udev, "b"+number))
	if err != nil {
		return ""
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if label, ok := strings.CutPrefix(lines.Text(), "E:ID_FS_LABEL="); ok {
			return label
		}
	}
	return ""
}

func firstLine(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	line, _, _ := strings.Cut(string(text), "\n")
	return strings.TrimSpace(line)
}
