package catalog

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tidemark/tidemark/internal/fsys"
	"github.com/tidemark/tidemark/internal/mounttest"
)

func open(t testing.TB, path string) *Catalog {
	t.Helper()
	c, err := Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func fresh(t testing.TB) *Catalog {
	t.Helper()
	return open(t, filepath.Join(t.TempDir(), "tiering", "catalog.db"))
}

func inMemory(t testing.TB) *Catalog {
	t.Helper()
	c, err := OpenInMemory(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// archiveSome takes n files, from the first on, through the archive operation.
func archiveSome(t testing.TB, c *Catalog, first, n int, change func(*Operation)) []Object {
	t.Helper()
	ops, reasons := make([]*Operation, n), make([]string, n)
	for i := range ops {
		ops[i], reasons[i] = archiveOperation(first+i), "idle "+strconv.Itoa(i)
		if change != nil {
			change(ops[i])
		}
	}
	must(t, c.Begin(t.Context(), ops))
	for _, op := range ops {
		copied(op)
	}
	must(t, c.Advance(t.Context(), ops))
	objects, err := c.CommitArchived(t.Context(), someone, noon, ops, reasons)
	must(t, err)
	return objects
}

func releaseSome(t testing.TB, c *Catalog, objects []Object) []*Operation {
	t.Helper()
	ops := make([]*Operation, len(objects))
	for i := range objects {
		ops[i] = releaseOperation(&objects[i])
	}
	must(t, c.Begin(t.Context(), ops))
	must(t, c.CommitReleased(t.Context(), someone, noon, ops, make([]string, len(ops))))
	return ops
}

func TestAFileThroughItsLife(t *testing.T) {
	c := fresh(t)
	ctx := t.Context()
	objects := archiveSome(t, c, 0, 3, nil)
	for _, want := range objects {
		got, ok, err := c.Object(ctx, want.Host, want.Path)
		if diff := cmp.Diff(want, got); err != nil || !ok || diff != "" {
			t.Errorf("archived: %t, %v: %s", ok, err, diff)
		}
	}
	ops := releaseSome(t, c, objects)
	pending, err := c.Pending(ctx)
	must(t, err)
	if len(pending) != 3 || cmp.Diff(pending[1], *ops[1]) != "" || pending[1].Phase != Purging {
		t.Errorf("in flight after the release: %s", cmp.Diff(pending[1], *ops[1]))
	}
	must(t, c.CommitPurged(ctx, noon, ops[:2]))
	must(t, c.CommitRestored(ctx, someone, noon, ops[2], "a writer came", fsys.Info{}))
	if pending, err := c.Pending(ctx); err != nil || len(pending) != 0 {
		t.Errorf("in flight at the end: %v, %v", pending, err)
	}
	for i, want := range []State{Released, Released, Archived} {
		if o, ok, err := c.ObjectByID(ctx, objects[i].ID); err != nil || !ok || o.State != want {
			t.Errorf("object %d is %s, %v; want %s", i, o.State, err, want)
		}
	}
	report, err := c.VerifyAudit(ctx, "")
	if err != nil || report.Broken != nil || report.Records != 7 {
		t.Errorf("the audit log: %+v, %v", report, err)
	}
}

func TestOnlyItsUserReadsIt(t *testing.T) {
	c := fresh(t)
	archiveSome(t, c, 0, 1, nil)
	info, err := os.Stat(filepath.Dir(c.Path()))
	if err != nil || info.Mode() != fs.ModeDir|0o700 {
		t.Errorf("the directory is %v, %v", info.Mode(), err)
	}
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if info, err := os.Stat(c.Path() + suffix); err != nil || info.Mode() != 0o600 {
			t.Errorf("catalog.db%s is %v, %v", suffix, info, err)
		}
	}
}

func TestReadOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "catalog.db")
	if _, err := OpenReadOnly(t.Context(), path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a catalog that is not there: %v", err)
	}
	c := open(t, path)
	o := archiveSome(t, c, 0, 1, nil)[0]
	read, err := OpenReadOnly(t.Context(), path)
	must(t, err)
	defer read.Close()
	if got, ok, err := read.Object(t.Context(), o.Host, o.Path); err != nil || !ok || cmp.Diff(o, got) != "" {
		t.Errorf("%t, %v: %s", ok, err, cmp.Diff(o, got))
	}
	if err := read.Begin(t.Context(), []*Operation{archiveOperation(1)}); err == nil {
		t.Error("a reader writes")
	}
	if last, err := c.LastOperation(t.Context()); err != nil || last != 1 {
		t.Errorf("the last operation is %d, %v", last, err)
	}
}

func TestFilesThatCannotBeUsed(t *testing.T) {
	dir := t.TempDir()
	newer, damaged := filepath.Join(dir, "newer.db"), filepath.Join(dir, "damaged.db")
	c := open(t, newer)
	c.raw(t, fmt.Sprintf("PRAGMA user_version = %d", len(schema)+1))
	must(t, c.Close())
	must(t, os.WriteFile(damaged, []byte(strings.Repeat("no database ", 1000)), 0o600))
	for path, want := range map[string]string{newer: "use the newer version of tidemark", damaged: "tidemark archive rebuild"} {
		_, err := Open(t.Context(), path)
		if err == nil || !strings.Contains(err.Error(), want) || errors.Is(err, ErrCorrupt) != (path == damaged) {
			t.Errorf("%s: %v", filepath.Base(path), err)
		}
	}
}

