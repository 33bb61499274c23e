package tiering

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"
)

// Job is work that comes again by its schedule.
type Job struct {
	Name     string // unique within a scheduler
	Schedule Schedule
	// Run does the work once. It must return soon after ctx ends; the scheduler waits for it.
	Run func(ctx context.Context) error
}

// Scheduler runs jobs by their schedules. A job whose last run still goes on is skipped, and the log says so. A run that panics
// is logged as a failed one and keeps no later run from coming. When the host was suspended or its clock was set forward, a
// job that fell due meanwhile comes once.
//
// The loop is our own, not the library's runner, because that sleeps until the next run by the monotonic clock: it wakes late by
// as long as the host was suspended, and does not see a clock that is set. Its SkipIfStillRunning around its Recover never runs
// a job again that has panicked once, and its Stop does not tell the runs that they should end.
type Scheduler struct {
	jobs []Job
	now  func() time.Time
	log  *slog.Logger
}

// longestSleep is how long the scheduler goes without a look at the clock.
const longestSleep = 30 * time.Second

// setBack is how far a clock must have been set back for the next time to be sought anew. For less, waiting a little longer is
// better than running a job again that has just run.
const setBack = time.Hour

// NewScheduler makes a scheduler. now is the wall clock.
func NewScheduler(now func() time.Time, log *slog.Logger, jobs ...Job) (*Scheduler, error) {
	names := map[string]bool{}
	for _, j := range jobs {
		if j.Name == "" || names[j.Name] || j.Run == nil || j.Schedule.cron == nil {
			return nil, fmt.Errorf("job %q needs a name of its own, a schedule and something to run", j.Name)
		}
		names[j.Name] = true
	}
	return &Scheduler{jobs: jobs, now: now, log: log}, nil
}

// Run runs the jobs until ctx ends, then waits for the runs that still go on.
func (s *Scheduler) Run(ctx context.Context) {
	var all sync.WaitGroup
	for _, j := range s.jobs {
		all.Go(func() { s.repeat(ctx, j) })
	}
	all.Wait()
}

// wall is the time as the host tells it. Without its monotonic part, so that a difference to a time before says what the clock
// says, also across a suspension.
func (s *Scheduler) wall() time.Time { return s.now().Round(0) }

func (s *Scheduler) repeat(ctx context.Context, j Job) {
	var run sync.WaitGroup
	defer run.Wait()
	busy := make(chan struct{}, 1) // holds one token while a run goes on
	var began time.Time            // of the run that goes on
	asked := s.wall()
	next := j.Schedule.Next(asked)
	for {
		if !s.sleep(ctx, next) {
			return
		}
		now := s.wall()
		if now.Before(asked.Add(-setBack)) {
			s.log.Warn("the clock was set back; the next run is sought anew", "job", j.Name, "by", asked.Sub(now).Round(time.Second))
			asked, next = now, j.Schedule.Next(now)
			continue
		}
		if next.IsZero() || now.Before(next) {
			asked = now
			continue
		}
		select {
		case busy <- struct{}{}:
			began = now
			run.Go(func() {
				defer func() { <-busy }()
				s.once(ctx, j)
			})
		default:
			s.log.Warn("skipped: the run before still goes on", "job", j.Name, "since", began.UTC())
		}
		asked, next = now, j.Schedule.Next(now)
	}
}

// sleep waits until next, but no longer than until the clock should be looked at; false when ctx has ended.
func (s *Scheduler) sleep(ctx context.Context, next time.Time) bool {
	d := longestSleep
	if !next.IsZero() {
		d = max(0, min(d, next.Sub(s.wall())))
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return ctx.Err() == nil
	}
}

// once runs a job and logs what became of it.
func (s *Scheduler) once(ctx context.Context, j Job) {
	defer func() {
		if p := recover(); p != nil {
			s.log.Error("a run panicked", "job", j.Name, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
		}
	}()
	err := j.Run(ctx)
	switch {
	case err == nil:
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
		s.log.Info("a run was stopped", "job", j.Name)
	default:
		s.log.Error("a run failed", "job", j.Name, "error", err)
	}
}
