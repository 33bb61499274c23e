package main

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tidemark/tidemark/internal/influxtest"
)

// The planner on a fleet's history in a real server.

// fleet is a home whose planner reads the server, with a bucket for the past and one for forecasts.
func fleet(t *testing.T, server *influxtest.Server) (h *home, bucket, forecasts string) {
	t.Helper()
	bucket, forecasts = server.Bucket(t), server.Bucket(t)
	h = newHome(t, planning(server.Org, server.URL, bucket, forecasts, tokenFileOf(t, server)))
	return h, bucket, forecasts
}

func planning(org, url, bucket, forecasts, token string) string {
	return fmt.Sprintf("influx: {url: %q, org: %q, bucket: %q, forecast_bucket: %q, token_file: %q}\n", url, org, bucket, forecasts, token)
}

// forecasts is what `forecast --format json` prints, as far as these tests read it.
type forecasts struct {
	Forecasts []struct {
		Series       string
		Resource     string
		Reason       string
		Method       string
		GrowthPerDay float64 `json:"growth_per_day"`
		FullLevel    float64 `json:"full_level"`
		Used         float64
		Capacity     float64
		Origin       time.Time
		Points       []struct {
			Time                   time.Time
			Forecast, Lower, Upper float64
		}
		TimeToFull struct {
			P10, P50, P90 *time.Time
			Probability   map[string]float64
			Reason        string
		} `json:"time_to_full"`
	}
}

func decode(t *testing.T, text string, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), into); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
}

// csvRows reads a CSV with a header, a map a row.
func csvRows(t *testing.T, text string) []map[string]string {
	t.Helper()
	records, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	var all []map[string]string
	for _, record := range records[1:] {
		row := map[string]string{}
		for i, v := range record {
			row[records[0][i]] = v
		}
		all = append(all, row)
	}
	return all
}

