package report

import (
	"bytes"
	"encoding/json"
	"flag"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidemark/tidemark/internal/table"
	"github.com/tidemark/tidemark/internal/volume"
	"github.com/tidemark/tidemark/planner"
	"github.com/tidemark/tidemark/planner/forecast"
)

var update = flag.Bool("update", false, "write the golden files of testdata anew")

var (
	now = time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)
	nan = math.NaN()
)

const (
	day = 24 * time.Hour
	gib = 1 << 30
)

// golden compares with testdata/name, or writes it.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got; go test ./planner/report -update writes it anew):\n%s", name, diff)
	}
}

// spaceOf is a volume's space outlook, in GiB, that has no date for a reason, or none at all.
func spaceOf(host, path string, used, capacity, perDay float64, reason forecast.Reason) planner.Outlook {
	id := volume.ID{Host: host, Path: path}
	o := planner.Outlook{
		Series: id.String(), Volume: id, Resource: volume.Space, Unit: planner.Bytes, FullLevel: .95,
		Sample: volume.Sample{
			ID: id, Time: now, Attributes: volume.Attributes{Device: "sda1", Fstype: "xfs", Mode: "rw"},
			Usage: volume.Usage{
				Total: int64(capacity * gib), Used: int64(used * gib), Free: int64((capacity - used) * gib), InodesTotal: 1000, InodesUsed: 10, InodesFree: 990,
			},
		},
		Forecast: forecast.Forecast{
			Origin: now, Step: day, Used: used * gib, Capacity: capacity * gib, Method: "ensemble", Reason: forecast.ReasonWeighed, GrowthPerDay: perDay * gib,
			Weights:    []forecast.Weight{{Model: "drift", Share: .75}, {Model: "theta", Share: .25}},
			Backtest:   forecast.Backtest{Origins: 12, Steps: 30, MASE: .875, RelativeMAE: .75, Coverage: .9375, Bias: -2},
			TimeToFull: forecast.TimeToFull{Reason: reason},
		},
	}
	for i := range 30 {
		o.Past = append(o.Past, (used-perDay*float64(29-i))/capacity)
	}
	return o
}

// dated gives an outlook its dates, in days from now, and its probabilities.
func dated(o planner.Outlook, p10, p50, p90, in7, in30, in90 float64) planner.Outlook {
	at := func(days float64) time.Time {
		if math.IsNaN(days) {
			return time.Time{}
		}
		return now.Add(time.Duration(days * float64(day)))
	}
	o.TimeToFull = forecast.TimeToFull{P10: at(p10), P50: at(p50), P90: at(p90), Probability7: in7, Probability30: in30, Probability90: in90, Reason: o.TimeToFull.Reason}
	return o
}

