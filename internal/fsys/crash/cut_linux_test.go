package crash_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/tidemark/tidemark/internal/fsys"
	"github.com/tidemark/tidemark/internal/fsys/crash"
)

func dirAt(t testing.TB, f fsys.FS, path string) fsys.Dir {
	t.Helper()
	d, err := f.OpenRoot(path)
	must(t, err)
	return d
}

// create makes a file, not durably.
func create(t testing.TB, d fsys.Dir, name, content string) fsys.File {
	t.Helper()
	f, err := d.Create(name, 0o644)
	must(t, err)
	_, err = f.WriteAt([]byte(content), 0)
	must(t, err)
	return f
}

// shape is what there is, in words: content of files, targets of links.
func shape(t testing.TB, f *crash.FS, at string) string {
	t.Helper()
	all, err := f.Dump(at)
	must(t, err)
	var out []string
	for _, path := range slices.Sorted(maps.Keys(all)) {
		e := all[path]
		name := strings.TrimPrefix(path, at+"/")
		switch e.Mode & fsys.TypeMask {
		case fsys.TypeRegular:
			content, err := f.Content(path)
			must(t, err)
			out = append(out, name+"="+strings.ReplaceAll(string(content), "\x00", "0"))
		case fsys.TypeSymlink:
			out = append(out, name+"->"+e.Target)
		default:
			if path != at {
				out = append(out, name+"/")
			}
		}
	}
	return strings.Join(out, " ")
}

