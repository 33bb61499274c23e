package agent

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidemark/tidemark/internal/line"
	"github.com/tidemark/tidemark/internal/volume"
)

// host reads one volume at each time it is asked, after taking its time.
type host struct {
	takes time.Duration
	asked []time.Time
	ioErr error
}

func (h *host) Sample(_ context.Context, now time.Time) ([]volume.Sample, error) {
	time.Sleep(h.takes) // the bubble's clock
	h.asked = append(h.asked, now)
	id := volume.ID{Host: "h", Path: "/srv"}
	return []volume.Sample{
		{ID: id, Time: now, Attributes: volume.Attributes{Device: "sda1", Fstype: "ext4", Mode: "rw"}, Usage: volume.Usage{Total: 10, Free: 4, Used: 5}},
		{ID: volume.ID{Host: "h", Path: "/hung"}, Time: now, State: volume.State{Stuck: true}},
	}, nil
}

func (h *host) IO(context.Context, time.Time) ([]line.Point, error) { return nil, h.ioErr }

func (*host) Facts(context.Context) []line.Field { return []line.Field{line.Text("kernel", "6.1")} }

// store records in memory and refuses while it is told to.
type store struct {
	refuse   bool
	keepAll  bool // Prune fails
	recorded []time.Time
	lines    []string
	pruned   int
}

func (s *store) Record(_ context.Context, samples []volume.Sample, lines []string) error {
	if s.refuse {
		return errors.New("disk full")
	}
	s.recorded = append(s.recorded, samples[0].Time)
	s.lines = append(s.lines, lines...)
	return nil
}

func (s *store) Prune(context.Context, time.Time) error {
	s.pruned++
	if s.keepAll {
		return errors.New("cannot prune")
	}
	return nil
}

func run(t *testing.T, opt Options, d time.Duration) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- New(opt).Run(ctx) }()
	time.Sleep(d)
	synctest.Wait()
	cancel()
	if err := <-done; err != nil {
		t.Errorf("Run returned %v after its context ended", err)
	}
}

func TestRunSamplesAtMultiplesOfTheInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(7*time.Second + 300*time.Millisecond)
		h, s := &host{takes: 3 * time.Second}, &store{}
		run(t, Options{Host: "h", Every: 10 * time.Second, Disks: h, Store: s, Now: time.Now, Log: slog.New(slog.DiscardHandler)}, 25*time.Second)
		var seconds []int
		for _, at := range h.asked {
			if at.Nanosecond() != 0 {
				t.Errorf("sampled at %v, want whole seconds", at)
			}
			seconds = append(seconds, at.Second())
		}
		if len(seconds) != 3 || seconds[0] != 7 || seconds[1] != 20 || seconds[2] != 30 {
			// 7.3 s takes until 10.3 s: the slot of 10 s is gone, 20 s is next
			t.Errorf("sampled at seconds %v, want 7, 20, 30", seconds)
		}
		if len(s.lines) != 0 {
			t.Errorf("made %d lines though nothing is shipped", len(s.lines))
		}
	})
}

func TestSamplingThatCannotBeRecordedIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{refuse: true}
		opt := Options{
			Host: "h", Every: time.Minute, Disks: &host{}, Store: s, Now: time.Now, Log: slog.New(slog.DiscardHandler),
			Outbox: func(context.Context, time.Time) (Outbox, error) { return Outbox{Depth: 3}, nil },
		}
		a := New(opt)
		for range 3 {
			if err := a.Once(t.Context()); err == nil || !strings.Contains(err.Error(), "disk full") {
				t.Errorf("Once while the store refuses: error %v", err)
			}
			time.Sleep(time.Minute)
		}
		s.refuse = false
		if err := a.Once(t.Context()); err != nil {
			t.Fatal(err)
		}
		if len(s.recorded) != 4 || !s.recorded[3].After(s.recorded[0]) {
			t.Errorf("recorded %v, want all four samplings in order", s.recorded)
		}
		all := strings.Join(s.lines, "\n")
		if n := strings.Count(all, "disk,"); n != 4 {
			t.Errorf("%d disk lines, want 4: one a sampling, none for the hung volume", n)
		}
		if n := strings.Count(all, "stuck=1i"); n != 4 {
			t.Errorf("%d stuck lines, want 4", n)
		}
		if !strings.Contains(all, "outbox_depth=3i") {
			t.Error("the agent's own line does not tell the outbox")
		}
		if !strings.Contains(all, `kernel="6.1"`) {
			t.Error("the agent's own line does not tell the host's facts")
		}
	})
}

func TestSchedulerBeatsBetweenSamplings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		beats := 0
		run(t, Options{
			Every: time.Hour, Disks: &host{}, Store: &store{}, Now: time.Now, Log: slog.New(slog.DiscardHandler),
			Beat: func() { beats++ }, BeatEvery: time.Minute,
		}, 30*time.Minute+time.Second)
		if beats != 30 {
			t.Errorf("%d beats in half an hour, want 30", beats)
		}
	})
}

// TestOneTroubleHidesNoOther has counters that can never be read and a history that is never pruned: they cost no reading, are told once each,
// and a store that then fails is told too, with its end.
func TestOneTroubleHidesNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		s := &store{keepAll: true}
		a := New(Options{
			Host: "h", Every: time.Minute, Disks: &host{ioErr: errors.New("no counters")}, Store: s, Now: time.Now,
			Log:    slog.New(slog.NewTextHandler(&log, nil)),
			Outbox: func(context.Context, time.Time) (Outbox, error) { return Outbox{}, nil },
		})
		for i := range 9 {
			s.refuse = i >= 3 && i < 6
			a.sampleAndLog(t.Context())
			time.Sleep(time.Minute)
		}
		if len(s.recorded) != 9 {
			t.Errorf("%d samplings recorded, want 9", len(s.recorded))
		}
		for _, once := range []string{"no counters", "cannot prune", "disk full", "sampling works again"} {
			if n := strings.Count(log.String(), once); n != 1 {
				t.Errorf("%q is told %d times, want once:\n%s", once, n, log.String())
			}
		}
		if s.pruned < 2 {
			t.Error("pruning is not tried again")
		}
	})
}

// bare is a host without a volume.
type bare struct{ host }

func (*bare) Sample(context.Context, time.Time) ([]volume.Sample, error) { return nil, nil }

func TestNothingToSampleIsToldOnce(t *testing.T) {
	var log strings.Builder
	a := New(Options{Disks: &bare{}, Store: &memory{}, Now: time.Now, Log: slog.New(slog.NewTextHandler(&log, nil))})
	for range 3 {
		if err := a.Once(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if n := strings.Count(log.String(), NoVolume); n != 1 {
		t.Errorf("told %d times:\n%s", n, log.String())
	}
}

// memory takes everything.
type memory struct{}

func (*memory) Record(context.Context, []volume.Sample, []string) error { return nil }
func (*memory) Prune(context.Context, time.Time) error                  { return nil }

func TestPruningGoesOnWhenTheClockIsSetBack(t *testing.T) {
	now := time.Date(2040, 1, 1, 0, 0, 0, 0, time.UTC)
	s := &store{}
	a := New(Options{Host: "h", Every: time.Minute, Disks: &host{}, Store: s, Now: func() time.Time { return now }, Log: slog.New(slog.DiscardHandler)})
	for range 2 {
		if err := a.Once(t.Context()); err != nil {
			t.Fatal(err)
		}
		now = now.AddDate(-14, 0, 0)
	}
	if s.pruned != 2 {
		t.Errorf("pruned %d times, want once at each time", s.pruned)
	}
}
