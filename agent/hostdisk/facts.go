package hostdisk

import (
	"context"
	"os"
	"strings"

	"github.com/shirou/gopsutil/v3/host"
	"github.com/shirou/gopsutil/v3/process"

	"github.com/tidemark/tidemark/internal/line"
)

// Facts are what the host says of itself and of this process: platform, kernel, uptime_seconds and resident_bytes. What
// cannot be told is left out: no sample is worth less for it.
func (d *Disks) Facts(ctx context.Context) []line.Field {
	var facts []line.Field
	text := func(key, value string) {
		if value != "" {
			facts = append(facts, line.Text(key, value))
		}
	}
	// The platform is asked once: that may start a program, and it does not change while this one runs.
	d.platformOnce.Do(func() {
		if name, _, version, err := host.PlatformInformationWithContext(ctx); err == nil {
			d.platform = strings.TrimSpace(name + " " + version)
		}
	})
	text("platform", d.platform)
	if kernel, err := host.KernelVersionWithContext(ctx); err == nil {
		text("kernel", kernel)
	}
	if uptime, err := host.UptimeWithContext(ctx); err == nil {
		facts = append(facts, line.Int("uptime_seconds", int64(uptime)))
	}
	if self, err := process.NewProcessWithContext(ctx, int32(os.Getpid())); err == nil {
		if memory, err := self.MemoryInfoWithContext(ctx); err == nil {
			facts = append(facts, line.Int("resident_bytes", int64(memory.RSS)))
		}
	}
	return facts
}
