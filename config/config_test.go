package config

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// values compares configurations, but not where their texts stand.
var values = []cmp.Option{
	cmpopts.EquateEmpty(),
	cmpopts.EquateApprox(0, 1e-9), // shares are shown with ten digits
	cmp.Comparer(func(a, b Text) bool { return a.Value == b.Value && a.Field == b.Field }),
	cmp.Comparer(func(a, b *time.Location) bool { return a.String() == b.String() }),
}

func noEnv(string) string { return "" }

func TestSamplesParseAndShowReadsBackTheSame(t *testing.T) {
	files, err := filepath.Glob("samples/*.yaml")
	if err != nil || len(files) < 3 {
		t.Fatalf("samples: %v, %v", files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			c, err := Parse(file, text)
			if err != nil {
				t.Fatal(err)
			}
			var shown bytes.Buffer
			if err := c.Show(&shown); err != nil {
				t.Fatal(err)
			}
			again, err := Parse(file, shown.Bytes())
			if err != nil {
				t.Fatalf("what show printed does not parse: %v\n%s", err, &shown)
			}
			if diff := cmp.Diff(c, again, values...); diff != "" {
				t.Errorf("show changed the values (- before, + after):\n%s", diff)
			}
		})
	}
}

func TestInvalidSamplesFailWithTheMessageTheyWant(t *testing.T) {
	files, err := filepath.Glob("samples/invalid/*.yaml")
	if err != nil || len(files) < 20 {
		t.Fatalf("samples: %v, %v", files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			first, _, _ := strings.Cut(string(text), "\n")
			want, ok := strings.CutPrefix(first, "# want: ")
			if !ok {
				t.Fatal("the first line does not say `# want: …`")
			}
			_, err = Parse(file, text)
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("error %v, want an *Error", err)
			}
			if !strings.Contains(err.Error(), want) {
				t.Errorf("error %q, want %q in it", err, want)
			}
			for _, p := range e.Problems {
				if p.Line == 0 {
					t.Errorf("problem %q has no position", p)
				}
			}
		})
	}
}

func TestAllProblemsAreReportedInTheOrderOfTheFile(t *testing.T) {
	_, err := Parse("t.yaml", []byte("agent: {every: 0s, evry: 1}\nplanner: {horizon: x}\ncolour: red\n"))
	var e *Error
	if !errors.As(err, &e) || len(e.Problems) != 4 {
		t.Fatalf("error %v, want four problems", err)
	}
	var at []string
	for _, p := range e.Problems {
		at = append(at, p.Field)
	}
	if got := strings.Join(at, " "); got != "agent.every agent.evry planner.horizon colour" {
		t.Errorf("problems of %s", got)
	}
}

func TestByteOrderMark(t *testing.T) {
	c, err := Parse("t.yaml", []byte("\ufeffhost: a\r\n"))
	if err != nil || c.Host != "a" {
		t.Errorf("%+v, %v", c, err)
	}
}

func TestFileThatIsNoConfiguration(t *testing.T) {
	big := filepath.Join(t.TempDir(), "history.db")
	if err := os.WriteFile(big, make([]byte, largestFile+1), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(big, noEnv); err == nil || !strings.Contains(err.Error(), "larger than 1 MiB") {
		t.Errorf("error %v", err)
	}
}

func TestFullSample(t *testing.T) {
	c, err := Load("samples/full.yaml", noEnv)
	if err != nil {
		t.Fatal(err)
	}
	if c.Planner.Horizon != 365*24*time.Hour || c.Timezone.String() != "Asia/Kolkata" || c.Tags["site"] != "dc1" {
		t.Errorf("horizon %v, timezone %v, tags %v", c.Planner.Horizon, c.Timezone, c.Tags)
	}
	if !filepath.IsAbs(c.Influx.TokenFile) || filepath.Base(filepath.Dir(c.Influx.TokenFile)) != "samples" {
		t.Errorf("token_file %s, want it beside the configuration", c.Influx.TokenFile)
	}
	for _, tc := range []struct {
		host, path, owner string
		full              float64
	}{
		{"db7", "/var/lib/postgresql", "dba", .85}, {"web", "/srv/a/b", "storage", .95}, {"web", "/home", "", .95},
	} {
		if got := c.Planner.For(tc.host, tc.path); got.Owner != tc.owner || got.FullLevel != tc.full {
			t.Errorf("%s:%s has %+v, want %+v", tc.host, tc.path, got, tc)
		}
	}
}

func TestLoadWithoutAFileIsTheDefaults(t *testing.T) {
	if _, err := os.Stat(DefaultPath); err == nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%s is there, and CI is meant to run without one", DefaultPath)
		}
		t.Skip("this machine has a configuration of its own")
	}
	c, err := Load("", noEnv)
	if err != nil {
		t.Fatal(err)
	}
	if c.Host == "" || c.File != "" || c.Agent.Every != time.Minute || c.Influx != nil {
		t.Errorf("defaults %+v", c)
	}
	if _, err := Load("", func(string) string { return "/nowhere/t.yaml" }); err == nil {
		t.Error("a named file that is not there is no error")
	}
}

