package shipper

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidemark/tidemark/internal/influx"
)

// writer is a server made of a function, which remembers when it was asked and what it took.
type writer struct {
	mu     sync.Mutex
	answer func(lines []string) error
	asked  []time.Time
	taken  []string
}

func (w *writer) Write(ctx context.Context, lines []string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked = append(w.asked, time.Now())
	if err := ctx.Err(); err != nil {
		return &influx.Error{Err: err, Message: err.Error()}
	}
	if err := w.answer(lines); err != nil {
		return err
	}
	w.taken = append(w.taken, lines...)
	return nil
}

// attempts says when it was asked so far.
func (w *writer) attempts() []time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.asked)
}

func status(code int) error { return &influx.Error{Status: code, Message: fmt.Sprint("status ", code)} }

func numbered(n int) []string {
	lines := make([]string, n)
	for i := range lines {
		lines[i] = fmt.Sprintf("m f=%di %d", i, 1700000000+i)
	}
	return lines
}

func TestDrainJudgesEachAnswer(t *testing.T) {
	lines := numbered(10)
	bad := func(code int, which ...int) func([]string) error {
		return func(batch []string) error {
			for _, i := range which {
				if slices.Contains(batch, lines[i]) {
					return status(code)
				}
			}
			return nil
		}
	}
	atMost := func(n int) func([]string) error {
		return func(batch []string) error {
			if len(batch) > n {
				return status(413)
			}
			return nil
		}
	}
	tooOld := func(message string, oldest int) func([]string) error {
		return func(batch []string) error {
			n := 0
			for _, l := range batch {
				if slices.Contains(lines[:oldest], l) {
					n++
				}
			}
			if n == 0 {
				return nil
			}
			if strings.Contains(message, "%d") {
				return &influx.Error{Status: 400, Message: fmt.Sprintf(message, n)}
			}
			return &influx.Error{Status: 422, Message: message}
		}
	}
	for _, tc := range []struct {
		name        string
		answer      func([]string) error
		wantError   bool
		quarantined []int
		expired     int
		atMost      int // writes
	}{
		{name: "all is well", answer: func([]string) error { return nil }, atMost: 1},
		{name: "401 keeps all", answer: bad(401, 3), wantError: true, atMost: 1},
		{name: "403 keeps all", answer: bad(403, 3), wantError: true, atMost: 1},
		{name: "404 keeps all", answer: bad(404, 3), wantError: true, atMost: 1},
		{name: "429 keeps all", answer: bad(429, 3), wantError: true, atMost: 1},
		{name: "302 keeps all", answer: bad(302, 3), wantError: true, atMost: 1},
		{name: "500 keeps all", answer: bad(500, 3), wantError: true, atMost: 1},
		{name: "503 keeps all", answer: bad(503, 3), wantError: true, atMost: 1},
		{name: "no answer keeps all", answer: bad(0, 3), wantError: true, atMost: 1},
		{
			name: "an error of another kind keeps all", wantError: true, atMost: 1,
			answer: func([]string) error { return errors.New("strange") },
		},
		{name: "400 for one line", answer: bad(400, 3), quarantined: []int{3}, atMost: 9},
		{name: "422 for two lines", answer: bad(422, 0, 9), quarantined: []int{0, 9}, atMost: 17},
		{name: "422 for every line", answer: bad(422, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9), quarantined: []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, atMost: 19},
		{name: "413 above three lines", answer: atMost(3), atMost: 7},
		{name: "413 for one line alone", answer: bad(413, 4), quarantined: []int{4}, atMost: 9},
		{name: "too old in the words of 1.8", answer: tooOld("partial write: points beyond retention policy dropped=%d", 3), expired: 3, atMost: 2},
		{
			name: "too old in the words of 2.7", expired: 3, atMost: 2,
			answer: tooOld("failure writing points to database: partial write: dropped %d points outside retention policy of duration 1h0m0s", 3),
		},
		{name: "too old, all of them", answer: tooOld("partial write: points beyond retention policy dropped=%d", 10), expired: 10, atMost: 1},
		{name: "too old without a count", answer: tooOld("points beyond retention policy", 2), expired: 2, atMost: 9},
		{
			name: "a bad line and old ones", expired: 2, quarantined: []int{7}, atMost: 10,
			answer: func(batch []string) error {
				if err := tooOld("points beyond retention policy dropped=%d", 2)(batch); err != nil {
					return err
				}
				return bad(400, 7)(batch)
			},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			outbox, w := &memory{}, &writer{answer: tc.answer}
			outbox.add(lines...)
			err := New(outbox, w, Options{Now: time.Now}).Drain(t.Context())
			if (err != nil) != tc.wantError {
				t.Fatalf("error %v, want one: %v", err, tc.wantError)
			}
			if len(w.asked) > tc.atMost {
				t.Errorf("%d writes, want at most %d", len(w.asked), tc.atMost)
			}
			if tc.wantError {
				if outbox.depth() != len(lines) || len(outbox.quarantined)+len(outbox.expired) != 0 {
					t.Errorf("the outbox lost lines: %+v", outbox)
				}
				return
			}
			var quarantined []string
			for i, e := range outbox.quarantined {
				quarantined = append(quarantined, e.Line)
				if !strings.HasPrefix(outbox.reasons[i], "status 4") {
					t.Errorf("reason %q is not the server's word", outbox.reasons[i])
				}
			}
			var want []string
			for _, i := range tc.quarantined {
				want = append(want, lines[i])
			}
			if !slices.Equal(quarantined, want) {
				t.Errorf("quarantined %q, want %q", quarantined, want)
			}
			if len(outbox.expired) != tc.expired {
				t.Errorf("expired %v, want %d", outbox.expired, tc.expired)
			}
			if outbox.depth() != 0 || len(w.taken) != len(lines)-len(tc.quarantined)-tc.expired {
				t.Errorf("%d lines wait and %d are stored", outbox.depth(), len(w.taken))
			}
			if !slices.IsSorted(w.taken) {
				t.Errorf("not in order: %q", w.taken)
			}
		})
	}
}

