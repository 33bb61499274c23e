//go:build !linux

package hostdisk

import (
	"github.com/shirou/gopsutil/v3/disk"

	"github.com/tidemark/tidemark/internal/volume"
)

// hostMounts lists what gopsutil knows where there is no mountinfo. Device numbers are not known there; each mount is a
// filesystem of its own.
func hostMounts() ([]mount, error) {
	partitions, err := disk.Partitions(true)
	if err != nil {
		return nil, err
	}
	mounts := make([]mount, len(partitions))
	for i, p := range partitions {
		mounts[i] = mount{id: i + 1, minor: uint32(i), root: "/", point: p.Mountpoint, fstype: p.Fstype, source: p.Device}
		for _, o := range p.Opts {
			mounts[i].readOnly = mounts[i].readOnly || o == "ro" || o == "read-only"
		}
	}
	return mounts, nil
}

func readUsage(m mount) (usage, error) {
	u, err := disk.Usage(m.point)
	if err != nil {
		return usage{}, err
	}
	if u.Total == 0 {
		return usage{}, errNotAVolume
	}
	return usage{Usage: volume.Usage{
		Total: int64(u.Total), Free: int64(u.Free), Used: int64(u.Used),
		InodesTotal: int64(u.InodesTotal), InodesFree: int64(u.InodesFree), InodesUsed: int64(u.InodesUsed),
	}}, nil
}

func resolveDevice(m mount) string { return m.source }

func label(string) string { return "" }
