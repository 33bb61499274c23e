// Package influxtest gives tests a real InfluxDB, 1.8 or 2.x, and a proxy that breaks the way to it.
//
// The server is the one at TIDEMARK_TEST_INFLUX_URL (with TIDEMARK_TEST_INFLUX_TOKEN and TIDEMARK_TEST_INFLUX_ORG), or
// the program at TIDEMARK_TEST_INFLUXD, or an influxd 1.8 that is built once into the user's cache directory
// (TIDEMARK_CACHE moves it). To run the tests on 2.x, set TIDEMARK_TEST_INFLUXD to the influxd of a release: it is not
// built here, since that takes Rust and a C compiler besides Go. They pass on 1.8.10 and on 2.7.12.
//
// A package's tests share one server:
//
//	func TestMain(m *testing.M) { os.Exit(influxtest.Main(m)) }
//
//	func TestSomething(t *testing.T) {
//		server := influxtest.Shared(t)
//		bucket := server.Bucket(t)
//
// A test that kills the server takes one of its own with [Start], even where TIDEMARK_TEST_INFLUX_URL gives one to share.
package influxtest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

const (
	startTimeout   = 60 * time.Second
	requestTimeout = 30 * time.Second
	pollEvery      = 20 * time.Millisecond
)

// Server is a running InfluxDB.
type Server struct {
	URL   string // http://127.0.0.1:port
	Token string // empty where none is needed
	Org   string
	V2    bool // 2.x, with its own API for buckets

	program string // empty when the server is somebody else's
	dir     string
	orgID   string
	process *process
}

var (
	shared struct {
		sync.Mutex
		server *Server
		err    error
		main   bool
	}
	buckets atomic.Int64
)

// Main runs a package's tests and ends the server they shared.
func Main(m *testing.M) int {
	shared.main = true
	code := m.Run()
	if shared.server != nil {
		if err := shared.server.remove(); err != nil {
			fmt.Fprintln(os.Stderr, "influxtest:", err)
			return max(code, 1)
		}
	}
	return code
}

// Shared returns the server of this test package, started on first use. The package's TestMain must call [Main].
func Shared(t testing.TB) *Server {
	t.Helper()
	shared.Lock()
	defer shared.Unlock()
	if !shared.main {
		t.Fatal("influxtest.Shared needs a TestMain that calls influxtest.Main")
	}
	if shared.server == nil && shared.err == nil {
		if given := os.Getenv("TIDEMARK_TEST_INFLUX_URL"); given != "" {
			shared.server, shared.err = join(given)
		} else {
			shared.server, shared.err = start()
		}
	}
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.server
}

// Start returns a server of the test's own, which the test may stop and restart, and which ends with it.
func Start(t testing.TB) *Server {
	t.Helper()
	s, err := start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.remove(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func start() (*Server, error) {
	program, err := binary()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "tidemark-influxd-")
	if err != nil {
		return nil, err
	}
	s := &Server{program: program, dir: dir, V2: !isVersion1(program, dir)}
	if err := s.launch(); err != nil {
		return nil, errors.Join(err, s.remove())
	}
	if s.V2 {
		if err := s.setup(); err != nil {
			return nil, errors.Join(err, s.remove())
		}
	}
	return s, nil
}

// isVersion1 tells the generations apart by a command that only the first has: printing a configuration with [meta].
func isVersion1(program, dir string) bool {
	ctx, cancel := context.WithTimeout(context.Background(), requestTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, "config")
	cmd.Env = append(os.Environ(), "HOME="+dir)
	out, err := cmd.Output()
	return err == nil && bytes.Contains(out, []byte("[meta]"))
}

// launch starts the program on a free port, and on another when somebody took it in between.
func (s *Server) launch() error {
	var err error
	for range 3 {
		var l net.Listener
		if l, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			return err
		}
		s.URL = "http://" + l.Addr().String()
		l.Close()
		if err = s.run(); err == nil {
			return nil
		}
	}
	return err
}

