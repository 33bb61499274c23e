package hostdisk

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidemark/tidemark/internal/volume"
)

// scripted is a Disks over mounts that are told and reads that are told.
func scripted(t *testing.T, opt Options) (*Disks, *[]mount, map[string]func() (usage, error)) {
	t.Helper()
	opt.Host = "h"
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	d, err := New(opt)
	if err != nil {
		t.Fatal(err)
	}
	mounts := &[]mount{}
	reads := map[string]func() (usage, error){}
	d.mounts = func() ([]mount, error) { return *mounts, nil }
	d.read = func(m mount) (usage, error) { return reads[m.point]() }
	return d, mounts, reads
}

func mountAt(minor uint32, point string) mount {
	return mount{id: int(minor), major: 8, minor: minor, root: "/", point: point, fstype: "ext4", source: fmt.Sprintf("/dev/sd%d", minor)}
}

func tenUsed() (usage, error) {
	return usage{Usage: volume.Usage{Total: 100, Used: 10, Free: 85}, reserved: 5}, nil
}

func sampleNow(t *testing.T, d *Disks) map[string]volume.Sample {
	t.Helper()
	samples, err := d.Sample(t.Context(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	byPath := map[string]volume.Sample{}
	for _, s := range samples {
		byPath[s.Path] = s
	}
	return byPath
}

func TestHungFilesystemIsStuckAndDelaysNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, mounts, reads := scripted(t, Options{})
		*mounts = []mount{mountAt(1, "/"), mountAt(2, "/hung"), mountAt(3, "/hung2"), mountAt(4, "/z")}
		release := make(chan struct{})
		var calls atomic.Int64
		reads["/"], reads["/z"] = tenUsed, tenUsed
		hang := func() (usage, error) { calls.Add(1); <-release; return tenUsed() }
		reads["/hung"], reads["/hung2"] = hang, hang
		for _, want := range []time.Duration{5 * time.Second, 0, 0} {
			began := time.Now()
			got := sampleNow(t, d)
			if took := time.Since(began); took != want {
				t.Errorf("a sampling took %v, want %v: 5 s once, though two hang", took, want)
			}
			if !got["/hung"].Stuck || !got["/hung2"].Stuck || got["/"].Stuck || got["/z"].Stuck {
				t.Errorf("stuck: %+v", got)
			}
			if got["/z"].Used != 10 || got["/z"].Reserved != 5 {
				t.Errorf("/z was read as %+v", got["/z"])
			}
		}
		if calls.Load() != 2 {
			t.Errorf("%d calls on two hung filesystems, want one each and never a second", calls.Load())
		}
		close(release)
		synctest.Wait()
		if got := sampleNow(t, d)["/hung"]; got.Stuck || got.Used != 10 {
			t.Errorf("after it answered: %+v, want a fresh reading", got)
		}
		if calls.Load() != 4 {
			t.Errorf("%d calls, want a fresh one each after the hung ones answered", calls.Load())
		}
	})
}

func TestDeadServerKeepsFewCallsHanging(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, mounts, reads := scripted(t, Options{})
		var calls atomic.Int64
		release := make(chan struct{})
		hang := func() (usage, error) { calls.Add(1); <-release; return tenUsed() }
		*mounts = []mount{mountAt(1, "/")}
		reads["/"] = tenUsed
		for i := range 200 {
			point := fmt.Sprintf("/home/u%d", i)
			*mounts = append(*mounts, mount{
				id: i + 10, minor: uint32(i + 10), root: "/", point: point, fstype: "nfs4", source: "filer:/export/" + point,
			})
			reads[point] = hang
		}
		for range 2 {
			synctest.Wait() // for the calls that had no place to give up: an interval passes between samplings
			began, stuck := time.Now(), 0
			got := sampleNow(t, d)
			for _, s := range got {
				if s.Stuck {
					stuck++
				}
			}
			if took := time.Since(began); stuck != 200 || took != 5*time.Second || got["/"].Used != 10 {
				t.Errorf("%d of 200 mounts of a dead server are stuck after %v; / is %+v", stuck, took, got["/"])
			}
		}
		if calls.Load() != maxHanging {
			t.Errorf("%d calls hang, want %d", calls.Load(), maxHanging)
		}
		close(release)
		synctest.Wait()
		for path, s := range sampleNow(t, d) {
			if s.Stuck || s.Used != 10 {
				t.Errorf("the server is back, but %s is %+v", path, s)
			}
		}
		if len(d.gates) != 2 {
			t.Errorf("%d gates, want one for the server and one for the disk", len(d.gates))
		}
	})
}

