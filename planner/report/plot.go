package report

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tidemark/tidemark/internal/table"
	"github.com/tidemark/tidemark/planner"
)

// The plot's measures, in SVG units; a letter of its text is about letter wide.
const (
	plotWidth    = 960.
	plotHeight   = 300. // of the area within the axes
	plotLeft     = 76.
	plotRight    = 210. // room for the names of lines
	plotBottom   = 30.
	letter       = 6.6
	laneHeight   = 16.
	labelHeight  = 15.
	labelLetters = 25 // that fit into plotRight
)

// plot is a row's past and futures, as an SVG of lines and words.
type plot struct {
	Width, Height            float64
	Left, Top, Right, Bottom float64 // of the area within the axes
	Title, Description       string
	XTicks, YTicks           []tick
	Past, Band               string // paths
	Lines                    []lineSVG
	Events                   []event
	Labels                   []label
	Now                      float64
}

// Clip and the others are places that follow from these.
func (p plot) Clip() float64  { return p.Right - p.Left }
func (p plot) Tall() float64  { return p.Bottom - p.Top }
func (p plot) TickX() float64 { return p.Left - 8 }
func (p plot) TickY() float64 { return p.Bottom + 20 }
func (p plot) LeadX() float64 { return p.Right + 15 }

type tick struct {
	At   float64
	Text string
}

type lineSVG struct{ Class, Path string }

// event is a time that has a name, as an upright line.
type event struct {
	X, Y, TextX float64
	Anchor      string
	Text, Class string
	when        time.Time
}

// label names a line, at its right end; From is where that is.
type label struct {
	X, Y, From  float64
	Text, Whole string
	Class       string
	beyond      float64 // how far above the plot's top the line ends, in its unit
}

// scale turns times and amounts into places.
type scale struct {
	from, to  time.Time
	top       float64 // amount
	above     float64 // the top's place
	left, end float64
}

func (s scale) x(t time.Time) float64 {
	return round(s.left + (s.end-s.left)*float64(t.Sub(s.from))/float64(s.to.Sub(s.from)))
}

func (s scale) y(v float64) float64 {
	return round(s.above + plotHeight*(1-min(max(v/s.top, -.02), 1.02)))
}

func round(v float64) float64 { return math.Round(v*10) / 10 }

// path is a line through points; a gap where one is not known.
type path struct {
	strings.Builder
	pen bool
}

func (p *path) to(x, y float64) {
	command := "L"
	if !p.pen {
		command = "M"
	}
	fmt.Fprintf(p, "%s%g %g", command, x, y)
	p.pen = true
}

func newPlot(p planner.Plan, d Plan) plot {
	s := scaleOf(p, d)
	events := eventsOf(p, d)
	lanes := arrange(events, &s)
	s.above = 8 + float64(lanes)*laneHeight
	out := plot{
		Width: plotWidth, Height: s.above + plotHeight + plotBottom, Left: s.left, Right: s.end, Top: s.above, Bottom: s.above + plotHeight,
		Title: "Use of " + planName(p), Description: describe(p, d), Events: events, Now: s.x(p.Origin),
		XTicks: s.xTicks(), YTicks: s.yTicks(p.Unit),
	}
	out.Past = s.past(p.Past)
	asItIs := p.Outcomes[0]
	out.Band = s.band(asItIs.Curve)
	out.capacity(s, p)
	out.marks(s, p)
	out.medians(s, p)
	out.place()
	return out
}

// medians draws the scenarios' medians, each course once: capacity that is added changes none.
func (p *plot) medians(s scale, of planner.Plan) {
	drawn := map[string]bool{}
	for i, o := range of.Outcomes {
		var median path
		for _, q := range o.Curve {
			if median.to(s.x(q.Time), s.y(q.P50)); q.P50 > s.top {
				break // it leaves the plot
			}
		}
		text := median.String()
		if drawn[text] {
			continue
		}
		drawn[text] = true
		class := fmt.Sprintf("s%d", i%6)
		p.Lines = append(p.Lines, lineSVG{"median " + class, text})
		last := o.Curve[len(o.Curve)-1].P50
		p.Labels = append(p.Labels, label{From: s.y(min(last, s.top)), Text: table.Printable(o.Scenario), Class: class, beyond: max(0, last-s.top)})
	}
}

