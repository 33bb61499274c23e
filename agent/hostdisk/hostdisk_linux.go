package hostdisk

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/tidemark/tidemark/internal/volume"
)

// hostMounts reads the mounts that the host has. A hardened service has a mount namespace of its own in which everything is
// read-only, so the first process's table is the one that tells the truth; paths are the same in both. In a container
// that process may see other paths: then its table does not begin with our root, and our own is read.
func hostMounts() ([]mount, error) {
	own, err := readMounts("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	host, err := readMounts("/proc/1/mountinfo")
	if err != nil || !sameRoot(own, host) {
		return own, nil
	}
	return host, nil
}

func readMounts(path string) ([]mount, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return parseMountinfo(f)
}

func sameRoot(a, b []mount) bool {
	rootOf := func(mounts []mount) (root mount, ok bool) {
		for _, m := range mounts {
			if m.point == "/" {
				root, ok = m, true
			}
		}
		return root, ok
	}
	ra, okA := rootOf(a)
	rb, okB := rootOf(b)
	return okA && okB && ra.major == rb.major && ra.minor == rb.minor && ra.root == rb.root
}

// readUsage asks a filesystem how full it is. It may hang for as long as its server is away.
func readUsage(m mount) (usage, error) {
	var st unix.Statfs_t
	if err := ignoringEINTR(func() error { return unix.Statfs(m.point, &st) }); err != nil {
		return usage{}, &fs.PathError{Op: "statfs", Path: m.point, Err: err}
	}
	if st.Blocks == 0 {
		return usage{}, errNotAVolume
	}
	if err := checkDevice(m); err != nil {
		return usage{}, err
	}
	return usageOf(st), nil
}

// checkDevice says whether the path still leads to the mount: another may cover it by now. btrfs and overlay give their files
// device numbers of their own, so nothing can be told of them.
func checkDevice(m mount) error {
	if m.fstype == "btrfs" || m.fstype == "overlay" || m.fstype == "bcachefs" {
		return nil
	}
	var st unix.Stat_t
	if err := ignoringEINTR(func() error { return unix.Lstat(m.point, &st) }); err != nil {
		if errors.Is(err, unix.EACCES) {
			return nil // a FUSE of another user: it answers how full it is, but not who it is
		}
		return &fs.PathError{Op: "lstat", Path: m.point, Err: err}
	}
	if unix.Major(uint64(st.Dev)) != m.major || unix.Minor(uint64(st.Dev)) != m.minor {
		return fmt.Errorf("%s: %w", m.point, errCovered)
	}
	return nil
}

// usageOf reads the answer of statfs(2). Blocks are counted in f_frsize; f_bsize is what to read at once, which FUSE and
// virtiofs make much larger.
func usageOf(st unix.Statfs_t) usage {
	size := uint64(st.Frsize)
	if st.Frsize <= 0 {
		size = uint64(st.Bsize)
	}
	bytes := func(blocks uint64) int64 {
		if size != 0 && blocks > math.MaxInt64/size {
			return math.MaxInt64
		}
		return int64(blocks * size)
	}
	less := func(a, b uint64) uint64 { return a - min(a, b) }
	u := usage{
		Usage: volume.Usage{
			Total: bytes(st.Blocks), Free: bytes(st.Bavail), Used: bytes(less(st.Blocks, st.Bfree)),
			InodesTotal: clamp(st.Files), InodesFree: clamp(st.Ffree), InodesUsed: clamp(less(st.Files, st.Ffree)),
		},
		reserved: bytes(less(st.Bfree, st.Bavail)),
	}
	if int64(st.Bavail) < 0 { // an overdrawn quota
		u.Free = 0
		u.reserved = bytes(st.Bfree)
	}
	return u
}

func clamp(v uint64) int64 { return int64(min(v, math.MaxInt64)) }

func ignoringEINTR(f func() error) error {
	for {
		if err := f(); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// resolveDevice follows /dev/mapper/NAME to /dev/dm-N, and /dev/root to what it stands for, as Telegraf does.
func resolveDevice(source string) string {
	if !strings.HasPrefix(source, "/dev/mapper/") && source != "/dev/root" {
		return source
	}
	if target, err := filepath.EvalSymlinks(source); err == nil {
		return target
	}
	return source
}

// label is the device-mapper name, which is what Telegraf's tag of that name holds; empty for other devices.
func label(source string) string {
	device := strings.TrimPrefix(resolveDevice(source), "/dev/")
	if !strings.HasPrefix(device, "dm-") {
		return ""
	}
	name, err := os.ReadFile(filepath.Join("/sys/block", device, "dm/name"))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(name))
}
