package main

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tidemark/tidemark/internal/influxtest"
)

// runawayCSV is a volume of 100 GB that was quiet for 60 days, read each five minutes of the last nine, and began half an hour
// ago to rise by 0.4 GB a minute; and one that stayed quiet.
func runawayCSV(now time.Time) string {
	var b strings.Builder
	fmt.Fprintln(&b, "series,time,used,capacity")
	now = now.UTC().Truncate(time.Second)
	for _, series := range []string{"db1:/quiet", "db1:/srv"} {
		row := func(at time.Time) {
			used := int64(20_000_000_000)
			if since := at.Sub(now.Add(-30 * time.Minute)); since > 0 && series == "db1:/srv" {
				used += int64(since.Seconds()) * 400_000_000 / 60
			}
			fmt.Fprintf(&b, "%s,%s,%d,100000000000\n", series, at.Format(time.RFC3339), used)
		}
		for ago := 60; ago > 9; ago-- {
			row(now.AddDate(0, 0, -ago))
		}
		for at := now.Add(-9 * 24 * time.Hour); !at.After(now); at = at.Add(5 * time.Minute) {
			row(at)
		}
	}
	return b.String()
}

func TestARunawayIsToldByEveryCommand(t *testing.T) {
	t.Parallel()
	server := influxtest.Shared(t)
	fleet, _, _ := fleet(t, server)
	for name, h := range map[string]*home{"the host's own history": newHome(t, ""), "InfluxDB": fleet} {
		file := filepath.Join(h.dir, "past.csv")
		if err := os.WriteFile(file, []byte(runawayCSV(time.Now())), 0o600); err != nil {
			t.Fatal(err)
		}
		h.does(t, "import", file)
		var got forecasts
		decode(t, h.does(t, "forecast", "--format", "json", "--volume", "/srv", "--horizon", "90d"), &got)
		ttf := got.Forecasts[0].TimeToFull
		if ttf.Reason != "runaway" || ttf.P50 == nil || math.Abs(ttf.P50.Sub(got.Forecasts[0].Origin).Minutes()-157) > 10 || ttf.Probability["7d"] < .9 {
			t.Errorf("%s: %+v, want a runaway that fills 95 %% in 157 minutes", name, ttf)
		}
		if table := h.does(t, "volumes"); strings.Count(table, "runaway ") != 1 {
			t.Errorf("%s: volumes:\n%s", name, table)
		}
		check := h.tidemark(t, "volumes", "--check")
		if check.code != 2 || !strings.Contains(check.stdout, "db1:/srv: is running away, likely full on ") || strings.Contains(check.stdout, "/quiet: ") || strings.Contains(check.stdout, "UNKNOWN") {
			t.Errorf("%s: volumes --check: exit code %d\n%s", name, check.code, check.stdout)
		}
	}
}

// TestWhatTieringFreedIsNoCleanup grows by a gigabyte a day, of which a policy on a directory freed 20 on two days.
func TestWhatTieringFreedIsNoCleanup(t *testing.T) {
	t.Parallel()
	server := influxtest.Shared(t)
	h, bucket, forecastBucket := fleet(t, server)
	midnight := time.Now().UTC().Truncate(24 * time.Hour)
	var past strings.Builder
	fmt.Fprintln(&past, "series,time,used,capacity")
	used := int64(100_000_000_000)
	for ago := 90; ago >= 0; ago-- {
		fmt.Fprintf(&past, "db1:/srv,%s,%d,400000000000\n", midnight.AddDate(0, 0, -ago).Format(time.RFC3339), used)
		used += 1_000_000_000
		if ago == 45 || ago == 20 {
			used -= 20_000_000_000
			server.Write(t, bucket, fmt.Sprintf("tidemark_run,archive=vault,host=db1,path=/srv/video,policy=cold bytes_released=20000000000i,files_released=7i %d",
				midnight.AddDate(0, 0, -ago).Add(2*time.Hour).Unix()))
		}
	}
	file := filepath.Join(h.dir, "past.csv")
	if err := os.WriteFile(file, []byte(past.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	h.does(t, "import", file)
	var got struct {
		Forecasts []struct {
			GrowthPerDay float64 `json:"growth_per_day"`
			Events       []struct {
				Kind   string
				Change float64
			}
		}
	}
	decode(t, h.does(t, "forecast", "--format", "json", "--volume", "/srv"), &got)
	if f := got.Forecasts[0]; len(f.Events) != 0 || math.Abs(f.GrowthPerDay-1e9) > 5e7 {
		t.Errorf("growth %g a day, events %v; want 1e9 and none", f.GrowthPerDay, f.Events)
	}
	// One that nobody knows of is a cleanup, in the JSON and on the boards.
	var lines []string
	for ago := 60; ago > 0; ago-- {
		left := int64(500 - ago)
		if ago < 30 {
			left -= 200
		}
		lines = append(lines, fmt.Sprintf("disk,device=sda1,fstype=ext4,host=db1,mode=rw,path=/other total=1000i,free=%di,used=%di %d", 1000-left, left, midnight.AddDate(0, 0, -ago).Unix()))
	}
	server.Write(t, bucket, lines...)
	h.does(t, "forecast", "--write", "--horizon", "90d")
	rows := pivoted(t, server, forecastBucket, "tidemark_event")
	if len(rows) != 1 || rows[0]["path"] != "/other" || rows[0]["event"] != "cleanup" || math.Abs(number(t, rows[0]["change"])+200) > 3 {
		t.Errorf("events on the boards: %v", rows)
	}
}
