package main

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tidemark/tidemark/config"
	"github.com/tidemark/tidemark/internal/history"
	"github.com/tidemark/tidemark/internal/volume"
	"github.com/tidemark/tidemark/tiering"
)

func TestProblemsOfTextsStandAtTheirPlace(t *testing.T) {
	for name, tc := range map[string]struct{ yaml, want string }{
		"plain":      {"where: sise > 1", "f.yaml:4:12: policies[0].where: unknown name sise"},
		"quoted":     {`where: "sise > 1"`, "f.yaml:4:13: policies[0].where: unknown name sise"},
		"in a block": {"where: |\n      size > 1 &&\n        sise > 1", "f.yaml:6:9: policies[0].where: unknown name sise"},
		"wide before it": {
			"where: ext == \"日本\" && sise > 1", "f.yaml:4:27: policies[0].where: unknown name sise",
		},
		"a schedule": {"where: size > 1\n    schedule: TZ=UTC 0 0 * * *", `f.yaml:5:15: policies[0].schedule: "TZ=UTC 0 0 * * *" names a time zone`},
		"an exclude": {"where: size > 1\n    exclude: ['/**/" + strings.Repeat("{a,b,c,d}", 12) + "']", "f.yaml:5:14: policies[0].exclude: exclude[0]: the braces of "},
	} {
		t.Run(name, func(t *testing.T) {
			p := &program{now: time.Now}
			text := "archives: {v: {path: /v}}\npolicies:\n  - name: a\n    " + tc.yaml + "\n    volume: /a\n    archive: v\n"
			_, err := config.Parse("f.yaml", []byte(text), p.checks()...)
			if err == nil || !strings.HasPrefix(err.Error(), tc.want) {
				t.Errorf("%v\nwant %s…", err, tc.want)
			}
		})
	}
}

func TestFingerprintIsOfWhatDecidesAPlan(t *testing.T) {
	base := config.Policy{Name: "a", Volume: "/a", Archive: "v", Where: config.Text{Value: "size > 1"}, Order: "coldest", Leave: "link"}
	same := func(change func(*config.Policy)) bool {
		other := base
		change(&other)
		return fingerprint(base) == fingerprint(other)
	}
	for name, change := range map[string]func(*config.Policy){
		"where":   func(p *config.Policy) { p.Where.Value = "size > 2" },
		"exclude": func(p *config.Policy) { p.Exclude = []string{"/a/b"} },
		"stop":    func(p *config.Policy) { p.Stop.Below = .5 },
		"start":   func(p *config.Policy) { p.Start.FullWithin = time.Hour },
		"order":   func(p *config.Policy) { p.Order = "largest" },
		"leave":   func(p *config.Policy) { p.Leave = "nothing" },
		"keep":    func(p *config.Policy) { p.KeepRecalled = time.Hour },
		"bytes":   func(p *config.Policy) { p.Limit.Bytes = 1 },
		"files":   func(p *config.Policy) { p.Limit.Files = 1 },
		"volume":  func(p *config.Policy) { p.Volume = "/b" },
		"archive": func(p *config.Policy) { p.Archive = "w" },
	} {
		if same(change) {
			t.Errorf("another %s has the same fingerprint", name)
		}
	}
	for name, change := range map[string]func(*config.Policy){
		"enforce":   func(p *config.Policy) { p.Enforce = true },
		"schedule":  func(p *config.Policy) { p.Schedule.Value = "@daily" },
		"bandwidth": func(p *config.Policy) { p.Limit.Bandwidth = 1 },
		"place":     func(p *config.Policy) { p.Where.Line = 7 },
	} {
		if !same(change) {
			t.Errorf("another %s has another fingerprint", name)
		}
	}
}

func TestOutlookOfTheVolumeThatHoldsAPath(t *testing.T) {
	now := time.Now().UTC().Truncate(time.Second)
	data := t.TempDir()
	p := &program{getenv: func(string) string { return "" }, now: func() time.Time { return now }, log: slog.New(slog.DiscardHandler)}
	cfg := config.Default()
	cfg.Host, cfg.Data = "h", data
	o := &plannerOutlook{p, cfg}
	below := filepath.Join(t.TempDir(), "deep")
	if err := os.Mkdir(below, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, ok, why, err := o.FullWithin(t.Context(), below, now); err != nil || ok || !strings.Contains(why, "no history yet") {
		t.Errorf("without a history: %v %q %v", ok, why, err)
	}
	if _, _, _, err := o.FullWithin(t.Context(), below+"/nowhere", now); err == nil {
		t.Error("a path that is not there has an outlook")
	}
	mount, err := mountPoint(below)
	if err != nil {
		t.Fatal(err)
	}
	store, err := history.Open(t.Context(), filepath.Join(data, historyFile), history.Options{Log: p.log, Now: p.now})
	if err != nil {
		t.Fatal(err)
	}
	var readings []volume.Reading // full in about 40 days
	for day := range 60 {
		used := int64(4000+60*day) << 20
		readings = append(readings, volume.Reading{Time: now.AddDate(0, 0, day-59), Usage: volume.Usage{Total: 10_000 << 20, Used: used, Free: 10_000<<20 - used}})
	}
	if err := store.Import(context.Background(), volume.ID{Host: "h", Path: mount}, readings); err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	in, ok, why, err := o.FullWithin(t.Context(), below, now)
	if days := in.Hours() / 24; err != nil || !ok || days < 25 || days > 40 {
		t.Errorf("full in %.1f days, %v %q %v; want about 32", days, ok, why, err)
	}
}

func TestActor(t *testing.T) {
	p := &program{getenv: func(name string) string { return map[string]string{"SUDO_USER": "alice"}[name] }}
	got := p.actor("policy run cold")
	want := "alice" // who logged in counts more, and nobody but root is believed
	if login := userName(loginUID()); login != "" {
		want = login
	} else if os.Geteuid() != 0 {
		want = userName(strings.TrimSpace(got.User))
	}
	if got.User != want || got.Command != "policy run cold" {
		t.Errorf("%+v, want %s", got, want)
	}
}

func TestProgressLine(t *testing.T) {
	since := time.Unix(1000, 0)
	for want, s := range map[string]tiering.Snapshot{
		"moving: 120 of 400 files, 1.0 GiB of 4.0 GiB, 102 MiB/s, 30s left": {Phase: "moving", Files: 120, TotalFiles: 400, Bytes: 1 << 30, TotalBytes: 4 << 30, Since: since},
		"scanning: 17 files": {Phase: "scanning", Files: 17, Since: since},
	} {
		if got := progressLine(s, since.Add(10*time.Second)); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestStatusLineStandsBelowWhatIsSaid(t *testing.T) {
	var out text
	s := &statusLine{w: &out}
	s.draw("moving")
	if _, err := s.Write([]byte("tidemark: warning\n")); err != nil {
		t.Fatal(err)
	}
	s.draw("moving more")
	s.draw("")
	s.draw("")
	if want := "moving\r\x1b[Ktidemark: warning\nmoving more\r\x1b[K"; out.String() != want {
		t.Errorf("%q, want %q", out.String(), want)
	}
}
