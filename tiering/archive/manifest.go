package archive

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tidemark/tidemark/internal/fsys"
)

const (
	lockAt     = "lock" // in .tidemark: held to append, and to initialise
	manifestOf = ".jsonl"
)

// manifest is the files that were appended to and not yet synced. They stay open until then, as a write error is told to
// those who had the file open.
type manifest struct {
	mu      sync.Mutex
	written map[string]fsys.File // by host
	created bool                 // a file was made: the directory must be synced too
	sound   map[string]bool      // by host: what is there was synced by us, to its end
}

func (m *manifest) close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, f := range m.written {
		f.Close()
	}
	m.written = nil
}

// Append writes records at the end of the manifests of their hosts, with one write for each host; before them those of the
// directories that ObjectDir has met since. Nothing is durable before Sync. Records may be appended again: after an error the
// whole batch should be.
func (a *Archive) Append(ctx context.Context, records []Record) error {
	if len(records) == 0 {
		return nil
	}
	directories := a.takeDirectories()
	for i := range directories {
		directories[i].Time = records[0].Time
	}
	text, err := lines(slices.Concat(directories, records))
	if err == nil {
		err = a.appendText(ctx, text)
	}
	if err != nil {
		a.giveBack(directories)
		return fmt.Errorf("append to the manifest of archive %q: %w", a.Name, err)
	}
	return nil
}

// lines are records as text, by host.
func lines(records []Record) (map[string][]byte, error) {
	text := map[string][]byte{}
	for _, r := range records {
		if err := ValidHost(r.Host); err != nil {
			return nil, err
		}
		var err error
		if text[r.Host], err = appendLine(text[r.Host], r); err != nil {
			return nil, err
		}
	}
	return text, nil
}

func (a *Archive) appendText(ctx context.Context, text map[string][]byte) error {
	a.manifest.mu.Lock()
	defer a.manifest.mu.Unlock()
	lock, err := a.lock(ctx)
	if err != nil {
		return err
	}
	defer lock.Close()
	for _, host := range slices.Sorted(maps.Keys(text)) {
		file, err := a.manifestToWrite(host)
		if err != nil {
			return err
		}
		sound := a.manifest.sound[host]
		delete(a.manifest.sound, host)
		if err := appendToEnd(file, text[host], sound); err != nil {
			return err
		}
	}
	return nil
}

// lock takes the archive's lock, which is held for the time of one append; others wait.
func (a *Archive) lock(ctx context.Context) (io.Closer, error) {
	dir, err := a.Root.OpenDir(own)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	for wait := time.Millisecond; ; wait = min(2*wait, 50*time.Millisecond) {
		lock, err := dir.Lock(lockAt)
		if !errors.Is(err, fsys.ErrLocked) {
			return lock, err
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for the lock of the archive: %w", context.Cause(ctx))
		case <-time.After(wait):
		}
	}
}

// manifestToWrite is the open file of a host.
func (a *Archive) manifestToWrite(host string) (fsys.File, error) {
	if file, ok := a.manifest.written[host]; ok {
		return file, nil
	}
	dir, err := a.Root.OpenDir(own + "/" + manifests)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	file, err := dir.OpenReadWrite(host + manifestOf)
	if errors.Is(err, fs.ErrNotExist) {
		file, err = dir.Create(host+manifestOf, 0o600)
		a.manifest.created = true
	}
	if err != nil {
		return nil, err
	}
	if a.manifest.written == nil {
		a.manifest.written = map[string]fsys.File{}
	}
	a.manifest.written[host] = file
	return file, nil
}

// appendToEnd begins on a new line where a write was cut off, or may have been: after a sync that failed the end may look sound and
// not be on the medium. What is there is never changed.
func appendToEnd(file fsys.File, text []byte, sound bool) error {
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if info.Size > 0 && !sound {
		text = append([]byte{'\n'}, text...)
	} else if info.Size > 0 {
		var last [1]byte
		if _, err := file.ReadAt(last[:], info.Size-1); err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if last[0] != '\n' {
			text = append([]byte{'\n'}, text...)
		}
	}
	_, err = file.WriteAt(text, info.Size)
	return err
}

