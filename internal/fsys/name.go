package fsys

import (
	"strings"
	"syscall"
)

// ValidName says whether a Dir takes it as a name. How long it may be is the filesystem's to say.
func ValidName(name string) bool {
	return name != "" && name != "." && name != ".." && strings.IndexByte(name, '/') < 0 && strings.IndexByte(name, 0) < 0
}

// CheckPath is the error of OpenDir for a path that it does not look up: EINVAL when it is empty or has a zero byte in it, EXDEV when it is
// absolute or has ".." in it (even where that would not lead out).
func CheckPath(path string) error {
	if path == "" || strings.IndexByte(path, 0) >= 0 {
		return syscall.EINVAL
	}
	if path[0] == '/' {
		return syscall.EXDEV
	}
	for name := range strings.SplitSeq(path, "/") {
		if name == ".." {
			return syscall.EXDEV
		}
	}
	return nil
}