// A mount that hangs, is detached and mounted again, and hangs again: each leaves a call behind that nobody can end.
func TestHungMountReplacedAThousandTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, mounts, reads := scripted(t, Options{})
		var calls atomic.Int64
		release := make(chan struct{})
		reads["/"] = tenUsed
		reads["/srv"] = func() (usage, error) { calls.Add(1); <-release; return tenUsed() }
		for i := range 1000 {
			*mounts = []mount{mountAt(1, "/"), {
				id: i + 10, minor: uint32(i + 10), root: "/", point: "/srv", fstype: "nfs4", source: "filer:/srv",
			}}
			if got := sampleNow(t, d); !got["/srv"].Stuck || got["/"].Used != 10 {
				t.Fatalf("replacement %d: %+v", i, got)
			}
			synctest.Wait()
		}
		if calls.Load() != maxHanging || len(d.probes) != 2 {
			t.Errorf("%d calls hang, %d probes are kept; want %d and 2", calls.Load(), len(d.probes), maxHanging)
		}
		*mounts = (*mounts)[:1]
		sampleNow(t, d)
		if len(d.gates) != 2 {
			t.Errorf("%d gates after the unmount, want the one under which calls hang still kept", len(d.gates))
		}
		close(release)
		synctest.Wait()
		sampleNow(t, d)
		if len(d.gates) != 1 || len(d.probes) != 1 {
			t.Errorf("%d gates and %d probes are left, want those of / alone", len(d.gates), len(d.probes))
		}
	})
}

func TestStopWhileAFilesystemHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, mounts, reads := scripted(t, Options{})
		*mounts = []mount{mountAt(1, "/hung")}
		release := make(chan struct{})
		reads["/hung"] = func() (usage, error) { <-release; return tenUsed() }
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		began := time.Now()
		if _, err := d.Sample(ctx, began); !errors.Is(err, context.Canceled) || time.Since(began) != time.Second {
			t.Errorf("a cancelled sampling returned %v after %v", err, time.Since(began))
		}
		close(release)
	})
}

