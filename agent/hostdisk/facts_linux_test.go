package hostdisk

import (
	"os"
	"strings"
	"testing"
)

func TestFactsAreTheHostsOwn(t *testing.T) {
	facts := map[string]any{}
	for _, f := range hostDisks(t, 0).Facts(t.Context()) {
		facts[f.Key] = f.Value
	}
	kernel, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		t.Fatal(err)
	}
	if facts["kernel"] != strings.TrimSpace(string(kernel)) {
		t.Errorf("kernel %q, want %q", facts["kernel"], kernel)
	}
	if up, ok := facts["uptime_seconds"].(int64); !ok || up <= 0 {
		t.Errorf("uptime %v", facts["uptime_seconds"])
	}
	if resident, ok := facts["resident_bytes"].(int64); !ok || resident < 1<<20 || resident > 4<<30 {
		t.Errorf("resident %v bytes", facts["resident_bytes"])
	}
	if platform, ok := facts["platform"].(string); !ok || platform == "" {
		t.Errorf("platform %v", facts["platform"])
	}
}
