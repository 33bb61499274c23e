package crash

import (
	"slices"

	"github.com/tidemark/tidemark/internal/fsys"
)

// key is a name in a directory, or with no name an inode.
type key struct {
	ino  uint64
	name string
}

// record is a change that is not durable yet.
type record struct {
	time    fsys.Time
	names   []change
	inodes  []uint64 // whose names these are: their ctime moves with them
	made    *inode   // what the change made, as it was then
	ino     uint64   // whose attributes changed; 0 for a change of names, or when they are durable already
	attrs   attrs
	byWrite bool      // attributes changed only by writing
	after   []*record // changes of the same names and inodes, on which this one stands
	within  []*record // what made the directories that names were added to
	synced  bool      // survives, if what it stands on does
	done    bool      // on the disk
}

// change is what a name leads to from now on; 0 is nothing.
type change struct {
	dir  uint64
	name string
	ino  uint64
}

// add notes a change that touches these inodes, and the names that it changes.
func (m *mount) add(r *record, inodes ...uint64) *record {
	keys := make([]key, 0, len(inodes)+len(r.names))
	for _, ino := range inodes {
		keys = append(keys, key{ino: ino})
	}
	for _, c := range r.names {
		keys = append(keys, key{c.dir, c.name})
		if at := m.now[c.dir]; c.ino != 0 && at.born != nil && !at.born.done {
			r.within = append(r.within, at.born)
		}
	}
	for _, k := range keys {
		r.standsOn(m.last[k])
		m.last[k] = r
	}
	if len(r.names) > 0 {
		r.inodes = inodes
	}
	m.log = append(m.log, r)
	return r
}

func (r *record) standsOn(other *record) {
	if other != nil && !other.done && other != r && !slices.Contains(r.after, other) {
		r.after = append(r.after, other)
	}
}

// standsOnNamesIn is for the end of a directory: it was emptied before.
func (m *mount) standsOnNamesIn(r *record, dir uint64) {
	for _, other := range m.log {
		if other.changes(dir) {
			r.standsOn(other)
		}
	}
}

// movesDirectory puts renames of directories in an order: any other could make a circle.
func (m *mount) movesDirectory(r *record) {
	r.standsOn(m.moved)
	m.moved = r
}

func (r *record) changes(dir uint64) bool {
	return slices.ContainsFunc(r.names, func(c change) bool { return c.dir == dir })
}

// changed notes new attributes of an inode.
func (m *mount) changed(i *inode) {
	i.ctime = m.fs.now()
	m.add(&record{time: i.ctime, ino: i.ino, attrs: i.attrs}, i.ino)
}

// written notes the new times of an inode that was written to. All writes in a row are one change.
func (m *mount) written(i *inode) {
	i.mtime = m.fs.now()
	i.ctime = i.mtime
	i.removeXattr(fsys.XattrCapability)
	if last := m.last[key{ino: i.ino}]; last != nil && last.byWrite && last.ino != 0 && !last.synced && !last.done {
		last.attrs = i.attrs
		return
	}
	m.add(&record{time: i.ctime, ino: i.ino, attrs: i.attrs, byWrite: true}, i.ino)
}

// apply makes a change on a disk.
func (r *record) apply(disk map[uint64]*inode) {
	if r.made != nil && disk[r.made.ino] == nil {
		disk[r.made.ino] = r.made.clone()
	}
	if i := disk[r.ino]; i != nil {
		i.attrs = r.attrs
	}
	for _, c := range r.names {
		at := disk[c.dir]
		if at == nil { // its end is on the disk already
			continue
		}
		if c.ino == 0 {
			delete(at.entries, c.name)
		} else {
			at.entries[c.name] = c.ino
		}
		if later(r.time, at.ctime) {
			at.mtime, at.ctime = r.time, r.time
		}
	}
	for _, ino := range r.inodes {
		if i := disk[ino]; i != nil && later(r.time, i.ctime) {
			i.ctime = r.time
		}
	}
}

func later(a, b fsys.Time) bool { return a.Sec > b.Sec || a.Sec == b.Sec && a.Nsec > b.Nsec }

// sync marks a change as one that survives, with those that it stands on.
func (r *record) sync() {
	if r.synced {
		return
	}
	r.synced = true
	for _, other := range r.after {
		other.sync()
	}
}

// settle writes to the disk what is synced and stands on nothing that is not.
func (m *mount) settle() {
	done := func(r *record) bool { return r.done }
	for _, r := range m.log {
		if r.synced && all(r.after, done) && all(r.within, done) {
			r.apply(m.disk)
			r.done = true
			r.after, r.within = nil, nil
		}
	}
	m.log = slices.DeleteFunc(m.log, done)
}

func all(records []*record, is func(*record) bool) bool {
	return !slices.ContainsFunc(records, func(r *record) bool { return !is(r) })
}

// syncInode makes content and attributes durable.
func (m *mount) syncInode(i *inode) {
	onDisk := m.disk[i.ino]
	if onDisk == nil {
		onDisk = &inode{ino: i.ino, target: i.target}
		if i.isDir() {
			onDisk.entries = map[string]uint64{}
		}
		m.disk[i.ino] = onDisk
	}
	onDisk.attrs = i.attrs
	for _, r := range m.log {
		if r.ino == i.ino {
			r.ino, r.synced = 0, true
		}
	}
	if onDisk.blocks == nil {
		onDisk.blocks = map[int64][]byte{}
	}
	for number := range i.dirty {
		setBlock(onDisk, number, i.blocks[number])
	}
	onDisk.size = i.size
	onDisk.cutTail()
	i.dirty, i.resized = nil, false
}

func setBlock(i *inode, number int64, block []byte) {
	if block == nil {
		delete(i.blocks, number)
	} else {
		i.blocks[number] = block
	}
}

func (m *mount) syncNames(dir uint64) {
	for _, r := range m.log {
		if r.changes(dir) {
			r.sync()
		}
	}
	m.settle()
}

func (m *mount) syncAll() {
	for _, i := range m.now {
		if len(i.dirty) > 0 || i.resized {
			m.syncInode(i)
		}
	}
	for _, r := range m.log {
		r.sync()
	}
	m.settle()
}

// lose is what a failed sync does to content: it is clean in the cache from now on, and wrong.
func (i *inode) lose() {
	for number := range i.dirty {
		if i.lost == nil {
			i.lost = map[int64]bool{}
		}
		i.lost[number] = true
	}
	i.dirty = nil
}
