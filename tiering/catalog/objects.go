package catalog

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The states and what is left, as rows have them: the index.
var (
	states = [...]State{1: Archived, 2: Released, 3: Superseded, 4: Disposed}
	leaves = [...]Leave{0: "", 1: LeaveLink, 2: LeaveNothing}
)

func packState(s State) (int, error) {
	if i := slices.Index(states[:], s); i > 0 {
		return i, nil
	}
	return 0, fmt.Errorf("%q is no state of an object", s)
}

func packLeave(l Leave) (int, error) {
	if i := slices.Index(leaves[:], l); i >= 0 {
		return i, nil
	}
	return 0, fmt.Errorf("%q is nothing that a release leaves", l)
}

// objectName is where the object of a version is by its archive's layout. Rows do not repeat it.
func objectName(host, path string, version int) string {
	path = strings.TrimPrefix(path, "/")
	if version <= 1 {
		return "data/" + host + "/" + path
	}
	return "versions/" + strconv.Itoa(version) + "/" + host + "/" + path
}

const objectColumns = 17

// insert adds objects, whose IDs must be set.
func (t *transaction) insert(objects ...Object) error {
	values := make([]any, 0, len(objects)*objectColumns)
	for i := range objects {
		var err error
		if values, err = t.appendObjectRow(values, &objects[i]); err != nil {
			return fmt.Errorf("the object %q: %w", objects[i].Object, err)
		}
	}
	return t.insertRows("INSERT OR FAIL INTO object", objectColumns, values)
}

func (t *transaction) appendObjectRow(values []any, o *Object) ([]any, error) {
	var names [3]int64
	for i, text := range [...]string{o.Host, o.Archive, o.Policy} {
		var err error
		if names[i], err = t.name(text); err != nil {
			return nil, err
		}
	}
	state, err := packState(o.State)
	if err != nil {
		return nil, err
	}
	leave, err := packLeave(o.Leave)
	if err != nil {
		return nil, err
	}
	var object, bad any
	if o.Object != objectName(o.Host, o.Path, o.Version) {
		object = []byte(o.Object)
	}
	if o.Bad != "" {
		bad = o.Bad
	}
	return append(values, o.ID, names[0], []byte(o.Path), names[1], o.Version, object, state, leave, o.Size,
		packFacts(facts{o.Allocated, o.Run, o.Digest, o.Attributes}), names[2], packTime(o.ArchivedAt), packTime(o.ReleasedAt), packTime(o.RecalledAt),
		packTime(o.CheckedAt), bad, packHome(home{o.Dev, o.Ino, o.Mtime, o.Ctime})), nil
}

// nextObject is the id for the next object.
func (t *transaction) nextObject() (id int64, err error) {
	err = t.row("SELECT coalesce(max(id), 0) + 1 FROM object", nil, &id)
	return id, err
}

const selectObject = `SELECT id, host, path, archive, version, object, state, leave, size, facts, policy,
	archived_at, released_at, recalled_at, checked_at, bad, home FROM object `

// scanObject reads a row of selectObject. Its names are ids still, in ids.
func scanObject(rows *sql.Rows) (o Object, ids objectNames, err error) {
	var path, object, factsPacked, homePacked []byte
	var state, leave int
	var archived, released, recalled, checked *int64
	var bad *string
	err = rows.Scan(&o.ID, &ids.host, &path, &ids.archive, &o.Version, &object, &state, &leave, &o.Size, &factsPacked, &ids.policy,
		&archived, &released, &recalled, &checked, &bad, &homePacked)
	if err != nil {
		return o, ids, err
	}
	o.Path, o.Object, ids.derived = string(path), string(object), object == nil
	if state < 1 || state >= len(states) || leave < 0 || leave >= len(leaves) {
		return o, ids, fmt.Errorf("object %d, %q: %w", o.ID, o.Path, errPacked)
	}
	o.State, o.Leave = states[state], leaves[leave]
	o.ArchivedAt, o.ReleasedAt, o.RecalledAt, o.CheckedAt = unpackTime(archived), unpackTime(released), unpackTime(recalled), unpackTime(checked)
	if bad != nil {
		o.Bad = *bad
	}
	f, err := unpackFacts(factsPacked)
	if err != nil {
		return o, ids, fmt.Errorf("object %d, %q: %w", o.ID, o.Path, err)
	}
	h, err := unpackHome(homePacked)
	if err != nil {
		return o, ids, fmt.Errorf("object %d, %q: %w", o.ID, o.Path, err)
	}
	o.Allocated, o.Run, o.Digest, o.Attributes = f.allocated, f.run, f.digest, f.attributes
	o.Dev, o.Ino, o.Mtime, o.Ctime = h.dev, h.ino, h.mtime, h.ctime
	return o, ids, nil
}

type objectNames struct {
	host, archive, policy int64
	derived               bool // the object's name follows from the others
}

func (ids objectNames) fill(o *Object, names map[int64]string) {
	o.Host, o.Archive, o.Policy = names[ids.host], names[ids.archive], names[ids.policy]
	if ids.derived {
		o.Object = objectName(o.Host, o.Path, o.Version)
	}
}

const selectNames = "SELECT id, text FROM name"

// nameTable is all names by id: a dozen or so.
func nameTable(query func(string, []any, func(*sql.Rows) error) error) (map[int64]string, error) {
	names := map[int64]string{}
	err := query(selectNames, nil, func(rows *sql.Rows) error {
		var id int64
		var text string
		err := rows.Scan(&id, &text)
		names[id] = text
		return err
	})
	return names, err
}

