// Package historytest is the conformance suite of planner.History: every implementation runs it.
package historytest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tidemark/tidemark/internal/volume"
	"github.com/tidemark/tidemark/planner"
)

// Target is a history that can be filled.
type Target struct {
	planner.History
	Write func(ctx context.Context, samples []volume.Sample) error
}

// noon is far enough in the past for every store and does not move.
var noon = time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)

const day = 24 * time.Hour

func sample(host, path string, at time.Time, used int64) volume.Sample {
	return volume.Sample{
		ID: volume.ID{Host: host, Path: path}, Time: at,
		Attributes: volume.Attributes{Device: "sda1", Fstype: "ext4", Mode: "rw"},
		Usage:      volume.Usage{Total: 1100, Used: used, Free: 1000 - used, InodesTotal: 100, InodesUsed: used / 10, InodesFree: 100 - used/10},
	}
}

// Run runs the suite; open gives an empty history each time.
func Run(t *testing.T, open func(t *testing.T) Target) {
	for name, test := range map[string]func(*testing.T, Target){
		"empty":                       empty,
		"days are the worst readings": days,
		"remounts are one series":     remounts,
		"late and rewritten points":   late,
		"two hosts with one device":   twoHosts,
		"names with special bytes":    names,
		"newest":                      newest,
		"a clock that was ahead":      ahead,
		"trouble":                     trouble,
		"readings are half open":      readings,
		"the least of an hour":        lows,
		"order of writing":            order,
		"large numbers":               large,
	} {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}

func write(t *testing.T, h Target, samples ...volume.Sample) {
	t.Helper()
	if err := h.Write(t.Context(), samples); err != nil {
		t.Fatalf("write: %v", err)
	}
}

func readDays(t *testing.T, h planner.History, sel volume.Selector, from, to time.Time) []volume.DaySeries {
	t.Helper()
	var all []volume.DaySeries
	for s, err := range h.Days(t.Context(), sel, from, to) {
		if err != nil {
			t.Fatalf("days: %v", err)
		}
		all = append(all, s)
	}
	return all
}

func wantDays(t *testing.T, h planner.History, sel volume.Selector, from, to time.Time, want ...volume.DaySeries) {
	t.Helper()
	if diff := cmp.Diff(want, readDays(t, h, sel, from, to), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("days of %+v from %v to %v (-want +got):\n%s", sel, from, to, diff)
	}
}

func readNewest(t *testing.T, h planner.History, sel volume.Selector, since time.Time) []volume.Sample {
	t.Helper()
	got, err := h.Newest(t.Context(), sel, since, farAhead)
	if err != nil {
		t.Fatalf("newest: %v", err)
	}
	return got
}

func wantNewest(t *testing.T, h planner.History, sel volume.Selector, since time.Time, want ...volume.Sample) {
	t.Helper()
	if diff := cmp.Diff(want, readNewest(t, h, sel, since), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("newest of %+v since %v (-want +got):\n%s", sel, since, diff)
	}
}

func empty(t *testing.T, h Target) {
	wantDays(t, h, volume.Selector{}, noon.Add(-30*day), noon)
	wantNewest(t, h, volume.Selector{}, noon.Add(-30*day))
	got, err := h.Readings(t.Context(), volume.ID{Host: "h", Path: "/"}, noon.Add(-day), noon)
	if err != nil || len(got) != 0 {
		t.Errorf("readings of an empty history: %v, %v", got, err)
	}
}

func days(t *testing.T, h Target) {
	midnight := volume.StartOfDay(noon)
	a := sample("h", "/srv", midnight, 300) // the first second belongs to the day that begins
	b := sample("h", "/srv", noon, 500)
	b.Total = 1200
	c := sample("h", "/srv", midnight.Add(day-time.Second), 400)
	c.InodesUsed, c.InodesFree = 70, 30
	d := sample("h", "/srv", midnight.Add(2*day), 450) // a day is missing between
	unfinished := sample("h", "/srv", midnight.Add(3*day), 999)
	write(t, h, a, b, c, d, unfinished)
	first := volume.Day{Start: midnight, Usage: volume.Usage{Total: 1200, Used: 500, Free: 500, InodesTotal: 100, InodesUsed: 70, InodesFree: 30}}
	third := volume.Day{Start: midnight.Add(2 * day), Usage: d.Usage}
	both := volume.DaySeries{ID: a.ID, Days: []volume.Day{first, third}}
	wantDays(t, h, volume.Selector{}, midnight.Add(-10*day), midnight.Add(3*day+time.Hour), both)
	wantDays(t, h, volume.Selector{}, midnight, midnight.Add(3*day), both)
	// from is rounded up and to down
	wantDays(t, h, volume.Selector{}, midnight.Add(time.Second), midnight.Add(3*day), volume.DaySeries{ID: a.ID, Days: []volume.Day{third}})
	wantDays(t, h, volume.Selector{}, midnight, midnight.Add(3*day-time.Second), volume.DaySeries{ID: a.ID, Days: []volume.Day{first}})
	// a volume without days in the range is left out
	wantDays(t, h, volume.Selector{}, midnight.Add(day), midnight.Add(2*day))
}

func remounts(t *testing.T, h Target) {
	midnight := volume.StartOfDay(noon)
	a, b := sample("h", "/srv", midnight.Add(time.Hour), 300), sample("h", "/srv", midnight.Add(2*time.Hour), 200)
	b.Attributes = volume.Attributes{Device: "dm-3", Fstype: "xfs", Mode: "ro", Label: "data"}
	b.Tags = map[string]string{"site": "dc1"}
	c := sample("h", "/srv", midnight.Add(26*time.Hour), 250)
	c.Tags = map[string]string{"site": "dc2", "rack": "r 7"}
	write(t, h, a, b, c)
	wantDays(t, h, volume.Selector{}, midnight, midnight.Add(5*day), volume.DaySeries{ID: a.ID, Days: []volume.Day{
		{Start: midnight, Usage: volume.Usage{Total: 1100, Used: 300, Free: 700, InodesTotal: 100, InodesUsed: 30, InodesFree: 70}},
		{Start: midnight.Add(day), Usage: c.Usage},
	}})
	wantNewest(t, h, volume.Selector{}, midnight, c)
}

func late(t *testing.T, h Target) {
	midnight := volume.StartOfDay(noon)
	a, b := sample("h", "/srv", noon, 500), sample("h", "/srv", noon.Add(time.Hour), 400)
	write(t, h, b)
	write(t, h, a) // late
	wantNewest(t, h, volume.Selector{}, midnight, b)
	worst := volume.DaySeries{ID: a.ID, Days: []volume.Day{{Start: midnight, Usage: a.Usage}}}
	wantDays(t, h, volume.Selector{}, midnight, midnight.Add(day), worst)
	write(t, h, a, b) // the same again changes nothing
	wantDays(t, h, volume.Selector{}, midnight, midnight.Add(day), worst)
	lower := a
	lower.Usage = sample("h", "/srv", noon, 100).Usage
	write(t, h, lower) // the last to write a time wins
	wantDays(t, h, volume.Selector{}, midnight, midnight.Add(day), volume.DaySeries{ID: a.ID, Days: []volume.Day{{Start: midnight, Usage: b.Usage}}})
	got, err := h.Readings(t.Context(), a.ID, midnight, midnight.Add(day))
	want := []volume.Reading{{Time: noon, Usage: lower.Usage}, {Time: b.Time, Usage: b.Usage}}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("readings: %v (-want +got):\n%s", err, diff)
	}
}

