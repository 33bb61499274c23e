package main

import (
	"math/rand/v2"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/tidemark/tidemark/internal/influxtest"
)

// The agent as a process, from its mounts to the server: whatever is killed or breaks on the way, the host's history and
// the server's points agree one to one in the end.

func TestAgentKilledAtAnyMoment(t *testing.T) {
	t.Parallel()
	server := influxtest.Shared(t)
	bucket := server.Bucket(t)
	proxy := influxtest.NewProxy(t, server.URL)
	h := newHome(t, shipping(t, server, proxy.URL, bucket))
	random := rand.New(rand.NewPCG(2026, 11))
	for cycle := range 3 {
		for _, m := range h.moments(t, proxy) {
			t.Logf("killed when %s", m.name)
			m.reach(1 + random.IntN(2)).kill()
			if cycle != 1 {
				h.leaveTheSecond(t) // or the next life's first sampling replaces the last of this one
			}
		}
	}
	p := h.start(t, []string{"agent"})
	before := len(h.readings(t))
	p.waits(t, "readings and an empty outbox", func() bool { return len(h.readings(t)) > before && h.outbox(t).Depth == 0 })
	p.ends(t, syscall.SIGTERM)
	h.wantAgreement(t, server, bucket, 4)
}

// moment is a point in an agent's life at which it is killed. reach starts an agent and returns it at that point: the nth
// time, where it comes often.
type moment struct {
	name  string
	reach func(nth int) *process
}

func (h *home) moments(t *testing.T, proxy *influxtest.Proxy) []moment {
	agent := func() *process { return h.start(t, []string{"agent"}) }
	return []moment{
		{"it starts", func(int) *process {
			p := agent()
			p.waits(t, "its start", p.stderr.has("agent starts"))
			return p
		}},
		{"a reading is in the history", func(nth int) *process {
			before := len(h.readings(t))
			p := agent()
			p.waits(t, "readings", func() bool { return len(h.readings(t)) >= before+nth })
			return p
		}},
		{"the history is being written", func(int) *process {
			p := agent()
			p.waits(t, "its start", p.stderr.has("agent starts"))
			before := size(h.history() + "-wal")
			p.waits(t, "a write to the history", func() bool { return size(h.history()+"-wal") != before })
			return p
		}},
		{"a write is on its way", func(nth int) *process {
			before := proxy.Writes()
			p := agent()
			p.waits(t, "writes", func() bool { return proxy.Writes() >= before+nth })
			return p
		}},
		{"a write got lost", func(int) *process {
			running := make(chan *process, 1)
			proxy.Plant(influxtest.Fault{Name: "lost", Times: 1, Reset: true, When: func([]string) bool {
				(<-running).kill() // before it can try again
				return true
			}})
			p := agent()
			running <- p
			p.end(t, patience)
			return p
		}},
		{"a write is stored and not acknowledged", func(int) *process {
			proxy.Plant(influxtest.Fault{Name: "unacknowledged", Times: 1, Reset: true, Delivered: true})
			p := agent()
			p.waits(t, "the failure", p.stderr.has("shipping to InfluxDB is held up"))
			return p
		}},
	}
}

func TestAgentEndedWhileItStarts(t *testing.T) {
	t.Parallel()
	h := newHome(t, "agent: {every: 1s, "+onlyRoot+"}\n")
	p := h.start(t, []string{"agent"})
	p.waits(t, "the file of the history", func() bool { return size(h.history()) >= 0 })
	p.ends(t, syscall.SIGTERM)
}

// leaveTheSecond waits until the clock is past the second of the newest reading.
func (h *home) leaveTheSecond(t *testing.T) {
	t.Helper()
	kept := h.readings(t)
	err := eventually(func() bool { return len(kept) == 0 || time.Now().Unix() > kept[len(kept)-1].time }, nil)
	if err != nil {
		t.Fatal(err)
	}
}

func size(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return -1
	}
	return info.Size()
}

func TestServerIsAwayForAWhile(t *testing.T) {
	t.Parallel()
	server := influxtest.Start(t)
	bucket := server.Bucket(t)
	h := newHome(t, shipping(t, server, server.URL, bucket))
	more := func(p *process, n int) {
		before := len(h.readings(t))
		p.waits(t, "more readings", func() bool { return len(h.readings(t)) >= before+n })
	}
	shipped := func(p *process) {
		p.waits(t, "an empty outbox", func() bool { return h.outbox(t).Depth == 0 && len(values(t, server, bucket, "disk", "used")) > 0 })
	}
	server.Kill(t)
	p := h.start(t, []string{"agent"}) // started while the server is down
	more(p, 1)
	server.Restart(t)
	shipped(p)
	server.Kill(t) // gone while the agent samples
	more(p, 2)
	server.Restart(t)
	shipped(p)
	p.ends(t, syscall.SIGTERM)
	h.wantAgreement(t, server, bucket, 3)
	if n := strings.Count(p.stderr.String(), "held up"); n != 2 {
		t.Errorf("two outages are told %d times", n)
	}
}

