package tiering

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// paced waits for total bytes in pieces and returns how long that took, in the bubble's time.
func paced(t *testing.T, p *Pace, total, piece int) time.Duration {
	t.Helper()
	begin := time.Now()
	for done := 0; done < total; done += piece {
		if err := p.Wait(t.Context(), piece); err != nil {
			t.Fatal(err)
		}
	}
	return time.Since(begin)
}

func TestPaceKeepsItsBandwidthSmoothly(t *testing.T) {
	for _, tc := range []struct {
		name         string
		rate         int64
		total, piece int
		least, most  time.Duration
	}{
		{"small pieces", 1 << 20, 10 << 20, 1 << 10, 9800 * time.Millisecond, 10 * time.Second},
		{"pieces above the burst", 1 << 20, 10 << 20, 1 << 20, 9800 * time.Millisecond, 10 * time.Second},
		{"a byte a second", 1, 10, 5, 9 * time.Second, 10 * time.Second},
		{"no limit", 0, 1 << 30, 1 << 20, 0, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := NewPace(PaceOptions{Bandwidth: tc.rate})
				if took := paced(t, p, tc.total, tc.piece); took < tc.least || took > tc.most {
					t.Errorf("%d bytes took %s, want %s to %s", tc.total, took, tc.least, tc.most)
				}
				if tc.rate < 100 {
					return
				}
				time.Sleep(time.Hour) // an hour of rest gives no right to a burst
				if took := paced(t, p, int(tc.rate), 1<<10); took < 880*time.Millisecond {
					t.Errorf("after a rest, a second's worth took only %s", took)
				}
			})
		})
	}
}

func TestPaceIsSharedByItsUsers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPace(PaceOptions{Bandwidth: 1 << 20})
		begin := time.Now()
		var users sync.WaitGroup
		for range 4 {
			users.Go(func() { paced(t, p, 1<<20, 1<<16) })
		}
		users.Wait()
		if took := time.Since(begin); took < 3800*time.Millisecond || took > 4*time.Second {
			t.Errorf("four users took %s for a second's worth each", took)
		}
	})
}

func TestPaceEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		busy := func() (float64, error) { return 99, nil }
		for name, p := range map[string]*Pace{
			"bandwidth": NewPace(PaceOptions{Bandwidth: 1}),
			"pressure":  NewPace(PaceOptions{Pressure: busy, PauseAbove: 50, Now: time.Now, Log: slog.New(slog.DiscardHandler)}),
		} {
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(1500*time.Millisecond, cancel)
			begin := time.Now()
			if err := p.Wait(ctx, 1000); !errors.Is(err, context.Canceled) || time.Since(begin) != 1500*time.Millisecond {
				t.Errorf("%s: %v after %s", name, err, time.Since(begin))
			}
			if err := p.Wait(ctx, 0); !errors.Is(err, context.Canceled) {
				t.Errorf("%s: %v once it has ended", name, err)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := NewPace(PaceOptions{Bandwidth: 1}).Wait(ctx, 1000); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("more than ctx lasts: %v", err)
		}
		if err := NewPace(PaceOptions{}).Wait(ctx, 1); err != nil && !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
	})
}

func TestPacePausesWhileDisksAreBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		// The pressure of each quarter of a minute: above 60 pauses, and it goes on at 30.
		const quarter = 15 * time.Second
		steps := []float64{10, 60, 61, 50, 31, 30, 60, 90, 29}
		reads := 0
		var said bytes.Buffer
		p := NewPace(PaceOptions{
			Pressure: func() (float64, error) {
				reads++
				return steps[min(int(time.Since(begin)/quarter), len(steps)-1)], nil
			},
			PauseAbove: 60, Now: time.Now,
			Log: slog.New(slog.NewTextHandler(&said, &slog.HandlerOptions{Level: slog.LevelDebug})),
		})
		var worked [10]bool
		for time.Since(begin) < 9*quarter {
			if err := p.Wait(t.Context(), 1); err != nil {
				t.Fatal(err)
			}
			worked[time.Since(begin)/quarter] = true
			time.Sleep(50 * time.Millisecond)
		}
		if want := [10]bool{0: true, 1: true, 5: true, 6: true, 8: true}; worked != want {
			t.Errorf("it worked in the quarters of a minute %v, want %v", worked, want)
		}
		if reads > 140 {
			t.Errorf("pressure was read %d times in 135 seconds", reads)
		}
		if n := strings.Count(said.String(), "work pauses"); n != 2 {
			t.Errorf("it said %d times that it pauses, want 2:\n%s", n, &said)
		}
	})
}

// Work that is the only one to keep the disks busy must not stop and go.
func TestPaceKnowsItsOwnPressure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		// It rises while there is work, and halves in seven seconds without.
		pressure, working, pauses := 0., false, 0
		p := NewPace(PaceOptions{
			Pressure: func() (float64, error) {
				target := 0.
				if working {
					target = 90
				}
				working = false // until the next work
				pressure += (target - pressure) / 10
				return pressure, nil
			},
			PauseAbove: 60, Now: time.Now, Log: slog.New(slog.DiscardHandler),
		})
		for time.Since(begin) < 10*time.Minute {
			before := time.Now()
			if err := p.Wait(t.Context(), 1); err != nil {
				t.Fatal(err)
			}
			if time.Since(before) > time.Second {
				pauses++
			}
			working = true
			time.Sleep(100 * time.Millisecond)
		}
		if pauses < 1 || pauses > 3 {
			t.Errorf("it paused %d times in ten minutes for itself, want once in five minutes", pauses)
		}
	})
}

func TestPaceGoesOnWhenPressureCannotBeRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var said bytes.Buffer
		p := NewPace(PaceOptions{
			Pressure: func() (float64, error) { return 100, errors.New("no entry") }, PauseAbove: 1, Now: time.Now,
			Log: slog.New(slog.NewTextHandler(&said, nil)),
		})
		for range 5 {
			if err := p.Wait(t.Context(), 1); err != nil {
				t.Fatal(err)
			}
			time.Sleep(2 * time.Second)
		}
		if n := strings.Count(said.String(), "no entry"); n != 1 {
			t.Errorf("it said so %d times:\n%s", n, &said)
		}
	})
}
