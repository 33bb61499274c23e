package csvinput

import (
	"encoding/binary"
	"iter"
	"math"
	"time"

	"github.com/tidemark/tidemark/planner/forecast"
)

// packed holds rows in the order in which they came, in about eleven bytes each where forty-eight would hold them unpacked: a file
// of millions of rows must be known to be right to its last line before anything is said of its first series.
type packed struct {
	bytes    []byte
	at, step int64 // of the last row, in Unix nanoseconds (the years 1900 to 2200 fit): the next is told by what differs
	line     int
	capacity float64
	n        int
}

// What a row's first byte says of it.
const (
	hasUsed      = 1 << iota // eight bytes
	hasCapacity              // eight bytes
	sameCapacity             // as of the row before
)

func (p *packed) add(r row) {
	flags := byte(0)
	if !math.IsNaN(r.Used) {
		flags |= hasUsed
	}
	switch {
	case math.IsNaN(r.Capacity):
	case p.n > 0 && r.Capacity == p.capacity:
		flags |= sameCapacity
	default:
		flags |= hasCapacity
	}
	at := r.Time.UnixNano()
	step := at - p.at // may wrap, and so does the sum
	p.bytes = append(p.bytes, flags)
	p.bytes = binary.AppendVarint(p.bytes, step-p.step) // one byte where steps are alike
	p.bytes = binary.AppendVarint(p.bytes, int64(r.line-p.line))
	if flags&hasUsed != 0 {
		p.bytes = binary.LittleEndian.AppendUint64(p.bytes, math.Float64bits(r.Used))
	}
	if flags&hasCapacity != 0 {
		p.bytes = binary.LittleEndian.AppendUint64(p.bytes, math.Float64bits(r.Capacity))
	}
	p.at, p.step, p.line, p.capacity = at, step, r.line, r.Capacity
	p.n++
}

// pack packs rows.
func pack(all []row) *packed {
	p := &packed{}
	for _, r := range all {
		p.add(r)
	}
	return p
}

// all yields the rows in the order in which they were added.
func (p *packed) all() iter.Seq[row] {
	return func(yield func(row) bool) {
		b := p.bytes
		varint := func() int64 {
			v, n := binary.Varint(b)
			b = b[n:]
			return v
		}
		number := func() float64 {
			v := math.Float64frombits(binary.LittleEndian.Uint64(b))
			b = b[8:]
			return v
		}
		at, step, line, capacity := int64(0), int64(0), int64(0), math.NaN()
		for len(b) > 0 {
			flags := b[0]
			b = b[1:]
			step += varint()
			at += step
			line += varint()
			r := row{forecast.Observation{Time: time.Unix(0, at).UTC(), Used: math.NaN()}, int(line)}
			if flags&hasUsed != 0 {
				r.Used = number()
			}
			if flags&hasCapacity != 0 {
				capacity = number()
			} else if flags&sameCapacity == 0 {
				capacity = math.NaN()
			}
			r.Capacity = capacity
			if !yield(r) {
				return
			}
		}
	}
}
