package hostdisk

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"github.com/tidemark/tidemark/internal/mounttest"
	"github.com/tidemark/tidemark/internal/volume"
)

// These tests read real filesystems. Each looks at paths below its own directory alone.

func hostDisks(t *testing.T, timeout time.Duration) *Disks {
	t.Helper()
	d, err := New(Options{Host: "h", Timeout: timeout, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// statOf is what stat(1) says of a filesystem: an implementation that is not ours.
func statOf(t *testing.T, path string) (u volume.Usage, reserved int64) {
	t.Helper()
	fields := strings.Fields(mounttest.Run(t, "stat", "-f", "-c", "%S %b %f %a %c %d", path))
	n := make([]int64, len(fields))
	for i, f := range fields {
		var err error
		if n[i], err = strconv.ParseInt(f, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	size, blocks, free, available, files, filesFree := n[0], n[1], n[2], n[3], n[4], n[5]
	return volume.Usage{
		Total: size * blocks, Free: size * available, Used: size * (blocks - free),
		InodesTotal: files, InodesFree: filesFree, InodesUsed: files - filesFree,
	}, size * (free - available)
}

func TestRealFilesystemsAgreeWithStat(t *testing.T) {
	for _, tc := range []struct {
		fstype string
		mib    int64
		mkfs   []string
	}{
		{"ext4", 64, []string{"-m", "10"}}, {"xfs", 320, nil}, {"btrfs", 128, nil},
	} {
		t.Run(tc.fstype, func(t *testing.T) {
			dir := mounttest.Mount(t, "-o", "loop", mounttest.Image(t, tc.fstype, tc.mib, tc.mkfs...))
			if err := os.WriteFile(filepath.Join(dir, "file"), make([]byte, 5<<20), 0o600); err != nil {
				t.Fatal(err)
			}
			unix.Sync()
			got, ok := sampleNow(t, hostDisks(t, 0))[dir]
			if !ok {
				t.Fatalf("%s is not among the volumes", dir)
			}
			want, reserved := statOf(t, dir)
			if got.Usage != want || got.Reserved != reserved {
				t.Errorf("usage %+v, reserved %d; stat says %+v, %d", got.Usage, got.Reserved, want, reserved)
			}
			if got.Fstype != tc.fstype || got.Mode != "rw" || !strings.HasPrefix(got.Device, "loop") {
				t.Errorf("attributes %+v", got.Attributes)
			}
			if tc.fstype == "ext4" && got.Reserved < 5<<20 {
				t.Errorf("reserved %d, want what -m 10 keeps of 64 MiB", got.Reserved)
			}
			if tc.fstype == "btrfs" && got.InodesTotal != 0 {
				t.Errorf("btrfs counts %d inodes, want none", got.InodesTotal)
			}
		})
	}
}

func TestFullFilesystem(t *testing.T) {
	dir := mounttest.Mount(t, "-o", "loop", mounttest.Image(t, "ext4", 16))
	f, err := os.Create(filepath.Join(dir, "fill"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := io.Copy(f, zeros{}); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("filling it ended with %v", err)
	}
	if got := sampleNow(t, hostDisks(t, 0))[dir]; got.Free != 0 || got.Used == 0 || got.UsedPercent() != 100 {
		t.Errorf("a full volume is read as %+v, %v %%", got.Usage, got.UsedPercent())
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestReadOnlyRemounts(t *testing.T) {
	dir := mounttest.Mount(t, "-o", "loop", mounttest.Image(t, "ext4", 16))
	d := hostDisks(t, 0)
	for _, step := range []struct{ name, options, want string }{
		{"the mount alone", "remount,bind,ro", "ro"},
		{"writable again", "remount,bind,rw", "rw"},
		{"the filesystem", "remount,ro", "ro"},
	} {
		mounttest.Run(t, "mount", "-o", step.options, dir)
		if got := sampleNow(t, d)[dir]; got.Mode != step.want || !got.Measured() {
			t.Errorf("%s: mode %q, want %q", step.name, got.Mode, step.want)
		}
	}
	// The kernel makes only the filesystem read-only after an error: the mount's own options still say rw.
	if got := []bool{hasOption("rw,relatime", "ro"), hasOption("ro,errors=remount-ro", "ro")}; got[0] || !got[1] {
		t.Errorf("options read as %v", got)
	}
}

func TestBindsAndOverMounts(t *testing.T) {
	first := mounttest.Mount(t, "-o", "loop", mounttest.Image(t, "ext4", 16))
	if err := os.MkdirAll(filepath.Join(first, "sub"), 0o755); err != nil {
		t.Fatal(err)
	}
	whole := mounttest.Mount(t, "--bind", first)
	part := mounttest.Mount(t, "--bind", filepath.Join(first, "sub"))
	d := hostDisks(t, 0)
	got := sampleNow(t, d)
	n := 0
	for _, path := range []string{first, whole, part} {
		if _, ok := got[path]; ok {
			n++
		}
	}
	if _, ok := got[part]; n != 1 || ok {
		t.Errorf("%d of three views of one filesystem are volumes (the bind of a directory: %v), want one and not that", n, ok)
	}
	// Something else over it: the path tells of that, under its own device.
	mounttest.On(t, first, "-o", "loop", mounttest.Image(t, "ext4", 32))
	over := sampleNow(t, d)[first]
	want, _ := statOf(t, first)
	if over.Usage != want || over.Total < 24<<20 || !over.Measured() {
		t.Errorf("over-mounted: %+v, want the upper filesystem %+v", over.Usage, want)
	}
}

func TestBtrfsSubvolumesStayApart(t *testing.T) {
	image := mounttest.Image(t, "btrfs", 128)
	top := mounttest.Mount(t, "-o", "loop", image)
	mounttest.Run(t, "btrfs", "subvolume", "create", filepath.Join(top, "a"))
	loop := strings.TrimSpace(mounttest.Run(t, "findmnt", "-n", "-o", "SOURCE", "--target", top))
	sub := mounttest.Mount(t, "-o", "subvol=a", loop)
	got := sampleNow(t, hostDisks(t, 0))
	a, b := got[top], got[sub]
	if !a.Measured() || !b.Measured() || b.Total == 0 {
		t.Fatalf("top %+v, subvolume %+v", a, b)
	}
	if pool := volume.Pool(a.Attributes); pool == "" || pool != volume.Pool(b.Attributes) {
		t.Errorf("pools %q and %q, want one", pool, volume.Pool(b.Attributes))
	}
}

// sized is a FUSE's answer whose blocks count in f_frsize, not in f_bsize.
var sized = fuse.StatfsOut{Bsize: 1 << 20, Frsize: 4096, Blocks: 1000, Bfree: 400, Bavail: 400, Files: 10, Ffree: 4}

func TestHungFUSEIsStuckThenRecovers(t *testing.T) {
	fine := mounttest.Mount(t, "-o", "loop", mounttest.Image(t, "ext4", 16))
	dir := t.TempDir()
	fs := mounttest.MountFUSE(t, dir, mounttest.FUSEOptions{Answer: sized, Hangs: true})
	d := hostDisks(t, 200*time.Millisecond)
	for range 3 {
		got := sampleNow(t, d)
		if s := got[dir]; !s.Stuck || s.Fstype != "fuse.tidemark" {
			t.Fatalf("the hung mount: %+v, want it stuck", s)
		}
		if s := got[fine]; !s.Measured() || s.Total == 0 {
			t.Fatalf("its neighbour: %+v, want a reading", s)
		}
	}
	if n := len(fs.Asked); n != 1 {
		t.Errorf("statfs was called %d times on a filesystem that hangs, want once", n)
	}
	fs.LetGo()
	var got volume.Sample
	for key, p := range d.probes { // the call that hung must be over before a fresh one can begin
		if key.point == dir {
			<-p.done
		}
	}
	d.opt.Timeout = 10 * time.Second
	got = sampleNow(t, d)[dir]
	want := volume.Usage{Total: 1000 * 4096, Used: 600 * 4096, Free: 400 * 4096, InodesTotal: 10, InodesFree: 4, InodesUsed: 6}
	if got.Usage != want || got.Stuck {
		t.Errorf("after it answers: %+v, want %+v: blocks count in f_frsize, not in f_bsize", got, want)
	}
	if n := len(fs.Asked); n != 2 {
		t.Errorf("statfs was called %d times in all, want a fresh one after the hung one", n)
	}
}

func TestUsageOfDoesNotOverflow(t *testing.T) {
	u := usageOf(unix.Statfs_t{Frsize: 1 << 20, Blocks: 1 << 62, Bfree: 1 << 62, Bavail: 1 << 61, Files: 1<<64 - 1, Ffree: 5})
	if u.Total < 0 || u.Free < 0 || u.Used != 0 || u.InodesTotal < 0 || u.InodesUsed < 0 {
		t.Errorf("a huge filesystem is read as %+v", u)
	}
	if u := usageOf(unix.Statfs_t{Bsize: 4096, Blocks: 10, Bfree: 4, Bavail: ^uint64(0)}); u.Free != 0 || u.Total != 40960 {
		t.Errorf("an overdrawn filesystem is read as %+v", u)
	}
}

func TestIOCounters(t *testing.T) {
	points, err := hostDisks(t, 0).IO(t.Context(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range points {
		if p.Measurement != "diskio" || p.Tags["name"] == "" || len(p.Fields) != 11 {
			t.Errorf("point %+v", p)
		}
		if i > 0 && points[i-1].Tags["name"] >= p.Tags["name"] {
			t.Errorf("not sorted: %s before %s", points[i-1].Tags["name"], p.Tags["name"])
		}
	}
	if len(points) == 0 {
		fmt.Fprintln(t.Output(), "this host has no block device that counts")
	}
}
