package catalog

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
)

// transaction is one change of the catalog: all of it or nothing.
type transaction struct {
	ctx    context.Context
	tx     *sql.Tx
	stmts  map[string]*sql.Stmt // prepared within this transaction, by their text
	names  map[string]int64     // ids of names, as far as this transaction asked
	actors map[Actor]int64
	head   *chainHead // of the audit log, once it is known
}

// write runs a change in a transaction of its own, durable when it returns nil.
func (c *Catalog) write(ctx context.Context, what string, change func(*transaction) error) error {
	tx, err := c.db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("%s in the catalog: %w", what, hint(err))
	}
	defer tx.Rollback()
	// Once begun it is a matter of milliseconds; a driver that watches a context at every statement doubles them. The commit itself
	// still looks at it.
	t := &transaction{ctx: context.WithoutCancel(ctx), tx: tx, stmts: map[string]*sql.Stmt{}, names: map[string]int64{}, actors: map[Actor]int64{}}
	if err := change(t); err != nil {
		return fmt.Errorf("%s in the catalog: %w", what, hint(err))
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("%s in the catalog: %w", what, hint(err))
	}
	return nil
}

func (t *transaction) stmt(query string) (*sql.Stmt, error) {
	if s, ok := t.stmts[query]; ok {
		return s, nil
	}
	s, err := t.tx.PrepareContext(t.ctx, query)
	if err != nil {
		return nil, fmt.Errorf("prepare %q: %w", query, err)
	}
	t.stmts[query] = s
	return s, nil
}

// exec runs a statement and says how many rows it changed.
func (t *transaction) exec(query string, args ...any) (int64, error) {
	s, err := t.stmt(query)
	if err != nil {
		return 0, err
	}
	result, err := s.ExecContext(t.ctx, args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// row reads one row; sql.ErrNoRows if there is none.
func (t *transaction) row(query string, args []any, into ...any) error {
	s, err := t.stmt(query)
	if err != nil {
		return err
	}
	return s.QueryRowContext(t.ctx, args...).Scan(into...)
}

// rows gives each row to scan.
func (t *transaction) rows(query string, args []any, scan func(*sql.Rows) error) error {
	s, err := t.stmt(query)
	if err != nil {
		return err
	}
	rows, err := s.QueryContext(t.ctx, args...)
	if err != nil {
		return err
	}
	return each(rows, scan)
}

// name is the id of a name: of an archive, a host, a policy, an action. They are few and stand in millions of rows.
func (t *transaction) name(text string) (int64, error) {
	if id, ok := t.names[text]; ok {
		return id, nil
	}
	var id int64
	err := t.row("INSERT INTO name (text) VALUES (?) ON CONFLICT (text) DO UPDATE SET text = text RETURNING id", []any{text}, &id)
	if err != nil {
		return 0, err
	}
	t.names[text] = id
	return id, nil
}

// list is ids as the JSON array that json_each reads: one statement for a whole batch.
func list(ids []int64) string {
	b := append(make([]byte, 0, 8*len(ids)+2), '[')
	for i, id := range ids {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, id, 10)
	}
	return string(append(b, ']'))
}

func operationIDs(ops []*Operation) []int64 {
	ids := make([]int64, len(ops))
	for i, op := range ops {
		ids[i] = op.ID
	}
	return ids
}
