package archive_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tidemark/tidemark/internal/fsys"
	"github.com/tidemark/tidemark/tiering/archive"
	"github.com/tidemark/tidemark/tiering/catalog"
)

// story is what happens to an archive: objects with their content, and what a catalog knows of them.
type story struct {
	t  *testing.T
	a  *archive.Archive
	op int64
	at time.Time
}

func newStory(t *testing.T) *story { return &story{t: t, a: inMemory(t), at: now} }

// next is the operation that follows, on an object.
func (s *story) next(o catalog.Object) *catalog.Operation {
	s.op++
	s.at = s.at.Add(time.Minute)
	return &catalog.Operation{
		ID: s.op, Run: o.Run, Policy: o.Policy, Archive: "vault", Host: o.Host, Volume: "/srv", Path: o.Path, Object: o.Object, Version: o.Version,
		Dev: o.Dev, Ino: o.Ino, Size: o.Size, Mtime: o.Mtime, Ctime: o.Ctime, Digest: o.Digest, Attributes: o.Attributes, Allocated: o.Allocated,
		Leave: o.Leave,
	}
}

func (s *story) append(records ...archive.Record) {
	s.t.Helper()
	must(s.t, s.a.Append(s.t.Context(), records))
	must(s.t, s.a.Sync(s.t.Context()))
}

// file puts an object's content where it belongs.
func (s *story) file(host, path string, version int, content string) catalog.Object {
	s.t.Helper()
	dir, name, err := s.a.ObjectDir(s.t.Context(), plainHome, host, path, version)
	must(s.t, err)
	defer dir.Close()
	f, err := dir.Create(name, 0o400)
	must(s.t, err)
	defer f.Close()
	_, err = f.WriteAt([]byte(content), 0)
	must(s.t, err)
	ino := uint64(s.op + 100)
	mtime := fsys.Time{Sec: s.op, Nsec: 5}
	return catalog.Object{
		Archive: "vault", Host: host, Path: path, Version: version, Object: archive.ObjectPath(host, path, version), State: catalog.Archived,
		Size: int64(len(content)), Allocated: 4096, Digest: digestOf(content),
		Attributes: fsys.Attributes{UID: 1001, GID: 2002, Mode: 0o4755, Mtime: mtime, Xattrs: map[string][]byte{"user.x": []byte(path)}},
		Policy:     "cold", Run: 7, Dev: 1, Ino: ino, Mtime: mtime, Ctime: fsys.Time{Sec: 99},
	}
}

func (s *story) archive(host, path string, version int, content string) catalog.Object {
	s.t.Helper()
	o := s.file(host, path, version, content)
	op := s.next(o)
	o.ArchivedAt = s.at
	s.append(archive.Of(archive.KindArchive, op, s.at))
	return o
}

func (s *story) release(o *catalog.Object, leave catalog.Leave) archive.Record {
	s.t.Helper()
	op := s.next(*o)
	op.Leave = leave
	o.State, o.Leave, o.ReleasedAt = catalog.Released, leave, s.at
	record := archive.Of(archive.KindRelease, op, s.at)
	s.append(record)
	return record
}

func (s *story) recall(o *catalog.Object) {
	s.t.Helper()
	o.Ino, o.Ctime = o.Ino+1000, fsys.Time{Sec: 1000}
	op := s.next(*o)
	o.State, o.RecalledAt = catalog.Archived, s.at
	s.append(archive.Of(archive.KindRecall, op, s.at))
}

type rebuilt struct {
	objects  []catalog.Object
	holds    []catalog.Hold
	last     int64
	problems []string
}

func (s *story) rebuild() rebuilt {
	s.t.Helper()
	objects, holds, last, problems, err := s.a.Rebuild(s.t.Context(), nil)
	must(s.t, err)
	r := rebuilt{objects: objects, holds: holds, last: last}
	for _, p := range problems {
		r.problems = append(r.problems, p.String())
	}
	return r
}

