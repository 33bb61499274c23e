package catalog

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tidemark/tidemark/internal/fsys"
)

// dump is every row of every table.
func dump(t *testing.T, c *Catalog) []string {
	t.Helper()
	var tables, rows []string
	r, err := c.db.QueryContext(t.Context(), "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")
	must(t, err)
	for r.Next() {
		var name string
		must(t, r.Scan(&name))
		tables = append(tables, name)
	}
	must(t, errors.Join(r.Err(), r.Close()))
	for _, table := range tables {
		r, err := c.db.QueryContext(t.Context(), "SELECT * FROM "+table)
		must(t, err)
		columns, err := r.Columns()
		must(t, err)
		for r.Next() {
			values := make([]any, len(columns))
			into := make([]any, len(columns))
			for i := range values {
				into[i] = &values[i]
			}
			must(t, r.Scan(into...))
			rows = append(rows, fmt.Sprintf("%s %q", table, values))
		}
		must(t, errors.Join(r.Err(), r.Close()))
	}
	return rows
}

// state is the state of an object by its row.
func state(t *testing.T, c *Catalog, id int64) State {
	t.Helper()
	o, ok, err := c.ObjectByID(t.Context(), id)
	must(t, err)
	if !ok {
		return ""
	}
	return o.State
}

func object(t *testing.T, c *Catalog, id int64) Object {
	t.Helper()
	o, ok, err := c.ObjectByID(t.Context(), id)
	must(t, err)
	if !ok {
		t.Fatalf("there is no object %d", id)
	}
	return o
}

func begin(t *testing.T, c *Catalog, ops ...*Operation) []*Operation {
	t.Helper()
	must(t, c.Begin(t.Context(), ops))
	return ops
}

// recallOperation is a recall whose copy is complete.
func recallOperation(o *Object) *Operation {
	op := releaseOperation(o)
	op.Kind, op.Phase, op.Leave, op.Dev, op.Ino = Recall, Exchanging, "", 0x802, o.Ino+5000
	op.Mtime, op.Ctime = o.Mtime, fsys.Time{Sec: 1800000000, Nsec: 7}
	return op
}

func mendOperation(o *Object) *Operation {
	op := releaseOperation(o)
	op.Kind, op.Phase, op.Leave, op.Version = Mend, Publishing, "", o.Version+1
	op.Object = objectName(o.Host, o.Path, op.Version)
	return op
}

// commit is one kind of commit on a catalog that is made ready for it; do ends three operations, or the one there is.
type commit struct {
	name  string
	audit string // the action of its records; "": it writes none
	ready func(t *testing.T, c *Catalog) []*Operation
	do    func(t *testing.T, c *Catalog, ops []*Operation) error
}

var three = make([]string, 3)

