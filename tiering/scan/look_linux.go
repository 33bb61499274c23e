package scan

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/tidemark/tidemark/tiering/policy"
)

// Looker looks at single files of a volume by the rules of a walk: it follows no symlink below the volume and leaves no mount. It is for
// one goroutine. Files in the order of their directories are found fastest: the last directory stays open.
type Looker struct {
	volume string
	worker worker
	dir    string // that worker.fd has open; "": none
}

// NewLooker opens a volume: a mount point, or a directory on one.
func NewLooker(volume string) (*Looker, error) {
	volume = filepath.Clean(volume)
	w := &walk{opt: Options{Path: volume, OpenDirectories: 1}}
	w.wake.L = &w.mu
	if _, err := w.begin(); err != nil {
		return nil, fmt.Errorf("look at files: %w", err)
	}
	return &Looker{volume: volume, worker: worker{walk: w, fd: -1}}, nil
}

// Close closes it.
func (l *Looker) Close() error {
	l.leave()
	l.worker.finish()
	return nil
}

// Look gives the facts of what is at an absolute path, which must be below the volume. They are good until the next call, the
// reading of attributes included. fs.ErrNotExist: there is nothing, or no way without symlinks, any more.
func (l *Looker) Look(path string) (*policy.File, error) {
	if filepath.Clean(path) != path { // ".." would lead out
		return nil, l.failed(path, errors.New("is no plain path"))
	}
	f := policy.FileAt(path, l.worker.batch[0].Info)
	if err := l.enter(f.Dir); err != nil {
		return nil, l.failed(path, err)
	}
	if err := l.worker.stat(append([]byte(f.Name), 0)); err != nil {
		return nil, l.failed(path, err)
	}
	if about := &l.worker.about; l.worker.mount != 0 && about.Mnt_id != l.worker.mount {
		return nil, l.failed(path, unix.EXDEV)
	}
	setInfo(&f.Info, &l.worker.about)
	f.Xattr = func(name string) (string, error) { return l.worker.xattr(f, name) }
	return f, nil
}

func (l *Looker) failed(path string, err error) error {
	if isGone(err) {
		err = fs.ErrNotExist
	} else if errors.Is(err, unix.EXDEV) {
		err = errors.New("is on another mount or subvolume")
	}
	return &fs.PathError{Op: "look at", Path: path, Err: err}
}

// enter opens a directory, a component at a time, so that its path may be of any length.
func (l *Looker) enter(dir string) error {
	if l.dir == dir {
		return nil
	}
	below, ok := strings.CutPrefix(dir, l.volume)
	if !ok || below != "" && below[0] != '/' && l.volume != "/" {
		return fmt.Errorf("is not below %s", l.volume)
	}
	l.leave()
	fd, err := openBelow(l.worker.root.fd, []byte(".\x00"))
	for name := range strings.SplitSeq(below, "/") {
		if err != nil {
			return err
		}
		if name == "" {
			continue
		}
		var next int
		next, err = openBelow(fd, append([]byte(name), 0))
		unix.Close(fd)
		fd = next
	}
	if err != nil {
		return err
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil || st.Dev != l.worker.root.dev {
		unix.Close(fd)
		return errors.Join(err, unix.EXDEV)
	}
	l.dir, l.worker.fd = dir, fd
	return nil
}

func (l *Looker) leave() {
	if l.dir != "" {
		unix.Close(l.worker.fd)
		l.dir, l.worker.fd = "", -1
	}
}
