package crash

import (
	"bytes"
	"maps"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/tidemark/tidemark/internal/fsys"
)

// node is an open file or directory.
type node struct {
	m      *mount
	inode  *inode
	dir    string // path, for messages
	name   string // within dir; empty: dir is the path
	closed bool
}

func (n *node) path() string {
	if n.name == "" {
		return n.dir
	}
	return join(n.dir, n.name)
}

func join(dir, name string) string { return strings.TrimSuffix(dir, "/") + "/" + name }

// usable is what is wrong with a handle itself.
func (n *node) usable() error {
	switch {
	case n.closed:
		return unix.EBADF
	case n.m.fs.dead:
		return unix.EIO
	}
	return nil
}

// do is one call on the handle.
func (n *node) do(op string, call func() error) error {
	n.m.fs.mu.Lock()
	defer n.m.fs.mu.Unlock()
	err := n.usable()
	if err == nil {
		err = call()
	}
	return pathError(op, n.path(), err)
}

// change is a call that changes the inode, which its flags may forbid.
func (n *node) change(op string, call func() error) error {
	return n.do(op, func() error {
		if n.inode.protected() {
			return unix.EPERM
		}
		return call()
	})
}

func (i *inode) protected() bool { return i.flags&(fsys.FlagImmutable|fsys.FlagAppend) != 0 }

func (i *inode) immutable() bool { return i.flags&fsys.FlagImmutable != 0 }

func (n *node) Close() error {
	return n.closeWith(func() {})
}

func (n *node) closeWith(call func()) error {
	n.m.fs.mu.Lock()
	defer n.m.fs.mu.Unlock()
	if n.closed {
		return pathError("close", n.path(), unix.EBADF)
	}
	n.closed = true
	call()
	n.inode.handles--
	n.m.freeUnused(n.inode)
	return nil
}

// hold counts a handle.
func (n *node) hold() { n.inode.handles++ }

// freeUnused frees an inode that has no name and that nobody has open.
func (m *mount) freeUnused(i *inode) {
	if i.unlinked && i.handles <= 0 && m.now[i.ino] == i {
		m.used -= int64(len(i.blocks))
		delete(m.now, i.ino)
	}
}

func (n *node) Stat() (info fsys.Info, err error) {
	err = n.do("stat", func() error {
		info = n.inode.info(n.m)
		return nil
	})
	return info, err
}

func (n *node) Chown(uid, gid uint32) error {
	return n.change("chown", func() error {
		n.inode.chown(uid, gid)
		n.m.changed(n.inode)
		return nil
	})
}

const unchanged = 1<<32 - 1 // an owner that stays

func (i *inode) chown(uid, gid uint32) {
	if uid != unchanged {
		i.uid = uid
	}
	if gid != unchanged {
		i.gid = gid
	}
	if i.isDir() || i.kind() == unix.S_IFLNK {
		return
	}
	i.mode &^= unix.S_ISUID
	if i.mode&unix.S_IXGRP != 0 {
		i.mode &^= unix.S_ISGID
	}
	i.removeXattr(fsys.XattrCapability)
}

func (n *node) Chmod(mode uint32) error {
	return n.do("chmod", func() error {
		if mode&^0o7777 != 0 {
			return unix.EINVAL
		}
		if n.inode.protected() {
			return unix.EPERM
		}
		n.inode.chmod(mode)
		n.m.changed(n.inode)
		return nil
	})
}

func (n *node) SetTimes(atime, mtime fsys.Time) error {
	return n.do("utimes", func() error { return n.m.setTimes(n.inode, atime, mtime) })
}

func (m *mount) setTimes(i *inode, atime, mtime fsys.Time) error {
	for _, t := range []fsys.Time{atime, mtime} {
		if t.Nsec < 0 || t.Nsec >= 1e9 {
			return unix.EINVAL
		}
	}
	if i.protected() {
		return unix.EPERM
	}
	i.atime, i.mtime = atime, mtime
	m.changed(i)
	return nil
}

func (n *node) Xattrs() (all map[string][]byte, err error) {
	err = n.do("listxattr", func() error {
		if n.m.Lacks&Xattrs != 0 {
			return unix.EOPNOTSUPP
		}
		all = map[string][]byte{}
		for name, value := range n.inode.xattrs {
			all[name] = bytes.Clone(value)
		}
		return nil
	})
	return all, err
}

