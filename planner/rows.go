package planner

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/tidemark/tidemark/internal/volume"
	"github.com/tidemark/tidemark/planner/csvinput"
	"github.com/tidemark/tidemark/planner/forecast"
)

// Plans are what to buy by when, a row for each selected volume or group, sorted; space only, inodes cannot be bought. With policies
// the volumes that these take from and bring to have a row too. An error is an *UnknownTagError or an *UnknownVolumeError, what Check
// finds, or the history's.
func (p Planner) Plans(ctx context.Context, q PlanQuery) ([]Plan, error) {
	if err := q.Check(); err != nil {
		return nil, err
	}
	if q.Past == 0 {
		q.Past = twoYears
	}
	q.Options.Now = q.Now
	wanted := q.Select
	if len(q.moves()) > 0 {
		q.Select.Path = "" // an archive is elsewhere
	}
	newest, err := p.History.Newest(ctx, q.Select, q.Now.Add(-remembered), q.Now.Add(clockSkew))
	if err != nil {
		return nil, fmt.Errorf("read the newest samples: %w", err)
	}
	all := units(newest)
	t, err := newTable(q, newest, all)
	if err != nil || len(all) == 0 {
		return nil, err
	}
	t.keep(wanted)
	if t.changes, err = p.interventions(ctx, q.Query, newest, all); err != nil {
		return nil, err
	}
	return t.fill(InOrder(t.members(p.withGrowth(ctx, q.Query, all, p.inputs(ctx, q.Query, all))), t.work))
}

// FilePlans are Plans for the series of a CSV, each a volume. Now of the query is set to the newest time in the file. It ends with ctx.
func FilePlans(ctx context.Context, file *csvinput.File, q PlanQuery) ([]Plan, error) {
	q.Now = Newest(file)
	if err := q.Check(); err != nil {
		return nil, err
	}
	t := &rows{query: q, scenarios: q.scenarios(), rows: map[string]*row{}}
	for _, s := range file.Series {
		t.rows[s.Name] = t.newRow(s.Name)
		t.rows[s.Name].volumes = 1
	}
	if err := t.checkAdds(); err != nil {
		return nil, err
	}
	series := func(yield func(member, error) bool) {
		for _, s := range file.Series {
			m := member{row: t.rows[s.Name], series: s.Name, unit: AsRead, policy: Policy{FullLevel: cmp.Or(q.Options.FullLevel, 1)}}
			m.fit = forecast.Input{Observations: s.Observations(), LonePointStep: file.MedianStep}
			if err := ctx.Err(); !yield(m, err) || err != nil {
				return
			}
		}
	}
	return t.fill(InOrder(series, t.work))
}

// Newest is the newest time with a use in a CSV.
func Newest(file *csvinput.File) time.Time {
	var newest time.Time
	for _, s := range file.Series {
		for _, o := range s.Observations() {
			if !math.IsNaN(o.Used) && o.Time.After(newest) {
				newest = o.Time
			}
		}
	}
	return newest
}

// rows is a plan as it is filled.
type rows struct {
	query     PlanQuery
	scenarios []Scenario
	rows      map[string]*row      // by value of the tag, or by volume
	of        map[volume.ID]*row   // by unit
	takes     map[volume.ID][]take // by unit: what policies take from it
	counted   map[string]map[sharedSpace]bool
	changes   map[touched][]forecast.Intervention
}

// take is a move from a unit, in a scenario.
type take struct {
	scenario int
	move     Move
	to       *row // nil: not known
}

// row is one row as it is filled.
type row struct {
	name    string
	sample  volume.Sample // of a lone volume
	volumes int           // that belong to it, counted elsewhere or not
	origin  time.Time
	moved   bool // policies take from it or bring to it
	unshown bool // it was not asked for, and no policy has to do with it

	plan   Plan
	demand demand
	summed summed
	lone   *forecast.Simulation
	doubt  map[forecast.Reason]float64 // capacity of the volumes, by what keeps each from a date
	past   map[time.Time]Fact
}

