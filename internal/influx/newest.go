package influx

import (
	"context"
	"strings"
	"time"

	"github.com/influxdata/influxdb-client-go/v2/api/query"
)

// Value is a whole number of a measurement, with its series' tags.
type Value struct {
	Tags  map[string]string
	Time  time.Time // whole seconds, UTC
	Value int64
}

// NewestValues returns the newest value within [since, until) of a field, for each series of a measurement that has these tags. The
// order is the server's.
func (h *History) NewestValues(ctx context.Context, measurement, field string, tags map[string]string, since, until time.Time) ([]Value, error) {
	if !since.Before(until) {
		return nil, nil // the servers refuse an empty range
	}
	var filters strings.Builder
	for k, v := range tags {
		filters.WriteString(where(k, v))
	}
	flux := source(h.bucket, since, until) + where("_measurement", measurement) + where("_field", field) + filters.String() +
		"\n  |> last()\n  |> drop(columns: [\"_start\", \"_stop\", \"_measurement\"])"
	var all []Value
	err := h.client.rows(ctx, h.bucket, flux, func(r *query.FluxRecord) error {
		found := tagsOf(r)
		for k, v := range tags {
			if found[k] != v {
				return nil // where has no filter for some strings
			}
		}
		all = append(all, Value{found, instant(r), whole(r, "_value")})
		return nil
	})
	return all, err
}