func twoHosts(t *testing.T, h Target) {
	midnight := volume.StartOfDay(noon)
	a, b, c := sample("a", "/srv", noon, 100), sample("b", "/srv", noon, 200), sample("b", "/home", noon, 300)
	write(t, h, b, a, c)
	series := func(s volume.Sample) volume.DaySeries {
		return volume.DaySeries{ID: s.ID, Days: []volume.Day{{Start: midnight, Usage: s.Usage}}}
	}
	to := midnight.Add(day)
	wantDays(t, h, volume.Selector{}, midnight, to, series(a), series(c), series(b))
	wantDays(t, h, volume.Selector{Host: "b"}, midnight, to, series(c), series(b))
	wantDays(t, h, volume.Selector{Path: "/srv"}, midnight, to, series(a), series(b))
	wantDays(t, h, volume.Selector{Host: "b", Path: "/srv"}, midnight, to, series(b))
	wantDays(t, h, volume.Selector{Host: "nobody"}, midnight, to)
	wantNewest(t, h, volume.Selector{Host: "b"}, midnight, c, b)
	wantNewest(t, h, volume.Selector{Path: "/srv"}, midnight, a, b)
}

func names(t *testing.T, h Target) {
	paths := []string{
		"/", "/a b", "/a,b", "/a=b", `/a"b`, `/a\b`, "/ärger/日本", "/a:b", "/$x", "/${x}", "/a'b", "/%s", "/a|>b", "/A",
	}
	var want []volume.Sample
	for i, path := range paths {
		s := sample(`h "1", x=${y}\z`, path, noon, int64(10*i))
		s.Tags = map[string]string{"site": `d c,1=x"y`}
		want = append(want, s)
	}
	write(t, h, want...)
	slices.SortFunc(want, func(a, b volume.Sample) int { return strings.Compare(a.Path, b.Path) })
	wantNewest(t, h, volume.Selector{}, noon.Add(-day), want...)
	for _, s := range want {
		sel := volume.Selector{Host: s.Host, Path: s.Path}
		wantNewest(t, h, sel, noon.Add(-day), s)
		wantDays(t, h, sel, volume.StartOfDay(noon), noon.Add(day), volume.DaySeries{ID: s.ID, Days: []volume.Day{{Start: volume.StartOfDay(noon), Usage: s.Usage}}})
		got, err := h.Readings(t.Context(), s.ID, noon, noon.Add(time.Second))
		if err != nil || len(got) != 1 || got[0].Usage != s.Usage {
			t.Errorf("readings of %s: %v, %v", s.ID, got, err)
		}
	}
}

