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

// plans is what `plan --format json` prints, as far as these tests read it.
type plans struct {
	Plans []struct {
		Series    string
		Scenarios []struct {
			Scenario string
			Used     float64
			Capacity float64
			Full     struct{ P10, P50, P90 *time.Time }
			OrderBy  *time.Time `json:"order_by"`
			Buy      *float64
			FreedNow float64 `json:"freed_now"`
			Reason   string
		}
	}
	Policies []struct {
		Policy, Host, Path, Archive string
		FreesNow                    float64 `json:"frees_now"`
	}
}

// The planner learns from the server what the policies of a fleet may move, as tierd measured it there.
func TestPlanForAFleetWithWhatTierdMeasured(t *testing.T) {
	t.Parallel()
	server := influxtest.Shared(t)
	h, bucket, _ := fleet(t, server)
	file := filepath.Join(h.dir, "past.csv")
	if err := os.WriteFile(file, []byte(fleetCSV(time.Now())), 0o600); err != nil {
		t.Fatal(err)
	}
	h.does(t, "import", file)
	at := time.Now().Add(-time.Hour)
	eligible := func(host, path, policy string, days int, bytes float64, at time.Time) string {
		return fmt.Sprintf("tidemark_eligible,days=%d,host=%s,path=%s,policy=%s,site=dc1 bytes=%di,files=1i %d", days, host, path, policy, int64(bytes), at.Unix())
	}
	server.Write(t, bucket,
		eligible("db1", "/srv/video", "cold", 0, 50e9, at.Add(-24*time.Hour)), eligible("db1", "/srv/video", "cold", 0, 20e9, at),
		eligible("db1", "/srv/video", "cold", 30, 20e9, at), eligible("db2", "/new", "cold", 0, 1e9, at),
		eligible("db1", "/gone", "old", 0, 1e9, at.Add(-40*24*time.Hour)), eligible("db1", "/srv", "other", 0, 1e9, at),
	)
	var got plans
	decode(t, h.does(t, "plan", "--policy", "cold", "--host", "db1", "--format", "json"), &got)
	if len(got.Plans) != 1 || len(got.Policies) != 1 || got.Policies[0].FreesNow != 20e9 || got.Policies[0].Archive != "" {
		t.Fatalf("%+v", got)
	}
	is, with := got.Plans[0].Scenarios[0], got.Plans[0].Scenarios[1]
	if is.Full.P50 == nil || with.Full.P50 == nil || math.Abs(with.Full.P50.Sub(*is.Full.P50).Hours()/24-20) > 2 || with.FreedNow != 20e9 {
		t.Errorf("as it is %+v, with 20 GB freed, which a GB a day takes twenty days to fill: %+v", is, with)
	}
	if is.OrderBy == nil || is.Full.P10.Sub(*is.OrderBy) != 45*24*time.Hour || is.Buy == nil || *is.Buy < 300e9 {
		t.Errorf("%+v", is)
	}
	got = plans{}
	decode(t, h.does(t, "plan", "--policy", "cold", "--format", "json"), &got)
	if len(got.Plans) != 2 || len(got.Policies) != 2 || got.Plans[1].Scenarios[1].FreedNow != 1e9 {
		t.Errorf("of the fleet: %+v", got)
	}
	if table := h.does(t, "plan", "--policy", "cold", "--by", "host"); !strings.Contains(table, "host db1") || !strings.Contains(table, "where its archive is") {
		t.Errorf("plan --by host:\n%s", table)
	}
	h.fails(t, 2, []string{`there is no policy "cald" in the configuration, and none was measured`, `did you mean "cold"?`}, "plan", "--policy", "cald")
	h.fails(t, 2, []string{`there is no policy "old"`, `did you mean "cold"?`}, "plan", "--policy", "old")
	h.fails(t, 2, []string{`no volume has a tag "rack"`, "known: device, fstype, host, path"}, "plan", "--by", "rack")
}
