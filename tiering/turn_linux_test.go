package tiering

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/tidemark/tidemark/internal/fsys"
	"github.com/tidemark/tidemark/tiering/mover"
)

// A run of hours must not keep people from their files: between two batches it gives way to a recall.
func TestRunGivesWayToRecall(t *testing.T) {
	s := newSite(t, `size >= 5`, nil)
	first := s.write("first", "the first file")
	if _, err := New(s.options).Run(t.Context(), "cold", RunOptions{}); err != nil {
		t.Fatal(err)
	}
	const batches = 8
	big := make([]byte, 2<<20)
	for i := range batches {
		s.write(fmt.Sprintf("more/file%d", i), string(big))
	}
	engine := New(s.options)
	recalled := make(chan error, 1)
	waiting := mover.Await(fsys.Host{}, s.hot) // somebody waits from the beginning
	turns := 0
	s.options.Sleep = func(ctx context.Context, d time.Duration) error {
		if d == 3*waitForTurn {
			turns++
			if turns == 1 { // the run has closed its mover, and so given the lock away
				waiting.Close()
				_, err := engine.Recall(t.Context(), []string{first})
				recalled <- err
			}
		}
		return wait(ctx, d)
	}
	report, err := New(s.options).runInBatches(t.Context(), "cold", 1)
	if err != nil || report.FilesReleased != batches || len(report.Failed)+len(report.Skipped) > 0 {
		t.Fatalf("%v %+v", err, report)
	}
	select {
	case err := <-recalled:
		if err != nil {
			t.Error(err)
		}
	default:
		t.Fatal("the run never gave way")
	}
	if info, err := os.Lstat(first); err != nil || !info.Mode().IsRegular() {
		t.Errorf("not recalled: %v %v", info, err)
	}
	if turns != 1 {
		t.Errorf("it gave way %d times to one", turns)
	}
}

// runInBatches is Run with so many files in a batch.
func (e *Engine) runInBatches(ctx context.Context, name string, files int) (Report, error) {
	p, err := e.Policy(name)
	if err != nil {
		return Report{}, err
	}
	r := &runner{e: e, p: p, report: Report{Policy: name}, batchFiles: files}
	err = r.run(ctx, RunOptions{})
	return r.report, err
}
