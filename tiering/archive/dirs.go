package archive

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"syscall"

	"github.com/tidemark/tidemark/internal/fsys"
)

// Home tells the attributes of a directory at home by its absolute path, from "/" on. Where it tells the identity too, a directory of
// the archive follows only the one that it was made for: what else takes that one's name could else open up what is in it.
type Home func(dir string) (fsys.Attributes, error)

const (
	// mostOpen bounds the directories that are kept open.
	mostOpen = 256
	// mostSettled bounds what is remembered of directories within a run. Beyond it they are looked at again.
	mostSettled = 100_000
)

// directories is what is known of an archive's directories within a run.
type directories struct {
	open    map[string]*list.Element // of opened, by the path within the archive
	recent  *list.List               // the most recently used first
	settled map[string]string        // the identity of the home whose access it has; by the path within the archive
	unsaved map[string]bool          // must be synced
	records []Record                 // of directories, for the next Append
	noted   map[string]bool          // its home has a record; by the path within the archive

	narrowed map[string]bool // access is narrower than at home, as an ACL could not be kept
}

type opened struct {
	path string
	dir  fsys.Dir
}

func (d *directories) init() {
	*d = directories{
		open: map[string]*list.Element{}, recent: list.New(), settled: map[string]string{}, unsaved: d.unsaved, records: d.records,
		noted: map[string]bool{}, narrowed: map[string]bool{},
	}
	if d.unsaved == nil {
		d.unsaved = map[string]bool{}
	}
}

func (d *directories) close() {
	for e := d.recent.Front(); e != nil; e = e.Next() {
		e.Value.(opened).dir.Close()
	}
	d.init()
}

// NewRun forgets which directories were looked at: each is compared with its home again.
func (a *Archive) NewRun() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.dirs.close()
}

// Narrowed are the directories of this run, as paths within the archive, in which fewer people can read than at home, as the
// archive can't keep their ACL.
func (a *Archive) Narrowed() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Sorted(maps.Keys(a.dirs.narrowed))
}

// ObjectDir opens the directory for an object and gives the object's name in it, making the directories that are missing. On the
// first use in a run, each directory on the way gets the access of its home (see DirectoryAccess), and the attributes of that home are
// recorded with the next Append. Sync makes the new directories durable. Close the directory; it is the caller's own. home must
// call no method of the archive. ErrObstructed: take the next version, for a directory on the way was made for another one at home, or is
// an object.
func (a *Archive) ObjectDir(ctx context.Context, home Home, host, p string, version int) (dir fsys.Dir, name string, err error) {
	if err := ValidHost(host); err != nil {
		return nil, "", err
	}
	if !validPath(p) || version < 1 {
		return nil, "", fmt.Errorf("no object can be made of version %d of %q", version, p)
	}
	parent, name := path.Split(p)
	levels := levelsOf(host, path.Clean(parent), version)
	a.mu.Lock()
	defer a.mu.Unlock()
	dir, err = a.settle(ctx, home, host, version, levels)
	if err != nil {
		return nil, "", fmt.Errorf("archive %q: %w", a.Name, err)
	}
	dir, err = dir.OpenDir(".")
	return dir, name, err
}

// level is a directory of an archive with its home, which is empty where it has none.
type level struct{ path, home string }

// levelsOf are the directories from the archive's down to that of a directory at home.
func levelsOf(host, dir string, version int) []level {
	var levels []level
	at := ""
	for _, name := range strings.Split(tree(version), "/") {
		at = path.Join(at, name)
		levels = append(levels, level{at, ""})
	}
	// Joined by hand: path.Join would clean names that are odd.
	at += "/" + host
	levels = append(levels, level{at, "/"})
	if dir == "/" {
		return levels
	}
	for i := 1; i <= len(dir); i++ {
		if i == len(dir) || dir[i] == '/' {
			levels = append(levels, level{at + dir[:i], dir[:i]})
		}
	}
	return levels
}

// settle makes what is missing and settles what was not settled in this run. The last level's directory stays the cache's.
func (a *Archive) settle(ctx context.Context, home Home, host string, version int, levels []level) (fsys.Dir, error) {
	for _, l := range levels {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		var attributes fsys.Attributes
		if l.home != "" {
			var err error
			if attributes, err = home(l.home); err != nil {
				return nil, fmt.Errorf("directory %s: read the attributes at home of %s: %w", l.path, l.home, err)
			}
		}
		if of, done := a.dirs.settled[l.path]; done && of == attributes.Identity {
			continue
		}
		if err := a.settleOne(attributes, host, version, l); err != nil {
			return nil, fmt.Errorf("directory %s: %w", l.path, err)
		}
	}
	return a.dir(levels[len(levels)-1].path)
}

