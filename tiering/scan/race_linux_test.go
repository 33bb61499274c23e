package scan

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tidemark/tidemark/internal/mounttest"
	"github.com/tidemark/tidemark/tiering/policy"
)

// TestWalkWhileDirectoriesAreExchanged has directories become symlinks to one outside, again and again.
func TestWalkWhileDirectoriesAreExchanged(t *testing.T) {
	root, outside := t.TempDir(), t.TempDir()
	const dirs = 200
	for i := range dirs {
		write(t, fmt.Sprintf("%s/d%d/sub/inside", root, i), 1)
	}
	write(t, outside+"/sub/secret", 1)
	write(t, outside+"/secret", 1)
	if err := os.Symlink(outside, root+"/link"); err != nil {
		t.Fatal(err)
	}
	var stop atomic.Bool
	var exchanges int
	var racer sync.WaitGroup
	racer.Go(func() {
		for i := 0; !stop.Load(); i = (i + 1) % dirs {
			dir := fmt.Sprintf("%s/d%d", root, i)
			if err := unix.Renameat2(unix.AT_FDCWD, dir, unix.AT_FDCWD, root+"/link", unix.RENAME_EXCHANGE); err != nil {
				t.Error(err)
				return
			}
			exchanges++
			unix.Renameat2(unix.AT_FDCWD, dir, unix.AT_FDCWD, root+"/link", unix.RENAME_EXCHANGE)
		}
	})
	var least int64 = dirs
	for range 20 {
		s := walkTree(t, Options{Path: root, Workers: 2, OpenDirectories: 4})
		for _, path := range s.paths {
			if !strings.HasSuffix(path, "/sub/inside") {
				t.Fatalf("the walk was led to %s", path)
			}
		}
		if s.Errors != 0 {
			t.Fatalf("%+v, %q", s.Result, s.failed)
		}
		least = min(least, s.Files)
	}
	stop.Store(true)
	racer.Wait()
	if exchanges < 20 || least < dirs-20 {
		t.Errorf("%d exchanges, at least %d files", exchanges, least)
	}
}

// TestWalkAfterDirectoriesBecameSymlinks has all but one become symlinks when they were listed and are not yet open.
func TestWalkAfterDirectoriesBecameSymlinks(t *testing.T) {
	root, outside := t.TempDir(), t.TempDir()
	write(t, outside+"/secret", 1)
	for i := range 10 {
		write(t, fmt.Sprintf("%s/d%d/inside", root, i), 1)
	}
	var found []string
	result, err := Walk(context.Background(), Options{Path: root, Now: now(), Workers: 1}, func(_ int, _ *Directory, files []policy.File) {
		for i := range files {
			found = append(found, strings.Clone(files[i].Name))
		}
		for i := 0; i < 10 && len(found) == 1; i++ {
			dir := fmt.Sprintf("%s/d%d", root, i)
			if err := errors.Join(os.RemoveAll(dir), os.Symlink(outside, dir)); err != nil {
				t.Error(err)
			}
		}
	})
	if err != nil || len(found) != 1 || found[0] != "inside" || result.Vanished < 9 || result.Errors != 0 {
		t.Errorf("%v, %q, %+v", err, found, result)
	}
}

// TestWalkWhileDirectoriesVanish removes what is being walked.
func TestWalkWhileDirectoriesVanish(t *testing.T) {
	root := mounttest.Mount(t, "-t", "tmpfs", "tmpfs")
	for i := range 400 {
		write(t, fmt.Sprintf("%s/d%d/sub/f", root, i), 1)
	}
	var once sync.Once
	var failed []string
	result, err := Walk(context.Background(), Options{
		Path: root, Now: now(), Workers: 2, OpenDirectories: 4,
		Error: func(path string, err error) { failed = append(failed, path+": "+err.Error()) },
	}, func(int, *Directory, []policy.File) {
		once.Do(func() {
			for i := range 400 {
				if err := os.RemoveAll(fmt.Sprintf("%s/d%d", root, i)); err != nil {
					t.Error(err)
				}
			}
		})
	})
	if err != nil || result.Errors != 0 || len(failed) != 0 || result.Vanished < 300 || result.Files == 0 {
		t.Errorf("%v, %+v, %q", err, result, failed)
	}
}

