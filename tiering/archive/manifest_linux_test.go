package archive_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidemark/tidemark/internal/fsys"
	"github.com/tidemark/tidemark/tiering/archive"
	"github.com/tidemark/tidemark/tiering/catalog"
)

// inMemory is an archive where a sync costs nothing.
func inMemory(t *testing.T) *archive.Archive {
	t.Helper()
	return initialise(t, mount(t, "tmpfs"))
}

// reading is what a manifest says.
type reading struct {
	records []archive.Record
	damaged []int64
	torn    bool // its last line
}

func read(t *testing.T, a *archive.Archive, host string) reading {
	t.Helper()
	var r reading
	for record, err := range a.Records(t.Context(), host) {
		damage := (*archive.Damage)(nil)
		switch {
		case err == nil:
			r.records = append(r.records, record)
		case errors.As(err, &damage) && damage.Last:
			r.torn = true
		case errors.As(err, &damage):
			r.damaged = append(r.damaged, damage.Line)
		default:
			t.Fatal(err)
		}
	}
	return r
}

func wantRecords(t *testing.T, got, want []archive.Record) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("records (-want +got)\n%s", diff)
	}
}

func manifestOf(a *archive.Archive, host string) string {
	return a.Path + "/.tidemark/manifest/" + host + ".jsonl"
}

// everything is a record of each kind, with everything in it that is hard to write.
func everything() []archive.Record {
	attributes := &fsys.Attributes{
		UID: 1, GID: 4294967295, Mode: 0o7777, Atime: fsys.Time{Sec: -5, Nsec: 999999999}, Mtime: fsys.Time{Sec: 1 << 40, Nsec: 1},
		Xattrs: map[string][]byte{"user.a": {0, 255}, "user.\xff": []byte("x"), "user.\xfe": nil, "user.�": []byte("y")}, Flags: 0x80000, Project: 7,
	}
	attributes.Xattrs["user.\xfe"] = []byte{}
	return []archive.Record{
		{
			Op: 1, Kind: archive.KindArchive, Time: now, Host: "alpha", Path: "/srv/<&>\u2028\"\\\n\t\x00\x01ü", Object: "data/alpha/srv/x", Version: 1,
			Size: 1 << 60, Allocated: 512, Digest: digestOf("x"), Attributes: attributes, Dev: 1 << 63, Ino: 1<<64 - 1,
			Mtime: attributes.Mtime, Ctime: fsys.Time{Sec: 5}, Policy: "cold", Run: 3, Volume: "/srv", Leave: catalog.LeaveLink,
		},
		{Op: 2, Kind: archive.KindRelease, Time: now.Add(1), Host: "alpha", Path: "/srv/\xff\xc0", Object: "data/alpha/srv/\xff\xc0", Volume: "/\xf0"},
		{Op: 3, Kind: archive.KindMend, Time: now, Host: "alpha", Path: "/a", Object: "data/alpha/b\xff", Replaces: "data/alpha/\xfe"},
		{Kind: archive.KindHold, Time: now, Host: "alpha", Case: "FIR-\xff", Glob: "/srv/\xff/**", By: "root"},
		{Kind: archive.KindDirectory, Time: now, Host: "alpha", Path: "/", Attributes: &fsys.Attributes{Xattrs: map[string][]byte{"user.\xff": []byte("z")}}},
		{Op: 4, Kind: archive.KindDispose, Time: now, Host: "alpha", Path: `/x","sum":"0123456789abcdef"}`, Reason: "bad"},
	}
}

func TestRecordsAreReadAsTheyWereWritten(t *testing.T) {
	a := inMemory(t)
	records := everything()
	must(t, a.Append(t.Context(), records[:2]))
	must(t, a.Append(t.Context(), nil))
	must(t, a.Append(t.Context(), records[2:]))
	must(t, a.Sync(t.Context()))
	wantRecords(t, read(t, a, "alpha").records, records)
	if hosts, err := a.Hosts(); err != nil || cmp.Diff([]string{"alpha"}, hosts) != "" {
		t.Errorf("hosts %v, %v", hosts, err)
	}
	if err := a.Append(t.Context(), []archive.Record{{Host: "../x"}}); err == nil {
		t.Error("a record of a host named ../x was accepted")
	}
	if r := read(t, a, "beta"); r.records != nil {
		t.Errorf("of a host without manifest: %v", r)
	}
}

