package ledger

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tidemark/tidemark/internal/ledgertest"
	"github.com/tidemark/tidemark/internal/volume"
	published "github.com/tidemark/tidemark/planner/ledger"
)

var _ published.Store = (*Ledger)(nil)

func open(t *testing.T, path string) *Ledger {
	t.Helper()
	l, err := Open(t.Context(), path, time.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func targetOf(reader, writer *Ledger) ledgertest.Target {
	return ledgertest.Target{Store: reader, Publish: func(ctx context.Context, all []volume.PublishedSeries) error {
		_, err := writer.Publish(ctx, all)
		return err
	}}
}

func TestConformance(t *testing.T) {
	ledgertest.Run(t, func(t *testing.T) ledgertest.Target {
		l := open(t, filepath.Join(t.TempDir(), "planner", "ledger.db"))
		return targetOf(l, l)
	})
}

// A reader in another process sees what the writer committed.
func TestConformanceOfAReader(t *testing.T) {
	ledgertest.Run(t, func(t *testing.T) ledgertest.Target {
		path := filepath.Join(t.TempDir(), "ledger.db")
		writer := open(t, path)
		reader, err := OpenReadOnly(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { reader.Close() })
		return targetOf(reader, writer)
	})
}

var noon = time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)

func saidAt(made time.Time, used float64) volume.PublishedSeries {
	return volume.PublishedSeries{
		ID: volume.ID{Host: "h", Path: "/"}, Resource: volume.Space,
		Outlooks: []volume.Published{{Made: made, Origin: made, Used: used, Capacity: math.NaN(), FullLevel: 1}},
	}
}

func read(t *testing.T, l *Ledger, now time.Time) []volume.Published {
	t.Helper()
	for s, err := range l.Published(t.Context(), volume.Selector{}, time.Unix(0, 0), now.Add(time.Hour)) {
		if err != nil {
			t.Fatal(err)
		}
		return s.Outlooks
	}
	return nil
}

func TestAPublishedOutlookIsNeverRewritten(t *testing.T) {
	l := open(t, filepath.Join(t.TempDir(), "ledger.db"))
	for i, want := range []int{1, 0, 0} {
		kept, err := l.Publish(t.Context(), []volume.PublishedSeries{saidAt(noon.Add(time.Duration(i)*time.Hour), float64(100+i))})
		if err != nil || kept != want {
			t.Errorf("publishing %d: %d kept, %v; want %d", i, kept, err, want)
		}
	}
	if _, err := l.db.ExecContext(t.Context(), "UPDATE outlook SET used = 7"); err == nil || !strings.Contains(err.Error(), "never rewritten") {
		t.Errorf("an update is not refused: %v", err)
	}
	if _, err := l.db.ExecContext(t.Context(), "INSERT INTO outlook SELECT * FROM outlook WHERE true ON CONFLICT DO UPDATE SET used = 7"); err == nil {
		t.Error("an upsert is not refused")
	}
	if got := read(t, l, noon); len(got) != 1 || got[0].Used != 100 || !got[0].Made.Equal(noon) {
		t.Errorf("%+v, want the first", got)
	}
}

func TestPrune(t *testing.T) {
	l := open(t, filepath.Join(t.TempDir(), "ledger.db"))
	for _, ago := range []time.Duration{Retention + 24*time.Hour, Retention, 0} {
		if _, err := l.Publish(t.Context(), []volume.PublishedSeries{saidAt(noon.Add(-ago), 1)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Prune(t.Context(), noon); err != nil {
		t.Fatal(err)
	}
	if got := read(t, l, noon); len(got) != 2 || !got[0].Made.Equal(noon.Add(-Retention)) {
		t.Errorf("%+v, want the two of the last two years", got)
	}
}

// The end of a range that is no whole second is the next one, or a row of this second would be lost.
func TestARangeEndsWithinASecond(t *testing.T) {
	l := open(t, filepath.Join(t.TempDir(), "ledger.db"))
	if _, err := l.Publish(t.Context(), []volume.PublishedSeries{saidAt(noon, 1)}); err != nil {
		t.Fatal(err)
	}
	for after, want := range map[time.Duration]int{0: 0, time.Nanosecond: 1} {
		n := 0
		for _, err := range l.Published(t.Context(), volume.Selector{}, noon.Add(-24*time.Hour), noon.Add(after)) {
			if n++; err != nil {
				t.Fatal(err)
			}
		}
		if n != want {
			t.Errorf("%v after it: %d series, want %d", after, n, want)
		}
	}
}

func TestMissingLedger(t *testing.T) {
	if _, err := OpenReadOnly(t.Context(), filepath.Join(t.TempDir(), "ledger.db")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v, want that it does not exist", err)
	}
}

// A migration that was released must not change: files that have run it would differ from new ones for good.
func TestReleasedMigrationsAreAsTheyWere(t *testing.T) {
	released := []string{"21679902142b4f5fabdc30c7c628c15b1c46f3444ace8ea10f8e6850eb063cc4"}
	if len(schema) < len(released) {
		t.Fatalf("%d migrations, %d were released", len(schema), len(released))
	}
	for i, want := range released {
		if got := fmt.Sprintf("%x", sha256.Sum256([]byte(schema[i]))); got != want {
			t.Errorf("migration %d is %s, it was released as %s", i+1, got, want)
		}
	}
}
