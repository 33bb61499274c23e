// Package influx speaks with InfluxDB: it writes lines, and reads the history of a fleet's volumes by Flux that runs on
// 1.8 as well as on 2.x.
//
// A [Client] is one server with one organisation and token. [Client.Writer] is the writing end of a bucket; what it
// returns on failure is an [Error] whose status says what may be done about it. [Client.History] is the reading end.
package influx

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	influxdb2 "github.com/influxdata/influxdb-client-go/v2"
)

// Times within which a server must answer.
const (
	DefaultWriteTimeout = 30 * time.Second
	DefaultQueryTimeout = 5 * time.Minute
	dialTimeout         = 10 * time.Second
)

// Options say where the server is and who we are to it.
type Options struct {
	URL    string // https://influx.example:8086
	Org    string // 2.x needs it, 1.8 ignores it
	Token  string // on 1.8 user:password; empty where the server asks for none
	CAFile string // PEM file of the certificates to trust in place of the system's; empty means the system's

	WriteTimeout time.Duration // for one write; 0 means DefaultWriteTimeout
	QueryTimeout time.Duration // for one query with its result; 0 means DefaultQueryTimeout
}

// Client is a connection to one server. It is safe for concurrent use.
type Client struct {
	client       influxdb2.Client
	http         *http.Client
	org          string
	address      string // the URL, for error messages
	token        string // to keep it out of error messages
	writeTimeout time.Duration
	queryTimeout time.Duration
}

// New makes a client. It does not connect: a server that is down now may be up when there is something to write.
func New(o Options) (*Client, error) {
	u, err := url.Parse(o.URL)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return nil, errors.New("influx.url is no address: write http://host:8086 or https://host:8086")
	}
	if u.User != nil {
		return nil, errors.New("influx.url must not hold a password: put user:password into the file of influx.token_file")
	}
	if u.RawQuery != "" || u.Fragment != "" {
		return nil, errors.New("influx.url must end with the host, or a path: leave out what follows ? or #")
	}
	transport := &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: dialTimeout}).DialContext,
		TLSHandshakeTimeout: dialTimeout,
		MaxIdleConnsPerHost: 4,
		IdleConnTimeout:     90 * time.Second,
	}
	if o.CAFile != "" {
		if transport.TLSClientConfig, err = trusting(o.CAFile); err != nil {
			return nil, err
		}
	}
	c := &Client{
		http: &http.Client{
			Transport: transport,
			// A write that is redirected becomes a GET, whose success would be taken for an acknowledgement.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		org:          o.Org,
		address:      u.String(),
		token:        o.Token,
		writeTimeout: o.WriteTimeout,
		queryTimeout: o.QueryTimeout,
	}
	if c.writeTimeout == 0 {
		c.writeTimeout = DefaultWriteTimeout
	}
	if c.queryTimeout == 0 {
		c.queryTimeout = DefaultQueryTimeout
	}
	options := influxdb2.DefaultOptions().SetPrecision(time.Second).SetApplicationName("tidemark").SetLogLevel(0)
	options.HTTPOptions().SetHTTPDoer(acknowledged{c.http})
	c.client = influxdb2.NewClientWithOptions(c.address, o.Token, options)
	return c, nil
}

// trusting is a TLS configuration that accepts the certificates signed by those in the file.
func trusting(file string) (*tls.Config, error) {
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read influx.ca_file: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("influx.ca_file %s holds no certificate in PEM form", file)
	}
	return &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}, nil
}

// Close lets go of idle connections.
func (c *Client) Close() {
	c.client.Close()
	c.http.CloseIdleConnections()
}

// Write stores lines, whose times are in seconds, in the bucket. nil means that the server has stored all of them. The
// error is otherwise an [*Error]; what then became of the lines depends on its status, and writing them again is
// harmless. It does not retry.
func (c *Client) Write(ctx context.Context, bucket string, lines []string) error {
	ctx, cancel := context.WithTimeout(ctx, c.writeTimeout)
	defer cancel()
	if err := c.client.WriteAPIBlocking(c.org, bucket).WriteRecord(ctx, lines...); err != nil {
		return c.failure("write to", bucket, err)
	}
	return nil
}

// BucketWriter writes to one bucket.
type BucketWriter struct {
	client *Client
	bucket string
}

// Writer is the writing end of a bucket.
func (c *Client) Writer(bucket string) *BucketWriter { return &BucketWriter{c, bucket} }

// Write is [Client.Write] to the bucket.
func (w *BucketWriter) Write(ctx context.Context, lines []string) error {
	return w.client.Write(ctx, w.bucket, lines)
}

// acknowledged takes for success only what InfluxDB answers: to a write 204, to a query CSV, also where no row is in it. A
// portal or a wrong address likes to answer anything with 200 and a page: the lines would be gone, and a fleet that could not
// be read would look like an empty one.
type acknowledged struct{ client *http.Client }

func (a acknowledged) Do(r *http.Request) (*http.Response, error) {
	answer, err := a.client.Do(r)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode/100 != 2 {
		return answer, nil
	}
	kind := answer.Header.Get("Content-Type")
	switch {
	case strings.HasSuffix(r.URL.Path, "/api/v2/write") && answer.StatusCode != http.StatusNoContent:
		err = fmt.Errorf("the answer to a write was %q where InfluxDB says 204", answer.Status)
	case strings.HasSuffix(r.URL.Path, "/api/v2/query") && !strings.HasPrefix(kind, "text/csv"):
		err = fmt.Errorf("the answer to a query was %q of type %q where InfluxDB sends text/csv", answer.Status, kind)
	}
	if err != nil {
		answer.Body.Close()
		return nil, err
	}
	return answer, nil
}