func (s *story) want(want rebuilt) {
	s.t.Helper()
	if diff := cmp.Diff(want, s.rebuild(), cmp.AllowUnexported(rebuilt{}), cmpopts.EquateEmpty()); diff != "" {
		s.t.Errorf("rebuilt (-want +got)\n%s", diff)
	}
}

// history makes everything that happens to files, and gives the objects in the order of a rebuild.
func history(s *story) []catalog.Object {
	archived := s.archive("alpha", "/srv/archived", 1, "1")
	released := s.archive("alpha", "/srv/released", 1, "2")
	s.release(&released, catalog.LeaveLink)
	gone := s.archive("alpha", "/srv/released-nothing\xff", 1, "")
	s.release(&gone, catalog.LeaveNothing)
	recalled := s.archive("alpha", "/srv/recalled", 1, "3")
	s.release(&recalled, catalog.LeaveLink)
	s.recall(&recalled)
	again := s.archive("alpha", "/srv/released-again", 1, "4")
	s.release(&again, catalog.LeaveLink)
	s.recall(&again)
	s.release(&again, catalog.LeaveNothing)
	old := s.archive("alpha", "/srv/changed", 1, "5")
	changed := s.archive("alpha", "/srv/changed", 2, "5 changed")
	old.State = catalog.Superseded
	restored := s.archive("alpha", "/srv/restored", 1, "6")
	undone := restored
	record := s.release(&undone, catalog.LeaveLink)
	record.Kind = archive.KindRestore
	s.append(record)
	moved := s.archive("alpha", "/srv/moved", 1, "10") // away, and another file took its name, while it was being released
	away := moved
	record = s.release(&away, catalog.LeaveLink)
	taken := s.archive("alpha", "/srv/moved", 2, "10 other")
	record.Kind = archive.KindRestore
	s.append(record)
	later := moved
	s.release(&later, catalog.LeaveLink)
	moved.State, moved.Leave, moved.ReleasedAt = catalog.Superseded, later.Leave, later.ReleasedAt
	bad := s.archive("alpha", "/srv/bad", 1, "7")
	mended := s.file("alpha", "/srv/bad", 2, "7 right")
	record = archive.Of(archive.KindMend, s.next(mended), s.at)
	mended.ArchivedAt = s.at
	record.Replaces = bad.Object
	s.append(record)
	bad.State = catalog.Disposed
	must(s.t, os.Remove(s.a.Path+"/"+bad.Object))
	disposed := s.archive("alpha", "/srv/disposed", 1, "8")
	s.append(archive.Of(archive.KindDispose, s.next(disposed), s.at))
	disposed.State = catalog.Disposed
	other := s.archive("beta", "/srv/archived", 1, "9")
	return []catalog.Object{archived, bad, mended, old, changed, disposed, moved, taken, recalled, released, again, gone, restored, other}
}

func TestRebuildIsWhatWasRecorded(t *testing.T) {
	s := newStory(t)
	objects := history(s)
	s.want(rebuilt{objects: objects, last: s.op})
	var calls int
	_, _, _, _, err := s.a.Rebuild(t.Context(), func(records, files int64) {
		if calls++; records < s.op || files != 13 {
			t.Errorf("progress tells %d records and %d files", records, files)
		}
	})
	if err != nil || calls != 1 {
		t.Errorf("%v, progress was told %d times", err, calls)
	}
}

// After a crash records are appended again: each alone, and all of them.
func TestRecordsThatAreAppendedAgainCountOnce(t *testing.T) {
	s := newStory(t)
	objects := history(s)
	records := append(read(t, s.a, "alpha").records, read(t, s.a, "beta").records...)
	for _, r := range records {
		s.append(r)
		s.want(rebuilt{objects: objects, last: s.op})
	}
	s.append(records...)
	s.want(rebuilt{objects: objects, last: s.op})
}

