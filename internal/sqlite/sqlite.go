// Package sqlite opens a database file the way all of Tidemark's are kept: durable at every commit, readable while it is
// written, usable by several processes, with a schema that migrates. It is the only importer of the driver.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"syscall"
	"time"

	driver "modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"
)

// ErrCorrupt says that a file is no database, or a damaged one.
var ErrCorrupt = errors.New("not a sound database")

// ErrFull says that there is no space for a change, which was not made; it is an ENOSPC too.
var ErrFull = fmt.Errorf("its filesystem is full: %w", syscall.ENOSPC)

// ErrLocked says that another process held the file for longer than this one waits.
var ErrLocked = fmt.Errorf("another process has been writing to it for more than %v", busyTimeout)

// busyTimeout is how long one process waits for another's transaction.
const busyTimeout = 10 * time.Second

// Option changes how a file is kept. Without any a group may read it, and its cache is small.
type Option func(*options)

type options struct {
	dirMode, fileMode fs.FileMode
	private           bool
	cacheKiB          int
	pragmas           []string
}

// Private keeps a file and its directory to the user who makes them. A file that others may open is narrowed; a
// directory that is there already stays as it is.
func Private() Option {
	return func(o *options) { o.dirMode, o.fileMode, o.private = 0o700, 0o600, true }
}

// CacheKiB is how much of the file a connection keeps in memory.
func CacheKiB(n int) Option {
	return func(o *options) { o.cacheKiB = n }
}

// TempInMemory keeps in memory what SQLite else writes to files while a statement runs: what it needs to undo it, what it sorts.
func TempInMemory() Option {
	return func(o *options) { o.pragmas = append(o.pragmas, "temp_store(MEMORY)") }
}

func optionsOf(opts []Option) options {
	// The modes let a group read: in WAL mode a reader must be able to write the shared-memory file. The directory keeps its group.
	o := options{dirMode: 0o770 | fs.ModeSetgid, fileMode: 0o660, cacheKiB: 2000} // an agent is to stay small
	for _, opt := range opts {
		opt(&o)
	}
	return o
}

// Open opens path for writing, makes it and its directory where they are missing, and brings its schema up to date: schema
// is the list of migrations, each run once, in order, in a transaction of its own. A file with a newer schema is an error.
// A damaged file is ErrCorrupt, one that may not be written fs.ErrPermission.
func Open(ctx context.Context, path string, schema []string, opts ...Option) (*sql.DB, error) {
	o := optionsOf(opts)
	if err := create(path, o); err != nil {
		return nil, err
	}
	// SQLite waits for other processes but where it fears a deadlock: two that turn a new file to WAL at once, for example.
	patience, cancel := context.WithTimeout(ctx, busyTimeout)
	defer cancel()
	for wait := time.Millisecond; ; wait = min(2*wait, time.Second) {
		db, err := openOnce(ctx, path, schema, o)
		if codeOf(err)&0xff != lib.SQLITE_BUSY {
			return db, explain(path, os.O_RDWR, err)
		}
		select {
		case <-patience.Done():
			return nil, explain(path, os.O_RDWR, err)
		case <-time.After(wait):
		}
	}
}

func openOnce(ctx context.Context, path string, schema []string, o options) (*sql.DB, error) {
	db, err := sql.Open("sqlite", dsn(path, o, url.Values{"mode": {"rw"}, "_txlock": {"immediate"}}))
	if err != nil {
		return nil, err
	}
	// One connection writes: SQLite takes one writer at a time, and waiting in Go is fairer than waiting for its lock.
	db.SetMaxOpenConns(1)
	if err := migrate(ctx, db, schema); err != nil {
		db.Close()
		return nil, err
	}
	return db, nil
}

// create makes an empty file, and its directory, where they are missing. A file that is there is not opened: closing it would
// take away the locks that this process may hold on it through SQLite (fcntl(2) says so).
func create(path string, o options) error {
	if err := createDir(filepath.Dir(path), o); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, o.fileMode)
	if errors.Is(err, fs.ErrExist) {
		return narrow(path, o)
	}
	if err != nil {
		return err
	}
	// SQLite gives its other files the mode of this one.
	return errors.Join(f.Chmod(o.fileMode), f.Close())
}

