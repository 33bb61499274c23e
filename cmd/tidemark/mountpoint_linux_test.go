package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/tidemark/tidemark/internal/mounttest"
)

// A subvolume has a device of its own, but it is the same mount; what is mounted below is another, bound or not.
func TestMountPoint(t *testing.T) {
	outer := mounttest.Mount(t, mounttest.Image(t, "btrfs", 128))
	mounttest.Run(t, "btrfs", "-q", "subvolume", "create", filepath.Join(outer, "sub"))
	for _, dir := range []string{"sub/a/b", "bound", "inner"} {
		if err := os.MkdirAll(filepath.Join(outer, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	mounttest.On(t, filepath.Join(outer, "bound"), "--bind", filepath.Join(outer, "sub"))
	mounttest.On(t, filepath.Join(outer, "inner"), "-t", "tmpfs", "tmpfs")
	if err := os.Mkdir(filepath.Join(outer, "inner/deep"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("../inner/deep", filepath.Join(outer, "sub/link")); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{"": "", "sub": "", "sub/a/b": "", "bound/a": "bound", "inner": "inner", "inner/deep": "inner", "sub/link": "inner"} {
		got, err := mountPoint(filepath.Join(outer, path))
		if err != nil || got != filepath.Join(outer, want) {
			t.Errorf("%q is on %s, %v; want %q", path, got, err, want)
		}
	}
	if _, err := mountPoint(filepath.Join(outer, "nowhere")); err == nil {
		t.Error("a path that is not there has a mount point")
	}
}
