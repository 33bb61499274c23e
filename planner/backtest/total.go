package backtest

import (
	"maps"
	"math"
	"slices"
)

// Total is what several series came to. Each has one number first, and counts once: errors are medians over the series, so that one
// that jumps does not drown the others; coverage and bias are means over them. Alarms are rare, so their counts add up. Of dates
// each series has its median, and the total is the median of those.
type Total struct {
	Series   int
	Scored   int // with at least one origin
	Horizons []HorizonTotal
	Full     Alarms
	Quarter  Alarms
	// Filled is how many series reached the full level after an origin.
	Filled int
	Dates  []Dates
}

// HorizonTotal is one horizon over the series that have it.
type HorizonTotal struct {
	Days                 int
	Series               int // with an origin that far before their end
	Origins              int
	MASE, NoChange, Line float64 // medians over the series
	Coverage             float64 // mean over the series
	BiasScaled           float64 // mean over the series, in typical changes
	// Compared is the series whose errors can be told in typical changes; on so many of them the forecast was better than no change,
	// and than a straight line.
	Compared, BetterThanNoChange, BetterThanLine int
	// Gain is the mean over the series of 1 − error/error of no change; NaN where no series changed.
	Gain float64
}

// Sum gathers scores. The zero value is empty.
type Sum struct {
	total    Total
	horizons map[int][]Horizon
	dates    [][]Dates
}

// Add takes one series into account.
func (s *Sum) Add(one Score) {
	s.total.Series++
	if one.Origins == 0 {
		return
	}
	s.total.Scored++
	s.total.Full, s.total.Quarter = s.total.Full.Plus(one.Full), s.total.Quarter.Plus(one.Quarter)
	if s.horizons == nil {
		s.horizons = map[int][]Horizon{}
	}
	for _, h := range one.Horizons {
		s.horizons[h.Days] = append(s.horizons[h.Days], h)
	}
	s.dates = append(s.dates, one.Dates)
	if one.Dates[len(one.Dates)-1].Filled > 0 {
		s.total.Filled++
	}
}

// Total is what was added so far.
func (s *Sum) Total() Total {
	t := s.total
	t.Horizons = nil
	for _, days := range slices.Sorted(maps.Keys(s.horizons)) {
		t.Horizons = append(t.Horizons, totalOf(days, s.horizons[days]))
	}
	t.Dates = make([]Dates, len(dateClasses))
	for i, within := range dateClasses {
		d := Dates{Within: within}
		var errors, absolute []float64
		for _, one := range s.dates {
			d.Filled += one[i].Filled
			d.Dated += one[i].Dated
			d.Ranged += one[i].Ranged
			d.Inside += one[i].Inside
			errors, absolute = append(errors, one[i].Median), append(absolute, one[i].Absolute)
		}
		d.Median, d.Absolute = Median(errors), Median(absolute)
		t.Dates[i] = d
	}
	return t
}

func totalOf(days int, all []Horizon) HorizonTotal {
	t := HorizonTotal{Days: days}
	var own, none, line []float64
	var coverage, bias, gain mean
	for _, h := range all {
		if h.Origins == 0 {
			continue
		}
		t.Series++
		t.Origins += h.Origins
		own, none, line = append(own, h.MASE), append(none, h.NoChange), append(line, h.Line)
		coverage.add(h.Coverage)
		bias.add(h.BiasScaled)
		if math.IsNaN(h.MASE) {
			continue
		}
		t.Compared++
		t.BetterThanNoChange += int(number(h.MASE < h.NoChange))
		t.BetterThanLine += int(number(h.MASE < h.Line))
		if h.NoChange > 0 {
			gain.add(1 - h.MASE/h.NoChange)
		}
	}
	t.MASE, t.NoChange, t.Line = Median(own), Median(none), Median(line)
	t.Coverage, t.BiasScaled, t.Gain = coverage.value(), bias.value(), gain.value()
	return t
}