func createDir(dir string, o options) error {
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		return nil // what else is wrong with it shows when the file is opened
	}
	if o.private { // it may stand in a directory that others use
		if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(dir, o.dirMode.Perm()); err != nil {
		return err
	}
	// The mode is set whatever the umask was, but only where it is another: below a setgid directory a new one is setgid
	// already, and a service may be forbidden to set that bit (RestrictSUIDSGID=).
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if info.Mode()&^fs.ModeDir == o.dirMode {
		return nil
	}
	return os.Chmod(dir, o.dirMode)
}

// narrow takes away what others may do with a private file that is there already, and with its companions.
func narrow(path string, o options) error {
	if !o.private {
		return nil
	}
	for _, suffix := range []string{"", "-wal", "-shm"} {
		info, err := os.Lstat(path + suffix)
		if errors.Is(err, fs.ErrNotExist) || err == nil && (!info.Mode().IsRegular() || info.Mode().Perm()&^o.fileMode == 0) {
			continue
		}
		if err == nil {
			err = os.Chmod(path+suffix, info.Mode().Perm()&o.fileMode)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // another process may have closed it for good meanwhile
			return err
		}
	}
	return nil
}

// OpenReadOnly opens an existing file for reading; its schema must be at schemaVersion. A missing file is
// fs.ErrNotExist; one that may not be read, or whose directory may not be written while no writer has it open, is
// fs.ErrPermission. A damaged file is ErrCorrupt.
func OpenReadOnly(ctx context.Context, path string, schemaVersion int, opts ...Option) (*sql.DB, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() { // opening a FIFO would wait for its writer
		return nil, fmt.Errorf("open %s: it is no regular file", path)
	}
	db, err := sql.Open("sqlite", dsn(path, optionsOf(opts), url.Values{"mode": {"ro"}}))
	if err != nil {
		return nil, err
	}
	var version int
	err = db.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version)
	if err == nil && version != schemaVersion {
		err = fmt.Errorf("its schema is version %d, this program reads %d; use the version of tidemark that writes it, or let that agent restart", version, schemaVersion)
	}
	if err != nil {
		db.Close()
		return nil, explain(path, os.O_RDONLY, err)
	}
	return db, nil
}

// explain says what keeps a file from being opened; SQLite names no cause.
func explain(path string, flag int, err error) error {
	switch codeOf(err) & 0xff {
	case lib.SQLITE_READONLY, lib.SQLITE_CANTOPEN, lib.SQLITE_PERM:
		f, cause := os.OpenFile(path, flag, 0)
		if cause != nil {
			return cause
		}
		f.Close()
		return fmt.Errorf("open %s: %w in its directory, where SQLite keeps its -wal and -shm files: %w", path, fs.ErrPermission, err)
	}
	if err != nil {
		return fmt.Errorf("open %s: %w", path, Explain(err))
	}
	return nil
}

// OpenInMemory opens a database that ends with the process.
func OpenInMemory(ctx context.Context, schema []string) (*sql.DB, error) {
	db, err := sql.Open("sqlite", "file::memory:?_pragma=foreign_keys(1)&_pragma=recursive_triggers(1)")
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1) // each connection would be a database of its own
	if err := migrate(ctx, db, schema); err != nil {
		db.Close()
		return nil, fmt.Errorf("open a database in memory: %w", err)
	}
	return db, nil
}

func dsn(path string, o options, params url.Values) string {
	params["_pragma"] = append([]string{
		fmt.Sprintf("busy_timeout(%d)", busyTimeout.Milliseconds()), "foreign_keys(1)", "synchronous(FULL)",
		"recursive_triggers(1)", // a row that REPLACE takes away is deleted for triggers too
		fmt.Sprintf("cache_size(-%d)", o.cacheKiB),
		"journal_size_limit(4194304)",
	}, o.pragmas...)
	if params.Get("mode") == "rw" {
		params["_pragma"] = append(params["_pragma"], "journal_mode(WAL)")
	}
	return (&url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: params.Encode()}).String()
}

