package forecast

import (
	"math"
	"slices"
	"time"
)

const (
	runawayBin   = 5 * time.Minute // readings are looked at by these, or by their own step where it is longer
	slowestBin   = time.Hour
	runawayLeast = 3  // rises in a row
	runawayMost  = 12 // bins that the slope is taken over
	// A runaway is told no further ahead than so many times as long as it has been seen, nor than a day.
	runawayReach = 24
	runawayDays  = 60 // that say what a day adds
	// RunawayPast is how much of the past Runaway wants: a week and a day, for what comes each night and each week.
	RunawayPast = 8 * day
	beyondUsual = 4 // times the fastest rise at that time of day is a runaway at any level
	beyondPeaks = 2 // times it, above every peak by as many days' growth
	sameTime    = 2 * time.Hour
	// A volume that is not known for a week may be taking its first load, which ends well below, or its first backup, which is over in an hour.
	youngFull  = .8
	youngSeen  = 70 * time.Minute
	youngReach = time.Hour
	// What rose an hour ago may long have stopped.
	runawayStale = time.Hour
)

// Runaway says when a volume that is filling within hours reaches the full level, from its raw readings (time order, the
// newest last; RunawayPast of them is best) and its days before them. The slope is the median of those between the bins
// since the rise began (Theil–Sen; Sen, 1968), an hour's at most, and P10 to P90 are its quantiles. Not ok: it does not rise
// now, has not risen three times, fills later than in a day, is not known for a week (but see lastMinutes) or was not read without a break; or it
// has risen so before. It has not where it rises four times as fast as ever around that time of day, and by more than any of
// the last 60 days added for good; or twice as fast, above every peak by twice the most that one of those days added.
func Runaway(raw, days []Observation, full float64) (t TimeToFull, ok bool) {
	if len(raw) < 2*runawayLeast || !(full > 0) || !hasty(raw, full) {
		return t, false
	}
	if raw = inOrder(uses(raw)); len(raw) < 2*runawayLeast {
		return t, false
	}
	bin := binOf(raw)
	b := binned(raw, bin, min(RunawayPast, (runawayMost+runawayLeast)*bin))
	n := len(b.used)
	newest := b.used[n-1]
	length := b.episode()
	if length < runawayLeast || newest >= full {
		return t, false // seen in the last bins: the whole past is looked at where it may matter alone
	}
	width := min(length, runawayMost)
	slopes := slopesOf(b.used[n-1-width:]) // by bin, sorted
	slope := quantile(slopes, .5)
	b = binned(raw, bin, RunawayPast)
	length, n = b.episode(), len(b.used)
	left := (full - newest) / slope
	if slope <= 0 || left > min(runawayReach*float64(length), float64(day)/float64(b.bin)) {
		return t, false
	}
	begin := n - 1 - length // the last bin before the rise
	if time.Duration(begin)*b.bin < leastPast {
		if !b.lastMinutes(begin, left, full, days) {
			return t, false
		}
	} else if !b.beyond(begin, width, slope, days) {
		return t, false
	}
	at := func(slope float64) time.Time {
		return raw[len(raw)-1].Time.Add(time.Duration((full - newest) / slope * float64(b.bin)))
	}
	t = TimeToFull{
		P10: at(quantile(slopes, .9)), P50: at(slope), P90: at(max(quantile(slopes, .1), slope/4)),
		Probability7: .9, Probability30: .9, Probability90: .9, Reason: ReasonRunaway,
	}
	return t, true
}

// current says whether the newest reading still speaks for now; of a zero now it does.
func current(raw []Observation, now time.Time) bool {
	return now.IsZero() || now.Sub(raw[len(raw)-1].Time) <= runawayStale
}

func uses(raw []Observation) []Observation {
	if !slices.ContainsFunc(raw, func(o Observation) bool { return !isUse(o.Used) }) {
		return raw
	}
	return slices.DeleteFunc(slices.Clone(raw), func(o Observation) bool { return !isUse(o.Used) })
}

// hasty says whether the last readings rise so fast that all else is worth its time.
func hasty(raw []Observation, full float64) bool {
	last := raw[len(raw)-1]
	for i := len(raw) - 2; i >= 0; i-- {
		seen := last.Time.Sub(raw[i].Time)
		if i >= len(raw)-1-runawayLeast || seen < runawayLeast*runawayBin {
			continue
		}
		rise := last.Used - raw[i].Used
		return rise > 0 && (full-last.Used)*float64(seen)/rise <= float64(day)
	}
	return false
}

// bins are the readings by equal times, the newest last; NaN where there was none.
type bins struct {
	bin  time.Duration
	used []float64
}