// run starts the program on its URL and data directory and waits until it is healthy.
func (s *Server) run() error {
	address := strings.TrimPrefix(s.URL, "http://")
	var arguments []string
	if s.V2 {
		arguments = []string{
			"--http-bind-address", address, "--reporting-disabled", "--log-level", "error",
			"--bolt-path", filepath.Join(s.dir, "influxd.bolt"), "--sqlite-path", filepath.Join(s.dir, "influxd.sqlite"),
			"--engine-path", filepath.Join(s.dir, "engine"),
		}
	} else {
		config := filepath.Join(s.dir, "influxdb.conf")
		if err := os.WriteFile(config, fmt.Appendf(nil, configuration, s.dir, address), 0o600); err != nil {
			return err
		}
		arguments = []string{"-config", config}
	}
	p, err := startProcess(s.program, s.dir, arguments)
	if err != nil {
		return err
	}
	s.process = p
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	for {
		if err := s.healthy(ctx); err == nil {
			return nil
		}
		select {
		case <-p.ended:
			return fmt.Errorf("influxd ended before it was ready: %v\n%s", p.err, p.tail())
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("influxd is not ready after %s\n%s", startTimeout, p.tail()), s.end(syscall.SIGKILL))
		case <-time.After(pollEvery):
		}
	}
}

const configuration = `reporting-disabled = true
bind-address = "127.0.0.1:0"
[meta]
  dir = "%[1]s/meta"
  logging-enabled = false
[data]
  dir = "%[1]s/data"
  wal-dir = "%[1]s/wal"
  query-log-enabled = false
[monitor]
  store-enabled = false
[http]
  bind-address = %[2]q
  flux-enabled = true
  log-enabled = false
[logging]
  level = "error"
[continuous_queries]
  enabled = false
`

func (s *Server) healthy(ctx context.Context) error {
	body, err := s.request(ctx, http.MethodGet, "/health", nil)
	if err != nil {
		return err
	}
	var health struct{ Status string }
	if err := json.Unmarshal(body, &health); err != nil {
		return err
	}
	if health.Status != "pass" {
		return fmt.Errorf("health is %q", health.Status)
	}
	return nil
}

// setup makes the first organisation, user and token of a 2.x server.
func (s *Server) setup() error {
	s.Org, s.Token = "tidemark", "tidemark-test-token"
	request := map[string]any{"username": "tidemark", "password": "tidemark-test", "org": s.Org, "bucket": "first", "token": s.Token}
	body, err := s.send(http.MethodPost, "/api/v2/setup", request)
	if err != nil {
		return err
	}
	var answer struct {
		Org struct{ ID string }
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return err
	}
	s.orgID = answer.Org.ID
	return nil
}

// join makes use of a server that was given.
func join(given string) (*Server, error) {
	s := &Server{
		URL:   strings.TrimSuffix(given, "/"),
		Token: os.Getenv("TIDEMARK_TEST_INFLUX_TOKEN"),
		Org:   os.Getenv("TIDEMARK_TEST_INFLUX_ORG"),
	}
	ctx, cancel := context.WithTimeout(context.Background(), requestTimeout)
	defer cancel()
	if err := s.healthy(ctx); err != nil {
		return nil, fmt.Errorf("TIDEMARK_TEST_INFLUX_URL: %w", err)
	}
	body, err := s.request(ctx, http.MethodGet, "/api/v2/orgs?org="+url.QueryEscape(s.Org), nil)
	if err != nil {
		return s, nil // 1.8 has no organisations
	}
	var answer struct {
		Orgs []struct{ ID, Name string }
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return nil, err
	}
	if len(answer.Orgs) != 1 {
		return nil, fmt.Errorf("TIDEMARK_TEST_INFLUX_ORG %q is not one organisation but %d", s.Org, len(answer.Orgs))
	}
	s.V2, s.orgID, s.Org = true, answer.Orgs[0].ID, answer.Orgs[0].Name
	return s, nil
}

var notInNames = regexp.MustCompile(`[^A-Za-z0-9]+`)

// Bucket makes a fresh bucket (a database on 1.8), which goes with the test, and returns its name.
func (s *Server) Bucket(t testing.TB) string { return s.BucketKeeping(t, 0) }

