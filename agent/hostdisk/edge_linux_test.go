package hostdisk

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/tidemark/tidemark/internal/mounttest"
)

func makeDir(t *testing.T, path string) string {
	t.Helper()
	if err := os.MkdirAll(path, 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func makeFile(t *testing.T, path string) string {
	t.Helper()
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// Containers mount single files (/etc/hosts, /etc/resolv.conf) from a disk whose root they cannot see.
func TestMountedFilesAreNoVolumes(t *testing.T) {
	for _, fstype := range []string{"ext4", "btrfs"} {
		t.Run(fstype, func(t *testing.T) {
			top := mounttest.Mount(t, "-o", "loop", mounttest.Image(t, fstype, 128))
			makeFile(t, filepath.Join(top, "f"))
			makeDir(t, filepath.Join(top, "a-directory"))
			file := makeFile(t, filepath.Join(t.TempDir(), "hosts"))
			mounttest.On(t, file, "--bind", filepath.Join(top, "f"))
			dir := mounttest.Mount(t, "--bind", filepath.Join(top, "a-directory"))
			d := hostDisks(t, 0)
			got := sampleNow(t, d)
			if _, ok := got[dir]; ok || !got[top].Measured() || got[top].Total == 0 {
				t.Errorf("with its root in sight: %+v, and the directory is listed: %v", got[top], ok)
			}
			mounttest.Run(t, "umount", top)
			mounttest.Run(t, "mount", "-t", "tmpfs", "none", top) // for the clean-up to take away
			got = sampleNow(t, hostDisks(t, 0))
			if _, ok := got[file]; ok || !got[dir].Measured() || got[dir].Total == 0 {
				t.Errorf("the directory's mount: %+v; the file is listed: %v", got[dir], ok)
			}
		})
	}
}

func TestMovedMountHidesWhatIsNewer(t *testing.T) {
	private := mounttest.Mount(t, "-t", "tmpfs", "none") // its lazy unmount takes along all that is below
	mounttest.Run(t, "mount", "--make-private", private) // no move out of a shared mount
	older, place := makeDir(t, filepath.Join(private, "older")), makeDir(t, filepath.Join(private, "place"))
	mounttest.Run(t, "mount", "-o", "loop", mounttest.Image(t, "ext4", 16), older)
	deep := makeDir(t, filepath.Join(place, "deep"))
	mounttest.Run(t, "mount", "-o", "loop", mounttest.Image(t, "ext4", 16), deep)
	mounttest.Run(t, "mount", "--move", older, place)
	got := sampleNow(t, hostDisks(t, 0))
	if _, ok := got[deep]; ok || !got[place].Measured() || got[place].Total == 0 {
		t.Errorf("%s: %+v; what it hides is listed: %v", place, got[place], ok)
	}
}

func TestAutofsIsNeverTouched(t *testing.T) {
	mounttest.RequireFilesystem(t, "autofs")
	// The kernel spares the automounter's own process group from waiting; this one is to be the automounter, not us.
	automounter := exec.Command("sleep", "infinity")
	automounter.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := automounter.Start(); err != nil {
		t.Fatal(err)
	}
	defer automounter.Wait()
	defer automounter.Process.Kill()
	requests, ours, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer requests.Close()
	defer ours.Close()
	dir := t.TempDir()
	options := fmt.Sprintf("fd=%d,pgrp=%d,minproto=5,maxproto=5,direct", ours.Fd(), automounter.Process.Pid)
	if err := unix.Mount("automounter", dir, "autofs", 0, options); err != nil {
		t.Fatal(err)
	}
	defer unix.Unmount(dir, unix.MNT_DETACH)
	if _, ok := sampleNow(t, hostDisks(t, 0))[dir]; ok {
		t.Error("an automount that waits is listed as a volume")
	}
	// The list may be older than the automount: a filesystem was there, expired, and is only waiting now.
	_, err = readUsage(mount{point: dir, root: "/", fstype: "ext4", major: 8, minor: 1})
	if !errors.Is(err, errNotAVolume) && !errors.Is(err, errCovered) {
		t.Errorf("reading it gave %v, want that it is no volume", err)
	}
	if n, err := unix.IoctlGetInt(int(requests.Fd()), unix.TIOCINQ); err != nil || n != 0 {
		t.Errorf("the automounter was asked to mount (%d bytes wait, %v)", n, err)
	}
}

func TestVolumeBelowAPrivateDirectory(t *testing.T) {
	mounttest.RequireRoot(t)
	private := filepath.Join(t.TempDir(), "private")
	if err := os.Mkdir(private, 0o700); err != nil {
		t.Fatal(err)
	}
	inside := makeDir(t, filepath.Join(private, "inside"))
	mounttest.On(t, inside, "-o", "loop", mounttest.Image(t, "ext4", 16))
	var log strings.Builder
	d := hostDisks(t, 0)
	d.opt.Log = slog.New(slog.NewTextHandler(&log, nil))
	d.read = func(m mount) (usage, error) {
		runtime.LockOSThread() // and never unlocked, so that the thread ends with the goroutine
		unix.Setfsuid(65534)
		return readUsage(m)
	}
	for range 3 {
		got := sampleNow(t, d)
		if _, ok := got[inside]; ok || !got["/"].Measured() {
			t.Errorf("an unprivileged agent lists %s: %v, / is %+v", inside, ok, got["/"])
		}
	}
	told := 0
	for _, l := range strings.Split(log.String(), "\n") {
		if strings.Contains(l, inside) && strings.Contains(l, "permission denied") {
			told++
		}
	}
	if told != 1 {
		t.Errorf("told %d times of %s, want once:\n%s", told, inside, log.String())
	}
}