func newest(t *testing.T, h Target) {
	old, young := sample("h", "/old", noon.Add(-10*day), 100), sample("h", "/young", noon, 200)
	readOnly := sample("h", "/ro", noon, 300)
	readOnly.Mode = "ro"
	readOnly.Reserved = 77
	write(t, h, old, young, readOnly)
	wantNewest(t, h, volume.Selector{}, noon.Add(-30*day), old, readOnly, young)
	wantNewest(t, h, volume.Selector{}, noon.Add(-10*day), old, readOnly, young)
	wantNewest(t, h, volume.Selector{}, noon.Add(-day), readOnly, young)
}

// farAhead is later than every sample but those of a clock that was ahead.
var farAhead = noon.AddDate(1, 0, 0)

// ahead: what a clock that was years ahead has written hides nothing of what is written after it was set right.
func ahead(t *testing.T, h Target) {
	wrong := sample("h", "/srv", noon.AddDate(100, 0, 0), 900)
	before, after := sample("h", "/srv", noon, 100), sample("h", "/srv", noon.Add(time.Minute), 110)
	write(t, h, before)
	write(t, h, wrong)
	wantNewest(t, h, volume.Selector{}, noon.Add(-day), before)
	wantNewest(t, h, volume.Selector{}, noon.Add(time.Second))
	write(t, h, after)
	wantNewest(t, h, volume.Selector{}, noon.Add(-day), after)
	stuck := volume.Sample{ID: after.ID, Time: noon.Add(2 * time.Minute), Attributes: after.Attributes, State: volume.State{Stuck: true}}
	write(t, h, stuck)
	want := after
	want.Time, want.Stuck = stuck.Time, true
	wantNewest(t, h, volume.Selector{}, noon.Add(-day), want)
	wantDays(t, h, volume.Selector{}, volume.StartOfDay(noon), noon.Add(2*day), volume.DaySeries{ID: after.ID, Days: []volume.Day{{
		Start: volume.StartOfDay(noon), Usage: volume.Usage{Total: 1100, Used: 110, Free: 890, InodesTotal: 100, InodesUsed: 11, InodesFree: 89},
	}}})
}

func trouble(t *testing.T, h Target) {
	read := sample("h", "/nfs", noon, 400)
	stuck := volume.Sample{ID: read.ID, Time: noon.Add(time.Minute), Attributes: read.Attributes, State: volume.State{Stuck: true}}
	never := volume.Sample{ID: volume.ID{Host: "h", Path: "/never"}, Time: noon, State: volume.State{Missing: true}}
	write(t, h, read, stuck, never)
	want := read
	want.Time, want.Stuck = stuck.Time, true
	got := readNewest(t, h, volume.Selector{}, noon.Add(-day))
	if len(got) != 2 || got[0].Path != "/never" || !got[0].Missing || got[0].Total != 0 || !got[0].Time.Equal(noon) {
		t.Errorf("newest %+v, want /never missing and without a reading", got)
	}
	wantNewest(t, h, volume.Selector{Path: "/nfs"}, noon.Add(-day), want)
	// The trouble alone is recent enough.
	wantNewest(t, h, volume.Selector{Path: "/nfs"}, noon.Add(time.Minute), want)
	again := sample("h", "/nfs", noon.Add(2*time.Minute), 410)
	write(t, h, again)
	wantNewest(t, h, volume.Selector{Path: "/nfs"}, noon.Add(-day), again)
	wantDays(t, h, volume.Selector{}, volume.StartOfDay(noon), noon.Add(day), volume.DaySeries{ID: read.ID, Days: []volume.Day{{
		Start: volume.StartOfDay(noon), Usage: volume.Usage{Total: 1100, Used: 410, Free: 590, InodesTotal: 100, InodesUsed: 41, InodesFree: 59},
	}}})
}