func commits() []commit {
	released := func(t *testing.T, c *Catalog) []Object {
		objects := archiveSome(t, c, 0, 3, nil)
		must(t, c.CommitPurged(t.Context(), noon, releaseSome(t, c, objects)))
		return objects
	}
	return []commit{
		{"archived", "archive", func(t *testing.T, c *Catalog) []*Operation {
			run := &Run{Policy: "cold-video"}
			must(t, c.BeginRun(t.Context(), run))
			archiveSome(t, c, 0, 3, nil) // older versions, to be superseded
			var ops []*Operation
			for i := range 3 {
				op := archiveOperation(i)
				op.Version, op.Run = 2, run.ID
				op.Object = objectName(op.Host, op.Path, 2)
				copied(op)
				ops = append(ops, op)
			}
			return begin(t, c, ops...)
		}, func(t *testing.T, c *Catalog, ops []*Operation) error {
			_, err := c.CommitArchived(t.Context(), someone, noon, ops, three)
			return err
		}},
		{"released", "release", func(t *testing.T, c *Catalog) []*Operation {
			var ops []*Operation
			for i, o := range archiveSome(t, c, 0, 3, nil) {
				op := releaseOperation(&o)
				if i == 1 {
					op.Leave = LeaveNothing
				}
				ops = append(ops, op)
			}
			return begin(t, c, ops...)
		}, func(t *testing.T, c *Catalog, ops []*Operation) error {
			return c.CommitReleased(t.Context(), someone, noon, ops, three)
		}},
		{"purged", "", func(t *testing.T, c *Catalog) []*Operation {
			run := &Run{Policy: "cold-video"}
			must(t, c.BeginRun(t.Context(), run))
			objects := archiveSome(t, c, 0, 3, nil)
			var ops []*Operation
			for i := range objects {
				ops = append(ops, releaseOperation(&objects[i]))
				ops[i].Run = run.ID
			}
			begin(t, c, ops...)
			must(t, c.CommitReleased(t.Context(), someone, noon, ops, three))
			return ops
		}, func(t *testing.T, c *Catalog, ops []*Operation) error {
			return c.CommitPurged(t.Context(), noon, ops)
		}},
		{"restored", "restore", func(t *testing.T, c *Catalog) []*Operation {
			return releaseSome(t, c, archiveSome(t, c, 0, 3, nil))[2:]
		}, func(t *testing.T, c *Catalog, ops []*Operation) error {
			return c.CommitRestored(t.Context(), someone, noon, ops[0], "a writer came", fsys.Info{Dev: 1, Ino: 2})
		}},
		{"recalled", "recall", func(t *testing.T, c *Catalog) []*Operation {
			var ops []*Operation
			for _, o := range released(t, c) {
				ops = append(ops, recallOperation(&o))
			}
			return begin(t, c, ops...)
		}, func(t *testing.T, c *Catalog, ops []*Operation) error {
			return c.CommitRecalled(t.Context(), someone, noon, ops)
		}},
		{"mended", "mend", func(t *testing.T, c *Catalog) []*Operation {
			return begin(t, c, mendOperation(&archiveSome(t, c, 0, 3, nil)[1]))
		}, func(t *testing.T, c *Catalog, ops []*Operation) error {
			_, err := c.CommitMended(t.Context(), someone, noon, ops[0], "bit rot")
			return err
		}},
	}
}

// A commit whose last step fails leaves everything as it was, and succeeds later.
func TestCommitsAreAtomic(t *testing.T) {
	for _, one := range commits() {
		t.Run(one.name, func(t *testing.T) {
			c := fresh(t)
			ops := one.ready(t, c)
			last := "BEFORE UPDATE ON run" // the last statement of those that count
			if one.audit != "" && one.name != "archived" {
				last = fmt.Sprintf("BEFORE INSERT ON audit WHEN new.path = CAST('%s' AS BLOB)", ops[len(ops)-1].Path)
			}
			for _, kind := range []string{"ABORT", "FAIL", "ROLLBACK"} {
				before := dump(t, c)
				c.raw(t, "CREATE TRIGGER broken "+last+" BEGIN SELECT RAISE("+kind+", 'planted'); END")
				phases := phasesOf(ops)
				if err := one.do(t, c, ops); err == nil || !strings.Contains(err.Error(), "planted") {
					t.Fatalf("error %v", err)
				}
				c.raw(t, "DROP TRIGGER broken")
				if diff := cmp.Diff(before, dump(t, c)); diff != "" {
					t.Errorf("after a failure of kind %s: %s", kind, diff)
				}
				if diff := cmp.Diff(phases, phasesOf(ops)); diff != "" {
					t.Errorf("the operations changed: %s", diff)
				}
			}
			must(t, one.do(t, c, ops))
			if r := verify(t, c, ""); r.Broken != nil {
				t.Errorf("the audit log: %+v", r.Broken)
			}
			records := collectAudit(t, c, AuditFilter{Action: one.audit, Limit: len(ops)})
			if one.audit != "" && (len(records) != len(ops) || records[0].Path != ops[0].Path || records[0].Actor != someone || records[0].Archive != "vault" || !records[0].Time.Equal(noon) || records[0].Digest == "") {
				t.Errorf("audited: %+v", records)
			}
		})
	}
}

