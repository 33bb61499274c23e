package fault

import (
	"io"
	"strings"

	"github.com/tidemark/tidemark/internal/fsys"
)

type dir struct {
	node
	inner fsys.Dir
}

func (d *dir) join(name string) string { return strings.TrimSuffix(d.path, "/") + "/" + name }

// onName is a call about a name.
func (d *dir) onName(op, name string, call func() error) error {
	return d.fs.do(Call{Op: op, Path: d.join(name)}, call, nil)
}

func (d *dir) OpenDir(path string) (fsys.Dir, error) {
	return d.fs.openDir("OpenDir", d.join(path), func() (fsys.Dir, error) { return d.inner.OpenDir(path) })
}

func (d *dir) open(op, name string, open func() (fsys.File, error)) (fsys.File, error) {
	var inner fsys.File
	err := d.onName(op, name, func() (err error) { inner, err = open(); return err })
	if err != nil {
		if inner != nil { // it happened all the same
			inner.Close()
		}
		return nil, err
	}
	return &file{node{d.fs, inner, d.join(name)}, inner}, nil
}

func (d *dir) Open(name string) (fsys.File, error) {
	return d.open("Open", name, func() (fsys.File, error) { return d.inner.Open(name) })
}

func (d *dir) OpenReadWrite(name string) (fsys.File, error) {
	return d.open("OpenReadWrite", name, func() (fsys.File, error) { return d.inner.OpenReadWrite(name) })
}

func (d *dir) Create(name string, mode uint32) (fsys.File, error) {
	return d.open("Create", name, func() (fsys.File, error) { return d.inner.Create(name, mode) })
}

func (d *dir) StatName(name string) (info fsys.Info, err error) {
	err = d.onName("StatName", name, func() (err error) { info, err = d.inner.StatName(name); return err })
	return info, err
}

func (d *dir) Names() (names []string, err error) {
	err = d.do("Names", func() (err error) { names, err = d.inner.Names(); return err })
	return names, err
}

func (d *dir) ReadLink(name string) (target string, err error) {
	err = d.onName("ReadLink", name, func() (err error) { target, err = d.inner.ReadLink(name); return err })
	return target, err
}

func (d *dir) Symlink(target, name string) error {
	return d.onName("Symlink", name, func() error { return d.inner.Symlink(target, name) })
}

func (d *dir) ChownName(name string, uid, gid uint32) error {
	return d.onName("ChownName", name, func() error { return d.inner.ChownName(name, uid, gid) })
}

func (d *dir) SetTimesName(name string, atime, mtime fsys.Time) error {
	return d.onName("SetTimesName", name, func() error { return d.inner.SetTimesName(name, atime, mtime) })
}

func (d *dir) Mkdir(name string, mode uint32) error {
	return d.onName("Mkdir", name, func() error { return d.inner.Mkdir(name, mode) })
}

func (d *dir) Remove(name string) error {
	return d.onName("Remove", name, func() error { return d.inner.Remove(name) })
}

func (d *dir) RemoveDir(name string) error {
	return d.onName("RemoveDir", name, func() error { return d.inner.RemoveDir(name) })
}

// unwrap is the directory below, and the path of a name in it.
func unwrap(to fsys.Dir, name string) (fsys.Dir, string) {
	if d, ok := to.(*dir); ok {
		return d.inner, d.join(name)
	}
	return to, name
}

func (d *dir) Rename(name string, to fsys.Dir, newName string, how fsys.Rename) error {
	inner, path := unwrap(to, newName)
	return d.fs.do(Call{Op: "Rename", Path: d.join(name), To: path, How: how}, func() error {
		return d.inner.Rename(name, inner, newName, how)
	}, nil)
}

func (d *dir) Link(name string, to fsys.Dir, newName string) error {
	inner, path := unwrap(to, newName)
	return d.fs.do(Call{Op: "Link", Path: d.join(name), To: path}, func() error {
		return d.inner.Link(name, inner, newName)
	}, nil)
}

// SyncFS that fails loses content as Sync does, of the whole filesystem.
func (d *dir) SyncFS() error {
	return d.fs.do(Call{Op: "SyncFS", Path: d.path}, d.inner.SyncFS, func(*Fault) { d.LoseUnsynced(true) })
}

func (d *dir) StatFS() (usage fsys.Usage, err error) {
	err = d.do("StatFS", func() (err error) { usage, err = d.inner.StatFS(); return err })
	return usage, err
}

func (d *dir) Lock(name string) (held io.Closer, err error) {
	err = d.onName("Lock", name, func() (err error) { held, err = d.inner.Lock(name); return err })
	if err != nil {
		if held != nil { // it happened all the same
			held.Close()
		}
		return nil, err
	}
	return held, nil
}
