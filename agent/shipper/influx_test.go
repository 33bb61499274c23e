package shipper

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidemark/tidemark/internal/influx"
	"github.com/tidemark/tidemark/internal/influxtest"
	"github.com/tidemark/tidemark/internal/outbox"
)

func TestMain(m *testing.M) { os.Exit(influxtest.Main(m)) }

// testTimeout bounds a test whose shipper never empties its outbox.
const testTimeout = 2 * time.Minute

// client writes to a bucket by way of the URL.
func client(t *testing.T, s *influxtest.Server, url, bucket string) *influx.BucketWriter {
	t.Helper()
	c, err := influx.New(influx.Options{URL: url, Org: s.Org, Token: s.Token})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c.Writer(bucket)
}

// shipAll runs a shipper, without its pauses, until the outbox is empty. paused is called in place of each pause.
func shipAll(t *testing.T, outbox *memory, w Writer, batch int, paused func(time.Duration)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
	defer cancel()
	s := New(ending{outbox, cancel}, w, Options{Batch: batch, Now: time.Now, Wait: func(_ context.Context, d time.Duration) {
		if d < firstPause/2 {
			t.Errorf("a pause of only %s", d)
		}
		if paused != nil {
			paused(d)
		}
	}})
	done := make(chan struct{})
	go func() { defer close(done); s.Run(ctx) }()
	<-done
	if n := outbox.depth(); n != 0 {
		t.Fatalf("%d lines still wait", n)
	}
}

// ending ends a run when the outbox is found empty.
type ending struct {
	*memory
	end func()
}

func (e ending) Next(ctx context.Context, limit int) ([]outbox.Entry, error) {
	entries, err := e.memory.Next(ctx, limit)
	if len(entries) == 0 {
		e.end()
	}
	return entries, err
}

// wantPoints checks that the bucket holds, of measurement m, exactly the values 0 to n-1 less those left out, each once.
func wantPoints(t *testing.T, s *influxtest.Server, bucket string, n int, without ...int) {
	t.Helper()
	got := s.Flux(t, fmt.Sprintf(`from(bucket: %q) |> range(start: 0) |> filter(fn: (r) => r._measurement == "m") |> group() |> sort(columns: ["_time"]) |> keep(columns: ["_value"])`, bucket))
	var values []string
	for _, row := range strings.Split(got, "\r\n") {
		if i := strings.LastIndexByte(row, ','); i >= 0 && row[i+1:] != "_value" {
			values = append(values, row[i+1:])
		}
	}
	var want []string
	for i := range n {
		if !slices.Contains(without, i) {
			want = append(want, fmt.Sprint(i))
		}
	}
	if !slices.Equal(values, want) {
		t.Errorf("the server holds %d values %v,\nwant %d: %v", len(values), values, len(want), want)
	}
}

func TestEveryBreakageOnTheWayLosesAndDoublesNothing(t *testing.T) {
	const n = 40
	lines := numbered(n)
	has := func(i int) func([]string) bool {
		return func(batch []string) bool { return slices.Contains(batch, lines[i]) }
	}
	for _, tc := range []struct {
		name        string
		faults      []influxtest.Fault
		quarantined []int
		longest     time.Duration // at least one pause is this long
	}{
		{name: "401", faults: []influxtest.Fault{{Times: 3, Status: 401, Message: "unauthorized access"}}},
		{name: "403", faults: []influxtest.Fault{{Times: 2, Status: 403, Message: "forbidden"}}},
		{name: "404", faults: []influxtest.Fault{{Times: 3, Status: 404, Message: "database not found"}}},
		{name: "400 without an organisation", faults: []influxtest.Fault{{Times: 3, Status: 400, Message: "Please provide either orgID or org"}}},
		{name: "413 above four lines", faults: []influxtest.Fault{{Status: 413, When: func(l []string) bool { return len(l) > 4 }}}},
		{name: "413 for one line", faults: []influxtest.Fault{{Status: 413, When: has(7)}}, quarantined: []int{7}},
		{name: "422 for one line", faults: []influxtest.Fault{{Status: 422, Message: "no", When: has(11)}}, quarantined: []int{11}},
		{name: "400 for one line", quarantined: []int{39}, faults: []influxtest.Fault{{Status: 400, Message: "partial write: no dropped=1", When: has(39)}}},
		{name: "429 with Retry-After", faults: []influxtest.Fault{{Times: 2, Status: 429, RetryAfter: 333}}, longest: 333 * time.Second},
		{name: "500", faults: []influxtest.Fault{{Times: 4, Status: 500, Message: "timeout"}}},
		{name: "500 after the write", faults: []influxtest.Fault{{Times: 2, Status: 500, Message: "timeout", Delivered: true}}},
		{name: "reset before the write", faults: []influxtest.Fault{{Times: 3, Reset: true}}},
		{name: "reset after the write", faults: []influxtest.Fault{{Times: 3, Reset: true, Delivered: true}}},
		{
			name: "all at once", quarantined: []int{5, 30}, longest: 99 * time.Second,
			faults: []influxtest.Fault{
				{Name: "a", Times: 1, Status: 401},
				{Name: "b", Times: 1, Reset: true, Delivered: true, When: func(l []string) bool { return len(l) <= 8 && !has(5)(l) }},
				{Name: "c", Times: 1, Status: 429, RetryAfter: 99},
				{Name: "d", Status: 413, When: func(l []string) bool { return len(l) > 8 }},
				{Name: "e", Status: 422, When: has(5)},
				{Name: "f", Times: 2, Status: 503},
				{Name: "g", Status: 400, When: has(30)},
				{Name: "h", Times: 1, Reset: true},
			},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := influxtest.Shared(t)
			bucket := s.Bucket(t)
			p := influxtest.NewProxy(t, s.URL)
			for i, f := range tc.faults {
				if f.Name == "" {
					f.Name = fmt.Sprint(tc.name, " ", i)
				}
				p.Plant(f)
			}
			outbox := &memory{}
			outbox.add(lines...)
			var longest time.Duration
			w := client(t, s, p.URL, bucket)
			shipAll(t, outbox, w, 16, func(d time.Duration) { longest = max(longest, d) })
			for i, want := range tc.quarantined {
				if i >= len(outbox.quarantined) || outbox.quarantined[i].Line != lines[want] {
					t.Errorf("quarantined %v, want the lines %v", outbox.quarantined, tc.quarantined)
				}
			}
			if len(outbox.quarantined) != len(tc.quarantined) {
				t.Errorf("%d lines in quarantine, want %d", len(outbox.quarantined), len(tc.quarantined))
			}
			if longest < tc.longest {
				t.Errorf("the longest pause was %s, want %s", longest, tc.longest)
			}
			wantPoints(t, s, bucket, n, tc.quarantined...)
		})
	}
}