// scaleOf shows as much of the past as of the future, and all that there is to see of both but a future's far end.
func scaleOf(p planner.Plan, d Plan) scale {
	s := scale{to: p.Origin.Add(d.Horizon), left: plotLeft, end: plotWidth - plotRight, from: p.Origin.Add(-d.Horizon)}
	if len(p.Past) == 0 || p.Past[0].Time.After(s.from) {
		s.from = p.Origin.Add(-d.Horizon / 12)
		if len(p.Past) > 0 && p.Past[0].Time.Before(s.from) {
			s.from = p.Past[0].Time
		}
	}
	capacity := 0.
	for _, o := range p.Outcomes {
		if finite(o.Capacity) {
			capacity = max(capacity, o.Capacity)
		}
	}
	for _, f := range p.Past {
		if !f.Time.Before(s.from) {
			s.top = max(s.top, known(f.Used), known(f.Capacity))
		}
	}
	for _, o := range p.Outcomes {
		for _, q := range o.Curve {
			s.top = max(s.top, q.P50)
			if o.Scenario == planner.AsItIs {
				s.top = max(s.top, q.P90)
			}
		}
	}
	if capacity > 0 {
		s.top = max(capacity, min(s.top, 1.5*capacity)) // a runaway would make all else flat
	}
	s.top *= 1.06
	if !(s.top > 0) {
		s.top = 1
	}
	return s
}

func known(v float64) float64 {
	if !finite(v) {
		return 0
	}
	return v
}

func (s scale) past(facts []planner.Fact) string {
	var line path
	for i, f := range facts {
		if f.Time.Before(s.from) {
			continue
		}
		// A long silence is a gap.
		if !finite(f.Used) || i > 0 && f.Time.Sub(facts[i-1].Time) > max(7*24*time.Hour, s.to.Sub(s.from)/40) {
			line.pen = false
		}
		if finite(f.Used) {
			line.to(s.x(f.Time), s.y(f.Used))
		}
	}
	return line.String()
}

func (s scale) band(curve []planner.Quantiles) string {
	var edge path
	for _, q := range curve {
		edge.to(s.x(q.Time), s.y(q.P90))
	}
	for _, q := range slices.Backward(curve) {
		edge.to(s.x(q.Time), s.y(q.P10))
	}
	return edge.String() + "Z"
}

// capacity draws the steps of the capacity and of the full level: of the past, of how it is, and of each scenario that adds.
func (p *plot) capacity(s scale, of planner.Plan) {
	var past path
	last := math.NaN()
	for _, f := range of.Past {
		if f.Time.Before(s.from) || !finite(f.Capacity) {
			continue
		}
		x := s.x(f.Time)
		if finite(last) && last != f.Capacity {
			past.to(x, s.y(last))
		}
		past.to(x, s.y(f.Capacity))
		last = f.Capacity
	}
	if finite(last) {
		past.to(s.x(of.Origin), s.y(last))
	}
	p.Lines = append(p.Lines, lineSVG{"capacity", past.String()})
	drawn := map[float64]bool{}
	for i, o := range of.Outcomes {
		if len(o.Steps) == 0 || i > 0 && (len(o.Steps) < 2 || drawn[o.Capacity]) {
			continue
		}
		drawn[o.Capacity] = true
		var capacity, full path
		for k, f := range o.Steps {
			if k > 0 {
				capacity.to(s.x(f.Time), s.y(o.Steps[k-1].Capacity))
				full.to(s.x(f.Time), s.y(o.Steps[k-1].Used))
			}
			capacity.to(s.x(f.Time), s.y(f.Capacity))
			full.to(s.x(f.Time), s.y(f.Used))
		}
		end := o.Steps[len(o.Steps)-1]
		capacity.to(s.end, s.y(end.Capacity))
		full.to(s.end, s.y(end.Used))
		p.Lines = append(p.Lines, lineSVG{"capacity", capacity.String()}, lineSVG{"full", full.String()})
		p.Labels = append(p.Labels, label{From: s.y(end.Capacity), Text: "capacity " + amount(end.Capacity, of.Unit), Class: "capacity"})
		if end.Used < end.Capacity {
			p.Labels = append(p.Labels, label{From: s.y(end.Used), Text: "full at " + percent(of.FullLevel), Class: "full"})
		}
	}
}

