package main

import (
	"encoding/csv"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tidemark/tidemark/internal/history"
	"github.com/tidemark/tidemark/internal/influxtest"
	"github.com/tidemark/tidemark/internal/outbox"
	"github.com/tidemark/tidemark/internal/volume"
)

// shipping is the configuration of an agent that ships by way of the URL.
func shipping(t *testing.T, server *influxtest.Server, url, bucket string) string {
	t.Helper()
	file := tokenFileOf(t, server)
	return fmt.Sprintf("influx: {url: %q, org: %q, bucket: %q, token_file: %q}\nagent: {every: 1s, %s}\n", url, server.Org, bucket, file, onlyRoot)
}

// reading is what both ends must know of one reading.
type reading struct {
	path string
	time int64
	used int64
}

// readings are all that the host's history holds, in order. A history that is just being made holds none.
func (h *home) readings(t *testing.T) []reading {
	t.Helper()
	store, err := history.OpenReadOnly(t.Context(), h.history())
	if err != nil {
		return nil
	}
	defer store.Close()
	newest, err := store.Newest(t.Context(), volume.Selector{}, time.Unix(0, 0), time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	var all []reading
	for _, s := range newest {
		of, err := store.Readings(t.Context(), s.ID, time.Unix(0, 0), s.Time.Add(time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range of {
			all = append(all, reading{s.Path, r.Time.Unix(), r.Used})
		}
	}
	return all
}

// outbox is how the host's outbox stands.
func (h *home) outbox(t *testing.T) outbox.Stats {
	t.Helper()
	store, err := history.OpenReadOnly(t.Context(), h.history())
	if err != nil {
		return outbox.Stats{Depth: -1}
	}
	defer store.Close()
	stats, err := store.Outbox().Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return stats
}

// rows is the answer to a Flux query, a map a row.
func rows(t *testing.T, s *influxtest.Server, flux string) []map[string]string {
	t.Helper()
	var all []map[string]string
	for _, block := range strings.Split(strings.ReplaceAll(s.Flux(t, flux), "\r\n", "\n"), "\n\n") {
		records, err := csv.NewReader(strings.NewReader(block)).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		for i, record := range records {
			if i == 0 {
				continue
			}
			row := map[string]string{}
			for k, v := range record {
				row[records[0][k]] = v
			}
			all = append(all, row)
		}
	}
	return all
}

// values are the points of one field of a measurement, all series together, as the server holds them, in order.
func values(t *testing.T, s *influxtest.Server, bucket, measurement, field string) []reading {
	t.Helper()
	var all []reading
	for _, row := range rows(t, s, fmt.Sprintf(`from(bucket: %q) |> range(start: 0, stop: 2100-01-01T00:00:00Z)
		|> filter(fn: (r) => r._measurement == %q and r._field == %q)`, bucket, measurement, field)) {
		at, err := time.Parse(time.RFC3339, row["_time"])
		if err != nil {
			t.Fatal(err)
		}
		v, err := strconv.ParseFloat(row["_value"], 64)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, reading{row["path"], at.Unix(), int64(v)})
	}
	slices.SortFunc(all, func(a, b reading) int {
		if c := strings.Compare(a.path, b.path); c != 0 {
			return c
		}
		return int(a.time - b.time)
	})
	return all
}

// wantAgreement checks that history and server hold the same readings, each once, with the agent's own line and the
// volume's state for each, and that nothing waits. Lines that the server was made to refuse are named by their measurement and time.
func (h *home) wantAgreement(t *testing.T, s *influxtest.Server, bucket string, least int, refused ...string) {
	t.Helper()
	kept := h.wantEmptyOutbox(t, least, int64(len(refused)))
	for _, of := range []struct {
		measurement, field string
		want               func(reading) reading
	}{
		{"disk", "used", func(r reading) reading { return r }},
		{"tidemark_volume", "stuck", func(r reading) reading { return reading{path: r.path, time: r.time} }},
		{"tidemark_agent", "lost_samplings", func(r reading) reading { return reading{time: r.time} }},
	} {
		var want []reading
		for _, r := range kept {
			if !slices.Contains(refused, fmt.Sprint(of.measurement, " ", r.time)) {
				want = append(want, of.want(r))
			}
		}
		if got := values(t, s, bucket, of.measurement, of.field); !slices.Equal(got, want) {
			t.Errorf("the server holds %d points of %s,\n%v\nthe history says %d,\n%v", len(got), of.measurement, got, len(want), want)
		}
	}
}

// wantSameMoments is wantAgreement for agents that disturb one another: both read a volume in the same second, and which
// of the two readings is kept may differ between history and server.
func (h *home) wantSameMoments(t *testing.T, s *influxtest.Server, bucket string, least int) {
	t.Helper()
	kept, got := h.wantEmptyOutbox(t, least, 0), values(t, s, bucket, "disk", "used")
	if !slices.EqualFunc(kept, got, func(a, b reading) bool { return a.path == b.path && a.time == b.time }) {
		t.Errorf("the server holds\n%v\nthe history says\n%v", got, kept)
	}
}

// wantEmptyOutbox checks that nothing waits or was given up, and returns the readings of the history.
func (h *home) wantEmptyOutbox(t *testing.T, least int, quarantined int64) []reading {
	t.Helper()
	if stats := h.outbox(t); stats.Depth != 0 || stats.Dropped != 0 || stats.Expired != 0 || stats.Quarantined != quarantined {
		t.Errorf("the outbox stands at %+v, want it empty with %d lines quarantined", stats, quarantined)
	}
	kept := h.readings(t)
	if len(kept) < least {
		t.Errorf("only %d readings in the history, want %d: the test has shown nothing", len(kept), least)
	}
	return kept
}
