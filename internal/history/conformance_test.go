package history_test

import (
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/tidemark/tidemark/internal/history"
	"github.com/tidemark/tidemark/internal/historytest"
	"github.com/tidemark/tidemark/planner"
)

var _ planner.History = (*history.Store)(nil)

func open(t *testing.T, path string) *history.Store {
	t.Helper()
	s, err := history.Open(t.Context(), path, history.Options{Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestConformance(t *testing.T) {
	historytest.Run(t, func(t *testing.T) historytest.Target {
		s := open(t, filepath.Join(t.TempDir(), "agent", "history.db"))
		return historytest.Target{History: s, Write: s.Write}
	})
}

// A reader in another process sees what the writer committed.
func TestConformanceOfAReader(t *testing.T) {
	historytest.Run(t, func(t *testing.T) historytest.Target {
		path := filepath.Join(t.TempDir(), "history.db")
		writer := open(t, path)
		reader, err := history.OpenReadOnly(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { reader.Close() })
		return historytest.Target{History: reader, Write: writer.Write}
	})
}
