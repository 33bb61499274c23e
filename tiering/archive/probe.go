package archive

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"github.com/tidemark/tidemark/internal/fsys"
)

// The files of a probe.
const (
	probeA = "probe-a"
	probeB = "probe-b"
	probeC = "probe-c"
)

// probe finds out what a filesystem can do, by doing it in a directory of ours, and cleans up after itself and after a probe
// that was interrupted.
func probe(dir fsys.Dir) (can Can, err error) {
	if err := unprobe(dir); err != nil {
		return can, err
	}
	defer func() {
		// Durably: what a power cut leaves in staging would be reported for ever.
		err = errors.Join(err, unprobe(dir))
		if err == nil {
			err = dir.Sync()
		}
	}()
	for _, name := range []string{probeA, probeB} {
		if err := probeFile(dir, name); err != nil {
			return can, err
		}
	}
	if can.Exchange, err = probeExchange(dir); err != nil {
		return can, err
	}
	if can.NoReplace, err = probeNoReplace(dir); err != nil {
		return can, err
	}
	if can.Link, err = able(dir.Link(probeB, dir, probeC)); err != nil {
		return can, err
	}
	file, err := dir.OpenReadWrite(probeB)
	if err != nil {
		return can, err
	}
	defer file.Close()
	return can, probeAttributes(dir, file, &can)
}

func probeFile(dir fsys.Dir, name string) error {
	file, err := dir.Create(name, 0o600)
	if err != nil {
		return err
	}
	return file.Close()
}

// able sorts errors into those that say "this filesystem can't" and those that say that something is wrong.
func able(err error) (bool, error) {
	switch {
	case err == nil:
		return true, nil
	case errors.Is(err, fsys.ErrUnsupported), errors.Is(err, syscall.EINVAL), errors.Is(err, syscall.ENOTTY), errors.Is(err, syscall.EPERM),
		errors.Is(err, syscall.EMLINK):
		return false, nil
	}
	return false, err
}

// probeExchange expects two files; they are there afterwards.
func probeExchange(dir fsys.Dir) (bool, error) {
	before, err := dir.StatName(probeA)
	if err != nil {
		return false, err
	}
	if can, err := able(dir.Rename(probeA, dir, probeB, fsys.Exchange)); !can {
		return false, err
	}
	after, err := dir.StatName(probeB)
	if err != nil {
		return false, err
	}
	_, err = dir.StatName(probeA)
	return err == nil && after.Ino == before.Ino, err
}

// probeNoReplace expects two files; only the second is there afterwards.
func probeNoReplace(dir fsys.Dir) (bool, error) {
	if can, err := able(dir.Rename(probeA, dir, probeC, fsys.NoReplace)); !can {
		return false, err
	}
	err := dir.Rename(probeC, dir, probeB, fsys.NoReplace)
	if errors.Is(err, fs.ErrExist) {
		return true, dir.Remove(probeC)
	}
	if err == nil {
		return false, nil // it replaced: never trust it
	}
	_, err = able(err)
	return false, errors.Join(err, dir.Remove(probeC))
}

func probeAttributes(dir fsys.Dir, file fsys.File, can *Can) error {
	var err error
	acl := ACL{{TagUserObj, 6, 0}, {TagUser, 4, 1}, {TagGroupObj, 0, 0}, {TagMask, 4, 0}, {TagOther, 0, 0}}.Format()
	if can.ACL, err = probeXattr(file, XattrAccess, acl); err != nil {
		return fmt.Errorf("ACLs: %w", err)
	}
	if can.Xattrs, err = probeXattr(file, "user.tidemark.probe", []byte("x")); err != nil {
		return fmt.Errorf("extended attributes: %w", err)
	}
	flags, err := file.Flags()
	if can.Flags, err = able(err); err != nil {
		return fmt.Errorf("flags: %w", err)
	}
	if can.Project, err = probeProject(file); err != nil {
		return fmt.Errorf("project ids: %w", err)
	}
	if !can.Flags {
		return nil
	}
	if can.Immutable, err = probeImmutable(dir, file, flags); err != nil {
		return fmt.Errorf("immutable files: %w", err)
	}
	return nil
}

func probeXattr(file fsys.File, name string, value []byte) (bool, error) {
	if can, err := able(file.SetXattr(name, value)); !can {
		return false, err
	}
	all, err := file.Xattrs()
	if err != nil {
		return false, err
	}
	return bytes.Equal(all[name], value), nil
}

func probeProject(file fsys.File) (bool, error) {
	before, err := file.ProjectID()
	if can, err := able(err); !can {
		return false, err
	}
	if can, err := able(file.SetProjectID(before + 1)); !can {
		return false, err
	}
	after, err := file.ProjectID()
	if err != nil {
		return false, err
	}
	return after == before+1, file.SetProjectID(before)
}

// probeImmutable looks whether an immutable file can't be opened for writing, and whether the flag can be taken back.
func probeImmutable(dir fsys.Dir, file fsys.File, flags uint32) (bool, error) {
	if can, err := able(file.SetFlags(flags | FlagImmutable)); !can {
		return false, err
	}
	open, err := dir.OpenReadWrite(probeB)
	if err == nil {
		err = open.Close()
	} else if errors.Is(err, fs.ErrPermission) {
		return true, file.SetFlags(flags)
	}
	return false, errors.Join(err, file.SetFlags(flags))
}

// unprobe removes the files of a probe.
func unprobe(dir fsys.Dir) error {
	for _, name := range []string{probeA, probeB, probeC} {
		err := dir.Remove(name)
		if err == nil || errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if !errors.Is(err, fs.ErrPermission) {
			return err
		}
		if err := removeImmutable(dir, name); err != nil {
			return err
		}
	}
	return nil
}

func removeImmutable(dir fsys.Dir, name string) error {
	file, err := dir.Open(name)
	if err != nil {
		return err
	}
	flags, err := file.Flags()
	if err == nil {
		err = file.SetFlags(flags &^ FlagImmutable)
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return err
	}
	return dir.Remove(name)
}
