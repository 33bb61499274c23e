package catalog

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/tidemark/tidemark/internal/fsys"
)

// CommitArchived ends operations in phase Publishing: their objects are archived, older versions of the same files, in whatever
// archive, are superseded, and the runs' counts grow. A reason goes with each operation. The objects are returned in the same order.
func (c *Catalog) CommitArchived(ctx context.Context, by Actor, now time.Time, ops []*Operation, reasons []string) ([]Object, error) {
	if err := oneEach(ops, reasons); err != nil || len(ops) == 0 {
		return nil, err
	}
	objects := make([]Object, len(ops))
	err := c.write(ctx, "commit what is archived", func(t *transaction) error {
		if err := t.end(ops, Archive, Publishing); err != nil {
			return err
		}
		id, err := t.nextObject()
		if err != nil {
			return err
		}
		records := make([]AuditRecord, len(ops))
		for i, op := range ops {
			objects[i] = archived(op, id+int64(i), now)
			records[i] = auditOf(by, now, "archive", &objects[i], reasons[i])
		}
		if err := t.insert(objects...); err != nil {
			return err
		}
		if err := t.supersedeBefore(id); err != nil {
			return err
		}
		if err := t.audit(records...); err != nil {
			return err
		}
		return t.countArchived(ops)
	})
	if err != nil {
		return nil, err
	}
	return objects, nil
}

func oneEach(ops []*Operation, reasons []string) error {
	if len(ops) != len(reasons) {
		return fmt.Errorf("%d operations with %d reasons: each needs its own", len(ops), len(reasons))
	}
	return nil
}

// archived is the object that an archive operation made. Its bytes were read back before it was published.
func archived(op *Operation, id int64, now time.Time) Object {
	return Object{
		ID: id, Archive: op.Archive, Host: op.Host, Path: op.Path, Version: op.Version, Object: op.Object, State: Archived,
		Size: op.Size, Allocated: op.Allocated, Digest: op.Digest, Attributes: op.Attributes, Policy: op.Policy, Run: op.Run,
		ArchivedAt: now.UTC(), CheckedAt: now.UTC(), Dev: op.Dev, Ino: op.Ino, Mtime: op.Mtime, Ctime: op.Ctime,
	}
}

// supersedeBefore is for the other versions of the files whose objects have ids from id on.
func (t *transaction) supersedeBefore(id int64) error {
	_, err := t.exec(`UPDATE OR FAIL object SET state = 3 FROM (SELECT id AS newer, host, path FROM object WHERE id >= ?) AS fresh
		WHERE object.host = fresh.host AND object.path = fresh.path AND object.id < fresh.newer AND object.state IN (1, 2)`, id)
	return err
}

// CommitReleased lets archived objects be released; a RefusedError names the operations whose objects are not, and nothing was done. The
// operations, in phase Intent, come to Purging and stay until the trash is empty. Allocated must be what the release will free.
func (c *Catalog) CommitReleased(ctx context.Context, by Actor, now time.Time, ops []*Operation, reasons []string) error {
	if err := oneEach(ops, reasons); err != nil || len(ops) == 0 {
		return err
	}
	err := c.write(ctx, "commit what is released", func(t *transaction) error {
		if err := t.advance(ops, Release, Intent, Purging); err != nil {
			return err
		}
		var n int
		err := t.row("SELECT count(*) FROM object WHERE id IN (SELECT value FROM json_each(?)) AND state = 1", []any{list(objectIDs(ops))}, &n)
		if err != nil {
			return err
		}
		if n != len(ops) {
			return t.notAs(ops, Archived)
		}
		for leave, some := range byLeave(ops) {
			code, err := packLeave(leave)
			if err != nil {
				return err
			}
			if _, err := t.exec("UPDATE OR FAIL object SET state = 2, leave = ?, released_at = ? WHERE id IN (SELECT value FROM json_each(?))",
				code, packTime(now), list(objectIDs(some))); err != nil {
				return err
			}
		}
		records := make([]AuditRecord, len(ops))
		for i, op := range ops {
			records[i] = auditOfOperation(by, now, "release", op, reasons[i])
		}
		return t.audit(records...)
	})
	if err != nil {
		return err
	}
	for _, op := range ops {
		op.Phase = Purging
	}
	return nil
}

