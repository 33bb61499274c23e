// Package volume is the vocabulary that agent, planner and tiering share: what a volume is, one reading of it, the day
// that its readings make, and how much of it can be used. It holds values and pure functions only.
package volume

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"time"
)

// ID identifies a volume: a mounted filesystem on a host. Device, filesystem type, mode and label are attributes of a
// sample and never part of the identity, so a volume keeps its past when it is moved to another device.
type ID struct {
	Host string // as configured, or the hostname
	Path string // the mount point, absolute
}

// String writes the identity as host:path.
func (id ID) String() string { return id.Host + ":" + id.Path }

// Compare orders identities by host, then path.
func (id ID) Compare(other ID) int {
	return cmp.Or(strings.Compare(id.Host, other.Host), strings.Compare(id.Path, other.Path))
}

// ParseID reads host:path. The path begins at the first ":/", so that a host may be an IPv6 address; without one at the
// first colon (a drive such as C: on other platforms).
func ParseID(s string) (ID, error) {
	i := strings.Index(s, ":/")
	if i < 0 {
		i = strings.IndexByte(s, ':')
	}
	if i <= 0 || i == len(s)-1 {
		return ID{}, fmt.Errorf("%q is no volume: write host:path, such as db1:/var/lib/postgresql", s)
	}
	return ID{Host: s[:i], Path: s[i+1:]}, nil
}

// Attributes describe a volume at the time of a sample.
type Attributes struct {
	Device string // without "/dev/", device-mapper names resolved, as Telegraf writes it
	Fstype string
	Mode   string // "rw" or "ro"
	Label  string // the filesystem's label, or empty
}

// ReadOnly says whether the volume was mounted read-only.
func (a Attributes) ReadOnly() bool { return a.Mode == "ro" }

// Usage is how full a volume is, in bytes and inodes. Total is not Used + Free on filesystems that keep a reserve.
// InodesTotal is 0 where a filesystem does not count inodes (btrfs).
type Usage struct {
	Total, Free, Used                   int64 // bytes; Free is what an unprivileged user may still write
	InodesTotal, InodesFree, InodesUsed int64
}

// UsedPercent is used/(used+free)·100, as df and Telegraf count it; 0 for an empty volume.
func (u Usage) UsedPercent() float64 { return percent(u.Used, u.Free) }

// InodesUsedPercent is used/(used+free)·100 of the inodes; 0 where inodes are not counted.
func (u Usage) InodesUsedPercent() float64 { return percent(u.InodesUsed, u.InodesFree) }

func percent(used, free int64) float64 {
	if used+free <= 0 {
		return 0
	}
	return float64(used) / (float64(used) + float64(free)) * 100
}

// State is what a sample says of a volume beside its usage.
type State struct {
	Reserved int64 // bytes that only root may write (ext4's reserve)
	Stuck    bool  // the filesystem did not answer in time; the sample's Usage is not a reading
	Missing  bool  // the volume was there before and is not mounted now; the sample's Usage is not a reading
}

// Sample is one reading of a volume.
type Sample struct {
	ID
	Time time.Time // whole seconds, UTC
	Attributes
	Usage
	State
	Tags map[string]string // the configured ones (site, department, …); never the tags that Tidemark sets itself
}

// Measured says whether Usage is a reading of Time: a stuck or missing volume could not be read.
func (s Sample) Measured() bool { return !s.Stuck && !s.Missing }

// Reading is the part of a sample that a series is made of.
type Reading struct {
	Time time.Time
	Usage
}

// Low is the least use of a volume within some time, in bytes and inodes.
type Low struct{ Used, InodesUsed int64 }

// Release is what tiering freed of a volume; below zero what a recall brought back.
type Release struct {
	Host, Path    string    // of the policy's volume: a mount point, or a directory on one
	Time          time.Time // when it was over: a run's end, an hour's beginning
	Bytes, Inodes int64
}

// Selector chooses volumes. An empty field chooses all; a given one must match exactly.
type Selector struct{ Host, Path string }

// Matches says whether the selector chooses id.
func (s Selector) Matches(id ID) bool {
	return (s.Host == "" || s.Host == id.Host) && (s.Path == "" || s.Path == id.Path)
}

// Resource is what a volume can run out of.
type Resource string

// The resources.
const (
	Space  Resource = "space"
	Inodes Resource = "inodes"
)

// ErrNoSuchVolume says that history knows nothing of the volume that was asked for.
var ErrNoSuchVolume = errors.New("no such volume in the history")
