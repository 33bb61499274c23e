package fsys

import (
	"errors"
	"fmt"
)

// Identity tells a file from every other that its filesystem had or will have: by its inode and, where there is one, the inode's
// generation.
func Identity(n Node, info Info) (string, error) {
	var generation uint32
	if g, ok := n.(interface{ Generation() (uint32, error) }); ok {
		var err error
		if generation, err = g.Generation(); err != nil && !errors.Is(err, ErrUnsupported) {
			return "", fmt.Errorf("read the inode's generation: %w", err)
		}
	}
	return fmt.Sprintf("%d.%d", info.Ino, generation), nil
}

// ReadAttributes reads all of a node but its content. Extended attributes, flags and a project are none where the filesystem knows
// no such thing.
func ReadAttributes(n Node) (Attributes, Info, error) {
	info, err := n.Stat()
	if err != nil {
		return Attributes{}, Info{}, err
	}
	a := Attributes{UID: info.UID, GID: info.GID, Mode: info.Permissions(), Atime: info.Atime, Mtime: info.Mtime}
	xattrs, err := n.Xattrs()
	if err != nil && !errors.Is(err, ErrUnsupported) {
		return Attributes{}, Info{}, fmt.Errorf("read extended attributes: %w", err)
	}
	if len(xattrs) > 0 {
		a.Xattrs = xattrs
	}
	if a.Flags, err = n.Flags(); err != nil && !errors.Is(err, ErrUnsupported) {
		return Attributes{}, Info{}, fmt.Errorf("read file flags: %w", err)
	}
	if a.Project, err = n.ProjectID(); err != nil && !errors.Is(err, ErrUnsupported) {
		return Attributes{}, Info{}, fmt.Errorf("read project: %w", err)
	}
	return a, info, nil
}
