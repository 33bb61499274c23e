package crash

import (
	"maps"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/tidemark/tidemark/internal/fsys"
)

// attrs are what a record of a change of attributes holds. The map is never changed, only replaced.
type attrs struct {
	mode, uid, gid      uint32 // the mode with the kind of file
	flags, project      uint32
	atime, mtime, ctime fsys.Time
	xattrs              map[string][]byte
}

func (a *attrs) kind() uint32    { return a.mode & unix.S_IFMT }
func (a *attrs) isDir() bool     { return a.kind() == unix.S_IFDIR }
func (a *attrs) isRegular() bool { return a.kind() == unix.S_IFREG }

func (a *attrs) setXattr(name string, value []byte) {
	next := maps.Clone(a.xattrs)
	if next == nil {
		next = map[string][]byte{}
	}
	next[name] = append([]byte{}, value...)
	a.xattrs = next
}

func (a *attrs) removeXattr(name string) {
	if _, ok := a.xattrs[name]; ok {
		a.xattrs = maps.Clone(a.xattrs)
		delete(a.xattrs, name)
	}
}

// inode is a file. Both the living and the durable state have one; blocks are never changed, only replaced, so that both may share them.
type inode struct {
	attrs
	ino     uint64
	size    int64
	blocks  map[int64][]byte
	entries map[string]uint64 // of a directory
	target  string            // of a symlink

	// Only of the living:
	nlink    uint64
	parent   uint64  // of a directory
	mounted  *mount  // what hides this directory
	born     *record // what made it
	dirty    map[int64]bool
	lost     map[int64]bool // written, but the sync failed: clean in the cache, and not on the disk
	resized  bool           // size is not durable
	handles  int            // that are open, of all kinds
	files    map[*file]bool // that are open, of a regular file
	others   map[*Other]bool
	waiting  []*Other
	unlinked bool // freed when the last handle goes
}

// clone copies what is durable of an inode.
func (i *inode) clone() *inode {
	return &inode{
		attrs: i.attrs, ino: i.ino, size: i.size, blocks: maps.Clone(i.blocks), entries: maps.Clone(i.entries), target: i.target,
	}
}

func (i *inode) info(m *mount) fsys.Info {
	info := fsys.Info{
		Dev: m.dev, Ino: i.ino, Mode: i.mode, Nlink: i.nlink, UID: i.uid, GID: i.gid, Size: i.size,
		Allocated: int64(len(i.blocks)) * blockSize, Atime: i.atime, Mtime: i.mtime, Ctime: i.ctime,
	}
	switch i.kind() {
	case unix.S_IFDIR:
		info.Size, info.Allocated = blockSize, blockSize
	case unix.S_IFLNK:
		info.Size = int64(len(i.target))
	}
	return info
}

// write changes the content; it stops where there is no more room.
func (i *inode) write(m *mount, p []byte, offset int64) (int, error) {
	done := 0
	for done < len(p) {
		at := offset + int64(done)
		number, within := at/blockSize, at%blockSize
		old := i.blocks[number]
		if old == nil {
			if err := m.room(1); err != nil {
				return done, err
			}
			m.used++
		}
		block := make([]byte, blockSize)
		copy(block, old)
		n := copy(block[within:], p[done:])
		i.put(number, block)
		done += n
		if end := at + int64(n); end > i.size {
			i.size, i.resized = end, true
		}
	}
	return done, nil
}

func (i *inode) put(number int64, block []byte) {
	if i.blocks == nil {
		i.blocks = map[int64][]byte{}
	}
	if i.dirty == nil {
		i.dirty = map[int64]bool{}
	}
	if block == nil {
		delete(i.blocks, number)
	} else {
		i.blocks[number] = block
	}
	i.dirty[number] = true
	delete(i.lost, number)
}

func (i *inode) truncate(m *mount, size int64) {
	for _, number := range slices.Sorted(maps.Keys(i.blocks)) {
		switch start := number * blockSize; {
		case start >= size:
			i.put(number, nil)
			m.used--
		case start+blockSize > size:
			block := make([]byte, blockSize)
			copy(block, i.blocks[number][:size-start])
			i.put(number, block)
		}
	}
	i.size, i.resized = size, true
}

// cutTail makes an inode on the disk whole: nothing lies behind its end.
func (i *inode) cutTail() {
	for number, block := range i.blocks {
		switch start := number * blockSize; {
		case start >= i.size:
			delete(i.blocks, number)
		case start+blockSize > i.size:
			fresh := make([]byte, blockSize)
			copy(fresh, block[:i.size-start])
			i.blocks[number] = fresh
		}
	}
}

func (i *inode) read(p []byte, offset int64) int {
	if offset >= i.size {
		return 0
	}
	p = p[:min(int64(len(p)), i.size-offset)]
	for done := 0; done < len(p); {
		at := offset + int64(done)
		within := at % blockSize
		part := p[done:min(len(p), done+int(blockSize-within))]
		if block := i.blocks[at/blockSize]; block != nil {
			copy(part, block[within:])
		} else {
			clear(part)
		}
		done += len(part)
	}
	return len(p)
}

// nextData is what SEEK_DATA and SEEK_HOLE say.
func (i *inode) nextData(offset, size int64) (start, end int64) {
	size, all := min(size, i.size), size
	if offset >= size {
		return all, all
	}
	first := int64(-1)
	for number := range i.blocks {
		if number >= offset/blockSize && (first < 0 || number < first) {
			first = number
		}
	}
	start = max(offset, first*blockSize)
	if first < 0 || start >= size {
		return all, all
	}
	for i.blocks[first] != nil {
		first++
	}
	return start, min(first*blockSize, size)
}
