package main

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidemark/tidemark/config"
)

// fenced returns the README's code blocks of a language; plain ones have none.
func fenced(t *testing.T, language string) []string {
	t.Helper()
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	var blocks []string
	parts := strings.Split("\n"+string(text), "\n```")
	for i := 1; i < len(parts); i += 2 { // every other part is inside
		if name, block, _ := strings.Cut(parts[i], "\n"); name == language {
			blocks = append(blocks, block+"\n")
		}
	}
	if len(blocks) == 0 {
		t.Fatalf("the README has no block of language %q", language)
	}
	return blocks
}

func TestReadmeShowsTheDemosOutput(t *testing.T) {
	var out bytes.Buffer
	p := &program{
		stdout: &out, stderr: &out, getenv: func(string) string { return "" }, log: slog.New(slog.DiscardHandler),
		now: func() time.Time { return time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC) },
	}
	if err := p.demo(t.Context(), config.Default(), false); err != nil {
		t.Fatal(err)
	}
	screens := fenced(t, "")
	for i, screen := range screens {
		if slices.Index(screens, screen) < i {
			t.Errorf("the README shows twice\n%s", screen)
		}
		if strings.HasPrefix(screen, "5. Tiering") {
			if os.Geteuid() != 0 {
				continue // it stops before the release, and says so
			}
		} else if n := strings.Count(screen, "demo:/"); n != len(demoVolumes()) {
			t.Errorf("a screen of the README shows %d volumes, the demo has %d", n, len(demoVolumes()))
		}
		if !strings.Contains(out.String(), screen) {
			t.Errorf("the README shows\n%s\nwhich the demo does not print; it prints\n%s", screen, &out)
		}
	}
}

func TestReadmesConfigurationIsValid(t *testing.T) {
	for _, text := range fenced(t, "yaml") {
		p := &program{now: time.Now}
		if _, err := config.Parse("README.md", []byte(text), p.checks()...); err != nil {
			t.Error(err)
		}
	}
}

// The README's backtest is one of the demo's volumes.
func TestReadmeShowsABacktest(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "tidemark.yaml")
	if err := os.WriteFile(file, []byte("data_dir: "+dir+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var out, said bytes.Buffer
	p := &program{
		stdout: &said, stderr: &said, getenv: func(string) string { return "" }, log: slog.New(slog.DiscardHandler),
		now: func() time.Time { return time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC) },
	}
	if err := p.play(t.Context(), config.Default(), dir); err != nil {
		t.Fatal(err)
	}
	p.stdout = &out
	texts := fenced(t, "text")
	at := slices.IndexFunc(texts, func(text string) bool { return strings.HasPrefix(text, "$ tidemark backtest") })
	screen := strings.TrimSuffix(texts[at], "\n")
	command, screen, _ := strings.Cut(screen, "\n")
	if err := p.app().RunContext(t.Context(), strings.Fields(strings.Replace(command, "$ tidemark", "tidemark --config "+file, 1))); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), screen) {
		t.Errorf("the README shows\n%s\nwhich %s does not print; it prints\n%s", screen, command, &out)
	}
}

// The README's plan is that of the demo's volumes, as `tidemark plan --add demo:/srv/scans=4TiB@2027-03-01` prints it.
func TestReadmeShowsThePlanOfTheDemo(t *testing.T) {
	var out bytes.Buffer
	p := &program{
		stdout: &bytes.Buffer{}, stderr: &out, getenv: func(string) string { return "" }, log: slog.New(slog.DiscardHandler),
		now: func() time.Time { return time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC) },
	}
	dir := t.TempDir()
	if err := p.play(t.Context(), config.Default(), dir); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "tidemark.yaml")
	if err := os.WriteFile(file, fmt.Appendf(nil, "host: demo\ndata_dir: %s\n", dir), 0o600); err != nil {
		t.Fatal(err)
	}
	p.stdout = &out
	if err := p.app().RunContext(t.Context(), []string{"tidemark", "--config", file, "plan", "--add", "demo:/srv/scans=4TiB@2027-03-01"}); err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(fenced(t, "text"), out.String()) {
		t.Errorf("the README does not show what plan prints of the demo's volumes:\n%s", &out)
	}
}
