package influx

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/influxdata/influxdb-client-go/v2/api/query"
)

// quote makes a Flux string literal that stands for exactly s, whatever s holds: quotes, backslashes, ${ }, line ends and
// bytes that are no UTF-8.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == '"', r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < ' ', r == 0x7f, r == '$', r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		default:
			b.WriteString(s[i : i+size])
		}
		i += size
	}
	b.WriteByte('"')
	return b.String()
}

// The times that a range may reach from and to: the servers refuse others, and a stop that is left out means now, which
// would hide a host whose clock is ahead.
var (
	earliest = time.Unix(0, 0).UTC()
	latest   = time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC)
)

// source is the beginning of every query: the points of [from, to) in the bucket. Flux 0.65 takes a point at stop into
// the range and 2.x does not; points are written at whole seconds, so a stop just before to is right for both.
func source(bucket string, from, to time.Time) string {
	if from.Before(earliest) {
		from = earliest
	}
	if to.After(latest) {
		to = latest
	}
	return fmt.Sprintf("from(bucket: %s)\n  |> range(start: %s, stop: %s)", quote(bucket),
		from.UTC().Format(time.RFC3339Nano), to.Add(-1).UTC().Format(time.RFC3339Nano))
}

// where is a filter for a column that equals one of the values. 2.x stores and returns strings that are no UTF-8, but
// refuses a query that names one: then there is no filter, and the caller must look at the rows itself.
func where(column string, values ...string) string {
	if slices.ContainsFunc(values, func(v string) bool { return !utf8.ValidString(v) }) {
		return ""
	}
	alternatives := make([]string, len(values))
	for i, v := range values {
		alternatives[i] = fmt.Sprintf("r[%s] == %s", quote(column), quote(v))
	}
	return "\n  |> filter(fn: (r) => " + strings.Join(alternatives, " or ") + ")"
}

// rows runs a query and calls row for each row of its result, as it arrives. The error of row ends it.
func (c *Client) rows(ctx context.Context, bucket, flux string, row func(*query.FluxRecord) error) error {
	ctx, cancel := context.WithTimeout(ctx, c.queryTimeout)
	defer cancel()
	result, err := c.client.QueryAPI(c.org).Query(ctx, flux)
	if err != nil {
		return c.failure("read", bucket, err)
	}
	defer func() {
		cancel() // or Close would read a result to its end that nobody wants
		result.Close()
	}()
	for result.Next() {
		if err := row(result.Record()); err != nil {
			return err
		}
	}
	if err := result.Err(); err != nil {
		e := c.failure("read", bucket, err)
		e.Hint = ""
		return e
	}
	return nil
}

// text is a string column of a row, empty when it is absent or null.
func text(r *query.FluxRecord, column string) string {
	s, _ := r.ValueByKey(column).(string)
	return s
}

// whole is a number of a row as an integer, 0 when it is absent or null. Telegraf can be set to write unsigned integers.
func whole(r *query.FluxRecord, column string) int64 {
	switch v := r.ValueByKey(column).(type) {
	case int64:
		return v
	case uint64:
		return int64(min(v, math.MaxInt64)) // an overdrawn quota is read as unsigned by others
	case float64:
		return int64(v)
	default:
		return 0
	}
}

// instant is the time of a row in whole seconds.
func instant(r *query.FluxRecord) time.Time {
	t, _ := r.ValueByKey("_time").(time.Time)
	return t.UTC().Truncate(time.Second)
}