func TestTroubleIsLoggedOnceAndCostsOneVolume(t *testing.T) {
	var log strings.Builder
	d, mounts, reads := scripted(t, Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
	*mounts = []mount{mountAt(1, "/"), mountAt(2, "/denied"), mountAt(3, "/gone"), mountAt(4, "/empty"), mountAt(5, "/covered")}
	fail := func(err error) func() (usage, error) { return func() (usage, error) { return usage{}, err } }
	reads["/"] = tenUsed
	reads["/denied"] = fail(&fs.PathError{Op: "statfs", Path: "/denied", Err: fs.ErrPermission})
	reads["/gone"] = fail(&fs.PathError{Op: "statfs", Path: "/gone", Err: fs.ErrNotExist})
	reads["/empty"], reads["/covered"] = fail(errNotAVolume), fail(fmt.Errorf("x: %w", errCovered))
	for range 3 {
		if got := sampleNow(t, d); len(got) != 1 || got["/"].Used != 10 {
			t.Errorf("samples %+v, want / alone", got)
		}
	}
	if n := strings.Count(log.String(), "volume cannot be read"); n != 1 {
		t.Errorf("%d warnings, want one:\n%s", n, log.String())
	}
	reads["/denied"] = tenUsed
	if got := sampleNow(t, d); len(got) != 2 || !strings.Contains(log.String(), "well again") {
		t.Errorf("after the trouble: %+v\n%s", got, log.String())
	}
}

func TestUnmountedVolumeIsMissingUntilItIsBack(t *testing.T) {
	d, mounts, reads := scripted(t, Options{Tags: map[string]string{"site": "dc1"}})
	reads["/"], reads["/usb"] = tenUsed, tenUsed
	both := []mount{mountAt(1, "/"), mountAt(2, "/usb")}
	*mounts = both
	sampleNow(t, d)
	*mounts = both[:1]
	for range 2 {
		got := sampleNow(t, d)["/usb"]
		if !got.Missing || got.Device != "sd2" || got.Total != 0 || got.Tags["site"] != "dc1" {
			t.Errorf("unmounted: %+v", got)
		}
	}
	*mounts = both
	if got := sampleNow(t, d)["/usb"]; got.Missing || got.Used != 10 {
		t.Errorf("mounted again: %+v", got)
	}
}

func TestVolumeThatAMountHidesIsMissing(t *testing.T) {
	d, mounts, reads := scripted(t, Options{})
	reads["/"], reads["/srv/video"], reads["/srv"] = tenUsed, tenUsed, tenUsed
	*mounts = []mount{mountAt(1, "/"), mountAt(2, "/srv/video")}
	(*mounts)[1].parent = 1
	sampleNow(t, d)
	over := mountAt(3, "/srv")
	over.parent = 1
	*mounts = append(*mounts, over)
	if got := sampleNow(t, d); !got["/srv/video"].Missing || got["/srv"].Used != 10 {
		t.Errorf("below a newer mount: %+v", got)
	}
}

func TestUnmountedVolumeIsForgottenAfterADay(t *testing.T) {
	var log strings.Builder
	d, mounts, reads := scripted(t, Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
	reads["/"], reads["/usb"] = tenUsed, tenUsed
	began := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	at := func(after time.Duration) (missing bool) {
		samples, err := d.Sample(t.Context(), began.Add(after))
		if err != nil {
			t.Fatal(err)
		}
		return slices.ContainsFunc(samples, func(s volume.Sample) bool { return s.Path == "/usb" && s.Missing })
	}
	*mounts = []mount{mountAt(1, "/"), mountAt(2, "/usb")}
	at(0)
	*mounts = (*mounts)[:1]
	if !at(24*time.Hour) || at(24*time.Hour+time.Second) || at(25*time.Hour) {
		t.Error("an unmounted volume is to be missing for a day and then forgotten")
	}
	if len(d.seen) != 1 || len(d.troubled) != 0 {
		t.Errorf("still kept: %v, %v", d.seen, d.troubled)
	}
	if n := strings.Count(log.String(), "forgotten"); n != 1 {
		t.Errorf("told %d times:\n%s", n, log.String())
	}
}

func TestAMountedFileIsNoVolumeAndHidesNone(t *testing.T) {
	d, mounts, reads := scripted(t, Options{})
	bind := func(id int, root, point string) mount {
		return mount{id: id, major: 8, minor: 1, root: root, point: point, fstype: "ext4", source: "/dev/sda1"}
	}
	// A container's mounts: the root of the disk is in sight nowhere.
	*mounts = []mount{bind(1, "/c/hosts", "/etc/hosts"), bind(2, "/c/resolv.conf", "/etc/resolv.conf"), bind(3, "/volumes/a-long-name", "/data"), bind(4, "/volumes/a-longer-name", "/more")}
	file := func() (usage, error) { return usage{}, fmt.Errorf("x: %w", errIsAFile) }
	reads["/etc/hosts"], reads["/etc/resolv.conf"], reads["/data"], reads["/more"] = file, file, tenUsed, tenUsed
	if got := sampleNow(t, d); len(got) != 1 || got["/data"].Used != 10 {
		t.Errorf("volumes %+v, want /data alone: two are files, and /more is the same filesystem", got)
	}
	*mounts = (*mounts)[:2]
	if got := sampleNow(t, d); got["/etc/hosts"].Used != 0 || !got["/data"].Missing || len(got) != 1 {
		t.Errorf("with files alone: %+v, want only that /data is missing", got)
	}
}

func TestExcludedAndTheRootFallback(t *testing.T) {
	d, mounts, reads := scripted(t, Options{ExcludeFstypes: []string{"overlay"}, ExcludePaths: []string{"/boot/**", "/boot"}, RootFallback: true})
	root := mountAt(1, "/")
	root.fstype, root.source = "overlay", ""
	*mounts = []mount{root, mountAt(2, "/boot"), mountAt(3, "/boot/efi")}
	reads["/"] = tenUsed
	if got := sampleNow(t, d); len(got) != 1 || got["/"].Device != "overlay" {
		t.Errorf("a container's volumes: %+v, want / with its type for a device", got)
	}
	*mounts = append(*mounts, mountAt(4, "/srv"))
	reads["/srv"] = tenUsed
	if got := sampleNow(t, d); len(got) != 1 || got["/srv"].Used != 10 {
		t.Errorf("volumes %+v, want /srv: / is still mounted, so it is not missing, and it is excluded again", got)
	}
	if _, err := New(Options{ExcludePaths: []string{"/a["}}); err == nil {
		t.Error("a bad glob is accepted")
	}
}