// Before each case /m has the durable files old=OLD and two=TWO and the durable directory dir.
func TestWhatSurvives(t *testing.T) {
	for _, c := range []struct {
		name        string
		do          func(t *testing.T, d, sub fsys.Dir)
		worst, best string
	}{
		{"nothing happened", func(*testing.T, fsys.Dir, fsys.Dir) {}, "dir/ old=OLD two=TWO", "dir/ old=OLD two=TWO"},
		{"created", func(t *testing.T, d, _ fsys.Dir) { create(t, d, "a", "A") }, "dir/ old=OLD two=TWO", "a=A dir/ old=OLD two=TWO"},
		{"created, file synced", func(t *testing.T, d, _ fsys.Dir) {
			must(t, create(t, d, "a", "A").Sync())
		}, "dir/ old=OLD two=TWO", "a=A dir/ old=OLD two=TWO"},
		{"created, directory synced", func(t *testing.T, d, _ fsys.Dir) {
			create(t, d, "a", "A")
			must(t, d.Sync())
		}, "a= dir/ old=OLD two=TWO", "a=A dir/ old=OLD two=TWO"},
		{"created, both synced", func(t *testing.T, d, _ fsys.Dir) {
			must(t, create(t, d, "a", "A").Sync())
			must(t, d.Sync())
		}, "a=A dir/ old=OLD two=TWO", "a=A dir/ old=OLD two=TWO"},
		{"created, all synced", func(t *testing.T, d, _ fsys.Dir) {
			create(t, d, "a", "A")
			must(t, d.SyncFS())
		}, "a=A dir/ old=OLD two=TWO", "a=A dir/ old=OLD two=TWO"},
		{"directory made, its names synced, not its own", func(t *testing.T, d, _ fsys.Dir) {
			must(t, d.Mkdir("new", 0o755))
			sub, err := d.OpenDir("new")
			must(t, err)
			must(t, create(t, sub, "a", "A").Sync())
			must(t, sub.Sync())
		}, "dir/ old=OLD two=TWO", "dir/ new/ new/a=A old=OLD two=TWO"},
		{"moved into a directory whose name is lost", func(t *testing.T, d, _ fsys.Dir) {
			must(t, d.Mkdir("new", 0o755))
			sub, err := d.OpenDir("new")
			must(t, err)
			must(t, d.Rename("old", sub, "old", fsys.Replace))
			must(t, sub.Sync())
		}, "dir/ old=OLD two=TWO", "dir/ new/ new/old=OLD two=TWO"},
		{"the name of the directory synced at last", func(t *testing.T, d, _ fsys.Dir) {
			must(t, d.Mkdir("new", 0o755))
			sub, err := d.OpenDir("new")
			must(t, err)
			must(t, d.Rename("old", sub, "old", fsys.Replace))
			must(t, d.Sync())
		}, "dir/ new/ new/old=OLD two=TWO", "dir/ new/ new/old=OLD two=TWO"},
		{"renamed, synced where it came from", func(t *testing.T, d, sub fsys.Dir) {
			must(t, d.Rename("old", sub, "old", fsys.Replace))
			must(t, d.Sync())
		}, "dir/ dir/old=OLD two=TWO", "dir/ dir/old=OLD two=TWO"},
		{"renamed, synced where it went to", func(t *testing.T, d, sub fsys.Dir) {
			must(t, d.Rename("old", sub, "old", fsys.Replace))
			must(t, sub.Sync())
		}, "dir/ dir/old=OLD two=TWO", "dir/ dir/old=OLD two=TWO"},
		{"replaced", func(t *testing.T, d, _ fsys.Dir) {
			must(t, d.Rename("old", d, "two", fsys.Replace))
		}, "dir/ old=OLD two=TWO", "dir/ two=OLD"},
		{"exchanged", func(t *testing.T, d, _ fsys.Dir) {
			must(t, d.Rename("old", d, "two", fsys.Exchange))
		}, "dir/ old=OLD two=TWO", "dir/ old=TWO two=OLD"},
		{"removed", func(t *testing.T, d, _ fsys.Dir) { must(t, d.Remove("old")) }, "dir/ old=OLD two=TWO", "dir/ two=TWO"},
		{"removed, synced", func(t *testing.T, d, _ fsys.Dir) {
			must(t, d.Remove("old"))
			must(t, d.Sync())
		}, "dir/ two=TWO", "dir/ two=TWO"},
		{"directory emptied and removed, synced above", func(t *testing.T, d, sub fsys.Dir) {
			must(t, d.Rename("old", sub, "old", fsys.Replace))
			must(t, sub.Rename("old", d, "back", fsys.Replace))
			must(t, d.RemoveDir("dir"))
			must(t, d.Sync())
		}, "back=OLD two=TWO", "back=OLD two=TWO"},
		{"moved out of a directory that is removed, synced above", func(t *testing.T, d, sub fsys.Dir) {
			must(t, d.Mkdir("e", 0o755))
			must(t, d.Rename("old", sub, "old", fsys.Replace))
			must(t, d.SyncFS())
			e, err := d.OpenDir("e")
			must(t, err)
			must(t, sub.Rename("old", e, "old", fsys.Replace))
			must(t, d.RemoveDir("dir"))
			must(t, d.Sync())
		}, "e/ e/old=OLD two=TWO", "e/ e/old=OLD two=TWO"},
		{"linked", func(t *testing.T, d, sub fsys.Dir) {
			must(t, d.Link("old", sub, "link"))
			must(t, d.Remove("old"))
		}, "dir/ old=OLD two=TWO", "dir/ dir/link=OLD two=TWO"},
		{"linked, and the old name's end synced", func(t *testing.T, d, sub fsys.Dir) {
			must(t, d.Link("old", sub, "link"))
			must(t, d.Remove("old"))
			must(t, d.Sync())
		}, "dir/ dir/link=OLD two=TWO", "dir/ dir/link=OLD two=TWO"},
		{"symlink", func(t *testing.T, d, _ fsys.Dir) { must(t, d.Symlink("x", "l")) }, "dir/ old=OLD two=TWO", "dir/ l->x old=OLD two=TWO"},
		{"overwritten", func(t *testing.T, d, _ fsys.Dir) {
			f, err := d.OpenReadWrite("old")
			must(t, err)
			_, err = f.WriteAt([]byte("NEWER"), 0)
			must(t, err)
		}, "dir/ old=OLD two=TWO", "dir/ old=NEWER two=TWO"},
		{"cut short and written anew", func(t *testing.T, d, _ fsys.Dir) {
			f, err := d.OpenReadWrite("old")
			must(t, err)
			must(t, f.Truncate(0))
			_, err = f.WriteAt([]byte("x"), 1)
			must(t, err)
		}, "dir/ old=OLD two=TWO", "dir/ old=0x two=TWO"},
		{"written after the sync", func(t *testing.T, d, _ fsys.Dir) {
			f := create(t, d, "a", "A")
			must(t, d.SyncFS())
			_, err := f.WriteAt([]byte("BC"), 0)
			must(t, err)
		}, "a=A dir/ old=OLD two=TWO", "a=BC dir/ old=OLD two=TWO"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for keep, want := range map[float64]string{0: c.worst, 1: c.best} {
				f := crash.New(crash.Mount{Path: "/m"})
				must(t, f.Put("/m/old", []byte("OLD"), 0o644))
				must(t, f.Put("/m/two", []byte("TWO"), 0o644))
				must(t, f.Special("/m/dir", unix.S_IFDIR|0o755))
				c.do(t, dirAt(t, f, "/m"), dirAt(t, f, "/m/dir"))
				if got := shape(t, f.Cut(1, keep), "/m"); got != want {
					t.Errorf("of which %v survived: %s, want %s", keep, got, want)
				}
			}
		})
	}
}

