package planner

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tidemark/tidemark/internal/volume"
	"github.com/tidemark/tidemark/planner/csvinput"
	"github.com/tidemark/tidemark/planner/forecast"
)

const tebi = 1 << 40

// grown is a volume of ten tebibytes that has grown for so many days, by so many thousandths of them a day.
func grown(host, path string, days int, thousandths float64, change func(*volume.Sample)) []volume.Sample {
	s := sampleAt(path, "ext4", "sda", 6*tebi, 4*tebi)
	s.Host = host
	if change != nil {
		change(&s)
	}
	return past(s, days, int64(thousandths*10*tebi/1000))
}

// fleetOf has six hosts of web servers and six of databases, months old, and what is given besides.
func fleetOf(besides ...[]volume.Sample) []volume.Sample {
	var all []volume.Sample
	for i := range 6 {
		all = append(all, grown(fmt.Sprintf("web%d", i), "/srv/www", 110, 1+.1*float64(i), nil)...)
		all = append(all, grown(fmt.Sprintf("db%d", i), "/var/lib/db", 110, -.3-.1*float64(i), nil)...)
	}
	for _, b := range besides {
		all = append(all, b...)
	}
	return all
}

func byName(all []Outlook) map[string]Outlook {
	m := map[string]Outlook{}
	for _, o := range all {
		m[o.Series+" "+string(o.Resource)] = o
	}
	return m
}

func thousandths(o Outlook) float64 { return o.GrowthPerDay / o.Capacity * 1000 }

// All of them are in one fleet: a new volume lends nothing, so none is in another's way.
func TestNewVolumesLeanOnLikeOnes(t *testing.T) {
	of := func(department string) func(*volume.Sample) {
		return func(s *volume.Sample) { s.Tags = map[string]string{"department": department} }
	}
	var all [][]volume.Sample
	for i := range 5 {
		all = append(all, grown(fmt.Sprintf("t%d", i), fmt.Sprintf("/cam%d", i), 110, 3, of("traffic")))
	}
	cases := []struct {
		name, host, path string
		change           func(*volume.Sample)
		want             float64 // thousandths a day; NaN: it stands alone
	}{
		{"the path of other hosts", "web9", "/srv/www", nil, 1.25},
		{"the first in order", "a", "/srv/www", nil, 1.25},
		{"another path", "db9", "/var/lib/db", nil, -.55},
		{"a path of its own", "new", "/else", nil, math.NaN()},
		{"another filesystem", "web8", "/srv/www", func(s *volume.Sample) { s.Fstype = "xfs" }, math.NaN()},
		{"its tags", "t9", "/else", of("traffic"), 3},
		{"other tags", "t8", "/else", of("tax"), math.NaN()},
		{"the path before the tags", "t7", "/srv/www", of("traffic"), 1.25},
	}
	for _, tc := range cases {
		all = append(all, grown(tc.host, tc.path, 0, 0, tc.change))
	}
	got := byName(outlooks(t, record(t, fleetOf(all...)...), Query{Options: forecast.Options{Horizon: 90 * day}}))
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			o, known := got[tc.host+":"+tc.path+" space"]
			if !known {
				t.Fatal("it has no outlook")
			}
			if math.IsNaN(tc.want) {
				if o.Method == "pooled" {
					t.Errorf("it leans on others: %.2f thousandths a day", thousandths(o))
				}
				return
			}
			if o.Method != "pooled" || o.Reason != forecast.ReasonLike || math.Abs(thousandths(o)-tc.want) > .01 {
				t.Errorf("%s (%s), %.3f thousandths a day, want %v", o.Method, o.Reason, thousandths(o), tc.want)
			}
			if o.TimeToFull.Reason != forecast.ReasonNewVolume || !o.TimeToFull.P50.IsZero() {
				t.Errorf("a new volume has a date, %v (%s)", o.TimeToFull.P50, o.TimeToFull.Reason)
			}
		})
	}
}

func TestTheHostIsBetterThanNothing(t *testing.T) {
	var all []volume.Sample
	for i := range 6 {
		all = append(all, grown("h", fmt.Sprintf("/old%d", i), 100, 2, nil)...)
	}
	all = append(all, grown("h", "/new", 0, 0, nil)...)
	all = append(all, grown("other", "/new2", 0, 0, nil)...)
	got := byName(outlooks(t, record(t, all...), Query{}))
	if o := got["h:/new space"]; o.Method != "pooled" || math.Abs(thousandths(o)-2) > .01 {
		t.Errorf("%s, %.2f thousandths a day, want the host's 2", o.Method, thousandths(o))
	}
	if o := got["other:/new2 space"]; o.Method == "pooled" {
		t.Error("another host's volumes count")
	}
}

// Five lend, and the sixth borrows until it is eight weeks old.
func TestFiveLendToASixth(t *testing.T) {
	for days, want := range map[int]string{0: "pooled", 45: "pooled", 75: ""} {
		var all []volume.Sample
		for i := range 5 {
			all = append(all, grown("h", fmt.Sprintf("/old%d", i), 100, 2, nil)...)
		}
		all = append(all, grown("h", "/new", days, 1, nil)...)
		o := byName(outlooks(t, record(t, all...), Query{Options: forecast.Options{Horizon: 90 * day}}))["h:/new space"]
		if (o.Method == "pooled") != (want == "pooled") {
			t.Errorf("after %d days: %s", days, o.Method)
		}
	}
}

