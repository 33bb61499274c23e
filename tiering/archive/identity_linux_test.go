package archive_test

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/tidemark/tidemark/internal/fsys"
	"github.com/tidemark/tidemark/tiering/archive"
)

// What takes a directory's name at home neither opens nor closes what the archive has of the one before.
func TestADirectoryFollowsTheHomeThatItWasMadeFor(t *testing.T) {
	a := initialise(t, mount(t, "xfs"))
	now := fsys.Attributes{UID: 1000, GID: 1000, Mode: 0o700, Identity: "1.1"}
	home := func(dir string) (fsys.Attributes, error) {
		if dir == "/srv/d" {
			return now, nil
		}
		return fsys.Attributes{Mode: 0o755, Identity: dir}, nil
	}
	open := func(version int) error {
		dir, _, err := a.ObjectDir(t.Context(), home, "alpha", "/srv/d/f", version)
		if err == nil {
			err = dir.Close()
		}
		return err
	}
	mode := func(tree string) os.FileMode {
		info, err := os.Stat(filepath.Join(a.Path, tree, "alpha/srv/d"))
		must(t, err)
		return info.Mode().Perm()
	}
	must(t, open(1))
	private := mode("data")
	for _, mid := range []bool{true, false} { // within a run, and in the next
		now = fsys.Attributes{UID: 2000, GID: 2000, Mode: 0o777, Identity: "2.1"}
		if !mid {
			a.NewRun()
		}
		if err := open(1); !errors.Is(err, archive.ErrObstructed) {
			t.Errorf("it was opened to another's: %v", err)
		}
		must(t, open(2))
		if _, err := a.Narrow(t.Context(), home, "alpha", "/srv"); err != nil || mode("data") != private || mode("versions/2") != 0o755 {
			t.Errorf("%v: %o and %o", err, mode("data"), mode("versions/2"))
		}
	}
	now = fsys.Attributes{UID: 1000, GID: 1000, Mode: 0o755, Identity: "1.1"} // the first is back, and opened
	a.NewRun()
	must(t, open(1))
	if mode("data") != 0o755 {
		t.Errorf("%o", mode("data"))
	}
	for _, err := range []error{syscall.ELOOP, syscall.ENOTDIR, syscall.EXDEV, syscall.ENOENT} { // what users may put there
		gone := func(dir string) (fsys.Attributes, error) {
			if dir == "/srv/d" {
				return fsys.Attributes{}, err
			}
			return home(dir)
		}
		if _, err := a.Narrow(t.Context(), gone, "alpha", "/srv"); err != nil {
			t.Errorf("all is stopped by %v", err)
		}
	}
}
