package planner

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/tidemark/tidemark/internal/volume"
	"github.com/tidemark/tidemark/planner/forecast"
)

// join adds a member to its row.
func (t *rows) join(m member) {
	r := m.row
	if r.plan.Volumes+r.plan.CountedElsewhere+r.plan.Unknown == 0 {
		r.plan.Unit, r.plan.Origin = m.unit, m.sample.Time
	}
	if m.elsewhere {
		r.plan.CountedElsewhere++
		return
	}
	s := m.simulated
	if s == nil || !(s.Capacity > 0) {
		r.plan.Unknown++
		if s == nil {
			r.doubt[ReasonUnread] += 0
		} else {
			r.doubt[forecast.ReasonNoCapacity] += 0
			r.plan.Origin = s.Origin
		}
		if s == nil || r.volumes > 1 {
			return
		}
	}
	if r.volumes == 1 {
		r.lone, r.origin = s, s.Origin
		r.plan.Volume, r.plan.Owner = m.id, m.policy.Owner
	}
	d := &r.demand
	if d.units == 0 {
		d.origin, d.unit, d.units = r.origin, s.Unit, s.Units
	}
	d.used += s.Used
	d.growthPerDay += s.GrowthPerDay
	d.add(s)
	if s.Capacity > 0 {
		r.plan.Volumes++
		d.capacity += s.Capacity
		d.full += s.Capacity * m.policy.FullLevel
		r.doubt[s.Doubt] += s.Capacity
		if t.query.By != "" && s.Used >= s.Capacity*m.policy.FullLevel {
			r.plan.Full = append(r.plan.Full, m.series)
		}
		t.take(m)
		if r.volumes > 1 {
			r.summed.add(m.fit, s, d.units, volume.StartOfDay(r.origin).AddDate(0, 0, -2))
		}
	}
	if t.query.Curves {
		r.remember(m.fit)
	}
}

// take lets the policies take from a member, in each scenario, along each path.
func (t *rows) take(m member) {
	s := m.simulated
	for _, one := range t.takes[m.id] {
		growth := 1 + t.scenarios[one.scenario].Growth
		from := m.row.flow(one.scenario, s)
		var to *flow
		if one.to != nil {
			to = one.to.flow(one.scenario, s)
		}
		now := one.move.frees(one.move.by(s.Origin), s.Used, s.Capacity, 0)
		from.now += now
		if to != nil {
			to.now -= now
		}
		eligible := make([]float64, s.Units)
		for u := range eligible {
			eligible[u] = one.move.by(s.Origin.Add(time.Duration(u+1) * s.Unit))
		}
		for i := range forecast.Paths {
			taken := now
			for u := range s.Units {
				taken = one.move.frees(eligible[u], max(0, s.Used+growth*s.End(i, u)), s.Capacity, taken)
				at := i*s.Units + u
				from.taken[at] += taken
				if to != nil {
					to.taken[at] -= taken
				}
			}
		}
	}
}

// flow is a row's in a scenario, ready to take.
func (r *row) flow(scenario int, s *forecast.Simulation) *flow {
	f := &r.demand.flows[scenario]
	if f.taken == nil {
		f.taken = make([]float64, forecast.Paths*s.Units)
	}
	return f
}

// pastPoints is about how many points of the past a plot has.
const pastPoints = 240

// remember adds a member's past to its row's.
func (r *row) remember(in forecast.Input) {
	facts := make(map[time.Time]Fact, len(in.Observations))
	var last Fact
	all := in.Observations
	if in.Newest != nil {
		all = append(all[:len(all):len(all)], *in.Newest)
	}
	for _, o := range all {
		last = Fact{o.Time, o.Used, o.Capacity}
		if r.volumes > 1 {
			last.Time = o.Time.UTC().Truncate(24 * time.Hour)
		}
		facts[last.Time] = last
	}
	if r.past == nil {
		r.past = facts
		return
	}
	// What one of them lacks at a time is what it had before.
	times := slices.SortedFunc(maps.Keys(r.past), time.Time.Compare)
	for at := range facts {
		if _, both := r.past[at]; !both {
			times = append(times, at)
		}
	}
	slices.SortFunc(times, time.Time.Compare)
	sum := make(map[time.Time]Fact, len(times))
	var a, b Fact
	for _, at := range times {
		if f, ok := r.past[at]; ok {
			a = f
		}
		if f, ok := facts[at]; ok {
			b = f
		}
		sum[at] = Fact{at, a.Used + b.Used, a.Capacity + b.Capacity}
	}
	r.past = sum
}

// finish makes a row's plan.
func (t *rows) finish(r *row) Plan {
	p, d := &r.plan, &r.demand
	p.Series, p.Tag = r.name, t.query.By
	if p.Tag != "" {
		p.Volume, p.Owner = volume.ID{}, ""
	} else if t.of != nil {
		p.Volume = r.sample.ID
	}
	if d.units > 0 {
		p.Origin = d.origin
	}
	p.FullLevel = d.full / d.capacity
	t.reconcile(r)
	why := r.why()
	if !(d.capacity > 0) {
		p.Outcomes = []Outcome{unknown(d, why)}
		return t.done(r)
	}
	horizon := t.query.horizon()
	for k, s := range t.scenarios {
		if t.changesNothing(r, k) {
			continue
		}
		f := &future{d, 1 + s.Growth, d.flows[k]}
		reason := why
		if arrives := f.taken != nil && f.takes(f.within(horizon)) < 0; arrives && (why == forecast.ReasonIdle || why == forecast.ReasonShrinking) {
			reason = "" // what the policy brings fills it, whatever it did before
		}
		steps := d.steps(s.Adds, t.mine(r))
		o := f.outcome(s.Name, steps, horizon, reason, p.Unit)
		if same := s.Growth == 0 && len(steps) == 0 && f.taken == nil; same && r.lone != nil {
			full := r.lone.TimeToFull // of the same paths, without a float32's rounding
			o.P10, o.P50, o.P90, o.Reason = full.P10, full.P50, full.P90, full.Reason
		}
		t.query.order(&o, d.origin)
		if t.query.Curves {
			o.Curve, o.Steps = f.curve(horizon), f.capacities(steps)
		}
		p.Outcomes = append(p.Outcomes, o)
	}
	return t.done(r)
}

