package forecast

import (
	"math"
	"slices"
)

// growthChanges finds where the growth became another: changes of the mean of the daily changes, level shifts left out,
// ordinary extremes cut off at three standard deviations and a week's season taken away. A short stretch in which much
// came or went is one migration.
func (s segmented) growthChanges(shifts []shift) []Event {
	x := s.paces(shifts)
	if len(x) < 2*leastSegment {
		return nil
	}
	sigma := deviation(x)
	if sigma <= 0 {
		return nil
	}
	cuts := partition(x, sigma)
	var all []Event
	for i := 1; i < len(cuts)-1; i++ {
		before, after := meanOf(x[cuts[i-1]:cuts[i]]), meanOf(x[cuts[i]:cuts[i+1]])
		change := after - before
		if math.Abs(change)*growthSpanUnits < slight*s.top || math.Abs(change) < max(math.Abs(before), math.Abs(after))/4 {
			continue
		}
		if i+2 < len(cuts) && s.passes(x, cuts[i-1:i+3]) {
			from, to := cuts[i], cuts[i+1]
			all = append(all, Event{Kind: EventMigration, From: s.timeOf(from), To: s.timeOf(to), Change: s.filled[to] - s.filled[from]})
			i++ // its end is no change of growth
			continue
		}
		at := s.timeOf(cuts[i])
		all = append(all, Event{Kind: EventGrowthChange, From: at, To: at, Change: change * float64(day) / float64(s.step)})
	}
	return all
}

// passes says whether the middle of three stretches is a migration.
func (s segmented) passes(x []float64, cuts []int) bool {
	from, to := cuts[1], cuts[2]
	moved := math.Abs(s.filled[to] - s.filled[from])
	around := max(math.Abs(meanOf(x[cuts[0]:from])), math.Abs(meanOf(x[to:cuts[3]])))
	return to-from <= longestAway && moved >= much*max(s.filled[to], s.filled[from]) && math.Abs(meanOf(x[from:to])) > 4*around
}

// paces are the changes by unit, a gap's spread over it.
func (s segmented) paces(shifts []shift) []float64 {
	x := make([]float64, s.at[len(s.at)-1])
	for i := 1; i < len(s.y); i++ {
		n := s.at[i] - s.at[i-1]
		for j := s.at[i-1]; j < s.at[i]; j++ {
			x[j] = s.pace + s.unexpected(i)/float64(n)
		}
	}
	for _, sh := range shifts {
		for j := s.at[sh.from]; j < s.at[sh.to]; j++ {
			x[j] = s.pace
		}
	}
	if s.step == day && len(x) >= leastWeeks*7 {
		withoutWeek(x)
	}
	center := median(x)
	off := make([]float64, len(x))
	for i, v := range x {
		off[i] = math.Abs(v - center)
	}
	most := 3 * 1.4826 * median(off)
	if most == 0 { // it stood still for the better part
		return x
	}
	for i, v := range x {
		x[i] = max(center-most, min(center+most, v))
	}
	return x
}

// withoutWeek takes away by how much the median of each weekday differs from that of all.
func withoutWeek(x []float64) {
	all := median(x)
	for phase := range 7 {
		var same []float64
		for i := phase; i < len(x); i += 7 {
			same = append(same, x[i])
		}
		off := median(same) - all
		for i := phase; i < len(x); i += 7 {
			x[i] -= off
		}
	}
}

// deviation is the standard deviation of noise about a mean that changes: from neighbours' differences, by their median.
func deviation(x []float64) float64 {
	d := differences(x)
	for i, v := range d {
		d[i] = math.Abs(v)
	}
	return max(1.4826*median(d)/math.Sqrt2, meanOf(d)/math.Sqrt2*.5)
}

func meanOf(x []float64) float64 {
	sum := 0.
	for _, v := range x {
		sum += v / float64(len(x))
	}
	return sum
}

// partition finds the changes of the mean by the least squares within segments plus a penalty for each (optimal partitioning:
// Jackson and others, 2005, of which PELT is the pruned form), and returns the segments' ends, 0 first. The penalty is
// 6σ²·log n. Ends are tried at no more than 600 places, so that the time is linear in n.
func partition(x []float64, sigma float64) []int {
	n := len(x)
	sums, squares := make([]float64, n+1), make([]float64, n+1)
	for i, v := range x {
		v /= sigma
		sums[i+1], squares[i+1] = sums[i]+v, squares[i]+v*v
	}
	cost := func(a, b int) float64 {
		sum := sums[b] - sums[a]
		return squares[b] - squares[a] - sum*sum/float64(b-a)
	}
	penalty := 6 * math.Log(float64(n))
	stride := (n + mostCandidates - 1) / mostCandidates
	ends := []int{0}
	for e := leastSegment; e <= n-leastSegment; e += stride {
		ends = append(ends, e)
	}
	ends = append(ends, n)
	best, from := make([]float64, len(ends)), make([]int, len(ends))
	best[0] = -penalty
	for i := 1; i < len(ends); i++ {
		best[i] = math.Inf(1)
		for j := 0; j < i && ends[i]-ends[j] >= leastSegment; j++ {
			if c := best[j] + cost(ends[j], ends[i]) + penalty; c < best[i] {
				best[i], from[i] = c, j
			}
		}
	}
	var cuts []int
	for i := len(ends) - 1; i > 0; i = from[i] {
		cuts = append(cuts, ends[i])
	}
	cuts = append(cuts, 0)
	slices.Reverse(cuts)
	return cuts
}
