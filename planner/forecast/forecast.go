// Package forecast is the mathematics of Tidemark's forecasts: one series of use in, a forecast with its intervals, its
// measured error and the time to full out. It knows no files, no stores and no clocks; the same input gives the same
// output.
package forecast

import (
	"math"
	"time"
)

// Observation is one point of a series.
type Observation struct {
	Time     time.Time
	Used     float64 // 0 to 1e100 in the input's unit (bytes, inodes, GB, …); NaN, or anything else, is a gap
	Capacity float64 // what can be used at that time, above 0 to 1e100 in the same unit; NaN, or anything else, is unknown
}

// Input is one series.
type Input struct {
	// Observations, best in time order and no time twice (else see Compute). At least one has a Used.
	Observations []Observation
	// Newest is the newest raw reading where Observations are whole days: simulated paths start there, and it is the
	// forecast's origin. Nil, a gap, or one before the last observation with a Used: that observation.
	Newest *Observation
	// Recent are the raw readings until the newest where Observations are days, for Runaway: RunawayPast of them, or none, and
	// then no runaway is told.
	Recent []Observation
	// Interventions are what Tidemark itself did to the volume, in any order: no growth, no cleanup, and nothing that comes again
	// by itself.
	Interventions []Intervention
	// Prior is how like volumes grow: a past of less than eight weeks, counted from a bulk load, leans on it where the capacity is
	// known. Nil: it stands alone.
	Prior *Growth
	// Step is the time between two points of the grid; zero finds it from the data.
	Step time.Duration
	// LonePointStep is the step of a series with one observation (the median of its file); zero means a day.
	LonePointStep time.Duration
}

// Intervention is a known change of use.
type Intervention struct {
	// Time is from when on observations show it. Where the input has a Step they are the peaks of the steps that begin at their times: a
	// release shows from the step after it on, what came back in its own.
	Time   time.Time
	Change float64 // in the input's unit; negative: released
}

// Options choose what is computed. The zero value of each has the default that is named.
type Options struct {
	Steps     int           // points to return; 0: as many as Horizon holds, at most 100,000
	Horizon   time.Duration // paths reach max(Steps, 90 days, Horizon), at most 273 years; 0: 365 days
	Level     float64       // coverage of Lower to Upper, within (0, 1); 0: .95
	FullLevel float64       // the share of the capacity that counts as full, within (0, 1]; 0: 1
	Now       time.Time     // a series whose origin is older than three days is stale at Now; zero: not judged
	Seed      uint64        // of the simulated paths
}

// Point is the forecast for one time.
type Point struct {
	Time                   time.Time
	Forecast, Lower, Upper float64
}

// Backtest is the forecast's own measured error: what the same combination would have forecast from earlier origins.
type Backtest struct {
	Origins int     // rolling origins; 0 when the past is too short, and then the rest is NaN
	Steps   int     // the horizon over which the errors were taken
	MASE    float64 // mean absolute error over the mean absolute change of the past from one point to the next
	// RelativeMAE is the mean absolute error over that of "no change" from the same origins (Hyndman and Koehler, 2006): below 1
	// the forecast is the better one. NaN also where nothing changed after any of them.
	RelativeMAE float64
	Coverage    float64 // the share of observations that fell within Lower to Upper
	Bias        float64 // mean error (forecast − observed) in the unit of the input
}

// TimeToFull is when use first reaches the full level, over simulated paths.
type TimeToFull struct {
	// P10, P50 and P90 are times by which 10, 50 and 90 of 100 paths are full: P10 is the early date. Zero when no such
	// share fills before the paths' end, or when Reason withholds the date.
	P10, P50, P90 time.Time
	// Probability7, 30 and 90 are P(full within that many days of the origin); NaN without a capacity.
	Probability7, Probability30, Probability90 float64
	Reason                                     Reason // why there is no date, or Full or Runaway; empty when the dates stand for themselves
}

// Reason is machine-readable: why a forecast is what it is, or why a date is withheld.
type Reason string

// Forecast is the answer for one series.
type Forecast struct {
	Origin       time.Time // "now": the newest observation
	Step         time.Duration
	Used         float64 // at the origin
	Capacity     float64 // at the origin; NaN when it is not known
	Method       string  // the model, or the combination, such as "ensemble" or "last_value"
	Weights      []Weight
	Reason       Reason  // why that method
	GrowthPerDay float64 // of the forecast, in the input's unit
	Backtest     Backtest
	Points       []Point
	TimeToFull   TimeToFull
	Events       []Event // what happened to the volume: the 20 most important, newest last
}

// Weight is one model's share in the combination.
type Weight struct {
	Model string
	Share float64 // sums to 1 over the combination
}

func noBacktest(steps int) Backtest {
	nan := math.NaN()
	return Backtest{Steps: steps, MASE: nan, RelativeMAE: nan, Coverage: nan, Bias: nan}
}

// backtest is the combination's error against the interval's half widths.
func (e *ensemble) backtest(below, above []float64) Backtest {
	b := noBacktest(e.horizon)
	if b.Origins = e.origins; e.origins > 0 {
		b.MASE, b.Coverage, b.Bias = e.absolute/e.scale, e.coverage(below, above), e.bias()
		if e.noChange > 0 {
			b.RelativeMAE = e.absolute / e.noChange
		}
	}
	return b
}
