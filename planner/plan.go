package planner

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/tidemark/tidemark/internal/volume"
	"github.com/tidemark/tidemark/planner/forecast"
)

// PlanQuery asks what to buy by when.
type PlanQuery struct {
	Query                   // of volumes; its Options.Horizon is the planning horizon
	LeadTime  time.Duration // from order to installed
	By        string        // a row for each value of this tag (or host, path, device, fstype); empty: for each volume
	Scenarios []Scenario    // beside AsItIs
	Curves    bool          // with what a plot of each row needs
	// Progress is told how many volumes are done, and of how many, by one goroutine; nil: nobody asks.
	Progress func(done, total int)
}

// AsItIs is the name of the scenario that changes nothing.
const AsItIs = "as it is"

// Scenario is a what-if. The zero value but for its name changes nothing.
type Scenario struct {
	Name   string
	Adds   []Addition
	Growth float64 // what is added to every path's change, as a share of it: .3 is thirty percent more; at least -1
	Moves  []Move
}

// Addition is capacity that arrives.
type Addition struct {
	Series string  // host:path, or a CSV's series: of this volume; empty: of each row
	Amount float64 // bytes, or a CSV's unit; above 0
	At     time.Time
}

// Plan is the answer for one volume, or for one group of volumes.
type Plan struct {
	Series           string    // host:path, the series of a CSV, or the tag's value (empty for volumes without the tag)
	Volume           volume.ID // zero for a group and for a CSV
	Tag              string    // by which the volumes are grouped; empty for a volume
	Volumes          int       // that are summed
	CountedElsewhere int       // volumes left out of the sum because another one shows the same space
	Unknown          int       // volumes left out because their use or capacity is not known
	Full             []string  // of a group: the volumes that are full at the origin, whatever becomes of the sum; sorted
	Owner            string
	Unit             string
	Origin           time.Time // from which the futures start
	FullLevel        float64   // the share of the capacity that counts as full; of a group the mean
	Outcomes         []Outcome // of AsItIs, then of the query's scenarios that change something here
	Past             []Fact    // oldest first; with Curves only
	Moves            []Move    // the policies' that take from it or bring to it
}

// Outcome is what becomes of a row in a scenario.
type Outcome struct {
	Scenario     string
	Used         float64 // at the origin, less what a policy frees at once; NaN when it is not known
	Capacity     float64 // at the horizon, with what the scenario adds; NaN when it is not known
	GrowthPerDay float64
	// P10, P50 and P90 are times by which 10, 50 and 90 of 100 futures are full; zero beyond their end, or when Reason withholds
	// them.
	P10, P50, P90 time.Time
	Probability   float64         // P(full within the horizon); NaN without a capacity
	Reason        forecast.Reason // why there is no date, or Full
	OrderBy       time.Time       // P10 less the lead time; zero: nothing is to be ordered
	Overdue       bool            // OrderBy is past
	// Buy is what must be added for fewer than one future in ten to be full within the horizon, rounded up to two digits. 0: nothing;
	// NaN: the reason forbids a guess.
	Buy      float64
	FreedNow float64 // what policies take away at the origin; below 0: bring
	Curve    []Quantiles
	Steps    []Fact // Used is what counts as full, and Capacity what there is, from the origin on, at each change; with Curves only
}

// Fact is the use and the capacity at a time; NaN where one is not known.
type Fact struct {
	Time           time.Time
	Used, Capacity float64
}

// Quantiles of the use over the paths at a time.
type Quantiles struct {
	Time          time.Time
	P10, P50, P90 float64
}

// UnknownTagError says that no volume has the tag of a query's By.
type UnknownTagError struct {
	Tag   string
	Known []string // that some volume has, sorted
}

func (e *UnknownTagError) Error() string { return fmt.Sprintf("no volume has a tag %q", e.Tag) }

// UnknownVolumeError says that a scenario names what no volume is, or holds.
type UnknownVolumeError struct {
	Name  string
	Known []string // sorted
}

func (e *UnknownVolumeError) Error() string {
	return fmt.Sprintf("there is no volume %s", e.Name)
}

// Check says what is wrong with a query, whatever the history holds. Now must be set.
func (q PlanQuery) Check() error {
	horizon := q.horizon()
	switch {
	case q.LeadTime < 0:
		return fmt.Errorf("a lead time of %s is below zero", days(q.LeadTime))
	case q.LeadTime >= horizon:
		return fmt.Errorf("the lead time, %s, is not shorter than the planning horizon, %s: what is ordered today would come after it", days(q.LeadTime), days(horizon))
	}
	for _, s := range q.Scenarios {
		if !(s.Growth >= -1) || s.Growth > mostGrowth {
			return fmt.Errorf("growth cannot change by %+.0f%%: it is from -100%% (none) to +%d%%", s.Growth*100, mostGrowth*100)
		}
		for _, a := range s.Adds {
			switch {
			case !(a.Amount > 0):
				return errors.New("an addition of nothing changes nothing")
			case a.At.Before(volume.StartOfDay(q.Now)):
				return fmt.Errorf("capacity cannot be added on %s: that is past (it is %s)", a.At.Format(time.DateOnly), q.Now.UTC().Format(time.DateOnly))
			case a.At.After(q.Now.Add(horizon)):
				return fmt.Errorf("what is added on %s comes after the planning horizon ends, on %s", a.At.Format(time.DateOnly), q.Now.Add(horizon).UTC().Format(time.DateOnly))
			}
		}
	}
	return nil
}

// mostGrowth is a hundredfold: beyond it a share was meant for a percentage.
const mostGrowth = 100

func (q PlanQuery) horizon() time.Duration {
	if q.Options.Horizon <= 0 {
		return 365 * 24 * time.Hour
	}
	return q.Options.Horizon
}

func days(d time.Duration) string {
	return strings.TrimSuffix(fmt.Sprintf("%.1f", d.Hours()/24), ".0") + " days"
}

// order fills in what follows from the dates: by when to order, and whether that is past.
func (q PlanQuery) order(o *Outcome, origin time.Time) {
	end := origin.Add(q.horizon())
	if o.P10.IsZero() || o.P10.After(end) {
		if o.Reason == "" {
			o.Reason = forecast.ReasonBeyondHorizon
		}
		switch known := o.Reason == forecast.ReasonIdle || o.Reason == forecast.ReasonShrinking; {
		case o.Reason == forecast.ReasonBeyondHorizon, known && o.Probability < .1:
			o.Buy = 0
		default:
			o.Buy = math.NaN()
		}
		return
	}
	o.OrderBy = o.P10.Add(-q.LeadTime)
	o.Overdue = o.OrderBy.Before(q.Now)
}

// scenarios are AsItIs and the query's.
func (q PlanQuery) scenarios() []Scenario {
	return append([]Scenario{{Name: AsItIs}}, q.Scenarios...)
}

// moves are those of all scenarios, each once.
func (q PlanQuery) moves() []Move {
	var all []Move
	for _, s := range q.Scenarios {
		for _, m := range s.Moves {
			known := false
			for _, other := range all {
				known = known || other.Policy == m.Policy && other.From == m.From
			}
			if !known {
				all = append(all, m)
			}
		}
	}
	return all
}
