// Package mover takes the steps that move files: archive (copy, verify, publish), release (free the space at home), recall
// (bring back), mend (replace a bad object) and recovery of whatever was interrupted. docs/crash-safety.md describes the steps and
// what recovery does at each.
//
// Every filesystem call goes through fsys, every state through the Catalog; a step is journaled before it is taken. At every
// instant at least one complete, verified copy of every file has a name that the catalog or the directory knows.
//
// One Mover serves one policy's volume and one archive, and holds the volume's lock. Its methods take a batch of files each,
// so that the cost of a commit and of a sync is shared; different batches may run at once. A file that cannot be
// moved is a Result with its reason and stops nothing.
package mover

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tidemark/tidemark/internal/fsys"
	"github.com/tidemark/tidemark/tiering/archive"
	"github.com/tidemark/tidemark/tiering/catalog"
)

// Catalog is what is where, and the journal. Every method is durable when it returns, and all or nothing.
type Catalog interface {
	Begin(ctx context.Context, ops []*catalog.Operation) error
	Advance(ctx context.Context, ops []*catalog.Operation) error
	Drop(ctx context.Context, ops []*catalog.Operation) error
	Pending(ctx context.Context) ([]catalog.Operation, error)
	NextVersion(ctx context.Context, archive, host, path string) (int, error)
	ObjectByID(ctx context.Context, id int64) (catalog.Object, bool, error)
	CommitArchived(ctx context.Context, who catalog.Actor, now time.Time, ops []*catalog.Operation, reasons []string) ([]catalog.Object, error)
	CommitReleased(ctx context.Context, who catalog.Actor, now time.Time, ops []*catalog.Operation, reasons []string) error
	CommitPurged(ctx context.Context, now time.Time, ops []*catalog.Operation) error
	CommitRestored(ctx context.Context, who catalog.Actor, now time.Time, op *catalog.Operation, reason string, home fsys.Info) error
	CommitRecalled(ctx context.Context, who catalog.Actor, now time.Time, ops []*catalog.Operation) error
	CommitMended(ctx context.Context, who catalog.Actor, now time.Time, op *catalog.Operation, reason string) (catalog.Object, error)
}

// Options are what a Mover stands on. FS, Catalog, Archive, Host, Volume, Now and Sleep are required.
type Options struct {
	FS      fsys.FS
	Catalog Catalog
	Archive *archive.Archive
	Host    string
	Volume  string // the policy's volume: the directory that holds .tidemark
	Policy  string
	Run     int64
	Actor   catalog.Actor
	Leave   catalog.Leave
	// MinFree is the share of the archive that must stay free, within [0, 1).
	MinFree float64
	// Held looks a path up among the holds as they are now. It is asked again before every destructive step.
	Held func(ctx context.Context, path string) (catalog.Hold, bool, error)
	Now  func() time.Time
	// Sleep waits, or returns the context's error.
	Sleep func(ctx context.Context, d time.Duration) error
	// Pace is called for every n bytes copied or read back and may wait. nil: never.
	Pace func(ctx context.Context, n int) error
	// Progress is told of bytes that were copied or read back, from any goroutine. nil: nobody.
	Progress func(bytes int64)

	buffer int // bytes of a copy's step; 0: bufferSize. Tests make it small.
}

// Settle is how long a lease is held after a file went to the trash before the file is purged: a writer that had resolved its path
// before the exchange needs that long to come.
const Settle = 2 * time.Second

// Mover moves the files of one volume to one archive and back.
type Mover struct {
	opt     Options
	volume  fsys.Dir // the volume itself
	private fsys.Dir // its .tidemark
	trash   fsys.Dir
	staging fsys.Dir // for recalls
	lock    io.Closer
	vault   fsys.Dir // the archive's staging
	buffers sync.Pool
}

// Result is what became of one file.
type Result struct {
	Path string
	// Skipped is why the file was left alone: nothing is wrong with it that the next run could not find different.
	Skipped string
	// Err is what failed. The file is where it was, or (in a release or recall) both copies are kept and the error says where.
	Err error
	// Stopped says that the run ended before the file's turn came, or in the middle of it; nothing is wrong with it.
	Stopped bool
	Object  catalog.Object
	Bytes   int64 // archive and recall: its size; release: what was freed, as allocated
}

// Done says that the file was moved.
func (r Result) Done() bool { return r.Err == nil && r.Skipped == "" && !r.Stopped }

