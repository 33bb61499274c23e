// Package mounttest gives tests real filesystems: images on loop devices, bind mounts, FUSE. They need root; without it the
// tests skip and say so, and with CI=true that is a failure, unless the kernel lacks the filesystem.
package mounttest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// RequireRoot skips a test that needs mounts, or fails it with CI=true.
func RequireRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() == 0 {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatal("needs root to mount filesystems, and CI is meant to run it")
	}
	t.Skip("needs root to mount filesystems; run the tests as root to include it")
}

// RequireFilesystem skips a test where the kernel has no such filesystem.
func RequireFilesystem(t testing.TB, fstype string) {
	t.Helper()
	RequireRoot(t)
	exec.Command("modprobe", fstype).Run() // it may be built in, or a container may have no modules: the list decides
	known, err := os.ReadFile("/proc/filesystems")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(string(known), "\n") {
		if strings.TrimSpace(strings.TrimPrefix(line, "nodev")) == fstype {
			return
		}
	}
	t.Skipf("this kernel has no %s", fstype)
}

// Run runs a command and fails the test with its output when it fails.
func Run(t testing.TB, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// Image makes an image with a filesystem, of so many MiB.
func Image(t testing.TB, fstype string, sizeMiB int64, mkfs ...string) string {
	t.Helper()
	RequireFilesystem(t, fstype)
	image := filepath.Join(t.TempDir(), fstype+".img")
	f, err := os.Create(image)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Truncate(sizeMiB << 20); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	Run(t, "mkfs."+fstype, append(append([]string{"-q"}, mkfs...), image)...)
	return image
}

// Mount mounts with the arguments of mount(8), on a new directory, until the test ends. The directory is returned.
func Mount(t testing.TB, args ...string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "mnt")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	On(t, dir, args...)
	return dir
}

// On is Mount on a directory that is there.
func On(t testing.TB, dir string, args ...string) {
	t.Helper()
	RequireRoot(t)
	Run(t, "mount", append(args, dir)...)
	t.Cleanup(func() {
		if out, err := exec.Command("umount", "-l", dir).CombinedOutput(); err != nil {
			t.Logf("umount %s: %v: %s", dir, err, out)
		}
	})
}
