package grafana

import (
	"encoding/csv"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidemark/tidemark/internal/influxtest"
	"github.com/tidemark/tidemark/internal/line"
	"github.com/tidemark/tidemark/internal/volume"
)

// view is what a person has chosen on a board. None of a kind means All.
type view struct {
	bucket, forecastBucket    string
	hosts, policies, archives []string
	volumeHost, volumePath    string
}

// now is the board's present; the time range is from ten days before it to ten days after.
var now = time.Date(2026, 3, 15, 12, 0, 0, 0, time.UTC)

const day = 24 * time.Hour

var special = regexp.MustCompile(`[\\^$*+?.()|\[\]{}/]`)

// choice is how Grafana writes the values that were chosen of a variable where ${…:regex} stands.
func choice(values []string) string {
	if len(values) == 0 {
		return ".*" // the variable's allValue, which is not escaped
	}
	escaped := make([]string, len(values))
	for i, v := range values {
		escaped[i] = special.ReplaceAllString(v, `\$0`)
	}
	if len(values) == 1 {
		return escaped[0]
	}
	return "(" + strings.Join(escaped, "|") + ")"
}

// interpolate replaces macros and variables by plain text, as Grafana does, and fixes now().
func (v view) interpolate(t *testing.T, query string) string {
	t.Helper()
	quote := func(s string) string { return `"` + strings.ReplaceAll(s, `"`, `\"`) + `"` }
	query = strings.NewReplacer(
		"v.timeRangeStart", now.Add(-10*day).Format(time.RFC3339),
		"v.timeRangeStop", now.Add(10*day).Format(time.RFC3339),
		"v.windowPeriod", "3600000ms",
		"${bucket}", v.bucket,
		"${forecast_bucket}", v.forecastBucket,
		"${host:regex}", choice(v.hosts),
		"${policy:regex}", choice(v.policies),
		"${archive:regex}", choice(v.archives),
		"${volume_host:doublequote}", quote(v.volumeHost),
		"${volume_path:doublequote}", quote(v.volumePath),
	).Replace(query)
	if left := regexp.MustCompile(`\$\{[^}]*\}|\bv\.[a-z]\w+`).FindString(query); left != "" {
		t.Fatalf("%s is no macro or variable of the board:\n%s", left, query)
	}
	fixed := "option now = () => " + now.Format(time.RFC3339) + "\n"
	imports := regexp.MustCompile(`^(import "[^"]+"\n)*`).FindString(query)
	return imports + fixed + query[len(imports):]
}

// table runs a query and returns its rows, the chosen columns joined by a space, "-" where a value is absent.
func table(t *testing.T, server *influxtest.Server, query string, columns ...string) []string {
	t.Helper()
	var rows []string
	for block := range strings.SplitSeq(strings.TrimSpace(server.Flux(t, query)), "\r\n\r\n") {
		records, err := csv.NewReader(strings.NewReader(block)).ReadAll()
		if err != nil {
			t.Fatalf("%v in the answer:\n%s", err, block)
		}
		if len(records) == 0 {
			continue
		}
		if slices.Contains(records[0], "error") {
			t.Fatalf("the query failed: %q\n%s", records, query)
		}
		for _, record := range records[1:] {
			var row []string
			for _, c := range columns {
				value := "-"
				if i := slices.Index(records[0], c); i >= 0 && record[i] != "" {
					value = record[i]
				}
				row = append(row, value)
			}
			rows = append(rows, strings.Join(row, " "))
		}
	}
	return rows
}

// reading is a sample that used used of total bytes, and half as many per cent of its inodes.
func reading(host, path, device string, age time.Duration, used, total int64) volume.Sample {
	return volume.Sample{
		ID: volume.ID{Host: host, Path: path}, Time: now.Add(-age),
		Attributes: volume.Attributes{Device: device, Fstype: "ext4", Mode: "rw"},
		Usage: volume.Usage{
			Total: total, Used: used, Free: total - used,
			InodesTotal: 2 * total, InodesUsed: used, InodesFree: 2*total - used,
		},
		Tags: map[string]string{"site": "dc1"},
	}
}