// skip is an error that is a reason to leave a file alone.
type skip string

func (s skip) Error() string { return string(s) }

func skipf(format string, args ...any) error { return skip(fmt.Sprintf(format, args...)) }

func (r *Result) set(err error) {
	var s skip
	switch {
	case err == nil:
	case errors.As(err, &s):
		r.Skipped = s.Error()
	default:
		r.Err = err
	}
}

// buffer is for one copy or comparison.
const bufferSize = 1 << 20

// New takes the volume's lock (fsys.ErrLocked: another engine has it) and opens its private directories, making them where they
// are missing.
func New(o Options) (*Mover, error) {
	m := &Mover{opt: o}
	m.buffers.New = func() any { b := make([]byte, cmp.Or(o.buffer, bufferSize)); return &b }
	if err := m.open(); err != nil {
		return nil, errors.Join(err, m.Close())
	}
	return m, nil
}

func (m *Mover) open() (err error) {
	if m.volume, err = m.opt.FS.OpenRoot(m.opt.Volume); err != nil {
		return fmt.Errorf("open volume: %w", err)
	}
	if m.private, err = ownDir(m.volume, PrivateDir); err != nil {
		return fmt.Errorf("volume %s: %w", m.opt.Volume, err)
	}
	if m.lock, err = m.private.Lock("lock"); err != nil {
		return fmt.Errorf("volume %s: %w", m.opt.Volume, err)
	}
	if m.trash, err = ownDir(m.private, "trash"); err != nil {
		return fmt.Errorf("volume %s: %w", m.opt.Volume, err)
	}
	if m.staging, err = ownDir(m.private, "staging"); err != nil {
		return fmt.Errorf("volume %s: %w", m.opt.Volume, err)
	}
	if m.vault, err = m.opt.Archive.Staging(); err != nil {
		return fmt.Errorf("archive %s: %w", m.opt.Archive.Name, err)
	}
	return nil
}

// Close gives the lock back.
func (m *Mover) Close() error {
	var errs []error
	for _, c := range []io.Closer{m.trash, m.staging, m.vault, m.lock, m.private, m.volume} {
		if c != nil && c != fsys.Dir(nil) {
			errs = append(errs, c.Close())
		}
	}
	return errors.Join(errs...)
}

// waiting is the lock that somebody holds who waits for the volume's.
const waiting = "waiting"

// Await says to whoever has the volume's lock that somebody waits for it, until it is closed. Errors are of no account: then nobody
// gives way.
func Await(filesystem fsys.FS, volume string) io.Closer {
	dir, err := filesystem.OpenRoot(path.Join(volume, PrivateDir))
	if err != nil {
		return nothing{}
	}
	defer dir.Close()
	lock, err := dir.Lock(waiting)
	if err != nil {
		return nothing{}
	}
	return lock
}

type nothing struct{}

func (nothing) Close() error { return nil }

// Awaited says that somebody waits for the volume.
func (m *Mover) Awaited() bool {
	lock, err := m.private.Lock(waiting)
	if err == nil {
		lock.Close()
	}
	return errors.Is(err, fsys.ErrLocked)
}

// SetRun says to which run what follows belongs.
func (m *Mover) SetRun(id int64) { m.opt.Run = id }

// PrivateDir is ours on every volume and archive: trash, staging, the lock. Scans leave it out.
const PrivateDir = ".tidemark"

// ownDir opens a directory that nobody else can look into, and makes it where it is missing. One that somebody else put there
// is refused: whoever owns it could take files out of it.
func ownDir(parent fsys.Dir, name string) (fsys.Dir, error) {
	err := parent.Mkdir(name, 0o700)
	made := err == nil
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	dir, err := parent.OpenDir(name)
	if err != nil {
		return nil, err
	}
	info, err := dir.Stat()
	if err == nil && (info.UID != uint32(os.Geteuid()) || info.Permissions()&0o077 != 0) {
		err = fmt.Errorf("%s belongs to uid %d with mode %04o: it must be this user's alone (0700); look what it is, and move it away",
			name, info.UID, info.Permissions())
	}
	if err == nil && made {
		err = parent.Sync()
	}
	if err != nil {
		return nil, errors.Join(err, dir.Close())
	}
	return dir, nil
}

