package fsys_test

import (
	"fmt"
	"testing"

	"github.com/tidemark/tidemark/internal/fsys"
)

// BenchmarkRead is what a mover asks of each file before and after its copy.
func BenchmarkRead(b *testing.B) {
	d := root(b, b.TempDir())
	f := write(b, d, "file", "content")
	must(b, f.SetXattr("user.a", []byte("a")))
	must(b, f.Close())
	b.ReportAllocs()
	for b.Loop() {
		f, err := d.Open("file")
		must(b, err)
		must(b, f.SetLease(fsys.LeaseRead))
		_, _, err = fsys.ReadAttributes(f)
		must(b, err)
		must(b, f.SetLease(fsys.LeaseNone))
		must(b, f.Close())
	}
}

// BenchmarkWrite is a small file with its attributes, not synced.
func BenchmarkWrite(b *testing.B) {
	d := root(b, b.TempDir())
	content := make([]byte, 4096)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		f, err := d.Create(fmt.Sprint(i), 0o600)
		must(b, err)
		_, err = f.WriteAt(content, 0)
		must(b, err)
		must(b, fsys.RestoreAttributes(f, fsys.Attributes{Mode: 0o640, Mtime: fsys.Time{Sec: 1}}))
		must(b, f.Close())
		must(b, d.Remove(fmt.Sprint(i)))
	}
}
