// Package catalog remembers where the data of every file is: which objects the archives have, which operations are in flight,
// what is held, which runs there were, and who did what.
//
// It is one SQLite file. Every change is a transaction that holds the change of state, the end of the operation that caused it and
// the audit records, and it is durable when the method returns: the mover may then do what it announced. Methods that take many
// operations do so in one transaction, all or none. A Catalog is safe for concurrent use, and several processes may have the
// file open.
//
// What an archive says of itself is enough to make a catalog anew (Import); only the audit log and the runs stand here alone.
package catalog

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"sync"

	"github.com/tidemark/tidemark/internal/sqlite"
)

// The errors that a caller may tell apart.
var (
	ErrCorrupt = sqlite.ErrCorrupt // the file is damaged: set it aside and rebuild it from the archives
	ErrFull    = sqlite.ErrFull    // no space for the change, which was not made; errors.Is(err, syscall.ENOSPC) too
	ErrLocked  = sqlite.ErrLocked  // another process kept the file for too long
	// ErrPending: operations are in flight that the change would orphan.
	ErrPending = errors.New("operations are in flight")
	// ErrState: an operation or object is not in the state that the change starts from; nothing was changed.
	ErrState = errors.New("not in the state for this")
)

// cacheKiB keeps the upper levels of the indexes of some million objects in memory.
const cacheKiB = 16 << 10

// Catalog is an open catalog.
type Catalog struct {
	db   *sql.DB
	path string

	mu         sync.Mutex
	statements map[string]*sql.Stmt // prepared, by their text
}

// Open opens the catalog at path for writing and makes it, readable by this user only, where it is missing.
func Open(ctx context.Context, path string) (*Catalog, error) {
	db, err := sqlite.Open(ctx, path, schema, sqlite.Private(), sqlite.CacheKiB(cacheKiB), sqlite.TempInMemory())
	if err != nil {
		return nil, fmt.Errorf("the catalog: %w", hint(err))
	}
	return of(db, path), nil
}

// OpenReadOnly opens a catalog that is there (fs.ErrNotExist otherwise). Methods that change it fail.
func OpenReadOnly(ctx context.Context, path string) (*Catalog, error) {
	db, err := sqlite.OpenReadOnly(ctx, path, len(schema), sqlite.CacheKiB(cacheKiB))
	if err != nil {
		return nil, fmt.Errorf("the catalog: %w", hint(err))
	}
	return of(db, path), nil
}

// OpenInMemory begins a catalog that ends with the process.
func OpenInMemory(ctx context.Context) (*Catalog, error) {
	db, err := sqlite.OpenInMemory(ctx, schema)
	if err != nil {
		return nil, err
	}
	return of(db, ""), nil
}

func of(db *sql.DB, path string) *Catalog {
	return &Catalog{db: db, path: path, statements: map[string]*sql.Stmt{}}
}

// Path is the file's; empty in memory.
func (c *Catalog) Path() string { return c.path }

// Close closes the file.
func (c *Catalog) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var errs []error
	for _, s := range c.statements {
		errs = append(errs, s.Close())
	}
	return errors.Join(append(errs, c.db.Close())...)
}

// Check reads the whole file and says whether it is sound; ErrCorrupt if not.
func (c *Catalog) Check(ctx context.Context) error {
	return hint(sqlite.Check(ctx, c.db))
}

// hint explains an error of the database, and says what to do.
func hint(err error) error {
	err = sqlite.Explain(err)
	switch {
	case errors.Is(err, ErrCorrupt):
		return fmt.Errorf("%w; move the file away and run: tidemark archive rebuild", err)
	case errors.Is(err, ErrFull):
		return fmt.Errorf("%w; make space where the catalog is, then run: tidemark recover", err)
	case errors.Is(err, ErrLocked):
		return fmt.Errorf("%w; see which tidemark is busy and try again", err)
	}
	return err
}

// prepared is the statement of a text that does not depend on values; it is prepared once.
func (c *Catalog) prepared(ctx context.Context, query string) (*sql.Stmt, error) {
	c.mu.Lock()
	s, ok := c.statements[query]
	c.mu.Unlock()
	if ok {
		return s, nil
	}
	s, err := c.db.PrepareContext(ctx, query)
	if err != nil {
		return nil, fmt.Errorf("prepare %q: %w", query, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if other, ok := c.statements[query]; ok { // two at once
		return other, s.Close()
	}
	more := maps.Clone(c.statements)
	more[query] = s
	c.statements = more
	return s, nil
}

// preparedNow is the statements that are prepared; the map is never written to again.
func (c *Catalog) preparedNow() map[string]*sql.Stmt {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.statements
}

// query runs a prepared statement and gives each row to scan. The one connection is free again when it returns, so what it reads
// is bounded by the caller.
func (c *Catalog) query(ctx context.Context, text string, args []any, scan func(*sql.Rows) error) error {
	s, err := c.prepared(ctx, text)
	if err != nil {
		return hint(err)
	}
	rows, err := s.QueryContext(ctx, args...)
	if err != nil {
		return hint(err)
	}
	return hint(each(rows, scan))
}

func each(rows *sql.Rows, scan func(*sql.Rows) error) error {
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}