func encode(t *testing.T, points ...line.Point) []string {
	t.Helper()
	var lines []string
	for _, p := range points {
		l, err := line.Encode(p)
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, l)
	}
	return lines
}

// outlook is a row that the planner wrote. Days of 0 mean that no date was given.
// Nor is a probability below 0.
func outlook(host, path string, resource volume.Resource, age time.Duration, site string, growth, days, probability float64, reason string) line.Point {
	p := line.Point{
		Measurement: "tidemark_outlook",
		Tags:        map[string]string{"host": host, "path": path, "resource": string(resource), "site": site},
		Time:        now.Add(-age),
		Fields: []line.Field{
			line.Float("growth_per_day", growth), line.Float("full_level", 95), line.Text("method", "drift"), line.Text("reason", reason),
		},
	}
	if probability >= 0 {
		p.Fields = append(p.Fields, line.Float("prob_7d", probability/2), line.Float("prob_30d", probability), line.Float("prob_90d", 1))
	}
	if days > 0 {
		p.Fields = append(p.Fields, line.Float("p10_days", days/2), line.Float("p50_days", days), line.Float("p90_days", days*2))
	}
	return p
}

// forecast is one point of a path that the planner wrote, inDays midnights after now.
func forecast(path, site string, resource volume.Resource, made time.Duration, inDays int, used float64) line.Point {
	return line.Point{
		Measurement: "tidemark_forecast",
		Tags:        map[string]string{"host": "db1", "path": path, "resource": string(resource), "site": site},
		Time:        volume.StartOfDay(now).Add(time.Duration(inDays) * day),
		Fields: []line.Field{
			line.Float("used", used), line.Float("lower", used-5), line.Float("upper", used+5), line.Int("made", now.Add(-made).Unix()),
		},
	}
}

