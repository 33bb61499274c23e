package volumetest

import (
	"math/rand/v2"
	"time"
)

// Every is the time between two raw readings.
const Every = 5 * time.Minute

const perDay = int(24 * time.Hour / Every)

// RawKind is what makes a volume's use change within days.
type RawKind string

// The kinds by raw readings, all of a volume of 1000 units.
const (
	RawSteady    RawKind = "steady"          // grows half a unit a day, noise
	RawSeason    RawKind = "season"          // people work from eight to six, not on weekends; they delete at night
	RawCollected RawKind = "collected"       // garbage is collected every two to six hours
	RawLogs      RawKind = "logs"            // the log is rotated at midnight, less of it on weekends
	RawNightly   RawKind = "nightly backup"  // 250 units come within an hour at about two o'clock and go at five
	RawWeekly    RawKind = "weekly backup"   // so on Sundays, twice as much
	RawGrowing   RawKind = "growing backups" // a nightly one that grows by a half in a year
	RawCopies    RawKind = "copies"          // every three weeks or so some six units come within half an hour
)

// RawKinds are all kinds of raw readings.
func RawKinds() []RawKind {
	return []RawKind{RawSteady, RawSeason, RawCollected, RawLogs, RawNightly, RawWeekly, RawGrowing, RawCopies}
}

// Raw is a made-up volume by raw readings.
type Raw struct {
	Times []time.Time
	Used  []float64
	Full  float64
}

// NewRaw makes up so many days. None of it is a runaway.
func NewRaw(kind RawKind, seed uint64, days int) Raw {
	r := rand.New(rand.NewPCG(seed, hash(Kind(kind))))
	v := Raw{Times: make([]time.Time, days*perDay), Used: make([]float64, days*perDay), Full: 1000}
	level, tooth, threshold := 300+200*r.Float64(), 0., 60.
	copying := 0
	backup := 2*perDay/24 + r.IntN(12)
	for i := range v.Used {
		day, hour := i/perDay, float64(i%perDay)*24/float64(perDay)
		if i%perDay == 0 {
			backup = 2*perDay/24 - 6 + r.IntN(13) // begins half an hour earlier or later
		}
		level += (.25 + .5*r.Float64()) / float64(perDay)
		extra := 0.
		switch kind {
		case RawSeason:
			if day%7 < 5 && hour >= 8 && hour < 18 {
				tooth += 40. / 10 * 24 / float64(perDay) * (.5 + r.Float64())
			} else if tooth > 0 && hour < 6 {
				tooth *= .95
			}
		case RawCollected:
			if tooth += 60. / 4 * 24 / float64(perDay) * 2 * r.Float64(); tooth > threshold {
				tooth, threshold = 0, 40+40*r.Float64()
			}
		case RawLogs:
			rate := 50.
			if day%7 >= 5 {
				rate = 20
			}
			if tooth += rate / float64(perDay) * 2 * r.Float64(); i%perDay == 0 {
				tooth = 0
			}
		case RawNightly:
			extra = burst(i%perDay-backup, 250)
		case RawWeekly:
			if day%7 == 6 {
				extra = burst(i%perDay-backup, 500)
			}
		case RawGrowing:
			extra = burst(i%perDay-backup, 200*(1+.5*float64(day)/365))
		case RawCopies:
			if r.IntN(21*perDay) == 0 {
				copying = 6
			}
			if copying > 0 {
				level += 2 * r.Float64()
				copying--
			}
		}
		v.Times[i] = start.Add(time.Duration(i) * Every)
		v.Used[i] = min(v.Full*.99, level+tooth+extra+.2*r.NormFloat64())
	}
	return v
}

// burst is what a backup holds so many readings after it began: all of it after an hour, nothing after three.
func burst(since int, size float64) float64 {
	hour := perDay / 24
	if since < 0 || since >= 3*hour {
		return 0
	}
	return size * min(1, float64(since)/float64(hour))
}

// RunAway makes use rise from a reading on so that it is full after so long, and returns when that is.
func (v *Raw) RunAway(from int, fillsIn time.Duration, seed uint64) time.Time {
	r := rand.New(rand.NewPCG(seed, 0x7275_6e61_7761_79))
	rate := (v.Full - v.Used[from]) / float64(fillsIn/Every)
	level := v.Used[from]
	for i := from + 1; i < len(v.Used); i++ {
		level = min(v.Full, level+rate*(.7+.6*r.Float64()))
		v.Used[i] = level
		if level >= v.Full {
			for j := i; j < len(v.Used); j++ {
				v.Used[j] = v.Full
			}
			return v.Times[i]
		}
	}
	return time.Time{}
}