func TestWalkFindsADirectoryThatHasTakenAnothersPlace(t *testing.T) {
	root := t.TempDir()
	write(t, root+"/a/b/c/f", 1)
	write(t, root+"/z/f", 1)
	w := &walk{ctx: t.Context(), opt: Options{Path: root, OpenDirectories: 1}}
	w.wake.L = &w.mu
	if _, err := w.begin(); err != nil {
		t.Fatal(err)
	}
	defer w.finish()
	a, err := w.openChild(w.root, []byte("a\x00"))
	if err != nil {
		t.Fatal(err)
	}
	defer w.done(a, false)
	b, err := w.openChild(a, []byte("b\x00"))
	if err != nil {
		t.Fatal(err)
	}
	defer w.done(b, false)
	w.mu.Lock()
	w.close(a)
	w.close(b)
	w.mu.Unlock()
	if fd, err := w.descriptor(b); err != nil || fd < 0 || a.fd >= 0 {
		t.Fatalf("opened again: %v, %v; the one above is %d", fd, err, a.fd)
	}
	w.mu.Lock()
	w.close(b)
	w.mu.Unlock()
	if err := errors.Join(os.Rename(root+"/a", root+"/old"), os.MkdirAll(root+"/a/b", 0o755)); err != nil {
		t.Fatal(err)
	}
	if _, err := w.descriptor(b); !errors.Is(err, errMoved) {
		t.Errorf("another directory was taken for it: %v", err)
	}
}

func TestWalkIsCancelled(t *testing.T) {
	root := t.TempDir()
	for i := range 20 {
		for j := range 10 {
			write(t, fmt.Sprintf("%s/%d/%d/f", root, i, j), 1)
		}
	}
	before := openDescriptors(t)
	ctx, cancel := context.WithCancel(context.Background())
	result, err := Walk(ctx, Options{Path: root, Now: now(), Workers: 3, OpenDirectories: 5}, func(int, *Directory, []policy.File) {
		cancel()
		<-ctx.Done()
	})
	if !errors.Is(err, context.Canceled) || result.Files == 0 || result.Files > 100 {
		t.Errorf("%v, %+v", err, result)
	}
	if after := openDescriptors(t); after != before {
		t.Errorf("%d descriptors are open, there were %d", after, before)
	}
}

func TestWalkReadsXattrs(t *testing.T) {
	root := volume(t, "ext4")
	write(t, root+"/d/kept", 1)
	write(t, root+"/d/large", 1)
	write(t, root+"/d/none", 1)
	value := strings.Repeat("v", 600)
	if err := errors.Join(unix.Setxattr(root+"/d/kept", "user.keep", []byte("yes"), 0), unix.Setxattr(root+"/d/large", "user.keep", []byte(value), 0)); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	_, err := Walk(context.Background(), Options{Path: root, Now: now(), Workers: 1}, func(_ int, _ *Directory, files []policy.File) {
		for i := range files {
			v, err := files[i].Xattr("user.keep")
			if err != nil {
				t.Error(err)
			}
			got[strings.Clone(files[i].Name)] = v
		}
	})
	if err != nil || len(got) != 3 || got["kept"] != "yes" || got["large"] != value || got["none"] != "" {
		t.Errorf("%v, %v", err, got)
	}
}

// TestWalkShares has a flat directory listed by one worker while another has nothing to do.
func TestWalkShares(t *testing.T) {
	root := t.TempDir()
	const n = 2000
	for i := range n {
		write(t, fmt.Sprintf("%s/%0200d", root, i), 0)
	}
	var visited int
	w := &walk{ctx: t.Context(), opt: Options{Path: root, Now: now(), OpenDirectories: 9}, visit: func(_ int, _ *Directory, files []policy.File) { visited += len(files) }}
	w.wake.L = &w.mu
	if _, err := w.begin(); err != nil {
		t.Fatal(err)
	}
	defer w.finish()
	first, second := newWorker(w, 0), newWorker(w, 1)
	w.idle.Store(1)
	first.read(w.root)
	shared := len(w.stack) - 1 // without the root itself
	if shared < 5 {
		t.Fatalf("%d blocks were left to others", shared)
	}
	for range shared {
		left, _ := w.next()
		second.lookAt(left.dir, left.entries)
		w.done(left.dir, true)
	}
	if visited != n || second.Files == 0 || first.Files+second.Files != n || first.Directories != 1 || second.Directories != 0 {
		t.Errorf("%d files visited, %d by the first and %d by the second", visited, first.Files, second.Files)
	}
}

