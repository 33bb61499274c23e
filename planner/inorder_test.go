package planner

import (
	"errors"
	"iter"
	"runtime"
	"sync/atomic"
	"testing"
)

func count(n int, fail int) iter.Seq2[int, error] {
	return func(yield func(int, error) bool) {
		for i := range n {
			var err error
			if i == fail {
				err = errors.New("source broke")
			}
			if !yield(i, err) {
				return
			}
		}
	}
}

func TestInOrderKeepsTheOrderWhateverTakesLonger(t *testing.T) {
	release := make(chan struct{})
	next := 0
	for v, err := range InOrder(count(1000, -1), func(i int) (int, error) {
		if i == 0 {
			<-release // the first result comes after a later one
		} else if i == 1 {
			close(release)
		}
		return i * 2, nil
	}) {
		if err != nil || v != 2*next {
			t.Fatalf("item %d: %d, %v", next, v, err)
		}
		next++
	}
	if next != 1000 {
		t.Errorf("%d results, want 1000", next)
	}
}

func TestInOrderEndsAtTheFirstErrorAndWaitsForItsWorkers(t *testing.T) {
	before := runtime.NumGoroutine()
	var started, ended atomic.Int64
	broken := errors.New("item broke")
	for name, seq := range map[string]iter.Seq2[int, error]{"source": count(100, 50), "item": count(1<<30, -1)} {
		var got error
		n := 0
		for _, err := range InOrder(seq, func(i int) (int, error) {
			started.Add(1)
			defer ended.Add(1)
			if name == "item" && i == 50 {
				return 0, broken
			}
			return i, nil
		}) {
			if err != nil {
				got = err
				continue
			}
			n++
		}
		if got == nil || n != 50 {
			t.Errorf("%s: %d results and error %v, want 50 and one", name, n, got)
		}
	}
	for range InOrder(count(1<<30, -1), func(i int) (int, error) { return i, nil }) {
		break
	}
	if started.Load() != ended.Load() {
		t.Errorf("%d workers began, %d ended", started.Load(), ended.Load())
	}
	if after := runtime.NumGoroutine(); after > before+1 {
		t.Errorf("%d goroutines before, %d after", before, after)
	}
}
