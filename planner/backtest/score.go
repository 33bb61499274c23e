package backtest

import (
	"math"
	"slices"
)

// Horizon is how wrong a series' forecasts were over one distance. Errors are in typical changes: the mean absolute error over the
// steps up to the horizon, over the mean absolute change from one step to the next that the origin knew (MASE; Hyndman and Koehler,
// 2006). NaN is what no origin could say.
type Horizon struct {
	Days, Steps int
	Origins     int // with that much of the series after them
	MASE        float64
	NoChange    float64 // the error of the last value
	Line        float64 // the error of a straight line through the last 30 days
	Coverage    float64 // the share of origins whose interval held what was observed at the horizon
	Bias        float64 // the mean of forecast − observed at the horizon, in the series' unit
	BiasScaled  float64 // the same in typical changes
}

// Alarms counts what an alarm was worth; the counts add up over series.
type Alarms struct {
	Judged      int // origins with 30 days after them, below the level
	Already     int // origins past the level: nothing to warn of
	Happened    int // it came within 30 days
	Said        int // the probability was a half or more
	Right       int // said, and it came
	LineSaid    int
	LineRight   int
	squares     float64 // the sum over the judged of (probability − outcome)²
	lineSquares float64
}

// Add takes one judged warning into account: the probability that was given, whether a straight line said it, whether it came.
func (a *Alarms) Add(probability float64, line, came bool) {
	outcome := number(came)
	a.Judged++
	a.Happened += int(outcome)
	if probability >= alarmAt {
		a.Said++
		a.Right += int(outcome)
	}
	if line {
		a.LineSaid++
		a.LineRight += int(outcome)
	}
	a.squares += (probability - outcome) * (probability - outcome)
	a.lineSquares += (number(line) - outcome) * (number(line) - outcome)
}

// Plus adds up what two series came to.
func (a Alarms) Plus(b Alarms) Alarms {
	return Alarms{
		a.Judged + b.Judged, a.Already + b.Already, a.Happened + b.Happened, a.Said + b.Said, a.Right + b.Right,
		a.LineSaid + b.LineSaid, a.LineRight + b.LineRight, a.squares + b.squares, a.lineSquares + b.lineSquares,
	}
}

// Precision is the share of alarms that were right, Recall the share of what happened that was said; NaN where nothing was said,
// or nothing happened.
func (a Alarms) Precision() float64     { return share(a.Right, a.Said) }
func (a Alarms) Recall() float64        { return share(a.Right, a.Happened) }
func (a Alarms) LinePrecision() float64 { return share(a.LineRight, a.LineSaid) }
func (a Alarms) LineRecall() float64    { return share(a.LineRight, a.Happened) }

// Brier is the mean squared difference between the probability and what came (Brier, 1950): 0 is perfect, and always saying the
// share of what happened gets BrierOfRate. NaN where nothing was judged.
func (a Alarms) Brier() float64     { return a.squares / float64(a.Judged) }
func (a Alarms) LineBrier() float64 { return a.lineSquares / float64(a.Judged) }
func (a Alarms) BrierOfRate() float64 {
	rate := share(a.Happened, a.Judged)
	return rate * (1 - rate)
}

// Dates is how far off the likely date was, of origins after which it did fill within so many days. Errors are in days,
// positive where the date was said too late.
type Dates struct {
	Within   int     // days
	Filled   int     // origins after which it filled within that time
	Dated    int     // of these, with a likely date
	Ranged   int     // of these, with an early date: a range, whose end may lie beyond the paths
	Inside   int     // of the ranged: it filled between the early and the late date
	Median   float64 // of the errors; NaN without one
	Absolute float64 // median of the absolute errors
}

var dateClasses = [...]int{30, 90, 365}

// Filling is a date that came true: days from the origin until it was full, and the early, the likely and the late date as days from
// there, NaN where none was given.
type Filling struct{ Truth, P10, P50, P90 float64 }

// sameDate is what dates may be off by for the arithmetic alone: a minute, in days. On a line all three are one.
const sameDate = 1. / (24 * 60)

// DatesOf sorts fillings into those within 30, 90 and 365 days.
func DatesOf(fillings []Filling) []Dates {
	all := make([]Dates, len(dateClasses))
	for i, within := range dateClasses {
		d := Dates{Within: within}
		var errors, absolute []float64
		for _, f := range fillings {
			if f.Truth > float64(within) {
				continue
			}
			d.Filled++
			if !math.IsNaN(f.P50) {
				d.Dated++
				errors, absolute = append(errors, f.P50-f.Truth), append(absolute, math.Abs(f.P50-f.Truth))
			}
			if !math.IsNaN(f.P10) {
				d.Ranged++
				d.Inside += int(number(f.P10 <= f.Truth+sameDate && !(f.P90 < f.Truth-sameDate)))
			}
		}
		d.Median, d.Absolute = Median(errors), Median(absolute)
		all[i] = d
	}
	return all
}

// gather makes the score of a series from its origins, oldest first.
func (o Options) gather(s *Score, all []judged) {
	s.Origins = len(all)
	if len(all) > 0 {
		s.First, s.Last = all[0].origin, all[len(all)-1].origin
	}
	for _, h := range o.horizons(s.Step) {
		s.Horizons = append(s.Horizons, horizonOf(h, all))
	}
	var fillings []Filling
	for _, j := range all {
		s.Full.take(j.full)
		s.Quarter.take(j.quarter)
		if j.date.came {
			fillings = append(fillings, j.date.Filling)
		}
	}
	s.Dates = DatesOf(fillings)
}

func (a *Alarms) take(one alarm) {
	if one.already {
		a.Already++
	}
	if one.judged {
		a.Add(one.probability, one.line, one.came)
	}
}

func horizonOf(h horizon, all []judged) Horizon {
	score := Horizon{Days: h.days, Steps: h.steps}
	var own, none, line, inside, bias, scaled mean
	for _, j := range all {
		for _, one := range j.horizons {
			if one.days != h.days || !one.passed {
				continue
			}
			score.Origins++
			own.add(one.forecast)
			none.add(one.noChange)
			line.add(one.line)
			bias.add(one.bias)
			scaled.add(one.scaled)
			if one.known {
				inside.add(number(one.inside))
			}
		}
	}
	score.MASE, score.NoChange, score.Line = own.value(), none.value(), line.value()
	score.Coverage, score.Bias, score.BiasScaled = inside.value(), bias.value(), scaled.value()
	return score
}

// mean is that of the numbers that are known; NaN without one.
type mean struct{ sum, n float64 }

func (m *mean) add(v float64) {
	if !math.IsNaN(v) {
		m.sum += v
		m.n++
	}
}

func (m mean) value() float64 { return m.sum / m.n }

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func share(n, of int) float64 { return float64(n) / float64(of) }

// Median is the middle of the numbers that are known, the mean of two; NaN without one.
func Median(values []float64) float64 {
	known := slices.DeleteFunc(slices.Clone(values), math.IsNaN)
	n := len(known)
	if n == 0 {
		return math.NaN()
	}
	slices.Sort(known)
	return (known[(n-1)/2] + known[n/2]) / 2
}
