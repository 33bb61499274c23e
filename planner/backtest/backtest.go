// Package backtest says how wrong the forecasts of a series would have been: it forecasts from moments of the past, each of
// which sees what was known then and nothing after it (rolling origins; Tashman, 2000), and holds that against what came.
// Beside the forecast stand two that anybody can make: "no change", and a straight line through the last 30 days, which is what
// Prometheus' predict_linear draws.
package backtest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"slices"
	"time"

	"github.com/tidemark/tidemark/internal/volume"
	"github.com/tidemark/tidemark/planner"
	"github.com/tidemark/tidemark/planner/forecast"
)

const day = 24 * time.Hour

const (
	// mostOrigins and every are the defaults: half a year of origins, so that the longest horizon has its share, on ever
	// other days of the week.
	mostOrigins = 18
	every       = 10 * day
	// The first origin has this much behind it: the straight line needs it, and no forecast of less is worth a date.
	leastPast      = 30 * day
	leastPastSteps = 14
	// longestDate is how far a date is followed.
	longestDate = 365 * day
)

// Options choose what is scored. The zero value of each has the default that is named.
type Options struct {
	Horizons []int         // days ahead, each once, ascending; none: 7, 30, 90
	Origins  int           // of one series at most, the newest; 0: 18
	Every    time.Duration // from one origin to the next; 0: ten days. Never less than a step
	Forecast forecast.Options
}

func (o Options) withDefaults() Options {
	if len(o.Horizons) == 0 {
		o.Horizons = []int{7, 30, 90}
	}
	if o.Origins <= 0 {
		o.Origins = mostOrigins
	}
	if o.Every <= 0 {
		o.Every = every
	}
	longest := time.Duration(o.Horizons[len(o.Horizons)-1]) * day
	o.Forecast.Steps = 0
	o.Forecast.Horizon = max(o.Forecast.Horizon, longestDate, longest+day)
	o.Forecast.Now = time.Time{}
	return o
}

// Score is how wrong the forecasts of one series would have been.
type Score struct {
	Series   string
	Volume   volume.ID
	Sample   volume.Sample
	Resource volume.Resource
	Unit     string

	Step        time.Duration
	Origins     int
	First, Last time.Time // origins
	Horizons    []Horizon // as many as were asked for and are apart by a step
	// Full is the alarm "full within 30 days"; Quarter is "a quarter of the free space goes within 30 days", which also
	// judges volumes that never fill.
	Full, Quarter Alarms
	Dates         []Dates // of origins after which it filled within 30, 90 and 365 days
	TooShort      *TooShort
}

// TooShort says that a past has no origin: how long it is, and how long it must be.
type TooShort struct{ Has, Needs time.Duration }

func (t *TooShort) String() string {
	return fmt.Sprintf("a past of %s is too short: it takes %s", days(t.Has), days(t.Needs))
}

func days(d time.Duration) string {
	if n := int(math.Ceil(d.Hours() / 24)); n != 1 {
		return fmt.Sprintf("%d days", n)
	}
	return "1 day"
}

// task is one origin of a series; the last of a series ends its score.
type task struct {
	past   planner.Past
	score  *Score // written by the one who gathers alone
	step   time.Duration
	at     int // the origin, an index of the observations; -1: the past is too short
	isLast bool
}

// Run scores each series, in the given order. Origins are judged on all cores, those in flight are bounded. An error ends the
// sequence, and so does the end of ctx.
func Run(ctx context.Context, pasts iter.Seq2[planner.Past, error], opt Options) iter.Seq2[Score, error] {
	opt = opt.withDefaults()
	type answer struct {
		task
		judged judged
	}
	judge := func(t task) (answer, error) {
		if err := ctx.Err(); err != nil || t.at < 0 {
			return answer{task: t}, err
		}
		j, err := opt.judge(t.past, t.at)
		if err != nil {
			return answer{}, fmt.Errorf("forecast %s from %s: %w", t.past.Series, t.past.Input.Observations[t.at].Time.Format(time.RFC3339), err)
		}
		return answer{t, j}, nil
	}
	return func(yield func(Score, error) bool) {
		var all []judged
		for a, err := range planner.InOrder(opt.tasks(pasts), judge) {
			if err != nil {
				yield(Score{}, err)
				return
			}
			if a.at >= 0 {
				all = append(all, a.judged)
			}
			if !a.isLast {
				continue
			}
			opt.gather(a.score, all)
			all = all[:0]
			if !yield(*a.score, nil) {
				return
			}
		}
	}
}

var errOrder = errors.New("its observations are not in time order, or one time is there twice")

// tasks yields the origins of each series, oldest first; one without a number for a series that has none.
func (o Options) tasks(pasts iter.Seq2[planner.Past, error]) iter.Seq2[task, error] {
	return func(yield func(task, error) bool) {
		for past, err := range pasts {
			if err == nil && !slices.IsSortedFunc(past.Input.Observations, func(a, b forecast.Observation) int { return cmpBefore(a.Time, b.Time) }) {
				err = fmt.Errorf("series %q: %w", past.Series, errOrder)
			}
			if err != nil {
				yield(task{}, err)
				return
			}
			step := stepOf(past.Input)
			score := &Score{
				Series: past.Series, Volume: past.Volume, Sample: past.Sample, Resource: past.Resource, Unit: past.Unit, Step: step,
			}
			origins, tooShort := o.origins(past.Input.Observations, step)
			score.TooShort = tooShort
			if len(origins) == 0 && !yield(task{past, score, step, -1, true}, nil) {
				return
			}
			for i, at := range origins {
				if !yield(task{past, score, step, at, i == len(origins)-1}, nil) {
					return
				}
			}
		}
	}
}

// cmpBefore orders times so that equal ones are out of order.
func cmpBefore(a, b time.Time) int {
	if a.After(b) {
		return 1
	}
	return -1
}