// The README of an archive says how a person checks a line.
func TestALineIsCheckedByHandAsTheReadmeSays(t *testing.T) {
	a := inMemory(t)
	must(t, a.Append(t.Context(), everything()))
	readme, err := os.ReadFile(a.Path + "/README.txt")
	must(t, err)
	text, err := os.ReadFile(manifestOf(a, "alpha"))
	must(t, err)
	for i, line := range strings.Split(strings.TrimSuffix(string(text), "\n"), "\n") {
		if !json.Valid([]byte(line)) {
			t.Errorf("line %d is no JSON: %s", i+1, line)
		}
		command := strings.Replace(commandOf(t, string(readme), "sha256sum"), "7p", fmt.Sprintf("%dp", i+1), 1)
		command = strings.ReplaceAll(command, "HOST.jsonl", manifestOf(a, "alpha"))
		out, err := exec.Command("sh", "-c", command).Output()
		must(t, err)
		if want := `,"sum":"` + string(out[:16]) + `"}`; !strings.HasSuffix(line, want) {
			t.Errorf("line %d ends with %s; %s says %s", i+1, line[len(line)-26:], command, out)
		}
	}
	command := strings.ReplaceAll(commandOf(t, string(readme), "grep -F"), "/srv/video/a.mp4", "/a")
	command = strings.ReplaceAll(command, ".tidemark/manifest/HOST.jsonl", manifestOf(a, "alpha"))
	if out, err := exec.Command("sh", "-c", command).Output(); err != nil || strings.Count(string(out), "\n") != 1 {
		t.Errorf("%s: %v\n%s", command, err, out)
	}
}

// commandOf is the indented line of the README that has a word.
func commandOf(t *testing.T, readme, word string) string {
	t.Helper()
	for line := range strings.Lines(readme) {
		if strings.HasPrefix(line, "  ") && strings.Contains(line, word) {
			return strings.TrimSpace(line)
		}
	}
	t.Fatalf("no command with %s", word)
	return ""
}

func TestAManifestTornAtEveryByte(t *testing.T) {
	a := inMemory(t)
	path := manifestOf(a, "alpha")
	records := everything()[:3]
	must(t, a.Append(t.Context(), records[:2]))
	must(t, a.Sync(t.Context()))
	whole, err := os.ReadFile(path)
	must(t, err)
	must(t, a.Append(t.Context(), records[2:]))
	must(t, a.Sync(t.Context()))
	more, err := os.ReadFile(path)
	must(t, err)
	next := archive.Record{Op: 9, Kind: archive.KindRecall, Time: now, Host: "alpha", Path: "/n", Object: "data/alpha/n"}
	for at := len(whole); at <= len(more); at++ {
		for name, text := range map[string][]byte{"cut": more[:at], "zeros": append(more[:at:at], make([]byte, 40)...)} {
			must(t, os.WriteFile(path, text, 0o600))
			complete := at >= len(more)-1 && name == "cut" || at == len(more)
			want := records[:2]
			if complete {
				want = records
			}
			got := read(t, a, "alpha")
			wantRecords(t, got.records, want)
			if wantTorn := len(text) > len(whole) && !(name == "cut" && complete); got.torn != wantTorn || got.damaged != nil {
				t.Fatalf("%s at byte %d: torn %v, damaged %v", name, at, got.torn, got.damaged)
			}
			if last, err := a.LastOperation("alpha"); err != nil || last != want[len(want)-1].Op {
				t.Fatalf("%s at byte %d: last operation %d, %v", name, at, last, err)
			}
			must(t, a.Append(t.Context(), []archive.Record{next}))
			must(t, a.Sync(t.Context()))
			got = read(t, a, "alpha")
			wantRecords(t, got.records, append(want[:len(want):len(want)], next))
			if now, err := os.ReadFile(path); err != nil || !strings.HasPrefix(string(now), string(text)) {
				t.Fatalf("%s at byte %d: what was there has changed (%v)", name, at, err)
			}
			if t.Failed() {
				t.Fatalf("%s at byte %d", name, at)
			}
		}
	}
}