// binOf is the time of a bin.
func binOf(raw []Observation) time.Duration {
	steps := make([]time.Duration, 0, 50)
	for i := max(1, len(raw)-50); i < len(raw); i++ {
		steps = append(steps, raw[i].Time.Sub(raw[i-1].Time))
	}
	slices.Sort(steps)
	return min(max(runawayBin, steps[len(steps)/2]), slowestBin)
}

// binned are the last readings, of so long.
func binned(raw []Observation, bin, span time.Duration) bins {
	last := raw[len(raw)-1].Time
	first, _ := slices.BinarySearchFunc(raw, last.Add(-span), func(o Observation, t time.Time) int { return o.Time.Compare(t) })
	raw = raw[first:]
	b := bins{bin: bin}
	back := func(o Observation) int { return int((last.Sub(o.Time) + b.bin/2) / b.bin) }
	b.used = make([]float64, back(raw[0])+1)
	for i := range b.used {
		b.used[i] = math.NaN()
	}
	for _, o := range raw {
		if i := len(b.used) - 1 - back(o); i >= 0 && i < len(b.used) {
			b.used[i] = o.Used
		}
	}
	return b
}

// episode is for how many bins use has been rising without a break of readings: each by a third at least of what the last
// ones rose, with a pause of one bin between rises. One jump is no rise.
func (b bins) episode() int {
	n := len(b.used)
	if n < runawayLeast+2 {
		return 0
	}
	recent := slopesOf(b.used[n-1-runawayLeast:])
	if len(recent) == 0 {
		return 0
	}
	least := quantile(recent, .5) / 3
	if least <= 0 {
		return 0
	}
	length, rises, paused := 0, 0, false
	for i := n - 1; i > 0; i-- {
		rise := b.used[i] - b.used[i-1]
		switch {
		case rise >= least:
			length, rises, paused = n-i, rises+1, false
			continue
		case rise >= 0 && !paused && i < n-1:
			paused = true
			continue
		}
		break // falls, stands, or was not read
	}
	if rises < runawayLeast || math.IsNaN(b.used[n-1-length]) {
		return 0
	}
	return length
}

// slopesOf are the slopes between all pairs of bins, sorted; none where a bin was not read.
func slopesOf(used []float64) []float64 {
	slopes := make([]float64, 0, len(used)*(len(used)-1)/2)
	for i := range used {
		for j := i + 1; j < len(used); j++ {
			s := (used[j] - used[i]) / float64(j-i)
			if math.IsNaN(s) {
				return nil
			}
			slopes = append(slopes, s)
		}
	}
	slices.Sort(slopes)
	return slopes
}

// lastMinutes says of a volume that is not known for a week whether it is about to fill all the same: it is four fifths full and above all
// that it ever held, has been rising for more than an hour and fills within one. left is in bins.
func (b bins) lastMinutes(begin int, left, full float64, days []Observation) bool {
	n := len(b.used)
	if time.Duration(n-1-begin)*b.bin < youngSeen || left*float64(b.bin) > float64(youngReach) || b.used[n-1] < youngFull*full {
		return false
	}
	above := func(v float64) bool { return !(v >= b.used[n-1]) } // true for NaN
	for _, v := range b.used[:begin+1] {
		if !above(v) {
			return false
		}
	}
	return !slices.ContainsFunc(days, func(d Observation) bool { return !above(d.Used) })
}

// beyond says whether a rise that began after a bin is beyond what the volume did before it.
func (b bins) beyond(begin, width int, slope float64, days []Observation) bool {
	most, peak := 0., 0.
	days = days[max(0, len(days)-runawayDays):]
	for i, d := range days {
		if i > 0 && i+1 < len(days) { // what came and went is no growth: it counts what was there the day after too
			if added := min(d.Used, days[i+1].Used) - days[i-1].Used; added > most { // false for NaN
				most = added
			}
		}
		if d.Used > peak {
			peak = d.Used
		}
	}
	usual := 0.
	perDay, near := int(day/b.bin), int(sameTime/b.bin)
	for i := 0; i <= begin; i++ {
		if b.used[i] > peak {
			peak = b.used[i]
		}
		if off := (len(b.used) - 1 - i) % perDay; i < width || off > near && off < perDay-near {
			continue
		}
		if pace := (b.used[i] - b.used[i-width]) / float64(width); pace > usual {
			usual = pace
		}
	}
	newest := b.used[len(b.used)-1]
	return slope > beyondUsual*usual && newest-b.used[begin] > most || slope > beyondPeaks*usual && newest > peak+beyondPeaks*most
}
