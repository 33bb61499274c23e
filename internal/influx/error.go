package influx

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	clienthttp "github.com/influxdata/influxdb-client-go/v2/api/http"
)

// Error is what went wrong between us and the server.
type Error struct {
	Status     int           // the HTTP status; 0 when there was no answer, or none that is a word on what was sent
	RetryAfter time.Duration // how long the server asks to be left alone; 0 when it does not say
	Message    string        // the server's own words, or those of the network
	Op         string        // what was tried, and where
	Hint       string        // what to do about it; may be empty
	Err        error         // the cause, when there was no answer
}

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Op)
	b.WriteString(": ")
	if e.Status != 0 {
		fmt.Fprintf(&b, "%d %s", e.Status, http.StatusText(e.Status))
		if e.Message != "" {
			b.WriteString(": ")
		}
	}
	b.WriteString(e.Message)
	if e.Hint != "" {
		b.WriteString(" (" + e.Hint + ")")
	}
	return b.String()
}

func (e *Error) Unwrap() error { return e.Err }

// longestMessage bounds what is kept of a server's answer: a proxy's error page is of no use.
const longestMessage = 500

// failure makes an Error of what the client library returned. The token is never in it.
func (c *Client) failure(verb, bucket string, err error) *Error {
	e := &Error{Op: fmt.Sprintf("%s InfluxDB bucket %q at %s", verb, bucket, c.address)}
	var answer *clienthttp.Error
	if errors.As(err, &answer) && answer.StatusCode != 0 {
		e.Status, e.Message, e.RetryAfter = answer.StatusCode, answer.Message, retryAfter(answer)
		if e.Message == "" {
			e.Message = answer.Header.Get("X-Influxdb-Error")
		}
	} else {
		e.Err, e.Message = err, err.Error()
		if answer != nil && answer.Err != nil {
			e.Err = answer.Err
		}
	}
	e.Message = strings.TrimSpace(e.Message)
	if c.token != "" {
		e.Message = strings.ReplaceAll(e.Message, c.token, "(token)")
	}
	if len(e.Message) > longestMessage {
		e.Message = strings.ToValidUTF8(e.Message[:longestMessage], "") + "…"
	}
	if toHTTPS(e.Message) || withoutOrg(e.Message) {
		e.Status = 0
	}
	e.Hint = hint(e, bucket)
	return e
}

// retryAfter reads both forms of the header: seconds, or a date, which counts from the answer's own.
func retryAfter(answer *clienthttp.Error) time.Duration {
	v := answer.Header.Get("Retry-After")
	if seconds, err := strconv.ParseUint(v, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	until, err := http.ParseTime(v)
	if err != nil {
		return 0
	}
	sent, err := http.ParseTime(answer.Header.Get("Date"))
	if err != nil {
		return 0
	}
	return max(0, until.Sub(sent))
}

// toHTTPS recognises how servers answer plain HTTP on a TLS port: with a 400 that says nothing of the lines.
func toHTTPS(message string) bool {
	return strings.Contains(message, "HTTP request to an HTTPS server") || strings.Contains(message, "plain HTTP request was sent to HTTPS port")
}

// withoutOrg recognises how 2.x answers a client that names no organisation: with a 400 that says nothing of the lines.
func withoutOrg(message string) bool {
	return strings.Contains(message, "Please provide either orgID or org")
}

// unknownOrg recognises an organisation that 2.x does not have: 404 to a write, 400 to a query.
func unknownOrg(message string) bool {
	return strings.Contains(message, `organization name "`) || strings.Contains(message, "organization not found")
}

// hint says what an administrator can do.
func hint(e *Error, bucket string) string {
	switch {
	case toHTTPS(e.Message):
		return "write https:// in influx.url"
	case withoutOrg(e.Message), unknownOrg(e.Message):
		return "write the organisation's name in influx.org: InfluxDB 2.x needs it"
	case missingBucket(e):
		return fmt.Sprintf("create the bucket %q, on 1.8 the database, or mend influx.bucket, influx.forecast_bucket or influx.org; "+
			"2.x also says so to a token that may not read it", bucket)
	case strings.Contains(e.Message, "flux-enabled"):
		return "set flux-enabled = true under [http] of the server's influxdb.conf"
	case e.Status == http.StatusUnauthorized, e.Status == http.StatusForbidden:
		return "give a token for this bucket in influx.token_file; on 1.8 it is user:password"
	case e.Status == http.StatusNotFound:
		return "mend influx.url, or create the bucket; to read, the server must speak Flux: InfluxDB 1.8 or 2.x"
	case e.Status/100 == 3:
		return "the server redirects: write the address it points to in influx.url"
	case errors.Is(e.Err, context.Canceled):
		return ""
	case errors.Is(e.Err, context.DeadlineExceeded):
		return "the server did not answer in time"
	case e.Status == 0:
		return "see whether the server runs, and influx.url"
	default:
		return ""
	}
}

// missingBucket recognises the words of the generations: 1.8 knows databases and retention policies, 2.x buckets.
func missingBucket(e *Error) bool {
	for _, words := range []string{"database not found", "no database", "invalid retention policy", "could not find bucket", "retention policy not found", "bucket not found"} {
		if strings.Contains(e.Message, words) {
			return true
		}
	}
	return (e.Status == http.StatusNotFound || e.Status == http.StatusInternalServerError) &&
		strings.Contains(e.Message, "bucket") && strings.Contains(e.Message, "not found")
}