func TestImportAndForecastInInfluxDB(t *testing.T) {
	t.Parallel()
	server := influxtest.Shared(t)
	h, bucket, forecastBucket := fleet(t, server)
	file := filepath.Join(h.dir, "past.csv")
	if err := os.WriteFile(file, []byte(fleetCSV(time.Now())), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 { // importing again changes nothing
		h.does(t, "import", file)
		if n := len(values(t, server, bucket, "disk", "used")); n != 65 {
			t.Fatalf("the server holds %d imported readings, want 65", n)
		}
	}
	if size(h.state) >= 0 {
		t.Error("the import to InfluxDB made a data directory")
	}
	table := h.does(t, "volumes")
	for _, want := range []string{"db1:/srv", "60%", "db2:/new", "new_volume"} {
		if !strings.Contains(table, want) {
			t.Errorf("volumes does not show %q:\n%s", want, table)
		}
	}
	byHost := h.does(t, "forecast", "--by", "host")
	if !strings.Contains(byHost, "host db1: ") || !strings.Contains(byHost, "host db2: ") {
		t.Errorf("forecast --by host:\n%s", byHost)
	}
	var got forecasts
	decode(t, h.does(t, "forecast", "--format", "json", "--horizon", "90d"), &got)
	if len(got.Forecasts) != 2 || got.Forecasts[0].Series != "db1:/srv" || got.Forecasts[1].Series != "db2:/new" {
		t.Fatalf("forecasts %+v, want those of two volumes", got.Forecasts)
	}
	grows := got.Forecasts[0]
	if math.Abs(grows.GrowthPerDay-1e9) > 5e7 {
		t.Errorf("growth %g a day, want 1e9", grows.GrowthPerDay)
	}
	if likely := grows.TimeToFull.P50; likely == nil || math.Abs(likely.Sub(grows.Origin).Hours()/24-35) > 3 {
		t.Errorf("full at %v, want 35 days after %v: at 95 of 100 GB", likely, grows.Origin)
	}
	points := csvRows(t, h.does(t, "forecast", "--format", "csv", "--horizon", "90d", "--host", "db1"))
	if len(points) != len(grows.Points) || points[0]["forecast"] == "" {
		t.Errorf("%d points in CSV, %d in JSON", len(points), len(grows.Points))
	}
	before := time.Now().Truncate(time.Second)
	if out := h.does(t, "forecast", "--write", "--horizon", "90d"); out != "" {
		t.Errorf("forecast --write prints a result:\n%s", out)
	}
	wantWrittenForecasts(t, server, forecastBucket, got, before)
	wantWrittenOutlooks(t, server, forecastBucket, got, before)
}

// pivoted reads a measurement of the forecast bucket, future included, a row a point.
func pivoted(t *testing.T, s *influxtest.Server, bucket, measurement string) []map[string]string {
	t.Helper()
	return rows(t, s, fmt.Sprintf(`from(bucket: %q) |> range(start: 0, stop: 2100-01-01T00:00:00Z)
		|> filter(fn: (r) => r._measurement == %q)
		|> pivot(rowKey: ["_time"], columnKey: ["_field"], valueColumn: "_value") |> group() |> sort(columns: ["host", "resource", "_time"])`, bucket, measurement))
}

func wantWrittenForecasts(t *testing.T, s *influxtest.Server, bucket string, want forecasts, since time.Time) {
	t.Helper()
	var expected []string
	for _, f := range want.Forecasts {
		for _, p := range f.Points {
			if p.Time.After(time.Now()) {
				expected = append(expected, fmt.Sprintf("%s %s %s %.6g %.6g %.6g", f.Series, f.Resource, p.Time.Format(time.RFC3339), p.Forecast, p.Lower, p.Upper))
			}
		}
	}
	var got []string
	for _, row := range pivoted(t, s, bucket, "tidemark_forecast") {
		got = append(got, fmt.Sprintf("%s:%s %s %s %.6g %.6g %.6g", row["host"], row["path"], row["resource"], row["_time"],
			number(t, row["used"]), number(t, row["lower"]), number(t, row["upper"])))
		if !strings.HasSuffix(row["_time"], "T00:00:00Z") {
			t.Errorf("a forecast at %s, want 00:00 UTC", row["_time"])
		}
		if made := time.Unix(int64(number(t, row["made"])), 0); made.Before(since) || made.After(time.Now()) {
			t.Errorf("made at %v, want the time of the run", made)
		}
		for _, tag := range []string{"device", "fstype", "mode", "label"} {
			if row[tag] != "" {
				t.Errorf("a forecast has the tag %s", tag)
			}
		}
	}
	if len(got) < 80 || !slices.Equal(got, expected) {
		t.Errorf("%d forecast points, want %d:\n%v\n%v", len(got), len(expected), got, expected)
	}
}

func wantWrittenOutlooks(t *testing.T, s *influxtest.Server, bucket string, want forecasts, since time.Time) {
	t.Helper()
	got := pivoted(t, s, bucket, "tidemark_outlook")
	if len(got) != len(want.Forecasts) {
		t.Fatalf("%d outlooks, want %d: %v", len(got), len(want.Forecasts), got)
	}
	for i, row := range got {
		f := want.Forecasts[i]
		if row["host"]+":"+row["path"] != f.Series || row["resource"] != f.Resource || row["reason"] != f.TimeToFull.Reason || row["method"] != f.Method {
			t.Errorf("outlook %v, want that of %s %s", row, f.Series, f.Resource)
		}
		if at, err := time.Parse(time.RFC3339, row["_time"]); err != nil || at.Before(since) || at.After(time.Now()) {
			t.Errorf("an outlook at %s, want the time of the run", row["_time"])
		}
		for field, value := range map[string]float64{
			"growth_per_day": f.GrowthPerDay, "full_level": f.FullLevel * 100, "prob_7d": f.TimeToFull.Probability["7d"],
			"prob_30d": f.TimeToFull.Probability["30d"], "prob_90d": f.TimeToFull.Probability["90d"],
		} {
			if v := number(t, row[field]); math.Abs(v-value) > 1e-6*math.Abs(value)+1e-9 {
				t.Errorf("%s: %s is %g, want %g", f.Series, field, v, value)
			}
		}
		for field, at := range map[string]*time.Time{"p10_days": f.TimeToFull.P10, "p50_days": f.TimeToFull.P50, "p90_days": f.TimeToFull.P90} {
			switch {
			case at == nil && row[field] != "":
				t.Errorf("%s: %s is %s where there is no date", f.Series, field, row[field])
			case at != nil && math.Abs(number(t, row[field])-at.Sub(f.Origin).Hours()/24) > .01:
				t.Errorf("%s: %s is %s, want %v", f.Series, field, row[field], at.Sub(f.Origin))
			}
		}
	}
}

func number(t *testing.T, s string) float64 {
	t.Helper()
	v, err := strconv.ParseFloat(s, 64)
	if err != nil {
		t.Error(err)
	}
	return v
}

// TestServerThatCannotBeUsed wants a sentence with a hint, exit code 1, and nothing half done.
func TestServerThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	server := influxtest.Shared(t)
	bucket := server.Bucket(t)
	past := fleetCSV(time.Now())
	refusing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprintf(w, `{"code":"unauthorized","message":"unauthorized access for %s"}`, strings.TrimPrefix(r.Header.Get("Authorization"), "Token "))
	}))
	defer refusing.Close()
	nobody := httptest.NewServer(nil)
	nobody.Close()
	token := tokenFileOf(t, server)
	for _, tc := range []struct {
		name, url, bucket, hint string
		args                    []string
	}{
		{"no forecast bucket", server.URL, bucket, "create the bucket", []string{"forecast", "--write"}},
		{"no bucket", server.URL, "missing", "create the bucket", []string{"import", "past.csv"}},
		{"wrong token to write", refusing.URL, bucket, "token_file", []string{"import", "past.csv"}},
		{"wrong token to read", refusing.URL, bucket, "token_file", []string{"forecast"}},
		{"wrong token to forecast", refusing.URL, bucket, "token_file", []string{"forecast", "--write"}},
		{"server down, write", nobody.URL, bucket, "see whether the server runs", []string{"import", "past.csv"}},
		{"server down, read", nobody.URL, bucket, "see whether the server runs", []string{"volumes"}},
		{"server down, json", nobody.URL, bucket, "see whether the server runs", []string{"forecast", "--format", "json"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h := newHome(t, planning(server.Org, tc.url, tc.bucket, "missing_forecasts", token))
			if err := os.WriteFile(filepath.Join(h.dir, "past.csv"), []byte(past), 0o600); err != nil {
				t.Fatal(err)
			}
			if tc.name == "no forecast bucket" {
				h.does(t, "import", "past.csv")
			}
			h.fails(t, exitFailed, []string{"tidemark: ", tc.hint}, tc.args...)
			got := h.tidemark(t, tc.args...)
			if strings.Contains(got.stderr, secretOf(server)) {
				t.Errorf("the token is shown:\n%s", got.stderr)
			}
			if n := strings.Count(got.stderr, "write to "); n > 1 {
				t.Errorf("what was tried is said %d times:\n%s", n, got.stderr)
			}
		})
	}
	if n := len(values(t, server, bucket, "disk", "used")); n != 65 {
		t.Errorf("%d readings in the bucket, want the 65 that were imported", n)
	}
}

