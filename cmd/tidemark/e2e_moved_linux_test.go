package main

import (
	"database/sql"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tidemark/tidemark/internal/mounttest"
)

// movedDaysAgo lets what the catalog has moved have happened so many days ago, and says how much it was.
func (h *tieringHome) movedDaysAgo(t *testing.T, days int) (freed, inodes int64) {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(h.state, catalogFile))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), "UPDATE moved SET hour = hour - ?1, last = last - ?1", days*86400); err != nil {
		t.Fatal(err)
	}
	err = db.QueryRowContext(t.Context(), "SELECT sum(released - recalled), sum(inodes_released - inodes_recalled) FROM moved").Scan(&freed, &inodes)
	if err != nil {
		t.Fatal(err)
	}
	return freed, inodes
}

// TestAHostAloneKnowsWhatTieringFreed releases files of a real volume and recalls one, and gives the volume a past in which that was twenty
// days ago.
func TestAHostAloneKnowsWhatTieringFreed(t *testing.T) {
	mounttest.RequireFilesystem(t, "ext4")
	t.Parallel()
	h := newTieringHome(t, "leave: nothing")
	h.fill(t, 30, 512)
	var before, after syscall.Statfs_t
	usage := func(s *syscall.Statfs_t) int64 {
		mounttest.Run(t, "sync", "-f", h.hot)
		if err := syscall.Statfs(h.hot, s); err != nil {
			t.Fatal(err)
		}
		return int64(s.Blocks-s.Bfree) * s.Bsize
	}
	used := usage(&before)
	h.does(t, "policy", "run", "cold")
	for path := range h.contents {
		h.does(t, "archive", "recall", path)
		break
	}
	now := usage(&after)
	freed, inodes := h.movedDaysAgo(t, 20)
	if math.Abs(float64(used-now-freed)) > 128<<10 || inodes != 29 || int64(after.Ffree-before.Ffree) < inodes-6 { // .tidemark takes some
		t.Fatalf("the catalog says %d bytes and %d inodes were freed; the volume has %d bytes and %d inodes less in use", freed, inodes, used-now, after.Ffree-before.Ffree)
	}
	// The same volume with and without tiering, and what nobody knows of.
	midnight := time.Now().UTC().Truncate(24 * time.Hour)
	var past strings.Builder
	fmt.Fprintln(&past, "series,time,used,capacity")
	for ago := 90; ago >= 0; ago-- {
		grown := 40<<20 + int64(90-ago)*100<<10
		lowered := grown
		if ago < 20 {
			lowered -= freed
		}
		for path, used := range map[string]int64{h.hot: lowered, "/untouched": grown} {
			fmt.Fprintf(&past, "testhost:%s,%s,%d,%d\n", path, midnight.AddDate(0, 0, -ago).Format(time.RFC3339), used, 96<<20)
		}
	}
	file := filepath.Join(h.dir, "past.csv")
	if err := os.WriteFile(file, []byte(past.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	h.does(t, "import", file)
	type told struct {
		Forecasts []struct {
			Series       string
			Used         float64
			GrowthPerDay float64 `json:"growth_per_day"`
			Points       []struct{ Forecast float64 }
			Events       []struct{ Kind string }
		}
	}
	var got told
	out := h.tidemark(t, "forecast", "--format", "json", "--horizon", "30d")
	if out.code != exitDone || out.stderr != "" {
		t.Errorf("exit code %d, said %q", out.code, out.stderr)
	}
	decode(t, out.stdout, &got)
	if len(got.Forecasts) != 2 || got.Forecasts[0].Series != "testhost:"+h.hot {
		t.Fatalf("%+v", got)
	}
	touched, untouched := got.Forecasts[0], got.Forecasts[1]
	if len(touched.Events) != 0 || math.Abs(touched.GrowthPerDay-untouched.GrowthPerDay) > 1024 || math.Abs(touched.GrowthPerDay-100<<10) > 5<<10 {
		t.Errorf("growth %g, untouched %g; events %v", touched.GrowthPerDay, untouched.GrowthPerDay, touched.Events)
	}
	for k, p := range touched.Points {
		if want := untouched.Points[k].Forecast - float64(freed); math.Abs(p.Forecast-want) > 4096 {
			t.Fatalf("point %d is %.0f, want %.0f: that of the untouched volume less what was freed", k, p.Forecast, want)
		}
	}
	if table := h.tidemark(t, "volumes"); table.code != exitDone || table.stderr != "" {
		t.Errorf("volumes: exit code %d, said %q", table.code, table.stderr)
	}
	h.wantBlindNobody(t, touched.Series)
}

// wantBlindNobody forecasts as a user who may read the history and not the catalog.
func (h *tieringHome) wantBlindNobody(t *testing.T, series string) {
	t.Helper()
	program, err := exec.LookPath("tidemark")
	if err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(h.dir, "tidemark")
	mounttest.Run(t, "cp", program, copied) // it may be where nobody else can look
	mounttest.Run(t, "chmod", "0755", copied)
	for dir := h.dir; dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		mounttest.Run(t, "chmod", "0755", dir)
	}
	mounttest.Run(t, "chmod", "0755", h.state)
	mounttest.Run(t, "chmod", "-R", "a+rwX", filepath.Dir(h.history()))
	as := func(args ...string) outcome {
		p := h.start(t, args, func(cmd *exec.Cmd) {
			cmd.Path = copied
			cmd.SysProcAttr.Credential = &syscall.Credential{Uid: 65534, Gid: 65534}
		})
		code := p.end(t, patience)
		return outcome{p.stdout.String(), p.stderr.String(), code}
	}
	got := as("forecast", "--format", "json", "--horizon", "30d")
	if got.code != exitDone || !strings.Contains(got.stdout, `"kind":"cleanup"`) {
		t.Errorf("exit code %d, said %q; without the catalog it is a cleanup:\n%.300s", got.code, got.stderr, got.stdout)
	}
	if strings.Count(got.stderr, "\n") != 2 || !strings.HasPrefix(got.stderr, "tidemark: what tiering freed on "+h.hot+" counts as a cleanup: ") ||
		!strings.Contains(got.stderr, "\ntidemark: hint: the user that runs tiering, root, may read its catalog") {
		t.Errorf("said %q", got.stderr)
	}
	if got := as("forecast", "--volume", "/untouched"); got.code != exitDone || got.stderr != "" {
		t.Errorf("of a volume without a policy: exit code %d, said %q", got.code, got.stderr)
	}
}
