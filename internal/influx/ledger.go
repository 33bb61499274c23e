package influx

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"slices"
	"time"

	"github.com/influxdata/influxdb-client-go/v2/api/query"

	"github.com/tidemark/tidemark/internal/line"
	"github.com/tidemark/tidemark/internal/volume"
)

// Ledger is the outlooks that `forecast --write` has published to a bucket. It implements the planner's ledger.Store.
type Ledger struct {
	client *Client
	bucket string
}

// Ledger is the reading end of a forecast bucket.
func (c *Client) Ledger(bucket string) *Ledger { return &Ledger{c, bucket} }

// outlookFields are those of a row that is scored, as planner.OutlookPoint writes them.
func outlookFields() []string {
	fields := []string{
		"origin", "used", "capacity", "full_level", "p10_days", "p50_days", "p90_days", "prob_7d", "prob_30d", "prob_90d", "reason",
	}
	for _, days := range volume.PublishedDays {
		fields = append(fields, aheadField("forecast", days), aheadField("lower", days), aheadField("upper", days))
	}
	return fields
}

func aheadField(name string, days int) string { return fmt.Sprintf("%s_%dd", name, days) }

// outlookKey is one row: of a volume and a resource, at one time.
type outlookKey struct {
	path     string
	resource volume.Resource
	made     time.Time
}

// Published implements the planner's ledger.Store. It asks for one host at a time.
func (l *Ledger) Published(ctx context.Context, sel volume.Selector, from, to time.Time) iter.Seq2[volume.PublishedSeries, error] {
	return func(yield func(volume.PublishedSeries, error) bool) {
		if start := volume.StartOfDay(from); start.Before(from) {
			from = start.AddDate(0, 0, 1)
		}
		if !from.Before(to) {
			return
		}
		hosts, err := l.client.hosts(ctx, l.bucket, line.Outlook, sel, from, to)
		if err != nil {
			yield(volume.PublishedSeries{}, err)
			return
		}
		for _, host := range hosts {
			err := l.publishedOf(ctx, volume.Selector{Host: host, Path: sel.Path}, from, to, func(s volume.PublishedSeries) bool { return yield(s, nil) })
			if errors.Is(err, errStop) {
				return
			}
			if err != nil {
				yield(volume.PublishedSeries{}, err)
				return
			}
		}
	}
}

// publishedOf yields the series of one host. It returns errStop when yield wants no more.
func (l *Ledger) publishedOf(ctx context.Context, sel volume.Selector, from, to time.Time, yield func(volume.PublishedSeries) bool) error {
	flux := source(l.bucket, from, to) + where("_measurement", line.Outlook) + where("_field", outlookFields()...) + selected(sel) +
		"\n  |> keep(columns: [\"_time\", \"host\", \"path\", \"resource\", \"_field\", \"_value\"])"
	found := map[outlookKey]*volume.Published{}
	err := l.client.rows(ctx, l.bucket, flux, func(r *query.FluxRecord) error {
		key := outlookKey{text(r, "path"), volume.Resource(text(r, "resource")), instant(r)}
		known := key.resource == volume.Space || key.resource == volume.Inodes
		if !known || !sel.Matches(volume.ID{Host: text(r, "host"), Path: key.path}) {
			return nil
		}
		if found[key] == nil {
			found[key] = nothingPublished(key.made)
		}
		publish(found[key], text(r, "_field"), r.ValueByKey("_value"))
		return nil
	})
	if err != nil {
		return err
	}
	keys := make([]outlookKey, 0, len(found))
	for key := range found {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, compareOutlooks)
	for len(keys) > 0 {
		s := volume.PublishedSeries{ID: volume.ID{Host: sel.Host, Path: keys[0].path}, Resource: keys[0].resource}
		var last time.Time
		for len(keys) > 0 && keys[0].path == s.Path && keys[0].resource == s.Resource {
			key := keys[0]
			keys = keys[1:]
			if day := volume.StartOfDay(key.made); last.IsZero() || !day.Equal(last) { // the first of a day counts
				s.Outlooks, last = append(s.Outlooks, *found[key]), day
			}
		}
		if !yield(s) {
			return errStop
		}
	}
	return nil
}

// compareOutlooks orders by path, space before inodes, then time.
func compareOutlooks(a, b outlookKey) int {
	switch {
	case a.path != b.path:
		return cmp.Compare(a.path, b.path)
	case a.resource != b.resource:
		return cmp.Compare(b.resource, a.resource)
	}
	return a.made.Compare(b.made)
}

// nothingPublished is a row without its fields. Those of earlier versions lack the origin, which was minutes before, and what was said of days
// ahead.
func nothingPublished(made time.Time) *volume.Published {
	nan := math.NaN()
	o := volume.Published{
		Made: made, Origin: made, Used: nan, Capacity: nan, FullLevel: nan, P10Days: nan, P50Days: nan, P90Days: nan,
		Probability7: nan, Probability30: nan, Probability90: nan,
	}
	for i := range o.Ahead {
		o.Ahead[i] = volume.Predicted{Forecast: nan, Lower: nan, Upper: nan}
	}
	return &o
}

// publish sets a field of a row. A host's rows of two years are held at once, so they are small.
func publish(o *volume.Published, field string, value any) {
	switch v := value.(type) {
	case int64:
		if field == "origin" {
			o.Origin = time.Unix(v, 0).UTC()
		}
	case string:
		if field == "reason" {
			o.Reason = v
		}
	case float64:
		if field == "full_level" {
			v /= 100
		}
		if number := numberOf(o, field); number != nil {
			*number = v
		}
	}
}

// numberOf is where a row keeps a number; nil for another field.
func numberOf(o *volume.Published, field string) *float64 {
	switch field {
	case "used":
		return &o.Used
	case "capacity":
		return &o.Capacity
	case "full_level":
		return &o.FullLevel
	case "p10_days":
		return &o.P10Days
	case "p50_days":
		return &o.P50Days
	case "p90_days":
		return &o.P90Days
	case "prob_7d":
		return &o.Probability7
	case "prob_30d":
		return &o.Probability30
	case "prob_90d":
		return &o.Probability90
	}
	for i, days := range volume.PublishedDays {
		switch field {
		case aheadField("forecast", days):
			return &o.Ahead[i].Forecast
		case aheadField("lower", days):
			return &o.Ahead[i].Lower
		case aheadField("upper", days):
			return &o.Ahead[i].Upper
		}
	}
	return nil
}
