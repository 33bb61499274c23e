package tiering

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tidemark/tidemark/tiering/catalog"
)

// TestTheUnitsCapabilitiesAreEnough: root with nothing but what the systemd unit leaves it moves files and brings back all of them. What
// takes CAP_SYS_ADMIN is not in the tree, but for one label, which is missed.
func TestTheUnitsCapabilitiesAreEnough(t *testing.T) {
	unit, err := os.ReadFile("../deploy/systemd/tidemark-tiering.service")
	if err != nil {
		t.Fatal(err)
	}
	line := regexp.MustCompile(`(?m)^CapabilityBoundingSet=(.+)$`).FindSubmatch(unit)
	if line == nil {
		t.Fatal("the unit bounds no capabilities")
	}
	bounds := "-all"
	for _, name := range strings.Fields(string(line[1])) {
		bounds += ",+" + strings.ToLower(strings.TrimPrefix(name, "CAP_"))
	}
	r := tree{t, noatime(t, "ext4", 64)}
	r.contents()
	r.attributes()
	r.flags("d", "A", "S")
	for _, gone := range []string{"xattrs/trusted", "contents/one-tib"} {
		if err := os.Remove(r.at(gone)); err != nil {
			t.Fatal(err)
		}
	}
	s := siteOn(t, r.root, noatime(t, "xfs", 320), "size >= 0", nil)
	if err := os.Chown(r.at("modes"), 1000, 1000); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(r.at("modes"), 0o2700); err != nil {
		t.Fatal(err)
	}
	before, _ := described(t, r.root)
	child := exec.Command("setpriv", "--bounding-set", bounds, "--inh-caps", "-all", "--no-new-privs", os.Args[0], "-test.run=^TestMoveAndRecall$", "-test.v")
	child.Env = append(os.Environ(), "TIDEMARK_HOT="+s.hot, "TIDEMARK_COLD="+s.cold)
	if out, err := child.CombinedOutput(); err != nil || !strings.Contains(string(out), "moved and recalled") {
		t.Fatalf("%v\n%s", err, out)
	}
	after, _ := described(t, r.root)
	label := func(f string) bool { return strings.HasPrefix(f, "./label\n") }
	compare(t, "file", slices.DeleteFunc(before, label), slices.DeleteFunc(after, label))
}

// TestMoveAndRecall is the child of TestTheUnitsCapabilitiesAreEnough.
func TestMoveAndRecall(t *testing.T) {
	hot, cold := os.Getenv("TIDEMARK_HOT"), os.Getenv("TIDEMARK_COLD")
	if hot == "" {
		return // run by its parent only
	}
	s := &site{t: t, hot: hot, cold: cold}
	s.open("size >= 0", func(p *Policy) { p.Leave = catalog.LeaveLink })
	s.inNoTime()
	if report := s.mustRun(); report.FilesReleased < 30 || len(report.Skipped) != 0 {
		t.Fatalf("%+v", report)
	}
	recalled, err := New(s.options).Recall(t.Context(), []string{hot})
	if err != nil || len(recalled.Skipped) != 0 || len(recalled.Failed) != 1 || filepath.Base(recalled.Failed[0].Path) != "label" ||
		!strings.Contains(recalled.Failed[0].Reason, "extended attribute security.label") {
		t.Fatalf("%v %+v", err, recalled)
	}
	t.Log("moved and recalled")
}
