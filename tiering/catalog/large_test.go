package catalog

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"
	"time"
)

// largeObjects is how many objects the large catalog has; TIDEMARK_CATALOG_OBJECTS says otherwise.
const largeObjects = 5_000_000

// largeObject is the i-th: in 20,000 directories; one in ten is archived, one in twenty superseded, the others released.
func largeObject(i int) Object {
	path := fmt.Sprintf("/srv/video/department-%02d/cam-%03d/2026-%02d/%08d-recording.mkv", i%20, i/20%100, i/2000%10+1, i)
	op := archiveOperation(i)
	op.Path, op.Object, op.Run = path, "data/web-1"+path, int64(i/100_000)
	copied(op)
	o := archived(op, int64(i+1), noon.Add(time.Duration(i)*time.Second))
	switch {
	case i%20 == 0:
		o.State = Superseded
	case i%10 != 1:
		o.State, o.Leave, o.ReleasedAt = Released, LeaveLink, o.ArchivedAt.Add(time.Minute)
	}
	return o
}

// large builds the catalog that the benchmark reads, in minutes.
func large(b *testing.B, n int) string {
	path := filepath.Join(b.TempDir(), "catalog.db")
	c := open(b, path)
	start := time.Now()
	const batch = 10_000
	for at := 0; at < n; at += batch {
		objects := make([]Object, min(batch, n-at))
		for i := range objects {
			objects[i] = largeObject(at + i)
		}
		must(b, c.write(b.Context(), "build", func(t *transaction) error { return t.insert(objects...) }))
	}
	took := time.Since(start)
	must(b, c.Close())
	info, err := os.Stat(path)
	must(b, err)
	b.Logf("%d objects in %v (%.0f/s), %d MiB, %d bytes an object", n, took.Round(time.Second), float64(n)/took.Seconds(), info.Size()>>20, info.Size()/int64(n))
	return path
}

func BenchmarkLarge(b *testing.B) {
	n := largeObjects
	if text := os.Getenv("TIDEMARK_CATALOG_OBJECTS"); text != "" {
		var err error
		n, err = strconv.Atoi(text)
		must(b, err)
	}
	path := large(b, n)
	b.Run("open", func(b *testing.B) {
		for b.Loop() {
			c, err := Open(b.Context(), path)
			must(b, err)
			must(b, c.Close())
		}
	})
	c := open(b, path)
	b.Run("find by path", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			at := i * 7919 % n
			if at%20 == 0 {
				at++
			}
			want := largeObject(at).Path
			if o, ok, err := c.Object(b.Context(), "web-1", want); err != nil || !ok || o.Path != want {
				b.Fatalf("%q: %t, %v", want, ok, err)
			}
		}
	})
	b.Run("find by path in a catalog just opened", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			c, err := Open(b.Context(), path)
			must(b, err)
			_, _, err = c.Object(b.Context(), "web-1", largeObject(i*7919%n).Path)
			must(b, err)
			must(b, c.Close())
		}
	})
	for name, q := range map[string]Query{
		"list a directory": {Host: "web-1", Prefix: "/srv/video/department-03/cam-017/2026-04"},
		"glob":             {Glob: "/srv/video/department-03/cam-017/2026-0[45]/*3-*.mkv"},
	} {
		b.Run(name, func(b *testing.B) {
			var found int
			for b.Loop() {
				found = 0
				for _, err := range c.Objects(b.Context(), q) {
					must(b, err)
					found++
				}
			}
			b.ReportMetric(float64(found), "objects")
		})
	}
	b.Run("what is archived", func(b *testing.B) {
		var k *Known
		var before, after runtime.MemStats
		for b.Loop() {
			k = nil
			runtime.GC()
			runtime.ReadMemStats(&before)
			var err error
			k, err = c.ArchivedUnder(b.Context(), "web-1", "/srv/video")
			must(b, err)
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(k.Len()), "heap-B/entry")
		b.ReportMetric(float64(k.Len()), "entries")
	})
	b.Run("totals", func(b *testing.B) {
		for b.Loop() {
			_, err := c.Totals(b.Context())
			must(b, err)
		}
	})
	b.Run("next to check", func(b *testing.B) {
		for b.Loop() {
			_, err := c.NextToCheck(b.Context(), "vault", 100)
			must(b, err)
		}
	})
}
