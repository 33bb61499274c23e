package scan_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tidemark/tidemark/tiering/policy"
	"github.com/tidemark/tidemark/tiering/scan"
	"github.com/tidemark/tidemark/tiering/selection"
)

// benchFiles is a million, or what TIDEMARK_BENCH_FILES says.
func benchFiles(b *testing.B) int {
	text := os.Getenv("TIDEMARK_BENCH_FILES")
	if text == "" {
		return 1_000_000
	}
	files, err := strconv.Atoi(text)
	if err != nil {
		b.Fatal(err)
	}
	return files
}

// BenchmarkScanMillion walks a million files, decides about each and keeps what is eligible, beside bfs: both as whole processes, in
// alternation, five times each, the tree in the cache. TIDEMARK_BENCH_DIR is where the tree is made, once, and kept.
func BenchmarkScanMillion(b *testing.B) {
	bfs, err := exec.LookPath("bfs")
	if err != nil {
		b.Skip("bfs is not installed")
	}
	tree := benchTree(b)
	for name, where := range map[string]string{
		"some": `idle > days(60) && size >= MiB(1) && ext in ["mp4", "mkv"]`,
		"all":  `idle > days(1)`,
	} {
		b.Run(name, func(b *testing.B) {
			var ours, theirs []time.Duration
			var resident int64
			for range b.N {
				ours, theirs = nil, nil
				for range 5 {
					walk := exec.Command(bfs, tree, "-printf", "%s %A@ %p\n") // its output goes to /dev/null
					theirs = append(theirs, took(b, walk))
					self, err := os.Executable()
					if err != nil {
						b.Fatal(err)
					}
					scanner := exec.Command(self, "-test.run=^TestScanProcess$", "-test.v")
					scanner.Env = append(os.Environ(), "TIDEMARK_BENCH_SCAN="+tree, "TIDEMARK_BENCH_WHERE="+where)
					ours = append(ours, took(b, scanner))
					resident = max(resident, scanner.ProcessState.SysUsage().(*syscall.Rusage).Maxrss)
				}
			}
			slices.Sort(ours)
			slices.Sort(theirs)
			b.ReportMetric(ours[2].Seconds(), "s/scan")
			b.ReportMetric(theirs[2].Seconds(), "s/bfs")
			b.ReportMetric(ours[2].Seconds()/theirs[2].Seconds(), "of-bfs")
			b.ReportMetric(float64(resident)/1024, "MiB-resident")
			b.ReportMetric(0, "ns/op")
		})
	}
}

func took(b *testing.B, cmd *exec.Cmd) time.Duration {
	b.Helper()
	cmd.Stderr = os.Stderr
	if os.Getenv("TIDEMARK_BENCH_SAY") != "" && cmd.Env != nil {
		cmd.Stdout = os.Stderr
	}
	start := time.Now()
	if err := cmd.Run(); err != nil {
		b.Fatal(err)
	}
	return time.Since(start)
}

// TestScanProcess is the process that BenchmarkScanMillion measures.
func TestScanProcess(t *testing.T) {
	tree := os.Getenv("TIDEMARK_BENCH_SCAN")
	if tree == "" {
		return
	}
	if profile := os.Getenv("TIDEMARK_BENCH_PROFILE"); profile != "" {
		f, err := os.Create(profile)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			t.Fatal(err)
		}
		defer pprof.StopCPUProfile()
	}
	rule, err := policy.Compile(os.Getenv("TIDEMARK_BENCH_WHERE"))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	workers, _ := strconv.Atoi(os.Getenv("TIDEMARK_BENCH_WORKERS"))
	if workers == 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	judge := &policy.Judge{Rule: rule, Volume: tree, Moment: policy.Moment{Now: now}}
	collector := selection.NewCollector(judge, selection.Coldest, workers)
	result, err := scan.Walk(context.Background(), scan.Options{Path: tree, Now: now, Workers: workers}, collector.Visit)
	if err != nil {
		t.Fatal(err)
	}
	candidates, err := collector.Candidates(result.Trust.Atime)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v\n%+v\n%+v\n%v", result, candidates.Eligible(), candidates.Ahead(), time.Since(now))
}

// benchTree is a million files in twenty thousand directories, five deep.
func benchTree(b *testing.B) string {
	b.Helper()
	base := os.Getenv("TIDEMARK_BENCH_DIR")
	if base == "" {
		base = b.TempDir()
	}
	files := benchFiles(b)
	tree := filepath.Join(base, "tidemark-scan-"+strconv.Itoa(files))
	if _, err := os.Stat(tree + ".complete"); err == nil {
		return tree
	}
	var makers sync.WaitGroup
	for maker := range 2 {
		makers.Go(func() {
			random := rand.New(rand.NewPCG(uint64(maker), 1))
			for d := maker; d < files/50; d += 2 {
				makeDirectory(b, random, fmt.Sprintf("%s/department-%d/camera-%03d/2025-%02d/%02d", tree, d%8, d/8%50, d/400%12+1, d/4800), d)
			}
		})
	}
	makers.Wait()
	if b.Failed() {
		b.FailNow()
	}
	if err := os.WriteFile(tree+".complete", nil, 0o644); err != nil {
		b.Fatal(err)
	}
	return tree
}

func makeDirectory(b *testing.B, random *rand.Rand, dir string, d int) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		b.Error(err)
		return
	}
	for i := range 50 {
		path := fmt.Sprintf("%s/rec-%06d-%02d.%s", dir, d, i, []string{"mp4", "mp4", "mp4", "jpg", "txt"}[random.IntN(5)])
		fd, err := unix.Open(path, unix.O_CREAT|unix.O_WRONLY|unix.O_CLOEXEC, 0o644)
		if err != nil {
			b.Error(err)
			return
		}
		unix.Write(fd, []byte{1})
		unix.Ftruncate(fd, 1<<10+random.Int64N(4<<20))
		unix.Close(fd)
		written := time.Now().Add(-time.Duration(random.Int64N(int64(3 * 365 * 24 * time.Hour))))
		read := written.Add(time.Duration(random.Int64N(int64(time.Since(written)))))
		if err := os.Chtimes(path, read, written); err != nil {
			b.Error(err)
			return
		}
	}
}
