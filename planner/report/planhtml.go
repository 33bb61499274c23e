package report

import (
	"cmp"
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"math"
	"slices"
	"time"

	"github.com/tidemark/tidemark/internal/table"
	"github.com/tidemark/tidemark/planner"
)

//go:embed plan.html.tmpl
var planTemplate string

// mostPlots is how many rows of a page have a plot: each is some kilobytes, and a browser must draw them all.
const mostPlots = 100

// PlanHTML writes one file that needs nothing else: a summary, then for each volume or group a plot of its past and its futures. Of
// more than a hundred those that need an order come first, the soonest on top, and only the first hundred have a plot.
func PlanHTML(w io.Writer, d Plan) error {
	t, err := template.New("plan").Parse(planTemplate)
	if err != nil {
		return err
	}
	page := pageHTML{
		Made: d.Now.UTC().Format("2006-01-02 15:04 UTC"), Source: table.Printable(d.Source), LeadTime: dayCount(d.LeadTime), Horizon: dayCount(d.Horizon),
	}
	for _, m := range d.Moves {
		page.Policies = append(page.Policies, moveText(m))
	}
	plans := d.Plans
	if len(plans) > mostPlots {
		plans = slices.Clone(plans)
		slices.SortStableFunc(plans, byNeed)
		page.Plotted = fmt.Sprintf("Of %d, those that need an order stand first; the first %d have a plot below.", len(plans), mostPlots)
	}
	reasons := map[string]bool{}
	for i, p := range plans {
		r := rowHTML{ID: "v" + decimal(float64(i+1)), Name: planName(p), Owner: table.Printable(p.Owner)}
		if p.Tag != "" {
			r.Summed = summed(p)
			if len(p.Full) > 0 {
				r.Full = fullNow(p)
			}
		}
		for _, o := range p.Outcomes {
			r.Outcomes = append(r.Outcomes, toOutcomeHTML(p, o, d.Now))
			if o.Reason != "" {
				reasons[string(o.Reason)] = true
			}
		}
		if i < mostPlots && len(p.Outcomes) > 0 && len(p.Outcomes[0].Curve) > 0 {
			plot := newPlot(p, d)
			r.Plot = &plot
		}
		page.Rows = append(page.Rows, r)
	}
	for _, word := range sortedKeys(reasons) {
		page.Reasons = append(page.Reasons, [2]string{word, meanings[word]})
	}
	return t.Execute(w, page)
}

// byNeed orders plans by the soonest order of any scenario, then by the largest chance to be full.
func byNeed(a, b planner.Plan) int {
	need := func(p planner.Plan) (order time.Time, chance float64) {
		for _, o := range p.Outcomes {
			if !o.OrderBy.IsZero() && (order.IsZero() || o.OrderBy.Before(order)) {
				order = o.OrderBy
			}
			if o.Probability > chance { // never for NaN
				chance = o.Probability
			}
		}
		return order, chance
	}
	orderA, chanceA := need(a)
	orderB, chanceB := need(b)
	switch {
	case orderA.IsZero() && orderB.IsZero():
		return cmp.Compare(chanceB, chanceA)
	case orderA.IsZero():
		return 1
	case orderB.IsZero():
		return -1
	}
	return cmp.Or(orderA.Compare(orderB), cmp.Compare(chanceB, chanceA))
}

type pageHTML struct {
	Made, Source, LeadTime, Horizon string
	Plotted                         string // which rows have a plot; empty: all
	Rows                            []rowHTML
	Policies                        []string
	Reasons                         [][2]string
}

type rowHTML struct {
	ID, Name, Owner, Summed, Full string
	Outcomes                      []outcomeHTML
	Plot                          *plot
}

type outcomeHTML struct {
	Scenario, Capacity, Used, Growth, Likely, Between, OrderBy, Buy, Chance, Reason string
	Overdue                                                                         bool
}

func toOutcomeHTML(p planner.Plan, o planner.Outcome, now time.Time) outcomeHTML {
	h := outcomeHTML{
		Scenario: table.Printable(o.Scenario), Capacity: amount(o.Capacity, p.Unit), Used: usedPercent(usedNow(p, o)),
		Growth: amount(o.GrowthPerDay*perMonth, p.Unit), OrderBy: orderBy(o), Buy: buy(o, p.Unit), Chance: percent(o.Probability), Reason: string(o.Reason),
		Overdue: o.Overdue, Between: "-",
	}
	h.Likely, _ = likelyFull(o, now)
	if !o.P10.IsZero() && o.P10 != o.P90 {
		h.Between = date(o.P10, now) + " to " + orLater(o.P90, now)
	}
	return h
}

func orLater(t, now time.Time) string {
	if t.IsZero() {
		return later
	}
	return date(t, now)
}

// finite says whether a number can be drawn.
func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }
