package fsys_test

import (
	"bytes"
	"errors"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/tidemark/tidemark/internal/fsys"
)

func TestHoles(t *testing.T) {
	onEach(t, func(t *testing.T, fstype, dir string) {
		d := root(t, dir)
		f := write(t, d, "file", "")
		const block, size = 64 << 10, 40 << 20
		must(t, f.Truncate(size))
		for _, at := range []int64{2, 3, 10} {
			_, err := f.WriteAt(bytes.Repeat([]byte("x"), block), at*block)
			must(t, err)
		}
		must(t, f.Sync())
		for _, c := range [][3]int64{ // at, start, end
			{0, 2 * block, 4 * block},
			{2*block + 1, 2*block + 1, 4 * block},
			{4 * block, 10 * block, 11 * block},
			{11 * block, size, size},
			{size, size, size},
			{size + 5, size, size},
		} {
			start, end, err := f.NextData(c[0], size)
			if err != nil || start != c[1] || end != c[2] {
				t.Errorf("after %d: data from %d to %d, %v; want %d to %d", c[0], start, end, err, c[1], c[2])
			}
		}
		if start, end, err := f.NextData(0, 3*block); err != nil || start != 2*block || end != 3*block {
			t.Errorf("data beyond the size asked for: %d to %d, %v", start, end, err)
		}
		_, _, err := f.NextData(-1, size)
		if !errors.Is(err, unix.ENXIO) && !errors.Is(err, unix.EINVAL) && err != nil {
			t.Errorf("before the start: %v", err)
		}
		if info, err := f.Stat(); err != nil || info.Size != size || info.Allocated != 3*block {
			t.Errorf("%s: %+v, %v", fstype, info, err)
		}
		must(t, f.DropCache())
		buf := make([]byte, block+2)
		if n, err := f.ReadAt(buf, 10*block-1); n != len(buf) || err != nil || buf[0] != 0 || buf[1] != 'x' || buf[block] != 'x' || buf[block+1] != 0 {
			t.Errorf("read %d, %v", n, err)
		}
		must(t, f.Truncate(10))
		if start, end, err := f.NextData(0, size); err != nil || start != size || end != size {
			t.Errorf("cut short: %d to %d, %v", start, end, err)
		}
		dense := write(t, d, "dense", "12345")
		if start, end, err := dense.NextData(2, 5); err != nil || start != 2 || end != 5 {
			t.Errorf("dense: %d to %d, %v", start, end, err)
		}
	})
}

func TestFull(t *testing.T) {
	onEach(t, func(t *testing.T, _, dir string) {
		d := root(t, dir)
		f := write(t, d, "file", "")
		buf := make([]byte, 8<<20)
		for at := int64(0); at < 1<<30; at += int64(len(buf)) {
			if _, err := f.WriteAt(buf, at); err != nil {
				want(t, "write", err, unix.ENOSPC)
				usage, err := d.StatFS()
				if err != nil || usage.Available > 32<<20 {
					t.Errorf("full with %+v, %v", usage, err)
				}
				return
			}
		}
		t.Error("it never fills")
	})
}

func TestTimes(t *testing.T) {
	onEach(t, func(t *testing.T, fstype, dir string) {
		f := write(t, root(t, dir), "file", "")
		for _, c := range []fsys.Time{{Sec: 0}, {Sec: -1, Nsec: 1}, {Sec: -86400 * 365, Nsec: 999_999_999}, {Sec: 1 << 32, Nsec: 123_456_789}} {
			must(t, f.SetTimes(c, fsys.Time{Sec: c.Sec + 1, Nsec: c.Nsec}))
			info, err := f.Stat()
			must(t, err)
			if info.Atime != c || info.Mtime.Sec != c.Sec+1 || info.Mtime.Nsec != c.Nsec {
				t.Errorf("%s: set %v, is %v and %v", fstype, c, info.Atime, info.Mtime)
			}
		}
	})
}

// Reading leaves no trace.
func TestReadingKeepsAtime(t *testing.T) {
	onEach(t, func(t *testing.T, _, dir string) {
		d := root(t, dir)
		f := write(t, d, "file", "content")
		old := fsys.Time{Sec: 1000}
		must(t, f.SetTimes(old, old))
		must(t, f.Close())
		if read(t, d, "file") != "content" {
			t.Error("read something else")
		}
		if info, err := d.StatName("file"); err != nil || info.Atime != old {
			t.Errorf("read at %v, %v", info.Atime, err)
		}
	})
}