func TestTokenFile(t *testing.T) {
	dir := t.TempDir()
	for _, tc := range []struct {
		name, text, want string
		mode             os.FileMode
	}{
		{"good", "abc\n", "", 0o640},
		{"others", "abc\n", "chmod o=", 0o644},
		{"empty", "\n", "is empty", 0o600},
		{"lines", "a\nb\n", "several lines", 0o600},
	} {
		path := filepath.Join(dir, tc.name)
		if err := os.WriteFile(path, []byte(tc.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, tc.mode); err != nil {
			t.Fatal(err)
		}
		token, err := Influx{TokenFile: path}.Token()
		if tc.want == "" && (err != nil || token != "abc") {
			t.Errorf("%s: %q, %v", tc.name, token, err)
		}
		if tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
			t.Errorf("%s: error %v, want %q", tc.name, err, tc.want)
		}
	}
	// A directory lets others in, and must: the advice for a token would lock them out of it.
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := (Influx{TokenFile: dir}).Token(); err == nil || !strings.Contains(err.Error(), "no file with a token") {
		t.Errorf("a directory as the token file: %v", err)
	}
	if _, err := (Influx{TokenFile: filepath.Join(dir, "none")}).Token(); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing token file: %v", err)
	}
	credentials := func(key string) string {
		if key == "CREDENTIALS_DIRECTORY" {
			return dir
		}
		return ""
	}
	c := Default()
	c.Influx = &Influx{TokenFile: "good"}
	c.resolve("/etc/tidemark", credentials)
	if c.Influx.TokenFile != filepath.Join(dir, "good") {
		t.Errorf("token_file %s, want the systemd credential", c.Influx.TokenFile)
	}
}

func TestDataDir(t *testing.T) {
	state := t.TempDir()
	c := Default()
	c.Data = filepath.Join(state, "given")
	if dir, err := c.DataDir(true, noEnv); err != nil || dir != c.Data {
		t.Errorf("a configured directory: %q, %v", dir, err)
	}
	if info, err := os.Stat(c.Data); err != nil || info.Mode() != os.ModeDir|os.ModeSetgid|0o770 {
		t.Errorf("the directory that was made: %v, %v; want it open to its group", info.Mode(), err)
	}
	file := filepath.Join(state, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	c.Data = filepath.Join(file, "below")
	for _, writing := range []bool{true, false} {
		if dir, err := c.DataDir(writing, noEnv); err == nil {
			t.Errorf("a directory below a file (writing %v): %q, want an error", writing, dir)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, pattern := range []string{"samples/*.yaml", "samples/invalid/*.yaml"} {
		files, _ := filepath.Glob(pattern)
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(text)
		}
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := Parse("t.yaml", text)
		if err != nil {
			var e *Error
			if !errors.As(err, &e) || len(e.Problems) == 0 {
				t.Fatalf("error %v (%T), want an *Error with problems", err, err)
			}
			return
		}
		var shown bytes.Buffer
		if err := c.Show(&shown); err != nil {
			t.Fatal(err)
		}
		again, err := Parse("t.yaml", shown.Bytes())
		if err != nil {
			t.Fatalf("what show printed does not parse: %v\n%s", err, &shown)
		}
		if diff := cmp.Diff(c, again, values...); diff != "" {
			t.Fatalf("show changed the values (- before, + after):\n%s\n%s", diff, &shown)
		}
	})
}
