package influx_test

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/tidemark/tidemark/internal/influx"
	"github.com/tidemark/tidemark/internal/influxtest"
)

func TestMain(m *testing.M) { os.Exit(influxtest.Main(m)) }

func newClient(t testing.TB, o influx.Options) *influx.Client {
	t.Helper()
	c, err := influx.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// clientOf is a client of a real server, by way of the URL, which may be a proxy's.
func clientOf(t testing.TB, s *influxtest.Server, url string) *influx.Client {
	t.Helper()
	return newClient(t, influx.Options{URL: url, Org: s.Org, Token: s.Token})
}

func wantError(t *testing.T, err error, status int, words ...string) *influx.Error {
	t.Helper()
	var e *influx.Error
	if !errors.As(err, &e) {
		t.Fatalf("error %v (%T), want an *influx.Error", err, err)
	}
	if e.Status != status {
		t.Errorf("status %d, want %d: %v", e.Status, status, err)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("error %q does not say %q", err, w)
		}
	}
	return e
}

func TestWriteStoresSecondsOnce(t *testing.T) {
	s := influxtest.Shared(t)
	bucket := s.Bucket(t)
	w := clientOf(t, s, s.URL).Writer(bucket)
	lines := []string{"disk,host=a used=1i 1700000000", "disk,host=a used=2i 1700000060"}
	for range 2 {
		if err := w.Write(t.Context(), lines); err != nil {
			t.Fatal(err)
		}
	}
	got := s.Flux(t, fmt.Sprintf(`from(bucket: %q) |> range(start: 0) |> keep(columns: ["_time", "_value"])`, bucket))
	for _, want := range []string{"2023-11-14T22:13:20Z,1\r\n", "2023-11-14T22:14:20Z,2\r\n"} {
		if strings.Count(got, want) != 1 {
			t.Errorf("the server holds %q, want %q once", got, want)
		}
	}
}

// What the shipper's verdicts and the hints stand on: how each generation refuses a line beside a good one, and whether it
// stores the good one.
func TestWriteErrorsOfTheServer(t *testing.T) {
	type answer struct {
		status int
		stored bool
	}
	taken := answer{204, true}
	s := influxtest.Shared(t)
	now := time.Now().Unix()
	for _, tc := range []struct {
		name     string
		options  influx.Options
		bucket   string // empty means one of the test's own
		bad      string
		v1, v2   answer
		words    string
		alsoRead bool // reading fails with the same words
	}{
		{name: "missing bucket", bucket: "no_such_bucket", v1: answer{status: 404}, v2: answer{status: 404}, words: `create the bucket "no_such_bucket"`, alsoRead: true},
		{name: "unreadable line", bad: fmt.Sprintf("m f= %d", now), v1: answer{400, true}, v2: answer{400, false}, words: "unable to parse"},
		{name: "field of another type", bad: fmt.Sprintf(`m f="text" %d`, now), v1: answer{400, true}, v2: answer{422, true}, words: "type conflict"},
		{name: "beyond retention", bad: "m f=2i 1700000000", v1: answer{400, true}, v2: answer{422, true}, words: "retention policy"},
		// 1.8 takes any organisation, and the one that the tests start any token.
		{name: "no organisation", options: influx.Options{Token: s.Token}, v1: taken, v2: answer{}, words: "influx.org", alsoRead: true},
		{name: "unknown organisation", options: influx.Options{Token: s.Token, Org: "nobody"}, v1: taken, v2: answer{status: 404}, words: "influx.org", alsoRead: true},
		{name: "unknown token", options: influx.Options{Token: "nonsense", Org: s.Org}, v1: taken, v2: answer{status: 401}, words: "influx.token_file", alsoRead: true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			bucket := tc.bucket
			if bucket == "" {
				bucket = s.BucketKeeping(t, time.Hour)
				s.Write(t, bucket, fmt.Sprintf("m f=0i %d", now-2)) // the field is an integer from here on
			}
			want := tc.v1
			if s.V2 {
				want = tc.v2
			}
			o := tc.options
			if o == (influx.Options{}) {
				o = influx.Options{Org: s.Org, Token: s.Token}
			}
			o.URL = s.URL
			c := newClient(t, o)
			lines := []string{fmt.Sprintf("m f=1i %d", now-1)}
			if tc.bad != "" {
				lines = append(lines, tc.bad)
			}
			err := c.Write(t.Context(), bucket, lines)
			if want == taken {
				if err != nil {
					t.Error(err)
				}
			} else {
				wantError(t, err, want.status, tc.words, s.URL)
				if tc.alsoRead {
					_, err := c.History(bucket).Newest(t.Context(), everyone, day0, day0.AddDate(100, 0, 0))
					if err == nil || !strings.Contains(err.Error(), tc.words) {
						t.Errorf("reading: error %v, want %q", err, tc.words)
					}
				}
			}
			if tc.bucket != "" {
				return
			}
			got := s.Flux(t, fmt.Sprintf(`from(bucket: %q) |> range(start: 0) |> filter(fn: (r) => r._value == 1)`, bucket))
			if strings.Contains(got, ",f,") != want.stored {
				t.Errorf("the server holds %q; is the good line stored? want %t", got, want.stored)
			}
		})
	}
}

