package selection

import (
	"math"
	"sort"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidemark/tidemark/tiering/policy"
	"github.com/tidemark/tidemark/tiering/scan"
)

// Order is which eligible files are taken first. Files that it does not tell apart (it compares whole seconds) are taken by their paths.
type Order string

const (
	Coldest Order = "coldest" // idle for longest
	Largest Order = "largest" // by size
	Oldest  Order = "oldest"  // written longest ago
)

// Amount is how much a policy could move.
type Amount struct {
	Files int64
	Bytes int64 // as allocated
}

// horizons are the days for which it is said how much a policy could move by then.
var horizons = [...]int{0, 7, 30, 90, 180, 365}

const never = len(horizons)

// Collector decides about files while they are scanned, and keeps those that may be moved: some thirty bytes of each. Whether idle goes by
// atime is known when the scan has seen all atimes, so where a rule asks for idle both answers are kept. Its Visit is a scan.Visit.
type Collector struct {
	judge   *policy.Judge
	order   Order
	idle    bool // the rule asks for it
	keepers []*keeper
	full    atomic.Bool

	mu   sync.Mutex // guards dirs
	dirs []node
	text arena // their names
}

// node is a directory: a name below another. The first is none.
type node struct{ parent, name uint32 }

// keeper is what one worker keeps.
type keeper struct {
	*policy.Session
	chunks []*chunk
	text   arena
	by     [2]tally // by mtime, by atime
}

// tally counts the verdicts, and what becomes eligible with each horizon that was not with the one before.
type tally struct {
	counts [policy.Recalled + 1]int64
	ahead  [never]Amount
}

const chunkSize = 4096

// chunk is a number of candidates, whose names are in the text.
type chunk struct {
	text *arena
	rows []row
}

type row struct {
	dir, name uint32    // the mark of the name has the verdicts
	keys      [2]uint32 // by mtime and by atime; for Largest the size in two halves
}

// A mark has four bits for each of two verdicts.
var _ [15 - policy.Recalled]struct{}

// NewCollector collects for a policy, in an order, from a scan with so many workers (scan.Options.Workers, which must be set). The judge's Moment says when now is; whether it is
// by atime does not matter here.
func NewCollector(judge *policy.Judge, order Order, workers int) *Collector {
	c := &Collector{judge: judge, order: order, idle: judge.Rule.Uses("idle"), dirs: make([]node, 1)}
	for range workers {
		c.keepers = append(c.keepers, &keeper{Session: judge.Session()})
	}
	return c
}

// Visit decides about files.
func (c *Collector) Visit(worker int, dir *scan.Directory, files []policy.File) {
	k := c.keepers[worker]
	for i := range files {
		f := &files[i]
		why := k.Before(f)
		if why != policy.Eligible && why != policy.TooYoung {
			k.by[0].counts[why]++
			k.by[1].counts[why]++
			continue
		}
		v := [2]verdict{k.decide(f, false, why)}
		v[1] = v[0]
		if _, by := f.LastUse(true); c.idle && by == "atime" && !v[0].hopeless(k.Rule) {
			v[1] = k.decide(f, true, why)
		}
		for i := range v {
			k.by[i].add(v[i], f.Allocated)
		}
		if kept(v[0].why) || kept(v[1].why) {
			c.keep(k, dir, f, v)
		}
	}
}

// kept are the verdicts that a plan or its report names files for.
func kept(why policy.Why) bool {
	return why == policy.Eligible || why == policy.Undecided || why == policy.Held || why == policy.Recalled
}

// verdict is one on a file, and the first horizon by which it is eligible if nobody touches it.
type verdict struct {
	why  policy.Why
	from int
}

// hopeless says that a file is not taken by atime either: that makes it idle for a shorter time.
func (v verdict) hopeless(rule *policy.Rule) bool {
	return rule.Rising() && v.why == policy.Unmatched && v.from == never
}

func (k *keeper) decide(f *policy.File, atime bool, before policy.Why) verdict {
	// Most files will not be taken for long: ask that first.
	if k.Rule.Rising() && k.Matches(f, k.on(never-1), atime) == policy.Unmatched {
		return verdict{why: max(before, policy.Unmatched), from: never}
	}
	v := verdict{why: before, from: never}
	if before == policy.Eligible {
		v.why = k.Matches(f, k.Moment.Now, atime)
	}
	if v.why == policy.Eligible {
		v.why, _ = k.After(f, k.Moment.Now)
	}
	switch v.why {
	case policy.Eligible:
		v.from = 0
	case policy.Unmatched, policy.TooYoung, policy.Recalled:
		if k.Rule.Rising() {
			v.from = 1 + sort.Search(never-1, func(i int) bool { return k.takes(f, k.on(i+1), atime) })
		}
	}
	return v
}

// on is the time of a horizon.
func (k *keeper) on(horizon int) time.Time {
	return k.Moment.Now.Add(time.Duration(horizons[horizon]) * 24 * time.Hour)
}

func (k *keeper) takes(f *policy.File, at time.Time, atime bool) bool {
	if k.Matches(f, at, atime) != policy.Eligible {
		return false
	}
	why, _ := k.After(f, at)
	return why == policy.Eligible
}

func (t *tally) add(v verdict, allocated int64) {
	t.counts[v.why]++
	if v.from < never {
		t.ahead[v.from].Files++
		t.ahead[v.from].Bytes += allocated
	}
}

// keep remembers a candidate.
func (c *Collector) keep(k *keeper, dir *scan.Directory, f *policy.File, v [2]verdict) {
	name, ok := k.text.put(byte(v[0].why)|byte(v[1].why)<<4, f.Name)
	d, known := c.directory(dir)
	if !ok || !known {
		c.full.Store(true)
		return
	}
	last := len(k.chunks) - 1
	if last < 0 || len(k.chunks[last].rows) == chunkSize {
		k.chunks = append(k.chunks, &chunk{text: &k.text, rows: make([]row, 0, chunkSize)})
		last++
	}
	k.chunks[last].rows = append(k.chunks[last].rows, row{dir: d, name: name, keys: c.keys(f)})
}

func (c *Collector) keys(f *policy.File) [2]uint32 {
	if c.order == Largest {
		return [2]uint32{uint32(f.Size >> 32), uint32(f.Size)}
	}
	written := seconds(f.Mtime.Sec)
	if c.order == Oldest {
		return [2]uint32{written, written}
	}
	return [2]uint32{written, max(written, seconds(f.Atime.Sec))}
}

// seconds since 1970, until 2106: times outside are as good as these.
func seconds(sec int64) uint32 { return uint32(min(max(sec, 0), math.MaxUint32)) }

// directory is the number of a directory.
func (c *Collector) directory(d *scan.Directory) (uint32, bool) {
	if number := d.Slot.Load(); number != 0 {
		return number, true
	}
	var parent uint32
	if d.Parent != nil {
		var ok bool
		if parent, ok = c.directory(d.Parent); !ok {
			return 0, false
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if number := d.Slot.Load(); number != 0 {
		return number, true
	}
	name, ok := c.text.put(0, d.Name)
	if !ok || len(c.dirs) == math.MaxUint32 {
		return 0, false
	}
	c.dirs = append(c.dirs, node{parent, name})
	d.Slot.Store(uint32(len(c.dirs) - 1))
	return d.Slot.Load(), true
}