// telegraf is what its disk plugin writes of one reading.
func telegraf(host, path, device, fstype, mode, site string, total, used int64, at time.Time) string {
	free := total - used - total/20 // the reserve
	return fmt.Sprintf("disk,device=%s,fstype=%s,host=%s,mode=%s,path=%s,site=%s free=%di,inodes_free=900i,inodes_total=1000i,"+
		"inodes_used=100i,inodes_used_percent=10,total=%di,used=%di,used_percent=%g %d",
		device, fstype, host, mode, path, site, free, total, used, float64(used)/float64(used+free)*100, at.Unix())
}

// telegrafPast is the past of a fleet that only Telegraf watches: a root that is moved to another device and mounted read-only
// for a time, and one NFS export on two hosts.
func telegrafPast(now time.Time) []string {
	var lines []string
	today := now.UTC().Truncate(24 * time.Hour)
	for ago := 40; ago >= 0; ago-- {
		for _, hour := range []int{0, 6, 18} {
			at := today.AddDate(0, 0, -ago).Add(time.Duration(hour) * time.Hour)
			if at.After(now) {
				continue
			}
			device, mode := "vda1", "rw"
			if ago < 20 {
				device = "vdb1"
			}
			if ago >= 20 && ago < 22 {
				mode = "ro"
			}
			used := int64(40-ago) * 1e9
			lines = append(lines, telegraf("web1", "/", device, "ext4", mode, "dc1", 100e9, used, at))
			for _, host := range []string{"web1", "web2"} {
				lines = append(lines, telegraf(host, "/mnt/shared", "filer:/export", "nfs4", "rw", "dc1", 1000e9, 500e9, at))
			}
		}
	}
	return lines
}

