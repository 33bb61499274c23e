package tiering

import (
	"bytes"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tidemark/tidemark/internal/fsys"
	"github.com/tidemark/tidemark/internal/mounttest"
	"github.com/tidemark/tidemark/tiering/archive"
	"github.com/tidemark/tidemark/tiering/catalog"
)

// newPlace is an ext4 volume and an xfs archive on loop devices, with the catalog on a third filesystem.
func newPlace(t *testing.T, leave catalog.Leave) place {
	t.Helper()
	p, _, _ := onImages(t, leave)
	return p
}

// onImages is a place whose filesystems can be taken away and mounted again from their images.
func onImages(t *testing.T, leave catalog.Leave) (p place, volumeImage, vaultImage string) {
	t.Helper()
	volumeImage, vaultImage = mounttest.Image(t, "ext4", 64), mounttest.Image(t, "xfs", 320)
	p = place{
		Volume: mounttest.Mount(t, volumeImage), Vault: mounttest.Mount(t, vaultImage),
		Catalog: filepath.Join(t.TempDir(), "tiering", "catalog.db"), Policy: "cold", Archive: "vault", Leave: leave,
	}
	p.initArchive(t)
	syncFS(t, p.Vault)
	return p, volumeImage, vaultImage
}

func (p place) initArchive(t *testing.T) {
	t.Helper()
	a, err := archive.Init(fsys.Host{}, p.Vault, p.Archive, "h", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	a.Close()
}

// file is one that a test wrote.
type file struct {
	path    string
	content []byte
	mode    uint32
	uid     int
	mtime   time.Time
	label   string // in user.label
}

// tree writes files below a directory of the volume, durably: what power cuts take is not theirs.
func (p place) tree(t *testing.T, dir string, n int, seed uint64) []file {
	t.Helper()
	random := rand.New(rand.NewPCG(seed, 1))
	var files []file
	for i := range n {
		content := make([]byte, []int{11, 4096, 150_000}[i%3]+i)
		for j := range content {
			content[j] = byte(random.Uint32())
		}
		f := file{
			path: filepath.Join(p.Volume, dir, []string{"", "sub", "sub/déep"}[i%3], fmt.Sprintf("file %d", i)), content: content,
			mode: []uint32{0o644, 0o600, 0o4755}[i%3], uid: 1000 + i, mtime: time.Unix(1_500_000_000+int64(i), 123_456_789), label: fmt.Sprint("label ", i),
		}
		f.write(t)
		files = append(files, f)
	}
	syncFS(t, p.Volume)
	return files
}

func (f file) write(t *testing.T) {
	t.Helper()
	err := os.MkdirAll(filepath.Dir(f.path), 0o755)
	for _, step := range []func() error{
		func() error { return os.WriteFile(f.path, f.content, 0o600) },
		func() error { return os.Chown(f.path, f.uid, f.uid) },
		func() error { return unix.Chmod(f.path, f.mode) },
		func() error { return unix.Setxattr(f.path, "user.label", []byte(f.label), 0) },
		func() error { return os.Chtimes(f.path, f.mtime, f.mtime) },
	} {
		if err == nil {
			err = step()
		}
	}
	if err != nil {
		t.Fatal(err)
	}
}

func syncFS(t *testing.T, dir string) {
	t.Helper()
	d, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if err := unix.Syncfs(int(d.Fd())); err != nil {
		t.Fatal(err)
	}
}

// openCatalog opens it until the function that it returns is called.
func (p place) openCatalog(t *testing.T) (*catalog.Catalog, func()) {
	t.Helper()
	c, err := catalog.Open(t.Context(), p.Catalog)
	if err != nil {
		t.Fatal(err)
	}
	return c, func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
}

// settled says what is wrong after recovery: every file must be readable under its name, or (nothing left in its place) be released
// in the catalog and whole in the archive; nothing may be in flight or left over, and the archive may hold nothing that the
// catalog does not know.
func (p place) settled(t *testing.T, files []file) (wrong []string) {
	t.Helper()
	c, done := p.openCatalog(t)
	defer done()
	for _, f := range files {
		if err := p.readable(t, c, f); err != nil {
			wrong = append(wrong, err.Error())
		}
	}
	pending, err := c.Pending(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, op := range pending {
		wrong = append(wrong, fmt.Sprintf("in flight: %d %s %s %s", op.ID, op.Kind, op.Phase, op.Path))
	}
	return slices.Concat(wrong, p.leftOver(t), p.unknown(t, c))
}

// leftOver are the names in staging and trash.
func (p place) leftOver(t *testing.T) (wrong []string) {
	t.Helper()
	for _, dir := range p.own() {
		names, err := os.ReadDir(dir)
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		for _, name := range names {
			wrong = append(wrong, "left over: "+filepath.Join(dir, name.Name()))
		}
	}
	return wrong
}

func (p place) readable(t *testing.T, c *catalog.Catalog, f file) error {
	t.Helper()
	got, err := os.ReadFile(f.path)
	if p.Leave == catalog.LeaveNothing && os.IsNotExist(err) {
		o, ok, err := c.Object(t.Context(), "h", f.path)
		if err != nil || !ok || o.State != catalog.Released {
			return fmt.Errorf("%s is neither at home nor released: %v %v %s", f.path, err, ok, o.State)
		}
		if got, err = os.ReadFile(filepath.Join(p.Vault, o.Object)); err != nil {
			return err
		}
	} else if err != nil {
		return err
	}
	if !bytes.Equal(got, f.content) {
		return fmt.Errorf("%s has other bytes: %d of them, not %d", f.path, len(got), len(f.content))
	}
	return nil
}

// unknown compares the archive's tree with the catalog, which must know each object once, whole and of the right size.
func (p place) unknown(t *testing.T, c *catalog.Catalog) (wrong []string) {
	t.Helper()
	known, paths := map[string]bool{}, map[string]bool{}
	for o, err := range c.Objects(t.Context(), catalog.Query{Archive: p.Archive, Superseded: true}) {
		if err != nil {
			t.Fatal(err)
		}
		known[o.Object] = true
		if info, err := os.Lstat(filepath.Join(p.Vault, o.Object)); err != nil || info.Size() != o.Size {
			wrong = append(wrong, fmt.Sprintf("the catalog names %s: %v", o.Object, err))
		}
		if o.State != catalog.Superseded && paths[o.Path] {
			wrong = append(wrong, "doubled in the catalog: "+o.Path)
		}
		paths[o.Path] = paths[o.Path] || o.State != catalog.Superseded
	}
	for _, top := range []string{"data", "versions"} {
		err := filepath.WalkDir(filepath.Join(p.Vault, top), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			if rel := strings.TrimPrefix(path, p.Vault+"/"); !known[rel] {
				wrong = append(wrong, "in the archive, not in the catalog: "+rel)
			}
			return nil
		})
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
	}
	return wrong
}

// home says what is wrong with files that were recalled: content and every attribute.
func home(files []file) (wrong []string) {
	for _, f := range files {
		var st unix.Stat_t
		if err := unix.Lstat(f.path, &st); err != nil {
			wrong = append(wrong, f.path+": "+err.Error())
			continue
		}
		content, err := os.ReadFile(f.path)
		label := make([]byte, 100)
		n, err2 := unix.Lgetxattr(f.path, "user.label", label)
		if err != nil || err2 != nil || st.Mode != syscall.S_IFREG|f.mode || int(st.Uid) != f.uid || int(st.Gid) != f.uid || st.Nlink != 1 ||
			!time.Unix(st.Mtim.Unix()).Equal(f.mtime) || string(label[:max(0, n)]) != f.label || !bytes.Equal(content, f.content) {
			wrong = append(wrong, fmt.Sprintf("%s: %v %v %o %d:%d %d links %v %q %d bytes", f.path, err, err2, st.Mode, st.Uid, st.Gid, st.Nlink,
				time.Unix(st.Mtim.Unix()), label[:max(0, n)], len(content)))
		}
	}
	return wrong
}

// sameFromArchive compares what the archive alone says with the catalog.
func (p place) sameFromArchive(t *testing.T) {
	t.Helper()
	p.sameBut(t, func(archive.Problem) bool { return false })
}

// sameButForTornLines is sameFromArchive after a filesystem gave up in the middle of appends: what it left of them are damaged lines in the
// manifest, whose records were appended again.
func (p place) sameButForTornLines(t *testing.T) {
	t.Helper()
	p.sameBut(t, func(problem archive.Problem) bool { return problem.Line > 0 })
}

func (p place) sameBut(t *testing.T, expected func(archive.Problem) bool) {
	t.Helper()
	a, err := archive.OpenForReading(fsys.Host{}, p.Vault, p.Archive)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	objects, _, _, problems, err := a.Rebuild(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, problem := range problems {
		if !expected(problem) {
			t.Error("rebuild:", problem)
		}
	}
	c, done := p.openCatalog(t)
	defer done()
	states := map[string]string{}
	for o, err := range c.Objects(t.Context(), catalog.Query{Archive: p.Archive, Superseded: true}) {
		if err != nil {
			t.Fatal(err)
		}
		states[o.Object] = fmt.Sprint(o.State, " ", o.Version, " ", o.Size, " ", o.Digest)
	}
	for _, o := range objects {
		got := fmt.Sprint(o.State, " ", o.Version, " ", o.Size, " ", o.Digest)
		if want := states[o.Object]; got != want {
			t.Errorf("%s: the archive says %s, the catalog %s", o.Object, got, want)
		}
		delete(states, o.Object)
	}
	for object, state := range states {
		t.Errorf("%s: the archive says nothing, the catalog %s", object, state)
	}
}

// finishes says what is wrong with what comes after an interruption: recovery, the next run, a recall.
func (p place) finishes(t *testing.T, what string, files []file, recallable string) {
	t.Helper()
	p.here(t, "recover")
	if wrong := p.settled(t, files); wrong != nil {
		t.Fatalf("%s, recovered:\n%s", what, strings.Join(wrong, "\n"))
	}
	if a := p.here(t, "run"); len(a.Run.Failed)+len(a.Run.Skipped)+len(a.Run.Recovered) > 0 {
		t.Fatalf("%s: the next run: %s", what, a)
	}
	if wrong := p.settled(t, files); wrong != nil {
		t.Fatalf("%s, run again:\n%s", what, strings.Join(wrong, "\n"))
	}
	for _, f := range files {
		if info, err := os.Lstat(f.path); err == nil && info.Mode().IsRegular() {
			t.Fatalf("%s: %s was not released", what, f.path)
		}
	}
	if recallable == "" {
		return
	}
	if a := p.here(t, "recall", recallable); len(a.Recall.Failed)+len(a.Recall.Skipped) > 0 || a.Recall.Files != int64(len(files)) {
		t.Fatalf("%s: recall: %s", what, a)
	}
	if wrong := slices.Concat(home(files), p.settled(t, files)); wrong != nil {
		t.Fatalf("%s, recalled:\n%s", what, strings.Join(wrong, "\n"))
	}
}

// forget removes a tree at home, so that the next runs are about others.
func (p place) forget(t *testing.T, dir string) {
	t.Helper()
	if err := os.RemoveAll(filepath.Join(p.Volume, dir)); err != nil {
		t.Fatal(err)
	}
}