func byLeave(ops []*Operation) map[Leave][]*Operation {
	groups := map[Leave][]*Operation{}
	for _, op := range ops {
		groups[op.Leave] = append(groups[op.Leave], op)
	}
	return groups
}

func objectIDs(ops []*Operation) []int64 {
	ids := make([]int64, len(ops))
	for i, op := range ops {
		ids[i] = op.ObjectID
	}
	return ids
}

// RefusedError names operations that can't be committed because of their objects. It is an ErrState.
type RefusedError struct {
	Operations []int64
	why        string
}

func (e *RefusedError) Error() string { return e.why }

func (e *RefusedError) Unwrap() error { return ErrState }

// notAs says which operations' objects are not in one of the states that they must be in.
func (t *transaction) notAs(ops []*Operation, want ...State) error {
	refused, seen := &RefusedError{}, map[int64]bool{}
	refuse := func(op *Operation, why string) {
		if len(refused.Operations) == 0 {
			refused.why = fmt.Sprintf("operation %d, %s %q: %v: %s", op.ID, op.Kind, op.Path, ErrState, why)
		}
		refused.Operations = append(refused.Operations, op.ID)
	}
	for _, op := range ops {
		o, ok, err := one(readObjects(t.rows, "WHERE id = ?", []any{op.ObjectID}))
		switch {
		case err != nil:
			return err
		case !ok:
			refuse(op, fmt.Sprintf("there is no object %d", op.ObjectID))
		case seen[op.ObjectID]:
			refuse(op, "another operation is for the same object")
		case !slices.Contains(want, o.State):
			refuse(op, fmt.Sprintf("its object is %s, not %s", o.State, want[0]))
		}
		seen[op.ObjectID] = true
	}
	if n := len(refused.Operations); n > 1 {
		refused.why += fmt.Sprintf(" (and %d more)", n-1)
	}
	return refused
}

func auditOfOperation(by Actor, now time.Time, action string, op *Operation, reason string) AuditRecord {
	return AuditRecord{Time: now, Actor: by, Action: action, Archive: op.Archive, Path: op.Path, Reason: reason, Digest: op.Digest}
}

// CommitPurged ends releases, in phase Purging: the space is free. It counts for their runs, and for what was moved in the hour of now, by
// Allocated.
func (c *Catalog) CommitPurged(ctx context.Context, now time.Time, ops []*Operation) error {
	if len(ops) == 0 {
		return nil
	}
	return c.write(ctx, "commit what is purged", func(t *transaction) error {
		if err := t.end(ops, Release, Purging); err != nil {
			return err
		}
		if err := t.countMoved(ops, now); err != nil {
			return err
		}
		return t.countReleased(ops)
	})
}

// CommitRestored ends a release that was undone, in the phase that the operation says: before it was committed (Intent) or after
// (Purging). The file is at home again, its object archived (or superseded, if it was so meanwhile). home is the file as it is now if it
// is still what the object has: to move it there and back was a change. The zero Info says that it changed.
func (c *Catalog) CommitRestored(ctx context.Context, by Actor, now time.Time, op *Operation, reason string, home fsys.Info) error {
	ops := []*Operation{op}
	return c.write(ctx, "commit what is restored", func(t *transaction) error {
		was, state := Released, 2
		if op.Phase == Intent {
			was, state = Archived, 1
		}
		if err := t.end(ops, Release, op.Phase); err != nil {
			return err
		}
		// Superseded it stays: something else was archived at its path meanwhile.
		n, err := t.exec("UPDATE OR FAIL object SET state = iif(state = 3, 3, 1) WHERE id = ? AND state IN (?, 3)", op.ObjectID, state)
		if err != nil {
			return err
		}
		if n != 1 {
			return t.notAs(ops, was, Superseded)
		}
		if home.Ino != 0 || home.Dev != 0 {
			if err := t.setHome(op.ObjectID, home.Dev, home.Ino, home.Mtime, home.Ctime); err != nil {
				return err
			}
		}
		return t.audit(auditOfOperation(by, now, "restore", op, reason))
	})
}

