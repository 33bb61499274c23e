package mover_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidemark/tidemark/internal/fsys"
	"github.com/tidemark/tidemark/internal/fsys/crash"
	"github.com/tidemark/tidemark/tiering/archive"
	"github.com/tidemark/tidemark/tiering/catalog"
	"github.com/tidemark/tidemark/tiering/mover"
	"github.com/tidemark/tidemark/tiering/selection"
)

const (
	hot, vault, host = "/hot", "/vault", "h"
	stepBytes        = 16 << 10 // of a copy
)

var actor = catalog.Actor{User: "root", Command: "test"}

// planted is a file of a user.
type planted struct {
	path    string
	data    map[int64][]byte // by offset; all else is a hole
	size    int64
	mode    uint32
	uid     uint32
	xattrs  map[string][]byte
	flags   uint32
	project uint32
}

func text(path string, n int) planted {
	return planted{path: path, data: map[int64][]byte{0: pattern(path, n)}, size: int64(n), mode: 0o640, uid: 1000}
}

// pattern is content that is different for each file.
func pattern(seed string, n int) []byte {
	return bytes.Repeat([]byte(seed+"\n"), n/len(seed)+1)[:n]
}

// userFiles are one of each kind, in the order of a plan. The first directory comes twice: the second time the archive has it.
func userFiles(large bool) []planted {
	acl := archive.ACL{
		{Tag: archive.TagUserObj, Perm: 6},
		{Tag: archive.TagUser, Perm: 6, ID: 1234},
		{Tag: archive.TagGroupObj, Perm: 4},
		{Tag: archive.TagMask, Perm: 6},
		{Tag: archive.TagOther},
	}
	labelled := text(hot+"/a/labelled", 100)
	labelled.mode, labelled.flags, labelled.project = 0o660, 0x40, 7
	labelled.xattrs = map[string][]byte{fsys.XattrACL: acl.Format(), "user.case": []byte("FIR"), "trusted.x": []byte("y")}
	setuid := text(hot+"/a/\xff\xfe", 30)
	setuid.mode = 0o4755
	files := []planted{
		{path: hot + "/a/empty", mode: 0o600, uid: 1001},
		labelled,
		{path: hot + "/a/holes", data: map[int64][]byte{9000: {1}}, size: 20001, mode: 0o644, uid: 1000},
		{path: hot + "/sparse", data: map[int64][]byte{0: {1}, 40 << 20: []byte("middle")}, size: 66 << 20, mode: 0o644},
		setuid,
		text(hot+"/a/"+strings.Repeat("n", 255), stepBytes+100),
		text(hot+"/c/d/small", 4096),
	}
	if large {
		files = append(files, text(hot+"/b/large", 3*stepBytes+100))
		for i := range 9 {
			files = append(files, text(fmt.Sprintf("%s/e%d/f/file%d", hot, i%3, i), 1+i*3000))
		}
	}
	return files
}