func TestRebuildHolds(t *testing.T) {
	s := newStory(t)
	at := func(minutes int) time.Time { return now.Add(time.Duration(minutes) * time.Minute) }
	hold := func(kind archive.Kind, host, cause, glob string, minutes int) archive.Record {
		return archive.Record{Kind: kind, Time: at(minutes), Host: host, Case: cause, Glob: glob, By: "root"}
	}
	records := []archive.Record{
		hold(archive.KindHold, "alpha", "FIR-2", "/srv/\xff/**", 1),
		hold(archive.KindHold, "alpha", "FIR-1", "/b", 2),
		hold(archive.KindHold, "alpha", "FIR-1", "/a", 3),
		hold(archive.KindHold, "alpha", "FIR-1", "/a", 4),   // again: the first one stands
		hold(archive.KindUnhold, "alpha", "FIR-1", "/b", 5), // over
		hold(archive.KindHold, "alpha", "FIR-3", "/x", 6),
		hold(archive.KindHold, "alpha", "FIR-3", "/y", 7),
		hold(archive.KindUnhold, "alpha", "FIR-3", "", 8), // the whole case
		hold(archive.KindHold, "alpha", "FIR-3", "/y", 9), // and one of it again
		hold(archive.KindHold, "beta", "FIR-1", "/a", 10),
		hold(archive.KindHold, "beta", "FIR-4", "/z", 11),
		hold(archive.KindUnhold, "alpha", "FIR-4", "/z", 12), // is beta's
	}
	want := []catalog.Hold{
		{Case: "FIR-1", Glob: "/a", By: "root", At: at(3), Cause: "catalog"},
		{Case: "FIR-2", Glob: "/srv/\xff/**", By: "root", At: at(1), Cause: "catalog"},
		{Case: "FIR-3", Glob: "/y", By: "root", At: at(9), Cause: "catalog"},
		{Case: "FIR-4", Glob: "/z", By: "root", At: at(11), Cause: "catalog"},
	}
	s.append(records...)
	s.want(rebuilt{holds: want})
	s.append(records...) // again
	s.want(rebuilt{holds: want})
	s.append(records[1], records[5], records[7]) // some of them, which are older than what is known
	s.want(rebuilt{holds: want})
}

func TestRebuildReportsWhatItCannotPlace(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(s *story, object *catalog.Object)
		want  []string
	}{
		{"an object without record", func(s *story, o *catalog.Object) {
			s.file("alpha", "/srv/new", 1, "x")
			s.file("gamma", "/srv/new", 3, "x")
		}, []string{"data/alpha/srv/new: no record names it", "versions/3/gamma/srv/new: no record names it"}},
		{"a record without object", func(s *story, o *catalog.Object) {
			must(s.t, os.Remove(s.a.Path+"/"+o.Object))
			o.Bad = "it is missing in the archive"
		}, []string{"data/alpha/srv/a: it is missing"}},
		{"another size", func(s *story, o *catalog.Object) {
			must(s.t, os.Truncate(s.a.Path+"/"+o.Object, 100))
			o.Bad = "it has 100 bytes instead of 7"
		}, []string{"data/alpha/srv/a: it has 100 bytes"}},
		{"a link", func(s *story, o *catalog.Object) {
			must(s.t, os.Remove(s.a.Path+"/"+o.Object))
			must(s.t, os.Symlink("/etc/passwd", s.a.Path+"/"+o.Object))
			o.Bad = "it is no regular file"
		}, []string{"data/alpha/srv/a: it is no regular file"}},
		{"a damaged line that mattered", func(s *story, o *catalog.Object) {
			s.release(o, catalog.LeaveLink)
			s.spoilLine(`"kind":"archive"`)
			// Only what the release and the object itself say is left.
			o.ArchivedAt, o.Attributes = o.ReleasedAt, fsys.Attributes{Mode: 0o400}
		}, []string{"line 3: its checksum differs", "data/alpha/srv/a: the record of its archiving is lost"}},
		{"a damaged line that did not", func(s *story, o *catalog.Object) { s.spoilLine(`"kind":"directory"`) }, []string{"line 1: its checksum differs"}},
		{"an unknown kind", func(s *story, o *catalog.Object) {
			s.append(archive.Record{Kind: "transmute", Time: now, Host: "alpha", Object: o.Object})
		}, []string{`data/alpha/srv/a: a record of an unknown kind "transmute"`}},
		{"a release of nothing", func(s *story, o *catalog.Object) {
			s.append(archive.Record{Kind: archive.KindRelease, Time: now, Host: "alpha", Object: "data/alpha/y"})
		}, []string{`data/alpha/y: a record of kind "release" is all that is left`}},
		{"a path that is no object's", func(s *story, o *catalog.Object) {
			s.append(archive.Record{Kind: archive.KindArchive, Time: now, Host: "alpha", Object: "../etc/passwd"})
		}, []string{`../etc/passwd: a record of kind "archive"`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newStory(t)
			o := s.archive("alpha", "/srv/a", 1, "content")
			c.spoil(s, &o)
			before := listing(t, s.a.Path)
			got := s.rebuild()
			ignore := cmpopts.IgnoreFields(fsys.Attributes{}, "Atime", "Mtime", "Flags")
			if diff := cmp.Diff([]catalog.Object{o}, got.objects, ignore, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("objects (-want +got)\n%s", diff)
			}
			if len(got.problems) != len(c.want) {
				t.Fatalf("problems %q; want %q", got.problems, c.want)
			}
			for i, p := range got.problems {
				if !strings.Contains(p, c.want[i]) {
					t.Errorf("problem %q; want %q", p, c.want[i])
				}
			}
			if diff := cmp.Diff(before, listing(t, s.a.Path)); diff != "" {
				t.Errorf("the rebuild changed something\n%s", diff)
			}
		})
	}
}