// changesNothing says whether a scenario is of other rows only, or makes of this one what another scenario has made.
func (t *rows) changesNothing(r *row, scenario int) bool {
	type change struct {
		growth float64
		adds   string
		moves  bool
	}
	of := func(k int) change {
		s := t.scenarios[k]
		c := change{growth: s.Growth, moves: r.demand.flows[k].taken != nil}
		for _, a := range s.Adds {
			if t.mine(r)(a) {
				c.adds += fmt.Sprintln(a.Amount, a.At)
			}
		}
		return c
	}
	s, own := t.scenarios[scenario], of(scenario)
	if own == (change{}) {
		return len(s.Adds)+len(s.Moves) > 0
	}
	for k := 1; k < scenario; k++ {
		if of(k) == own {
			return true
		}
	}
	return false
}

// done is a row's plan, and lets go of what it was made from: a fleet's would not fit in memory.
func (t *rows) done(r *row) Plan {
	r.plan.Past = r.thinned()
	done := r.plan
	r.demand, r.summed, r.lone, r.past = demand{}, summed{}, nil, nil
	return done
}

// mine says whether an addition is for a row.
func (t *rows) mine(r *row) func(Addition) bool {
	return func(a Addition) bool {
		if a.Series == "" || t.of == nil || t.query.By == "" {
			return a.Series == "" || a.Series == r.name
		}
		for id, row := range t.of {
			if row == r && id.String() == a.Series {
				return true
			}
		}
		return false
	}
}

// blind are the reasons of which more than a tenth of a group's capacity forbids a date: nobody knows how it grows.
var blind = [...]forecast.Reason{forecast.ReasonStale, forecast.ReasonGap, forecast.ReasonNewVolume}

// why is what keeps a row from a date: of a volume its own reason; of a group that of volumes that hold more than a tenth of
// the capacity, where nothing is known of their growth, and nine tenths of it else.
func (r *row) why() forecast.Reason {
	if r.plan.Volumes == 0 {
		if _, unread := r.doubt[ReasonUnread]; unread {
			return ReasonUnread
		}
		return forecast.ReasonNoCapacity
	}
	if r.lone != nil {
		return r.lone.Doubt
	}
	all, unknown, sum := 0., 0., 0.
	for reason, capacity := range r.doubt {
		all += capacity
		if reason != "" {
			sum += capacity
		}
		if slices.Contains(blind[:], reason) {
			unknown += capacity
		}
	}
	largest := func(of func(forecast.Reason) bool) forecast.Reason {
		reasons := slices.Sorted(maps.Keys(r.doubt))
		reasons = slices.DeleteFunc(reasons, func(w forecast.Reason) bool { return !of(w) })
		return slices.MaxFunc(reasons, func(a, b forecast.Reason) int { return cmp.Compare(r.doubt[a], r.doubt[b]) })
	}
	switch {
	case unknown > all/10:
		return largest(func(w forecast.Reason) bool { return slices.Contains(blind[:], w) })
	case sum > all*9/10:
		return largest(func(w forecast.Reason) bool { return w != "" })
	}
	return ""
}

// unknown is the outcome of a row whose capacity is not known.
func unknown(d *demand, why forecast.Reason) Outcome {
	nan := math.NaN()
	o := Outcome{Scenario: AsItIs, Used: nan, Capacity: nan, GrowthPerDay: nan, Probability: nan, Buy: nan, Reason: why}
	if d.units > 0 {
		o.Used, o.GrowthPerDay = d.used, d.growthPerDay
	}
	return o
}

// capacities are what there is and what counts as full, at the origin and at each change.
func (f *future) capacities(steps []step) []Fact {
	all := []Fact{{f.origin, f.full, f.capacity}}
	slices.SortStableFunc(steps, func(a, b step) int { return cmp.Compare(a.unit, b.unit) })
	for _, s := range steps {
		last := all[len(all)-1]
		all = append(all, Fact{f.after(float64(s.unit)), last.Used + s.amount*f.share(), last.Capacity + s.amount})
	}
	return all
}

// thinned is the past with about pastPoints points, the highest use of each part.
func (r *row) thinned() []Fact {
	times := slices.SortedFunc(maps.Keys(r.past), time.Time.Compare)
	part := max(1, len(times)/pastPoints)
	var all []Fact
	for end := len(times); end > 0; end -= part {
		f := r.past[times[end-1]]
		for _, at := range times[max(0, end-part):end] {
			if u := r.past[at].Used; u > f.Used || math.IsNaN(f.Used) {
				f.Used = u
			}
		}
		all = append(all, f)
	}
	slices.Reverse(all)
	return all
}
