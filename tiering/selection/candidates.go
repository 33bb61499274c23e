package selection

import (
	"bytes"
	"cmp"
	"errors"
	"slices"

	"github.com/tidemark/tidemark/tiering/policy"
)

// Candidates are the files of a scan that may be moved, once it is known whether idle goes by atime.
type Candidates struct {
	collector *Collector
	by        int // the index of tallies, keys and marks
	chunks    []*chunk
	tally     tally
}

// Candidates are those that were collected; the scan must be over. The error says that there were too many to keep.
func (c *Collector) Candidates(atime bool) (*Candidates, error) {
	if c.full.Load() {
		return nil, errors.New("too many candidates to keep in memory: narrow the rule, or split the policy's volume")
	}
	cs := &Candidates{collector: c}
	if atime {
		cs.by = 1
	}
	for _, k := range c.keepers {
		cs.chunks = append(cs.chunks, k.chunks...)
		for i, n := range k.by[cs.by].counts {
			cs.tally.counts[i] += n
		}
		for i, n := range k.by[cs.by].ahead {
			cs.tally.ahead[i].Files += n.Files
			cs.tally.ahead[i].Bytes += n.Bytes
		}
	}
	return cs, nil
}

// Count is how many files got a verdict.
func (c *Candidates) Count(why policy.Why) int64 { return c.tally.counts[why] }

// Eligible is how much could be moved now.
func (c *Candidates) Eligible() Amount { return c.tally.ahead[0] }

// Horizon is what a policy could move if it first ran in so many days and nobody touched the files until then.
type Horizon struct {
	Days int
	Amount
}

// Ahead is what the policy could move by 0, 7, 30, 90, 180 and 365 days from now. It is nil where the rule takes some files only for a
// while (policy.Rule.Rising): nothing can be said then.
func (c *Candidates) Ahead() []Horizon {
	if !c.collector.judge.Rule.Rising() {
		return nil
	}
	out := make([]Horizon, never)
	var sum Amount
	for i, n := range c.tally.ahead {
		sum.Files += n.Files
		sum.Bytes += n.Bytes
		out[i] = Horizon{horizons[i], sum}
	}
	return out
}

func (c *Candidates) row(i uint32) (*chunk, *row) {
	ch := c.chunks[i/chunkSize]
	return ch, &ch.rows[i%chunkSize]
}

// with are the numbers of the rows whose verdict is among these.
func (c *Candidates) with(wanted ...policy.Why) []uint32 {
	n := int64(0)
	for _, why := range wanted {
		n += c.tally.counts[why]
	}
	out := make([]uint32, 0, n)
	for i, ch := range c.chunks {
		for j := range ch.rows {
			m, _ := ch.text.get(ch.rows[j].name)
			if slices.Contains(wanted, policy.Why(m>>(4*c.by)&15)) {
				out = append(out, uint32(i*chunkSize+j))
			}
		}
	}
	return out
}

// key orders rows: the smallest first.
func (c *Candidates) key(r *row) uint64 {
	if c.collector.order == Largest {
		return ^(uint64(r.keys[0])<<32 | uint64(r.keys[1]))
	}
	return uint64(r.keys[c.by])
}

// queue gives candidates in order, as many as are asked for: it sorts no more than that.
type queue struct {
	*Candidates
	heap []uint32
	a, b []byte // paths
}

func (c *Candidates) queue() *queue {
	q := &queue{Candidates: c, heap: c.with(policy.Eligible)}
	for i := len(q.heap)/2 - 1; i >= 0; i-- {
		q.sink(i)
	}
	return q
}

// next is the first of those that are left.
func (q *queue) next() (uint32, bool) {
	if len(q.heap) == 0 {
		return 0, false
	}
	first, last := q.heap[0], len(q.heap)-1
	q.heap[0] = q.heap[last]
	q.heap = q.heap[:last]
	q.sink(0)
	return first, true
}

func (q *queue) sink(i int) {
	for {
		child := 2*i + 1
		if child >= len(q.heap) {
			return
		}
		if child+1 < len(q.heap) && q.before(q.heap[child+1], q.heap[child]) {
			child++
		}
		if !q.before(q.heap[child], q.heap[i]) {
			return
		}
		q.heap[i], q.heap[child] = q.heap[child], q.heap[i]
		i = child
	}
}

func (q *queue) before(i, j uint32) bool {
	chunkA, a := q.row(i)
	chunkB, b := q.row(j)
	if order := cmp.Compare(q.key(a), q.key(b)); order != 0 {
		return order < 0
	}
	if a.dir == b.dir {
		_, nameA := chunkA.text.get(a.name)
		_, nameB := chunkB.text.get(b.name)
		return bytes.Compare(nameA, nameB) < 0
	}
	q.a, q.b = q.path(q.a[:0], i), q.path(q.b[:0], j)
	return bytes.Compare(q.a, q.b) < 0
}

// path appends the absolute path of a row.
func (c *Candidates) path(to []byte, i uint32) []byte {
	ch, r := c.row(i)
	to = c.directory(to, r.dir)
	_, name := ch.text.get(r.name)
	return append(slash(to), name...)
}

func (c *Candidates) directory(to []byte, number uint32) []byte {
	d := c.collector.dirs[number]
	if d.parent != 0 {
		to = slash(c.directory(to, d.parent))
	}
	_, name := c.collector.text.get(d.name)
	return append(to, name...)
}

func slash(path []byte) []byte {
	if len(path) == 0 || path[len(path)-1] != '/' {
		path = append(path, '/')
	}
	return path
}

// Skip is a file that was left alone.
type Skip struct {
	Path   string `json:"path"`
	Reason string `json:"reason"`
}

// Skipped are the first files, by path, that the rule takes but that are left alone, and those that could not be decided about. Count
// says how many there are.
func (c *Candidates) Skipped(most int) []Skip {
	byPath := func(a, b Skip) int { return cmp.Compare(a.Path, b.Path) }
	var out []Skip
	cut := func() {
		slices.SortFunc(out, byPath)
		out = out[:min(len(out), most)]
	}
	for _, why := range []policy.Why{policy.Undecided, policy.Held, policy.Recalled} {
		for _, i := range c.with(why) {
			out = append(out, Skip{string(c.path(nil, i)), why.String()})
			if len(out) >= 2*most+100 {
				cut()
			}
		}
	}
	cut()
	return out
}
