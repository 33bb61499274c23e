package catalog

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// transaction is one change of the catalog: all of it or nothing.
type transaction struct {
	ctx    context.Context
	tx     *sql.Tx
	known  map[string]*sql.Stmt // the catalog's prepared statements, by their text
	stmts  map[string]*sql.Stmt // this transaction's
	unseen []string             // texts that the catalog had not prepared
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
	t := &transaction{
		ctx: context.WithoutCancel(ctx), tx: tx, known: c.preparedNow(), stmts: map[string]*sql.Stmt{},
		names: map[string]int64{}, actors: map[Actor]int64{},
	}
	if err = change(t); err == nil {
		err = tx.Commit()
	}
	if errors.Is(err, sql.ErrTxDone) && ctx.Err() != nil { // the end of the context has undone it
		err = ctx.Err()
	}
	if err != nil {
		return fmt.Errorf("%s in the catalog: %w", what, hint(err))
	}
	// The transaction had the one connection; the next one finds them prepared. A failure shows there.
	for _, text := range t.unseen {
		if _, err := c.prepared(ctx, text); err != nil {
			break
		}
	}
	return nil
}

func (t *transaction) stmt(query string) (*sql.Stmt, error) {
	if s, ok := t.stmts[query]; ok {
		return s, nil
	}
	if s, ok := t.known[query]; ok {
		t.stmts[query] = t.tx.StmtContext(t.ctx, s)
		return t.stmts[query], nil
	}
	s, err := t.tx.PrepareContext(t.ctx, query)
	if err != nil {
		return nil, fmt.Errorf("prepare %q: %w", query, err)
	}
	t.stmts[query] = s
	t.unseen = append(t.unseen, query)
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

// bulkRows is how many rows one statement inserts: what a statement costs by itself is more than what a row costs.
const bulkRows = 20

// insertRows inserts rows of so many columns each, whose values follow one another. With OR FAIL a statement that fails leaves what it
// did to the transaction, which is rolled back; to undo it by itself SQLite would write every page down first.
func (t *transaction) insertRows(insert string, columns int, values []any) error {
	row := "(?" + strings.Repeat(", ?", columns-1) + ")"
	bulk := insert + " VALUES " + row + strings.Repeat(", "+row, bulkRows-1)
	for len(values) >= bulkRows*columns {
		if _, err := t.exec(bulk, values[:bulkRows*columns]...); err != nil {
			return err
		}
		values = values[bulkRows*columns:]
	}
	for ; len(values) > 0; values = values[columns:] {
		if _, err := t.exec(insert+" VALUES "+row, values[:columns]...); err != nil {
			return err
		}
	}
	return nil
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
	id, err := t.idOf("SELECT id FROM name WHERE text = ?", "INSERT INTO name (text) VALUES (?)", text)
	if err != nil {
		return 0, err
	}
	t.names[text] = id
	return id, nil
}

// idOf is the id of the row that find finds, or that add adds where there is none.
func (t *transaction) idOf(find, add string, values ...any) (id int64, err error) {
	for range 2 {
		if err = t.row(find, values, &id); !errors.Is(err, sql.ErrNoRows) {
			return id, err
		}
		if _, err := t.exec(add, values...); err != nil {
			return 0, err
		}
	}
	return 0, err
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
