package report

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tidemark/tidemark/internal/volume"
	"github.com/tidemark/tidemark/planner"
	"github.com/tidemark/tidemark/planner/forecast"
)

// planDocument is a plan of a volume with every what-if, one without a date, a group, and one with a hostile name.
func planDocument() Plan {
	at := func(days float64) time.Time {
		if days < 0 {
			return time.Time{}
		}
		return now.Add(time.Duration(days * float64(day)))
	}
	outcome := func(name string, used, capacity, perDay, p10, p50, p90, buy float64) planner.Outcome {
		o := planner.Outcome{
			Scenario: name, Used: used * gib, Capacity: capacity * gib, GrowthPerDay: perDay * gib, Probability: 1, Buy: buy * gib,
			P10: at(p10), P50: at(p50), P90: at(p90), OrderBy: now.Add(time.Duration((p10 - 45) * float64(day))), Overdue: p10 < 45,
			Steps: []planner.Fact{{Time: now, Used: .95 * 1000 * gib, Capacity: 1000 * gib}},
		}
		if capacity > 1000 {
			o.Steps = append(o.Steps, planner.Fact{Time: at(80), Used: .95 * capacity * gib, Capacity: capacity * gib})
		}
		for k := range 61 {
			use := (used + perDay*float64(k)*365/60) * gib
			spread := perDay * float64(k) * gib
			o.Curve = append(o.Curve, planner.Quantiles{Time: at(float64(k) * 365 / 60), P10: use - spread, P50: use, P90: use + spread})
		}
		return o
	}
	var past []planner.Fact
	for k := range 200 {
		past = append(past, planner.Fact{Time: now.AddDate(0, 0, k-199), Used: (700 + float64(k)/2) * gib, Capacity: 1000 * gib})
	}
	past = slices.Delete(past, 60, 120) // a silence
	idle := planner.Outcome{Scenario: planner.AsItIs, Used: 10 * gib, Capacity: 100 * gib, Reason: forecast.ReasonIdle}
	sawtooth := planner.Outcome{Scenario: planner.AsItIs, Used: 10 * gib, Capacity: 100 * gib, Reason: forecast.ReasonSawtooth, Buy: nan}
	unread := planner.Outcome{
		Scenario: planner.AsItIs, Used: nan, Capacity: nan, GrowthPerDay: nan, Probability: nan, Buy: nan, Reason: planner.ReasonUnread,
	}
	later := outcome(planner.AsItIs, 4000, 5000, 1, 300, -1, -1, 500)
	later.Probability = .2
	id := volume.ID{Host: "db1", Path: "/srv/video"}
	move := planner.Move{
		Policy: "cold-video", From: id, To: volume.ID{Host: "db1", Path: "/mnt/vault"}, Archive: "vault", Measured: now, Start: .8, Stop: .7, Previews: true,
		Eligible: []planner.Eligible{{Days: 0, Bytes: 100 * gib}, {Days: 30, Bytes: 130 * gib}, {Days: 365, Bytes: 200 * gib}},
	}
	bytesOf := func(p planner.Plan) planner.Plan {
		p.Unit, p.Origin, p.FullLevel = planner.Bytes, now, .95
		return p
	}
	return Plan{
		Now: now, LeadTime: 45 * day, Horizon: 365 * day, Source: "bucket <b>", Moves: []planner.Move{move},
		Plans: []planner.Plan{
			bytesOf(planner.Plan{Series: id.String(), Volume: id, Volumes: 1, Owner: "video & co", Past: past, Moves: []planner.Move{move}, Outcomes: []planner.Outcome{
				outcome(planner.AsItIs, 800, 1000, 2, 60, 75, 95, 640), outcome("1TiB@2026-05-29", 800, 2024, 2, 330, 350, -1, 100),
				outcome("growth +30%", 800, 1000, 2.6, 40, 58, 73, 900), outcome("policy cold-video", 700, 1000, 1.8, 110, 140, 160, 400),
			}}),
			bytesOf(planner.Plan{Series: "db1:/idle", Volume: volume.ID{Host: "db1", Path: "/idle"}, Volumes: 1, Outcomes: []planner.Outcome{idle}}),
			bytesOf(planner.Plan{Series: "db1:/log", Volume: volume.ID{Host: "db1", Path: "/log"}, Volumes: 1, Outcomes: []planner.Outcome{sawtooth}}),
			bytesOf(planner.Plan{Series: "db1:/x", Volume: volume.ID{Host: "db1", Path: "/x"}, Unknown: 1, Outcomes: []planner.Outcome{unread}}),
			bytesOf(planner.Plan{Series: "dc1", Tag: "site", Volumes: 3, CountedElsewhere: 2, Full: []string{"db1:/srv/full"}, Outcomes: []planner.Outcome{later}}),
			bytesOf(planner.Plan{Series: hostile, Volume: volume.ID{Host: "h", Path: hostile}, Volumes: 1, Outcomes: []planner.Outcome{outcome(planner.AsItIs, 800, 1000, 2, 60, 75, 95, 640)}}),
		},
	}
}