func TestWriteErrors(t *testing.T) {
	const token = "user:s3cret"
	for _, tc := range []struct {
		name       string
		answer     http.HandlerFunc
		status     int
		retryAfter time.Duration
		words      []string
	}{
		{
			name: "unauthorised", status: 401, words: []string{"unauthorized access", "influx.token_file"},
			answer: func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(401)
				fmt.Fprintf(w, `{"code":"unauthorized","message":"unauthorized access with %s"}`, r.Header.Get("Authorization"))
			},
		},
		{
			name: "too many in seconds", status: 429, retryAfter: 7 * time.Second,
			answer: func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Retry-After", "7")
				w.WriteHeader(429)
			},
		},
		{
			name: "too many until a date", status: 503, retryAfter: time.Minute,
			answer: func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Date", "Sun, 01 Mar 2026 10:00:00 GMT")
				w.Header().Set("Retry-After", "Sun, 01 Mar 2026 10:01:00 GMT")
				w.WriteHeader(503)
			},
		},
		{
			name: "2.x line protocol error with a cause that is a text", status: 400, words: []string{"bad line"},
			answer: func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(400)
				io.WriteString(w, `{"code":"invalid","message":"bad line","op":"write","err":"cause","line":2}`)
			},
		},
		{
			name: "a cut JSON answer", status: 500, words: []string{"out of luck"},
			answer: func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				w.Header().Set("X-Influxdb-Error", "out of luck")
				w.WriteHeader(500)
				io.WriteString(w, `{"code":`)
			},
		},
		{
			name: "a redirect is no acknowledgement", status: 302, words: []string{"redirects"},
			answer: func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/login", http.StatusFound) },
		},
		{
			name: "a page is no acknowledgement", status: 0, words: []string{"204"},
			answer: func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html>welcome") },
		},
		{
			name: "plain HTTP on a TLS port says nothing of the lines", status: 0, words: []string{"https://"},
			answer: func(w http.ResponseWriter, _ *http.Request) {
				http.Error(w, "Client sent an HTTP request to an HTTPS server.", 400)
			},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := httptest.NewServer(tc.answer)
			defer s.Close()
			c := newClient(t, influx.Options{URL: s.URL, Token: token})
			err := c.Write(t.Context(), "cap", []string{"m f=1i 1"})
			e := wantError(t, err, tc.status, tc.words...)
			if e.RetryAfter != tc.retryAfter {
				t.Errorf("RetryAfter %s, want %s", e.RetryAfter, tc.retryAfter)
			}
			if strings.Contains(fmt.Sprintf("%v %+v %#v", err, err, err), token) {
				t.Errorf("the token is in the error %#v", err)
			}
		})
	}
}

func TestWriteWithoutServer(t *testing.T) {
	s := httptest.NewServer(http.NotFoundHandler())
	s.Close()
	err := newClient(t, influx.Options{URL: s.URL, Token: "secret-token"}).Write(t.Context(), "cap", []string{"m f=1i 1"})
	e := wantError(t, err, 0, "influx.url", s.URL)
	if e.Err == nil || strings.Contains(err.Error(), "secret-token") {
		t.Errorf("error %#v, want one that wraps its cause and hides the token", e)
	}
}

func TestWriteGivesUpInTime(t *testing.T) {
	release := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer s.Close()
	defer close(release)
	err := newClient(t, influx.Options{URL: s.URL, WriteTimeout: time.Millisecond}).Write(t.Context(), "cap", []string{"m f=1i 1"})
	wantError(t, err, 0, "did not answer in time")
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v, want a deadline", err)
	}
}

func TestTLSWithOwnAuthority(t *testing.T) {
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }))
	defer s.Close()
	ca := t.TempDir() + "/ca.pem"
	authority := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	if err := os.WriteFile(ca, authority, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := newClient(t, influx.Options{URL: s.URL, CAFile: ca}).Write(t.Context(), "cap", []string{"m f=1i 1"}); err != nil {
		t.Error(err)
	}
	wantError(t, newClient(t, influx.Options{URL: s.URL}).Write(t.Context(), "cap", []string{"m f=1i 1"}), 0, "certificate")
}

func TestNewRefuses(t *testing.T) {
	empty := t.TempDir() + "/empty.pem"
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name, words string
		options     influx.Options
	}{
		{"nothing", "influx.url is no address", influx.Options{}},
		{"no scheme", "influx.url is no address", influx.Options{URL: "influx.example:8086"}},
		{"a password in the URL", "must not hold a password", influx.Options{URL: "http://me:secret@h:8086"}},
		{"a query in the URL", "leave out", influx.Options{URL: "http://h:8086?org=x"}},
		{"a missing authority", "read influx.ca_file", influx.Options{URL: "https://h", CAFile: "/does/not/exist"}},
		{"an empty authority", "no certificate", influx.Options{URL: "https://h", CAFile: empty}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := influx.New(tc.options)
			if err == nil || !strings.Contains(err.Error(), tc.words) || strings.Contains(err.Error(), "secret") {
				t.Errorf("error %v, want %q", err, tc.words)
			}
		})
	}
}
