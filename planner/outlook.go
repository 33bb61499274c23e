package planner

import (
	"context"
	"fmt"
	"iter"
	"math"
	"slices"
	"time"

	"github.com/tidemark/tidemark/internal/volume"
	"github.com/tidemark/tidemark/planner/forecast"
)

// Units of outlooks.
const (
	Bytes  = "bytes"
	Count  = "inodes"
	AsRead = "input" // a CSV's own unit
)

// Outlook is the answer for one resource of one volume, or for one series of a CSV.
type Outlook struct {
	Series    string // host:path, or the series' name in a CSV
	Volume    volume.ID
	Sample    volume.Sample // the newest; zero for a CSV
	Resource  volume.Resource
	Unit      string
	FullLevel float64   // the share of the capacity that counts as full
	Owner     string    // from the configuration, or empty
	Past      []float64 // share of the capacity in use (0 to 1), by days, newest last; NaN where unknown
	forecast.Forecast
}

// UsedShare is how much of the capacity is in use now, as a share; NaN when it is not known.
func (o Outlook) UsedShare() float64 {
	if !(o.Capacity > 0) {
		return math.NaN()
	}
	return o.Used / o.Capacity
}

// Policy is what the configuration says of one volume.
type Policy struct {
	FullLevel float64
	Owner     string
}

// Query chooses volumes and what is computed of them.
type Query struct {
	Select   volume.Selector
	Now      time.Time
	Past     time.Duration // how far back days are read; 0: two years
	Options  forecast.Options
	PolicyOf func(volume.ID) Policy // nil: full at 100 %
}

// Planner answers from a history.
type Planner struct{ History History }

const (
	twoYears = 2 * 365 * 24 * time.Hour
	// remembered is how long a silent volume is still shown.
	remembered = 30 * 24 * time.Hour
	// clockSkew is how far a host's clock may be ahead of ours.
	clockSkew = time.Hour
	// sparkDays is how many days of the past an outlook carries for display.
	sparkDays = 90
)

// Outlooks yields the outlook of each selected volume that was heard of within 30 days, sorted by ID, space before inodes
// (which only filesystems that count them have). A pool is told once, under its shortest path. Forecasts run on all
// cores; the outlooks in flight are bounded. A volume of less than eight weeks leans on the growth of like ones among those that are
// selected: of the same path and filesystem type, else of the same tags and type, else of the same host. An error ends the sequence.
func (p Planner) Outlooks(ctx context.Context, q Query) iter.Seq2[Outlook, error] {
	if q.Past == 0 {
		q.Past = twoYears
	}
	q.Options.Now = q.Now
	return func(yield func(Outlook, error) bool) {
		newest, err := p.History.Newest(ctx, q.Select, q.Now.Add(-remembered), q.Now.Add(clockSkew))
		if err != nil {
			yield(Outlook{}, fmt.Errorf("read the newest samples: %w", err))
			return
		}
		all := units(newest)
		changes, err := p.interventions(ctx, q, newest, all)
		if err != nil {
			yield(Outlook{}, err)
			return
		}
		inputs := p.withLows(ctx, q, p.withGrowth(ctx, q, all, p.inputs(ctx, q, all)))
		for o, err := range InOrder(inputs, func(in input) (Outlook, error) {
			return p.outlook(ctx, q, in, changes[touched{in.sample.ID, in.resource}])
		}) {
			if !yield(o, err) || err != nil {
				return
			}
		}
	}
}

// input is what one outlook is computed from.
type input struct {
	sample   volume.Sample
	days     []volume.Day
	resource volume.Resource
	pooled   bool             // the days are several volumes' sum
	growth   *forecast.Growth // of like volumes; nil: not known, or not needed
	low      *volume.Low      // of the last hour; nil: not known, or not needed
}

// inputs joins the units (sorted by ID) with their days (sorted by ID): a volume that was never read has none. A pool waits
// for the last of its parts, and what comes after it waits with it; else one series is held at a time.
func (p Planner) inputs(ctx context.Context, q Query, units []unit) iter.Seq2[input, error] {
	return func(yield func(input, error) bool) {
		unitOf := make(map[volume.ID]int, len(units))
		for i, u := range units {
			for _, id := range u.parts {
				unitOf[id] = i
			}
		}
		days := map[int][]volume.Day{} // of the units that are not sent yet
		sent := 0
		send := func() bool {
			s, past, pooled := units[sent].sample, days[sent], len(units[sent].parts) > 1
			delete(days, sent)
			sent++
			return yield(input{sample: s, days: past, resource: volume.Space, pooled: pooled}, nil) &&
				(s.InodesTotal == 0 || yield(input{sample: s, days: past, resource: volume.Inodes, pooled: pooled}, nil))
		}
		for series, err := range p.History.Days(ctx, q.Select, q.Now.Add(-q.Past), q.Now) {
			if err != nil {
				yield(input{}, fmt.Errorf("read the days: %w", err))
				return
			}
			for sent < len(units) && units[sent].complete(series.ID) {
				if !send() {
					return
				}
			}
			if i, wanted := unitOf[series.ID]; wanted {
				days[i] = addDays(days[i], series.Days)
			}
		}
		for sent < len(units) {
			if !send() {
				return
			}
		}
	}
}