func TestBatchShrinksAfter413AndGrowsAgain(t *testing.T) {
	outbox, limit, sizes := &memory{}, 2, []int(nil)
	outbox.add(numbered(40)...)
	w := &writer{answer: func(lines []string) error {
		sizes = append(sizes, len(lines))
		if len(sizes) > 5 {
			limit = 100
		}
		if len(lines) > limit {
			return status(413)
		}
		return nil
	}}
	s := New(outbox, w, Options{Batch: 8, Now: time.Now})
	if err := s.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	if outbox.depth() != 0 || len(w.taken) != 40 {
		t.Errorf("%d wait, %d are stored", outbox.depth(), len(w.taken))
	}
	if got := sizes[len(sizes)-2]; got != 8 {
		t.Errorf("batches %v, want them to grow to 8 again", sizes)
	}
}

func TestRunBacksOffGrowsAndComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		outbox := &memory{}
		var up atomic.Bool
		outbox.add(numbered(3)...)
		w := &writer{answer: func([]string) error {
			if !up.Load() {
				return status(503)
			}
			return nil
		}}
		s := New(outbox, w, Options{Now: time.Now, Logger: slog.New(slog.NewTextHandler(&log, nil))})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); s.Run(ctx) }()
		for range 100 { // new samples do not shorten the pause
			s.Notify()
			time.Sleep(6 * time.Second)
		}
		asked := w.attempts()
		if n := len(asked); n < 14 || n > 30 {
			t.Errorf("%d attempts in ten minutes, want 14 to 30", n)
		}
		bound := firstPause
		for i, at := range asked[1:] {
			pause := at.Sub(asked[i])
			if pause < bound/2 || pause > bound {
				t.Errorf("pause %d is %s, want %s to %s", i, pause, bound/2, bound)
			}
			bound = min(2*bound, lastPause)
		}
		up.Store(true)
		time.Sleep(lastPause)
		synctest.Wait()
		if outbox.depth() != 0 {
			t.Errorf("%d lines wait a minute after the server came back", outbox.depth())
		}
		attempts := len(w.attempts())
		time.Sleep(time.Hour)
		if len(w.attempts()) != attempts {
			t.Error("it wrote although there was nothing to write")
		}
		outbox.add("m f=9i 1700001000")
		s.Notify()
		synctest.Wait()
		if outbox.depth() != 0 {
			t.Error("Notify did not make it ship")
		}
		cancel()
		<-done
		if n := strings.Count(log.String(), "held up"); n != 1 {
			t.Errorf("the outage was logged %d times:\n%s", n, log.String())
		}
		if n := strings.Count(log.String(), "goes on"); n != 1 {
			t.Errorf("its end was logged %d times:\n%s", n, log.String())
		}
	})
}

func TestRunHonoursRetryAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		outbox := &memory{}
		outbox.add(numbered(1)...)
		w := &writer{}
		w.answer = func([]string) error {
			if len(w.asked) == 1 {
				return &influx.Error{Status: 429, RetryAfter: 10 * time.Minute}
			}
			return nil
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); New(outbox, w, Options{Now: time.Now}).Run(ctx) }()
		time.Sleep(11 * time.Minute)
		cancel()
		<-done
		if len(w.asked) != 2 || w.asked[1].Sub(w.asked[0]) != 10*time.Minute {
			t.Errorf("attempts at %v, want two, ten minutes apart", w.asked)
		}
	})
}

func TestRunMakesOneLastBoundedAttempt(t *testing.T) {
	for _, tc := range []struct {
		name  string
		hangs bool
		left  int
	}{{"the server is back", false, 0}, {"the server hangs", true, 1}} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				outbox := &memory{}
				outbox.add(numbered(1)...)
				ctx, cancel := context.WithCancel(t.Context())
				w := hanging{until: ctx, always: tc.hangs}
				done := make(chan struct{})
				go func() { defer close(done); New(outbox, w, Options{Now: time.Now}).Run(ctx) }()
				synctest.Wait()
				start := time.Now()
				cancel()
				<-done
				if outbox.depth() != tc.left {
					t.Errorf("%d lines left, want %d", outbox.depth(), tc.left)
				}
				if took := time.Since(start); took > DefaultFarewell {
					t.Errorf("it took %s to end", took)
				}
			})
		})
	}
}

// hanging does not answer until a context has ended, or ever.
type hanging struct {
	until  context.Context
	always bool
}

func (h hanging) Write(ctx context.Context, _ []string) error {
	if h.always || h.until.Err() == nil {
		<-ctx.Done()
		return &influx.Error{Err: ctx.Err(), Message: ctx.Err().Error()}
	}
	return nil
}

func TestRunNeverSpinsWhenTheOutboxFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		outbox := &memory{fail: errors.New("disk full")}
		outbox.add(numbered(1)...)
		ctx, cancel := context.WithCancel(t.Context())
		waits := 0
		s := New(outbox, &writer{answer: func([]string) error { return nil }}, Options{Now: time.Now, Wait: func(ctx context.Context, d time.Duration) {
			if d < firstPause/2 {
				t.Errorf("a pause of %s", d)
			}
			if waits++; waits == 20 {
				cancel()
			}
		}})
		s.Run(ctx)
		if waits != 20 {
			t.Errorf("%d pauses", waits)
		}
	})
}
