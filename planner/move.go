package planner

import (
	"strings"
	"time"

	"github.com/tidemark/tidemark/internal/volume"
)

// Move is what a policy takes from one volume to another, as far as was measured: files that are written from now on are not
// known, so their becoming cold is not counted. The policy is taken to run as often as it is needed.
type Move struct {
	Policy   string
	From     volume.ID // a directory on the volume that it frees
	To       volume.ID // a directory on the archive's volume; zero when it is not known
	Archive  string    // the archive's name; empty when it is not known
	Eligible []Eligible
	Measured time.Time
	Start    float64 // the used share of From above which it begins, for display; 0: none
	Stop     float64 // the used share of From at which it ends; 0: it takes all that is eligible
	Previews bool    // it only previews (enforce is not set)
}

// Eligible is what a policy may move by so many days after the measurement, all in all.
type Eligible struct {
	Days  int
	Bytes float64
}

// by is how much is eligible at a time: in a straight line between what was measured, and no more after the last.
func (m Move) by(at time.Time) float64 {
	passed := at.Sub(m.Measured).Hours() / 24
	var before Eligible
	for i, e := range m.Eligible {
		if passed <= float64(e.Days) {
			if i == 0 || e.Days == before.Days {
				return e.Bytes
			}
			return before.Bytes + (e.Bytes-before.Bytes)*(passed-float64(before.Days))/float64(e.Days-before.Days)
		}
		before = e
	}
	return before.Bytes
}

// Months is what becomes eligible in each of the next n months of thirty days.
func (m Move) Months(n int) []float64 {
	month := func(k int) float64 { return m.by(m.Measured.AddDate(0, 0, 30*k)) }
	more := make([]float64, n)
	for k := range more {
		more[k] = month(k+1) - month(k)
	}
	return more
}

// FreesNow is what is eligible at once.
func (m Move) FreesNow() float64 { return m.by(m.Measured) }

// frees is what the policy has taken in all when so much is eligible, with the use as it would be without it, and what it had taken before: it
// stops at its mark, and nothing comes back by itself.
func (m Move) frees(eligible, use, capacity, before float64) float64 {
	return max(before, min(eligible, max(0, use-m.Stop*capacity)))
}

// holds says whether the volume mounted at mount holds path, and by how close a mount: the longest wins.
func holds(mount, path string) (closeness int, ok bool) {
	if mount == path || strings.HasPrefix(path, strings.TrimSuffix(mount, "/")+"/") {
		return len(mount), true
	}
	return 0, false
}

// holder is the sample of the volume that holds a directory.
func holder(samples []volume.Sample, dir volume.ID) (found volume.Sample, ok bool) {
	closest := -1
	for _, s := range samples {
		if c, holds := holds(s.Path, dir.Path); holds && s.Host == dir.Host && c > closest {
			found, closest = s, c
		}
	}
	return found, closest >= 0
}
