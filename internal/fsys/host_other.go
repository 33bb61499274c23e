//go:build !linux

package fsys

import "io/fs"

// Host is this machine's filesystems, on Linux. Here it opens nothing.
type Host struct{}

var _ FS = Host{}

// OpenRoot says that files are moved on Linux only.
func (Host) OpenRoot(path string) (Dir, error) {
	return nil, &fs.PathError{Op: "open", Path: path, Err: ErrUnsupported}
}