// outlooks are a fleet with all that may come up, sorted by volume.
func outlooks() []planner.Outlook {
	full := dated(spaceOf("db1", "/var/lib/postgresql/16/main", 99, 100, .5, forecast.ReasonFull), 0, 0, 0, 1, 1, 1)
	soon := dated(spaceOf("db1", "/var/log", 92, 100, 2, ""), 1, 1.5, 3, .996, 1, 1)
	inodes := dated(spaceOf("db1", "/var/mail", 10, 100, 0, ""), 20, 40, 70, 0, .3, .999)
	inodes.Resource, inodes.Unit, inodes.Used, inodes.Capacity, inodes.GrowthPerDay = volume.Inodes, planner.Count, 9_100_000, 10_000_000, 12345
	quiet := inodes
	quiet.Volume.Path, quiet.Sample.Path, quiet.Series = "/var/quiet", "/var/quiet", "db1:/var/quiet"
	quiet.Used = 5000
	quiet = dated(quiet, nan, nan, nan, 0, 0, 0)
	stuck := dated(spaceOf("nas-gateway-07.dc1.example.gov.in", "/mnt/exports/department-of-records/scans/2026", 40, 100, 1, ""), 50, 60, 70, 0, 0, 1)
	stuck.Sample.Stuck = true
	missing := dated(spaceOf("nas-gateway-07.dc1.example.gov.in", "/mnt/exports/department-of-records/scans/2027", 40, 100, 0, forecast.ReasonStale), nan, nan, nan, 0, 0, 0)
	missing.Sample.Missing = true
	never := spaceOf("web", "/mnt/never", 0, 0, 0, planner.ReasonUnread)
	never.Used, never.Capacity, never.Past, never.Method, never.Weights, never.GrowthPerDay = nan, nan, nil, "none", nil, nan
	never.Sample = volume.Sample{ID: never.Volume, Time: now, State: volume.State{Stuck: true}}
	never.Backtest = forecast.Backtest{MASE: nan, RelativeMAE: nan, Coverage: nan, Bias: nan}
	never.TimeToFull.Probability7, never.TimeToFull.Probability30, never.TimeToFull.Probability90 = nan, nan, nan
	odd := dated(spaceOf("web", "/srv/new\nline\x1b[31m\xff", 50, 100, -1.5, forecast.ReasonShrinking), nan, nan, nan, 0, 0, .001)
	odd.Owner = "web team"
	odd.Sample.Tags = map[string]string{"site": "dc1", "rack": "r 7"}
	odd.Sample.Reserved, odd.Sample.Label, odd.Sample.Mode = 5*gib, "data", "ro"
	odd.Past[3], odd.Past[4], odd.Past[5] = nan, nan, nan
	wide := dated(spaceOf("web", "/srv/ビデオ/監視カメラ", 30_000, 40_000, 100, ""), 80, nan, nan, 0, 0, .14)
	far := dated(spaceOf("web", "/srv/z", 1, 40_000, .001, forecast.ReasonBeyondHorizon), nan, nan, nan, 0, 0, 0)
	later := dated(spaceOf("web", "/zz", 70, 100, .1, ""), 200, 295.5, 330, 0, .003, .05)
	runaway := dated(spaceOf("web", "/zzz", 70, 100, .1, forecast.ReasonRunaway), .1, .125, .2, .9, .9, .9)
	later.Events = []forecast.Event{
		{Kind: forecast.EventSawtooth, From: now.Add(-90 * day), To: now.Add(-20 * day), Change: 6 * gib, Period: 7 * day, Low: 60 * gib, High: 66 * gib},
		{Kind: forecast.EventCleanup, From: now.Add(-9 * day), To: now.Add(-8 * day), Change: -12 * gib},
	}
	for i := range 2 {
		at := volume.StartOfDay(now).Add(time.Duration(i+1) * day)
		later.Points = append(later.Points, forecast.Point{Time: at, Forecast: 70.5 * gib, Lower: 70 * gib, Upper: 71.25 * gib})
	}
	return []planner.Outlook{full, soon, inodes, quiet, stuck, missing, never, odd, wide, far, later, runaway}
}

func TestGoldenTables(t *testing.T) {
	group := planner.Group{Value: "dc1\t", Outlooks: outlooks()[:2], Used: 191 * gib, Capacity: 200 * gib, CountedElsewhere: 2}
	for _, tc := range []struct {
		name  string
		width int
		write func(io.Writer, int) error
	}{
		{"volumes-50.txt", 50, func(w io.Writer, width int) error { return Volumes(w, outlooks(), width, now) }},
		{"volumes-60.txt", 60, func(w io.Writer, width int) error { return Volumes(w, outlooks(), width, now) }},
		{"volumes-80.txt", 80, func(w io.Writer, width int) error { return Volumes(w, outlooks(), width, now) }},
		{"volumes-120.txt", 120, func(w io.Writer, width int) error { return Volumes(w, outlooks(), width, now) }},
		{"volumes-200.txt", 200, func(w io.Writer, width int) error { return Volumes(w, outlooks(), width, now) }},
		{"forecasts-50.txt", 50, func(w io.Writer, width int) error { return Forecasts(w, outlooks(), width, now) }},
		{"forecasts-60.txt", 60, func(w io.Writer, width int) error { return Forecasts(w, outlooks(), width, now) }},
		{"forecasts-80.txt", 80, func(w io.Writer, width int) error { return Forecasts(w, outlooks(), width, now) }},
		{"forecasts-120.txt", 120, func(w io.Writer, width int) error { return Forecasts(w, outlooks(), width, now) }},
		{"group-80.txt", 80, func(w io.Writer, width int) error { return Group(w, "site", group, width, now) }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var out bytes.Buffer
			if err := tc.write(&out, tc.width); err != nil {
				t.Fatal(err)
			}
			for line := range strings.Lines(out.String()) {
				if n := table.Cells.StringWidth(strings.TrimSuffix(line, "\n")); n > tc.width {
					t.Errorf("%d cells: %q", n, line)
				}
				if strings.HasSuffix(line, " \n") {
					t.Errorf("blanks at the end of %q", line)
				}
			}
			golden(t, tc.name, out.Bytes())
		})
	}
}

