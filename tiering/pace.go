package tiering

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// PaceOptions say how gently work is done. The zero value of each is no limit.
type PaceOptions struct {
	Bandwidth int64 // bytes a second
	// Pressure is how busy the disks are, in percent; see ReadPressure. Nil: work never pauses.
	Pressure func() (float64, error)
	// PauseAbove is the pressure above which work pauses; it goes on at half of it. Where that comes within ownPause, the pressure
	// was the work's own, and it goes on for ownWork whatever the pressure. 0: it never pauses.
	PauseAbove float64
	Now        func() time.Time // required with Pressure
	Log        *slog.Logger     // required with Pressure
}

// Pace makes work wait: for its bandwidth, and while the disks are busy with others. It is safe for concurrent use, and what its
// users do counts together.
type Pace struct {
	options PaceOptions
	limiter *rate.Limiter // nil: no limit

	mu      sync.Mutex // guards what follows
	looked  time.Time
	paused  bool
	since   time.Time // when it paused
	own     time.Time // until when the pressure counts as the work's own
	failing bool
}

// burst is how much time's worth of bandwidth may go at once: so little that a graph of the disk shows a flat line.
const burst = 100 * time.Millisecond

const (
	// The average over ten seconds falls to a half in seven when what caused it ends: then nobody else keeps the disks busy.
	ownPause = 12 * time.Second
	ownWork  = 5 * time.Minute
)

// look is how often pressure is read: its average is over ten seconds.
const look = time.Second

// NewPace makes a pace.
func NewPace(o PaceOptions) *Pace {
	p := &Pace{options: o}
	if o.Bandwidth > 0 {
		p.limiter = rate.NewLimiter(rate.Limit(o.Bandwidth), int(max(1, o.Bandwidth/int64(time.Second/burst))))
	}
	return p
}

// Wait returns when n bytes may be worked on. The error is ctx's: at once where the bytes would take longer than ctx lasts.
func (p *Pace) Wait(ctx context.Context, n int) error {
	for {
		if err := p.awaitCalm(ctx); err != nil {
			return err
		}
		if n <= 0 || p.limiter == nil {
			return nil
		}
		piece := min(n, p.limiter.Burst())
		if err := p.limiter.WaitN(ctx, piece); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return context.DeadlineExceeded
		}
		n -= piece
	}
}

func (p *Pace) awaitCalm(ctx context.Context) error {
	for p.busy() {
		timer := time.NewTimer(look)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return ctx.Err()
}

// busy says whether work pauses now. What cannot be read keeps no work waiting.
func (p *Pace) busy() bool {
	o := p.options
	if o.Pressure == nil || o.PauseAbove <= 0 {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	now := o.Now()
	if since := now.Sub(p.looked); since >= 0 && since < look {
		return p.paused
	}
	p.looked = now
	pressure, err := o.Pressure()
	if (err != nil) != p.failing {
		if p.failing = err != nil; p.failing {
			o.Log.Warn("work does not pause for busy disks", "reason", err)
		}
	}
	mark := o.PauseAbove
	if p.paused {
		mark /= 2
	}
	busy := err == nil && pressure > mark && (p.paused || !now.Before(p.own))
	if busy != p.paused {
		if p.paused = busy; busy {
			p.since = now
		} else if now.Sub(p.since) <= ownPause {
			p.own = now.Add(ownWork)
		}
		o.Log.Debug(map[bool]string{true: "work pauses: the disks are busy", false: "work goes on"}[busy], "pressure_percent", pressure)
	}
	return busy
}
