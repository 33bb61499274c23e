package archive

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tidemark/tidemark/internal/fsys"
	"github.com/tidemark/tidemark/tiering/catalog"
)

// Problem is something that a rebuild could not place. Nothing is ever deleted for it.
type Problem struct {
	Host   string
	Line   int64  // of the manifest; 0: it is about the tree
	Object string // relative to the archive's directory; may be empty
	Text   string
}

func (p Problem) String() string {
	switch {
	case p.Line > 0:
		return fmt.Sprintf("manifest of %s, line %d: %s", p.Host, p.Line, p.Text)
	case p.Object != "":
		return fmt.Sprintf("%s: %s", p.Object, p.Text)
	}
	return p.Text
}

// Rebuild makes what a catalog knows of this archive from its manifests and its tree alone, of all hosts: objects by host, path
// and version, without IDs; holds; the highest operation id. The content of objects is not read. An object that is missing, or has
// another size, is given with Bad. progress, which may be nil, is told now and then how many records and how many files were read.
//
// Manifests are streamed: memory is bounded by the number of objects, about 1 KiB for each.
func (a *Archive) Rebuild(ctx context.Context, progress func(records, files int64)) (
	objects []catalog.Object, holds []catalog.Hold, last int64, problems []Problem, err error,
) {
	r := newRebuild(a.Name, progress)
	hosts, err := a.Hosts()
	if err != nil {
		return nil, nil, 0, nil, fmt.Errorf("rebuild archive %q: %w", a.Name, err)
	}
	for _, host := range hosts {
		if err := r.manifest(ctx, a, host); err != nil {
			return nil, nil, 0, nil, fmt.Errorf("rebuild archive %q: %w", a.Name, err)
		}
	}
	if err := r.tree(ctx, a); err != nil {
		return nil, nil, 0, nil, fmt.Errorf("rebuild archive %q: %w", a.Name, err)
	}
	if err := a.Present(); err != nil { // or all would be missing
		return nil, nil, 0, nil, err
	}
	objects = r.finish()
	return objects, r.holds.list(), r.last, r.problems, nil
}

// rebuild is a catalog in the making.
type rebuild struct {
	archive  string
	objects  map[string]*rebuilt // by the path within the archive
	current  map[string]*rebuilt // the object that a file at home is, or was released to; by host and path
	holds    holds
	last     int64
	problems []Problem

	progress       func(records, files int64)
	records, files int64
}

type rebuilt struct {
	catalog.Object
	applied    int64 // the newest operation, in the order of order
	attributes bool  // are known
	placed     bool  // was found in the tree

	before struct { // the release, for its restore
		at    time.Time
		leave catalog.Leave
	}
}

func newRebuild(archive string, progress func(records, files int64)) *rebuild {
	if progress == nil {
		progress = func(int64, int64) {}
	}
	return &rebuild{archive: archive, objects: map[string]*rebuilt{}, current: map[string]*rebuilt{}, holds: holds{}, progress: progress}
}

// now and then: what progress is told.
const progressEvery = 10_000

func (r *rebuild) manifest(ctx context.Context, a *Archive, host string) error {
	line := int64(0)
	for record, err := range a.Records(ctx, host) {
		damage := (*Damage)(nil)
		switch {
		case errors.As(err, &damage):
			line = damage.Line
			if !damage.Last {
				r.problem(Problem{Host: host, Line: damage.Line, Text: damage.Err.Error()})
			}
			continue
		case err != nil:
			return err
		}
		line++
		r.apply(host, record)
		if r.records++; r.records%progressEvery == 0 {
			r.progress(r.records, r.files)
		}
	}
	return nil
}

func (r *rebuild) problem(p Problem) { r.problems = append(r.problems, p) }

// order is in which order records of one object count: a restore has the id of the release that it undoes.
func order(record Record) int64 {
	if record.Kind == KindRestore {
		return 2*record.Op + 1
	}
	return 2 * record.Op
}