func (a *Archive) settleOne(attributes fsys.Attributes, host string, version int, l level) error {
	want := access{mode: 0o755}
	if l.home != "" {
		want = directoryAccess(attributes)
	}
	dir, err := a.makeOne(l.path)
	if errors.Is(err, syscall.ENOTDIR) || errors.Is(err, syscall.ELOOP) {
		return fmt.Errorf("%w: %w", ErrObstructed, err)
	}
	if err != nil {
		return err
	}
	changed, narrowed, err := a.give(dir, want, attributes.Identity)
	if errors.Is(err, errOtherHome) {
		return fmt.Errorf("%w: %w", ErrObstructed, err)
	}
	if err != nil {
		return err
	}
	if changed {
		a.dirs.unsaved[l.path] = true
	}
	if narrowed {
		a.dirs.narrowed[l.path] = true
	}
	if l.home != "" && !a.dirs.noted[l.path] {
		a.dirs.records = append(a.dirs.records, Record{Kind: KindDirectory, Host: host, Path: l.home, Version: version, Attributes: &attributes})
		a.dirs.noted[l.path] = true
	}
	if len(a.dirs.settled) >= mostSettled {
		clear(a.dirs.settled)
		clear(a.dirs.noted)
	}
	a.dirs.settled[l.path] = attributes.Identity
	return nil
}

// takeDirectories takes the records of directories that wait for an Append.
func (a *Archive) takeDirectories() []Record {
	a.mu.Lock()
	defer a.mu.Unlock()
	records := a.dirs.records
	a.dirs.records = nil
	return records
}

// giveBack is for an Append that failed.
func (a *Archive) giveBack(records []Record) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.dirs.records = append(records, a.dirs.records...)
}

// makeOne opens a directory whose parent is settled, or makes it for root alone.
func (a *Archive) makeOne(p string) (fsys.Dir, error) {
	dir, err := a.dir(p)
	if !errors.Is(err, fs.ErrNotExist) {
		return dir, err
	}
	parent, name := path.Split(p)
	parent = strings.TrimSuffix(parent, "/")
	in := a.Root
	if parent != "" {
		if in, err = a.dir(parent); err != nil {
			return nil, err
		}
	}
	if err := in.Mkdir(name, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	a.dirs.unsaved[parent] = true
	a.dirs.unsaved[p] = true
	return a.dir(p)
}

// homeOf is the attribute of an archive's directory that says for which one at home it was made.
const homeOf = "user.tidemark.home"

var errOtherHome = errors.New("it was made for another directory at home that had this name")

// give gives a directory the access of its home, where it has another one: errOtherHome if it was made for another home.
func (a *Archive) give(dir fsys.Dir, want access, identity string) (changed, narrowed bool, err error) {
	can := a.Marker.Can
	if !can.ACL {
		want = want.without()
	}
	has, was, err := accessOf(dir, can)
	if err != nil {
		return false, false, err
	}
	if can.Xattrs && was == "" && identity != "" {
		if err := dir.SetXattr(homeOf, []byte(identity)); err != nil && !doesNotFit(err) {
			return false, false, err
		}
		changed = true
	}
	if has.uid == want.uid && has.gid == want.gid && has.mode == want.mode && slices.Equal(has.acl, want.acl) {
		return changed, want.narrowed, nil
	}
	if was != "" && identity != "" && was != identity {
		return false, false, errOtherHome
	}
	narrowed, err = setAccessFitting(dir, want, can)
	return true, narrowed, err
}

// accessOf is what a directory of the archive allows now, and the identity of the home that it was made for. One with a default ACL
// equals none that is wanted.
func accessOf(dir fsys.Dir, can Can) (has access, identity string, err error) {
	info, err := dir.Stat()
	if err != nil {
		return access{}, "", err
	}
	has = access{uid: info.UID, gid: info.GID, mode: info.Permissions()}
	if !can.ACL && !can.Xattrs {
		return has, "", nil
	}
	xattrs, err := dir.Xattrs()
	if err != nil {
		return has, "", err
	}
	identity = string(xattrs[homeOf])
	if !can.ACL {
		return has, identity, nil
	}
	if value, ok := xattrs[XattrAccess]; ok {
		if has.acl, err = ParseACL(value); err != nil {
			has.mode = noMode
		}
	}
	if _, ok := xattrs[XattrDefault]; ok {
		has.mode = noMode
	}
	return has, identity, nil
}

// noMode is no directory's mode.
const noMode = 1 << 31

// dir is the cache's directory at a path within the archive.
func (a *Archive) dir(p string) (fsys.Dir, error) {
	if e, ok := a.dirs.open[p]; ok {
		a.dirs.recent.MoveToFront(e)
		return e.Value.(opened).dir, nil
	}
	dir, err := a.Root.OpenDir(p)
	if err != nil {
		return nil, err
	}
	a.dirs.open[p] = a.dirs.recent.PushFront(opened{p, dir})
	if oldest := a.dirs.recent.Back(); len(a.dirs.open) > mostOpen {
		o := a.dirs.recent.Remove(oldest).(opened)
		delete(a.dirs.open, o.path)
		o.dir.Close()
	}
	return dir, nil
}

// syncDirs makes the directories durable that were made or changed since it was last called, parents first.
func (a *Archive) syncDirs(ctx context.Context) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, p := range slices.Sorted(maps.Keys(a.dirs.unsaved)) {
		if err := ctx.Err(); err != nil {
			return err
		}
		dir := a.Root
		if p != "" {
			var err error
			if dir, err = a.dir(p); err != nil {
				return err
			}
		}
		if err := dir.Sync(); err != nil {
			return fmt.Errorf("sync the directory %s: %w", path.Join(a.Path, p), err)
		}
		delete(a.dirs.unsaved, p)
	}
	return nil
}