// Old volumes are as they are, a new one changes nobody, and another run says the same.
func TestPoolingChangesNoOtherVolume(t *testing.T) {
	without := outlooks(t, record(t, fleetOf()...), Query{})
	h := record(t, fleetOf(grown("web3x", "/srv/www", 5, 90, nil))...)
	with, again := outlooks(t, h, Query{}), outlooks(t, h, Query{})
	if diff := cmp.Diff(with, again, cmpopts.EquateNaNs()); diff != "" {
		t.Errorf("another run (-one +other):\n%s", diff)
	}
	old := byName(with)
	if len(with) != len(without)+1 || old["web3x:/srv/www space"].Method != "pooled" {
		t.Fatalf("%d outlooks with the new volume, %d without", len(with), len(without))
	}
	for _, o := range without {
		if diff := cmp.Diff(o, old[o.Series+" space"], cmpopts.EquateNaNs()); diff != "" {
			t.Errorf("%s (-without a new volume +with):\n%s", o.Series, diff)
		}
	}
	for p, err := range (Planner{h}).Pasts(t.Context(), Query{Now: now}) {
		if err != nil || p.Input.Prior != nil {
			t.Errorf("%s is judged at origins of the past with what is known today: %v, %v", p.Series, p.Input.Prior, err)
		}
	}
}

func TestOneSpaceLendsOnce(t *testing.T) {
	var all []volume.Sample
	nfs := func(device string) func(*volume.Sample) {
		return func(s *volume.Sample) { s.Fstype, s.Device = "nfs4", device }
	}
	for i := range 8 {
		all = append(all, grown(fmt.Sprintf("h%d", i), "/net", 100, 2, nfs("filer:/vol"))...)
	}
	all = append(all, grown("new", "/net", 0, 0, nfs("filer:/other"))...)
	if o := byName(outlooks(t, record(t, all...), Query{}))["new:/net space"]; o.Method == "pooled" {
		t.Error("one filesystem that eight hosts mount makes a pool of eight")
	}
}

func TestInodesLendToInodes(t *testing.T) {
	counted := func(s *volume.Sample) { s.InodesTotal, s.InodesUsed, s.InodesFree = 1000, 400, 600 }
	var all [][]volume.Sample
	for i := range 6 {
		all = append(all, grown(fmt.Sprintf("w%d", i), "/mail", 100, 2, counted))
	}
	got := byName(outlooks(t, record(t, fleetOf(append(all, grown("w9", "/mail", 0, 0, counted))...)...), Query{}))
	space, inodes := got["w9:/mail space"], got["w9:/mail inodes"]
	if math.Abs(thousandths(space)-2) > .01 || inodes.Method != "pooled" || inodes.GrowthPerDay != 0 {
		t.Errorf("space %.2f thousandths a day, inodes %s with %v; want 2 and the inodes' own nought", thousandths(space), inodes.Method, inodes.GrowthPerDay)
	}
}

func TestAPlanLeansToo(t *testing.T) {
	h := record(t, fleetOf(grown("web9", "/srv/www", 0, 0, nil))...)
	q := PlanQuery{Query: Query{Now: now}}
	plans, err := (Planner{h}).Plans(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range plans {
		if p.Series == "web9:/srv/www" {
			if got := p.Outcomes[0].GrowthPerDay / (10 * tebi) * 1000; math.Abs(got-1.25) > .01 {
				t.Errorf("%.3f thousandths a day, want those of like volumes", got)
			}
			return
		}
	}
	t.Errorf("no plan of the new volume among %d", len(plans))
}

func TestFileGrowth(t *testing.T) {
	file := func(series int, capacity string) *csvinput.File {
		var b strings.Builder
		b.WriteString("series,time,used,capacity\n")
		for s := range series {
			for d := range 80 {
				fmt.Fprintf(&b, "s%d,%s,%d,%s\n", s, now.AddDate(0, 0, d-80).Format("2006-01-02"), 100+2*d, capacity)
			}
		}
		b.WriteString("new,2026-03-09,100," + capacity + "\n")
		f, err := csvinput.Read("f.csv", strings.NewReader(b.String()))
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	f := file(5, "1000")
	g := FileGrowth(f)
	if g == nil || math.Abs(g.PerDay-.002) > 1e-12 {
		t.Fatalf("%+v, want two thousandths a day", g)
	}
	for o, err := range FileOutlooks(f, forecast.Options{Steps: 10}, g) {
		if err != nil {
			t.Fatal(err)
		}
		if pooled := o.Method == "pooled"; pooled != (o.Series == "new") || o.Series == "new" && math.Abs(o.Points[9].Forecast-120) > 1e-6 {
			t.Errorf("%s: %s, %v in ten days", o.Series, o.Method, o.Points[9].Forecast)
		}
	}
	if g := FileGrowth(file(4, "1000")); g != nil {
		t.Errorf("four series lend %+v", g)
	}
	if g := FileGrowth(file(5, "")); g != nil {
		t.Errorf("series without a capacity lend %+v", g)
	}
}
