package history_test

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tidemark/tidemark/internal/history"
	"github.com/tidemark/tidemark/internal/outbox"
	"github.com/tidemark/tidemark/internal/volume"
)

var start = time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)

func sampleAt(at time.Time, used int64) volume.Sample {
	return volume.Sample{
		ID: volume.ID{Host: "h", Path: "/srv"}, Time: at, Attributes: volume.Attributes{Device: "sda1", Fstype: "ext4", Mode: "rw"},
		Usage: volume.Usage{Total: 1000, Used: used, Free: 1000 - used},
	}
}

func stats(t *testing.T, s *history.Store) outbox.Stats {
	t.Helper()
	got, err := s.Outbox().Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func record(t *testing.T, s *history.Store, at time.Time, lines ...string) {
	t.Helper()
	if err := s.Record(t.Context(), []volume.Sample{sampleAt(at, 1)}, lines); err != nil {
		t.Fatal(err)
	}
}

func TestOutbox(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history.db")
	now := start
	s, err := history.Open(t.Context(), path, history.Options{Now: func() time.Time { return now }, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	record(t, s, start, "a", "ä")
	now = now.Add(time.Minute)
	record(t, s, start.Add(time.Second), "c", "d", "e")
	if got, want := stats(t, s), (outbox.Stats{Depth: 5, Bytes: 6, Oldest: start}); got != want {
		t.Errorf("stats %+v, want %+v", got, want)
	}
	box := s.Outbox()
	entries, err := box.Next(t.Context(), 3)
	if err != nil || len(entries) != 3 || entries[0].Line != "a" || entries[2].Line != "c" {
		t.Fatalf("next three: %+v, %v", entries, err)
	}
	for range 2 { // what is gone already is no error and is counted once
		if err := box.Delete(t.Context(), entries[:1]); err != nil {
			t.Fatal(err)
		}
		if err := box.Quarantine(t.Context(), entries[1], "refused", now); err != nil {
			t.Fatal(err)
		}
		if err := box.Expire(t.Context(), entries[2:]); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := stats(t, s), (outbox.Stats{Depth: 2, Bytes: 2, Oldest: now, Expired: 1, Quarantined: 1}); got != want {
		t.Errorf("stats %+v, want %+v", got, want)
	}
	last, err := box.Next(t.Context(), 10)
	if err != nil || len(last) != 2 {
		t.Fatalf("next: %+v, %v", last, err)
	}
	if err := box.Delete(t.Context(), last); err != nil {
		t.Fatal(err)
	}
	record(t, s, start.Add(2*time.Second), "f")
	if next, err := box.Next(t.Context(), 1); err != nil || len(next) != 1 || next[0].Seq <= last[1].Seq {
		t.Errorf("a sequence number was used again: %+v after %+v, %v", next, last, err)
	}
}

func TestPruneKeepsWhatItsRetentionSays(t *testing.T) {
	now := start
	s, err := history.Open(t.Context(), filepath.Join(t.TempDir(), "history.db"), history.Options{
		Now: func() time.Time { return now }, Log: slog.New(slog.DiscardHandler), Outbox: outbox.Caps{Bytes: 40},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for day := range 20 {
		record(t, s, start.AddDate(0, 0, day), fmt.Sprintf("line %d....", day%10)) // 10 bytes
	}
	now = start.AddDate(0, 0, 20)
	if err := s.Prune(t.Context(), now); err != nil {
		t.Fatal(err)
	}
	readings, err := s.Readings(t.Context(), volume.ID{Host: "h", Path: "/srv"}, start, now)
	if err != nil || len(readings) != 14 || !readings[0].Time.Equal(start.AddDate(0, 0, 6)) {
		t.Errorf("%d raw readings from %v (%v), want those of 14 days", len(readings), readings, err)
	}
	for series, err := range s.Days(t.Context(), volume.Selector{}, start.AddDate(-1, 0, 0), now) {
		if err != nil || len(series.Days) != 20 {
			t.Errorf("%d days (%v), want all 20", len(series.Days), err)
		}
	}
	if got := stats(t, s); got.Depth != 4 || got.Dropped != 16 || got.Bytes != 40 {
		t.Errorf("outbox %+v, want the newest 4 lines of 40 bytes and 16 dropped", got)
	}
	now = start.AddDate(0, 0, 60)
	record(t, s, now, "young")
	if err := s.Prune(t.Context(), now); err != nil {
		t.Fatal(err)
	}
	if got := stats(t, s); got.Depth != 1 || got.Dropped != 20 {
		t.Errorf("outbox %+v, want only what is younger than 30 days", got)
	}
}

// TestReadingOfAClockThatWasAheadGivesWay: the newest reading outlives the raw samples, also after one from the future.
func TestReadingOfAClockThatWasAheadGivesWay(t *testing.T) {
	now := start
	s, err := history.Open(t.Context(), filepath.Join(t.TempDir(), "history.db"), history.Options{
		Now: func() time.Time { return now }, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	record(t, s, start.AddDate(10, 0, 0))
	record(t, s, start)
	now = start.AddDate(0, 0, 20)
	if err := s.Prune(t.Context(), now); err != nil {
		t.Fatal(err)
	}
	got, err := s.Newest(t.Context(), volume.Selector{}, start.AddDate(0, 0, -30), now)
	if err != nil || len(got) != 1 || !got[0].Time.Equal(start) {
		t.Errorf("newest %+v, %v; want the reading of %v", got, err, start)
	}
}

func TestDamagedFileIsSetAsideAndANewOneBegun(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history.db")
	s := open(t, path)
	for i := range 200 {
		record(t, s, start.Add(time.Duration(i)*time.Second), strings.Repeat("x", 300))
	}
	s.Close()
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, damage := range map[string][]byte{
		"text": []byte(strings.Repeat("this is no database\n", 100)),
		"torn": append(append([]byte{}, whole[:len(whole)/2]...), make([]byte, len(whole)/2)...),
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "history.db")
			if err := os.WriteFile(path, damage, 0o660); err != nil {
				t.Fatal(err)
			}
			s := open(t, path)
			record(t, s, start)
			aside, err := filepath.Glob(path + ".corrupt-*")
			if err != nil || len(aside) != 1 {
				t.Fatalf("set aside: %v, %v", aside, err)
			}
			if kept, err := os.ReadFile(aside[0]); err != nil || len(kept) != len(damage) {
				t.Errorf("the file that was set aside has %d bytes (%v), want %d", len(kept), err, len(damage))
			}
		})
	}
}

func TestFilesAreForTheGroup(t *testing.T) {
	path := filepath.Join(t.TempDir(), "agent", "history.db")
	s := open(t, path)
	record(t, s, start)
	for _, name := range []string{path, path + "-wal", path + "-shm"} {
		info, err := os.Stat(name)
		if err != nil || info.Mode().Perm() != 0o660 {
			t.Errorf("%s: mode %v, %v; want 0660", name, info.Mode(), err)
		}
	}
	if info, err := os.Stat(filepath.Dir(path)); err != nil || info.Mode() != os.ModeDir|os.ModeSetgid|0o770 {
		t.Errorf("directory %v, %v", info.Mode(), err)
	}
}

func TestNewerSchemaIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history.db")
	open(t, path).Close()
	setVersion(t, path, 99)
	_, err := history.Open(t.Context(), path, history.Options{Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	if err == nil || !strings.Contains(err.Error(), "newer version of tidemark") {
		t.Errorf("error %v, want the hint at a newer version", err)
	}
	if aside, _ := filepath.Glob(path + ".corrupt-*"); len(aside) != 0 {
		t.Error("a newer file was set aside as damaged")
	}
}

// setVersion writes PRAGMA user_version where SQLite keeps it: bytes 60 to 63 of the file.
func setVersion(t *testing.T, path string, version byte) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte{0, 0, 0, version}, 60); err != nil {
		t.Fatal(err)
	}
}

// TestKilledWriter kills a process that records, at no chosen moment, again and again. What it said to be recorded must be
// there, and every sample must have its line: history and outbox agree.
func TestKilledWriter(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history.db")
	next := 0
	for round := range 5 {
		child := exec.Command(os.Args[0], "-test.run=^TestRecordUntilKilled$")
		child.Env = append(os.Environ(), "HISTORY_TO_FILL="+path, "HISTORY_FROM="+strconv.Itoa(next))
		out, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		acknowledged := next - 1
		lines := bufio.NewScanner(out)
		for n := 0; n < 40+7*round && lines.Scan(); n++ {
			if _, err := fmt.Sscanf(lines.Text(), "recorded %d", &acknowledged); err != nil {
				t.Fatalf("the child says %q", lines.Text())
			}
		}
		if err := child.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		for lines.Scan() { // what it still said before it died was recorded too
			fmt.Sscanf(lines.Text(), "recorded %d", &acknowledged)
		}
		child.Wait()
		s := open(t, path)
		readings, err := s.Readings(t.Context(), volume.ID{Host: "h", Path: "/srv"}, start, start.AddDate(1, 0, 0))
		if err != nil {
			t.Fatal(err)
		}
		box := stats(t, s)
		s.Close()
		if len(readings) <= acknowledged {
			t.Fatalf("round %d: %d readings, but %d were acknowledged", round, len(readings), acknowledged+1)
		}
		if int64(2*len(readings)) != box.Depth {
			t.Fatalf("round %d: %d readings have %d lines, want two each", round, len(readings), box.Depth)
		}
		next = len(readings)
	}
}

// TestRecordUntilKilled is the child of TestKilledWriter.
func TestRecordUntilKilled(t *testing.T) {
	path := os.Getenv("HISTORY_TO_FILL")
	if path == "" {
		return // run by its parent only
	}
	s, err := history.Open(context.Background(), path, history.Options{Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	from, err := strconv.Atoi(os.Getenv("HISTORY_FROM"))
	if err != nil {
		t.Fatal(err)
	}
	for i := from; ; i++ {
		err := s.Record(context.Background(), []volume.Sample{sampleAt(start.Add(time.Duration(i)*time.Second), int64(i))}, []string{"disk", "volume"})
		if err != nil {
			t.Fatal(err)
		}
		fmt.Printf("recorded %d\n", i)
	}
}

func BenchmarkRecord(b *testing.B) {
	s, err := history.Open(b.Context(), filepath.Join(b.TempDir(), "history.db"), history.Options{Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	samples := make([]volume.Sample, 20)
	lines := make([]string, 2*len(samples))
	for i := range lines {
		lines[i] = strings.Repeat("x", 180)
	}
	i := 0
	for b.Loop() {
		for k := range samples {
			samples[k] = sampleAt(start.Add(time.Duration(i)*10*time.Second), int64(i%1000))
			samples[k].Path = fmt.Sprintf("/srv/%02d", k)
		}
		i++
		if err := s.Record(b.Context(), samples, lines); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N*len(samples))/b.Elapsed().Seconds(), "samples/s")
}
