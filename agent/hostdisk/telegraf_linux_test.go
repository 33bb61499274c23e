package hostdisk

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hanwen/go-fuse/v2/fuse"
	"github.com/influxdata/line-protocol/v2/lineprotocol"
	"github.com/shirou/gopsutil/v3/disk"
	"golang.org/x/sys/unix"

	"github.com/tidemark/tidemark/internal/line"
	"github.com/tidemark/tidemark/internal/mounttest"
	"github.com/tidemark/tidemark/internal/volume"
)

// diskLine is a line of the disk measurement: tags by their names, fields by theirs as int64 or float64.
type diskLine struct {
	Tags   map[string]string
	Fields map[string]any
}

// telegrafDisk is what Telegraf 1.37.2 would write of the mounts below dir: its disk plugin (Gather), the part of its
// psutil package that it calls (DiskUsage) and its serializer's treatment of tags, retold over the same gopsutil calls.
// testdata/telegraf-1.37.2.txt holds lines of the original.
func telegrafDisk(t *testing.T, dir string) []diskLine {
	t.Helper()
	partitions, err := disk.Partitions(true)
	if err != nil {
		t.Fatal(err)
	}
	var lines []diskLine
	for _, p := range partitions {
		if !strings.HasPrefix(p.Mountpoint, dir) || p.Fstype == "autofs" {
			continue
		}
		du, err := disk.Usage(p.Mountpoint)
		if err != nil || du.Total == 0 {
			continue // Telegraf tells of it at its debug level
		}
		tags := map[string]string{
			"host": "h", "path": filepath.Join("/", p.Mountpoint), "device": strings.ReplaceAll(p.Device, "/dev/", ""),
			"fstype": p.Fstype, "mode": telegrafMode(p.Opts),
		}
		if label, err := disk.Label(strings.TrimPrefix(p.Device, "/dev/")); err == nil && label != "" {
			tags["label"] = label
		}
		spelled := strings.NewReplacer("\t", `\t`, "\n", `\n`, "\f", `\f`, "\r", `\r`)
		for k, v := range tags {
			tags[k] = strings.TrimRight(spelled.Replace(v), `\`)
		}
		percent := func(used, free uint64) float64 {
			if used+free == 0 {
				return 0
			}
			return float64(used) / (float64(used) + float64(free)) * 100
		}
		integer := func(v uint64) int64 { return int64(min(v, 1<<63-1)) }
		lines = append(lines, diskLine{tags, map[string]any{
			"total": integer(du.Total), "free": integer(du.Free), "used": integer(du.Used), "used_percent": percent(du.Used, du.Free),
			"inodes_total": integer(du.InodesTotal), "inodes_free": integer(du.InodesFree), "inodes_used": integer(du.InodesUsed),
			"inodes_used_percent": percent(du.InodesUsed, du.InodesFree),
		}})
	}
	return lines
}

func telegrafMode(options []string) string {
	switch {
	case slices.Contains(options, "rw"):
		return "rw"
	case slices.Contains(options, "ro"):
		return "ro"
	}
	return "unknown"
}

// readLine reads line protocol by a decoder that is not ours.
func readLine(t *testing.T, text string) diskLine {
	t.Helper()
	l := diskLine{map[string]string{}, map[string]any{}}
	d := lineprotocol.NewDecoder(strings.NewReader(text + "\n"))
	if !d.Next() {
		t.Fatalf("%q is no line", text)
	}
	if m, err := d.Measurement(); err != nil || string(m) != "disk" {
		t.Fatalf("%q: measurement %q, %v", text, m, err)
	}
	for {
		k, v, err := d.NextTag()
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if k == nil {
			break
		}
		l.Tags[string(k)] = string(v)
	}
	for {
		k, v, err := d.NextField()
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if k == nil {
			return l
		}
		l.Fields[string(k)] = v.Interface()
	}
}

// ourDisk is what the agent writes of the mounts below dir.
func ourDisk(t *testing.T, dir string) []diskLine {
	t.Helper()
	var lines []diskLine
	for path, s := range sampleNow(t, hostDisks(t, 0)) {
		if !strings.HasPrefix(path, dir) {
			continue
		}
		text, err := line.Encode(line.DiskPoint(s))
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, readLine(t, text))
	}
	return lines
}

// differences tells, sorted, where two sets of lines are not the same, path by path.
func differences(dir string, theirs, ours []diskLine) []string {
	byPath := func(lines []diskLine) map[string][]diskLine {
		m := map[string][]diskLine{}
		for _, l := range lines {
			path := strings.TrimPrefix(l.Tags["path"], dir+"/")
			m[path] = append(m[path], l)
		}
		return m
	}
	t, o := byPath(theirs), byPath(ours)
	var found []string
	say := func(format string, args ...any) { found = append(found, fmt.Sprintf(format, args...)) }
	for path := range t {
		if len(o[path]) == 0 {
			say("%s: Telegraf alone", path)
		} else if n := len(t[path]); n > 1 {
			say("%s: %d lines of Telegraf", path, n)
		}
	}
	for path := range o {
		if len(t[path]) == 0 {
			say("%s: the agent alone", path)
			continue
		}
		theirs, ours := t[path][len(t[path])-1], o[path][0]
		for k := range union(theirs.Tags, ours.Tags) {
			if a, b := theirs.Tags[k], ours.Tags[k]; a != b {
				say("%s: %s %q of Telegraf, %q of the agent", path, k, a, b)
			}
		}
		for k := range union(theirs.Fields, ours.Fields) {
			if a, b := theirs.Fields[k], ours.Fields[k]; a != b {
				say("%s: %s %v of Telegraf, %v of the agent", path, k, a, b)
			}
		}
	}
	slices.Sort(found)
	return found
}

func union[V any](a, b map[string]V) map[string]V {
	all := maps.Clone(a)
	maps.Copy(all, b)
	return all
}

// lab mounts on directories below dir.
type lab struct {
	t   *testing.T
	dir string
}

func (l lab) mount(name string, args ...string) string {
	l.t.Helper()
	path := makeDir(l.t, filepath.Join(l.dir, name))
	mounttest.On(l.t, path, args...)
	return path
}

func (l lab) loop(name, fstype string, mib int64, mkfs ...string) string {
	l.t.Helper()
	return l.mount(name, "-o", "loop", mounttest.Image(l.t, fstype, mib, mkfs...))
}

func (l lab) tmpfs(name, source string) string {
	l.t.Helper()
	return l.mount(name, "-t", "tmpfs", "-o", "size=1m", source)
}

// mountAlike mounts what both read alike.
func (l lab) mountAlike() (ext4 string) {
	ext4 = l.loop("ext4", "ext4", 64, "-m", "10", "-L", "LABEL")
	btrfs := l.loop("btrfs", "btrfs", 128)
	for _, path := range []string{ext4, btrfs, l.loop("xfs", "xfs", 320)} {
		if err := os.WriteFile(filepath.Join(path, "file"), make([]byte, 5<<20), 0o600); err != nil {
			l.t.Fatal(err)
		}
	}
	mounttest.Run(l.t, "btrfs", "subvolume", "create", filepath.Join(btrfs, "sub"))
	l.mount("subvolume", "-o", "subvol=sub", strings.TrimSpace(mounttest.Run(l.t, "findmnt", "-n", "-o", "SOURCE", btrfs)))
	mounttest.Run(l.t, "mount", "-o", "remount,bind,ro", l.loop("read-only mount", "ext4", 16))
	l.tmpfs("source none", "none")
	for _, name := range []string{`back\slash`, "ünï", `quo"te`, "co,mma=x", " first", "#hash", "tab\there", "line\nend", `ends\`} {
		l.tmpfs(name, "t")
	}
	return ext4
}

// mountUnlike mounts what Telegraf reads otherwise.
func (l lab) mountUnlike(ext4 string) {
	super := l.loop("read-only filesystem", "ext4", 16)
	mounttest.Run(l.t, "mount", "-o", "remount,ro", super)
	mounttest.Run(l.t, "mount", "-o", "remount,bind,rw", super) // as after an error: the mount says rw, the filesystem ro
	over := l.loop("over", "ext4", 16)
	mounttest.On(l.t, over, "-o", "loop", mounttest.Image(l.t, "ext4", 32))
	l.tmpfs("hidden/deep", "t")
	l.tmpfs("hidden", "t")
	makeDir(l.t, filepath.Join(l.dir, "hidden/deep"))
	l.mount("bind of the whole", "--bind", ext4)
	l.mount("bind of a directory", "--bind", makeDir(l.t, filepath.Join(ext4, "directory")))
	mounttest.On(l.t, makeFile(l.t, filepath.Join(l.dir, "file")), "--bind", filepath.Join(ext4, "file"))
	l.tmpfs(`quo"te and blank`, "t")
	l.tmpfs("not UTF-8 \xff", "t")
	l.tmpfs("device in an export", "filer:/dev/data")
	noSource := makeDir(l.t, filepath.Join(l.dir, "no source"))
	if err := unix.Mount("", noSource, "tmpfs", 0, "size=1m"); err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { unix.Unmount(noSource, unix.MNT_DETACH) })
	mounttest.MountFUSE(l.t, makeDir(l.t, filepath.Join(l.dir, "fuse")),
		mounttest.FUSEOptions{Answer: fuse.StatfsOut{Bsize: 1 << 20, Frsize: 4096, Blocks: 1000, Bfree: 400, Bavail: 400}})
	mounttest.MountFUSE(l.t, makeDir(l.t, filepath.Join(l.dir, "overdrawn")),
		mounttest.FUSEOptions{Answer: fuse.StatfsOut{Bsize: 4096, Frsize: 4096, Blocks: 1000, Bfree: 10, Bavail: 1<<64 - 90}})
}

// TestAgreesWithTelegraf mounts what hosts have, reads it both ways and wants every tag and every field to be the same, but
// for the differences that docs/telegraf.md names.
func TestAgreesWithTelegraf(t *testing.T) {
	mounttest.RequireFilesystem(t, "fuse")
	l := lab{t, t.TempDir()}
	l.mountUnlike(l.mountAlike())
	unix.Sync()
	exec.Command("udevadm", "settle").Run() // where there is udev, it has noted the labels by now
	options := strings.TrimSpace(mounttest.Run(t, "findmnt", "-n", "-o", "FS-OPTIONS", filepath.Join(l.dir, "no source")))
	theirs, ours := telegrafDisk(t, l.dir), ourDisk(t, l.dir)
	want := []string{
		`bind of a directory: Telegraf alone`,
		`bind of the whole: Telegraf alone`,
		`device in an export: device "filer:data" of Telegraf, "filer:/dev/data" of the agent`,
		`file: Telegraf alone`,
		`fuse: free 419430400 of Telegraf, 1638400 of the agent`,
		`fuse: total 1048576000 of Telegraf, 4096000 of the agent`,
		`fuse: used 629145600 of Telegraf, 2457600 of the agent`,
		`hidden/deep: Telegraf alone`,
		fmt.Sprintf(`no source: device %q of Telegraf, "tmpfs" of the agent`, options),
		"not UTF-8 \uFFFD: the agent alone",
		`over: 2 lines of Telegraf`,
		`overdrawn: free 9223372036854775807 of Telegraf, 0 of the agent`,
		`overdrawn: used_percent 2.1982415887573708e-11 of Telegraf, 100 of the agent`,
		`quo"te and blank: the agent alone`,
		`read-only filesystem: mode "rw" of Telegraf, "ro" of the agent`,
	}
	if diff := cmp.Diff(want, differences(l.dir, theirs, ours)); diff != "" {
		t.Errorf("differences from Telegraf that are not those expected (-expected +found):\n%s", diff)
	}
	if len(ours) < 20 {
		t.Errorf("%d lines were compared", len(ours))
	}
}

// TestTelegrafsOwnLines writes what Telegraf has measured as the agent writes it: the same tags, the same fields of the same
// types with the same values.
func TestTelegrafsOwnLines(t *testing.T) {
	recorded, err := os.ReadFile("testdata/telegraf-1.37.2.txt")
	if err != nil {
		t.Fatal(err)
	}
	compared := 0
	for text := range strings.Lines(string(recorded)) {
		text = strings.TrimSuffix(text, "\n")
		if strings.HasPrefix(text, "#") {
			continue
		}
		compared++
		want := readLine(t, text)
		integer := func(key string) int64 {
			v, ok := want.Fields[key].(int64)
			if !ok {
				t.Fatalf("%q: field %s is %T", text, key, want.Fields[key])
			}
			return v
		}
		ours, err := line.Encode(line.DiskPoint(volume.Sample{
			ID: volume.ID{Host: want.Tags["host"], Path: want.Tags["path"]}, Time: time.Unix(1, 0),
			Attributes: volume.Attributes{
				Device: want.Tags["device"], Fstype: want.Tags["fstype"], Mode: want.Tags["mode"], Label: want.Tags["label"],
			},
			Usage: volume.Usage{
				Total: integer("total"), Free: integer("free"), Used: integer("used"),
				InodesTotal: integer("inodes_total"), InodesFree: integer("inodes_free"), InodesUsed: integer("inodes_used"),
			},
		}))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, readLine(t, ours)); diff != "" {
			t.Errorf("%s\n(-Telegraf +agent):\n%s", text, diff)
		}
		if theirs, ours := beforeBlank(text), beforeBlank(ours); theirs != ours {
			t.Errorf("Telegraf wrote %q, the agent %q", theirs, ours)
		}
	}
	if compared < 10 {
		t.Errorf("%d lines were compared", compared)
	}
}

// beforeBlank is the measurement with its tags: what stands before the first blank that is not escaped.
func beforeBlank(text string) string {
	for i := 1; i < len(text); i++ {
		if text[i] == ' ' && text[i-1] != '\\' {
			return text[:i]
		}
	}
	return text
}