// seed fills two buckets with a fleet:
//
//	db1:/            quiet; its inodes run out
//	db1:/var/lib/pg  moved from sdz to sda an hour ago, and to another site between its two outlooks
//	db2:/data        hangs since two days, and so has no reading of the last day
//	nas1:/srv/video  read-only and nearly full; its newer outlook gives no date, its older one did
//	nas1:/srv/scan   missing
//	web.1:/x         new: no outlook but an expired one
//	webx1:/x         what a careless pattern for web.1 would match; its outlook gives no probability
//	nas10:/x         decommissioned three days ago; begins like nas1
func seed(t *testing.T, server *influxtest.Server) view {
	t.Helper()
	stuck := reading("db2", "/data", "sda", time.Minute, 0, 0)
	stuck.Stuck = true
	unstuck := reading("db2", "/data", "sda", 2*day, 95, 100)
	readOnly := reading("nas1", "/srv/video", "sdb", time.Minute, 97, 100)
	readOnly.Mode = "ro"
	missing := reading("nas1", "/srv/scan", "sdc", time.Minute, 0, 0)
	missing.Missing = true
	samples := []volume.Sample{
		reading("db1", "/", "sda1", 3*time.Hour, 99, 100),
		reading("db1", "/", "sda1", time.Minute, 40, 100),
		reading("db1", "/var/lib/pg", "sdz", 2*time.Hour+30*time.Minute, 50, 100),
		reading("db1", "/var/lib/pg", "sdz", 90*time.Minute, 70, 100),
		reading("db1", "/var/lib/pg", "sda", 80*time.Minute, 60, 100),
		reading("db1", "/var/lib/pg", "sda", time.Minute, 80, 100),
		unstuck, stuck, readOnly,
		reading("nas1", "/srv/scan", "sdc", 3*time.Hour, 20, 100), missing,
		reading("web.1", "/x", "sda", time.Minute, 10, 100),
		reading("webx1", "/x", "sda", time.Minute, 30, 100),
		reading("nas10", "/x", "sda", 3*day, 98, 100),
	}
	v := view{bucket: server.Bucket(t), forecastBucket: server.Bucket(t), volumeHost: "db1", volumePath: "/var/lib/pg"}
	var points []line.Point
	for _, s := range samples {
		points = append(points, line.VolumePoint(s))
		if s.Measured() {
			points = append(points, line.DiskPoint(s))
		}
	}
	server.Write(t, v.bucket, encode(t, points...)...)
	server.Write(t, v.forecastBucket, encode(
		t,
		outlook("db1", "/var/lib/pg", volume.Space, 26*time.Hour, "old", 1, 90, .1, "older"),
		outlook("db1", "/var/lib/pg", volume.Space, 2*time.Hour, "dc1", 2.5, 12.5, .8, "trend"),
		outlook("db1", "/var/lib/pg", volume.Inodes, 2*time.Hour, "dc1", 3, 200, .9, "trend"),
		outlook("db1", "/", volume.Space, 2*time.Hour, "dc1", 0, 0, .25, "idle"),
		outlook("db1", "/", volume.Inodes, 2*time.Hour, "dc1", 7, 20, .5, "trend"),
		outlook("nas1", "/srv/video", volume.Space, 26*time.Hour, "dc1", 4, 3, .95, "older"),
		outlook("nas1", "/srv/video", volume.Space, 2*time.Hour, "dc1", 4.5, 0, .3, "sawtooth"),
		outlook("db2", "/data", volume.Space, 26*time.Hour, "dc1", 1.5, 5, .75, "trend"),
		outlook("webx1", "/x", volume.Space, 2*time.Hour, "dc1", 1.25, 0, -1, "unknown_size"),
		outlook("web.1", "/x", volume.Space, 5*day, "dc1", 9, 1, 1, "expired"),

		// The older run reached further and was written under another site.
		forecast("/var/lib/pg", "old", volume.Space, 26*time.Hour, 1, 50),
		forecast("/var/lib/pg", "old", volume.Space, 26*time.Hour, 4, 51),
		forecast("/var/lib/pg", "dc1", volume.Space, 26*time.Hour, 3, 52),
		forecast("/var/lib/pg", "dc1", volume.Space, 2*time.Hour, 1, 81),
		forecast("/var/lib/pg", "dc1", volume.Space, 2*time.Hour, 2, 83.5),
		forecast("/var/lib/pg", "dc1", volume.Space, 2*time.Hour, 30, 99), // beyond the time range
		forecast("/var/lib/pg", "dc1", volume.Inodes, time.Hour, 1, 7),
		forecast("/", "dc1", volume.Space, time.Hour, 1, 8),
	)...)
	return v
}

var (
	worstColumns  = []string{"host", "path", "used_percent", "growth_per_day", "p50_days", "prob_30d", "reason"}
	inodesColumns = []string{"host", "path", "inodes_used_percent", "growth_per_day", "p50_days", "prob_30d", "reason"}
	seriesColumns = []string{"host", "path", "_time", "_value"}
)

// expectation is what a query must return. Its columns are compared; its rows are for every host, for web.1 with nas1, for
// db2 alone, whose one volume hangs and has no reading, and for buckets without anything.
type expectation struct {
	columns              []string
	unordered            bool // the order of the series is the server's
	all, two, one, empty []string
}