// Sync makes durable what Append wrote, and the directories that ObjectDir made or changed. After an error nothing that was
// appended since the last Sync counts as written: append it again.
func (a *Archive) Sync(ctx context.Context) error {
	if err := a.syncDirs(ctx); err != nil {
		return fmt.Errorf("archive %q: %w", a.Name, err)
	}
	a.manifest.mu.Lock()
	defer a.manifest.mu.Unlock()
	for _, host := range slices.Sorted(maps.Keys(a.manifest.written)) {
		file := a.manifest.written[host]
		delete(a.manifest.written, host) // also after an error: the next sync of this one would succeed and prove nothing
		if err := errors.Join(file.Sync(), file.Close()); err != nil {
			return fmt.Errorf("archive %q: sync the manifest of %s: %w", a.Name, host, err)
		}
		if a.manifest.sound == nil {
			a.manifest.sound = map[string]bool{}
		}
		a.manifest.sound[host] = true
	}
	if !a.manifest.created {
		return nil
	}
	dir, err := a.Root.OpenDir(own + "/" + manifests)
	if err == nil {
		err = errors.Join(dir.Sync(), dir.Close())
	}
	if err != nil {
		return fmt.Errorf("archive %q: sync the manifests: %w", a.Name, err)
	}
	a.manifest.created = false
	return nil
}

// Hosts are those that have a manifest, sorted.
func (a *Archive) Hosts() ([]string, error) {
	dir, err := a.Root.OpenDir(own + "/" + manifests)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	names, err := dir.Names()
	var hosts []string
	for _, name := range names {
		if host, ok := strings.CutSuffix(name, manifestOf); ok && ValidHost(host) == nil {
			hosts = append(hosts, host)
		}
	}
	return hosts, err
}

// Damage is a line of a manifest that can't be read. The lines after it can.
type Damage struct {
	Host string
	Line int64 // from 1
	// Last says that it is the last line and has no end: a write that a crash interrupted, and that nothing was built upon.
	Last bool
	Err  error
}

func (d *Damage) Error() string {
	return fmt.Sprintf("line %d of the manifest of %s: %v", d.Line, d.Host, d.Err)
}

// Unwrap is the cause.
func (d *Damage) Unwrap() error { return d.Err }

// Records reads a host's manifest from its beginning. A line that is damaged comes as a *Damage, and reading goes on; any other
// error is the last. Without a manifest there are no records.
func (a *Archive) Records(ctx context.Context, host string) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		file, err := a.manifestToRead(host)
		if errors.Is(err, fs.ErrNotExist) {
			return
		}
		if err != nil {
			yield(Record{}, err)
			return
		}
		defer file.Close()
		info, err := file.Stat()
		if err != nil {
			yield(Record{}, err)
			return
		}
		readRecords(ctx, io.NewSectionReader(file, 0, info.Size), host, yield)
	}
}

func (a *Archive) manifestToRead(host string) (fsys.File, error) {
	if err := ValidHost(host); err != nil {
		return nil, err
	}
	dir, err := a.Root.OpenDir(own + "/" + manifests)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	return dir.Open(host + manifestOf)
}

// readRecords yields each line of a manifest.
func readRecords(ctx context.Context, from io.Reader, host string, yield func(Record, error) bool) {
	in := bufio.NewReaderSize(from, 1<<20)
	for number := int64(1); ; number++ {
		text, ended, err := readLine(in)
		if err == nil {
			err = ctx.Err()
		}
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			yield(Record{}, fmt.Errorf("read the manifest of %s: %w", host, err))
			return
		}
		if len(text) == 0 && ended {
			continue // a write began on a new line
		}
		record, err := parseLine(text)
		if err != nil {
			err = &Damage{host, number, !ended, err}
		}
		if !yield(record, err) {
			return
		}
	}
}

// readLine reads a line without its newline, and says whether it had one. Of a line that is too long it gives the beginning.
// io.EOF: there is none. The line is valid until the next call.
func readLine(in *bufio.Reader) (text []byte, ended bool, err error) {
	var long []byte
	for {
		part, err := in.ReadSlice('\n')
		full := errors.Is(err, bufio.ErrBufferFull)
		if err != nil && !full && !errors.Is(err, io.EOF) {
			return nil, false, err
		}
		if long == nil && !full {
			text = part
		} else {
			long = append(long, part[:min(len(part), mostLine-len(long))]...)
			text = long
		}
		if full {
			continue
		}
		if len(text) == 0 && err != nil {
			return nil, false, io.EOF
		}
		return bytes.TrimSuffix(text, []byte("\n")), err == nil, nil
	}
}

// LastOperation is the highest operation id near the end of a host's manifest, 0 without any. A catalog that knows only lower
// ones is stale. Only the end of the manifest is read: ids rise, but for the few in flight at once.
func (a *Archive) LastOperation(host string) (int64, error) {
	file, err := a.manifestToRead(host)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return 0, err
	}
	for size := int64(1 << 20); ; size *= 8 {
		start := max(0, info.Size-size)
		last := int64(0)
		readRecords(context.Background(), io.NewSectionReader(file, start, info.Size-start), host, func(r Record, e error) bool {
			if damage := (*Damage)(nil); e != nil && !errors.As(e, &damage) {
				err = e
			}
			last = max(last, r.Op)
			return true
		})
		if err != nil || last > 0 || start == 0 {
			return last, err
		}
	}
}