// marks draws where policies begin and end.
func (p *plot) marks(s scale, of planner.Plan) {
	for _, m := range of.Moves {
		if of.Tag != "" || m.From.Host != of.Volume.Host || !strings.HasPrefix(m.From.Path, of.Volume.Path) {
			continue
		}
		for _, mark := range []struct {
			share float64
			what  string
		}{{m.Start, "starts"}, {m.Stop, "stops"}} {
			if mark.share <= 0 {
				continue
			}
			y := s.y(mark.share * of.Outcomes[0].Capacity)
			p.Lines = append(p.Lines, lineSVG{"mark", fmt.Sprintf("M%g %gL%g %g", s.x(of.Origin), y, s.end, y)})
			p.Labels = append(p.Labels, label{From: y, Text: fmt.Sprintf("%s %s, %s", m.Policy, mark.what, percent(mark.share)), Class: "mark"})
		}
	}
}

// place moves the labels apart, in the order of what they name, and cuts those that are too long.
func (p *plot) place() {
	slices.SortStableFunc(p.Labels, func(a, b label) int { return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(b.beyond, a.beyond)) })
	lowest := p.Top - labelHeight/2
	for i := range p.Labels {
		l := &p.Labels[i]
		l.X, l.Y = p.Right+18, max(l.From, lowest+labelHeight)
		lowest = l.Y
		l.Whole = l.Text
		l.Text = cut(l.Text, labelLetters)
	}
	// What was pushed below the plot pushes back.
	highest := p.Bottom + labelHeight/2
	for i := len(p.Labels) - 1; i >= 0; i-- {
		l := &p.Labels[i]
		l.Y = round(min(l.Y, highest))
		highest = l.Y - labelHeight
	}
}

func cut(text string, n int) string {
	if utf8.RuneCountInString(text) <= n {
		return text
	}
	return string([]rune(text)[:n-1]) + "…"
}

// eventsOf are the times that have names, each once.
func eventsOf(p planner.Plan, d Plan) []event {
	var all []event
	end := p.Origin.Add(d.Horizon)
	add := func(at time.Time, class, text string) {
		if at.IsZero() || at.Before(p.Origin) || at.After(end) || slices.ContainsFunc(all, func(e event) bool { return e.Text == text }) {
			return
		}
		all = append(all, event{when: at, Class: class, Text: text})
	}
	add(p.Origin, "now", "now "+p.Origin.UTC().Format(time.DateOnly))
	for i, o := range p.Outcomes {
		if i == 0 {
			if o.Overdue {
				all[0].Text = "now: order at once"
			} else {
				add(o.OrderBy, "order", "order by "+o.OrderBy.UTC().Format(time.DateOnly))
			}
			if o.P50.After(p.Origin) {
				add(o.P10, "early", "early "+o.P10.UTC().Format(time.DateOnly))
				add(o.P50, "likely", "likely full "+o.P50.UTC().Format(time.DateOnly))
			} else if o.P10.After(p.Origin) {
				add(o.P10, "early", "early "+o.P10.UTC().Format(time.DateOnly))
			}
		}
		for k, f := range o.Steps[min(1, len(o.Steps)):] {
			add(f.Time, "step", fmt.Sprintf("+%s %s", amount(f.Capacity-o.Steps[k].Capacity, p.Unit), f.Time.UTC().Format(time.DateOnly)))
		}
	}
	slices.SortStableFunc(all, func(a, b event) int { return a.when.Compare(b.when) })
	return all
}

