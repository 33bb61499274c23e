// Package ledger scores the outlooks that were published, when their time has come: what was said of a volume is held against
// what its history came to say.
package ledger

import (
	"context"
	"fmt"
	"iter"
	"math"
	"time"

	"github.com/tidemark/tidemark/internal/volume"
	"github.com/tidemark/tidemark/planner"
	"github.com/tidemark/tidemark/planner/backtest"
	"github.com/tidemark/tidemark/planner/forecast"
)

const (
	day        = 24 * time.Hour
	alarmAhead = 30 * day
	// kept is how far back outlooks are scored.
	kept = 2 * 365 * day
	// longestDate is how far a date is followed.
	longestDate = 365 * day
	// rounding is what an interval without a width may be off by, as in a backtest.
	rounding = 1e-9
)

// Store is the outlooks that were published: this host's own (internal/ledger), or a fleet's in InfluxDB (internal/influx).
// Implementations are safe for concurrent use.
type Store interface {
	// Published yields the selected volumes of which an outlook was made within [from, to), sorted by ID, space before inodes; from is
	// rounded up to 00:00 UTC. Each has the first outlook of each UTC day, in the order of time, as it was published: a later one of the same day replaces none.
	// One host's are held in memory at a time. An error ends the sequence.
	Published(ctx context.Context, sel volume.Selector, from, to time.Time) iter.Seq2[volume.PublishedSeries, error]
}

// Accuracy is how right the published outlooks of one resource of a volume were.
type Accuracy struct {
	Series   string // host:path
	Volume   volume.ID
	Resource volume.Resource
	Unit     string

	Outlooks    int       // published
	First, Last time.Time // when
	Ahead       [len(volume.PublishedDays)]Ahead
	// Alarms are those of "full within 30 days"; nothing is known of a straight line.
	Alarms backtest.Alarms
	Dates  []backtest.Dates // of outlooks after which it filled within 30, 90 and 365 days
}

// Ahead is what the forecasts for so many days ahead were worth, in the unit of the resource. NaN where none is due yet.
type Ahead struct {
	Days     int
	Judged   int     // forecasts whose day is over and was observed
	Error    float64 // median absolute error
	NoChange float64 // that of "it stays as it is", for the same days
	Bias     float64 // median of forecast − observed
	Inside   int     // of the judged: what was observed lay within the interval
}

// Due says whether anything could be judged.
func (a Accuracy) Due() bool {
	for _, h := range a.Ahead {
		if h.Judged > 0 {
			return true
		}
	}
	return a.Alarms.Judged > 0 || a.Dates[len(a.Dates)-1].Filled > 0
}

// Accuracies yields the accuracy of each selected volume that is still known, in the order of Planner.Outlooks: a volume of which nothing
// was published has none. An error ends the sequence.
func Accuracies(ctx context.Context, store Store, p planner.Planner, q planner.Query) iter.Seq2[Accuracy, error] {
	return func(yield func(Accuracy, error) bool) {
		next, stop := iter.Pull2(store.Published(ctx, q.Select, q.Now.Add(-kept), q.Now.Add(time.Second)))
		defer stop()
		said, err, more := next()
		for past, pastErr := range p.Pasts(ctx, q) {
			if pastErr != nil {
				yield(Accuracy{}, pastErr)
				return
			}
			for more && err == nil && before(said, past) { // of a volume that is gone
				said, err, more = next()
			}
			if err != nil {
				yield(Accuracy{}, fmt.Errorf("read what was published: %w", err))
				return
			}
			if !more {
				return
			}
			if said.ID == past.Volume && said.Resource == past.Resource && !yield(accuracyOf(said, past), nil) {
				return
			}
		}
	}
}

// before orders what was published before a past, as both are sorted.
func before(said volume.PublishedSeries, past planner.Past) bool {
	if c := said.ID.Compare(past.Volume); c != 0 {
		return c < 0
	}
	return said.Resource == volume.Space && past.Resource == volume.Inodes
}

