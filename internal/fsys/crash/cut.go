package crash

import (
	"maps"
	"math/rand/v2"
	"slices"

	"golang.org/x/sys/unix"
)

// Cut cuts the power and returns the filesystems as they are when it is back. Of what was not synced, each change survives with
// probability keep: 0 is the worst that can be, 1 the best. The same seed after the same calls gives the same. All that is open is
// dead from now on (EIO), and so are locks and leases.
func (f *FS) Cut(seed uint64, keep float64) *FS {
	f.mu.Lock()
	defer f.mu.Unlock()
	next := f.cut(seed, keep)
	f.dead = true
	return next
}

// Survivors are the filesystems as Cut would return them at this very moment. The power stays on: one run of a program shows what
// each of its steps would have left behind.
func (f *FS) Survivors(seed uint64, keep float64) *FS {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.cut(seed, keep)
}

func (f *FS) cut(seed uint64, keep float64) *FS {
	random := rand.New(rand.NewPCG(seed, 0))
	next := &FS{clock: f.clock}
	for _, m := range f.mounts {
		next.mounts = append(next.mounts, m.cut(random, keep, next))
	}
	next.attach()
	return next
}

func (m *mount) cut(random *rand.Rand, keep float64, f *FS) *mount {
	next := newMount(f, m.Mount, m.dev)
	next.lastInode = m.lastInode
	for ino, i := range m.disk {
		next.disk[ino] = i.clone()
	}
	kept := map[*record]bool{}
	survived := func(r *record) bool { return r.done || kept[r] }
	for _, r := range m.log {
		lucky := random.Float64() < keep
		if (lucky || r.synced) && all(r.after, survived) && all(r.within, survived) {
			kept[r] = true
			r.apply(next.disk)
		}
	}
	for _, ino := range slices.Sorted(maps.Keys(m.now)) {
		if onDisk := next.disk[ino]; onDisk != nil {
			m.now[ino].survive(onDisk, random, keep)
		}
	}
	next.boot()
	return next
}

// survive writes to the disk what of the content was lucky.
func (i *inode) survive(onDisk *inode, random *rand.Rand, keep float64) {
	if i.resized && random.Float64() < keep {
		onDisk.size = i.size
	}
	for _, number := range slices.Sorted(maps.Keys(i.dirty)) {
		if random.Float64() < keep {
			if onDisk.blocks == nil {
				onDisk.blocks = map[int64][]byte{}
			}
			setBlock(onDisk, number, i.blocks[number])
		}
	}
	onDisk.cutTail()
}

// boot makes the living from what is on the disk: what has a name.
func (m *mount) boot() {
	m.now = map[uint64]*inode{}
	m.reach(rootInode, rootInode)
	maps.DeleteFunc(m.disk, func(ino uint64, _ *inode) bool { return m.now[ino] == nil })
}

func (m *mount) reach(ino, parent uint64) {
	i := m.disk[ino].clone()
	m.now[ino] = i
	i.parent = parent
	m.used += int64(len(i.blocks))
	if !i.isDir() {
		i.nlink = 1
		return
	}
	i.nlink = 2
	for _, child := range i.entries {
		switch known := m.now[child]; {
		case known != nil:
			known.nlink++
		default:
			m.reach(child, ino)
		}
		if m.now[child].kind() == unix.S_IFDIR {
			i.nlink++
		}
	}
}