// objects reads the objects that a condition chooses.
func (c *Catalog) objects(ctx context.Context, where string, args ...any) ([]Object, error) {
	return readObjects(func(text string, args []any, scan func(*sql.Rows) error) error { return c.query(ctx, text, args, scan) }, where, args)
}

func readObjects(query func(string, []any, func(*sql.Rows) error) error, where string, args []any) ([]Object, error) {
	var objects []Object
	var ids []objectNames
	err := query(selectObject+where, args, func(rows *sql.Rows) error {
		o, names, err := scanObject(rows)
		objects, ids = append(objects, o), append(ids, names)
		return err
	})
	if err != nil || len(objects) == 0 {
		return nil, err
	}
	// Names are never deleted: those of a row that was read are there after it.
	names, err := nameTable(query)
	if err != nil {
		return nil, err
	}
	for i := range objects {
		ids[i].fill(&objects[i], names)
	}
	return objects, nil
}

func one(objects []Object, err error) (Object, bool, error) {
	if err != nil || len(objects) == 0 {
		return Object{}, false, err
	}
	return objects[0], true, nil
}

// nameID chooses the id of a name within a statement.
const nameID = "(SELECT id FROM name WHERE text = ?)"

// Object is the newest version of a file that is archived or released.
func (c *Catalog) Object(ctx context.Context, host, path string) (Object, bool, error) {
	o, ok, err := one(c.objects(ctx, "WHERE host = "+nameID+" AND path = ? AND state IN (1, 2) ORDER BY archived_at DESC, id DESC LIMIT 1", host, []byte(path)))
	if err != nil {
		return o, false, fmt.Errorf("look up %s:%q: %w", host, path, err)
	}
	return o, ok, nil
}

// ObjectByID is the object with an id, in any state.
func (c *Catalog) ObjectByID(ctx context.Context, id int64) (Object, bool, error) {
	o, ok, err := one(c.objects(ctx, "WHERE id = ?", id))
	if err != nil {
		return o, false, fmt.Errorf("look up object %d: %w", id, err)
	}
	return o, ok, nil
}

// NextVersion is one more than the highest version of a file that the archive is known to have had.
func (c *Catalog) NextVersion(ctx context.Context, archive, host, path string) (int, error) {
	next := 1
	err := c.query(ctx, "SELECT coalesce(max(version), 0) + 1 FROM object WHERE host = "+nameID+" AND path = ? AND archive = "+nameID,
		[]any{host, []byte(path), archive}, func(rows *sql.Rows) error { return rows.Scan(&next) })
	if err != nil {
		return 0, fmt.Errorf("look up the versions of %s:%q: %w", host, path, err)
	}
	return next, nil
}

// NextToCheck are the objects of an archive whose bytes were read longest ago, oldest first: of every version that is there and not
// known to be bad (Query.Bad lists those).
func (c *Catalog) NextToCheck(ctx context.Context, archive string, limit int) ([]Object, error) {
	objects, err := c.objects(ctx, "WHERE archive = "+nameID+" AND state <> 4 AND bad IS NULL ORDER BY checked_at, id LIMIT ?", archive, limit)
	if err != nil {
		return nil, fmt.Errorf("look up what to check in %s: %w", archive, err)
	}
	return objects, nil
}

// MarkChecked writes down that objects were read and found right, and why others are bad. What is found bad is audited, and so is
// what was bad and is right again.
func (c *Catalog) MarkChecked(ctx context.Context, by Actor, now time.Time, checked []int64, bad map[int64]string) error {
	if len(checked)+len(bad) == 0 {
		return nil
	}
	return c.write(ctx, "write down what was checked", func(t *transaction) error {
		if err := t.markRight(by, now, checked); err != nil {
			return err
		}
		return t.markBad(by, now, bad)
	})
}

func (t *transaction) markRight(by Actor, now time.Time, checked []int64) error {
	if len(checked) == 0 {
		return nil
	}
	ids := list(checked)
	mended, err := readObjects(t.rows, "WHERE id IN (SELECT value FROM json_each(?)) AND bad IS NOT NULL ORDER BY id", []any{ids})
	if err != nil {
		return err
	}
	for _, o := range mended {
		if err := t.audit(auditOf(by, now, "verify", &o, "right again; it was bad: "+o.Bad)); err != nil {
			return err
		}
	}
	_, err = t.exec("UPDATE object SET checked_at = ?, bad = NULL WHERE id IN (SELECT value FROM json_each(?))", packTime(now), ids)
	return err
}

func (t *transaction) markBad(by Actor, now time.Time, bad map[int64]string) error {
	if len(bad) == 0 {
		return nil
	}
	ids := make([]int64, 0, len(bad))
	for id, why := range bad {
		if why == "" {
			return fmt.Errorf("object %d is bad without a reason", id)
		}
		ids = append(ids, id)
	}
	objects, err := readObjects(t.rows, "WHERE id IN (SELECT value FROM json_each(?)) ORDER BY id", []any{list(ids)})
	if err != nil {
		return err
	}
	if len(objects) != len(bad) {
		return fmt.Errorf("%w: %d of %d bad objects are not in the catalog", ErrState, len(bad)-len(objects), len(bad))
	}
	for _, o := range objects {
		if o.Bad == bad[o.ID] {
			continue // it is known
		}
		if _, err := t.exec("UPDATE object SET bad = ? WHERE id = ?", bad[o.ID], o.ID); err != nil {
			return err
		}
		if err := t.audit(auditOf(by, now, "bad", &o, bad[o.ID])); err != nil {
			return err
		}
	}
	return nil
}

func auditOf(by Actor, now time.Time, action string, o *Object, reason string) AuditRecord {
	return AuditRecord{Time: now, Actor: by, Action: action, Archive: o.Archive, Path: o.Path, Reason: reason, Digest: o.Digest}
}