// complete says whether the days of all parts have come, when those of next are coming.
func (u unit) complete(next volume.ID) bool { return u.parts[len(u.parts)-1].Compare(next) < 0 }

// outlook forecasts one resource of one volume, whose use tiering has changed so.
func (p Planner) outlook(ctx context.Context, q Query, in input, changes []forecast.Intervention) (Outlook, error) {
	policy := Policy{FullLevel: 1}
	if q.PolicyOf != nil {
		policy = q.PolicyOf(in.sample.ID)
	}
	o := Outlook{
		Series: in.sample.ID.String(), Volume: in.sample.ID, Sample: in.sample, Resource: in.resource, Unit: Bytes,
		FullLevel: policy.FullLevel, Owner: policy.Owner,
	}
	if in.resource == volume.Inodes {
		o.Unit = Count
	}
	fit := fitInput(in)
	fit.Interventions = changes
	o.Past = pastShares(fit)
	if len(fit.Observations) == 0 {
		if fit.Newest == nil {
			o.Forecast = unread(in.sample)
			return o, nil
		}
		// Before the first day is over it counts as a day, so that the forecast's points are at 00:00 UTC.
		today := *fit.Newest
		today.Time = volume.StartOfDay(today.Time)
		fit.Observations, fit.Interventions = []forecast.Observation{today}, nil // which it shows already
	}
	opt := q.Options
	opt.FullLevel = policy.FullLevel
	opt.Seed = seed(o.Series, in.resource)
	var err error
	if fit.Recent, err = p.recent(ctx, q, in, fit, policy.FullLevel); err != nil {
		return o, err
	}
	if o.Forecast, err = forecast.Compute(fit, opt); err != nil {
		return o, fmt.Errorf("forecast %s of %s: %w", in.resource, o.Series, err)
	}
	return o, nil
}

// ReasonUnread is the reason of a volume that could never be read: it hung or vanished before its first reading.
const ReasonUnread forecast.Reason = "unread"

func unread(s volume.Sample) forecast.Forecast {
	nan := math.NaN()
	return forecast.Forecast{
		Origin: s.Time, Step: 24 * time.Hour, Used: nan, Capacity: nan, Method: "none", Reason: ReasonUnread, GrowthPerDay: nan,
		Backtest: forecast.Backtest{MASE: nan, RelativeMAE: nan, Coverage: nan, Bias: nan},
		TimeToFull: forecast.TimeToFull{
			Probability7: nan, Probability30: nan, Probability90: nan, Reason: ReasonUnread,
		},
	}
}

// fitInput makes the days and the newest reading into a forecast's input. Days say how use grew; the newest reading is
// where the future starts. Either may be missing.
func fitInput(in input) forecast.Input {
	used := func(u volume.Usage) float64 { return float64(u.Used) }
	usable := volume.Usable
	days := in.days
	if in.resource == volume.Inodes {
		used = func(u volume.Usage) float64 { return float64(u.InodesUsed) }
		usable = volume.UsableInodes
		// Days that counted no inodes (an imported past, a btrfs before) are a gap and not a past without files.
		days = slices.DeleteFunc(slices.Clone(days), func(d volume.Day) bool { return d.InodesTotal == 0 })
	}
	usages := make([]volume.Usage, 0, len(days)+1)
	for _, d := range days {
		usages = append(usages, d.Usage)
	}
	usages = append(usages, in.sample.Usage)
	capacity := usable(usages)
	fit := forecast.Input{Step: 24 * time.Hour, Prior: in.growth, Observations: make([]forecast.Observation, len(days))}
	for i, d := range days {
		fit.Observations[i] = forecast.Observation{Time: d.Start, Used: used(d.Usage), Capacity: known(capacity[i])}
	}
	// A volume that hangs before its first day is over has its last reading alone.
	if in.sample.Measured() || (len(days) == 0 && in.sample.Total > 0) {
		fit.Newest = &forecast.Observation{Time: in.sample.Time, Used: used(in.sample.Usage), Capacity: known(capacity[len(days)])}
	}
	return fit
}

func known(capacity int64) float64 {
	if capacity <= 0 {
		return math.NaN()
	}
	return float64(capacity)
}

// pastShares is the share in use over the last days, and now.
func pastShares(in forecast.Input) []float64 {
	all := in.Observations
	if in.Newest != nil {
		all = append(all[:len(all):len(all)], *in.Newest)
	}
	return Shares(all)
}

// Shares is used/capacity of the newest observations, for display; NaN where either is not known.
func Shares(all []forecast.Observation) []float64 {
	all = all[max(0, len(all)-sparkDays):]
	shares := make([]float64, len(all))
	for i, o := range all {
		shares[i] = o.Used / o.Capacity
	}
	return shares
}
