package scan

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// walk is the state that its workers share.
type walk struct {
	ctx     context.Context
	opt     Options
	visit   Visit
	root    *Directory
	mount   uint64 // its id; 0: the kernel does not say
	stopped atomic.Bool

	mu    sync.Mutex // guards what follows, and the handles of directories
	wake  sync.Cond
	stack []*work
	busy  int // workers that may add to the stack
	idle  atomic.Int32
	open  int // descriptors

	telling sync.Mutex // for Error and Progress
	files   atomic.Int64
	bytes   atomic.Int64
}

// work is what waits for a worker: subdirectories to be read, or entries to be looked at.
type work struct {
	dir     *Directory
	names   []byte // subdirectories of dir, each before a zero byte
	entries []byte // or what getdents said of dir
}

// Walk walks the tree below a path. The error is about the path itself, or ctx's: what cannot be read on the way is told and counted, and
// stops nothing. The result holds what was found until then.
func Walk(ctx context.Context, opt Options, visit Visit) (Result, error) {
	if opt.Workers <= 0 {
		opt.Workers = 2 * runtime.GOMAXPROCS(0)
	}
	if opt.OpenDirectories <= 0 {
		opt.OpenDirectories = 512
	}
	opt.Path = filepath.Clean(opt.Path)
	w := &walk{ctx: ctx, opt: opt, visit: visit}
	w.wake.L = &w.mu
	atimes, err := w.begin()
	if err != nil {
		return Result{}, fmt.Errorf("scan: %w", err)
	}
	defer context.AfterFunc(ctx, w.stop)()
	workers := make([]*worker, opt.Workers)
	var running sync.WaitGroup
	for i := range workers {
		workers[i] = newWorker(w, i)
		running.Go(workers[i].run)
	}
	running.Wait()
	w.finish()
	var result Result
	var read, written Spread
	for _, worker := range workers {
		result.add(&worker.Result)
		read.add(&worker.atimes)
		written.add(&worker.mtimes)
	}
	result.Trust = AtimeTrust(atimes, &read, &written)
	if opt.Progress != nil {
		opt.Progress(result.Files, result.Bytes)
	}
	return result, ctx.Err()
}

// begin opens the first directory.
func (w *walk) begin() (Atimes, error) {
	fd, err := retry(func() (int, error) { return unix.Open(w.opt.Path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0) })
	if err != nil {
		return 0, &fs.PathError{Op: "open", Path: w.opt.Path, Err: err}
	}
	w.root = &Directory{Name: w.opt.Path, handle: handle{fd: fd, waiting: 1}}
	w.open = 1
	var about unix.Statx_t
	var usage unix.Statfs_t
	if err = unix.Statx(fd, "", unix.AT_EMPTY_PATH, unix.STATX_BASIC_STATS|unix.STATX_MNT_ID, &about); err == nil {
		err = unix.Fstatfs(fd, &usage)
	}
	if err == nil {
		err = w.canOpen(fd)
	}
	if err != nil {
		unix.Close(fd)
		return 0, &fs.PathError{Op: "look at", Path: w.opt.Path, Err: err}
	}
	w.root.dev, w.root.ino = device(&about), about.Ino
	if about.Mask&unix.STATX_MNT_ID != 0 {
		w.mount = about.Mnt_id
	}
	w.stack = []*work{{dir: w.root}}
	return atimesOf(&usage), nil
}

func atimesOf(usage *unix.Statfs_t) Atimes {
	switch {
	case usage.Flags&unix.ST_NOATIME != 0:
		return NoAtime
	case usage.Flags&unix.ST_RELATIME != 0:
		return RelAtime
	}
	return StrictAtime
}

// MountTrust is the trust in the atimes of a mount without looking at its files: whether something has read everything is not in it.
func MountTrust(path string) (Trust, error) {
	var usage unix.Statfs_t
	if err := unix.Statfs(path, &usage); err != nil {
		return Trust{}, &fs.PathError{Op: "statfs", Path: path, Err: err}
	}
	return AtimeTrust(atimesOf(&usage), &Spread{}, &Spread{}), nil
}

// canOpen says early what an old kernel lacks.
func (w *walk) canOpen(fd int) error {
	again, err := openBelow(fd, []byte(".\x00"))
	if err == nil {
		return unix.Close(again)
	}
	if errors.Is(err, unix.ENOSYS) {
		return errors.New("walking needs openat2, which Linux has since 5.6")
	}
	return err
}

func (w *walk) stop() {
	w.stopped.Store(true)
	w.mu.Lock()
	w.wake.Broadcast()
	w.mu.Unlock()
}

// finish closes the first directory, and what a stop has left open.
func (w *walk) finish() {
	unix.Close(w.root.fd)
	w.root.fd = -1
	for _, left := range w.stack {
		if left.dir.fd >= 0 {
			unix.Close(left.dir.fd)
			left.dir.fd = -1
		}
	}
}

// push adds work about a directory that is in use.
func (w *walk) push(add *work) {
	w.mu.Lock()
	add.dir.waiting++
	w.stack = append(w.stack, add)
	w.wake.Signal()
	w.mu.Unlock()
}

// next is the work that was added last, one subdirectory of it, or nil when all is done. The caller uses its directory until
// it calls done.
func (w *walk) next() (take work, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(w.stack) == 0 && w.busy > 0 && !w.stopped.Load() {
		w.idle.Add(1)
		w.wake.Wait()
		w.idle.Add(-1)
	}
	if w.ctx.Err() != nil { // the call of stop may be late
		w.stopped.Store(true)
	}
	if len(w.stack) == 0 || w.stopped.Load() {
		w.wake.Broadcast()
		return work{}, false
	}
	w.busy++
	top := w.stack[len(w.stack)-1]
	top.dir.using++
	if top.names != nil {
		length := bytes.IndexByte(top.names, 0) + 1
		take = work{dir: top.dir, names: top.names[:length:length]}
		if top.names = top.names[length:]; len(top.names) > 0 {
			return take, true
		}
	} else {
		take = *top
	}
	w.stack[len(w.stack)-1] = nil
	w.stack = w.stack[:len(w.stack)-1]
	top.dir.waiting--
	return take, true
}

// done gives a directory back that next, or opening it, has given.
func (w *walk) done(d *Directory, last bool) {
	w.mu.Lock()
	d.using--
	w.drop(d)
	if last {
		if w.busy--; w.busy == 0 {
			w.wake.Broadcast()
		}
	}
	w.mu.Unlock()
}

func (w *walk) tell(path string, err error) {
	if w.opt.Error == nil {
		return
	}
	w.telling.Lock()
	defer w.telling.Unlock()
	w.opt.Error(path, err)
}

// every is how many files lie between two calls of Progress.
const every = 16384

func (w *walk) progress(files, bytes int64) {
	if w.opt.Progress == nil {
		return
	}
	seen, size := w.files.Add(files), w.bytes.Add(bytes)
	if seen/every == (seen-files)/every || !w.telling.TryLock() {
		return
	}
	defer w.telling.Unlock()
	w.opt.Progress(seen, size)
}
