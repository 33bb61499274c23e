package crash

import (
	"golang.org/x/sys/unix"

	"github.com/tidemark/tidemark/internal/fsys"
)

// mayDelete is what forbids to take a name away, as the kernel asks it.
func mayDelete(at, victim *inode, wantDir bool) error {
	switch {
	case at.protected() || victim.protected():
		return unix.EPERM
	case wantDir && !victim.isDir():
		return unix.ENOTDIR
	case !wantDir && victim.isDir():
		return unix.EISDIR
	}
	return nil
}

func (d *dir) Remove(name string) error { return d.remove(name, false) }

func (d *dir) RemoveDir(name string) error { return d.remove(name, true) }

func (d *dir) remove(name string, wantDir bool) error {
	return d.onFile("remove", name, func(i *inode) error {
		if err := mayDelete(d.inode, i, wantDir); err != nil {
			return err
		}
		switch {
		case i.mounted != nil:
			return unix.EBUSY
		case wantDir && len(i.entries) > 0:
			return unix.ENOTEMPTY
		}
		delete(d.inode.entries, name)
		r := &record{time: d.m.fs.now(), names: []change{{d.inode.ino, name, 0}}}
		d.m.add(r, i.ino)
		d.m.touched(d.inode)
		d.m.dropped(d.inode, i, r)
		return nil
	})
}

// dropped takes a name's count from what it led to.
func (m *mount) dropped(at, i *inode, r *record) {
	i.ctime = m.fs.clock
	if i.isDir() {
		m.standsOnNamesIn(r, i.ino)
		at.nlink--
		i.nlink = 0
	} else {
		i.nlink--
	}
	i.unlinked = i.nlink == 0
	m.freeUnused(i)
}

// toName is a call with a name here and one in another directory.
func (d *dir) toName(op, name string, to fsys.Dir, newName string, call func(other *dir) error) error {
	other, ok := to.(*dir)
	if !ok {
		return linkError(op, join(d.dir, name), newName, unix.EXDEV)
	}
	d.m.fs.mu.Lock()
	defer d.m.fs.mu.Unlock()
	err := d.usable()
	if err == nil {
		err = other.usable()
	}
	if !fsys.ValidName(name) || !fsys.ValidName(newName) {
		err = unix.EINVAL
	}
	if err == nil {
		err = call(other)
	}
	return linkError(op, join(d.dir, name), join(other.dir, newName), err)
}

func (d *dir) Link(name string, to fsys.Dir, newName string) error {
	return d.toName("link", name, to, newName, func(other *dir) error {
		i, err := d.m.lookup(d.inode, name)
		if err != nil {
			return err
		}
		_, err = other.m.lookup(other.inode, newName)
		switch {
		case err == nil:
			return unix.EEXIST
		case err != unix.ENOENT:
			return err
		case other.m != d.m:
			return unix.EXDEV
		case other.inode.unlinked:
			return unix.ENOENT
		case other.inode.immutable() || i.protected() || i.isDir() || d.m.Lacks&Links != 0:
			return unix.EPERM
		}
		i.nlink++
		i.ctime = d.m.fs.now()
		other.inode.entries[newName] = i.ino
		d.m.add(&record{time: i.ctime, names: []change{{other.inode.ino, newName, i.ino}}}, i.ino)
		d.m.touched(other.inode)
		return nil
	})
}

// renaming is one rename on its way through the checks.
type renaming struct {
	from, to      *inode // directories
	name, newName string
	source        *inode
	target        *inode // may be none
	how           fsys.Rename
}

func (d *dir) Rename(name string, to fsys.Dir, newName string, how fsys.Rename) error {
	return d.toName("rename", name, to, newName, func(other *dir) error {
		lacks := d.m.Lacks
		switch {
		case how < fsys.Replace || how > fsys.Exchange:
			return unix.EINVAL
		case other.m != d.m:
			return unix.EXDEV
		case how == fsys.NoReplace && lacks&NoReplace != 0 || how == fsys.Exchange && lacks&Exchange != 0:
			return unix.EINVAL
		}
		r := &renaming{from: d.inode, to: other.inode, name: name, newName: newName, how: how}
		var err error
		if r.source, err = d.m.lookup(r.from, name); err != nil {
			return err
		}
		if r.to.unlinked {
			return unix.ENOENT
		}
		r.target, err = d.m.lookup(r.to, newName)
		if err != nil && (err != unix.ENOENT || how == fsys.Exchange) {
			return err
		}
		if err := d.m.mayRename(r); err != nil {
			return err
		}
		if r.source != r.target {
			d.m.rename(r)
		}
		return nil
	})
}

func (m *mount) mayRename(r *renaming) error {
	switch {
	case r.target != nil && r.how == fsys.NoReplace:
		return unix.EEXIST
	case m.contains(r.source, r.to):
		return unix.EINVAL
	case r.target != nil && m.contains(r.target, r.from):
		if r.how == fsys.Exchange {
			return unix.EINVAL
		}
		return unix.ENOTEMPTY
	case r.source == r.target:
		return nil
	}
	if err := mayDelete(r.from, r.source, r.source.isDir()); err != nil {
		return err
	}
	switch {
	case r.target == nil && r.to.immutable():
		return unix.EPERM
	case r.target == nil:
	case r.how == fsys.Exchange:
		if err := mayDelete(r.to, r.target, r.target.isDir()); err != nil {
			return err
		}
	default:
		if err := mayDelete(r.to, r.target, r.source.isDir()); err != nil {
			return err
		}
	}
	switch {
	case r.source.mounted != nil || r.target != nil && r.target.mounted != nil:
		return unix.EBUSY
	case r.target != nil && r.how != fsys.Exchange && len(r.target.entries) > 0:
		return unix.ENOTEMPTY
	}
	return nil
}

// contains says whether a directory is the other, or is above it.
func (m *mount) contains(above, at *inode) bool {
	for above.isDir() {
		if at == above {
			return true
		}
		if at.ino == rootInode {
			return false
		}
		at = m.now[at.parent]
		if at == nil {
			return false
		}
	}
	return false
}

func (m *mount) rename(r *renaming) {
	change1 := change{r.from.ino, r.name, 0}
	touches := []uint64{r.source.ino}
	if r.target != nil {
		touches = append(touches, r.target.ino)
	}
	if r.how == fsys.Exchange {
		change1.ino = r.target.ino
		r.from.entries[r.name] = r.target.ino
	} else {
		delete(r.from.entries, r.name)
	}
	r.to.entries[r.newName] = r.source.ino
	rec := &record{time: m.fs.now(), names: []change{change1, {r.to.ino, r.newName, r.source.ino}}}
	m.add(rec, touches...)
	r.source.ctime = rec.time
	m.touched(r.from)
	m.touched(r.to)
	m.adopt(rec, r.source, r.from, r.to)
	switch {
	case r.target == nil:
	case r.how == fsys.Exchange:
		r.target.ctime = rec.time
		m.adopt(rec, r.target, r.to, r.from)
	default:
		m.dropped(r.to, r.target, rec)
	}
}

// adopt gives a directory its new parent.
func (m *mount) adopt(rec *record, i, from, to *inode) {
	if !i.isDir() {
		return
	}
	from.nlink--
	to.nlink++
	i.parent = to.ino
	m.movesDirectory(rec)
}
