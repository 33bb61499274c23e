// Package shipper brings the lines of an outbox to InfluxDB: each of them, oldest first, however long the server is away.
//
// A line leaves the outbox in one of three ways: the server has stored it, the server will never take it (it is set
// aside with the reason), or the server keeps nothing that old (it is counted as expired). Whatever goes wrong in between
// leaves it where it was, to be sent again; writing a point twice leaves one point.
//
// What an answer means (measured on InfluxDB 1.8.10 and 2.7.12):
//
//   - no answer, a redirect, 5xx, and the statuses that speak of us rather than of the lines (401, 403, 404, 405, 407, 408,
//     425, 429; and 2.x's 400 for want of an organisation, which the influx package gives the status 0): wait and send again.
//   - 413: the batch is too large, send its halves. 1.8 says so above 25 MB, proxies much earlier; 2.7 took 67 MB.
//   - "points beyond retention policy" (400; 2.x: 422, "outside"): of the lines so many are too old, the others are stored.
//   - any other 4xx: there is a bad line among them. Halve until it stands alone; the good ones go on. Most often they were
//     stored already, and are sent again; but of a batch with a line that it can't read (400), 2.x stores nothing.
package shipper

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tidemark/tidemark/internal/influx"
	"github.com/tidemark/tidemark/internal/outbox"
)

// Outbox holds the lines that wait. Each change is durable when the method returns.
type Outbox interface {
	// Next returns the oldest entries, at most limit, in the order of Seq, and leaves them where they are.
	Next(ctx context.Context, limit int) ([]outbox.Entry, error)
	// Delete removes entries that the server has stored.
	Delete(ctx context.Context, entries []outbox.Entry) error
	// Quarantine sets an entry aside that the server will never take.
	Quarantine(ctx context.Context, entry outbox.Entry, reason string, now time.Time) error
	// Expire removes and counts entries that are older than what the server keeps.
	Expire(ctx context.Context, entries []outbox.Entry) error
	// Stats says how the outbox stands.
	Stats(ctx context.Context) (outbox.Stats, error)
}

// Writer stores lines in InfluxDB. An error is an [*influx.Error], or taken for a server out of reach.
type Writer interface {
	Write(ctx context.Context, lines []string) error
}

// What Options mean when they are zero.
const (
	DefaultBatch    = 5000
	DefaultFarewell = 5 * time.Second
)

// The pauses between attempts: each between half and the whole of a bound that doubles from the first to the last, so that
// the agents of a fleet do not return all at once. What a server asks for in Retry-After is kept up to the longest.
const (
	firstPause   = 2 * time.Second
	lastPause    = time.Minute
	longestPause = time.Hour
)

// Options of a shipper. Zero values mean the defaults.
type Options struct {
	Batch    int           // lines in one write at most
	Farewell time.Duration // how long the last attempt may take when Run is told to end
	Logger   *slog.Logger

	Now  func() time.Time                           // for the quarantine; required
	Wait func(ctx context.Context, d time.Duration) // returns after d, or when ctx ends; nil means a timer
}

// Shipper sends one outbox to one writer.
type Shipper struct {
	outbox   Outbox
	writer   Writer
	options  Options
	wake     chan struct{}
	batch    int       // lines in the next write: smaller after a 413, until it works again
	failures int       // attempts that failed since one went well
	since    time.Time // when they began
}

// New makes a shipper.
func New(outbox Outbox, writer Writer, o Options) *Shipper {
	o.Batch = cmp.Or(o.Batch, DefaultBatch)
	o.Farewell = cmp.Or(o.Farewell, DefaultFarewell)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Wait == nil {
		o.Wait = wait
	}
	return &Shipper{outbox: outbox, writer: writer, options: o, wake: make(chan struct{}, 1), batch: o.Batch}
}

func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// Notify tells Run that there are new lines. It never blocks and may be called from anywhere. It does not shorten the
// pause after a failure.
func (s *Shipper) Notify() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Run sends what is in the outbox and what comes into it, until ctx ends; then it makes one last attempt, within
// Options.Farewell, and returns. It must run only once at a time.
func (s *Shipper) Run(ctx context.Context) {
	for ctx.Err() == nil {
		if err := s.Drain(ctx); err != nil {
			if ctx.Err() != nil {
				break
			}
			s.options.Wait(ctx, s.pause(err))
			continue
		}
		select {
		case <-s.wake:
		case <-ctx.Done():
		}
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.options.Farewell)
	defer cancel()
	if err := s.Drain(last); err != nil {
		s.options.Logger.Warn("lines stay in the outbox until the next start", "waiting", s.depth(context.WithoutCancel(ctx)), "reason", err)
	}
}

func (s *Shipper) depth(ctx context.Context) int64 {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	stats, err := s.outbox.Stats(ctx)
	if err != nil {
		return -1
	}
	return stats.Depth
}

// pause notes a failure and says how long to wait after it.
func (s *Shipper) pause(err error) time.Duration {
	if s.failures == 0 {
		s.since = s.options.Now()
		s.options.Logger.Warn("shipping to InfluxDB is held up; the lines wait in the outbox", "reason", err)
	}
	d := lastPause
	if s.failures < 5 {
		d = min(firstPause<<s.failures, lastPause)
	}
	s.failures++
	d -= rand.N(d / 2)
	if e, ok := errors.AsType[*influx.Error](err); ok {
		d = max(d, min(e.RetryAfter, longestPause))
	}
	return d
}

