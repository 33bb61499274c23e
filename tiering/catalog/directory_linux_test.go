package catalog

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tidemark/tidemark/internal/mounttest"
)

func TestTheCatalogsDirectoryIsNobodyElses(t *testing.T) {
	mounttest.RequireRoot(t)
	for _, c := range []struct {
		name string
		make func(dir string) error
		want string // empty: it will do
	}{
		{"private", func(dir string) error { return os.Mkdir(dir, 0o700) }, ""},
		{"more private", func(dir string) error { return os.Mkdir(dir, 0o500) }, ""},
		{"of somebody else", func(dir string) error { return errors.Join(os.Mkdir(dir, 0o700), os.Chown(dir, 998, 0)) }, "belongs to user 998, not to user 0"},
		{"of a group", func(dir string) error { return errors.Join(os.Mkdir(dir, 0o700), os.Chmod(dir, 0o2770)) }, "mode 0770"},
		{"to be looked into", func(dir string) error { return errors.Join(os.Mkdir(dir, 0o700), os.Chmod(dir, 0o711)) }, "mode 0711"},
		{"symlink", func(dir string) error { return errors.Join(os.Mkdir(dir+"-real", 0o700), os.Symlink(dir+"-real", dir)) }, "no directory"},
		{"file", func(dir string) error { return os.WriteFile(dir, nil, 0o600) }, "no directory"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "tiering")
			if err := CheckDirectory(dir); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("before it is there: %v", err)
			}
			if err := c.make(dir); err != nil {
				t.Fatal(err)
			}
			if err := CheckDirectory(dir); (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
	dir := filepath.Join(t.TempDir(), "tiering")
	c, err := Open(t.Context(), filepath.Join(dir, "catalog.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := CheckDirectory(dir); err != nil {
		t.Errorf("what Open makes is not good enough: %v", err)
	}
}