func phasesOf(ops []*Operation) (phases []Phase) {
	for _, op := range ops {
		phases = append(phases, op.Phase)
	}
	return phases
}

// A commit starts from operations in their right phase and objects in their right state, all of them, or changes nothing.
func TestCommitsThatDoNotFit(t *testing.T) {
	for _, one := range commits() {
		for name, spoil := range map[string]func(t *testing.T, c *Catalog, ops []*Operation) []*Operation{
			"one is not in flight": func(t *testing.T, c *Catalog, ops []*Operation) []*Operation {
				must(t, c.Drop(t.Context(), ops[len(ops)-1:]))
				return ops
			},
			"one in another phase": func(t *testing.T, c *Catalog, ops []*Operation) []*Operation {
				op := *ops[len(ops)-1]
				op.Phase = "elsewhere"
				must(t, c.Advance(t.Context(), []*Operation{&op}))
				return ops
			},
			"one of another kind": func(t *testing.T, c *Catalog, ops []*Operation) []*Operation {
				op := *ops[len(ops)-1]
				op.Kind = "other"
				must(t, c.Advance(t.Context(), []*Operation{&op}))
				return ops
			},
			"one twice": func(t *testing.T, _ *Catalog, ops []*Operation) []*Operation {
				if len(ops) == 1 {
					t.Skip("it takes one operation")
				}
				return []*Operation{ops[0], ops[1], ops[1]}
			},
			"the object is in another state": func(t *testing.T, c *Catalog, ops []*Operation) []*Operation {
				if one.name == "archived" || one.name == "purged" {
					t.Skip("no object is asked")
				}
				c.raw(t, fmt.Sprintf("UPDATE object SET state = 4 WHERE id = %d", ops[len(ops)-1].ObjectID))
				return ops
			},
			"there is no such object": func(t *testing.T, c *Catalog, ops []*Operation) []*Operation {
				if one.name == "archived" || one.name == "purged" {
					t.Skip("no object is asked")
				}
				c.raw(t, fmt.Sprintf("DELETE FROM object WHERE id = %d", ops[len(ops)-1].ObjectID))
				return ops
			},
		} {
			t.Run(one.name+", "+name, func(t *testing.T) {
				c := inMemory(t)
				ops := spoil(t, c, one.ready(t, c))
				before := dump(t, c)
				if err := one.do(t, c, ops); !errors.Is(err, ErrState) {
					t.Errorf("error %v", err)
				}
				if diff := cmp.Diff(before, dump(t, c)); diff != "" {
					t.Errorf("changed: %s", diff)
				}
			})
		}
	}
}

func TestArchivedAgainSupersedes(t *testing.T) {
	c := fresh(t)
	run := &Run{Policy: "cold-video", Started: noon}
	must(t, c.BeginRun(t.Context(), run))
	first := archiveSome(t, c, 0, 3, nil)
	must(t, c.CommitPurged(t.Context(), noon, releaseSome(t, c, first[1:2])))
	again := func(archive string, version int) func(*Operation) {
		return func(op *Operation) {
			op.Archive, op.Version, op.Object, op.Run = archive, version, objectName(op.Host, op.Path, version), run.ID
		}
	}
	second := archiveSome(t, c, 0, 2, again("vault", 2))
	other := archiveSome(t, c, 1, 1, again("attic", 1))
	for id, want := range map[int64]State{
		first[0].ID: Superseded, first[1].ID: Superseded, first[2].ID: Archived, second[0].ID: Archived, second[1].ID: Superseded, other[0].ID: Archived,
	} {
		if got := state(t, c, id); got != want {
			t.Errorf("object %d is %s, want %s", id, got, want)
		}
	}
	if o, ok, err := c.Object(t.Context(), "web-1", first[1].Path); err != nil || !ok || o.ID != other[0].ID || o.Archive != "attic" {
		t.Errorf("the newest is %+v, %v", o, err)
	}
	for archive, want := range map[string]int{"vault": 3, "attic": 2, "none": 1} {
		if n, err := c.NextVersion(t.Context(), archive, "web-1", first[1].Path); err != nil || n != want {
			t.Errorf("the next version in %s is %d, %v; want %d", archive, n, err, want)
		}
	}
	must(t, c.UpdateRun(t.Context(), run))
	if run.FilesArchived != 3 || run.BytesArchived != 4096*3+0+1+1 {
		t.Errorf("the run counts %+v", run)
	}
	// Two versions of one file in one batch: the later one counts.
	ops := []*Operation{archiveOperation(2), archiveOperation(2)}
	for i, op := range ops {
		again("vault", 2+i)(op)
		copied(op)
	}
	begin(t, c, ops...)
	both, err := c.CommitArchived(t.Context(), someone, noon, ops, three[:2])
	must(t, err)
	if a, b := state(t, c, both[0].ID), state(t, c, both[1].ID); a != Superseded || b != Archived {
		t.Errorf("of two in a batch the first is %s, the second %s", a, b)
	}
	// The same version twice is refused.
	op := archiveOperation(0)
	copied(op)
	begin(t, c, op)
	if _, err := c.CommitArchived(t.Context(), someone, noon, []*Operation{op}, three[:1]); err == nil {
		t.Error("a version that is there is archived once more")
	}
}