// member is one unit on its way into its row.
type member struct {
	*row
	id        volume.ID
	series    string
	unit      string
	policy    Policy
	fit       forecast.Input
	sample    volume.Sample
	elsewhere bool // another member shows the same space

	simulated *forecast.Simulation // nil: not known, or elsewhere
	plan      *Plan                // of a row that is this member alone
}

func (t *rows) newRow(name string) *row {
	return &row{name: name, doubt: map[forecast.Reason]float64{}, demand: demand{flows: make([]flow, len(t.scenarios))}}
}

func newTable(q PlanQuery, newest []volume.Sample, all []unit) (*rows, error) {
	t := &rows{
		query: q, scenarios: q.scenarios(), rows: map[string]*row{}, of: map[volume.ID]*row{}, takes: map[volume.ID][]take{},
		counted: map[string]map[sharedSpace]bool{},
	}
	if err := knownTag(q.By, newest); err != nil && len(newest) > 0 {
		return nil, err
	}
	for _, u := range all {
		name := u.sample.ID.String()
		if q.By != "" {
			name = TagValue(u.sample, q.By)
		}
		r := t.rows[name]
		if r == nil {
			r = t.newRow(name)
			r.sample = u.sample
			t.rows[name] = r
		}
		r.volumes++
		if u.sample.Measured() && u.sample.Time.After(r.origin) {
			r.origin = u.sample.Time
		}
		t.of[u.sample.ID] = r
	}
	if err := t.checkAdds(); err != nil && len(newest) > 0 {
		return nil, err
	}
	return t, t.route(newest, all)
}

func knownTag(tag string, newest []volume.Sample) error {
	known := map[string]bool{"host": true, "path": true, "device": true, "fstype": true}
	for _, s := range newest {
		for k := range s.Tags {
			known[k] = true
		}
	}
	if tag == "" || known[tag] {
		return nil
	}
	return &UnknownTagError{tag, slices.Sorted(maps.Keys(known))}
}

// checkAdds wants a volume for each addition that names one.
func (t *rows) checkAdds() error {
	known := map[string]bool{}
	for id := range t.of {
		known[id.String()] = true
	}
	if t.of == nil {
		for name := range t.rows {
			known[name] = true
		}
	}
	for _, s := range t.scenarios {
		for _, a := range s.Adds {
			if a.Series != "" && !known[a.Series] {
				return &UnknownVolumeError{a.Series, slices.Sorted(maps.Keys(known))}
			}
		}
	}
	return nil
}

// route finds the units that policies take from and bring to.
func (t *rows) route(newest []volume.Sample, all []unit) error {
	unitOf := func(dir volume.ID) (volume.ID, bool) {
		s, ok := holder(newest, dir)
		for _, u := range all {
			if ok && (u.sample.ID == s.ID || slices.Contains(u.parts, s.ID) || poolOf(s) != (pool{}) && poolOf(s) == poolOf(u.sample)) {
				return u.sample.ID, true
			}
		}
		return volume.ID{}, false
	}
	for k, s := range t.scenarios {
		for _, m := range s.Moves {
			from, ok := unitOf(m.From)
			if !ok {
				var known []string
				for _, u := range all {
					known = append(known, u.sample.ID.String())
				}
				return &UnknownVolumeError{m.From.String(), known}
			}
			one := take{scenario: k, move: m}
			t.of[from].moved = true
			if to, ok := unitOf(m.To); ok && m.To != (volume.ID{}) {
				one.to = t.of[to]
				one.to.moved = true
			}
			t.takes[from] = append(t.takes[from], one)
		}
	}
	for _, m := range t.query.moves() {
		for _, dir := range []volume.ID{m.From, m.To} {
			if id, ok := unitOf(dir); ok && !slices.ContainsFunc(t.of[id].plan.Moves, func(o Move) bool { return o.Policy == m.Policy && o.From == m.From }) {
				t.of[id].plan.Moves = append(t.of[id].plan.Moves, m)
			}
		}
	}
	return nil
}

// keep marks the rows that nobody asked for.
func (t *rows) keep(wanted volume.Selector) {
	asked := map[*row]bool{}
	for id, r := range t.of {
		asked[r] = asked[r] || wanted.Matches(id)
	}
	for _, r := range t.rows {
		r.unshown = !asked[r] && !r.moved
	}
}