const hostile = "=cmd|'/c calc'!A0\"><script>alert(1)</script>\x1b[31m\u202e,\xff/a name that is far too long for any column of any table or plot"

func TestPlanTables(t *testing.T) {
	for _, width := range []int{50, 80, 120} {
		var out bytes.Buffer
		if err := PlanTable(&out, planDocument(), width); err != nil {
			t.Fatal(err)
		}
		golden(t, "plan-"+strconv.Itoa(width)+".txt", out.Bytes())
	}
}

func TestPlanForPrograms(t *testing.T) {
	var out bytes.Buffer
	if err := PlanJSON(&out, planDocument()); err != nil {
		t.Fatal(err)
	}
	golden(t, "plan.json", out.Bytes())
	var doc struct {
		LeadTime int64 `json:"lead_time"`
		Plans    []struct {
			Scenarios []struct {
				OrderBy *time.Time `json:"order_by"`
				Buy     *float64
				Full    map[string]*time.Time
			}
		}
	}
	if err := json.Unmarshal(out.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	is := doc.Plans[0].Scenarios[0]
	if doc.LeadTime != 45*24*3600 || !is.OrderBy.Equal(now.Add(15*day)) || *is.Buy != 640*gib || !is.Full["p50"].Equal(now.Add(75*day)) {
		t.Errorf("%+v", is)
	}
	if log := doc.Plans[2].Scenarios[0]; log.OrderBy != nil || log.Buy != nil || log.Full["p10"] != nil {
		t.Errorf("a sawtooth: %+v", log)
	}

	out.Reset()
	if err := PlanCSV(&out, planDocument()); err != nil {
		t.Fatal(err)
	}
	golden(t, "plan.csv", out.Bytes())
	records, err := csv.NewReader(&out).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range records {
		for _, cell := range r {
			if cell != "" && strings.ContainsAny(cell[:1], "=+-@\t\r") {
				t.Errorf("a spreadsheet takes the cell %q for a formula", cell)
			}
		}
	}
	if got := records[len(records)-1][0]; got != "'"+hostile {
		t.Errorf("the hostile name is %q", got)
	}
}

func htmlOf(t *testing.T, d Plan) string {
	t.Helper()
	var out bytes.Buffer
	if err := PlanHTML(&out, d); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestPlanHTML(t *testing.T) {
	page := htmlOf(t, planDocument())
	golden(t, "plan.html", []byte(page))
	for name, want := range map[string]string{
		"order date":        `<td>2026-03-25</td><td class="n">640 GiB</td><td>2026-05-24</td><td>2026-05-09 to 2026-06-13</td><td class="n">100%</td><td class="n">1000 GiB</td><td class="n">80%</td><td class="n">61 GiB</td>`,
		"overdue":           `<td class="overdue">now</td>`,
		"reason":            `<td>sawtooth</td>`,
		"group":             `>site dc1</a></div><div class="long overdue">full now: db1:/srv/full</div></th>`,
		"what is summed":    `3 volumes, 2 more showing space that is counted already`,
		"owner":             `Owner: video &amp; co`,
		"source":            `from bucket &lt;b&gt;`,
		"policy":            `policy cold-video on db1:/srv/video: 100 GiB can go now, and in the 6 months after it 30 GiB, 6.3 GiB`,
		"capacity":          `>capacity 1000 GiB</text>`,
		"capacity to come":  `>capacity 2.0 TiB</text>`,
		"full level":        `>full at 95%</text>`,
		"threshold":         `>cold-video starts, 80%</text>`,
		"stop mark":         `>cold-video stops, 70%</text>`,
		"event":             `>order by 2026-03-25</text>`,
		"arrival":           `>&#43;1.0 TiB 2026-05-29</text>`,
		"early":             `>early 2026-05-09</text>`,
		"scenario":          `>growth &#43;30%</text>`,
		"for who can't see": `as it is: 80% of 1000 GiB used, likely full on 2026-05-24, early on 2026-05-09. 1TiB@2026-05-29: 80% of 2.0 TiB used`,
		"dark":              `prefers-color-scheme: dark`,
	} {
		if !strings.Contains(page, want) {
			t.Errorf("%s: the page lacks %q", name, want)
		}
	}
	for _, n := range []string{"NaN", "Inf", "ZgotmplZ", "0001-01-01", "<script", "http:", "https:", "url(h", "@import", "<link", "<img"} {
		if strings.Contains(page, n) {
			t.Errorf("the page has %q", n)
		}
	}
	for _, c := range page {
		if c < ' ' && c != '\n' || c == '\u202e' {
			t.Errorf("the page has the character %q", c)
		}
	}
	wellFormed(t, page)
}

// wellFormed wants every element closed, and every id once.
func wellFormed(t *testing.T, page string) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(page))
	d.Strict, d.AutoClose, d.Entity = false, []string{"meta"}, xml.HTMLEntity
	depth := 0
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		switch token.(type) {
		case xml.StartElement:
			depth++
		case xml.EndElement:
			depth--
		}
	}
	if depth != 0 {
		t.Errorf("%d elements are not closed", depth)
	}
	seen := map[string]bool{}
	for _, m := range regexp.MustCompile(` id="([^"]*)"`).FindAllStringSubmatch(page, -1) {
		if seen[m[1]] {
			t.Errorf("the id %s stands twice", m[1])
		}
		seen[m[1]] = true
	}
	for _, m := range regexp.MustCompile(`(?:href="#|url\(#)([^")]*)`).FindAllStringSubmatch(page, -1) {
		if !seen[m[1]] {
			t.Errorf("there is no id %s", m[1])
		}
	}
}

