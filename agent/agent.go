// Package agent is the sampling loop: at every interval it reads how full this host's volumes are and records that, with
// the lines for InfluxDB, in one transaction.
package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/tidemark/tidemark/internal/line"
	"github.com/tidemark/tidemark/internal/volume"
)

// Disks reads this host. Sample must return in bounded time, whatever a filesystem does.
type Disks interface {
	Sample(ctx context.Context, now time.Time) ([]volume.Sample, error)
	IO(ctx context.Context, now time.Time) ([]line.Point, error)
	// Facts are fields of the agent's own measurement; what is not known is left out.
	Facts(ctx context.Context) []line.Field
}

// Store keeps samples and lines. Record must not return before both are durable, and keeps both or neither.
type Store interface {
	Record(ctx context.Context, samples []volume.Sample, lines []string) error
	Prune(ctx context.Context, now time.Time) error
}

// Outbox says how many lines wait for the server.
type Outbox struct {
	Depth, Dropped, Expired, Quarantined int64
	Age                                  time.Duration // of the oldest line that waits
}

// Options of an Agent. Disks, Store, Every, Now and Log are required.
type Options struct {
	Host    string
	Version string            // of this program
	Tags    map[string]string // the configured ones
	Every   time.Duration     // samples are taken at whole multiples of it
	Disks   Disks
	Store   Store
	Now     func() time.Time
	Log     *slog.Logger

	// Outbox is asked for the agent's own measurement. Nil: nothing is shipped, so no lines are made.
	Outbox func(ctx context.Context, now time.Time) (Outbox, error)
	// Recorded is called after every sampling that was recorded. It must not block.
	Recorded func(samples []volume.Sample)
	// Beat is called by the scheduler at least every BeatEvery, whatever the filesystems do: it feeds a watchdog.
	Beat      func()
	BeatEvery time.Duration
}

// pruneEvery is how often what has passed its retention is dropped.
const pruneEvery = time.Hour

// keepUnrecorded bounds the samplings that wait in memory while the store cannot take them.
const keepUnrecorded = 1000

// NoVolume is said where there is nothing to sample, as in a container that has its root alone.
const NoVolume = "no filesystem is mounted here but those that agent.exclude leaves out (see tidemark config show)"

// Agent samples a host.
type Agent struct {
	opt        Options
	unrecorded []batch // oldest first
	lost       int64   // batches given up because the store stayed unusable
	pruned     time.Time

	idle bool // there is nothing to sample

	// What is wrong now; each is told when it begins and when it is over, and hides none of the others.
	unsampled, unwritten, unpruned bool
}

type batch struct {
	samples []volume.Sample
	lines   []string
}

// New makes an agent; it does nothing until Run or Once.
func New(opt Options) *Agent { return &Agent{opt: opt} }

// Run samples at once and then at every multiple of the interval, until ctx ends; then it returns nil. A sampling that
// cannot be recorded is kept and recorded with a later one.
func (a *Agent) Run(ctx context.Context) error {
	beat := newTicker(a.opt.BeatEvery)
	defer beat.Stop()
	a.sampleAndLog(ctx)
	for {
		now := a.opt.Now()
		next := now.Truncate(a.opt.Every).Add(a.opt.Every)
		due := time.NewTimer(next.Sub(now))
		for waiting := true; waiting; {
			select {
			case <-ctx.Done():
				due.Stop()
				return nil
			case <-beat.C:
				a.opt.Beat()
			case <-due.C:
				waiting = false
			}
		}
		a.sampleAndLog(ctx)
	}
}

// newTicker returns a ticker that never fires when every is zero.
func newTicker(every time.Duration) *time.Ticker {
	if every > 0 {
		return time.NewTicker(every)
	}
	t := time.NewTicker(time.Hour)
	t.Stop()
	return t
}

func (a *Agent) sampleAndLog(ctx context.Context) {
	err := a.Once(ctx)
	if began, ended := turn(ctx, &a.unsampled, err); began {
		a.opt.Log.Error("sampling fails; it goes on and keeps what it cannot record", "error", err)
	} else if ended {
		a.opt.Log.Info("sampling works again", "lost_samplings", a.lost)
	}
}

// turn notes whether something fails and says whether that began or ended now. What the end of ctx breaks is no failure.
func turn(ctx context.Context, failing *bool, err error) (began, ended bool) {
	if ctx.Err() != nil {
		return false, false
	}
	before := *failing
	*failing = err != nil
	return *failing && !before, before && !*failing
}