// homes opens the home directories of a batch, each once.
type homes struct {
	m    *Mover
	dirs map[string]fsys.Dir
	// above are the directories on the way to one of dirs, each looked at while it was gone through: what may be seen by whom was
	// so when the file was opened, whatever has taken a name since.
	above map[string]map[string]fsys.Attributes
	lost  map[archive.Directory]fsys.Attributes // of directories that a recall makes anew; nil: not asked yet
}

func (m *Mover) homes() *homes {
	return &homes{m: m, dirs: map[string]fsys.Dir{}, above: map[string]map[string]fsys.Attributes{}}
}

func (h *homes) close() {
	for _, parent := range slices.Sorted(maps.Keys(h.dirs)) {
		h.dirs[parent].Close() // nothing was written through it that a close could lose
	}
}

// of opens the directory that holds a file, below the volume, and says the file's name in it.
func (h *homes) of(file string) (fsys.Dir, string, error) {
	parent, name := path.Split(file)
	parent = strings.TrimSuffix(parent, "/")
	if d, ok := h.dirs[parent]; ok {
		return d, name, nil
	}
	rel, ok := h.m.below(parent)
	if !ok {
		return nil, "", fmt.Errorf("%s is not on volume %s", file, h.m.opt.Volume)
	}
	d, err := h.m.volume.OpenDir(rel)
	if err != nil {
		return nil, "", err
	}
	h.dirs[parent] = d
	return d, name, nil
}

// walk is of, one directory after the other.
func (h *homes) walk(file string) (fsys.Dir, string, error) {
	parent, name := path.Split(file)
	parent = strings.TrimSuffix(parent, "/")
	if h.above[parent] != nil {
		return h.dirs[parent], name, nil
	}
	rel, ok := h.m.below(parent)
	if !ok {
		return nil, "", fmt.Errorf("%s is not on volume %s", file, h.m.opt.Volume)
	}
	full, above := strings.TrimSuffix(h.m.opt.Volume, "/"), map[string]fsys.Attributes{}
	at, err := h.m.volume.OpenDir(".")
	if err == nil {
		above[path.Clean("/"+full)], err = seen(at)
	}
	for part := range strings.SplitSeq(rel, "/") {
		if err != nil || part == "." {
			break
		}
		var next fsys.Dir
		if next, err = at.OpenDir(part); err != nil {
			break
		}
		at.Close()
		at, full = next, full+"/"+part
		above[full], err = seen(at)
	}
	if err != nil {
		if at != nil {
			at.Close()
		}
		return nil, "", err
	}
	if d := h.dirs[parent]; d != nil {
		d.Close()
	}
	h.dirs[parent], h.above[parent] = at, above
	return at, name, nil
}

// seen are the attributes and the identity of an open directory.
func seen(d fsys.Dir) (fsys.Attributes, error) {
	a, info, err := fsys.ReadAttributes(d)
	if err != nil {
		return a, err
	}
	a.Identity, err = fsys.Identity(d, info)
	return a, err
}

// sync makes the names in all directories of the batch durable.
func (h *homes) sync() error {
	var errs []error
	for _, parent := range slices.Sorted(maps.Keys(h.dirs)) {
		errs = append(errs, h.dirs[parent].Sync())
	}
	return errors.Join(errs...)
}

// below is an absolute directory relative to the volume.
func (m *Mover) below(dir string) (string, bool) {
	root := strings.TrimSuffix(m.opt.Volume, "/")
	if dir == root {
		return ".", true
	}
	return strings.CutPrefix(dir, root+"/")
}

// held is an error when a hold covers the path.
func (m *Mover) held(ctx context.Context, file string) error {
	if m.opt.Held == nil {
		return nil
	}
	h, held, err := m.opt.Held(ctx, file)
	if err != nil {
		return fmt.Errorf("look up the holds: %w", err)
	}
	if held {
		return skipf("under hold (case %s)", h.Case)
	}
	return nil
}

// moved tells of n bytes, and waits as the pace says.
func (m *Mover) moved(ctx context.Context, n int) error {
	if m.opt.Progress != nil {
		m.opt.Progress(int64(n))
	}
	if m.opt.Pace != nil {
		return m.opt.Pace(ctx, n)
	}
	return ctx.Err()
}

func (m *Mover) buffer() (*[]byte, func()) {
	b := m.buffers.Get().(*[]byte)
	return b, func() { m.buffers.Put(b) }
}

// fileName is an operation's file in staging or trash.
func fileName(op *catalog.Operation) string { return fmt.Sprint(op.ID) }