// The curves are where they should be: the median begins at the use of now, and reaches the full level on its date.
func TestPlotIsToScale(t *testing.T) {
	d := planDocument()
	p := d.Plans[0]
	s := scaleOf(p, d)
	s.above = 40
	if got := s.y(0) - s.y(s.top); math.Abs(got-plotHeight) > .2 {
		t.Errorf("nothing to the top is %v, want %v", got, plotHeight)
	}
	if s.x(now) <= s.left || s.x(now.Add(365*day)) != s.end {
		t.Errorf("now is at %v, the horizon at %v", s.x(now), s.x(now.Add(365*day)))
	}
	drawn := newPlot(p, d)
	var median string
	for _, l := range drawn.Lines {
		if l.Class == "median s0" {
			median = l.Path
		}
	}
	numbers := regexp.MustCompile(`[0-9.]+`).FindAllString(median, 2)
	x, _ := strconv.ParseFloat(numbers[0], 64)
	y, _ := strconv.ParseFloat(numbers[1], 64)
	wantY := drawn.Bottom - plotHeight*800*gib/s.top
	if x != drawn.Now || math.Abs(y-wantY) > .2 {
		t.Errorf("the median begins at %v %v, want %v %v", x, y, drawn.Now, wantY)
	}
	if strings.Count(drawn.Past, "M") != 2 {
		t.Errorf("the past with a silence of sixty days has the path %s", drawn.Past)
	}
	if n := len(drawn.XTicks); n < 4 || n > 12 {
		t.Errorf("%d months are named", n)
	}
	if n := len(drawn.YTicks); n < 3 || n > 8 {
		t.Errorf("%d amounts are named", n)
	}
}

func TestWordsOfAPlotDoNotCoverEachOther(t *testing.T) {
	d := planDocument()
	drawn := newPlot(d.Plans[0], d)
	for i, a := range drawn.Labels {
		if a.Y < 0 || a.Y > drawn.Height {
			t.Errorf("%q is outside", a.Text)
		}
		for _, b := range drawn.Labels[i+1:] {
			if math.Abs(a.Y-b.Y) < labelHeight-.11 {
				t.Errorf("%q covers %q", a.Text, b.Text)
			}
		}
	}
	for i, a := range drawn.Events {
		for _, b := range drawn.Events[i+1:] {
			width := float64(len(a.Text)) * letter
			if a.Y == b.Y && b.TextX < a.TextX+width {
				t.Errorf("%q covers %q", a.Text, b.Text)
			}
			if b.Y < a.Y && b.X < a.TextX+width {
				t.Errorf("the line of %q leads through %q", b.Text, a.Text)
			}
		}
	}
}

// Lines that leave the plot at its top are named in the order in which they go on.
func TestLinesThatLeaveThePlotKeepTheirOrder(t *testing.T) {
	p := plot{Top: 10, Bottom: 310, Labels: []label{{From: 10, Text: "low", beyond: 1}, {From: 10, Text: "high", beyond: 9}, {From: 12, Text: "inside"}}}
	p.place()
	for i, want := range []string{"high", "low", "inside"} {
		if p.Labels[i].Text != want {
			t.Errorf("label %d is %q, want %q", i, p.Labels[i].Text, want)
		}
	}
}

// A phone would shrink the plots' words to dots, and a name of thousands of letters would fill pages.
func TestThePageFitsNarrowScreensAndLongNames(t *testing.T) {
	page := htmlOf(t, planDocument())
	if n := strings.Count(page, "<svg "); n == 0 || strings.Count(page, "<div class=\"wide\">\n<svg ") != n {
		t.Error("a plot does not scroll")
	}
	for _, want := range []string{"svg { display: block; width: 100%; min-width: ", "h2, .long { max-height: ", `class="name"><div class="long">`} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
}

func TestAnEmptyPlan(t *testing.T) {
	wellFormed(t, htmlOf(t, Plan{Now: now, LeadTime: day, Horizon: 365 * day}))
	for _, horizon := range []time.Duration{day, 30 * day, 3650 * day} {
		d := planDocument()
		d.Horizon = horizon
		page := htmlOf(t, d)
		wellFormed(t, page)
		if strings.Contains(page, "NaN") {
			t.Errorf("a horizon of %v: the page has NaN", horizon)
		}
	}
	d := planDocument()
	d.Plans[0].Past = nil
	for i := range d.Plans[0].Outcomes[0].Curve {
		d.Plans[0].Outcomes[0].Curve[i].P50 = 1e30 // a runaway
	}
	if page := htmlOf(t, d); strings.Contains(page, "NaN") || strings.Contains(page, "e+") {
		t.Error("a runaway is not drawn")
	}
}