// apply does what a record says, unless it did so before.
func (r *rebuild) apply(host string, record Record) {
	r.last = max(r.last, record.Op)
	switch record.Kind {
	case KindDirectory:
		return
	case KindHold, KindUnhold:
		r.holds.apply(record)
		return
	}
	record.Host = host
	if err := validObject(record.Object); err != nil {
		r.problem(Problem{Host: host, Object: record.Object, Text: fmt.Sprintf("a record of kind %q: %v", record.Kind, err)})
		return
	}
	o, known := r.objects[record.Object]
	if known && record.Op > 0 && order(record) <= o.applied {
		return
	}
	switch record.Kind {
	case KindArchive:
		r.supersede(r.publish(record))
	case KindMend:
		r.mend(record)
	case KindRelease, KindRestore, KindRecall, KindDispose:
		if !known {
			if o = r.unpublished(record); o == nil {
				return
			}
		}
		o.change(record)
		if o.State == catalog.Disposed && r.current[fileOf(record)] == o {
			delete(r.current, fileOf(record))
		}
	default:
		r.problem(Problem{Host: host, Object: record.Object, Text: fmt.Sprintf("a record of an unknown kind %q: a newer tidemark wrote it", record.Kind)})
		return
	}
	r.objects[record.Object].applied = max(r.objects[record.Object].applied, order(record))
}

// fileOf names a file at home.
func fileOf(record Record) string { return record.Host + record.Path }

// publish makes an object of its record.
func (r *rebuild) publish(record Record) *rebuilt {
	o := &rebuilt{Object: catalog.Object{
		Archive: r.archive, Host: record.Host, Path: record.Path, Version: record.Version, Object: record.Object,
		State: catalog.Archived, Leave: record.Leave, Size: record.Size, Allocated: record.Allocated, Digest: record.Digest,
		Policy: record.Policy, Run: record.Run, ArchivedAt: record.Time,
		Dev: record.Dev, Ino: record.Ino, Mtime: record.Mtime, Ctime: record.Ctime,
	}}
	if record.Attributes != nil {
		o.Attributes, o.attributes = *record.Attributes, true
	}
	r.objects[record.Object] = o
	return o
}

// unpublished is an object whose first record is lost; what can be known of it is in this one and in the tree.
func (r *rebuild) unpublished(record Record) *rebuilt {
	if record.Digest == "" || record.Path == "" {
		r.problem(Problem{Host: record.Host, Object: record.Object, Text: fmt.Sprintf("a record of kind %q is all that is left of it: it could not be placed", record.Kind)})
		return nil
	}
	r.problem(Problem{Host: record.Host, Object: record.Object, Text: "the record of its archiving is lost: its attributes are taken from the object itself"})
	o := r.publish(record)
	r.supersede(o)
	return o
}

// supersede makes an object the one that stands for its file.
func (r *rebuild) supersede(o *rebuilt) {
	key := o.Host + o.Path
	old, ok := r.current[key]
	switch {
	case !ok || old.Object.Object == o.Object.Object:
	case old.Version > o.Version:
		o.State = catalog.Superseded
		return
	default:
		old.State = catalog.Superseded
	}
	r.current[key] = o
}

// mend makes an object that takes over the state of the one that it replaces.
func (r *rebuild) mend(record Record) {
	old := r.current[fileOf(record)]
	if record.Replaces != "" {
		old = r.objects[record.Replaces]
	}
	o := r.publish(record)
	if old == nil {
		r.supersede(o)
		return
	}
	o.State, o.Leave, o.ReleasedAt, o.RecalledAt = old.State, old.Leave, old.ReleasedAt, old.RecalledAt
	old.State = catalog.Disposed
	old.applied = max(old.applied, order(record))
	if r.current[fileOf(record)] == old {
		r.current[fileOf(record)] = o
	}
}

// change is what happens to an object that is there. One that was superseded meanwhile stays so, whatever becomes of its file.
func (o *rebuilt) change(record Record) {
	if o.State == catalog.Superseded {
		defer func() {
			if o.State != catalog.Disposed {
				o.State = catalog.Superseded
			}
		}()
	}
	switch record.Kind {
	case KindRelease:
		o.before.at, o.before.leave = o.ReleasedAt, o.Leave
		o.State, o.ReleasedAt, o.Leave = catalog.Released, record.Time, record.Leave
	case KindRestore:
		if o.applied == order(record)-1 { // else its release came to no record
			o.State, o.ReleasedAt, o.Leave = catalog.Archived, o.before.at, o.before.leave
		}
		o.home(record)
	case KindRecall:
		o.State, o.RecalledAt = catalog.Archived, record.Time
		o.home(record)
	case KindDispose:
		o.State = catalog.Disposed
	}
}

// home is the copy at home that the object equals.
func (o *rebuilt) home(record Record) {
	if record.Ino != 0 {
		o.Dev, o.Ino, o.Mtime, o.Ctime = record.Dev, record.Ino, record.Mtime, record.Ctime
	}
}

