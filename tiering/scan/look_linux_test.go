package scan

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/tidemark/tidemark/internal/mounttest"
)

func TestLook(t *testing.T) {
	root := volume(t, "ext4")
	write(t, root+"/a/b/file", 10)
	write(t, root+"/top", 20)
	write(t, root+"/bound/x", 1)
	mounttest.On(t, root+"/bound", "--bind", root+"/a/b")
	if err := errors.Join(os.Symlink("a", root+"/link"), unix.Setxattr(root+"/a/b/file", "user.keep", []byte("yes"), 0)); err != nil {
		t.Fatal(err)
	}
	before := openDescriptors(t)
	l, err := NewLooker(root + "/")
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"/none": "not exist", "/a/none/file": "not exist", "/link/b/file": "not exist", "/top/file": "not exist", "/bound/file": "another mount",
		"": "is not below", "/a/../top": "no plain path", "/top/": "no plain path",
	} {
		if f, err := l.Look(root + path); err == nil || !strings.Contains(err.Error(), want) || errors.Is(err, fs.ErrNotExist) != (want == "not exist") {
			t.Errorf("%q: %v, %v", path, f, err)
		}
	}
	for range 2 {
		f, err := l.Look(root + "/a/b/file")
		if err != nil || f.Size != 10 || f.Path() != root+"/a/b/file" || !f.IsRegular() {
			t.Fatalf("%+v, %v", f, err)
		}
		if v, err := f.Xattr("user.keep"); err != nil || v != "yes" {
			t.Errorf("%q, %v", v, err)
		}
		if f, err = l.Look(root + "/top"); err != nil || f.Size != 20 {
			t.Errorf("%+v, %v", f, err)
		}
		if f, err = l.Look(root + "/link"); err != nil || !f.IsSymlink() {
			t.Errorf("%+v, %v", f, err)
		}
	}
	if _, err := l.Look(root + "-other/file"); err == nil || !strings.Contains(err.Error(), "is not below") {
		t.Errorf("beside the volume: %v", err)
	}
	l.Close()
	if after := openDescriptors(t); after != before {
		t.Errorf("%d descriptors are open, there were %d", after, before)
	}
}

func TestLookAtEveryDepth(t *testing.T) {
	root := t.TempDir()
	dir, err := unix.Open(root, unix.O_DIRECTORY, 0)
	if err != nil {
		t.Fatal(err)
	}
	path, name := root, strings.Repeat("d", 200)
	for range 30 {
		if err := unix.Mkdirat(dir, name, 0o755); err != nil {
			t.Fatal(err)
		}
		next, err := unix.Openat(dir, name, unix.O_DIRECTORY, 0)
		if err != nil {
			t.Fatal(err)
		}
		unix.Close(dir)
		dir, path = next, path+"/"+name
	}
	unix.Close(dir)
	l, err := NewLooker(root)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if f, err := l.Look(path); err != nil || !f.IsDir() || len(path) < unix.PathMax {
		t.Errorf("%v, %v", f, err)
	}
}