func TestDamagedLinesAreNamedAndSkipped(t *testing.T) {
	a := inMemory(t)
	path := manifestOf(a, "alpha")
	records := everything()
	must(t, a.Append(t.Context(), records))
	text, err := os.ReadFile(path)
	must(t, err)
	lines := strings.SplitAfter(string(text), "\n")
	sum := sha256.Sum256([]byte(`{"op":"no number"`))
	for name, spoil := range map[string]string{
		"one bit":         strings.Replace(lines[2], "data", "dbta", 1),
		"in the checksum": lines[2][:len(lines[2])-4] + "g\"}\n",
		"cut off":         lines[2][:50] + "\n",
		"nothing of it":   "x\n",
		"no record":       `{"op":"no number","sum":"` + hex.EncodeToString(sum[:8]) + `"}` + "\n",
		"very long":       strings.Repeat("x", 17<<20) + "\n",
	} {
		t.Run(name, func(t *testing.T) {
			must(t, os.WriteFile(path, []byte(lines[0]+lines[1]+spoil+strings.Join(lines[3:], "")), 0o600))
			got := read(t, a, "alpha")
			wantRecords(t, got.records, append(records[:2:2], records[3:]...))
			if cmp.Diff([]int64{3}, got.damaged) != "" || got.torn {
				t.Errorf("damaged lines %v, torn %v; want line 3", got.damaged, got.torn)
			}
			if last, err := a.LastOperation("alpha"); err != nil || last != 4 {
				t.Errorf("last operation %d, %v; want 4", last, err)
			}
		})
	}
}

