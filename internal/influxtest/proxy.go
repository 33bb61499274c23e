package influxtest

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// Proxy stands between a client and an InfluxDB and breaks the writes for which a [Fault] is planted. Everything else
// passes unchanged. A test fails when a fault that it planted was never hit.
type Proxy struct {
	URL string

	forward *httputil.ReverseProxy
	mu      sync.Mutex
	faults  []*planted
	writes  int
}

// Fault is one way in which a write goes wrong.
type Fault struct {
	Name       string
	When       func(lines []string) bool // which writes; nil means all
	Times      int                       // how often at most; 0 means always
	Status     int                       // the answer in place of the server's
	Message    string                    // the answer's message
	RetryAfter int                       // seconds, for the header; 0 leaves it out
	Reset      bool                      // reset the connection in place of an answer
	Delivered  bool                      // let the server take the write first
}

type planted struct {
	Fault
	hits int
}

// NewProxy starts a proxy to the server's URL that ends with the test.
func NewProxy(t testing.TB, server string) *Proxy {
	t.Helper()
	target, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{forward: httputil.NewSingleHostReverseProxy(target)}
	p.forward.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, err error) {
		http.Error(w, err.Error(), http.StatusBadGateway)
	}
	s := httptest.NewServer(p)
	p.URL = s.URL
	t.Cleanup(func() {
		s.Close()
		for _, f := range p.faults {
			if f.hits == 0 {
				t.Errorf("the planted fault %q was never hit", f.Name)
			}
		}
	})
	return p
}

// Plant adds a fault. The first that fits a write is used.
func (p *Proxy) Plant(f Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults = append(p.faults, &planted{Fault: f})
}

// Hits says how often a fault was used.
func (p *Proxy) Hits(name string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, f := range p.faults {
		if f.Name == name {
			return f.hits
		}
	}
	return 0
}

// Writes says how many writes have come, broken ones included.
func (p *Proxy) Writes() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.writes
}

func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/api/v2/write" {
		p.forward.ServeHTTP(w, r)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	f, ok := p.next(strings.Split(string(body), "\n"))
	if !ok {
		p.forward.ServeHTTP(w, r)
		return
	}
	if f.Delivered {
		p.forward.ServeHTTP(httptest.NewRecorder(), r)
	}
	if f.Reset {
		reset(w)
		return
	}
	if f.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(f.RetryAfter))
	}
	w.Header().Set("X-Influxdb-Error", f.Message)
	http.Error(w, f.Message, f.Status)
}

// next returns the fault to use for a write, and counts it.
func (p *Proxy) next(lines []string) (Fault, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.writes++
	for _, f := range p.faults {
		if (f.Times == 0 || f.hits < f.Times) && (f.When == nil || f.When(lines)) {
			f.hits++
			return f.Fault, true
		}
	}
	return Fault{}, false
}

// reset closes the connection in the way that makes the client's kernel report a reset.
func reset(w http.ResponseWriter) {
	c, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(err) // httptest's server can always be hijacked
	}
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // then Close sends a reset
	}
	c.Close()
}
