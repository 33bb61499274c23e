package report

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidemark/tidemark/planner"
	"github.com/tidemark/tidemark/planner/forecast"
)

// fleet is n volumes by name, of which every tenth needs an order, the later ones sooner, and every third of the others may be full.
func fleet(n int) Plan {
	d := planDocument()
	one := d.Plans[0]
	one.Outcomes, one.Moves = one.Outcomes[:1], nil
	d.Plans, d.Moves = nil, nil
	for i := range n {
		p := one
		p.Outcomes = slices.Clone(one.Outcomes)
		o := &p.Outcomes[0]
		p.Series = fmt.Sprintf("h:/v%04d", i)
		o.OrderBy = now.AddDate(0, 0, n-i)
		if i%10 != 0 {
			o.P10, o.P50, o.P90, o.OrderBy, o.Probability, o.Reason = time.Time{}, time.Time{}, time.Time{}, time.Time{}, 0, forecast.ReasonBeyondHorizon
			if i%3 == 0 {
				o.Probability = .05
			}
		}
		d.Plans = append(d.Plans, p)
	}
	return d
}

// A fleet's page stays one that a browser opens: only the volumes that need an order first have a plot.
func TestThePageOfAFleet(t *testing.T) {
	const n = 2000
	page := htmlOf(t, fleet(n))
	wellFormed(t, page)
	if got := strings.Count(page, "<svg "); got != mostPlots {
		t.Errorf("%d plots, want %d", got, mostPlots)
	}
	if got := strings.Count(page, `class="name"`); got != n {
		t.Errorf("%d rows, want %d", got, n)
	}
	if perRow := (len(page) - mostPlots*10_000) / n; perRow > 500 {
		t.Errorf("a row without a plot takes %d bytes", perRow)
	}
	if want := "Of 2000, those that need an order stand first; the first 100 have a plot below."; !strings.Contains(page, want) {
		t.Errorf("the page lacks %q", want)
	}
	place := func(i int) int {
		return strings.Index(page, fmt.Sprintf(`">h:/v%04d</a>`, i)) + strings.Index(page, fmt.Sprintf(`"long">h:/v%04d</div>`, i))
	}
	for _, order := range [][2]int{{1990, 1980}, {10, 0}, {0, 3}, {3, 9}, {3, 1}, {1, 2}} {
		if place(order[0]) >= place(order[1]) {
			t.Errorf("volume %d stands behind volume %d", order[0], order[1])
		}
	}
	small := htmlOf(t, fleet(mostPlots))
	if got := strings.Count(small, "<svg "); got != mostPlots || strings.Contains(small, "stand first") || strings.Index(small, "v0000") > strings.Index(small, "v0099") {
		t.Errorf("%d plots of %d, or another order", got, mostPlots)
	}
}

func TestTheAxisHasRoundNumbers(t *testing.T) {
	for _, tc := range []struct {
		top  float64
		unit string
		want string
	}{
		{1060 * gib, planner.Bytes, "0 TiB, 0.2 TiB, 0.4 TiB, 0.6 TiB, 0.8 TiB, 1 TiB"},
		{8.5 * 1024 * gib, planner.Bytes, "0 TiB, 2 TiB, 4 TiB, 6 TiB, 8 TiB"},
		{543 * gib, planner.Bytes, "0 GiB, 128 GiB, 256 GiB, 384 GiB, 512 GiB"},
		{1000 * gib, planner.Bytes, "0 GiB, 256 GiB, 512 GiB, 768 GiB"},
		{212 * gib, planner.Bytes, "0 GiB, 50 GiB, 100 GiB, 150 GiB, 200 GiB"},
		{543, planner.AsRead, "0, 100, 200, 300, 400, 500"},
		{2e6, planner.AsRead, "0, 500k, 1M, 1.5M, 2M"},
	} {
		var got []string
		for _, tick := range (scale{top: tc.top}).yTicks(tc.unit) {
			got = append(got, tick.Text)
		}
		if text := strings.Join(got, ", "); text != tc.want {
			t.Errorf("%g %s: %s, want %s", tc.top, tc.unit, text, tc.want)
		}
	}
}
