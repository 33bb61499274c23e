package planner

import (
	"maps"
	"math"
	"time"

	"github.com/tidemark/tidemark/internal/line"
)

// Measurements that the boards read.
const (
	ForecastMeasurement = "tidemark_forecast"
	OutlookMeasurement  = "tidemark_outlook"
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

// OutlookPoint is an outlook's row: what is not known is left out. Days count from the outlook's origin; full_level is in
// percent, as used_percent is.
func OutlookPoint(o Outlook, made time.Time) line.Point {
	p := line.Point{Measurement: OutlookMeasurement, Tags: outlookTags(o), Time: made}
	number := func(key string, v float64) {
		if !math.IsNaN(v) {
			p.Fields = append(p.Fields, line.Float(key, v))
		}
	}
	days := func(key string, t time.Time) {
		if !t.IsZero() {
			number(key, t.Sub(o.Origin).Hours()/24)
		}
	}
	ttf := o.TimeToFull
	number("growth_per_day", o.GrowthPerDay)
	days("p10_days", ttf.P10)
	days("p50_days", ttf.P50)
	days("p90_days", ttf.P90)
	number("prob_7d", ttf.Probability7)
	number("prob_30d", ttf.Probability30)
	number("prob_90d", ttf.Probability90)
	number("full_level", o.FullLevel*100)
	number("backtest_mase", o.Backtest.MASE)
	p.Fields = append(p.Fields, line.Text("method", o.Method), line.Text("reason", string(ttf.Reason)))
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
