// Package archive is one archive volume: a plain tree of plain files that can be read without Tidemark.
//
//	README.txt                     what this is, for people who find it
//	data/HOST/PATH                 the first version of each object
//	versions/N/HOST/PATH           version N, from 2 on
//	.tidemark/archive.json         the marker: which archive this is and what its filesystem can do
//	.tidemark/staging              copies that are not complete
//	.tidemark/manifest/HOST.jsonl  what was done, a record a line: a catalog can be rebuilt from it
//
// Objects are never renamed and never overwritten. Directories belong to root, and read as their directory at home does.
package archive

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"sync"

	"github.com/tidemark/tidemark/internal/fsys"
)

var (
	// ErrNotInitialised says that a directory has no marker: it is no archive, or the archive is not mounted.
	ErrNotInitialised = errors.New("not initialised")
	// ErrInitialised says that a directory is an archive already.
	ErrInitialised = errors.New("an archive already")
	// ErrOther says that a directory is another archive than the one that was asked for.
	ErrOther = errors.New("another archive")
	// ErrNewer says that an archive was made by a newer Tidemark.
	ErrNewer = errors.New("made by a newer version of tidemark")
	// ErrObstructed says that an object of the same version is in the way of a directory: what was a file is a directory now.
	ErrObstructed = errors.New("an object is in the way of a directory")
	// ErrReadOnly says that an archive is on a filesystem that is mounted read-only.
	ErrReadOnly = errors.New("read-only")
)

// Archive is an archive that is open. Its methods may be called from several goroutines.
type Archive struct {
	Root   fsys.Dir
	Path   string // where it was opened
	Name   string // its configured name
	Marker Marker

	fs  fsys.FS
	dev uint64

	mu   sync.Mutex // guards what follows
	dirs directories

	manifest manifest
}

// Open opens an archive to write to it. The directory must have the marker of an archive of that name.
func Open(fs fsys.FS, path, name string) (*Archive, error) {
	a, err := OpenForReading(fs, path, name)
	if err != nil {
		return nil, err
	}
	usage, err := a.Root.StatFS()
	if err == nil && usage.ReadOnly {
		err = fmt.Errorf("archive %q at %s: %w: mount it for writing", name, path, ErrReadOnly)
	}
	if err != nil {
		a.Close()
		return nil, err
	}
	return a, nil
}

// OpenForReading is Open where nothing will be written: a read-only mount will do.
func OpenForReading(filesystem fsys.FS, path, name string) (*Archive, error) {
	root, err := filesystem.OpenRoot(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("archive %q: no such directory %s: is it mounted? %w", name, path, err)
	}
	if err != nil {
		return nil, fmt.Errorf("archive %q: %w", name, err)
	}
	a, err := open(filesystem, root, path, name)
	if err != nil {
		root.Close()
		return nil, err
	}
	return a, nil
}

func open(filesystem fsys.FS, root fsys.Dir, path, name string) (*Archive, error) {
	info, err := root.Stat()
	if err != nil {
		return nil, fmt.Errorf("archive %q: %w", name, err)
	}
	marker, err := readMarker(root)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%s is %w as archive %q: is it mounted? If it is new, run tidemark archive init %s",
			path, ErrNotInitialised, name, name)
	case err != nil:
		return nil, fmt.Errorf("archive %q at %s: %w", name, path, err)
	case marker.Name != name:
		return nil, fmt.Errorf("%s is %w: %q (%s), not %q: correct the path or the name in the configuration",
			path, ErrOther, marker.Name, marker.ID, name)
	}
	a := &Archive{Root: root, Path: path, Name: name, Marker: marker, fs: filesystem, dev: info.Dev}
	a.dirs.init()
	return a, nil
}

// Close closes the archive and every directory and file that it keeps open.
func (a *Archive) Close() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.dirs.close()
	a.manifest.close()
	return a.Root.Close()
}

// Device is the device of the archive's directory: a volume on the same device is the place that it would relieve.
func (a *Archive) Device() uint64 { return a.dev }

// SameFilesystemAsParent says that the archive is no mount of its own, so that its marker does not show whether anything
// is mounted. It is worth a warning.
func (a *Archive) SameFilesystemAsParent() (bool, error) {
	parent, err := a.fs.OpenRoot(filepath.Dir(filepath.Clean(a.Path)))
	if err != nil {
		return false, err
	}
	defer parent.Close()
	info, err := parent.Stat()
	return err == nil && info.Dev == a.dev, err
}

// Present fails when the archive is there no more: after a lazy unmount, or when its medium is gone, every object would look
// lost.
func (a *Archive) Present() error {
	marker, err := readMarker(a.Root, fsys.File.DropCache)
	if err != nil {
		return fmt.Errorf("archive %q at %s is gone: is it still mounted? %w", a.Name, a.Path, err)
	}
	if marker.ID != a.Marker.ID {
		return fmt.Errorf("archive %q at %s is %w now (%s)", a.Name, a.Path, ErrOther, marker.ID)
	}
	return nil
}

// Staging opens the directory for copies that are not complete. Close it.
func (a *Archive) Staging() (fsys.Dir, error) {
	dir, err := a.Root.OpenDir(own + "/" + staging)
	if err != nil {
		return nil, fmt.Errorf("archive %q: %w", a.Name, err)
	}
	return dir, nil
}