// xattrAllowed is what the name and the kind of file say to a change.
func (n *node) xattrAllowed(name string) error {
	space, rest, _ := strings.Cut(name, ".")
	acl := name == fsys.XattrACL || name == fsys.XattrDefaultACL
	switch {
	case name == "" || len(name) > 255:
		return unix.ERANGE
	case n.inode.protected():
		return unix.EPERM
	case n.m.Lacks&Xattrs != 0 || acl && n.m.Lacks&ACLs != 0:
		return unix.EOPNOTSUPP
	case acl:
		return nil
	case space != "user" && space != "trusted" && space != "security":
		return unix.EOPNOTSUPP
	case space == "user" && !n.inode.isRegular() && !n.inode.isDir():
		return unix.EPERM
	case rest == "":
		return unix.EINVAL
	}
	return nil
}

// wellFormed is what a value itself says, which the kernel looks at first.
func wellFormed(name string, value []byte) error {
	switch {
	case len(value) > 64<<10:
		return unix.E2BIG
	case name == fsys.XattrCapability && (len(value) != 20 && len(value) != 24 || int(value[3]) != (len(value)-12)/4):
		return unix.EINVAL
	case (name == fsys.XattrACL || name == fsys.XattrDefaultACL) && len(value) >= aclHeader && value[0] != 2:
		return unix.EOPNOTSUPP
	}
	return nil
}

func (n *node) SetXattr(name string, value []byte) error {
	return n.do("setxattr "+name, func() error {
		if err := wellFormed(name, value); err != nil {
			return err
		}
		if err := n.xattrAllowed(name); err != nil {
			return err
		}
		switch name {
		case fsys.XattrACL, fsys.XattrDefaultACL:
			if err := n.inode.setACL(name, value); err != nil {
				return err
			}
		default:
			n.inode.setXattr(name, value)
		}
		n.m.changed(n.inode)
		return nil
	})
}

// noData is Linux's ENODATA, which not every system has by that name.
const noData = syscall.Errno(61)

func (n *node) RemoveXattr(name string) error {
	return n.do("removexattr "+name, func() error {
		if err := n.xattrAllowed(name); err != nil {
			return err
		}
		if _, ok := n.inode.xattrs[name]; !ok {
			if name == fsys.XattrACL || name == fsys.XattrDefaultACL {
				return nil
			}
			return noData
		}
		n.inode.removeXattr(name)
		n.m.changed(n.inode)
		return nil
	})
}

// knownFlags are sync, immutable, append, nodump and noatime.
const knownFlags = 0x08 | fsys.FlagImmutable | fsys.FlagAppend | 0x40 | 0x80

func (n *node) Flags() (flags uint32, err error) {
	err = n.do("getflags", func() error {
		if n.m.Lacks&Flags != 0 {
			return unix.EOPNOTSUPP
		}
		flags = n.inode.flags
		return nil
	})
	return flags, err
}

func (n *node) SetFlags(flags uint32) error {
	return n.do("setflags", func() error {
		if n.m.Lacks&Flags != 0 || flags&^knownFlags != 0 {
			return unix.EOPNOTSUPP
		}
		n.inode.flags = flags
		n.m.changed(n.inode)
		return nil
	})
}

func (n *node) ProjectID() (id uint32, err error) {
	err = n.do("getproject", func() error {
		if n.m.Lacks&Projects != 0 {
			return unix.EOPNOTSUPP
		}
		id = n.inode.project
		return nil
	})
	return id, err
}

func (n *node) SetProjectID(id uint32) error {
	return n.do("setproject", func() error {
		switch {
		case n.m.Lacks&Projects != 0:
			return unix.EOPNOTSUPP
		case n.inode.immutable() && id != n.inode.project:
			return unix.EPERM
		}
		n.inode.project = id
		n.m.changed(n.inode)
		return nil
	})
}

// LoseUnsynced is what a failed sync does: what was written and not synced is never written to the disk, though later syncs succeed;
// until the cache is dropped it can still be read. With all it happens to the whole mount. The fault package calls it.
func (n *node) LoseUnsynced(all bool) {
	n.m.fs.mu.Lock()
	defer n.m.fs.mu.Unlock()
	if !all {
		n.inode.lose()
		return
	}
	for i := range maps.Values(n.m.now) {
		i.lose()
	}
}
