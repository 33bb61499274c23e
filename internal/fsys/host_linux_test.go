package fsys_test

import (
	"testing"

	"github.com/tidemark/tidemark/internal/fsys"
)

// root opens a directory of the host until the test ends.
func root(t testing.TB, path string) fsys.Dir {
	t.Helper()
	d, err := fsys.Host{}.OpenRoot(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

func TestCreateAndReadBack(t *testing.T) {
	d := root(t, t.TempDir())
	f, err := d.Create("name", 0o777)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte("content"), 3); err != nil {
		t.Fatal(err)
	}
	if err := f.SetTimes(fsys.Time{Sec: -5, Nsec: 7}, fsys.Time{Sec: 1, Nsec: 999_999_999}); err != nil {
		t.Fatal(err)
	}
	a, info, err := fsys.ReadAttributes(f)
	if err != nil {
		t.Fatal(err)
	}
	if info.Size != 10 || a.Mode != 0o777 || a.Atime.String() != "-5.000000007" || a.Mtime.String() != "1.999999999" {
		t.Errorf("%+v, %+v", a, info)
	}
}