// BucketKeeping is Bucket with a retention: points older than keep (at least an hour) are refused.
func (s *Server) BucketKeeping(t testing.TB, keep time.Duration) string {
	t.Helper()
	name := fmt.Sprintf("t%d_%d_%.40s", os.Getpid(), buckets.Add(1), notInNames.ReplaceAllString(t.Name(), "_"))
	must := func(body []byte, err error) []byte {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return body
	}
	if s.V2 {
		rules := []any{}
		if keep > 0 {
			rules = append(rules, map[string]any{"type": "expire", "everySeconds": int64(keep.Seconds())})
		}
		var made struct{ ID string }
		body := must(s.send(http.MethodPost, "/api/v2/buckets", map[string]any{"orgID": s.orgID, "name": name, "retentionRules": rules}))
		if err := json.Unmarshal(body, &made); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			s.drop(t, func() ([]byte, error) { return s.send(http.MethodDelete, "/api/v2/buckets/"+made.ID, nil) })
		})
		return name
	}
	statement := "CREATE DATABASE " + name
	if keep > 0 {
		statement += fmt.Sprintf(" WITH DURATION %dm", int64(keep.Minutes()))
	}
	must(s.InfluxQL("", statement))
	t.Cleanup(func() { s.drop(t, func() ([]byte, error) { return s.InfluxQL("", "DROP DATABASE "+name) }) })
	return name
}

// drop removes a bucket unless the test left the server down.
func (s *Server) drop(t testing.TB, remove func() ([]byte, error)) {
	if s.program != "" && s.process == nil {
		return
	}
	if _, err := remove(); err != nil {
		t.Errorf("remove the test's bucket: %v", err)
	}
}

// InfluxQL runs one statement on a 1.8 server and returns its JSON answer.
func (s *Server) InfluxQL(db, statement string) ([]byte, error) {
	body, err := s.send(http.MethodPost, "/query?"+url.Values{"db": {db}, "q": {statement}}.Encode(), nil)
	if err != nil {
		return nil, err
	}
	if bytes.Contains(body, []byte(`"error"`)) {
		return nil, fmt.Errorf("%s: %s", statement, body)
	}
	return body, nil
}

// Flux runs a query and returns its answer as CSV without annotations.
func (s *Server) Flux(t testing.TB, query string) string {
	t.Helper()
	body, err := s.send(http.MethodPost, "/api/v2/query?org="+url.QueryEscape(s.Org), map[string]any{
		"query": query, "type": "flux", "dialect": map[string]any{"header": true, "annotations": []string{}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// Write stores line protocol with times in seconds, past everything that Tidemark writes with.
func (s *Server) Write(t testing.TB, bucket string, lines ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), requestTimeout)
	defer cancel()
	path := "/api/v2/write?" + url.Values{"org": {s.Org}, "bucket": {bucket}, "precision": {"s"}}.Encode()
	if _, err := s.request(ctx, http.MethodPost, path, strings.NewReader(strings.Join(lines, "\n"))); err != nil {
		t.Fatal(err)
	}
}

func (s *Server) send(method, path string, value any) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), requestTimeout)
	defer cancel()
	var body io.Reader
	if value != nil {
		b, err := json.Marshal(value)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(b)
	}
	return s.request(ctx, method, path, body)
}

func (s *Server) request(ctx context.Context, method, path string, body io.Reader) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, method, s.URL+path, body)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	if s.Token != "" {
		r.Header.Set("Authorization", "Token "+s.Token)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode >= 300 {
		return nil, fmt.Errorf("%s %s: %s: %s", method, path, answer.Status, b)
	}
	return b, nil
}

// Kill ends the server as a crash would.
func (s *Server) Kill(t testing.TB) {
	t.Helper()
	if s == shared.server {
		t.Fatal("a shared server is not to be stopped: take one of your own from influxtest.Start")
	}
	if err := s.end(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
}

// Restart starts a killed server again, on the same data and port.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	if err := s.run(); err != nil {
		t.Fatal(err)
	}
}

func (s *Server) end(signal syscall.Signal) error {
	p := s.process
	if p == nil {
		return nil
	}
	s.process = nil
	if err := p.signal(signal); err != nil {
		return err
	}
	select {
	case <-p.ended:
	case <-time.After(startTimeout):
		if err := p.signal(syscall.SIGKILL); err != nil {
			return err
		}
		<-p.ended
	}
	return nil
}

// remove ends the server and deletes its data.
func (s *Server) remove() error {
	if s.program == "" {
		return nil
	}
	return errors.Join(s.end(syscall.SIGKILL), os.RemoveAll(s.dir))
}
