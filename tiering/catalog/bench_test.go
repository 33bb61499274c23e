package catalog

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/tidemark/tidemark/internal/fsys"
)

var (
	someone = Actor{User: "alice", Command: "policy run cold-video"}
	noon    = time.Date(2026, 3, 10, 12, 0, 0, 5, time.UTC)
)

// archiveOperation is the i-th archive operation of a run, at its beginning.
func archiveOperation(i int) *Operation {
	path := fmt.Sprintf("/srv/video/cam-%02d/2026-03-%02d/%06d.mkv", i%40, i/40%28+1, i)
	return &Operation{
		Kind: Archive, Phase: Intent, Policy: "cold-video", Archive: "vault", Host: "web-1", Volume: "/srv/video", Path: path,
		Object: "data/web-1" + path, Version: 1, Dev: 0x801, Ino: uint64(1000 + i), Size: int64(4096 + i), Allocated: 8192,
		Mtime: fsys.Time{Sec: 1700000000 + int64(i), Nsec: 123456789}, Ctime: fsys.Time{Sec: 1700000001 + int64(i), Nsec: 23456789}, Started: noon,
	}
}

// copied is the operation when its copy is complete.
func copied(op *Operation) {
	op.Phase = Publishing
	op.Digest = fmt.Sprintf("blake3:%064x", op.Ino*0x9e3779b97f4a7c15)
	op.Attributes = fsys.Attributes{UID: 1000, GID: 1000, Mode: 0o644, Atime: op.Mtime, Mtime: op.Mtime, Xattrs: map[string][]byte{"user.origin": []byte("cam")}}
}

func releaseOperation(o *Object) *Operation {
	return &Operation{
		Kind: Release, Phase: Intent, Policy: o.Policy, Archive: o.Archive, Host: o.Host, Volume: "/srv/video", Path: o.Path, Leave: LeaveLink,
		ObjectID: o.ID, Object: o.Object, Version: o.Version, Dev: o.Dev, Ino: o.Ino, Size: o.Size, Mtime: o.Mtime, Ctime: o.Ctime,
		Digest: o.Digest, Allocated: o.Allocated, Started: noon,
	}
}

// BenchmarkMoves takes 20,000 files in batches of 500 through the journal, from the intent to the purge.
func BenchmarkMoves(b *testing.B) {
	const files, batch = 20_000, 500
	reasons := make([]string, batch)
	for i := range reasons {
		reasons[i] = "idle 71 days (atime), 4.1 MiB, rank " + fmt.Sprint(i)
	}
	for b.Loop() {
		b.StopTimer()
		c, err := Open(b.Context(), filepath.Join(b.TempDir(), "tiering", "catalog.db"))
		if err != nil {
			b.Fatal(err)
		}
		run := &Run{Policy: "cold-video", Started: noon}
		if err := c.BeginRun(b.Context(), run); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		for at := 0; at < files; at += batch {
			ops := make([]*Operation, batch)
			for i := range ops {
				ops[i] = archiveOperation(at + i)
				ops[i].Run = run.ID
			}
			moveBatch(b, c, ops, reasons)
		}
		b.StopTimer()
		if err := c.Close(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
	b.ReportMetric(files*float64(b.N)/b.Elapsed().Seconds(), "files/s")
}

func moveBatch(b *testing.B, c *Catalog, ops []*Operation, reasons []string) {
	must := func(err error) {
		if err != nil {
			b.Fatal(err)
		}
	}
	must(c.Begin(b.Context(), ops))
	for _, op := range ops {
		copied(op)
	}
	must(c.Advance(b.Context(), ops))
	objects, err := c.CommitArchived(b.Context(), someone, noon, ops, reasons)
	must(err)
	for i := range objects {
		run := ops[i].Run
		ops[i] = releaseOperation(&objects[i])
		ops[i].Run = run
	}
	must(c.Begin(b.Context(), ops))
	must(c.CommitReleased(b.Context(), someone, noon, ops, reasons))
	must(c.CommitPurged(b.Context(), noon, ops))
}
