package line

import (
	"maps"

	"github.com/tidemark/tidemark/internal/volume"
)

// Names of the measurements.
const (
	Disk       = "disk"            // Telegraf's
	DiskIO     = "diskio"          // Telegraf's
	VolumeName = "tidemark_volume" // what disk has no field for
	Outlook    = "tidemark_outlook"
)

// DiskPoint is a reading as Telegraf's disk plugin writes it.
func DiskPoint(s volume.Sample) Point {
	tags := volumeTags(s)
	tags["device"], tags["fstype"], tags["mode"], tags["label"] = s.Device, s.Fstype, s.Mode, s.Label
	return Point{
		Measurement: Disk,
		Tags:        tags,
		Time:        s.Time,
		Fields: []Field{
			Int("total", s.Total), Int("free", s.Free), Int("used", s.Used), Float("used_percent", s.UsedPercent()),
			Int("inodes_total", s.InodesTotal), Int("inodes_free", s.InodesFree), Int("inodes_used", s.InodesUsed),
			Float("inodes_used_percent", s.InodesUsedPercent()),
		},
	}
}

// VolumePoint is what a sample says beside Telegraf's fields. It is written for every sample, measured or not. Its tags
// are the volume's identity and the configured ones, so that it stays one series whatever becomes of the device.
func VolumePoint(s volume.Sample) Point {
	return Point{
		Measurement: VolumeName,
		Tags:        volumeTags(s),
		Time:        s.Time,
		Fields: []Field{
			Int("reserved", s.Reserved), Flag("readonly", s.ReadOnly()), Flag("stuck", s.Stuck), Flag("missing", s.Missing),
		},
	}
}

func volumeTags(s volume.Sample) map[string]string {
	tags := make(map[string]string, len(s.Tags)+6)
	maps.Copy(tags, s.Tags)
	tags["host"], tags["path"] = s.Host, s.Path
	return tags
}