// recovered notes that a batch has left the outbox.
func (s *Shipper) recovered() {
	if s.failures > 0 {
		s.options.Logger.Info("shipping to InfluxDB goes on", "after", s.options.Now().Sub(s.since).Round(time.Second))
		s.failures = 0
	}
}

// Drain sends until the outbox is empty. It ends at the first failure that time may heal and returns it: an
// [*influx.Error], or one of the outbox.
func (s *Shipper) Drain(ctx context.Context) error {
	for {
		entries, err := s.outbox.Next(ctx, s.batch)
		if err != nil {
			return err
		}
		if len(entries) == 0 {
			return nil
		}
		if err := s.deliver(ctx, entries); err != nil {
			return err
		}
		s.recovered()
	}
}

// deliver sees each entry out of the outbox, or returns why the rest has to wait.
func (s *Shipper) deliver(ctx context.Context, entries []outbox.Entry) error {
	lines := make([]string, len(entries))
	for i, e := range entries {
		lines[i] = e.Line
	}
	err := s.writer.Write(ctx, lines)
	verdict := judge(err)
	if verdict == wentWrong {
		return err
	}
	switch verdict {
	case stored:
		if len(entries) >= s.batch {
			s.batch = min(2*s.batch, s.options.Batch)
		}
		return s.outbox.Delete(ctx, entries)
	case tooOld:
		return s.expire(ctx, entries, err)
	case tooLarge:
		s.batch = max(1, min(s.batch, len(entries)/2))
	}
	if len(entries) == 1 {
		s.options.Logger.Warn("InfluxDB refused a line; it is kept aside in quarantine", "line", entries[0].Line, "reason", err)
		return s.outbox.Quarantine(ctx, entries[0], reason(err), s.options.Now())
	}
	return s.halves(ctx, entries)
}

func (s *Shipper) halves(ctx context.Context, entries []outbox.Entry) error {
	middle := len(entries) / 2
	if err := s.deliver(ctx, entries[:middle]); err != nil {
		return err
	}
	return s.deliver(ctx, entries[middle:])
}

// expire lets the entries go that the server found too old: as many as it says, those with the oldest times. It then
// sends the others again, since 1.8 speaks of nothing else when there are lines that it could not read besides.
func (s *Shipper) expire(ctx context.Context, entries []outbox.Entry, refusal error) error {
	n := dropped(refusal)
	if len(entries) == 1 {
		n = 1
	}
	if n == 0 {
		return s.halves(ctx, entries)
	}
	byAge := slices.Clone(entries)
	slices.SortStableFunc(byAge, func(a, b outbox.Entry) int { return cmp.Compare(seconds(a.Line), seconds(b.Line)) })
	n = min(n, len(byAge))
	old, rest := byAge[:n], byAge[n:]
	s.options.Logger.Warn("InfluxDB keeps nothing as old as some lines; they are given up", "lines", n, "reason", refusal)
	if err := s.outbox.Expire(ctx, old); err != nil || len(rest) == 0 {
		return err
	}
	slices.SortFunc(rest, func(a, b outbox.Entry) int { return cmp.Compare(a.Seq, b.Seq) })
	return s.deliver(ctx, rest)
}

// verdict is what became of a write.
type verdict int

const (
	stored    verdict = iota // all lines
	wentWrong                // nothing is known of them; time may heal it
	tooLarge                 // the batch as a whole
	tooOld                   // some are older than what the server keeps, the others are stored
	refused                  // at least one line is bad
)

func judge(err error) verdict {
	if err == nil {
		return stored
	}
	e, ok := errors.AsType[*influx.Error](err)
	if !ok || e.Status/100 != 4 {
		return wentWrong
	}
	if beyondRetention.MatchString(e.Message) {
		return tooOld
	}
	switch e.Status {
	case http.StatusRequestEntityTooLarge:
		return tooLarge
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusProxyAuthRequired,
		http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return wentWrong
	}
	return refused
}

var (
	// 1.8: "partial write: points beyond retention policy dropped=2"
	// 2.7: "failure writing points to database: partial write: dropped 2 points outside retention policy of duration 1h0m0s - …"
	beyondRetention = regexp.MustCompile(`points (beyond|outside) retention policy`)
	droppedCount    = regexp.MustCompile(`dropped[= ](\d+)`)
)

// dropped is how many lines the server says it found too old, or 0.
func dropped(err error) int {
	m := droppedCount.FindStringSubmatch(reason(err))
	if m == nil {
		return 0
	}
	n, err := strconv.Atoi(m[1])
	if err != nil {
		return 0
	}
	return n
}

// seconds is the time of a line; a line without one is the newest, as the server would set it.
func seconds(line string) int64 {
	t, err := strconv.ParseInt(line[strings.LastIndexByte(line, ' ')+1:], 10, 64)
	if err != nil {
		return 1<<63 - 1
	}
	return t
}

// reason is the server's own word.
func reason(err error) string {
	if e, ok := errors.AsType[*influx.Error](err); ok && e.Message != "" {
		return e.Message
	}
	return err.Error()
}
