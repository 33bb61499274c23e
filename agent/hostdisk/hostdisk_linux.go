package hostdisk

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"

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

// readUsage asks a filesystem how full it is. It may hang for as long as its server is away. The path is opened first, so
// that all answers are of one mount; opened as a mere place (O_PATH), which triggers no automount and runs no driver.
func readUsage(m mount) (usage, error) {
	failed := func(op string, err error) error { return &fs.PathError{Op: op, Path: m.point, Err: err} }
	var fd int
	err := ignoringEINTR(func() (err error) {
		fd, err = unix.Open(m.point, unix.O_PATH|unix.O_CLOEXEC, 0)
		return err
	})
	if err != nil {
		return usage{}, failed("open", err)
	}
	defer unix.Close(fd)
	var stat unix.Statfs_t
	if err := ignoringEINTR(func() error { return unix.Fstatfs(fd, &stat) }); err != nil {
		return usage{}, failed("statfs", err)
	}
	if stat.Blocks == 0 {
		return usage{}, errNotAVolume
	}
	var file unix.Stat_t
	switch err := ignoringEINTR(func() error { return unix.Fstat(fd, &file) }); {
	case errors.Is(err, unix.EACCES): // a FUSE of another user: it says how full it is, but not who it is
	case err != nil:
		return usage{}, failed("stat", err)
	case !isMount(m, stat, file):
		return usage{}, fmt.Errorf("%s: %w", m.point, errCovered)
	case file.Mode&unix.S_IFMT != unix.S_IFDIR:
		return usage{}, fmt.Errorf("%s: %w", m.point, errIsAFile)
	}
	return usageOf(stat), nil
}

// ownNumbers are the filesystems, by type and by the number that statfs(2) gives them, that give their files device
// numbers of their own.
var ownNumbers = map[string]int64{
	"btrfs": unix.BTRFS_SUPER_MAGIC, "overlay": unix.OVERLAYFS_SUPER_MAGIC, "bcachefs": 0xca451a4e,
}

// isMount says whether what was opened is the mount: another may cover it by now.
func isMount(m mount, stat unix.Statfs_t, file unix.Stat_t) bool {
	if number, ok := ownNumbers[m.fstype]; ok {
		return int64(stat.Type) == number
	}
	return unix.Major(file.Dev) == m.major && unix.Minor(file.Dev) == m.minor
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
