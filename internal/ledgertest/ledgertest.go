// Package ledgertest is the conformance suite of the planner's ledger.Store: every implementation runs it.
package ledgertest

import (
	"context"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tidemark/tidemark/internal/volume"
	"github.com/tidemark/tidemark/planner/ledger"
)

// Target is a store to which can be published.
type Target struct {
	ledger.Store
	Publish func(ctx context.Context, all []volume.PublishedSeries) error
}

var (
	morning = time.Date(2026, 3, 10, 6, 0, 5, 0, time.UTC)
	nan     = math.NaN()
	id      = volume.ID{Host: "h", Path: "/srv"}
)

const day = 24 * time.Hour

// said is an outlook that knows everything.
func said(made time.Time, p50 float64) volume.Published {
	return volume.Published{
		Made: made, Origin: made.Add(-65 * time.Second), Used: 600, Capacity: 1000, FullLevel: .95, P10Days: p50 / 2, P50Days: p50, P90Days: 2 * p50,
		Probability7: .0625, Probability30: .25, Probability90: .75,
		Ahead: [...]volume.Predicted{{Forecast: 607, Lower: 600.5, Upper: 612}, {Forecast: 630, Lower: 610, Upper: 650}, {Forecast: 690, Lower: 620, Upper: 700}},
	}
}

// silent is one that could say nothing.
func silent(made time.Time) volume.Published {
	none := volume.Predicted{Forecast: nan, Lower: nan, Upper: nan}
	return volume.Published{
		Made: made, Origin: made, Used: nan, Capacity: nan, FullLevel: 1, P10Days: nan, P50Days: nan, P90Days: nan,
		Probability7: nan, Probability30: nan, Probability90: nan, Reason: "gap", Ahead: [...]volume.Predicted{none, none, none},
	}
}

func series(id volume.ID, resource volume.Resource, all ...volume.Published) volume.PublishedSeries {
	return volume.PublishedSeries{ID: id, Resource: resource, Outlooks: all}
}