func readings(t *testing.T, h Target) {
	var all []volume.Sample
	for i := range 5 {
		all = append(all, sample("h", "/srv", noon.Add(time.Duration(i)*time.Minute), int64(100+i)))
	}
	write(t, h, all...)
	got, err := h.Readings(t.Context(), all[0].ID, all[1].Time, all[4].Time)
	var want []volume.Reading
	for _, s := range all[1:4] {
		want = append(want, volume.Reading{Time: s.Time, Usage: s.Usage})
	}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("readings: %v (-want +got):\n%s", err, diff)
	}
	if got, err := h.Readings(t.Context(), volume.ID{Host: "h", Path: "/other"}, noon, noon.Add(day)); err != nil || len(got) != 0 {
		t.Errorf("readings of an unknown volume: %v, %v", got, err)
	}
}

// order holds days against volume.Days, which defines them, whatever the order of writing.
func order(t *testing.T, h Target) {
	random := rand.New(rand.NewPCG(1, 2))
	var all []volume.Sample
	for i := range 300 {
		s := sample("h", "/srv", noon.Add(time.Duration(i)*37*time.Minute), int64(random.IntN(1000)))
		s.Device = fmt.Sprintf("sd%c", 'a'+i%3)
		all = append(all, s)
	}
	var raw []volume.Reading
	for _, s := range all {
		raw = append(raw, volume.Reading{Time: s.Time, Usage: s.Usage})
	}
	random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	for chunk := range slices.Chunk(all, 70) {
		write(t, h, chunk...)
	}
	to := noon.Add(7 * day)
	wantDays(t, h, volume.Selector{}, volume.StartOfDay(noon), to, volume.DaySeries{ID: all[0].ID, Days: volume.Days(raw, to)})
}

// large numbers must not pass through floating point.
func large(t *testing.T, h Target) {
	s := sample("h", "/huge", noon, 1)
	s.Usage = volume.Usage{Total: 1<<62 + 1, Used: 1<<61 + 3, Free: 1<<61 - 5, InodesTotal: 1<<53 + 1, InodesUsed: 1<<53 - 1, InodesFree: 2}
	write(t, h, s)
	wantNewest(t, h, volume.Selector{}, noon, s)
	wantDays(t, h, volume.Selector{}, volume.StartOfDay(noon), noon.Add(day), volume.DaySeries{ID: s.ID, Days: []volume.Day{{Start: volume.StartOfDay(noon), Usage: s.Usage}}})
}

func lows(t *testing.T, h Target) {
	at := func(minutes int) time.Time { return noon.Add(time.Duration(minutes) * time.Minute) }
	moved := sample("h", "/srv", at(20), 350) // to another device
	moved.Device = "sdb1"
	turned := sample("h", "/srv", at(30), 400) // the fewest inodes at another time than the least bytes
	turned.InodesUsed, turned.InodesFree = 7, 93
	write(t, h,
		sample("h", "/srv", at(-1), 100), sample("h", "/srv", at(0), 300), sample("h", "/srv", at(10), 380), moved, turned, sample("h", "/srv", at(60), 100),
		sample("h", "/old", at(-1), 5), sample("g", "/srv", at(59), 40),
	)
	srv, other := volume.ID{Host: "h", Path: "/srv"}, volume.ID{Host: "g", Path: "/srv"}
	for _, tc := range []struct {
		name     string
		sel      volume.Selector
		from, to time.Time
		want     map[volume.ID]volume.Low
	}{
		{"all", volume.Selector{}, at(0), at(60), map[volume.ID]volume.Low{srv: {Used: 300, InodesUsed: 7}, other: {Used: 40, InodesUsed: 4}}},
		{"since the device is another", volume.Selector{Host: "h"}, at(1), at(30), map[volume.ID]volume.Low{srv: {Used: 350, InodesUsed: 35}}},
		{"one", volume.Selector(other), at(0), at(60), map[volume.ID]volume.Low{other: {Used: 40, InodesUsed: 4}}},
		{"nothing", volume.Selector{}, at(1000), at(1060), nil},
	} {
		got, err := h.Lows(t.Context(), tc.sel, tc.from, tc.to)
		if diff := cmp.Diff(tc.want, got, cmpopts.EquateEmpty()); err != nil || diff != "" {
			t.Errorf("%s: %v %s", tc.name, err, diff)
		}
	}
}
