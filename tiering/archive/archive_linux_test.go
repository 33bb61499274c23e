package archive_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/tidemark/tidemark/internal/fsys"
	"github.com/tidemark/tidemark/internal/mounttest"
	"github.com/tidemark/tidemark/tiering/archive"
)

var now = time.Date(2026, 3, 4, 5, 6, 7, 8, time.UTC)

// filesystems runs a test on each of the filesystems that archives are tested on, mounted at a place of its own.
func filesystems(t *testing.T, test func(t *testing.T, path string)) {
	mounttest.RequireRoot(t)
	mounts := map[string]func(t *testing.T) string{
		"ext4": func(t *testing.T) string {
			return mounttest.Mount(t, "-o", "loop", mounttest.Image(t, "ext4", 64))
		},
		"xfs": func(t *testing.T) string {
			return mounttest.Mount(t, "-o", "loop", mounttest.Image(t, "xfs", 320))
		},
		"tmpfs": func(t *testing.T) string {
			return mounttest.Mount(t, "-t", "tmpfs", "-o", "size=64m,mode=0755", "none")
		},
	}
	for _, name := range []string{"ext4", "xfs", "tmpfs"} {
		t.Run(name, func(t *testing.T) {
			test(t, mounts[name](t))
		})
	}
}

func initialise(t *testing.T, path string) *archive.Archive {
	t.Helper()
	a, err := archive.Init(fsys.Host{}, path, "vault", "alpha", now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close() })
	return a
}

func wantError(t *testing.T, err, target error, text string) {
	t.Helper()
	if !errors.Is(err, target) || !strings.Contains(err.Error(), text) {
		t.Errorf("error %v; want one that is %v and says %q", err, target, text)
	}
}

func TestInit(t *testing.T) {
	filesystems(t, func(t *testing.T, path string) {
		a := initialise(t, path)
		t.Logf("%+v", a.Marker)
		_, err := archive.Init(fsys.Host{}, path, "vault", "alpha", now)
		wantError(t, err, archive.ErrInitialised, "vault")
	})
}