// tree looks at what is in the archive, and places it.
func (r *rebuild) tree(ctx context.Context, a *Archive) error {
	trees, err := a.trees()
	if err != nil {
		return err
	}
	unreadable := map[string]error{}
	visit := visitor{
		file: func(p string, info fsys.Info, dir fsys.Dir, name string) {
			if r.files++; r.files%progressEvery == 0 {
				r.progress(r.records, r.files)
			}
			r.place(p, info, dir, name)
		},
		unreadable: func(p string, err error) {
			unreadable[p] = err
			r.problem(Problem{Object: p, Text: fmt.Sprintf("it can't be read: %v", err)})
		},
	}
	for _, top := range trees {
		if err := walk(ctx, a.Root, top, top, visit); err != nil {
			return err
		}
	}
	for _, p := range slices.Sorted(maps.Keys(r.objects)) {
		o := r.objects[p]
		if o.placed || o.State == catalog.Disposed {
			continue
		}
		o.Bad = "it is missing in the archive"
		for above, err := range unreadable {
			if p == above || strings.HasPrefix(p, above+"/") {
				o.Bad = fmt.Sprintf("it can't be read: %v", err)
			}
		}
		r.problem(Problem{Host: o.Host, Object: p, Text: o.Bad})
	}
	r.progress(r.records, r.files)
	return nil
}

// place finds the object that a file in the archive is.
func (r *rebuild) place(p string, info fsys.Info, dir fsys.Dir, name string) {
	o, ok := r.objects[p]
	if !ok {
		r.problem(Problem{Object: p, Text: "no record names it: it could not be placed"})
		return
	}
	o.placed = true
	if o.State == catalog.Disposed {
		return
	}
	switch {
	case !info.IsRegular():
		o.Bad = "it is no regular file"
	case info.Size != o.Size:
		o.Bad = fmt.Sprintf("it has %d bytes instead of %d", info.Size, o.Size)
	}
	if o.Bad == "" && !o.attributes {
		if err := o.readAttributes(dir, name); err != nil {
			o.Bad = fmt.Sprintf("it can't be read: %v", err)
		}
	}
	if o.Bad != "" {
		r.problem(Problem{Host: o.Host, Object: p, Text: o.Bad})
	}
}

func (o *rebuilt) readAttributes(dir fsys.Dir, name string) error {
	file, err := dir.Open(name)
	if err != nil {
		return err
	}
	defer file.Close()
	o.Attributes, _, err = fsys.ReadAttributes(file)
	o.Attributes.Flags &^= FlagImmutable
	return err
}

// finish is all objects in order.
func (r *rebuild) finish() []catalog.Object {
	objects := make([]catalog.Object, 0, len(r.objects))
	for _, o := range r.objects {
		objects = append(objects, o.Object)
	}
	slices.SortFunc(objects, func(a, b catalog.Object) int {
		return cmp.Or(cmp.Compare(a.Host, b.Host), cmp.Compare(a.Path, b.Path), cmp.Compare(a.Version, b.Version))
	})
	return objects
}

// holds is what is known of holds so far. Each host places its own.
type holds map[holdKey]holdNow

type holdKey struct{ host, cause, glob string }

type holdNow struct {
	catalog.Hold
	changed time.Time
	over    bool
}

// apply ignores what is older than what is known: it was appended again.
func (h holds) apply(record Record) {
	if record.Kind == KindUnhold && record.Glob == "" {
		for key, now := range h {
			if key.host == record.Host && key.cause == record.Case && !now.changed.After(record.Time) {
				now.over, now.changed = true, record.Time
				h[key] = now
			}
		}
		return
	}
	key := holdKey{record.Host, record.Case, record.Glob}
	if now, ok := h[key]; ok && (now.changed.After(record.Time) || !now.over && record.Kind == KindHold) {
		return
	}
	h[key] = holdNow{
		catalog.Hold{Case: record.Case, Glob: record.Glob, By: record.By, At: record.Time, Cause: "catalog"},
		record.Time, record.Kind == KindUnhold,
	}
}

// list is each hold that is not over once, by case and glob.
func (h holds) list() []catalog.Hold {
	var list []catalog.Hold
	for _, now := range h {
		if !now.over {
			list = append(list, now.Hold)
		}
	}
	slices.SortFunc(list, func(a, b catalog.Hold) int {
		return cmp.Or(cmp.Compare(a.Case, b.Case), cmp.Compare(a.Glob, b.Glob), a.At.Compare(b.At))
	})
	return slices.CompactFunc(list, func(a, b catalog.Hold) bool { return a.Case == b.Case && a.Glob == b.Glob })
}
