package planner

import (
	"fmt"
	"maps"
	"math"
	"time"

	"github.com/tidemark/tidemark/internal/line"
	"github.com/tidemark/tidemark/internal/volume"
)

// Measurements that the boards read.
const (
	ForecastMeasurement = "tidemark_forecast"
	OutlookMeasurement  = line.Outlook
	EventMeasurement    = "tidemark_event"
)

// ForecastPoints are an outlook's points in the future of made: daily at 00:00 UTC, each with the time at which it was
// made, so that a board can keep the newest forecast.
func ForecastPoints(o Outlook, made time.Time) []line.Point {
	points := make([]line.Point, 0, len(o.Points))
	tags := outlookTags(o) // the points share it
	for _, p := range o.Points {
		if !p.Time.After(made) {
			continue
		}
		points = append(points, line.Point{
			Measurement: ForecastMeasurement, Tags: tags, Time: p.Time,
			Fields: []line.Field{
				line.Float("used", p.Forecast), line.Float("lower", p.Lower), line.Float("upper", p.Upper), line.Int("made", made.Unix()),
			},
		})
	}
	return points
}

// PublishedOf is what the ledger keeps of an outlook from a history; made is cut to whole seconds.
func PublishedOf(o Outlook, made time.Time) volume.Published {
	days := func(t time.Time) float64 {
		if t.IsZero() {
			return math.NaN()
		}
		return t.Sub(o.Origin).Hours() / 24
	}
	t := o.TimeToFull
	p := volume.Published{
		Made: made.UTC().Truncate(time.Second), Origin: o.Origin.UTC().Truncate(time.Second), Used: o.Used, Capacity: o.Capacity, FullLevel: o.FullLevel,
		P10Days: days(t.P10), P50Days: days(t.P50), P90Days: days(t.P90),
		Probability7: t.Probability7, Probability30: t.Probability30, Probability90: t.Probability90, Reason: string(t.Reason),
	}
	for i, n := range volume.PublishedDays {
		p.Ahead[i] = volume.Predicted{Forecast: math.NaN(), Lower: math.NaN(), Upper: math.NaN()}
		day := volume.StartOfDay(o.Origin).AddDate(0, 0, n)
		for _, point := range o.Points {
			if point.Time.Equal(day) {
				p.Ahead[i] = volume.Predicted{Forecast: point.Forecast, Lower: point.Lower, Upper: point.Upper}
			}
		}
	}
	return p
}

// OutlookPoint is an outlook's row, which internal/influx reads back as the ledger: what is not known is left out. Days count from
// the outlook's origin; full_level is in percent, as used_percent is. The points of tidemark_forecast are written over by each later
// forecast for the same day, so the row has what was said of the days 7, 30 and 90 ahead.
func OutlookPoint(o Outlook, made time.Time) line.Point {
	p := line.Point{Measurement: OutlookMeasurement, Tags: outlookTags(o), Time: made}
	number := func(key string, v float64) {
		if !math.IsNaN(v) {
			p.Fields = append(p.Fields, line.Float(key, v))
		}
	}
	said := PublishedOf(o, made)
	number("growth_per_day", o.GrowthPerDay)
	number("p10_days", said.P10Days)
	number("p50_days", said.P50Days)
	number("p90_days", said.P90Days)
	number("prob_7d", said.Probability7)
	number("prob_30d", said.Probability30)
	number("prob_90d", said.Probability90)
	number("full_level", o.FullLevel*100)
	number("backtest_mase", o.Backtest.MASE)
	number("used", o.Used)
	number("capacity", o.Capacity)
	for i, n := range volume.PublishedDays {
		number(fmt.Sprintf("forecast_%dd", n), said.Ahead[i].Forecast)
		number(fmt.Sprintf("lower_%dd", n), said.Ahead[i].Lower)
		number(fmt.Sprintf("upper_%dd", n), said.Ahead[i].Upper)
	}
	p.Fields = append(p.Fields, line.Int("origin", said.Origin.Unix()), line.Text("method", o.Method), line.Text("reason", said.Reason))
	return p
}

// EventPoints are what happened to the volume, for annotations: at the time of each event's end, its kind the tag event, from (Unix
// seconds) its beginning. Writing them again writes the same points.
func EventPoints(o Outlook, made time.Time) []line.Point {
	points := make([]line.Point, 0, len(o.Events))
	for _, e := range o.Events {
		tags := outlookTags(o)
		tags["event"] = string(e.Kind)
		points = append(points, line.Point{
			Measurement: EventMeasurement, Tags: tags, Time: e.To,
			Fields: []line.Field{line.Float("change", e.Change), line.Int("from", e.From.Unix()), line.Int("made", made.Unix())},
		})
	}
	return points
}

// outlookTags are the volume's identity, the resource and the configured tags: never the device, filesystem type, mode
// or label, so that a board's series does not split when a volume is remounted.
func outlookTags(o Outlook) map[string]string {
	tags := maps.Clone(o.Sample.Tags)
	if tags == nil {
		tags = map[string]string{}
	}
	tags["host"], tags["path"], tags["resource"] = o.Volume.Host, o.Volume.Path, string(o.Resource)
	return tags
}
