package catalog

import (
	"context"
	"database/sql"
	"fmt"
)

const operationColumns = 5

const selectOperations = "SELECT id, archive, kind, phase, rest FROM operation ORDER BY id"

// Begin puts operations into the journal, before their first step, and gives them their ids.
func (c *Catalog) Begin(ctx context.Context, ops []*Operation) error {
	if len(ops) == 0 {
		return nil
	}
	var last int64
	err := c.write(ctx, "begin operations", func(t *transaction) error {
		if err := t.row("SELECT seq FROM sqlite_sequence WHERE name = 'operation'", nil, &last); err != nil {
			return err
		}
		values := make([]any, 0, len(ops)*operationColumns)
		for i, op := range ops {
			values = append(values, last+1+int64(i), op.Archive, string(op.Kind), string(op.Phase), packOperation(op))
		}
		return t.insertRows("INSERT OR FAIL INTO operation", operationColumns, values)
	})
	if err != nil {
		return err
	}
	for i, op := range ops {
		op.ID = last + 1 + int64(i)
	}
	return nil
}

// Advance writes the phases that operations have come to, and what is known with them.
func (c *Catalog) Advance(ctx context.Context, ops []*Operation) error {
	if len(ops) == 0 {
		return nil
	}
	return c.write(ctx, "advance operations", func(t *transaction) error {
		var n int64
		err := t.row("SELECT count(*) FROM operation WHERE id IN (SELECT value FROM json_each(?))", []any{list(operationIDs(ops))}, &n)
		if err != nil {
			return err
		}
		if n != int64(len(ops)) {
			return notInFlight(ops)
		}
		values := make([]any, 0, len(ops)*operationColumns)
		for _, op := range ops {
			values = append(values, op.ID, op.Archive, string(op.Kind), string(op.Phase), packOperation(op))
		}
		return t.insertRows("INSERT OR REPLACE INTO operation", operationColumns, values)
	})
}

// Drop ends operations that are over and left nothing behind. Those that are gone already are no error.
func (c *Catalog) Drop(ctx context.Context, ops []*Operation) error {
	if len(ops) == 0 {
		return nil
	}
	return c.write(ctx, "drop operations", func(t *transaction) error {
		_, err := t.exec("DELETE FROM operation WHERE id IN (SELECT value FROM json_each(?))", list(operationIDs(ops)))
		return err
	})
}

// Pending is all operations in flight, by id.
func (c *Catalog) Pending(ctx context.Context) ([]Operation, error) {
	var pending []Operation
	err := c.query(ctx, selectOperations, nil, func(rows *sql.Rows) error {
		op, err := scanOperation(rows)
		pending = append(pending, op)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the operations in flight: %w", err)
	}
	return pending, nil
}

func scanOperation(rows *sql.Rows) (Operation, error) {
	var op Operation
	var rest []byte
	if err := rows.Scan(&op.ID, &op.Archive, &op.Kind, &op.Phase, &rest); err != nil {
		return op, err
	}
	if err := unpackOperation(rest, &op); err != nil {
		return op, fmt.Errorf("operation %d: %w", op.ID, err)
	}
	return op, nil
}

// LastOperation is the highest id that was ever given; 0 before the first.
func (c *Catalog) LastOperation(ctx context.Context) (int64, error) {
	var last int64
	err := c.query(ctx, "SELECT seq FROM sqlite_sequence WHERE name = 'operation'", nil, func(rows *sql.Rows) error { return rows.Scan(&last) })
	if err != nil {
		return 0, fmt.Errorf("read the last operation: %w", err)
	}
	return last, nil
}

// SetLastOperation lets the ids that follow be higher than last, which an archive's manifest knows. It never lowers them.
func (c *Catalog) SetLastOperation(ctx context.Context, last int64) error {
	return c.write(ctx, "note the last operation", func(t *transaction) error { return t.raiseOperations(last) })
}

func (t *transaction) raiseOperations(last int64) error {
	_, err := t.exec("UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = 'operation'", last)
	return err
}

// end drops operations that must be in flight, of this kind and in this phase.
func (t *transaction) end(ops []*Operation, kind Kind, phase Phase) error {
	n, err := t.exec("DELETE FROM operation WHERE id IN (SELECT value FROM json_each(?)) AND kind = ? AND phase = ?",
		list(operationIDs(ops)), string(kind), string(phase))
	if err != nil {
		return err
	}
	return t.allOf(n, ops, kind, phase)
}

// advance brings operations from one phase to the next.
func (t *transaction) advance(ops []*Operation, kind Kind, from, to Phase) error {
	n, err := t.exec("UPDATE OR FAIL operation SET phase = ? WHERE id IN (SELECT value FROM json_each(?)) AND kind = ? AND phase = ?",
		string(to), list(operationIDs(ops)), string(kind), string(from))
	if err != nil {
		return err
	}
	return t.allOf(n, ops, kind, from)
}

// allOf says which operation was not as it must be, where fewer rows changed than there are operations.
func (t *transaction) allOf(n int64, ops []*Operation, kind Kind, phase Phase) error {
	if n == int64(len(ops)) {
		return nil
	}
	seen := map[int64]bool{}
	for _, op := range ops {
		switch {
		case op.Kind != kind:
			return fmt.Errorf("operation %d, %s %q: %w, which is for %s", op.ID, op.Kind, op.Path, ErrState, kind)
		case seen[op.ID]:
			return fmt.Errorf("operation %d, %s %q: %w: it is given twice", op.ID, op.Kind, op.Path, ErrState)
		}
		seen[op.ID] = true
	}
	return fmt.Errorf("some of %d operations from %d on: %w: not all are in flight as %s in phase %s", len(ops), ops[0].ID, ErrState, kind, phase)
}

func notInFlight(ops []*Operation) error {
	return fmt.Errorf("some of %d operations from %d on: %w: not all are in flight", len(ops), ops[0].ID, ErrState)
}

// inFlight is how many operations of an archive are in flight, and the lowest id of them.
func (t *transaction) inFlight(archive string) (n, first int64, err error) {
	err = t.row("SELECT count(*), coalesce(min(id), 0) FROM operation WHERE archive = ?", []any{archive}, &n, &first)
	return n, first, err
}
