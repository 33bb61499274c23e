package tiering

import (
	"maps"
	"strconv"
	"time"

	"github.com/tidemark/tidemark/internal/line"
	"github.com/tidemark/tidemark/internal/volume"
	"github.com/tidemark/tidemark/tiering/catalog"
	"github.com/tidemark/tidemark/tiering/selection"
)

// Measurements that the boards read. Each has the configured tags besides its own.
const (
	RunMeasurement      = "tidemark_run"
	ArchiveMeasurement  = "tidemark_archive"
	AgeMeasurement      = "tidemark_age"
	EligibleMeasurement = "tidemark_eligible"
	RecallMeasurement   = "tidemark_recall"
)

// RunPoint is what a run of a policy came to, at its end. p may lack its files.
func RunPoint(p selection.Plan, r catalog.Run, tags map[string]string) line.Point {
	return line.Point{
		Measurement: RunMeasurement,
		Tags:        with(tags, "host", p.Host, "policy", p.Policy, "path", p.Volume, "archive", p.Archive),
		Time:        r.Ended,
		Fields: []line.Field{
			line.Int("files_archived", r.FilesArchived), line.Int("bytes_archived", r.BytesArchived),
			line.Int("files_released", r.FilesReleased), line.Int("bytes_released", r.BytesReleased),
			line.Int("failed", r.Failed), line.Int("skipped", r.Skipped), line.Flag("insufficient", r.Insufficient),
			line.Float("seconds", r.Ended.Sub(r.Started).Seconds()),
			line.Int("eligible_bytes", p.Eligible), line.Int("needed_bytes", p.Needed), line.Flag("triggered", p.Triggered),
		},
	}
}

// RecallPoint is what was brought back to a volume within an hour, at the hour's beginning.
func RecallPoint(m catalog.Moved, tags map[string]string) line.Point {
	return line.Point{
		Measurement: RecallMeasurement,
		Tags:        with(tags, "host", m.Host, "path", m.Volume),
		Time:        m.Hour,
		Fields:      []line.Field{line.Int("bytes_recalled", m.Recalled), line.Int("inodes_recalled", m.InodesRecalled)},
	}
}

// ArchiveUse is what one archive holds of one host, and how full its volume is.
type ArchiveUse struct {
	Host, Archive string
	Files, Bytes  int64 // of all objects that are archived or released

	ReleasedFiles, ReleasedBytes int64     // of those, what is nowhere else
	Bad                          int64     // objects that were read back wrong
	OldestCheck                  time.Time // of the object that was not read back for the longest; zero: one never was
	Recalls                      int64     // files that were recalled at least once
	Usage                        volume.Usage
}

// ArchivePoint is an archive's row. oldest_check is in Unix seconds and left out while an object was never read back.
func ArchivePoint(a ArchiveUse, tags map[string]string, now time.Time) line.Point {
	p := line.Point{
		Measurement: ArchiveMeasurement,
		Tags:        with(tags, "host", a.Host, "archive", a.Archive),
		Time:        now,
		Fields: []line.Field{
			line.Int("files", a.Files), line.Int("bytes", a.Bytes),
			line.Int("released_files", a.ReleasedFiles), line.Int("released_bytes", a.ReleasedBytes), line.Int("bad", a.Bad),
		},
	}
	if !a.OldestCheck.IsZero() {
		p.Fields = append(p.Fields, line.Int("oldest_check", a.OldestCheck.Unix()))
	}
	p.Fields = append(p.Fields, line.Int("total", a.Usage.Total), line.Int("free", a.Usage.Free),
		line.Float("used_percent", a.Usage.UsedPercent()), line.Int("recalls", a.Recalls))
	return p
}

// AgeBucket is how much of a volume lies idle for how long.
type AgeBucket struct {
	Name         string // of the bucket, such as 030d; the boards sort by it
	Bytes, Files int64
}

// AgePoints are a volume's rows, one a bucket, in the order given. An empty bucket has one too: else the boards would keep its
// last value.
func AgePoints(id volume.ID, buckets []AgeBucket, tags map[string]string, now time.Time) []line.Point {
	var points []line.Point
	for _, b := range buckets {
		points = append(points, line.Point{
			Measurement: AgeMeasurement,
			Tags:        with(tags, "host", id.Host, "path", id.Path, "bucket", b.Name),
			Time:        now,
			Fields:      []line.Field{line.Int("bytes", b.Bytes), line.Int("files", b.Files)},
		})
	}
	return points
}

// Eligible is what a policy could move if it ran in some days and nobody used the files meanwhile.
type Eligible struct {
	Days         int // from now; 0 is now
	Bytes, Files int64
}

// EligiblePoints are a policy's rows, one for each number of days, in the order given.
func EligiblePoints(id volume.ID, policy string, all []Eligible, tags map[string]string, now time.Time) []line.Point {
	var points []line.Point
	for _, e := range all {
		points = append(points, line.Point{
			Measurement: EligibleMeasurement,
			Tags:        with(tags, "host", id.Host, "path", id.Path, "policy", policy, "days", strconv.Itoa(e.Days)),
			Time:        now,
			Fields:      []line.Field{line.Int("bytes", e.Bytes), line.Int("files", e.Files)},
		})
	}
	return points
}

// with is the configured tags and, over them, pairs of ours.
func with(tags map[string]string, pairs ...string) map[string]string {
	all := make(map[string]string, len(tags)+len(pairs)/2)
	maps.Copy(all, tags)
	for i := 0; i < len(pairs); i += 2 {
		all[pairs[i]] = pairs[i+1]
	}
	return all
}
