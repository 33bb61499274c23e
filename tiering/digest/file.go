package digest

import (
	"errors"
	"fmt"
	"io"
)

// File is what Of reads.
type File interface {
	io.ReaderAt
	// NextData is where the first data at or after offset starts and ends; start is the size where only a hole follows.
	NextData(offset, size int64) (start, end int64, err error)
}

// Of adds the first size bytes of a file to a hash. It reads into buf (1 MiB is a good length) and skips holes. After each read, each
// (which may be nil) is told how many bytes it was, so that it can show progress, wait for its share of the bandwidth, or stop
// by an error, which Of then returns. A file that is shorter is io.ErrUnexpectedEOF.
func Of(f File, size int64, hash *Hash, buf []byte, each func(n int) error) error {
	if len(buf) == 0 {
		return errors.New("digest: the buffer to read into has no room")
	}
	for offset := int64(0); offset < size; {
		start, end, err := f.NextData(offset, size)
		if err != nil {
			return err
		}
		if start < offset || start > size || end > size || end <= start && start < size {
			return fmt.Errorf("digest: data from %d to %d after %d, in a file of %d bytes", start, end, offset, size)
		}
		hash.Hole(start - offset)
		if err := extent(f, start, end, hash, buf, each); err != nil {
			return err
		}
		if start == size { // a file that was cut short looks the same
			return lastByte(f, size)
		}
		offset = end
	}
	return nil
}

// lastByte is nil if a file is at least size bytes long.
func lastByte(f io.ReaderAt, size int64) error {
	var last [1]byte
	if n, err := f.ReadAt(last[:], size-1); n < 1 {
		return shorter(err)
	}
	return nil
}

func shorter(err error) error {
	if err == nil || errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

func extent(f io.ReaderAt, start, end int64, hash *Hash, buf []byte, each func(n int) error) error {
	for start < end {
		part := buf[:min(int64(len(buf)), end-start)]
		n, err := f.ReadAt(part, start)
		if n < len(part) {
			return shorter(err)
		}
		hash.Write(part)
		start += int64(n)
		if each == nil {
			continue
		}
		if err := each(n); err != nil {
			return err
		}
	}
	return nil
}