func TestBucketThatOnlyTelegrafWrote(t *testing.T) {
	t.Parallel()
	server := influxtest.Shared(t)
	h, bucket, forecastBucket := fleet(t, server)
	server.Write(t, bucket, telegrafPast(time.Now())...)
	all := csvRows(t, h.does(t, "volumes", "--format", "csv"))
	var seen []string
	for _, row := range all {
		if row["resource"] == "space" {
			seen = append(seen, strings.Join([]string{row["host"], row["path"], row["device"], row["mode"], row["used"]}, " "))
		}
	}
	want := []string{"web1 / vdb1 rw 40000000000", "web1 /mnt/shared filer:/export rw 500000000000", "web2 /mnt/shared filer:/export rw 500000000000"}
	if !slices.Equal(seen, want) {
		t.Errorf("volumes\n%q, want\n%q", seen, want)
	}
	var got forecasts
	decode(t, h.does(t, "forecast", "--format", "json", "--host", "web1", "--volume", "/", "--horizon", "60d"), &got)
	if len(got.Forecasts) != 2 || got.Forecasts[0].Resource != "space" || got.Forecasts[1].Resource != "inodes" {
		t.Fatalf("forecasts %+v, want space and inodes", got.Forecasts)
	}
	space := got.Forecasts[0]
	if math.Abs(space.GrowthPerDay-1e9) > 5e7 || space.TimeToFull.P50 == nil || space.Capacity != 95e9 {
		t.Errorf("%+v: the remount has split the past; want a gigabyte a day of 95 GB and a date", space)
	}
	bySite := h.does(t, "forecast", "--by", "site")
	if !strings.Contains(bySite, "site dc1: ") || !strings.Contains(strings.Join(strings.Fields(bySite), " "), "1 volume shows space that is counted already") {
		t.Errorf("forecast --by site does not count the shared filesystem once:\n%s", bySite)
	}
	heading, _, _ := strings.Cut(bySite, "\n")
	if !strings.Contains(heading, "503 GiB of 973 GiB") { // (40+500) of (95+950) GB
		t.Errorf("the sum is %q, want 540 of 1045 GB", heading)
	}
	h.does(t, "forecast", "--write", "--host", "web1", "--volume", "/", "--horizon", "60d")
	var outlooks []string
	for _, row := range pivoted(t, server, forecastBucket, "tidemark_outlook") {
		outlooks = append(outlooks, strings.Join([]string{row["host"], row["path"], row["resource"], row["site"], row["device"]}, " "))
	}
	if want := []string{"web1 / inodes dc1 ", "web1 / space dc1 "}; !slices.Equal(outlooks, want) {
		t.Errorf("outlooks %q, want %q", outlooks, want)
	}
}