// accuracyOf scores what was published against the days that are over.
func accuracyOf(said volume.PublishedSeries, past planner.Past) Accuracy {
	a := Accuracy{Series: past.Series, Volume: past.Volume, Resource: past.Resource, Unit: past.Unit, Outlooks: len(said.Outlooks)}
	if n := len(said.Outlooks); n > 0 {
		a.First, a.Last = said.Outlooks[0].Made, said.Outlooks[n-1].Made
	}
	days := past.Input.Observations
	byDay := make(map[time.Time]float64, len(days))
	for _, d := range days {
		byDay[d.Time] = d.Used
	}
	var errors, none, bias [len(volume.PublishedDays)][]float64
	var fillings []backtest.Filling
	for i, n := range volume.PublishedDays {
		a.Ahead[i].Days = n
	}
	for _, o := range said.Outlooks {
		for i, p := range o.Ahead {
			seen, known := byDay[volume.StartOfDay(o.Origin).AddDate(0, 0, volume.PublishedDays[i])]
			if !known || math.IsNaN(p.Forecast) {
				continue
			}
			a.Ahead[i].Judged++
			if slack := rounding * seen; p.Lower-slack <= seen && seen <= p.Upper+slack {
				a.Ahead[i].Inside++
			}
			errors[i] = append(errors[i], math.Abs(p.Forecast-seen))
			none[i] = append(none[i], math.Abs(o.Used-seen))
			bias[i] = append(bias[i], p.Forecast-seen)
		}
		if f, filled := a.judge(o, days); filled {
			fillings = append(fillings, f)
		}
	}
	for i := range a.Ahead {
		a.Ahead[i].Error, a.Ahead[i].NoChange, a.Ahead[i].Bias = backtest.Median(errors[i]), backtest.Median(none[i]), backtest.Median(bias[i])
	}
	a.Dates = backtest.DatesOf(fillings)
	return a
}

// judge scores the alarm of an outlook, and returns when it filled. Both are in terms of the capacity that the outlook knew: a later
// resize changes no verdict. The day of the outlook itself does not count: its peak may have been before.
func (a *Accuracy) judge(o volume.Published, days []forecast.Observation) (f backtest.Filling, filled bool) {
	level := o.FullLevel * capacityOf(o, days)
	if math.IsNaN(level) {
		return f, false
	}
	if o.Used >= level || o.Reason == string(forecast.ReasonFull) {
		a.Alarms.Already++
		return f, false
	}
	today := volume.StartOfDay(o.Origin)
	over := len(days) > 0 && !days[len(days)-1].Time.Before(today.Add(alarmAhead))
	seen, came := false, false
	for _, d := range days {
		ahead := d.Time.Sub(today)
		if ahead <= 0 {
			continue
		}
		if ahead > longestDate || filled && ahead > alarmAhead {
			break
		}
		within := ahead <= alarmAhead
		seen = seen || within
		if d.Used >= level {
			came = came || within
			if !filled {
				filled = true
				f = backtest.Filling{Truth: max(0, d.Time.Sub(o.Origin).Hours()/24), P10: o.P10Days, P50: o.P50Days, P90: o.P90Days}
			}
		}
	}
	if over && seen && !math.IsNaN(o.Probability30) {
		a.Alarms.Add(o.Probability30, false, came)
	}
	return f, filled
}

// capacityOf is the capacity that an outlook knew. Rows of earlier versions do not say it: then it is the newest of the days before.
func capacityOf(o volume.Published, days []forecast.Observation) float64 {
	if !math.IsNaN(o.Capacity) {
		return o.Capacity
	}
	capacity := math.NaN()
	for _, d := range days {
		if d.Time.After(o.Origin) {
			break
		}
		if !math.IsNaN(d.Capacity) {
			capacity = d.Capacity
		}
	}
	return capacity
}
