package main

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidemark/tidemark/config"
	"github.com/tidemark/tidemark/internal/influxtest"
	"github.com/tidemark/tidemark/planner"
)

// clocked runs the program at a time of its own.
type clocked struct {
	dir, config string
}

// at runs a command then, and returns its result.
func (c clocked) at(t *testing.T, now time.Time, args ...string) string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	p := &program{
		stdin: strings.NewReader(""), stdout: &stdout, stderr: &stderr, getenv: func(string) string { return "" },
		now: func() time.Time { return now }, log: slog.New(slog.DiscardHandler),
	}
	if err := p.app().RunContext(t.Context(), append([]string{"tidemark", "--config", c.config}, args...)); err != nil {
		t.Fatalf("tidemark %s: %v\n%s", strings.Join(args, " "), err, &stderr)
	}
	return stdout.String()
}

// ledgerUse is the use of a day, in bytes: it rises, jumps on day 130, and is full (of 1000 GB, at 95 %) on day 185.
func ledgerUse(day int) int64 {
	used := 100e9 + 4e9*float64(day) + 3e9*math.Sin(float64(day))
	if day >= 130 {
		used += 110e9
	}
	return int64(min(used, 990e9))
}

func (c clocked) importUntil(t *testing.T, first time.Time, days int) {
	t.Helper()
	var csv strings.Builder
	fmt.Fprintln(&csv, "series,time,used,capacity")
	for day := range days {
		fmt.Fprintf(&csv, "db1:/srv,%s,%d,1000000000000\n", first.AddDate(0, 0, day).Format(time.DateOnly), ledgerUse(day))
	}
	file := filepath.Join(c.dir, "past.csv")
	if err := os.WriteFile(file, []byte(csv.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	c.at(t, first.AddDate(0, 0, days), "import", file)
}

// accuracies is what `forecast --accuracy --format json` prints.
type accuracies struct {
	Accuracy []struct {
		Series, Resource string
		Outlooks         int
		Forecasts        []struct {
			Days, Judged, Inside int
			Error                *float64 `json:"median_absolute_error"`
			NoChange             *float64 `json:"no_change_median_absolute_error"`
		}
		Alarms struct{ Judged, Already, Happened, Said, Right int } `json:"alarms_full_30d"`
		Dates  []struct {
			Within   int `json:"within_days"`
			Filled   int
			Dated    int
			Absolute *float64 `json:"median_absolute_days"`
		}
	}
}

// published is what was said at one time, as its reader was told.
type publishedThen struct {
	origin time.Time
	ahead  map[int]float64 // by days
	p30    float64
	p50    *time.Time
}

func (c clocked) publishAt(t *testing.T, now time.Time) publishedThen {
	t.Helper()
	var got forecasts
	decode(t, c.at(t, now, "forecast", "--format", "json"), &got)
	f := got.Forecasts[0]
	said := publishedThen{origin: f.Origin, ahead: map[int]float64{}, p30: f.TimeToFull.Probability["30d"], p50: f.TimeToFull.P50}
	for _, days := range []int{7, 30, 90} {
		for _, point := range f.Points {
			if point.Time.Equal(f.Origin.Truncate(24*time.Hour).AddDate(0, 0, days)) {
				said.ahead[days] = point.Forecast
			}
		}
	}
	c.at(t, now, "forecast", "--write")
	c.at(t, now.Add(time.Hour), "forecast", "--write", "--full-level", "20%") // later that day: is not scored
	return said
}

// TestLedgerFromOutlookToAccuracy publishes outlooks at several times, lets the truth come later, and holds the answer against what its
// reader was told then: on a host alone, and in a real InfluxDB.
func TestLedgerFromOutlookToAccuracy(t *testing.T) {
	t.Parallel()
	first := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for name, configure := range map[string]func(t *testing.T) string{
		"a host alone": func(*testing.T) string { return "" },
		"InfluxDB": func(t *testing.T) string {
			s := influxtest.Shared(t)
			return planning(s.Org, s.URL, s.Bucket(t), s.Bucket(t), tokenFileOf(t, s))
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			c := clocked{dir, filepath.Join(dir, "tidemark.yaml")}
			text := fmt.Sprintf("host: db1\ndata_dir: %s\n%s", dir, configure(t))
			if err := os.WriteFile(c.config, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			var said []publishedThen
			for _, days := range []int{60, 90, 110, 145, 160, 178} {
				c.importUntil(t, first, days)
				said = append(said, c.publishAt(t, first.AddDate(0, 0, days).Add(6*time.Hour)))
			}
			const end = 195
			c.importUntil(t, first, end)
			now := first.AddDate(0, 0, end).Add(7 * time.Hour)
			var got accuracies
			decode(t, c.at(t, now, "forecast", "--accuracy", "--format", "json"), &got)
			wantAccuracy(t, got, said, first, end)
			table := c.at(t, now, "forecast", "--accuracy")
			for _, want := range []string{"db1:/srv", "our 30-day forecasts were off by a median of", "our dates within"} {
				if !strings.Contains(strings.Join(strings.Fields(table), " "), want) {
					t.Errorf("the table does not say %q:\n%s", want, table)
				}
			}
		})
	}
}

func wantAccuracy(t *testing.T, got accuracies, said []publishedThen, first time.Time, end int) {
	t.Helper()
	if len(got.Accuracy) != 1 || got.Accuracy[0].Series != "db1:/srv" || got.Accuracy[0].Outlooks != len(said) {
		t.Fatalf("%+v, want %d outlooks of db1:/srv", got, len(said))
	}
	a := got.Accuracy[0]
	dayOf := func(at time.Time) int { return int(at.Sub(first).Hours() / 24) }
	for i, days := range []int{7, 30, 90} {
		var errors, none []float64
		for _, s := range said {
			if due := dayOf(s.origin) + days; due < end {
				errors = append(errors, math.Abs(s.ahead[days]-float64(ledgerUse(due))))
				none = append(none, math.Abs(float64(ledgerUse(dayOf(s.origin))-ledgerUse(due))))
			}
		}
		f := a.Forecasts[i]
		if f.Judged != len(errors) || len(errors) == 0 || !near(*f.Error, middle(errors)) || !near(*f.NoChange, middle(none)) {
			t.Errorf("%d days ahead: %+v, want %d with a median of %g, no change %g", days, f, len(errors), middle(errors), middle(none))
		}
	}
	full := 0
	for ledgerUse(full) < 950e9 {
		full++
	}
	var judged, happened, saidIt, right, dated int
	var off []float64
	for _, s := range said {
		on := dayOf(s.origin)
		if full-on <= 30 && s.p50 != nil {
			dated++
			off = append(off, math.Abs(s.p50.Sub(first.AddDate(0, 0, full)).Hours()/24))
		}
		if on+30 >= end {
			continue
		}
		judged++
		if full-on <= 30 {
			happened++
		}
		if s.p30 >= .5 {
			saidIt++
			if full-on <= 30 {
				right++
			}
		}
	}
	if w := a.Alarms; w.Judged != judged || w.Happened != happened || w.Said != saidIt || w.Right != right || happened == 0 || w.Already != 0 {
		t.Errorf("alarms %+v, want %d judged, %d happened, %d said, %d right", w, judged, happened, saidIt, right)
	}
	if d := a.Dates[0]; d.Within != 30 || d.Dated != dated || dated == 0 || math.Abs(*d.Absolute-middle(off)) > 1e-4 { // JSON's dates are whole seconds
		t.Errorf("dates %+v, off by %g days, want %d off by a median of %g", d, *d.Absolute, dated, middle(off))
	}
}

func near(a, b float64) bool { return math.Abs(a-b) <= 1e-6*(1+math.Abs(b)) }

// middle is the median.
func middle(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	if len(v) == 0 {
		return math.NaN()
	}
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}

// TestUpPublishesOnceADay also wants a ledger that cannot be kept to be said, and to end nothing.
func TestUpPublishesOnceADay(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := clocked{dir, filepath.Join(dir, "tidemark.yaml")}
	if err := os.WriteFile(c.config, []byte(fmt.Sprintf("host: db1\ndata_dir: %s\n", dir)), 0o600); err != nil {
		t.Fatal(err)
	}
	first := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	c.importUntil(t, first, 40)
	now := first.AddDate(0, 0, 40).Add(time.Hour)
	var log bytes.Buffer
	p := &program{stdout: &log, stderr: &log, getenv: func(string) string { return "" }, now: func() time.Time { return now }, log: peopleLogger(&log)}
	cfg, err := config.Load(c.config, p.getenv)
	if err != nil {
		t.Fatal(err)
	}
	store, err := p.openHistory(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	outlooks := func() int {
		var got accuracies
		decode(t, c.at(t, now, "forecast", "--accuracy", "--format", "json"), &got)
		if len(got.Accuracy) == 0 {
			return 0
		}
		return got.Accuracy[0].Outlooks
	}
	daily := dailyPublisher{p: p, cfg: cfg, plan: planner.Planner{History: store}}
	for hour := range 50 { // from one in the morning, over two midnights
		daily.publish(t.Context(), now.Add(time.Duration(hour)*time.Hour))
	}
	now = now.Add(50 * time.Hour)
	if n := outlooks(); n != 3 || log.Len() > 0 {
		t.Errorf("%d outlooks, want one for each of three days; it says %q", n, &log)
	}
	if err := errors.Join(os.RemoveAll(filepath.Join(dir, "planner")), os.WriteFile(filepath.Join(dir, "planner"), nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	daily.publish(t.Context(), now.AddDate(0, 0, 1))
	daily.publish(t.Context(), now.AddDate(0, 0, 1))
	if n := strings.Count(log.String(), "warning: the outlooks of today are not kept"); n != 1 {
		t.Errorf("it says %d times that the ledger cannot be kept:\n%s", n, &log)
	}
	if err := os.Remove(filepath.Join(dir, "planner")); err != nil {
		t.Fatal(err)
	}
	now = now.AddDate(0, 0, 1).Add(58 * time.Minute)
	for want := range 2 { // after 59 minutes and after 60: a ledger that was locked for a while is not given up for the day
		now = now.Add(time.Minute)
		daily.publish(t.Context(), now)
		if n := outlooks(); n != want {
			t.Errorf("%d outlooks %d minutes after a failure, want %d", n, 59+want, want)
		}
	}
}