func (t *transaction) setHome(id int64, dev, ino uint64, mtime, ctime fsys.Time) error {
	_, err := t.exec("UPDATE object SET home = ? WHERE id = ?", packHome(home{dev, ino, mtime, ctime}), id)
	return err
}

// CommitRecalled ends recalls, in phase Exchanging: the files are at home again, their objects archived. The operations say what the
// recalled copies are (Dev, Ino, Mtime, Ctime, Allocated); their bytes were proven against the digest.
func (c *Catalog) CommitRecalled(ctx context.Context, by Actor, now time.Time, ops []*Operation) error {
	if len(ops) == 0 {
		return nil
	}
	return c.write(ctx, "commit what is recalled", func(t *transaction) error {
		if err := t.end(ops, Recall, Exchanging); err != nil {
			return err
		}
		n, err := t.exec("UPDATE OR FAIL object SET state = 1, recalled_at = ?1, checked_at = ?1, bad = NULL WHERE id IN (SELECT value FROM json_each(?2)) AND state IN (1, 2)",
			packTime(now), list(objectIDs(ops)))
		if err != nil {
			return err
		}
		if n != int64(len(ops)) {
			return t.notAs(ops, Released, Archived)
		}
		records := make([]AuditRecord, len(ops))
		for i, op := range ops {
			if err := t.setHome(op.ObjectID, op.Dev, op.Ino, op.Mtime, op.Ctime); err != nil {
				return err
			}
			records[i] = auditOfOperation(by, now, "recall", op, "")
		}
		if err := t.countMoved(ops, now); err != nil {
			return err
		}
		return t.audit(records...)
	})
}

// CommitMended ends a mend, in phase Publishing: a new object, made from the file at home, takes over from a bad one, which is
// disposed of.
func (c *Catalog) CommitMended(ctx context.Context, by Actor, now time.Time, op *Operation, reason string) (Object, error) {
	var mended Object
	err := c.write(ctx, "commit what is mended", func(t *transaction) error {
		if err := t.end([]*Operation{op}, Mend, Publishing); err != nil {
			return err
		}
		old, ok, err := one(readObjects(t.rows, "WHERE id = ?", []any{op.ObjectID}))
		if err != nil {
			return err
		}
		if !ok || old.State == Disposed {
			return t.notAs([]*Operation{op}, Archived, Released, Superseded)
		}
		if _, err := t.exec("UPDATE object SET state = 4 WHERE id = ?", old.ID); err != nil {
			return err
		}
		id, err := t.nextObject()
		if err != nil {
			return err
		}
		mended = mend(old, op, id, now)
		if err := t.insert(mended); err != nil {
			return err
		}
		return t.audit(auditOf(by, now, "mend", &mended, reason))
	})
	return mended, err
}

// mend is the object that replaces old.
func mend(old Object, op *Operation, id int64, now time.Time) Object {
	o := archived(op, id, now)
	o.Archive, o.Host, o.Path = old.Archive, old.Host, old.Path
	o.State, o.Leave, o.Policy, o.Run = old.State, old.Leave, old.Policy, old.Run
	o.ReleasedAt, o.RecalledAt = old.ReleasedAt, old.RecalledAt
	if a := op.Attributes; a.Mode == 0 && a.Mtime == (fsys.Time{}) && len(a.Xattrs) == 0 { // the journal was not told
		o.Attributes = old.Attributes
	}
	if o.Allocated == 0 {
		o.Allocated = old.Allocated
	}
	return o
}