// Whatever survives of renames, a file has one name, and it is never gone.
func TestRenamesAreWhole(t *testing.T) {
	seen := map[string]bool{}
	for seed := range uint64(300) {
		f := crash.New(crash.Mount{Path: "/m"})
		must(t, f.Put("/m/a", []byte("A"), 0o644))
		must(t, f.Put("/m/b", []byte("B"), 0o644))
		must(t, f.Special("/m/d", unix.S_IFDIR|0o755))
		d, sub := dirAt(t, f, "/m"), dirAt(t, f, "/m/d")
		must(t, d.Rename("a", sub, "x", fsys.NoReplace))
		must(t, d.Rename("b", sub, "x", fsys.Exchange))
		must(t, sub.Rename("x", d, "c", fsys.Replace))
		seen[shape(t, f.Cut(seed, 0.5), "/m")] = true
	}
	want := []string{"a=A b=B d/", "b=A c=B d/", "b=A d/ d/x=B", "b=B d/ d/x=A"}
	if got := slices.Sorted(maps.Keys(seen)); !slices.Equal(got, want) {
		t.Errorf("after the cut:\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// A directory may move below one that was below it. Without an order among such renames both would hang in the air.
func TestDirectoriesNeverMakeACircle(t *testing.T) {
	for seed := range uint64(50) {
		f := crash.New(crash.Mount{Path: "/m"})
		must(t, f.Put("/m/outer/inner/file", []byte("F"), 0o644))
		d, outer := dirAt(t, f, "/m"), dirAt(t, f, "/m/outer")
		inner, err := outer.OpenDir("inner")
		must(t, err)
		must(t, outer.Rename("inner", d, "inner", fsys.Replace))
		must(t, d.Rename("outer", inner, "outer", fsys.Replace))
		if got := shape(t, f.Cut(seed, 0.5), "/m"); strings.Count(got, "file=F") != 1 || strings.Count(got, "outer") == 0 {
			t.Errorf("after the cut: %s", got)
		}
	}
}

// What was behind the end of a file never shows again, when it grows.
func TestNothingBehindTheEnd(t *testing.T) {
	for seed := range uint64(50) {
		f := crash.New(crash.Mount{Path: "/m"})
		must(t, f.Put("/m/a", bytes.Repeat([]byte("o"), 8192), 0o644))
		file, err := dirAt(t, f, "/m").OpenReadWrite("a")
		must(t, err)
		must(t, file.Truncate(5000))
		must(t, file.Truncate(4))
		cut := f.Cut(seed, 0.5)
		file, err = dirAt(t, cut, "/m").OpenReadWrite("a")
		must(t, err)
		info, err := file.Stat()
		must(t, err)
		must(t, file.Truncate(8192))
		content, err := cut.Content("/m/a")
		must(t, err)
		if behind := content[info.Size:]; strings.Trim(string(behind), "\x00") != "" {
			t.Errorf("behind the end at %d there is %q", info.Size, behind)
		}
	}
}

// Content survives by blocks, and sizes by themselves.
func TestContentSurvivesByBlocks(t *testing.T) {
	seen := map[string]int{}
	for seed := range uint64(200) {
		f := crash.New(crash.Mount{Path: "/m"})
		must(t, f.Put("/m/a", bytes.Repeat([]byte("o"), 8192), 0o644))
		file, err := dirAt(t, f, "/m").OpenReadWrite("a")
		must(t, err)
		_, err = file.WriteAt(bytes.Repeat([]byte("n"), 12288), 0)
		must(t, err)
		content, err := f.Cut(seed, 0.5).Content("/m/a")
		must(t, err)
		blocks := ""
		for at := 0; at < len(content); at += 4096 {
			blocks += string(content[at]) + string(content[at+4095])
		}
		seen[strings.ReplaceAll(blocks, "\x00", "0")]++
	}
	if len(seen) != 4+8 { // without the third block, and with it either there or zeros
		t.Errorf("seen: %v", seen)
	}
}

func TestAttributesSurvive(t *testing.T) {
	for _, c := range []struct {
		name string
		sync func(f fsys.File, d fsys.Dir) error
		kept bool
	}{
		{"not synced", func(fsys.File, fsys.Dir) error { return nil }, false},
		{"directory synced", func(_ fsys.File, d fsys.Dir) error { return d.Sync() }, false},
		{"file synced", func(f fsys.File, _ fsys.Dir) error { return f.Sync() }, true},
		{"all synced", func(_ fsys.File, d fsys.Dir) error { return d.SyncFS() }, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := crash.New(crash.Mount{Path: "/m"})
			must(t, f.Put("/m/a", []byte("A"), 0o644))
			d := dirAt(t, f, "/m")
			file, err := d.Open("a")
			must(t, err)
			was, _, err := fsys.ReadAttributes(file)
			must(t, err)
			want := fsys.Attributes{
				UID: 7, GID: 8, Mode: 0o4750, Atime: fsys.Time{Sec: 1}, Mtime: fsys.Time{Sec: -2, Nsec: 3},
				Xattrs: map[string][]byte{"user.a": []byte("a")}, Flags: fsys.FlagImmutable, Project: 9,
			}
			must(t, fsys.RestoreAttributes(file, want))
			must(t, c.sync(file, d))
			if !c.kept {
				want = was
			}
			file, err = dirAt(t, f.Cut(0, 0), "/m").Open("a")
			must(t, err)
			got, _, err := fsys.ReadAttributes(file)
			must(t, err)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// Random calls (those of the differential test), with syncs of everything now and then: with all luck the disk is what was there, and
// with none what was there at the last sync; after a sync luck makes no difference. What is between is a tree.
func TestCutsOfRandomCalls(t *testing.T) {
	for seed := range uint64(30) {
		f := crash.New(crash.Mount{Path: "/m"})
		w := open(t, f, "/m")
		random := rand.New(rand.NewPCG(seed, 8))
		calls := func() {
			for n := 0; n < 150; {
				if c := next(random); !strings.HasPrefix(c.text, "sync") {
					c.do(w)
					n++
				}
			}
		}
		calls()
		f.SyncAll()
		before, err := f.Dump("/m")
		must(t, err)
		calls()
		after, err := f.Dump("/m")
		must(t, err)
		// Each cut is the end of a filesystem: the same calls are made again for the next.
		for i, keep := range []float64{0, 1, 0.5, 0.5, 0.9} {
			again := crash.New(crash.Mount{Path: "/m"})
			w = open(t, again, "/m")
			random = rand.New(rand.NewPCG(seed, 8))
			calls()
			again.SyncAll()
			calls()
			cut := again.Cut(uint64(i), keep)
			got, err := cut.Dump("/m")
			must(t, err)
			switch keep {
			case 0:
				compare(t, seed, "nothing survives", before, got)
			case 1:
				compare(t, seed, "all survives", after, got)
			default:
				cut.SyncAll()
				settled, err := cut.Cut(9, 0.5).Dump("/m")
				must(t, err)
				compare(t, seed, "a cut after a cut", got, settled)
			}
		}
	}
}

func compare(t *testing.T, seed uint64, what string, want, got map[string]crash.Entry) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("seed %d: %s (-want +got)\n%s", seed, what, diff)
	}
}

func TestAllIsDeadAfterACut(t *testing.T) {
	f := crash.New(crash.Mount{Path: "/m"})
	must(t, f.Put("/m/a", []byte("A"), 0o644))
	d := dirAt(t, f, "/m")
	file, err := d.Open("a")
	must(t, err)
	must(t, file.SetLease(fsys.LeaseWrite))
	lock, err := d.Lock("lock")
	must(t, err)
	must(t, d.Sync())
	next := f.Cut(0, 0)
	_, read := file.ReadAt(make([]byte, 1), 0)
	_, names := d.Names()
	_, root := f.OpenRoot("/m")
	_, again := d.Lock("other")
	for what, err := range map[string]error{"read": read, "names": names, "root": root, "lock": again, "rename": d.Rename("a", d, "b", fsys.Replace)} {
		if !errors.Is(err, unix.EIO) {
			t.Errorf("%s: %v", what, err)
		}
	}
	must(t, lock.Close())
	d = dirAt(t, next, "/m")
	if _, err = d.Lock("lock"); err != nil {
		t.Errorf("the lock lives on: %v", err)
	}
	_, err = d.OpenReadWrite("a")
	must(t, err)
}

func TestFailedSyncLosesContent(t *testing.T) {
	f := crash.New(crash.Mount{Path: "/m"})
	must(t, f.Put("/m/a", []byte("old"), 0o644))
	d := dirAt(t, f, "/m")
	file, err := d.OpenReadWrite("a")
	must(t, err)
	_, err = file.WriteAt([]byte("new!"), 0)
	must(t, err)
	file.(interface{ LoseUnsynced(bool) }).LoseUnsynced(false)
	must(t, file.Sync()) // as Linux: it says nothing any more
	must(t, d.SyncFS())
	read := func() string {
		buf := make([]byte, 10)
		n, err := file.ReadAt(buf, 0)
		if err != io.EOF {
			t.Error(err)
		}
		return strings.ReplaceAll(string(buf[:n]), "\x00", "0")
	}
	if got := read(); got != "new!" {
		t.Errorf("in the cache: %s", got)
	}
	must(t, file.DropCache())
	if got := read(); got != "old0" {
		t.Errorf("on the medium: %s", got)
	}
	_, err = file.WriteAt([]byte("ag"), 0)
	must(t, err)
	must(t, file.Sync())
	if got := shape(t, f.Cut(0, 0), "/m"); got != "a=agd0" {
		t.Errorf("written again and synced: %s", got)
	}
}

func TestWrittenAgainAfterAFailedSync(t *testing.T) {
	f := crash.New(crash.Mount{Path: "/m"})
	file := create(t, dirAt(t, f, "/m"), "a", "first")
	file.(interface{ LoseUnsynced(bool) }).LoseUnsynced(true)
	_, err := file.WriteAt([]byte("second"), 0)
	must(t, err)
	must(t, file.DropCache())
	if content, err := f.Content("/m/a"); err != nil || string(content) != "second" {
		t.Errorf("%q, %v", content, err)
	}
}

func TestCutIsRepeatable(t *testing.T) {
	var seen []string
	for range 3 {
		f := crash.New(crash.Mount{Path: "/m"}, crash.Mount{Path: "/n"})
		for i := range 20 {
			create(t, dirAt(t, f, "/m"), fmt.Sprint(i), "content")
			create(t, dirAt(t, f, "/n"), fmt.Sprint(i), "content")
		}
		cut := f.Cut(5, 0.5)
		seen = append(seen, shape(t, cut, "/m")+shape(t, cut, "/n"))
	}
	if seen[0] != seen[1] || seen[0] != seen[2] {
		t.Errorf("not the same: %q", seen)
	}
}
