package forecast

import (
	"math"
	"slices"
	"time"
)

// sawtooths gathers falls that recur into one event each and returns the shifts that are no part of one. Falls recur when
// three or more follow one another that are alike in size and distance (by a factor of two and a half), and between which
// use rose again: by about as much as it falls, or, where it grows underneath, as regularly as a clock.
func (s segmented) sawtooths(all []shift) (events []Event, rest []shift) {
	var falls []shift
	for _, sh := range all {
		if sh.change < 0 {
			falls = append(falls, sh)
		}
	}
	rest = all
	for len(falls) >= leastTeeth {
		chain := s.chain(falls)
		falls = falls[max(1, len(chain)):]
		if !s.recurs(chain) {
			continue
		}
		e := s.sawtooth(chain)
		if n := len(events) - 1; n >= 0 && goesOn(events[n], e) {
			events[n].To, events[n].Change, events[n].Low, events[n].High = e.To, e.Change, e.Low, e.High
		} else {
			events = append(events, e)
		}
		rest = slices.DeleteFunc(slices.Clone(rest), func(sh shift) bool {
			from := s.time(sh.from)
			return from.After(e.From.Add(-e.Period*3/2)) && from.Before(e.To.Add(e.Period*3/2)) && math.Abs(sh.change) <= 1.5*e.Change
		})
	}
	return events, rest
}

// goesOn says whether a sawtooth is the one before it after a pause of ten teeth at most.
func goesOn(before, e Event) bool {
	return alike(e.Change, []float64{before.Change}) && alike(float64(e.Period), []float64{float64(before.Period)}) &&
		e.From.Sub(before.To) <= 10*before.Period
}

// size is how far use fell.
func (s segmented) size(fall shift) float64 { return s.y[fall.from] - s.y[fall.to] }

// chain is the falls from the first on that are alike.
func (s segmented) chain(falls []shift) []shift {
	chain := falls[:1]
	for i := 1; i < len(falls); i++ {
		if !alike(s.size(falls[i]), s.sizes(chain)) {
			break
		}
		if gaps := s.gaps(chain); len(gaps) > 0 && !alike(float64(s.at[falls[i].from]-s.at[falls[i-1].from]), gaps) {
			break
		}
		if rise := s.y[falls[i].from] - s.y[falls[i-1].to]; rise < s.size(falls[i])/2 {
			break
		}
		chain = falls[:i+1]
	}
	return chain
}

func alike(v float64, others []float64) bool {
	m := median(others)
	return v >= m/2.5 && v <= m*2.5
}

func (s segmented) sizes(chain []shift) []float64 {
	all := make([]float64, len(chain))
	for i, f := range chain {
		all[i] = s.size(f)
	}
	return all
}

// gaps are the units from one fall to the next.
func (s segmented) gaps(chain []shift) []float64 {
	all := make([]float64, len(chain)-1)
	for i := range all {
		all[i] = float64(s.at[chain[i+1].from] - s.at[chain[i].from])
	}
	return all
}

func (s segmented) recurs(chain []shift) bool {
	if len(chain) < leastTeeth {
		return false
	}
	fallen, risen := 0., 0.
	for i := 1; i < len(chain); i++ {
		fallen += s.size(chain[i])
		risen += s.y[chain[i].from] - s.y[chain[i-1].to]
	}
	if balance := risen / fallen; balance >= .7 && balance <= 1.4 {
		return true
	}
	gaps := s.gaps(chain)
	usual := median(gaps)
	off := make([]float64, len(gaps))
	for i, g := range gaps {
		off[i] = math.Abs(g - usual)
	}
	return len(chain) > leastTeeth && slices.Max(off) <= max(1, usual/7)
}

func (s segmented) sawtooth(chain []shift) Event {
	newest := chain[max(0, len(chain)-5):]
	var floors []float64
	peak := 0.
	for _, f := range newest {
		floors = append(floors, s.y[f.to])
		peak = max(peak, s.y[f.from])
	}
	low := median(floors)
	return Event{
		Kind: EventSawtooth, From: s.time(chain[0].from), To: s.time(chain[len(chain)-1].to), Change: peak - low,
		Period: time.Duration(median(s.gaps(chain)) * float64(s.step)), Low: low, High: peak,
	}
}
