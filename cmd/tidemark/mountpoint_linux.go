package main

import (
	"path/filepath"

	"golang.org/x/sys/unix"
)

// mountPoint is where the mount begins that holds a path. It goes by the mount and not by the device: the subvolumes of a btrfs
// have devices of their own.
func mountPoint(path string) (string, error) {
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		return "", err
	}
	mount, err := mountID(path)
	if err != nil {
		return "", err
	}
	for path != "/" {
		above := filepath.Dir(path)
		other, err := mountID(above)
		if err != nil {
			return "", err
		}
		if other != mount {
			break
		}
		path = above
	}
	return path, nil
}

func mountID(path string) (uint64, error) {
	var st unix.Statx_t
	err := unix.Statx(unix.AT_FDCWD, path, unix.AT_SYMLINK_NOFOLLOW, unix.STATX_MNT_ID, &st)
	return st.Mnt_id, err
}