// expectations has one for each query of the board.
var expectations = map[string]expectation{
	"Volumes/A":                {columns: []string{"_value"}, all: []string{"7"}, two: []string{"3"}, one: []string{"1"}},
	"Hosts/A":                  {columns: []string{"_value"}, all: []string{"5"}, two: []string{"2"}, one: []string{"1"}},
	"Fullest volume/A":         {columns: []string{"host", "path", "_value"}, all: []string{"nas1 /srv/video 97"}, two: []string{"nas1 /srv/video 97"}},
	"Likely full in 30 days/A": {columns: []string{"_value"}, all: []string{"3"}, two: []string{"0"}, one: []string{"1"}},
	"Stuck/A":                  {columns: []string{"_value"}, all: []string{"1"}, two: []string{"0"}, one: []string{"1"}},
	"Read-only/A":              {columns: []string{"_value"}, all: []string{"1"}, two: []string{"1"}, one: []string{"0"}},
	"Missing/A":                {columns: []string{"_value"}, all: []string{"1"}, two: []string{"1"}, one: []string{"0"}},
	"Worst volumes/A": {
		columns: worstColumns,
		all: []string{
			"db1 /var/lib/pg 80 2.5 12.5 0.8 trend",
			"db2 /data - 1.5 5 0.75 trend",
			"nas1 /srv/video 97 4.5 - 0.3 sawtooth",
			"db1 / 40 0 - 0.25 idle",
			"webx1 /x 30 1.25 - - unknown_size",
			"nas1 /srv/scan 20 - - - -",
			"web.1 /x 10 - - - -",
		},
		two: []string{"nas1 /srv/video 97 4.5 - 0.3 sawtooth", "nas1 /srv/scan 20 - - - -", "web.1 /x 10 - - - -"},
		one: []string{"db2 /data - 1.5 5 0.75 trend"},
	},
	"Worst volumes by inodes/A": {
		columns: inodesColumns,
		all: []string{
			"db1 /var/lib/pg 40 3 200 0.9 trend",
			"db1 / 20 7 20 0.5 trend",
			"nas1 /srv/video 48.5 - - - -",
			"webx1 /x 15 - - - -",
			"nas1 /srv/scan 10 - - - -",
			"web.1 /x 5 - - - -",
		},
		two: []string{"nas1 /srv/video 48.5 - - - -", "nas1 /srv/scan 10 - - - -", "web.1 /x 5 - - - -"},
	},
	"Used/A": {
		columns: seriesColumns, unordered: true,
		all: []string{
			"db1 / 2026-03-15T10:00:00Z 99",
			"db1 / 2026-03-15T12:00:00Z 40",
			"db1 /var/lib/pg 2026-03-15T10:00:00Z 50",
			"db1 /var/lib/pg 2026-03-15T11:00:00Z 70", // of both devices, once
			"db1 /var/lib/pg 2026-03-15T12:00:00Z 80",
			"db2 /data 2026-03-13T13:00:00Z 95",
			"nas1 /srv/scan 2026-03-15T10:00:00Z 20",
			"nas1 /srv/video 2026-03-15T12:00:00Z 97",
			"nas10 /x 2026-03-12T13:00:00Z 98",
			"web.1 /x 2026-03-15T12:00:00Z 10",
			"webx1 /x 2026-03-15T12:00:00Z 30",
		},
		two: []string{
			"nas1 /srv/scan 2026-03-15T10:00:00Z 20",
			"nas1 /srv/video 2026-03-15T12:00:00Z 97",
			"web.1 /x 2026-03-15T12:00:00Z 10",
		},
		one: []string{"db2 /data 2026-03-13T13:00:00Z 95"},
	},
	"Forecast of ${volume_host}:${volume_path}/A": same(
		[]string{"_time", "used"}, "2026-03-15T10:00:00Z 50", "2026-03-15T11:00:00Z 70", "2026-03-15T12:00:00Z 80"),
	"Forecast of ${volume_host}:${volume_path}/B": same(
		[]string{"_time", "forecast", "lower", "upper"}, "2026-03-16T00:00:00Z 81 76 86", "2026-03-17T00:00:00Z 83.5 78.5 88.5"),
	"Stuck, read-only and missing volumes/A": {
		columns: []string{"_time", "host", "path", "stuck", "readonly", "missing"},
		all: []string{
			"2026-03-15T11:59:00Z db2 /data 1 0 0",
			"2026-03-15T11:59:00Z nas1 /srv/scan 0 0 1",
			"2026-03-15T11:59:00Z nas1 /srv/video 0 1 0",
		},
		two: []string{"2026-03-15T11:59:00Z nas1 /srv/scan 0 0 1", "2026-03-15T11:59:00Z nas1 /srv/video 0 1 0"},
		one: []string{"2026-03-15T11:59:00Z db2 /data 1 0 0"},
	},
	"$host":        same([]string{"_value"}, "db1", "db2", "nas1", "nas10", "web.1", "webx1"),
	"$volume_host": same([]string{"_value"}, "db1", "db2", "nas1", "nas10", "web.1", "webx1"),
	"$volume_path": same([]string{"_value"}, "/", "/var/lib/pg"),
}