func TestReleasedAndRecalled(t *testing.T) {
	c := fresh(t)
	objects := archiveSome(t, c, 0, 3, nil)
	later := noon.Add(time.Hour)
	var ops []*Operation
	for i := range objects {
		ops = append(ops, releaseOperation(&objects[i]))
	}
	ops[1].Leave = LeaveNothing
	begin(t, c, ops...)
	must(t, c.CommitReleased(t.Context(), someone, later, ops, []string{"a", "b", "c"}))
	for i, leave := range []Leave{LeaveLink, LeaveNothing, LeaveLink} {
		want := objects[i]
		want.State, want.Leave, want.ReleasedAt = Released, leave, later
		if diff := cmp.Diff(want, object(t, c, want.ID)); diff != "" {
			t.Errorf("released: %s", diff)
		}
	}
	if records := collectAudit(t, c, AuditFilter{Action: "release"}); len(records) != 3 || records[2].Reason != "c" {
		t.Errorf("audited: %+v", records)
	}
	must(t, c.CommitPurged(t.Context(), noon, ops))
	recalls := []*Operation{recallOperation(&objects[0]), recallOperation(&objects[2])}
	begin(t, c, recalls...)
	again := later.Add(time.Hour)
	must(t, c.CommitRecalled(t.Context(), someone, again, recalls))
	for i, op := range recalls {
		want := objects[2*i]
		want.State, want.Leave, want.ReleasedAt, want.RecalledAt, want.CheckedAt = Archived, LeaveLink, later, again, again
		want.Dev, want.Ino, want.Mtime, want.Ctime = op.Dev, op.Ino, op.Mtime, op.Ctime
		if diff := cmp.Diff(want, object(t, c, want.ID)); diff != "" {
			t.Errorf("recalled: %s", diff)
		}
	}
	if got := state(t, c, objects[1].ID); got != Released {
		t.Errorf("what was not recalled is %s", got)
	}
}

