package planner

import (
	"iter"
	"runtime"
)

// InOrder applies f to the items of seq on all cores and yields the results in seq's order. A bounded number of items is
// in flight, so that a sequence of any length streams through. The first error, of seq or of f, is yielded in its place and ends it.
func InOrder[T, R any](seq iter.Seq2[T, error], f func(T) (R, error)) iter.Seq2[R, error] {
	type result struct {
		value R
		err   error
	}
	return func(yield func(R, error) bool) {
		workers := runtime.GOMAXPROCS(0)
		// Each slot is one item's place in the order; the channel's length bounds what is in flight.
		slots := make(chan chan result, 4*workers)
		running := make(chan struct{}, workers)
		stop := make(chan struct{})
		fed := make(chan struct{})
		go func() {
			defer close(fed)
			defer close(slots)
			for item, err := range seq {
				slot := make(chan result, 1)
				select {
				case slots <- slot:
				case <-stop:
					return
				}
				if err != nil {
					slot <- result{err: err}
					return
				}
				running <- struct{}{}
				go func() {
					value, err := f(item)
					<-running
					slot <- result{value, err}
				}()
			}
		}()
		defer func() {
			close(stop)
			for slot := range slots { // also waits for the workers
				<-slot
			}
			<-fed
		}()
		for slot := range slots {
			r := <-slot
			if !yield(r.value, r.err) || r.err != nil {
				return
			}
		}
	}
}
