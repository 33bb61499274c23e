package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tidemark/tidemark/internal/influxtest"
	"github.com/tidemark/tidemark/internal/mounttest"
)

const (
	footprintMounts = 20
	footprintEvery  = 10 * time.Second
	footprintFor    = 2 * time.Minute
)

// BenchmarkAgentFootprint measures what the agent costs a host with 20 mounts beside node_exporter's filesystem collector, in one
// run: resident memory, and processor time as a share of one core. The agent runs twice, with its own history alone and shipping
// to a real InfluxDB; node_exporter is scraped as often as the agent samples. It needs root, TIDEMARK_BIN (the product,
// which `make bench` builds) and prometheus-node-exporter in the PATH.
func BenchmarkAgentFootprint(b *testing.B) {
	product := os.Getenv("TIDEMARK_BIN")
	if product == "" {
		b.Skip("TIDEMARK_BIN does not name the product: run make bench")
	}
	exporter, err := exec.LookPath("prometheus-node-exporter")
	if err != nil {
		b.Skip("no prometheus-node-exporter to measure beside: apt-get install prometheus-node-exporter")
	}
	mountRoot(b)
	server := influxtest.Start(b)
	bucket := server.Bucket(b)
	address := freeAddress(b)
	alone := startMeasured(b, product, "--config", footprintConfig(b, ""), "agent")
	shipping := startMeasured(b, product, "--config", footprintConfig(b, fmt.Sprintf(
		"influx: {url: %q, org: %q, bucket: %q, token_file: %q}\n", server.URL, server.Org, bucket, tokenFile(b, server.Token))), "agent")
	beside := startMeasured(b, exporter, "--collector.disable-defaults", "--collector.filesystem", "--web.listen-address="+address)
	all := []*measured{alone, shipping, beside}
	for b.Loop() {
		time.Sleep(footprintEvery) // start-up is not what a day costs
		for _, m := range all {
			m.begin(b)
		}
		scrapeFor(b, "http://"+address+"/metrics", footprintFor)
		for _, m := range all {
			m.end(b)
		}
	}
	b.ReportMetric(0, "ns/op")
	for name, m := range map[string]*measured{"history": alone, "shipping": shipping, "node_exporter": beside} {
		b.ReportMetric(m.residentMiB, "MiB_"+name)
		b.ReportMetric(m.cpu*100, "%core_"+name)
	}
}

// mountRoot mounts small filesystems until there are footprintMounts of them.
func mountRoot(b *testing.B) {
	for range footprintMounts {
		mounttest.Mount(b, "-o", "loop", mounttest.Image(b, "ext4", 8))
	}
}

func footprintConfig(b *testing.B, more string) string {
	dir := b.TempDir()
	path := filepath.Join(dir, "tidemark.yaml")
	text := fmt.Sprintf("data_dir: %s/state\nagent: {every: %s}\n%s", dir, footprintEvery, more)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}
	return path
}

func tokenFile(b *testing.B, token string) string {
	path := filepath.Join(b.TempDir(), "token")
	if token == "" {
		token = "none:none" // a server without authorisation takes any
	}
	if err := os.WriteFile(path, []byte(token), 0o600); err != nil {
		b.Fatal(err)
	}
	return path
}

func freeAddress(b *testing.B) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// scrapeFor reads the exporter as often as the agent samples.
func scrapeFor(b *testing.B, url string, d time.Duration) {
	for range int(d / footprintEvery) {
		response, err := http.Get(url)
		if err != nil {
			b.Fatal(err)
		}
		text, err := io.ReadAll(response.Body)
		response.Body.Close()
		if n := strings.Count(string(text), "node_filesystem_avail_bytes{"); err != nil || n < footprintMounts {
			b.Fatalf("node_exporter tells of %d filesystems (%v), want %d", n, err, footprintMounts)
		}
		time.Sleep(footprintEvery)
	}
}

// measured is a process whose cost is taken.
type measured struct {
	pid         int
	before      time.Duration
	since       time.Time
	residentMiB float64
	cpu         float64 // share of one core
}

func startMeasured(b *testing.B, name string, args ...string) *measured {
	cmd := exec.Command(name, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		cmd.Wait()
	})
	return &measured{pid: cmd.Process.Pid}
}

func (m *measured) begin(b *testing.B) { m.before, m.since = m.processorTime(b), time.Now() }

func (m *measured) end(b *testing.B) {
	m.cpu = float64(m.processorTime(b)-m.before) / float64(time.Since(m.since))
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", m.pid))
	if err != nil {
		b.Fatal(err)
	}
	_, after, _ := strings.Cut(string(status), "VmRSS:")
	kib, err := strconv.ParseFloat(strings.Fields(after)[0], 64)
	if err != nil {
		b.Fatal(err)
	}
	m.residentMiB = kib / 1024
}

// processorTime is what the scheduler gave the process's threads, in nanoseconds where ps counts in hundredths of a second.
func (m *measured) processorTime(b *testing.B) time.Duration {
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", m.pid))
	if err != nil || len(threads) == 0 {
		b.Fatalf("process %d has no threads: %v", m.pid, err)
	}
	var sum time.Duration
	for _, path := range threads {
		text, err := os.ReadFile(path)
		if err != nil {
			b.Fatal(err)
		}
		ns, err := strconv.ParseInt(strings.Fields(string(text))[0], 10, 64)
		if err != nil {
			b.Fatal(err)
		}
		sum += time.Duration(ns)
	}
	return sum
}