func TestWalkTellsItsProgress(t *testing.T) {
	root := t.TempDir()
	write(t, root+"/a", 5)
	write(t, root+"/b/c", 6)
	got := ""
	_, err := Walk(context.Background(), Options{
		Path: root, Now: now(), Progress: func(files, bytes int64) { got += fmt.Sprintf("%d/%d ", files, bytes) },
	}, func(int, *Directory, []policy.File) {})
	if err != nil || got != "2/11 " {
		t.Errorf("%v, %q", err, got)
	}
	w := &walk{opt: Options{Progress: func(files, bytes int64) { got += fmt.Sprintf("%d/%d ", files, bytes) }}}
	for range 300 {
		w.progress(128, 1000)
	}
	if want := "2/11 16384/128000 32768/256000 "; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestWalkAges(t *testing.T) {
	root := mounttest.Mount(t, "-t", "tmpfs", "-o", "strictatime", "tmpfs")
	ages := []time.Duration{-time.Minute, 0, 23 * time.Hour, 25 * time.Hour, 8 * 24 * time.Hour, 366 * 24 * time.Hour, 6 * 365 * 24 * time.Hour}
	for i, age := range ages {
		path := fmt.Sprintf("%s/%d", root, i)
		write(t, path, 1)
		if err := os.Chtimes(path, now().Add(-age), now().Add(-age-400*24*time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Link(root+"/6", root+"/6-again"); err != nil {
		t.Fatal(err)
	}
	write(t, root+"/written-after-it-was-read", 1)
	if err := os.Chtimes(root+"/written-after-it-was-read", daysBefore(1000), daysBefore(2)); err != nil {
		t.Fatal(err)
	}
	s := walkTree(t, Options{Path: root})
	got := ""
	for i, b := range s.Ages() {
		got += fmt.Sprintf("%s:%d/%d ", Buckets[i], b.Files, b.Bytes/4096)
	}
	if want := "1d:2/2 7d:2/2 30d:1/1 90d:0/0 180d:0/0 1y:0/0 2y:1/1 5y:0/0 older:2/1 future:1/1 "; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if s.Allocated != 8*4096 || s.ByMtime[6].Files != 5 || !s.Trust.Atime || s.Trust.Within != 0 {
		t.Errorf("%+v", s.Result)
	}
	mounttest.Run(t, "mount", "-o", "remount,noatime", root)
	if s := walkTree(t, Options{Path: root}); s.Trust.Atime || s.Ages() != s.ByMtime || !strings.Contains(s.Trust.Reason, "noatime") {
		t.Errorf("without atimes: %+v", s.Trust)
	}
	mounttest.Run(t, "mount", "-o", "remount,atime,relatime", root)
	if s := walkTree(t, Options{Path: root}); !s.Trust.Atime || s.Trust.Within != 24*time.Hour {
		t.Errorf("with relatime: %+v", s.Trust)
	}
}

func daysBefore(days int) time.Time { return now().AddDate(0, 0, -days) }

func TestAtimeTrust(t *testing.T) {
	base := now().Unix()
	spread := func(files, within int, from int64) *Spread {
		s := &Spread{}
		for i := range files {
			at := base - int64(i)*86400*3
			if i < within {
				at = from + int64(i)*3600/int64(within)
			}
			s.count(at)
		}
		return s
	}
	tests := []struct {
		name           string
		mount          Atimes
		atimes, mtimes *Spread
		want           bool
		reason         string
	}{
		{"spread", StrictAtime, spread(1000, 0, 0), spread(1000, 0, 0), true, "files are idle since their atime"},
		{"backup", StrictAtime, spread(1000, 950, base), spread(1000, 0, 0), false, "95% of the atimes lie within the hour from 2026-03-01 1"},
		{"backup over midnight", RelAtime, spread(1000, 950, base/86400*86400-1800), spread(1000, 0, 0), false, "from 2026-02-28 23:"},
		{"nearly all", StrictAtime, spread(1000, 949, base), spread(1000, 0, 0), true, ""},
		{"few files", StrictAtime, spread(99, 99, base), spread(99, 0, 0), true, ""},
		{"enough files", StrictAtime, spread(100, 100, base), spread(100, 0, 0), false, ""},
		{"written then", StrictAtime, spread(1000, 1000, base), spread(1000, 1000, base), true, ""},
		{"before 1970", StrictAtime, spread(1000, 1000, -1<<40), spread(1000, 0, 0), false, "1970-01-01"},
		{"after 2149", StrictAtime, spread(1000, 1000, 1<<40), spread(1000, 0, 0), false, ""},
		{"none", StrictAtime, &Spread{}, &Spread{}, true, ""},
		{"noatime", NoAtime, spread(10, 0, 0), spread(10, 0, 0), false, "noatime"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := AtimeTrust(test.mount, test.atimes, test.mtimes)
			if got.Atime != test.want || !strings.Contains(got.Reason, test.reason) {
				t.Errorf("%+v", got)
			}
			var half Spread
			half.add(test.atimes)
			if again := AtimeTrust(test.mount, &half, test.mtimes); again != got {
				t.Errorf("added to nothing: %+v", again)
			}
		})
	}
	sum, other := spread(60, 60, base), spread(60, 60, base)
	sum.add(other)
	if share, _ := sum.densest(); sum.files != 120 || share != 1 {
		t.Errorf("the sum has %d files, %v of them within an hour", sum.files, share)
	}
}

func TestBuckets(t *testing.T) {
	for seconds, want := range map[int64]string{
		-1: "future", 0: "1d", 86400: "1d", 86401: "7d", 7 * 86400: "7d", 30 * 86400: "30d", 365 * 86400: "1y", 365*86400 + 1: "2y",
		1825 * 86400: "5y", 1825*86400 + 1: "older", 1 << 40: "older",
	} {
		if got := Buckets[bucket(seconds)]; got != want {
			t.Errorf("%d seconds are %s, want %s", seconds, got, want)
		}
	}
}
