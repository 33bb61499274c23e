package selection

import (
	"encoding/binary"
	"math"
)

const arenaChunk = 256 << 10

// arena holds many short texts without an allocation for each. A text is found by its number, which is never 0.
type arena struct{ chunks [][]byte }

// put keeps a mark and a text. ok is false when four gigabytes are full.
func (a *arena) put(mark mark, text string) (number uint32, ok bool) {
	const head = 2 + len(mark)
	last := len(a.chunks) - 1
	if last < 0 || len(a.chunks[last])+head+len(text) > cap(a.chunks[last]) {
		if last++; uint64(last+1)*arenaChunk > math.MaxUint32 || head+len(text) > arenaChunk-1 {
			return 0, false
		}
		a.chunks = append(a.chunks, make([]byte, 1, arenaChunk)) // the first byte is nobody's: no number is 0
	}
	at := len(a.chunks[last])
	c := binary.NativeEndian.AppendUint16(a.chunks[last], uint16(len(text)))
	a.chunks[last] = append(append(c, mark[:]...), text...)
	return uint32(last*arenaChunk + at), true
}

func (a *arena) get(number uint32) (mark mark, text []byte) {
	c := a.chunks[number/arenaChunk][number%arenaChunk:]
	length := int(binary.NativeEndian.Uint16(c))
	c = c[2:]
	copy(mark[:], c)
	c = c[len(mark):]
	return mark, c[:length:length]
}

// mark is what is kept of a candidate besides its row: the verdicts by mtime and by atime, and whether it is archived.
type mark [3]byte
