package outbox_test

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tidemark/tidemark/internal/outbox"
	"github.com/tidemark/tidemark/internal/sqlite"
)

var start = time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)

func open(t *testing.T, path string, caps outbox.Caps) *outbox.Outbox {
	t.Helper()
	o, err := outbox.Open(t.Context(), path, caps, time.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { o.Close() })
	return o
}

func add(t *testing.T, o *outbox.Outbox, at time.Time, lines ...string) {
	t.Helper()
	if err := o.Append(t.Context(), at, lines); err != nil {
		t.Fatal(err)
	}
}

func wantStats(t *testing.T, o *outbox.Outbox, want outbox.Stats) {
	t.Helper()
	if got, err := o.Stats(t.Context()); err != nil || got != want {
		t.Errorf("stats %+v, %v; want %+v", got, err, want)
	}
}

func TestLinesStayInOrderUntilTheyAreAnswered(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tiering", "outbox.db")
	o := open(t, path, outbox.Caps{})
	add(t, o, start, "a", "ä")
	add(t, o, start.Add(time.Minute), "c", "d", "e")
	wantStats(t, o, outbox.Stats{Depth: 5, Bytes: 6, Oldest: start})
	o.Close()

	o = open(t, path, outbox.Caps{}) // what was appended is there after a restart
	entries, err := o.Next(t.Context(), 3)
	if err != nil || len(entries) != 3 || entries[0].Line != "a" || entries[1].Line != "ä" || entries[2].Line != "c" {
		t.Fatalf("next three: %+v, %v", entries, err)
	}
	for range 2 { // what is gone already is no error and is counted once
		if err := o.Delete(t.Context(), entries[:1]); err != nil {
			t.Fatal(err)
		}
		if err := o.Quarantine(t.Context(), entries[1], "refused", start); err != nil {
			t.Fatal(err)
		}
		if err := o.Expire(t.Context(), entries[2:]); err != nil {
			t.Fatal(err)
		}
	}
	wantStats(t, o, outbox.Stats{Depth: 2, Bytes: 2, Oldest: start.Add(time.Minute), Expired: 1, Quarantined: 1})
	last, err := o.Next(t.Context(), 10)
	if err != nil || len(last) != 2 {
		t.Fatalf("next: %+v, %v", last, err)
	}
	if err := o.Delete(t.Context(), last); err != nil {
		t.Fatal(err)
	}
	add(t, o, start, "f")
	if next, err := o.Next(t.Context(), 1); err != nil || len(next) != 1 || next[0].Seq <= last[1].Seq {
		t.Errorf("a sequence number was used again: %+v after %+v, %v", next, last, err)
	}
}

func TestPruneDropsTheOldestBeyondTheCaps(t *testing.T) {
	o := open(t, filepath.Join(t.TempDir(), "outbox.db"), outbox.Caps{Bytes: 40})
	for day := range 20 {
		add(t, o, start.AddDate(0, 0, day), fmt.Sprintf("line %d....", day%10)) // 10 bytes
	}
	if err := o.Prune(t.Context(), start.AddDate(0, 0, 20)); err != nil {
		t.Fatal(err)
	}
	wantStats(t, o, outbox.Stats{Depth: 4, Bytes: 40, Oldest: start.AddDate(0, 0, 16), Dropped: 16})
	if err := o.Prune(t.Context(), start.AddDate(0, 0, 47)); err != nil {
		t.Fatal(err)
	}
	wantStats(t, o, outbox.Stats{Depth: 3, Bytes: 30, Oldest: start.AddDate(0, 0, 17), Dropped: 17})
}

// A failed append leaves nothing: half a run's lines would be a run that never was.
func TestAppendIsWholeOrNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "outbox.db")
	o := open(t, path, outbox.Caps{})
	db, err := sqlite.Open(t.Context(), path, []string{outbox.Schema})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(`CREATE TRIGGER refuse BEFORE INSERT ON outbox WHEN new.line = 'bad' BEGIN SELECT raise(ABORT, 'bad'); END`); err != nil {
		t.Fatal(err)
	}
	if err := o.Append(t.Context(), start, []string{"a", "bad", "c"}); err == nil {
		t.Fatal("the table took what it was told to refuse")
	}
	wantStats(t, o, outbox.Stats{})
}

func TestDamagedFileIsSetAsideAndANewOneBegun(t *testing.T) {
	path := filepath.Join(t.TempDir(), "outbox.db")
	if err := os.WriteFile(path, []byte(strings.Repeat("this is no database\n", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	o, err := outbox.Open(t.Context(), path, outbox.Caps{}, func() time.Time { return start }, slog.New(slog.NewTextHandler(&said, nil)))
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	add(t, o, start, "a")
	if _, err := os.Stat(path + ".corrupt-20260310T120000Z"); err != nil || !strings.Contains(said.String(), "the outbox is damaged") {
		t.Errorf("set aside: %v; said %q", err, &said)
	}
}
