package report

import (
	"encoding/csv"
	"encoding/json"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/tidemark/tidemark/planner"
)

type planDocumentJSON struct {
	Now      when       `json:"now"`
	LeadTime int64      `json:"lead_time"`
	Horizon  int64      `json:"horizon"`
	Plans    []planJSON `json:"plans"`
	Policies []moveJSON `json:"policies"`
}

type planJSON struct {
	Series           string        `json:"series"`
	Host             string        `json:"host,omitempty"`
	Path             string        `json:"path,omitempty"`
	PathB64          string        `json:"path_b64,omitempty"`
	Tag              string        `json:"tag,omitempty"`
	Owner            string        `json:"owner,omitempty"`
	Volumes          int           `json:"volumes"`
	CountedElsewhere int           `json:"counted_elsewhere"`
	Unknown          int           `json:"unknown"`
	FullVolumes      []string      `json:"full_volumes,omitempty"`
	Unit             string        `json:"unit"`
	Origin           when          `json:"origin"`
	FullLevel        number        `json:"full_level"`
	Scenarios        []outcomeJSON `json:"scenarios"`
}

type outcomeJSON struct {
	Scenario       string   `json:"scenario"`
	Used           number   `json:"used"`
	Capacity       number   `json:"capacity"`
	GrowthPerMonth number   `json:"growth_per_month"`
	Full           fullJSON `json:"full"`
	Probability    number   `json:"probability"`
	OrderBy        when     `json:"order_by"`
	Overdue        bool     `json:"overdue"`
	Buy            number   `json:"buy"`
	FreedNow       number   `json:"freed_now"`
	Reason         string   `json:"reason"`
}

type fullJSON struct {
	P10 when `json:"p10"`
	P50 when `json:"p50"`
	P90 when `json:"p90"`
}

type moveJSON struct {
	Policy   string         `json:"policy"`
	Host     string         `json:"host"`
	Path     string         `json:"path"`
	PathB64  string         `json:"path_b64,omitempty"`
	Archive  string         `json:"archive,omitempty"`
	Enforce  *bool          `json:"enforce"`
	Measured when           `json:"measured"`
	FreesNow number         `json:"frees_now"`
	Eligible []eligibleJSON `json:"eligible"`
	Months   []number       `json:"more_by_month"`
}

type eligibleJSON struct {
	Days  int    `json:"days"`
	Bytes number `json:"bytes"`
}

func toPlanJSON(p planner.Plan) planJSON {
	j := planJSON{
		Series: p.Series, Host: p.Volume.Host, Path: p.Volume.Path, PathB64: pathB64(p.Volume.Path), Tag: p.Tag, Owner: p.Owner, Volumes: p.Volumes,
		CountedElsewhere: p.CountedElsewhere, Unknown: p.Unknown, FullVolumes: p.Full, Unit: p.Unit, Origin: when(p.Origin), FullLevel: number(p.FullLevel),
		Scenarios: make([]outcomeJSON, len(p.Outcomes)),
	}
	for i, o := range p.Outcomes {
		j.Scenarios[i] = outcomeJSON{
			Scenario: o.Scenario, Used: number(o.Used), Capacity: number(o.Capacity), GrowthPerMonth: number(o.GrowthPerDay * perMonth),
			Full: fullJSON{when(o.P10), when(o.P50), when(o.P90)}, Probability: number(o.Probability), OrderBy: when(o.OrderBy), Overdue: o.Overdue,
			Buy: number(o.Buy), FreedNow: number(o.FreedNow), Reason: string(o.Reason),
		}
	}
	return j
}

// monthsAhead is how many months of a policy programs are told.
const monthsAhead = 12

func toMoveJSON(m planner.Move) moveJSON {
	j := moveJSON{
		Policy: m.Policy, Host: m.From.Host, Path: m.From.Path, PathB64: pathB64(m.From.Path), Archive: m.Archive, Measured: when(m.Measured),
		FreesNow: number(m.FreesNow()), Eligible: []eligibleJSON{},
	}
	if m.Archive != "" { // of another host's policy only the measurement is known
		enforce := !m.Previews
		j.Enforce = &enforce
	}
	for _, e := range m.Eligible {
		j.Eligible = append(j.Eligible, eligibleJSON{e.Days, number(e.Bytes)})
	}
	for _, v := range m.Months(monthsAhead) {
		j.Months = append(j.Months, number(v))
	}
	return j
}

// PlanJSON writes `{"now","lead_time","horizon","plans":[…],"policies":[…]}`.
func PlanJSON(w io.Writer, d Plan) error {
	j := planDocumentJSON{
		Now: when(d.Now), LeadTime: int64(d.LeadTime / time.Second), Horizon: int64(d.Horizon / time.Second), Plans: []planJSON{}, Policies: []moveJSON{},
	}
	for _, p := range d.Plans {
		j.Plans = append(j.Plans, toPlanJSON(p))
	}
	for _, m := range d.Moves {
		j.Policies = append(j.Policies, toMoveJSON(m))
	}
	return json.NewEncoder(w).Encode(j)
}

// PlanCSV writes a record for each volume, or group, and scenario.
func PlanCSV(w io.Writer, d Plan) error {
	c := csv.NewWriter(w)
	header := []string{
		"series", "tag", "scenario", "unit", "used", "capacity", "growth_per_month", "p10", "p50", "p90", "probability", "order_by", "overdue", "buy", "reason", "full_volumes",
	}
	if err := c.Write(header); err != nil {
		return err
	}
	for _, p := range d.Plans {
		for _, o := range p.Outcomes {
			err := c.Write([]string{
				noFormula(p.Series), p.Tag, noFormula(o.Scenario), p.Unit, decimal(o.Used), decimal(o.Capacity), decimal(o.GrowthPerDay * perMonth),
				rfc3339(o.P10), rfc3339(o.P50), rfc3339(o.P90), decimal(o.Probability), rfc3339(o.OrderBy), strconv.FormatBool(o.Overdue), decimal(o.Buy), string(o.Reason), fullCount(p),
			})
			if err != nil {
				return err
			}
		}
	}
	c.Flush()
	return c.Error()
}

// fullCount is how many of a group's volumes are full; empty for a volume.
func fullCount(p planner.Plan) string {
	if p.Tag == "" {
		return ""
	}
	return strconv.Itoa(len(p.Full))
}

// noFormula keeps a spreadsheet, which is where an order is made, from taking a name for a formula: it gets the apostrophe that
// marks a text there (OWASP, CSV Injection).
func noFormula(name string) string {
	if name != "" && strings.ContainsRune("=+-@\t\r", rune(name[0])) {
		return "'" + name
	}
	return name
}