func TestTwoWritersAtOnce(t *testing.T) {
	a := inMemory(t)
	const writers, batches, size = 4, 25, 20
	var wait sync.WaitGroup
	for w := range writers {
		other, err := archive.Open(fsys.Host{}, a.Path, "vault")
		must(t, err)
		defer other.Close()
		wait.Go(func() {
			for b := range batches {
				var records []archive.Record
				for i := range size {
					op := int64((w*batches+b)*size + i + 1)
					records = append(records, archive.Record{Op: op, Kind: archive.KindArchive, Time: now, Host: "alpha", Path: strings.Repeat("/p", 100)})
				}
				if err := errors.Join(other.Append(t.Context(), records), other.Sync(t.Context())); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wait.Wait()
	got := read(t, a, "alpha")
	if got.damaged != nil || got.torn || len(got.records) != writers*batches*size {
		t.Fatalf("%d records, damaged %v, torn %v; want %d records", len(got.records), got.damaged, got.torn, writers*batches*size)
	}
	seen := map[int64]bool{}
	for i, r := range got.records {
		seen[r.Op] = true
		if i%size > 0 && r.Op != got.records[i-1].Op+1 {
			t.Fatalf("record %d of operation %d stands within another batch", i, r.Op)
		}
	}
	if len(seen) != writers*batches*size {
		t.Errorf("%d different records", len(seen))
	}
}

func TestWaitingForTheLockEndsWithItsContext(t *testing.T) {
	a := inMemory(t)
	dir, err := a.Root.OpenDir(".tidemark")
	must(t, err)
	defer dir.Close()
	lock, err := dir.Lock("lock")
	must(t, err)
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		err := a.Append(ctx, everything())
		wantError(t, err, context.DeadlineExceeded, "lock")
	})
	must(t, lock.Close())
	must(t, a.Append(t.Context(), everything()[:1]))
	wantRecords(t, read(t, a, "alpha").records, everything()[:1])
}

func TestLastOperationReadsTheEnd(t *testing.T) {
	a := inMemory(t)
	if last, err := a.LastOperation("alpha"); last != 0 || err != nil {
		t.Errorf("without a manifest: %d, %v", last, err)
	}
	must(t, a.Append(t.Context(), []archive.Record{{Kind: archive.KindHold, Time: now, Host: "alpha", Case: "c"}}))
	if last, err := a.LastOperation("alpha"); last != 0 || err != nil {
		t.Errorf("without operations: %d, %v", last, err)
	}
	must(t, a.Append(t.Context(), []archive.Record{{Op: 42, Kind: archive.KindArchive, Time: now, Host: "alpha"}, {Op: 41, Kind: archive.KindArchive, Time: now, Host: "alpha"}}))
	// Longer than what is read at first.
	long := archive.Record{Kind: archive.KindHold, Time: now, Host: "alpha", Case: strings.Repeat("c", 1<<20)}
	for range 3 {
		if last, err := a.LastOperation("alpha"); last != 42 || err != nil {
			t.Errorf("%d, %v; want 42", last, err)
		}
		must(t, a.Append(t.Context(), []archive.Record{long, long}))
	}
	must(t, a.Append(t.Context(), []archive.Record{{Op: 43, Kind: archive.KindArchive, Time: now, Host: "alpha"}}))
	if last, err := a.LastOperation("alpha"); last != 43 || err != nil {
		t.Errorf("%d, %v; want 43", last, err)
	}
	// Far before the end nothing is looked for.
	must(t, a.Append(t.Context(), []archive.Record{long, {Op: 40, Kind: archive.KindArchive, Time: now, Host: "alpha"}}))
	if last, err := a.LastOperation("alpha"); last != 40 || err != nil {
		t.Errorf("%d, %v; want 40, all before that is not read", last, err)
	}
}

func TestDirectoriesAreRecordedWithTheNextAppend(t *testing.T) {
	a := inMemory(t)
	home := func(dir string) (fsys.Attributes, error) {
		return fsys.Attributes{UID: uint32(len(dir)), Mode: 0o2775, Xattrs: map[string][]byte{"user.dir": []byte(dir)}}, nil
	}
	var dirs []string
	open := func(path string, version int) {
		t.Helper()
		dir, _, err := a.ObjectDir(t.Context(), home, "alpha", path, version)
		must(t, err)
		must(t, dir.Close())
	}
	open("/srv/\xff/f", 1)
	open("/srv/\xff/f", 2)
	open("/srv/g", 1)
	if err := a.Append(t.Context(), []archive.Record{{Op: 1, Host: ".."}}); err == nil {
		t.Error("a bad host was accepted")
	}
	record := archive.Record{Op: 1, Kind: archive.KindArchive, Time: now, Host: "alpha", Path: "/srv/\xff/f"}
	must(t, a.Append(t.Context(), []archive.Record{record}))
	open("/srv/h", 1)
	must(t, a.Append(t.Context(), []archive.Record{record}))
	records := read(t, a, "alpha").records
	for _, r := range records {
		if r.Kind != archive.KindDirectory {
			continue
		}
		dirs = append(dirs, fmt.Sprint(r.Version, r.Path))
		want, _ := home(r.Path)
		if diff := cmp.Diff(&want, r.Attributes); diff != "" || !r.Time.Equal(now) {
			t.Errorf("directory %q at %v (-want +got)\n%s", r.Path, r.Time, diff)
		}
	}
	if diff := cmp.Diff([]string{"1/", "1/srv", "1/srv/\xff", "2/", "2/srv", "2/srv/\xff"}, dirs); diff != "" || len(records) != 8 || records[6].Op != 1 {
		t.Errorf("directories (-want +got)\n%s of %d records", diff, len(records))
	}
}