// document writes all outlooks to a JSON or CSV.
func document(t *testing.T, all []planner.Outlook, w interface {
	Add(planner.Outlook) error
	Close() error
}, err error,
) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range all {
		if err := w.Add(o); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestGoldenDocuments(t *testing.T) {
	// A series of a CSV has no volume.
	bare := dated(spaceOf("", "", 7, nan, 0, forecast.ReasonNoCapacity), nan, nan, nan, nan, nan, nan)
	bare.Series, bare.Volume, bare.Sample, bare.Unit, bare.Past = "any <name> & \"quotes\", and commas", volume.ID{}, volume.Sample{}, planner.AsRead, nil
	bare.Points = []forecast.Point{{Time: now.In(time.FixedZone("IST", 19800)), Forecast: 7.25, Lower: 0, Upper: 1e21}}
	all := append(outlooks(), bare)
	for name, write := range map[string]func(*bytes.Buffer){
		"forecasts.json": func(b *bytes.Buffer) { document(t, all, NewForecastsJSON(b), nil) },
		"volumes.json":   func(b *bytes.Buffer) { document(t, outlooks(), NewVolumesJSON(b), nil) },
		"points.csv":     func(b *bytes.Buffer) { w, err := NewPointsCSV(b); document(t, all, w, err) },
		"volume-points.csv": func(b *bytes.Buffer) {
			w, err := NewVolumePointsCSV(b)
			document(t, all, w, err)
		},
		"volumes.csv": func(b *bytes.Buffer) { w, err := NewVolumesCSV(b); document(t, outlooks(), w, err) },
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			write(&out)
			if strings.HasSuffix(name, ".json") && !json.Valid(out.Bytes()) {
				t.Errorf("no valid JSON:\n%s", &out)
			}
			if strings.Contains(out.String(), "NaN") {
				t.Error("NaN stands in the document")
			}
			golden(t, name, out.Bytes())
		})
	}
}

func TestGoldenChecks(t *testing.T) {
	limits := CheckLimits{Warning: 45 * day, Critical: 2 * day}
	all := outlooks()
	fine := []planner.Outlook{all[9], all[10]}
	odd := dated(spaceOf("h|x", "/it's=a|b\n", 50, 100, 1, ""), 5, 10, 20, .2, .99, 1)
	for _, tc := range []struct {
		name   string
		in     []planner.Outlook
		status Status
	}{
		{"check-nothing.txt", nil, Unknown},
		{"check-ok.txt", fine, OK},
		{"check-ok-one.txt", fine[:1], OK},
		{"check-one-warning.txt", append(slices.Clone(fine), odd), Warning},
		{"check-unknown.txt", append(slices.Clone(fine), odd, spaceOf("q", "/", 1, 10, 0, forecast.ReasonStale)), Unknown},
		{"check-fleet.txt", all, Critical},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := Check(tc.in, limits, now)
			if got.Status != tc.status {
				t.Errorf("status %s, want %s", got.Status, tc.status)
			}
			if first, _, _ := strings.Cut(got.Text, "\n"); !strings.HasPrefix(first, "TIDEMARK "+got.Status.String()+" - ") || strings.Count(got.Text, "|") > 1 {
				t.Errorf("no answer of a plugin:\n%s", got.Text)
			}
			golden(t, tc.name, []byte(got.Text))
		})
	}
}