// Pages that were scribbled over are seen, at the latest by Check.
func TestDamagedPages(t *testing.T) {
	c := fresh(t)
	archiveSome(t, c, 0, 500, nil)
	must(t, c.Check(t.Context()))
	path := c.Path()
	must(t, c.Close())
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	must(t, err)
	info, err := f.Stat()
	must(t, err)
	for at := int64(4096); at < info.Size(); at += 4096 {
		_, err := f.WriteAt([]byte(strings.Repeat("\xff", 4096)), at)
		must(t, err)
	}
	must(t, f.Close())
	c, err = Open(t.Context(), path)
	if err == nil {
		defer c.Close()
		_, err = c.Totals(t.Context())
	}
	if !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), "archive rebuild") {
		t.Errorf("error %v", err)
	}
}

func TestAnotherProcessHasIt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "catalog.db")
	c, other := open(t, path), open(t, path)
	c.raw(t, "PRAGMA busy_timeout = 0")
	must(t, other.write(t.Context(), "wait", func(*transaction) error {
		err := c.Begin(t.Context(), []*Operation{archiveOperation(1)})
		if !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), "see which tidemark is busy") {
			t.Errorf("error %v", err)
		}
		if _, err := c.Pending(t.Context()); err != nil {
			t.Errorf("a reader waits for a writer: %v", err)
		}
		return nil
	}))
}

// Two handles, as of two processes, with several goroutines each: ids are given once, and the chain has no fork.
func TestManyWriters(t *testing.T) {
	path := filepath.Join(t.TempDir(), "catalog.db")
	handles := []*Catalog{open(t, path), open(t, path)}
	const writers, rounds, batch = 4, 5, 3
	var wg sync.WaitGroup
	var mu sync.Mutex
	ids := map[int64]bool{}
	for w := range writers {
		wg.Go(func() {
			c := handles[w%2]
			for r := range rounds {
				ops, err := archiveBatch(t.Context(), c, (w*rounds+r)*batch, batch)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				for _, op := range ops {
					ids[op.ID] = true
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	const all = writers * rounds * batch
	if len(ids) != all {
		t.Errorf("%d ids for %d operations", len(ids), all)
	}
	if r := verify(t, handles[0], ""); r.Broken != nil || r.Records != all {
		t.Errorf("%+v %+v", r, r.Broken)
	}
	if got := len(listed(t, handles[1], Query{})); got != all {
		t.Errorf("%d objects", got)
	}
}

// archiveBatch is archiveSome where it may fail.
func archiveBatch(ctx context.Context, c *Catalog, first, n int) ([]*Operation, error) {
	ops := make([]*Operation, n)
	for i := range ops {
		ops[i] = archiveOperation(first + i)
	}
	if err := c.Begin(ctx, ops); err != nil {
		return nil, err
	}
	for _, op := range ops {
		copied(op)
	}
	if err := c.Advance(ctx, ops); err != nil {
		return nil, err
	}
	_, err := c.CommitArchived(ctx, someone, noon, ops, make([]string, n))
	return ops, err
}

// A full disk fails a change with a clear error, loses nothing that was committed, and is over when there is space again.
func TestFullDisk(t *testing.T) {
	dir := mounttest.Mount(t, "-t", "tmpfs", "-o", "size=1m", "tmpfs")
	c := open(t, filepath.Join(dir, "catalog.db"))
	done := 0
	var err error
	for ; err == nil && done < 10_000; done += 50 {
		_, err = archiveBatch(t.Context(), c, done, 50)
	}
	done -= 50
	if !errors.Is(err, ErrFull) || !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "make space") {
		t.Fatalf("after %d files: %v", done, err)
	}
	check := func(when string, want int) {
		t.Helper()
		if r := verify(t, c, ""); r.Broken != nil || r.Records != int64(want) {
			t.Errorf("%s: %+v %+v, want %d", when, r, r.Broken, want)
		}
		if got := len(listed(t, c, Query{})); got != want {
			t.Errorf("%s: %d objects, want %d", when, got, want)
		}
		must(t, c.Check(t.Context()))
	}
	check("full", done)
	mounttest.Run(t, "mount", "-o", "remount,size=16m", dir)
	pending, err := c.Pending(t.Context())
	must(t, err)
	for i := range pending {
		must(t, c.Drop(t.Context(), []*Operation{&pending[i]}))
	}
	_, err = archiveBatch(t.Context(), c, done, 50)
	must(t, err)
	check("with space again", done+50)
}

// A context that has ended changes nothing, and says so.
func TestEndedContext(t *testing.T) {
	c := fresh(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	op := archiveOperation(1)
	if err := c.Begin(ctx, []*Operation{op}); !errors.Is(err, context.Canceled) || op.ID != 0 {
		t.Errorf("id %d, %v", op.ID, err)
	}
	// One that ends within a transaction ends it before the commit.
	ctx, cancel = context.WithCancel(t.Context())
	err := c.write(ctx, "try", func(tx *transaction) error {
		_, err := tx.insertHold(Hold{Case: "A", Glob: "/a"})
		cancel()
		return err
	})
	holds, readErr := c.Holds(t.Context())
	if !errors.Is(err, context.Canceled) || readErr != nil || len(holds) != 0 {
		t.Errorf("%v; %v, %v", err, holds, readErr)
	}
}