// TestEveryBreakageThroughTheWholeProgram breaks the way to the server, one way after the other, and refuses one line for good.
func TestEveryBreakageThroughTheWholeProgram(t *testing.T) {
	t.Parallel()
	server := influxtest.Shared(t)
	bucket := server.Bucket(t)
	proxy := influxtest.NewProxy(t, server.URL)
	h := newHome(t, shipping(t, server, proxy.URL, bucket))
	var bad string // the line that the server refuses: the first of the volume's states that comes
	proxy.Plant(influxtest.Fault{Name: "422", Status: 422, Message: "unprocessable", When: func(lines []string) bool {
		for _, l := range lines {
			if l == bad || (bad == "" && strings.HasPrefix(l, "tidemark_volume,")) {
				bad = l
				return true
			}
		}
		return false
	}})
	p := h.start(t, []string{"agent"})
	p.waits(t, "the quarantine", func() bool { return h.outbox(t).Quarantined == 1 })
	for _, f := range []influxtest.Fault{
		{Name: "401", Times: 1, Status: 401, Message: "unauthorized: " + secretOf(server)},
		{Name: "404", Times: 1, Status: 404, Message: "database not found"},
		{Name: "413", Times: 1, Status: 413, When: func(lines []string) bool { return len(lines) > 1 }},
		{Name: "429", Times: 1, Status: 429, RetryAfter: 1},
		{Name: "500", Times: 1, Status: 500, Message: "timeout"},
		{Name: "reset", Times: 1, Reset: true},
		{Name: "reset after the write", Times: 1, Reset: true, Delivered: true},
	} {
		proxy.Plant(f)
		p.waits(t, f.Name, func() bool { return proxy.Hits(f.Name) == 1 })
		recovers := proxy.Writes()
		p.waits(t, "a write after "+f.Name, func() bool { return proxy.Writes() > recovers && h.outbox(t).Depth == 0 })
	}
	p.waits(t, "a sample that counts the bad line", func() bool {
		counted := values(t, server, bucket, "tidemark_agent", "quarantined")
		return len(counted) > 0 && counted[len(counted)-1].used == 1
	})
	p.ends(t, syscall.SIGTERM)
	h.wantAgreement(t, server, bucket, 4, "tidemark_volume "+bad[strings.LastIndexByte(bad, ' ')+1:])
	if log := p.stderr.String(); strings.Contains(log, secretOf(server)) {
		t.Errorf("the token stands in the log:\n%s", log)
	}
	if !p.stderr.has("kept aside in quarantine")() {
		t.Error("the log does not tell of the quarantine")
	}
}

// silence is a server that takes connections and never answers.
type silence struct {
	url   string
	taken atomic.Int64
}

func newSilence(t *testing.T) *silence {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &silence{url: "http://" + l.Addr().String()}
	var taking sync.WaitGroup
	taking.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			defer c.Close()
			s.taken.Add(1)
		}
	})
	t.Cleanup(func() { l.Close(); taking.Wait() })
	return s
}

func TestServerThatNeverAnswers(t *testing.T) {
	t.Parallel()
	h := newHome(t, shipping(t, &influxtest.Server{}, newSilence(t).url, "none"))
	p := h.start(t, []string{"agent"})
	p.waits(t, "readings", func() bool { return len(h.readings(t)) >= 2 })
	p.ends(t, syscall.SIGTERM)
	if waiting := h.outbox(t).Depth; waiting < 6 {
		t.Errorf("%d lines wait, want those of two samplings", waiting)
	}
	if !p.stderr.has("lines stay in the outbox until the next start")() {
		t.Error("the agent does not say that lines wait")
	}
}

func TestSecondSignalEndsAtOnce(t *testing.T) {
	t.Parallel()
	server := newSilence(t)
	h := newHome(t, shipping(t, &influxtest.Server{}, server.url, "none"))
	p := h.start(t, []string{"agent"})
	p.waits(t, "a write", func() bool { return server.taken.Load() == 1 })
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		if err := p.cmd.Process.Signal(signal); err != nil {
			t.Fatal(err)
		}
		if signal == syscall.SIGTERM {
			p.waits(t, "the last attempt", func() bool { return server.taken.Load() == 2 })
		}
	}
	p.end(t, 3*time.Second) // less than the last attempt may take
	if status := p.cmd.ProcessState.Sys().(syscall.WaitStatus); !status.Signaled() || status.Signal() != syscall.SIGINT {
		t.Errorf("ended with %v, want the second signal", p.cmd.ProcessState)
	}
	if n := len(h.readings(t)); n == 0 {
		t.Error("the reading that was recorded is gone")
	}
}