// same is the expectation of a query on which the chosen hosts have no bearing.
func same(columns []string, rows ...string) expectation {
	return expectation{columns: columns, all: rows, two: rows, one: rows}
}

func TestEveryQueryReturnsWhatTheFleetIs(t *testing.T) {
	server := influxtest.Shared(t)
	chosen := seed(t, server)
	empty := view{bucket: server.Bucket(t), forecastBucket: server.Bucket(t), volumeHost: "db1", volumePath: "/"}
	two, one := chosen, chosen
	two.hosts, one.hosts = []string{"web.1", "nas1"}, []string{"db2"}
	d, _ := read(t, "tidemark-fleet")
	queries := d.queries()
	for name := range expectations {
		if queries[name] == "" {
			t.Errorf("the board has no query %s any more", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(queries)) {
		want, ok := expectations[name]
		if !ok {
			t.Errorf("no test says what the query %s should return", name)
			continue
		}
		for _, c := range []struct {
			name string
			view
			want []string
		}{
			{"all hosts", chosen, want.all}, {"two hosts", two, want.two}, {"one stuck host", one, want.one}, {"nothing stored", empty, want.empty},
		} {
			t.Run(name+"/"+c.name, func(t *testing.T) {
				got := table(t, server, c.interpolate(t, queries[name]), want.columns...)
				if want.unordered {
					slices.Sort(got)
				}
				if !slices.Equal(got, c.want) {
					t.Errorf("got\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(c.want, "\n\t"))
				}
			})
		}
	}
}

// TestTelegrafAloneIsEnough: without an agent of ours and without a planner the board shows use, and no flag is claimed
// to be zero.
func TestTelegrafAloneIsEnough(t *testing.T) {
	server := influxtest.Shared(t)
	v := view{bucket: server.Bucket(t), forecastBucket: server.Bucket(t)}
	server.Write(t, v.bucket, encode(t, line.DiskPoint(reading("a", "/", "sda1", time.Minute, 25, 100)))...)
	d, _ := read(t, "tidemark-fleet")
	queries := d.queries()
	for name, want := range map[string][]string{
		"Volumes/A": {"1"}, "Hosts/A": {"1"}, "Fullest volume/A": {"25"}, "Stuck/A": nil, "Likely full in 30 days/A": nil,
	} {
		if got := table(t, server, v.interpolate(t, queries[name]), "_value"); !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	if got, want := table(t, server, v.interpolate(t, queries["Worst volumes/A"]), worstColumns...), []string{"a / 25 - - - -"}; !slices.Equal(got, want) {
		t.Errorf("Worst volumes: got %q, want %q", got, want)
	}
}

// TestUnknownProbabilityIsNoData: a volume whose outlook gives no probability is not counted as unlikely to fill.
func TestUnknownProbabilityIsNoData(t *testing.T) {
	server := influxtest.Shared(t)
	v := seed(t, server)
	v.hosts = []string{"webx1"}
	d, _ := read(t, "tidemark-fleet")
	if got := table(t, server, v.interpolate(t, d.queries()["Likely full in 30 days/A"]), "_value"); len(got) != 0 {
		t.Errorf("got %q, want no data", got)
	}
}