func migrate(ctx context.Context, db *sql.DB, schema []string) error {
	for {
		done, err := migrateOne(ctx, db, schema)
		if err != nil || done {
			return err
		}
	}
}

// migrateOne runs the next migration. The version is read within the transaction that writes, so that two processes that
// open a file at once do not both migrate it.
func migrateOne(ctx context.Context, db *sql.DB, schema []string) (done bool, err error) {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return false, err
	}
	defer tx.Rollback()
	var version int
	if err := tx.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
		return false, err
	}
	switch {
	case version > len(schema):
		return false, fmt.Errorf("its schema is version %d, this program knows %d; use the newer version of tidemark that wrote it", version, len(schema))
	case version == len(schema):
		return true, nil
	}
	if _, err := tx.ExecContext(ctx, schema[version]); err != nil {
		return false, fmt.Errorf("migrate the schema to version %d: %w", version+1, err)
	}
	if _, err := tx.ExecContext(ctx, fmt.Sprintf("PRAGMA user_version = %d", version+1)); err != nil {
		return false, err
	}
	return false, tx.Commit()
}

// codeOf is the driver's extended error code, 0 for other errors.
func codeOf(err error) int {
	var e *driver.Error
	if errors.As(err, &e) {
		return e.Code()
	}
	return 0
}

// Explain adds to an error of a statement which of ErrCorrupt, ErrFull and ErrLocked it is, if any.
func Explain(err error) error {
	if codeOf(err) == lib.SQLITE_IOERR_SHMSIZE { // the -shm file could not grow
		return fmt.Errorf("%w: %w", ErrFull, err)
	}
	switch codeOf(err) & 0xff {
	case lib.SQLITE_CORRUPT, lib.SQLITE_NOTADB:
		return fmt.Errorf("%w: %w", ErrCorrupt, err)
	case lib.SQLITE_FULL:
		return fmt.Errorf("%w: %w", ErrFull, err)
	case lib.SQLITE_BUSY:
		return fmt.Errorf("%w: %w", ErrLocked, err)
	}
	return err
}

// Check reads the whole file and says whether it is sound; ErrCorrupt if not.
func Check(ctx context.Context, db *sql.DB) error {
	var verdict string
	if err := db.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&verdict); err != nil {
		return Explain(err)
	}
	if verdict != "ok" {
		return fmt.Errorf("%w: %s", ErrCorrupt, verdict)
	}
	return nil
}

// OpenOrSetAside is Open for what can begin anew: a damaged file, which is read as a whole, is set aside under another name,
// told to log, and a new one begun. what names it for people.
func OpenOrSetAside(ctx context.Context, path, what string, schema []string, now func() time.Time, log *slog.Logger) (*sql.DB, error) {
	db, err := Open(ctx, path, schema)
	if err == nil {
		if err = Check(ctx, db); err != nil {
			db.Close()
		}
	}
	if errors.Is(err, ErrCorrupt) {
		aside, asideErr := SetAside(path, now())
		if asideErr != nil {
			return nil, fmt.Errorf("set the damaged %s aside: %w", what, errors.Join(asideErr, err))
		}
		log.Error("the "+what+" is damaged; it was set aside and a new one begins", "set_aside", aside, "error", err)
		db, err = Open(ctx, path, schema)
	}
	if err != nil {
		return nil, fmt.Errorf("open the %s: %w", what, err)
	}
	return db, nil
}

// SetAside renames a damaged file and its companions, so that a new one can begin and nothing is deleted. It returns the
// new name.
func SetAside(path string, now time.Time) (string, error) {
	aside := fmt.Sprintf("%s.corrupt-%s", path, now.UTC().Format("20060102T150405Z"))
	for n := 2; ; n++ {
		if _, err := os.Lstat(aside); errors.Is(err, fs.ErrNotExist) {
			break
		}
		aside = fmt.Sprintf("%s.corrupt-%s-%d", path, now.UTC().Format("20060102T150405Z"), n)
	}
	for _, suffix := range []string{"-wal", "-shm", ""} {
		if err := os.Rename(path+suffix, aside+suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
	}
	return aside, nil
}
