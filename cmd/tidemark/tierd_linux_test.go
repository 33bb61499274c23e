package main

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tidemark/tidemark/config"
	"github.com/tidemark/tidemark/internal/fsys"
	"github.com/tidemark/tidemark/internal/mounttest"
	"github.com/tidemark/tidemark/internal/outbox"
	"github.com/tidemark/tidemark/tiering/archive"
)

// testDaemon is tierd's work on real volumes, with an outbox and a log to look at.
func testDaemon(t *testing.T, policy string) (d *tierDaemon, hot string, log *text, outboxPath string) {
	t.Helper()
	mounttest.RequireFilesystem(t, "ext4")
	hot, vault := mounttest.Mount(t, mounttest.Image(t, "ext4", 32)), mounttest.Mount(t, mounttest.Image(t, "ext4", 32))
	data := t.TempDir()
	log = &text{}
	p := &program{
		stdout: log, stderr: log, getenv: func(string) string { return "" }, now: time.Now, log: slog.New(slog.NewTextHandler(log, nil)),
	}
	cfg, err := config.Parse("tidemark.yaml", fmt.Appendf(nil, `host: h
data_dir: %s
tags: {site: dc1}
influx: {url: "http://127.0.0.1:1", bucket: b}
archives: {vault: {path: %s, min_free: 1%%}}
policies:
  - {name: cold, volume: %s, archive: vault, where: 'ext == "mp4"', schedule: "@daily", %s}
`, data, vault, hot, policy), p.checks()...)
	if err != nil {
		t.Fatal(err)
	}
	a, err := archive.Init(fsys.Host{}, vault, "vault", "h", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	a.Close()
	for i := range 3 {
		if err := os.WriteFile(filepath.Join(hot, fmt.Sprintf("f%d.mp4", i)), make([]byte, 5000), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	engine, err := p.openTiering(t.Context(), cfg, "tierd", toServe)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { engine.Close() })
	return &tierDaemon{p: p, t: engine, cfg: cfg}, hot, log, filepath.Join(data, tieringOutboxFile)
}

// waiting are the lines of the outbox.
func waiting(t *testing.T, path string) string {
	t.Helper()
	box, err := outbox.Open(t.Context(), path, outbox.Caps{}, time.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer box.Close()
	entries, err := box.Next(t.Context(), 1000)
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, e := range entries {
		fmt.Fprintln(&all, e.Line)
	}
	return all.String()
}

func TestTierdRunsWhatIsEnforced(t *testing.T) {
	t.Parallel()
	d, hot, log, box := testDaemon(t, "enforce: true")
	policy, err := d.t.Policy("cold")
	if err != nil {
		t.Fatal(err)
	}
	woken := 0
	d.recorded = func() { woken++ }
	if err := d.policy(t.Context(), policy); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Lstat(filepath.Join(hot, "f1.mp4")); err != nil || info.Mode().Type() != os.ModeSymlink {
		t.Errorf("f1.mp4: %v, %v", info, err)
	}
	for _, want := range []string{`msg="a policy ran" policy=cold run=1 triggered=true`, "files_released=3", `msg="audit head" head=6:`} {
		if !log.has(want)() {
			t.Errorf("the log lacks %q:\n%s", want, log)
		}
	}
	if err := d.verify(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !log.has(`msg="objects were read back" archive=vault checked=3`)() {
		t.Errorf("the log does not tell of the verification:\n%s", log)
	}
	if _, err := d.t.Recall(t.Context(), []string{filepath.Join(hot, "f1.mp4")}); err != nil {
		t.Fatal(err)
	}
	lines := waiting(t, box)
	for _, want := range []string{
		",inodes_released=0i ", "tidemark_recall,host=h,path=" + hot + ",site=dc1 bytes_recalled=5120i,inodes_recalled=0i ",
		"tidemark_run,archive=vault,host=h,", "site=dc1", "tidemark_archive,archive=vault,host=h,site=dc1 ", "tidemark_age,", "tidemark_eligible,",
	} {
		if !strings.Contains(lines, want) {
			t.Errorf("the outbox lacks %q:\n%s", want, lines)
		}
	}
	if woken != 2 {
		t.Errorf("the shipper was woken %d times", woken)
	}
}

func TestTierdOnlyPreviewsWhatIsNotEnforced(t *testing.T) {
	t.Parallel()
	d, hot, log, box := testDaemon(t, "leave: link")
	policy, err := d.t.Policy("cold")
	if err != nil {
		t.Fatal(err)
	}
	if err := d.policy(t.Context(), policy); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Lstat(filepath.Join(hot, "f1.mp4")); err != nil || !info.Mode().IsRegular() {
		t.Errorf("f1.mp4: %v, %v", info, err)
	}
	if !log.has(`msg="a policy was previewed: it has no enforce: true" policy=cold triggered=true`)() || !log.has("files=3")() {
		t.Errorf("the log has\n%s", log)
	}
	if lines := waiting(t, box); !strings.Contains(lines, "tidemark_eligible,") || strings.Contains(lines, "tidemark_run") {
		t.Errorf("the outbox has\n%s", lines)
	}
}
