package selection

import (
	"fmt"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tidemark/tidemark/internal/fsys"
	"github.com/tidemark/tidemark/tiering/policy"
	"github.com/tidemark/tidemark/tiering/scan"
)

// BenchmarkCollect collects five million files that are all eligible, and takes the first thousand. What is resident at the end is this whole
// process: run it alone.
func BenchmarkCollect(b *testing.B) {
	rule, err := policy.Compile(`idle > days(60) && size >= MiB(1) && ext in ["mp4", "mkv"]`)
	if err != nil {
		b.Fatal(err)
	}
	now, written := now(), daysAgo(500)
	const files, inDir = 5_000_000, 50
	names := make([]string, inDir)
	for i := range names {
		names[i] = fmt.Sprintf("rec-2026-01-%02d.mp4", i)
	}
	for b.Loop() {
		judge := &policy.Judge{Rule: rule, Volume: "/v", Moment: policy.Moment{Now: now}}
		c := NewCollector(judge, Coldest, 2)
		root := &scan.Directory{Name: "/v"}
		batch := make([]policy.File, inDir)
		start := time.Now()
		for d := range files / inDir {
			dir := &scan.Directory{Parent: root, Name: fmt.Sprintf("camera-%06d", d)}
			for i := range batch {
				batch[i].Info = fsys.Info{
					Mode: fsys.TypeRegular, Nlink: 1, Size: 2 << 20, Allocated: 2 << 20, Mtime: written,
					Atime: fsys.Time{Sec: now.Unix() - int64(100+(d*31+i*7)%300)*86400},
				}
				batch[i].Place("/v/camera", names[i])
			}
			c.Visit(d%2, dir, batch)
		}
		b.ReportMetric(float64(time.Since(start).Nanoseconds())/files, "ns/file")
		start = time.Now()
		cs, err := c.Candidates(true)
		if err != nil {
			b.Fatal(err)
		}
		p, _, err := cs.Select(Request{MaxFiles: 1000, Look: func(path string) (*policy.File, error) {
			return policy.FileAt(path, batch[0].Info), nil
		}})
		if err != nil || len(p.Files) != 1000 || p.EligibleN != files {
			b.Fatal(len(p.Files), p.EligibleN, err)
		}
		b.ReportMetric(time.Since(start).Seconds(), "s/selection")
	}
	b.ReportMetric(float64(resident(b))/1024, "MiB-resident")
	debug.FreeOSMemory()
}

// resident is the most that this process had resident, in KiB.
func resident(b *testing.B) int {
	b.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		b.Skip("no /proc")
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	kib, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		b.Fatal(err)
	}
	return kib
}