// spoilLine changes a byte of the first line with a text.
func (s *story) spoilLine(text string) {
	s.t.Helper()
	path := manifestOf(s.a, "alpha")
	all, err := os.ReadFile(path)
	must(s.t, err)
	at := strings.Index(string(all), text)
	all[at+2] = 'K'
	must(s.t, os.WriteFile(path, all, 0o600))
}

func TestRebuildOfAnArchiveThatIsGone(t *testing.T) {
	s := newStory(t)
	s.archive("alpha", "/a", 1, "x")
	must(t, os.Remove(s.a.Path+"/.tidemark/archive.json"))
	if objects, _, _, _, err := s.a.Rebuild(t.Context(), nil); err == nil || objects != nil {
		t.Errorf("%v, %v", objects, err)
	}
}

func BenchmarkRebuild(b *testing.B) {
	path := b.TempDir()
	if err := os.Chmod(path, 0o755); err != nil {
		b.Fatal(err)
	}
	a, err := archive.Init(fsys.Host{}, path, "vault", "alpha", now)
	if err != nil {
		b.Fatal(err)
	}
	defer a.Close()
	const n = 100_000
	var records []archive.Record
	for i := range n {
		p := fmt.Sprintf("/srv/video/cam-%03d/2026-03-04/clip-%06d.mp4", i%100, i)
		records = append(records, archive.Record{
			Op: int64(i + 1), Kind: archive.KindArchive, Time: now, Host: "alpha", Path: p, Object: archive.ObjectPath("alpha", p, 1), Version: 1,
			Size: 1 << 20, Allocated: 1 << 20, Digest: digestOf(p), Attributes: &fsys.Attributes{UID: 1001, GID: 1001, Mode: 0o640, Mtime: fsys.At(now), Atime: fsys.At(now)},
			Dev: 2049, Ino: uint64(i), Mtime: fsys.At(now), Ctime: fsys.At(now), Policy: "cold-video", Run: 1, Volume: "/srv/video",
		})
	}
	for b.Loop() {
		b.StopTimer()
		if err := os.RemoveAll(path + "/.tidemark/manifest/alpha.jsonl"); err != nil {
			b.Fatal(err)
		}
		a.Sync(b.Context())
		b.StartTimer()
		if err := a.Append(b.Context(), records); err != nil {
			b.Fatal(err)
		}
		if _, _, _, _, err := a.Rebuild(b.Context(), nil); err != nil {
			b.Fatal(err)
		}
	}
	info, err := os.Stat(path + "/.tidemark/manifest/alpha.jsonl")
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(info.Size())/n, "B/record")
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/record")
}