// Once takes one sampling and records it, with those that could not be recorded before. Its error says that this one or
// one of them was not recorded; what else is wrong is logged.
func (a *Agent) Once(ctx context.Context) error {
	now := a.opt.Now().UTC().Truncate(time.Second)
	started := a.opt.Now()
	samples, err := a.opt.Disks.Sample(ctx, now)
	if err != nil {
		return fmt.Errorf("read the volumes: %w", err)
	}
	if len(samples) == 0 && !a.idle {
		a.opt.Log.Warn(NoVolume)
	}
	a.idle = len(samples) == 0
	lines, err := a.lines(ctx, now, samples, a.opt.Now().Sub(started))
	if began, _ := turn(ctx, &a.unwritten, err); began {
		a.opt.Log.Warn("some lines for InfluxDB cannot be written; the others are", "error", err)
	}
	a.unrecorded = append(a.unrecorded, batch{samples, lines})
	if len(a.unrecorded) > keepUnrecorded {
		a.unrecorded = a.unrecorded[1:]
		a.lost++
	}
	for len(a.unrecorded) > 0 {
		b := a.unrecorded[0]
		if err := a.opt.Store.Record(ctx, b.samples, b.lines); err != nil {
			return fmt.Errorf("record %d volumes: %w", len(b.samples), err)
		}
		a.unrecorded = a.unrecorded[1:]
	}
	if a.opt.Recorded != nil {
		a.opt.Recorded(samples)
	}
	if since := now.Sub(a.pruned); since >= pruneEvery || since < 0 { // below 0: the clock was ahead, and was set right
		err := a.opt.Store.Prune(ctx, now)
		if began, _ := turn(ctx, &a.unpruned, err); began {
			a.opt.Log.Warn("what is past its retention cannot be dropped; it is tried again", "error", err)
		}
		if err == nil {
			a.pruned = now
		}
	}
	return nil
}

// lines writes what a server is told. A line that cannot be written costs none of the others.
func (a *Agent) lines(ctx context.Context, now time.Time, samples []volume.Sample, gather time.Duration) ([]string, error) {
	if a.opt.Outbox == nil {
		return nil, nil
	}
	io, ioErr := a.opt.Disks.IO(ctx, now)
	own, ownErr := a.ownPoint(ctx, now, gather)
	lines, err := Lines(samples, append(io, own)...)
	return lines, errors.Join(err, ioErr, ownErr)
}

// Lines writes samples as line protocol: a disk line for each that was measured, a tidemark_volume line for each, then more
// points. What cannot be written is in the error and costs no other line.
func Lines(samples []volume.Sample, more ...line.Point) ([]string, error) {
	points := make([]line.Point, 0, 2*len(samples)+len(more))
	for _, s := range samples {
		if s.Measured() {
			points = append(points, line.DiskPoint(s))
		}
		points = append(points, line.VolumePoint(s))
	}
	return encode(append(points, more...))
}

// DiskLines writes samples as disk lines alone: a past that was imported has no state.
func DiskLines(samples []volume.Sample) ([]string, error) {
	points := make([]line.Point, len(samples))
	for i, s := range samples {
		points[i] = line.DiskPoint(s)
	}
	return encode(points)
}

func encode(points []line.Point) ([]string, error) {
	lines := make([]string, 0, len(points))
	var errs []error
	for _, p := range points {
		l, err := line.Encode(p)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		lines = append(lines, l)
	}
	return lines, errors.Join(errs...)
}

// ownPoint is the agent's measurement of itself. Without the outbox's numbers it still says the rest.
func (a *Agent) ownPoint(ctx context.Context, now time.Time, gather time.Duration) (line.Point, error) {
	tags := map[string]string{}
	for k, v := range a.opt.Tags {
		tags[k] = v
	}
	tags["host"] = a.opt.Host
	p := line.Point{Measurement: "tidemark_agent", Tags: tags, Time: now, Fields: append(a.opt.Disks.Facts(ctx),
		line.Float("gather_seconds", gather.Seconds()), line.Text("version", a.opt.Version))}
	box, err := a.opt.Outbox(ctx, now)
	if err != nil {
		return p, fmt.Errorf("ask the outbox: %w", err)
	}
	p.Fields = append(p.Fields,
		line.Int("outbox_depth", box.Depth), line.Float("outbox_age_seconds", box.Age.Seconds()),
		line.Int("dropped", box.Dropped), line.Int("expired", box.Expired), line.Int("quarantined", box.Quarantined),
		line.Int("lost_samplings", a.lost))
	return p, nil
}
