package systemd

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// requireSystemd skips a test where there is no systemd to ask, or fails it with CI=true.
func requireSystemd(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("systemd-analyze"); err == nil {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatal("there is no systemd-analyze, and CI is meant to have it")
	}
	t.Skip("there is no systemd-analyze; install systemd to include this test")
}

func glob(t *testing.T, pattern string) []string {
	t.Helper()
	names, err := filepath.Glob(pattern)
	if err != nil || len(names) == 0 {
		t.Fatalf("%s: %v, %v", pattern, names, err)
	}
	return names
}

// TestVerify wants systemd-analyze to have nothing to say of the units: of a value that it ignores it says so and succeeds.
func TestVerify(t *testing.T) {
	requireSystemd(t)
	dir := t.TempDir()
	args := []string{"verify", "--man=no"}
	for _, name := range append(glob(t, "*.service"), glob(t, "*.timer")...) {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		// The program is not installed here, and must be there to be verified.
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(strings.ReplaceAll(string(text), "/usr/bin/tidemark", "/bin/true")), 0o644); err != nil {
			t.Fatal(err)
		}
		args = append(args, path)
	}
	if out, err := exec.Command("systemd-analyze", args...).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("systemd-analyze %v: %v\n%s", args, err, out)
	}
}

// TestSecurity holds the exposure that docs/systemd.md states, in tenths of the ten that systemd-analyze gives at worst.
func TestSecurity(t *testing.T) {
	requireSystemd(t)
	for unit, threshold := range map[string]string{"tidemark-agent.service": "15", "tidemark-planner.service": "11", "tidemark-tiering.service": "30"} {
		out, err := exec.Command("systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold="+threshold, unit).CombinedOutput()
		if err != nil {
			t.Errorf("%s is above %s: %v\n%s", unit, threshold, err, out)
		}
	}
}

func TestSysusers(t *testing.T) {
	if _, err := exec.LookPath("systemd-sysusers"); err != nil {
		requireSystemd(t)
	}
	root := t.TempDir()
	if err := os.Mkdir(filepath.Join(root, "etc"), 0o755); err != nil {
		t.Fatal(err)
	}
	file, err := filepath.Abs("tidemark.sysusers")
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("systemd-sysusers", "--root="+root, file).CombinedOutput(); err != nil {
		t.Fatalf("systemd-sysusers: %v\n%s", err, out)
	}
	passwd, err := os.ReadFile(filepath.Join(root, "etc/passwd"))
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Split(strings.TrimSpace(string(passwd)), ":")
	if len(fields) != 7 || fields[0] != "tidemark" || fields[5] != "/var/lib/tidemark" || !strings.HasSuffix(fields[6], "nologin") {
		t.Errorf("the user is %q", passwd)
	}
	if group, err := os.ReadFile(filepath.Join(root, "etc/group")); err != nil || !strings.HasPrefix(string(group), "tidemark:") {
		t.Errorf("the group is %q, %v", group, err)
	}
}
