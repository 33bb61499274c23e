package archive

import (
	"crypto/rand"
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/tidemark/tidemark/internal/fsys"
)

//go:embed readme.txt
var readme []byte

// Init makes an archive of a directory: its layout, and its marker last, so that after a crash Init can simply be called again.
// It finds out what the filesystem can do by doing it. The directory must exist, belong to root, and be writable for nobody
// else; files that are in it already stay untouched. ErrInitialised: it is an archive already.
func Init(filesystem fsys.FS, path, name, host string, now time.Time) (*Archive, error) {
	if name == "" {
		return nil, errors.New("an archive needs a name")
	}
	if err := ValidHost(host); err != nil {
		return nil, err
	}
	root, err := filesystem.OpenRoot(path)
	if err != nil {
		return nil, fmt.Errorf("archive %q: %w: make the directory, or mount it, first", name, err)
	}
	a, err := initialise(filesystem, root, path, name, host, now)
	if err != nil {
		root.Close()
		return nil, fmt.Errorf("initialise archive %q at %s: %w", name, path, err)
	}
	return a, nil
}

func initialise(filesystem fsys.FS, root fsys.Dir, path, name, host string, now time.Time) (*Archive, error) {
	if err := mayBecome(root); err != nil {
		return nil, err
	}
	dir, err := makeDir(root, own, 0o700)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	lock, err := dir.Lock(lockAt)
	if err != nil {
		return nil, err
	}
	defer lock.Close()
	if err := mayBecome(root); err != nil { // another init may have been faster
		return nil, err
	}
	stage, err := makeLayout(root, dir)
	if err != nil {
		return nil, err
	}
	defer stage.Close()
	can, err := probe(stage)
	if err != nil {
		return nil, fmt.Errorf("probe the filesystem: %w", err)
	}
	marker := Marker{version, newID(), name, host, now.UTC(), can}
	if err := writeDurably(stage, markerAt, dir, marker.text(), 0o600); err != nil {
		return nil, fmt.Errorf("write the marker: %w", err)
	}
	return open(filesystem, root, path, name)
}

// mayBecome says why a directory can't become an archive.
func mayBecome(root fsys.Dir) error {
	marker, err := readMarker(root)
	switch {
	case err == nil:
		return fmt.Errorf("it is %w: %q (%s), made on %s", ErrInitialised, marker.Name, marker.ID, marker.Created.Format(time.DateOnly))
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	info, err := root.Stat()
	switch {
	case err != nil:
		return err
	case !info.IsDir():
		return errors.New("it is no directory")
	case info.UID != 0:
		return fmt.Errorf("it belongs to user %d: an archive must belong to root (chown root)", info.UID)
	case info.Mode&0o022 != 0:
		return fmt.Errorf("others than root may write to it (mode %04o): chmod go-w", info.Permissions())
	}
	for _, name := range []string{data, versions, own + "/" + manifests} {
		if err := mustBeEmpty(root, name); err != nil {
			return err
		}
	}
	return nil
}

// mustBeEmpty refuses what may be an archive that lost its marker.
func mustBeEmpty(root fsys.Dir, name string) error {
	dir, err := root.OpenDir(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer dir.Close()
	names, err := dir.Names()
	if err == nil && len(names) > 0 {
		err = fmt.Errorf("%s is there already, but no marker: if this was an archive put %s/%s back, else move %s away", name, own, markerAt, name)
	}
	return err
}

// makeLayout makes the directories and the README, durably, and opens staging.
func makeLayout(root, dir fsys.Dir) (fsys.Dir, error) {
	for _, d := range []struct {
		in   fsys.Dir
		name string
		mode uint32
	}{{dir, manifests, 0o700}, {root, data, 0o755}, {root, versions, 0o755}} {
		made, err := makeDir(d.in, d.name, d.mode)
		if err != nil {
			return nil, err
		}
		if err := errors.Join(made.Sync(), made.Close()); err != nil {
			return nil, err
		}
	}
	stage, err := makeDir(dir, staging, 0o700)
	if err != nil {
		return nil, err
	}
	err = writeReadme(stage, root)
	if err == nil {
		err = errors.Join(stage.Sync(), dir.Sync(), root.Sync())
	}
	if err != nil {
		stage.Close()
		return nil, err
	}
	return stage, nil
}

// writeReadme leaves alone what has that name already: it may be the administrator's.
func writeReadme(stage, root fsys.Dir) error {
	_, err := root.StatName(readmeAt)
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return writeDurably(stage, readmeAt, root, readme, 0o644)
}

// writeDurably makes a file in a directory: it is there as a whole or not at all.
func writeDurably(stage fsys.Dir, name string, to fsys.Dir, text []byte, mode uint32) error {
	if err := stage.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err // what a crash left
	}
	file, err := stage.Create(name, mode)
	if err != nil {
		return err
	}
	_, err = file.WriteAt(text, 0)
	if err == nil {
		err = file.Chown(0, 0)
	}
	if err == nil {
		err = file.Chmod(mode)
	}
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return errors.Join(err, stage.Remove(name))
	}
	if err := stage.Rename(name, to, name, fsys.Replace); err != nil {
		return errors.Join(err, stage.Remove(name))
	}
	return to.Sync()
}

// makeDir makes a directory of root's that nobody else may write to, or opens and corrects the one that is there.
func makeDir(in fsys.Dir, name string, mode uint32) (fsys.Dir, error) {
	if err := in.Mkdir(name, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	dir, err := in.OpenDir(name)
	if err != nil {
		return nil, err
	}
	if err := setAccess(dir, access{mode: mode}); err != nil {
		dir.Close()
		return nil, err
	}
	return dir, nil
}

// newID is a random UUID (version 4).
func newID() string {
	var b [16]byte
	rand.Read(b[:])
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