func TestLinesTheServerItselfRefuses(t *testing.T) {
	const n = 40
	for _, tc := range []struct{ name, line, reason string }{
		{"unreadable", "m f= 1700000003", "parse"},
		{"field of another type", `m f="text" 1700000100`, "type conflict"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := influxtest.Shared(t)
			bucket := s.Bucket(t)
			lines := numbered(n)
			outbox := &memory{}
			outbox.add(slices.Insert(slices.Clone(lines), 17, tc.line)...)
			s.Write(t, bucket, lines[0]) // the field is an integer from here on
			shipAll(t, outbox, client(t, s, s.URL, bucket), 100, nil)
			if len(outbox.quarantined) != 1 || outbox.quarantined[0].Line != tc.line {
				t.Fatalf("quarantined %v, want %q", outbox.quarantined, tc.line)
			}
			if !strings.Contains(outbox.reasons[0], tc.reason) {
				t.Errorf("reason %q does not say %q", outbox.reasons[0], tc.reason)
			}
			wantPoints(t, s, bucket, n)
		})
	}
}

func TestLinesOlderThanTheRetentionAreCountedAndTheOthersStored(t *testing.T) {
	s := influxtest.Shared(t)
	bucket := s.BucketKeeping(t, time.Hour)
	now := time.Now().Unix()
	var lines []string
	for i := range 20 {
		lines = append(lines, fmt.Sprintf("m f=%di %d", i, now-600+int64(i)))
	}
	bad := fmt.Sprintf("bad f= %d", now)
	outbox := &memory{}
	outbox.add(lines[:10]...)
	outbox.add("old f=1i 1700000000", "old f=2i 1700000001", "old f=3i 1700000002", bad)
	outbox.add(lines[10:]...)
	p := influxtest.NewProxy(t, s.URL)
	shipAll(t, outbox, client(t, s, p.URL, bucket), 100, nil)
	if len(outbox.expired) != 3 || !strings.HasPrefix(outbox.expired[0].Line, "old ") {
		t.Errorf("expired %v, want the three old lines", outbox.expired)
	}
	if len(outbox.quarantined) != 1 || outbox.quarantined[0].Line != bad {
		t.Errorf("quarantined %v, want the bad line", outbox.quarantined)
	}
	if p.Writes() > 12 {
		t.Errorf("%d writes: the old lines were bisected", p.Writes())
	}
	wantPoints(t, s, bucket, 20)
}

func TestServerKilledAndStartedAgain(t *testing.T) {
	const n = 300
	s := influxtest.Start(t)
	bucket := s.Bucket(t)
	outbox := &memory{}
	outbox.add(numbered(n)...)
	w := &killing{Writer: client(t, s, s.URL, bucket), at: 3, kill: func() { s.Kill(t) }}
	pauses := 0
	shipAll(t, outbox, w, 10, func(time.Duration) {
		if pauses++; pauses == 4 {
			s.Restart(t)
		}
	})
	if pauses < 4 {
		t.Errorf("only %d pauses: the shipper did not see the outage", pauses)
	}
	wantPoints(t, s, bucket, n)
}

// killing ends the server after some writes.
type killing struct {
	Writer
	at, writes int
	kill       func()
}

func (k *killing) Write(ctx context.Context, lines []string) error {
	if k.writes++; k.writes == k.at {
		k.kill()
	}
	return k.Writer.Write(ctx, lines)
}