func (p planted) plant(t testing.TB, disk *crash.FS) {
	t.Helper()
	must(t, disk.Put(p.path, nil, p.mode))
	dir, err := disk.OpenRoot(path.Dir(p.path))
	must(t, err)
	defer dir.Close()
	f, err := dir.OpenReadWrite(path.Base(p.path))
	must(t, err)
	defer f.Close()
	for _, at := range slices.Sorted(maps.Keys(p.data)) {
		_, err := f.WriteAt(p.data[at], at)
		must(t, err)
	}
	must(t, f.Truncate(p.size))
	must(t, fsys.RestoreAttributes(f, fsys.Attributes{
		UID: p.uid, GID: p.uid + 1, Mode: p.mode, Xattrs: p.xattrs, Flags: p.flags, Project: p.project,
		Atime: fsys.Time{Sec: 1e9, Nsec: 7}, Mtime: fsys.Time{Sec: 1e9, Nsec: 5},
	}))
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// world is a volume, an archive and a catalog, with the mover between.
type world struct {
	t     testing.TB
	disk  *crash.FS
	fs    fsys.FS // what the mover sees: the disk, or something around it
	book  *book
	leave catalog.Leave
	files []planted
	now   time.Time

	archive *archive.Archive
	mover   *mover.Mover
	results []mover.Result
}

// template is a world at rest, from which others are made.
type template struct {
	disk  *crash.FS
	log   []change
	leave catalog.Leave
	files []planted
	want  map[string]crash.Entry // what the users have, by path
}

func (t *template) world(tb testing.TB) *world {
	return newWorld(tb, t.disk.Survivors(0, 1), t.log, t.leave, t.files)
}

func newWorld(t testing.TB, disk *crash.FS, log []change, leave catalog.Leave, files []planted) *world {
	return &world{t: t, disk: disk, fs: disk, book: newBook(t, log), leave: leave, files: files, now: time.Unix(1_900_000_000, 0)}
}

// newTemplate makes a world and takes steps in it.
func newTemplate(t testing.TB, s scenario, large bool) *template {
	t.Helper()
	disk := crash.New(crash.Mount{Path: "/"}, crash.Mount{Path: hot}, crash.Mount{Path: vault, Type: crash.XFS, Lacks: s.lacks})
	must(t, disk.Special(hot+"/a", 0o040750))
	files := userFiles(large)
	if s.few {
		files = files[1:2]
	}
	for _, p := range files {
		p.plant(t, disk)
	}
	a, err := archive.Init(disk, vault, "vault", host, time.Unix(1_800_000_000, 0))
	must(t, err)
	must(t, a.Close())
	w := newWorld(t, disk, nil, s.leave, files)
	for _, step := range s.before {
		must(t, errors.Join(w.take(step), w.done()))
	}
	w.disk.SyncAll()
	want := map[string]crash.Entry{}
	all, err := disk.Dump(hot)
	must(t, err)
	for _, p := range files {
		e, ok := all[p.path]
		if !ok || e.Mode&fsys.TypeMask != fsys.TypeRegular { // it is released
			e = newTemplate(t, scenario{}, large).want[p.path] // as before anything was moved
		}
		want[p.path] = e
	}
	return &template{disk: disk, log: w.book.log, leave: s.leave, files: files, want: want}
}

// step is something that the engine lets the mover do.
type step func(ctx context.Context, w *world) error

// take opens all, takes a step, and closes all. What became of each file is in results.
func (w *world) take(s step) error {
	w.results = nil
	defer w.close()
	if err := w.open(); err != nil {
		return err
	}
	return s(context.Background(), w)
}

func (w *world) open() (err error) {
	if w.archive, err = archive.Open(w.fs, vault, "vault"); err != nil {
		return err
	}
	o := mover.Options{
		FS: w.fs, Catalog: w.book, Archive: w.archive, Host: host, Volume: hot, Policy: "cold", Actor: actor, Leave: w.leave,
		Now:   func() time.Time { return w.now },
		Sleep: func(_ context.Context, d time.Duration) error { w.now = w.now.Add(d); return nil },
	}
	w.mover, err = mover.New(mover.WithBuffer(o, stepBytes))
	return err
}

func (w *world) close() {
	if w.mover != nil {
		w.mover.Close()
	}
	if w.archive != nil {
		w.archive.Close()
	}
	w.mover, w.archive = nil, nil
}

// batches are two and more, the first with more files than are synced one by one.
func batches[T any](all []T) [][]T {
	if len(all) <= 5 {
		return slices.Collect(slices.Chunk(all, max(1, (len(all)+1)/2)))
	}
	return append([][]T{all[:5]}, slices.Collect(slices.Chunk(all[5:], 4))...)
}

// info is what is at a path, apart from what is counted.
func (w *world) info(file string) (fsys.Info, bool) {
	dir, err := w.disk.OpenRoot(path.Dir(file))
	if err != nil {
		return fsys.Info{}, false
	}
	defer dir.Close()
	info, err := dir.StatName(path.Base(file))
	return info, err == nil
}

// known is the object that a file at home equals, if any.
func (w *world) known(file string) (info fsys.Info, o catalog.Object, equal, regular bool) {
	info, ok := w.info(file)
	if !ok || !info.IsRegular() {
		return info, o, false, false
	}
	o, ok, err := w.book.Catalog.Object(context.Background(), host, file)
	must(w.t, err)
	equal = ok && o.State == catalog.Archived && o.Bad == "" && o.Ino == info.Ino && o.Size == info.Size && o.Mtime == info.Mtime && o.Ctime == info.Ctime
	return info, o, equal, true
}

// archiveAll archives what has no copy.
func archiveAll(ctx context.Context, w *world) error {
	var items []selection.Item
	for _, p := range w.files {
		info, _, equal, regular := w.known(p.path)
		if equal || !regular {
			continue
		}
		items = append(items, selection.Item{
			Path: p.path, Dev: info.Dev, Ino: info.Ino, Size: info.Size, Allocated: info.Allocated, Mtime: info.Mtime, Ctime: info.Ctime, Reason: "cold",
		})
	}
	for _, batch := range batches(items) {
		results, err := w.mover.Archive(ctx, batch)
		w.results = append(w.results, results...)
		if err != nil {
			return err
		}
	}
	return nil
}

// releaseAll releases what has a copy.
func releaseAll(ctx context.Context, w *world) error {
	var candidates []mover.Candidate
	for _, p := range w.files {
		if _, o, equal, _ := w.known(p.path); equal {
			candidates = append(candidates, mover.Candidate{Path: p.path, Object: o, Reason: "full"})
		}
	}
	for _, batch := range batches(candidates) {
		r, results, err := w.mover.Release(ctx, batch)
		if r != nil {
			err = w.mover.Purge(ctx, r)
		}
		w.results = append(w.results, results...)
		if err != nil {
			return err
		}
	}
	return nil
}

func recallAll(ctx context.Context, w *world) error {
	var candidates []mover.Candidate
	for o, err := range w.book.Catalog.Objects(ctx, catalog.Query{States: []catalog.State{catalog.Released}}) {
		must(w.t, err)
		candidates = append(candidates, mover.Candidate{Path: o.Path, Object: o})
	}
	for _, batch := range batches(candidates) {
		results, err := w.mover.Recall(ctx, batch)
		w.results = append(w.results, results...)
		if err != nil {
			return err
		}
	}
	return nil
}

func mendAll(ctx context.Context, w *world) error {
	for o, err := range w.book.Catalog.Objects(ctx, catalog.Query{Bad: true}) {
		must(w.t, err)
		result, err := w.mover.Mend(ctx, o, o.Bad)
		w.results = append(w.results, result)
		if err != nil {
			return err
		}
	}
	return nil
}

// edit lets a user change two files.
func edit(_ context.Context, w *world) error {
	for _, name := range []string{hot + "/a/\xff\xfe", hot + "/a/empty"} {
		p := text(name, 7000)
		p.mode = 0o600
		p.plant(w.t, w.disk)
	}
	return nil
}

// rot lets an object go bad, and somebody notice.
func rot(ctx context.Context, w *world) error {
	for _, name := range []string{hot + "/a/labelled", hot + "/c/d/small"} {
		o, ok, err := w.book.Catalog.Object(ctx, host, name)
		if err != nil || !ok {
			return fmt.Errorf("%s: %v %w", name, ok, err)
		}
		if err := w.disk.Put(vault+"/"+o.Object, []byte("rotten"), 0o444); err != nil {
			return err
		}
		if err := w.book.MarkBad(o.ID, "it has rotted", w.now); err != nil {
			return err
		}
	}
	return nil
}

// recover lets a new mover finish what was interrupted, and returns what it said.
func (w *world) recover() (done []mover.Recovered, err error) {
	err = w.take(func(ctx context.Context, w *world) error {
		done, err = w.mover.Recover(ctx)
		return err
	})
	return done, err
}

// scenario is what is examined, operation by operation.
type scenario struct {
	name   string
	leave  catalog.Leave
	lacks  crash.Lack // of the archive's filesystem
	before []step
	run    step
	few    bool // files: one
	opened bool // somebody opens the file when it is about to be taken away
	// most is how many versions each file may have in the end.
	most int
}

func scenarios() []scenario {
	link, nothing := catalog.LeaveLink, catalog.LeaveNothing
	return []scenario{
		{name: "archive", leave: link, run: archiveAll, most: 1},
		{name: "archive by link and unlink", leave: link, lacks: crash.NoReplace, run: archiveAll, few: true, most: 1},
		{name: "release to links", leave: link, before: []step{archiveAll}, run: releaseAll, most: 1},
		{name: "release to nothing", leave: nothing, before: []step{archiveAll}, run: releaseAll, most: 1},
		{name: "recall links", leave: link, before: []step{archiveAll, releaseAll}, run: recallAll, most: 1},
		{name: "recall nothing", leave: nothing, before: []step{archiveAll, releaseAll}, run: recallAll, most: 1},
		{name: "second version", leave: link, before: []step{archiveAll, edit}, run: archiveAll, most: 2},
		{name: "mend", leave: link, before: []step{archiveAll, rot}, run: mendAll, most: 2},
	}
}

// done says what of the results is not as it should be without any trouble.
func (w *world) done() error {
	var errs []error
	for _, r := range w.results {
		if !r.Done() {
			errs = append(errs, fmt.Errorf("%q: skipped %q, %w", r.Path, r.Skipped, r.Err))
		}
	}
	return errors.Join(errs...)
}