// members makes the inputs of a query's units into members of their rows.
func (t *rows) members(inputs iter.Seq2[input, error]) iter.Seq2[member, error] {
	return func(yield func(member, error) bool) {
		for in, err := range inputs {
			if err != nil {
				yield(member{}, err)
				return
			}
			r := t.of[in.sample.ID]
			if in.resource != volume.Space || r.unshown {
				continue
			}
			m := member{row: r, id: in.sample.ID, series: in.sample.ID.String(), unit: Bytes, sample: in.sample, policy: Policy{FullLevel: 1}}
			if t.query.PolicyOf != nil {
				m.policy = t.query.PolicyOf(m.id)
			}
			if space, shared := spaceOf(in.sample); shared && in.sample.Used+in.sample.Free > 0 {
				if t.counted[r.name] == nil {
					t.counted[r.name] = map[sharedSpace]bool{}
				}
				m.elsewhere = t.counted[r.name][space]
				t.counted[r.name][space] = true
			}
			m.fit = fitInput(in)
			m.fit.Interventions = t.changes[touched{m.id, volume.Space}]
			if len(m.fit.Observations) == 0 && m.fit.Newest != nil {
				today := *m.fit.Newest // as for an outlook
				today.Time = volume.StartOfDay(today.Time)
				m.fit.Observations, m.fit.Interventions = []forecast.Observation{today}, nil
			}
			if !yield(m, nil) {
				return
			}
		}
	}
}

// work is what can be done for a member alone: its paths, and its row's plan where it is the only one in it.
func (t *rows) work(m member) (member, error) {
	m, err := t.simulate(m)
	if err == nil && m.row.volumes == 1 && !m.row.moved {
		t.join(m)
		plan := t.finish(m.row)
		m.simulated, m.plan = nil, &plan
	}
	return m, err
}

// simulate draws a member's paths: with those of its group where it is in one.
func (t *rows) simulate(m member) (member, error) {
	if m.elsewhere || !slices.ContainsFunc(m.fit.Observations, func(o forecast.Observation) bool { return !math.IsNaN(o.Used) }) {
		return m, nil
	}
	opt := t.query.Options
	opt.FullLevel, opt.Seed = m.policy.FullLevel, seed(m.series, volume.Space)
	var draws *forecast.Draws
	if t.query.By != "" && m.row.volumes > 1 {
		draws = &forecast.Draws{Seed: seed(t.query.By+"\x00"+m.row.name, volume.Space), Until: volume.StartOfDay(t.query.Now).Add(-24 * time.Hour)}
	}
	var err error
	if m.simulated, err = forecast.Simulate(m.fit, opt, draws); err != nil {
		return m, fmt.Errorf("simulate %s: %w", m.series, err)
	}
	return m, nil
}

// fill joins members to rows, and makes each row's plan once all that it needs has come.
func (t *rows) fill(members iter.Seq2[member, error]) ([]Plan, error) {
	waiting := map[*row]int{}
	done, total := 0, 0
	for _, r := range t.rows {
		waiting[r] = r.volumes
		if !r.unshown {
			total += r.volumes
		}
	}
	var plans []Plan
	for m, err := range members {
		if err != nil {
			return nil, err
		}
		if done++; t.query.Progress != nil {
			t.query.Progress(done, total)
		}
		if m.plan != nil {
			plans = append(plans, *m.plan)
			continue
		}
		t.join(m)
		if waiting[m.row]--; waiting[m.row] == 0 && !m.row.moved {
			plans = append(plans, t.finish(m.row))
		}
	}
	for _, r := range t.rows {
		if r.moved { // each has heard of all the others now
			plans = append(plans, t.finish(r))
		}
	}
	if t.of != nil {
		slices.SortFunc(plans, func(a, b Plan) int {
			if a.Tag == "" && b.Tag == "" {
				return a.Volume.Compare(b.Volume)
			}
			return strings.Compare(a.Series, b.Series)
		})
	}
	return plans, nil
}