// Run runs the suite; open gives an empty store each time.
func Run(t *testing.T, open func(t *testing.T) Target) {
	for name, test := range map[string]func(*testing.T, Target){
		"empty":                        empty,
		"what was not known":           unknown,
		"sorted":                       sorted,
		"the first of a day":           firstOfDay,
		"a range":                      ranges,
		"names with special bytes":     names,
		"the caller may stop":          stops,
		"an end of the context is one": ends,
	} {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}

func publish(t *testing.T, s Target, all ...volume.PublishedSeries) {
	t.Helper()
	if err := s.Publish(t.Context(), all); err != nil {
		t.Fatalf("publish: %v", err)
	}
}

func wantPublished(t *testing.T, s Target, sel volume.Selector, from, to time.Time, want ...volume.PublishedSeries) {
	t.Helper()
	var got []volume.PublishedSeries
	for one, err := range s.Published(t.Context(), sel, from, to) {
		if err != nil {
			t.Fatalf("published: %v", err)
		}
		got = append(got, one)
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty(), cmpopts.EquateNaNs(), cmpopts.EquateApprox(1e-12, 0)); diff != "" {
		t.Errorf("published of %+v from %v to %v (-want +got):\n%s", sel, from, to, diff)
	}
}

func empty(t *testing.T, s Target) {
	wantPublished(t, s, volume.Selector{}, morning.Add(-30*day), morning)
	wantPublished(t, s, volume.Selector{}, morning, morning)
}

func unknown(t *testing.T, s Target) {
	part := said(morning.Add(day), 12)
	part.P90Days, part.Ahead[2] = nan, silent(morning).Ahead[2]
	want := series(id, volume.Space, silent(morning), part)
	publish(t, s, want)
	wantPublished(t, s, volume.Selector{}, morning.Add(-day), morning.Add(2*day), want)
}

func sorted(t *testing.T, s Target) {
	a, b := volume.ID{Host: "a", Path: "/z"}, volume.ID{Host: "a.b", Path: "/a"}
	publish(t, s, series(b, volume.Inodes, said(morning, 3)), series(b, volume.Space, said(morning, 4)), series(a, volume.Space, said(morning.Add(2*day), 2)))
	publish(t, s, series(a, volume.Space, said(morning.Add(-2*day), 1)), series(volume.ID{Host: "a", Path: "/"}, volume.Space, said(morning, 5)))
	wantPublished(t, s, volume.Selector{}, morning.Add(-30*day), morning.Add(30*day),
		series(volume.ID{Host: "a", Path: "/"}, volume.Space, said(morning, 5)), series(a, volume.Space, said(morning.Add(-2*day), 1), said(morning.Add(2*day), 2)),
		series(b, volume.Space, said(morning, 4)), series(b, volume.Inodes, said(morning, 3)))
	wantPublished(t, s, volume.Selector{Host: "a.b"}, morning.Add(-30*day), morning.Add(30*day),
		series(b, volume.Space, said(morning, 4)), series(b, volume.Inodes, said(morning, 3)))
	wantPublished(t, s, volume.Selector{Path: "/"}, morning.Add(-30*day), morning.Add(30*day), series(volume.ID{Host: "a", Path: "/"}, volume.Space, said(morning, 5)))
	wantPublished(t, s, volume.Selector{Host: "nobody"}, morning.Add(-30*day), morning.Add(30*day))
}

// What was said in the morning stands, whatever is said later that day.
func firstOfDay(t *testing.T, s Target) {
	midnight := volume.StartOfDay(morning)
	publish(t, s, series(id, volume.Space, said(morning, 10)))
	publish(t, s, series(id, volume.Space, said(morning.Add(time.Hour), 99)), series(id, volume.Space, said(midnight.Add(day), 20)))
	publish(t, s, series(id, volume.Space, said(midnight.Add(2*day-time.Second), 99)), series(id, volume.Inodes, said(midnight.Add(2*day-time.Second), 30)))
	wantPublished(t, s, volume.Selector{}, midnight, morning.Add(30*day),
		series(id, volume.Space, said(morning, 10), said(midnight.Add(day), 20)), series(id, volume.Inodes, said(midnight.Add(2*day-time.Second), 30)))
}

func ranges(t *testing.T, s Target) {
	midnight := volume.StartOfDay(morning)
	all := []volume.Published{said(midnight, 1), said(midnight.Add(day), 2), said(midnight.Add(2*day), 3)}
	publish(t, s, series(id, volume.Space, all...))
	wantPublished(t, s, volume.Selector{}, midnight, midnight.Add(2*day), series(id, volume.Space, all[:2]...))
	wantPublished(t, s, volume.Selector{}, midnight, midnight.Add(2*day+time.Second), series(id, volume.Space, all...))
	wantPublished(t, s, volume.Selector{}, midnight.Add(time.Second), midnight.Add(5*day), series(id, volume.Space, all[1:]...))
	wantPublished(t, s, volume.Selector{}, midnight.Add(2*day+time.Second), midnight.Add(5*day))
}

func names(t *testing.T, s Target) {
	for i, path := range []string{"/", "/a b", "/a,b", "/a=b", `/a"b`, `/a\b`, "/ärger/日本", "/$x", "/${x}", "/a'b", "/%s"} {
		one := series(volume.ID{Host: `h "1", x=${y}\z`, Path: path}, volume.Space, said(morning, float64(i+1)))
		publish(t, s, one)
		wantPublished(t, s, volume.Selector(one.ID), morning.Add(-day), morning.Add(day), one)
	}
}

func stops(t *testing.T, s Target) {
	for i := range 3 {
		publish(t, s, series(volume.ID{Host: fmt.Sprint("h", i), Path: "/"}, volume.Space, said(morning, 1)))
	}
	for range s.Published(t.Context(), volume.Selector{}, morning.Add(-day), morning.Add(day)) {
		break
	}
	publish(t, s, series(id, volume.Space, said(morning, 1))) // what was read holds nothing up
}

func ends(t *testing.T, s Target) {
	publish(t, s, series(id, volume.Space, said(morning, 1)))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, err := range s.Published(ctx, volume.Selector{}, morning.Add(-day), morning.Add(day)) {
		if err == nil {
			t.Error("it goes on")
		}
		return
	}
	t.Error("there is no error")
}
