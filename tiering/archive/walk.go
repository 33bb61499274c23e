package archive

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"syscall"

	"github.com/tidemark/tidemark/internal/fsys"
)

// trees are the tops of all versions that there are: data, and versions/N by rising N.
func (a *Archive) trees() ([]string, error) {
	dir, err := a.Root.OpenDir(versions)
	if errors.Is(err, fs.ErrNotExist) {
		return []string{data}, nil
	}
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	names, err := dir.Names()
	if err != nil {
		return nil, err
	}
	var numbers []int
	for _, name := range names {
		if n, err := strconv.Atoi(name); err == nil && n >= 2 && strconv.Itoa(n) == name {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	trees := []string{data}
	for _, n := range numbers {
		trees = append(trees, tree(n))
	}
	return trees, nil
}

// visitor is told what a walk meets.
type visitor struct {
	// file is told everything that is no directory, by its path within the archive.
	file func(p string, info fsys.Info, dir fsys.Dir, name string)
	// unreadable is told a directory that could not be read to its end.
	unreadable func(p string, err error)
}

// walk visits what is below a directory of the archive, in the order of names. It fails only when ctx ends.
func walk(ctx context.Context, in fsys.Dir, name, p string, v visitor) error {
	dir, err := in.OpenDir(name)
	if err != nil {
		v.unreadable(p, err)
		return nil
	}
	defer dir.Close()
	names, err := dir.Names()
	if err != nil {
		v.unreadable(p, err)
	}
	for _, name := range names {
		if err := ctx.Err(); err != nil {
			return err
		}
		at := p + "/" + name
		info, err := dir.StatName(name)
		switch {
		case err != nil:
			v.unreadable(at, err)
		case info.IsDir():
			if err := walk(ctx, dir, name, at, v); err != nil {
				return err
			}
		default:
			v.file(at, info, dir, name)
		}
	}
	return nil
}

// Narrow gives every directory that is there below a host's directory (absolute, at home; "/" is all) the access that its home
// has now, in all versions. Where a home is there no more, or something else has its name, the archive's directory stays as it is. It says how many were changed;
// Sync makes that durable.
func (a *Archive) Narrow(ctx context.Context, home Home, host, under string) (changed int, err error) {
	if err := ValidHost(host); err != nil {
		return 0, err
	}
	trees, err := a.trees()
	if err != nil {
		return 0, err
	}
	for n, top := range trees {
		at := top + "/" + host
		if under != "/" {
			at += under
		}
		dir, err := a.Root.OpenDir(at)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			c, e := a.narrow(ctx, home, dir, at, under)
			changed += c
			err = errors.Join(e, dir.Close())
		}
		if err != nil {
			return changed, fmt.Errorf("archive %q: narrow %s: %w", a.Name, trees[n], err)
		}
	}
	return changed, nil
}

func (a *Archive) narrow(ctx context.Context, home Home, dir fsys.Dir, p, at string) (changed int, err error) {
	attributes, err := home(at)
	if noLonger(err) || err == nil && ctx.Err() != nil {
		return 0, ctx.Err()
	}
	if err != nil {
		return 0, err
	}
	did, narrowed, err := a.give(dir, directoryAccess(attributes), attributes.Identity)
	if errors.Is(err, errOtherHome) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	if did {
		changed++
	}
	a.note(p, did, narrowed)
	names, err := subdirectories(dir)
	for _, name := range names {
		sub, e := dir.OpenDir(name)
		if e != nil {
			return changed, e
		}
		below := at + "/" + name
		if at == "/" {
			below = at + name
		}
		c, e := a.narrow(ctx, home, sub, p+"/"+name, below)
		changed += c
		if e = errors.Join(e, sub.Close()); e != nil {
			return changed, e
		}
	}
	return changed, err
}

// noLonger says that a home is no directory of its volume any more: it is gone, or a symlink, a file or another mount has its name.
func noLonger(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ELOOP) || errors.Is(err, syscall.ENOTDIR) || errors.Is(err, syscall.EXDEV)
}

func (a *Archive) note(p string, changed, narrowed bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if changed {
		a.dirs.unsaved[p] = true
	}
	if narrowed {
		a.dirs.narrowed[p] = true
	}
}

// subdirectories are the names of the directories in one. Most filesystems count them in the number of links, which spares
// looking at every file; 1 says that one doesn't count.
func subdirectories(dir fsys.Dir) ([]string, error) {
	info, err := dir.Stat()
	if err != nil || info.Nlink == 2 {
		return nil, err
	}
	names, err := dir.Names()
	if err != nil {
		return nil, err
	}
	var found []string
	for _, name := range names {
		if info.Nlink > 2 && uint64(len(found)) == info.Nlink-2 {
			break
		}
		info, err := dir.StatName(name)
		if err != nil {
			return nil, err
		}
		if info.IsDir() {
			found = append(found, name)
		}
	}
	return found, nil
}