// arrange puts the events' words into lanes above the plot, the first on top, where no word covers another and no line of an event
// leads through the words of one before it, and says how many lanes these are.
func arrange(events []event, s *scale) int {
	var ends []float64 // of the last word in each lane
	for i := range events {
		e := &events[i]
		e.X = s.x(e.when)
		width := float64(utf8.RuneCountInString(e.Text)) * letter
		begin := e.X + 3
		e.TextX, e.Anchor = begin, "start"
		if begin+width > plotWidth {
			begin = e.X - 3 - width
			e.TextX, e.Anchor = e.X-3, "end"
		}
		lane := len(ends)
		for lane > 0 && ends[lane-1]+6 < begin {
			lane--
		}
		if lane == len(ends) {
			ends = append(ends, 0)
		}
		ends[lane] = begin + width
		e.Y = laneHeight * float64(lane+1)
	}
	return max(1, len(ends))
}

// xTicks are the first days of months, or of years, at most eight or so.
func (s scale) xTicks() []tick {
	months := s.to.Sub(s.from).Hours() / 24 / 30.4
	step := 120
	for _, n := range []int{1, 2, 3, 6, 12, 24, 60} {
		if months/float64(n) <= 9 {
			step = n
			break
		}
	}
	var all []tick
	from := s.from.UTC()
	for at := time.Date(from.Year(), 1, 1, 0, 0, 0, 0, time.UTC); at.Before(s.to); at = at.AddDate(0, step, 0) {
		if !at.Before(from) {
			all = append(all, tick{s.x(at), at.Format("2006-01")})
		}
	}
	if len(all) < 2 { // a short horizon
		all = nil
		for k := range 4 {
			at := from.Add(s.to.Sub(from) * time.Duration(k) / 4)
			all = append(all, tick{s.x(at), at.Format("01-02")})
		}
	}
	return all
}

// yTicks are round numbers in one unit: of bytes, in the largest prefix that the top has one of.
func (s scale) yTicks(unit string) []tick {
	base, name := 1., ""
	if unit == planner.Bytes {
		for _, prefix := range []string{"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"} {
			name = prefix
			if s.top < base*1024 {
				break
			}
			base *= 1024
		}
	}
	step := niceStep(s.top/base, unit == planner.Bytes)
	var all []tick
	for k := 0; float64(k)*step*base <= s.top; k++ {
		v := float64(k) * step
		text := strings.TrimSpace(fmt.Sprintf("%.10g %s", v, name))
		if name == "" {
			text = amount(v, unit)
		}
		all = append(all, tick{s.y(v * base), text})
	}
	return all
}

// niceStep divides top into at most six parts of a round size. Of bytes, hundreds go by 128: eight of these are the next prefix.
func niceStep(top float64, binary bool) float64 {
	if binary && top >= 320 && top < 1024 {
		return 128 * math.Ceil(top/128/6)
	}
	step := math.Pow(10, math.Floor(math.Log10(top)))
	for _, f := range []float64{.1, .2, .5, 1} {
		if top/(step*f) <= 6 {
			return step * f
		}
	}
	return 2 * step
}

// describe says in words what the plot shows.
func describe(p planner.Plan, d Plan) string {
	var parts []string
	for _, o := range p.Outcomes {
		h := toOutcomeHTML(p, o, d.Now)
		text := fmt.Sprintf("%s: %s of %s used", h.Scenario, h.Used, h.Capacity)
		switch {
		case o.Reason != "":
			text += ", no date (" + h.Reason + ")"
			if m := meanings[h.Reason]; m != "" {
				text = strings.TrimSuffix(text, ", no date ("+h.Reason+")") + ", " + h.Reason + ": " + m
			}
		case o.P50.IsZero():
			text += ", full early on " + date(o.P10, d.Now) + ", likely later than the horizon"
		default:
			text += ", likely full on " + h.Likely + ", early on " + date(o.P10, d.Now)
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, ". ") + "."
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
