package selection

import (
	"encoding/binary"
	"math"
)

const (
	arenaChunk = 256 << 10
	long       = 255 // where the length has two more bytes
)

// arena holds many short texts, each with a mark, without an allocation for each. A text is found by its number.
type arena struct{ chunks [][]byte }

// put keeps a mark and a text. ok is false when the numbers, four billion, are used up.
func (a *arena) put(mark byte, text string) (number uint32, ok bool) {
	last := len(a.chunks) - 1
	if last < 0 || len(a.chunks[last])+4+len(text) > arenaChunk {
		if last++; int64(last+1)*arenaChunk > math.MaxUint32 || 4+len(text) > min(arenaChunk, math.MaxUint16) {
			return 0, false
		}
		a.chunks = append(a.chunks, make([]byte, 0, arenaChunk))
	}
	at := len(a.chunks[last])
	c := append(a.chunks[last], mark)
	if len(text) < long {
		c = append(c, byte(len(text)))
	} else {
		c = binary.NativeEndian.AppendUint16(append(c, long), uint16(len(text)))
	}
	a.chunks[last] = append(c, text...)
	return uint32(last*arenaChunk + at), true
}

func (a *arena) get(number uint32) (mark byte, text []byte) {
	c := a.chunks[number/arenaChunk][number%arenaChunk:]
	length, head := int(c[1]), 2
	if length == long {
		length, head = int(binary.NativeEndian.Uint16(c[2:])), 4
	}
	return c[0], c[head : head+length : head+length]
}