func TestRestored(t *testing.T) {
	home := fsys.Info{Dev: 77, Ino: 88, Mtime: fsys.Time{Sec: 5, Nsec: 6}, Ctime: fsys.Time{Sec: 7, Nsec: 8}}
	for name, info := range map[string]fsys.Info{"as it was": home, "changed": {}} {
		c := fresh(t)
		o := archiveSome(t, c, 0, 1, nil)[0]
		op := releaseSome(t, c, []Object{o})[0]
		must(t, c.CommitRestored(t.Context(), someone, noon, op, "a writer came", info))
		want := o
		want.Leave, want.ReleasedAt = LeaveLink, noon
		if name == "as it was" {
			want.Dev, want.Ino, want.Mtime, want.Ctime = info.Dev, info.Ino, info.Mtime, info.Ctime
		}
		if diff := cmp.Diff(want, object(t, c, o.ID)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if r := collectAudit(t, c, AuditFilter{Action: "restore"}); len(r) != 1 || r[0].Reason != "a writer came" {
			t.Errorf("%s: audited %+v", name, r)
		}
	}
}

// When a file was moved away and something else archived at its old path, its own release is refused by name, and ends without making its
// object current again.
func TestReleaseOfWhatIsSuperseded(t *testing.T) {
	c := fresh(t)
	objects := archiveSome(t, c, 0, 3, nil)
	var ops []*Operation
	for i := range objects {
		ops = append(ops, releaseOperation(&objects[i]))
	}
	begin(t, c, ops...)
	archiveSome(t, c, 1, 1, func(op *Operation) { op.Version, op.Object = 2, objectName(op.Host, op.Path, 2) })
	err := c.CommitReleased(t.Context(), someone, noon, ops, []string{"", "", ""})
	if refused := (*RefusedError)(nil); !errors.As(err, &refused) || !errors.Is(err, ErrState) || !slices.Equal(refused.Operations, []int64{ops[1].ID}) {
		t.Fatalf("error %v", err)
	}
	must(t, c.CommitRestored(t.Context(), someone, noon, ops[1], "refused", fsys.Info{}))
	must(t, c.CommitReleased(t.Context(), someone, noon, []*Operation{ops[0], ops[2]}, []string{"", ""}))
	archiveSome(t, c, 2, 1, func(op *Operation) { op.Version, op.Object = 2, objectName(op.Host, op.Path, 2) })
	must(t, c.CommitRestored(t.Context(), someone, noon, ops[2], "a writer came", fsys.Info{}))
	for i, want := range []State{Released, Superseded, Superseded} {
		if got := state(t, c, objects[i].ID); got != want {
			t.Errorf("object %d is %s, want %s", i, got, want)
		}
	}
}

func TestPurgedCountsForItsRun(t *testing.T) {
	c := fresh(t)
	runs := []*Run{{Policy: "a", Started: noon}, {Policy: "b", Started: noon}}
	for _, r := range runs {
		must(t, c.BeginRun(t.Context(), r))
	}
	objects := archiveSome(t, c, 0, 4, nil)
	var ops []*Operation
	for i := range objects {
		ops = append(ops, releaseOperation(&objects[i]))
		ops[i].Allocated = 1 << i
		if i < 3 {
			ops[i].Run = runs[i%2].ID
		}
	}
	begin(t, c, ops...)
	must(t, c.CommitReleased(t.Context(), someone, noon, ops, make([]string, 4)))
	must(t, c.UpdateRun(t.Context(), runs[0]))
	if runs[0].FilesReleased != 0 {
		t.Error("a release counts before the purge")
	}
	must(t, c.CommitPurged(t.Context(), noon, ops))
	for i, want := range [][2]int64{{2, 0b101}, {1, 0b10}} {
		must(t, c.UpdateRun(t.Context(), runs[i]))
		if got := [2]int64{runs[i].FilesReleased, runs[i].BytesReleased}; got != want {
			t.Errorf("run %d released %v, want %v", i, got, want)
		}
	}
}

func TestMended(t *testing.T) {
	c := fresh(t)
	old := archiveSome(t, c, 0, 1, nil)[0]
	must(t, c.MarkChecked(t.Context(), someone, noon, nil, map[int64]string{old.ID: "hash differs"}))
	op := mendOperation(&old)
	op.Digest, op.Ctime = "blake3:ffff", fsys.Time{Sec: 9, Nsec: 9}
	begin(t, c, op)
	later := noon.Add(time.Hour)
	mended, err := c.CommitMended(t.Context(), someone, later, op, "hash differs")
	must(t, err)
	want := old
	want.ID, want.Version, want.Object, want.Digest, want.Ctime = old.ID+1, 2, op.Object, op.Digest, op.Ctime
	want.ArchivedAt, want.CheckedAt = later, later
	if diff := cmp.Diff(want, mended); diff != "" {
		t.Errorf("mended: %s", diff)
	}
	if diff := cmp.Diff(mended, object(t, c, mended.ID)); diff != "" {
		t.Errorf("read back: %s", diff)
	}
	if got := object(t, c, old.ID); got.State != Disposed || got.Bad == "" {
		t.Errorf("the old one is %+v", got)
	}
	if got, _, err := c.Object(t.Context(), old.Host, old.Path); err != nil || got.ID != mended.ID {
		t.Errorf("the file's object is %d, %v", got.ID, err)
	}
	// The new attributes count where the journal has them.
	op = mendOperation(&mended)
	op.Attributes = fsys.Attributes{UID: 7, Mode: 0o600}
	begin(t, c, op)
	mended, err = c.CommitMended(t.Context(), someone, later, op, "")
	if err != nil || !cmp.Equal(mended.Attributes, op.Attributes, cmpopts.EquateEmpty()) {
		t.Errorf("%+v, %v", mended.Attributes, err)
	}
}

func TestJournal(t *testing.T) {
	c := fresh(t)
	ops := []*Operation{archiveOperation(1), archiveOperation(2), archiveOperation(3)}
	for _, op := range ops {
		op.Attributes = odd["bytes"]
		op.Path += "\xff"
	}
	begin(t, c, ops...)
	if ops[0].ID != 1 || ops[2].ID != 3 {
		t.Errorf("ids %d to %d", ops[0].ID, ops[2].ID)
	}
	ops[1].Phase, ops[1].Digest, ops[1].Ino = Publishing, "blake3:00", 99
	must(t, c.Advance(t.Context(), ops[1:2]))
	path := c.Path()
	must(t, c.Close())
	c = open(t, path)
	pending, err := c.Pending(t.Context())
	must(t, err)
	if diff := cmp.Diff([]Operation{*ops[0], *ops[1], *ops[2]}, pending); diff != "" {
		t.Error(diff)
	}
	must(t, c.Drop(t.Context(), ops[1:]))
	must(t, c.Drop(t.Context(), ops[2:])) // which is gone
	if err := c.Advance(t.Context(), ops); !errors.Is(err, ErrState) {
		t.Errorf("an operation that was dropped advances: %v", err)
	}
	if pending, err = c.Pending(t.Context()); err != nil || len(pending) != 1 || pending[0].ID != 1 {
		t.Errorf("%+v, %v", pending, err)
	}
}

func TestIdsAreNeverGivenTwice(t *testing.T) {
	c := fresh(t)
	last := func(want int64) {
		t.Helper()
		if n, err := c.LastOperation(t.Context()); err != nil || n != want {
			t.Errorf("the last operation is %d, %v; want %d", n, err, want)
		}
	}
	last(0)
	ops := begin(t, c, archiveOperation(1), archiveOperation(2))
	must(t, c.Drop(t.Context(), ops))
	last(2)
	must(t, c.SetLastOperation(t.Context(), 40))
	last(40)
	must(t, c.SetLastOperation(t.Context(), 7)) // it never goes back
	last(40)
	path := c.Path()
	must(t, c.Close())
	c = open(t, path)
	last(40)
	if ops := begin(t, c, archiveOperation(1)); ops[0].ID != 41 {
		t.Errorf("the next is %d", ops[0].ID)
	}
	// One that could not begin has no id, and its id may be given.
	c.raw(t, "CREATE TRIGGER broken BEFORE INSERT ON operation BEGIN SELECT RAISE(ABORT, 'planted'); END")
	op := archiveOperation(3)
	if err := c.Begin(t.Context(), []*Operation{op}); err == nil || op.ID != 0 {
		t.Errorf("id %d, %v", op.ID, err)
	}
	last(41)
}

func TestEachOperationNeedsItsReason(t *testing.T) {
	c := fresh(t)
	if _, err := c.CommitArchived(t.Context(), someone, noon, make([]*Operation, 2), three); err == nil {
		t.Error("two operations, three reasons")
	}
	if err := c.CommitReleased(t.Context(), someone, noon, make([]*Operation, 2), nil); err == nil {
		t.Error("two operations, no reason")
	}
}
