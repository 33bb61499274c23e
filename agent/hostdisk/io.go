package hostdisk

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/shirou/gopsutil/v3/disk"

	"github.com/tidemark/tidemark/internal/line"
)

// IO reads the counters of the block devices as Telegraf's diskio plugin writes them, sorted by name. Loop and RAM devices
// that were never used are left out.
func (d *Disks) IO(ctx context.Context, now time.Time) ([]line.Point, error) {
	counters, err := disk.IOCountersWithContext(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the counters of the block devices: %w", err)
	}
	var points []line.Point
	for _, name := range slices.Sorted(maps.Keys(counters)) {
		c := counters[name]
		if c.ReadCount+c.WriteCount == 0 && (strings.HasPrefix(name, "loop") || strings.HasPrefix(name, "ram")) {
			continue
		}
		tags := map[string]string{}
		maps.Copy(tags, d.opt.Tags)
		tags["host"], tags["name"] = d.opt.Host, name
		integer := func(key string, v uint64) line.Field { return line.Int(key, int64(min(v, math.MaxInt64))) }
		points = append(points, line.Point{Measurement: line.DiskIO, Tags: tags, Time: now, Fields: []line.Field{
			integer("reads", c.ReadCount), integer("writes", c.WriteCount),
			integer("read_bytes", c.ReadBytes), integer("write_bytes", c.WriteBytes),
			integer("read_time", c.ReadTime), integer("write_time", c.WriteTime),
			integer("io_time", c.IoTime), integer("weighted_io_time", c.WeightedIO),
			integer("iops_in_progress", c.IopsInProgress),
			integer("merged_reads", c.MergedReadCount), integer("merged_writes", c.MergedWriteCount),
		}})
	}
	return points, nil
}
