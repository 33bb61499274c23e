package tiering

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// journal is what jobs did, and what was logged.
type journal struct {
	mu    sync.Mutex
	lines []string
	log   strings.Builder
}

func (j *journal) add(line string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, line)
}

func (j *journal) Write(b []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.log.Write(b)
}

// clock is the host's: the bubble's, and what it was set by.
type clock struct {
	mu sync.Mutex
	by time.Duration
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.by)
}

func (c *clock) set(by time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.by += by
}

func schedule(t *testing.T, text string) Schedule {
	t.Helper()
	s, err := ParseSchedule(text, time.UTC, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// scheduled runs jobs while f goes on, within a bubble whose time begins on Saturday, 1 January 2000, at midnight UTC.
func scheduled(t *testing.T, jobs func(*journal, *clock) []Job, f func(*clock)) *journal {
	t.Helper()
	j, c := &journal{}, &clock{}
	synctest.Test(t, func(t *testing.T) {
		log := slog.New(slog.NewTextHandler(j, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		}}))
		s, err := NewScheduler(c.now, log, jobs(j, c)...)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); s.Run(ctx) }()
		f(c)
		stopped := time.Now()
		cancel()
		<-ended
		if took := time.Since(stopped); took > 2*time.Second {
			t.Errorf("it took %s to stop", took)
		}
	})
	return j
}

// noting is a job that notes when it begins and takes a while, or until it is told to end.
func noting(name string, s Schedule, takes time.Duration) func(j *journal, c *clock) Job {
	return func(j *journal, c *clock) Job {
		return Job{Name: name, Schedule: s, Run: func(ctx context.Context) error {
			j.add(name + " " + c.now().Format("02 15:04:05"))
			select {
			case <-time.After(takes):
				return nil
			case <-ctx.Done():
				time.Sleep(time.Second) // it finishes what it has in hand
				j.add(name + " stops")
				return ctx.Err()
			}
		}}
	}
}

func wantLines(t *testing.T, j *journal, want ...string) {
	t.Helper()
	if !slices.Equal(j.lines, want) {
		t.Errorf("it did\n%s\nwant\n%s\nand logged\n%s", strings.Join(j.lines, "\n"), strings.Join(want, "\n"), &j.log)
	}
}

func TestJobsComeByTheirSchedules(t *testing.T) {
	hourly, nightly := schedule(t, "5 */6 * * *"), schedule(t, "15 2 * * *")
	j := scheduled(t, func(j *journal, c *clock) []Job {
		return []Job{noting("a", hourly, time.Minute)(j, c), noting("b", nightly, time.Hour)(j, c)}
	}, func(*clock) { time.Sleep(28 * time.Hour) })
	wantLines(t, j, "a 01 00:05:00", "b 01 02:15:00", "a 01 06:05:00", "a 01 12:05:00", "a 01 18:05:00", "a 02 00:05:00", "b 02 02:15:00")
	if j.log.Len() > 0 {
		t.Errorf("it logged %s", &j.log)
	}
}

func TestRunThatGoesOnIsNotJoinedByAnother(t *testing.T) {
	s := schedule(t, "0 * * * *")
	j := scheduled(t, func(j *journal, c *clock) []Job { return []Job{noting("a", s, 150*time.Minute)(j, c)} },
		func(*clock) { time.Sleep(5 * time.Hour) })
	wantLines(t, j, "a 01 01:00:00", "a 01 04:00:00", "a stops")
	if got := strings.Count(j.log.String(), `msg="skipped: the run before still goes on" job=a since=2000-01-01T01:00:00.000Z`); got != 2 {
		t.Errorf("%d skips of the first run were logged, want 2:\n%s", got, &j.log)
	}
}

func TestPanicKeepsNoLaterRunFromComing(t *testing.T) {
	s := schedule(t, "0 * * * *")
	j := scheduled(t, func(j *journal, c *clock) []Job {
		return []Job{
			{Name: "bad", Schedule: s, Run: func(context.Context) error { j.add("bad " + c.now().Format("15")); panic("lost") }},
			{Name: "wrong", Schedule: s, Run: func(context.Context) error { return errors.New("no archive") }},
			noting("good", schedule(t, "30 * * * *"), 0)(j, c),
		}
	}, func(*clock) { time.Sleep(2*time.Hour + 45*time.Minute) })
	wantLines(t, j, "good 01 00:30:00", "bad 01", "good 01 01:30:00", "bad 02", "good 01 02:30:00")
	for text, n := range map[string]int{`msg="a run panicked" job=bad panic=lost stack=`: 2, `msg="a run failed" job=wrong error="no archive"`: 2} {
		if got := strings.Count(j.log.String(), text); got != n {
			t.Errorf("%d times %s, want %d:\n%s", got, text, n, &j.log)
		}
	}
}

func TestRunsAreStoppedAndWaitedFor(t *testing.T) {
	s := schedule(t, "0 1 * * *")
	j := scheduled(t, func(j *journal, c *clock) []Job { return []Job{noting("a", s, 48*time.Hour)(j, c)} },
		func(*clock) { time.Sleep(90 * time.Minute) })
	wantLines(t, j, "a 01 01:00:00", "a stops")
	if text := j.log.String(); !strings.Contains(text, `msg="a run was stopped" job=a`) || strings.Contains(text, "ERROR") {
		t.Errorf("it logged %s", text)
	}
}

// A suspended host's clock has gone on when it wakes, and its timers have not.
func TestSuspendedHostCatchesUpOnce(t *testing.T) {
	s := schedule(t, "0 * * * *")
	j := scheduled(t, func(j *journal, c *clock) []Job { return []Job{noting("a", s, time.Minute)(j, c)} }, func(c *clock) {
		time.Sleep(30*time.Minute + time.Second)
		c.set(50 * time.Hour)
		time.Sleep(time.Hour)
	})
	if len(j.lines) != 2 || !strings.HasPrefix(j.lines[0], "a 03 02:30:") || j.lines[1] != "a 03 03:00:00" {
		t.Errorf("it did %q, want one run within %s of waking and the next on time", j.lines, longestSleep)
	}
	if j.log.Len() > 0 {
		t.Errorf("what fell due meanwhile was more than once: %s", &j.log)
	}
}

func TestClockSetBack(t *testing.T) {
	s := schedule(t, "0 2 * * *")
	for _, tc := range []struct {
		name string
		by   time.Duration // after the first run
		want []string
	}{
		{"a little: nothing comes twice", -10 * time.Minute, []string{"a 01 02:00:00", "a 02 02:00:00"}},
		// Else a clock that was once a year ahead would keep the job from running for a year.
		{"a lot: the next one counts from there", -30 * 24 * time.Hour, []string{"a 01 02:00:00", "a 03 02:00:00"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			j := scheduled(t, func(j *journal, c *clock) []Job { return []Job{noting("a", s, 0)(j, c)} }, func(c *clock) {
				time.Sleep(2*time.Hour + 5*time.Minute)
				c.set(tc.by)
				time.Sleep(48*time.Hour - 10*time.Minute)
			})
			wantLines(t, j, tc.want...)
		})
	}
}

func TestNewSchedulerRefuses(t *testing.T) {
	s := schedule(t, "@daily")
	run := func(context.Context) error { return nil }
	for name, jobs := range map[string][]Job{
		"no name":      {{"", s, run}},
		"a name twice": {{"a", s, run}, {"a", s, run}},
		"no schedule":  {{"a", Schedule{}, run}},
		"no work":      {{"a", s, nil}},
	} {
		if _, err := NewScheduler(time.Now, slog.Default(), jobs...); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
