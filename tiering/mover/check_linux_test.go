package mover_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/tidemark/tidemark/internal/fsys"
	"github.com/tidemark/tidemark/internal/fsys/crash"
	"github.com/tidemark/tidemark/tiering/archive"
	"github.com/tidemark/tidemark/tiering/catalog"
)

// proven remembers which content has which digest: each is read once.
type proven struct{ sync.Map }

// check is what must hold of a world at rest.
type check struct {
	w        *world
	want     map[string]crash.Entry
	proven   *proven
	reported string // what recovery and the results said
	torn     bool   // a sync failed, or of what was not synced a part was kept: lines of the manifest may be damaged, and were appended again

	hot, vault map[string]crash.Entry
	objects    []catalog.Object
	current    map[string]catalog.Object // by path
	errs       []error
}

func (c *check) fail(format string, args ...any) {
	c.errs = append(c.errs, fmt.Errorf(format, args...))
}

// whole looks at everything and says what is wrong.
func (w *world) whole(want map[string]crash.Entry, proven *proven, reported string) error {
	c := &check{w: w, want: want, proven: proven, reported: reported, torn: strings.Contains(reported, "Sync") || strings.Contains(reported, "keeping 0.5"), current: map[string]catalog.Object{}}
	var err, err2 error
	c.hot, err = w.disk.Dump(hot)
	c.vault, err2 = w.disk.Dump(vault)
	if err := errors.Join(err, err2); err != nil {
		return err
	}
	c.objects = w.objects()
	for _, o := range c.objects {
		if o.State == catalog.Archived || o.State == catalog.Released {
			if other, twice := c.current[o.Path]; twice {
				c.fail("%q has two objects: %s and %s", o.Path, other.Object, o.Object)
			}
			c.current[o.Path] = o
		}
	}
	c.files()
	c.inArchive()
	c.nothingLeft()
	c.rebuild()
	return errors.Join(c.errs...)
}

func (w *world) objects() (all []catalog.Object) {
	states := []catalog.State{catalog.Archived, catalog.Released, catalog.Superseded, catalog.Disposed}
	for o, err := range w.book.Catalog.Objects(context.Background(), catalog.Query{States: states, Superseded: true}) {
		must(w.t, err)
		all = append(all, o)
	}
	return all
}

// files sees that every file's content is where it must be.
func (c *check) files() {
	for _, path := range slices.Sorted(maps.Keys(c.want)) {
		want, o := c.want[path], c.current[path]
		at, there := c.hot[path]
		switch {
		case there && at.Mode&fsys.TypeMask == fsys.TypeRegular:
			if at.Content != want.Content || at.Size != want.Size {
				c.fail("%q has another content (%d bytes)", path, at.Size)
			}
			if got, want := attributes(at), attributes(want); got != want {
				c.fail("%q has attributes %s, want %s", path, got, want)
			}
			if o.State == catalog.Released {
				c.fail("%q is at home, and released in the catalog", path)
			}
			continue
		case there:
			if at.Target != vault+"/"+o.Object {
				c.fail("%q leads to %s, the catalog's object is %s", path, at.Target, o.Object)
			}
		case c.w.leave == catalog.LeaveLink:
			c.fail("%q is gone", path)
		}
		if o.State != catalog.Released {
			c.fail("%q is not at home, and its object is %q in the catalog", path, o.State)
		}
		if object := c.vault[vault+"/"+o.Object]; object.Content != want.Content || object.Size != want.Size {
			c.fail("%q is released, its object %s has another content", path, o.Object)
		}
	}
	for path := range c.hot {
		if _, mine := c.want[path]; !mine && c.hot[path].Mode&fsys.TypeMask != fsys.TypeDir && path != hot+"/.tidemark/lock" {
			c.fail("%q is on the volume", path)
		}
	}
}

// attributes are those that must survive. The change of a name moves ctime.
func attributes(e crash.Entry) string {
	return fmt.Sprintf("%o %d %d:%d %v %v %#x %d %q", e.Mode, e.Nlink, e.UID, e.GID, e.Atime, e.Mtime, e.Flags, e.Project, e.Xattrs)
}

// inArchive sees that the catalog and the archive's tree agree.
func (c *check) inArchive() {
	known := map[string]bool{}
	for _, o := range c.objects {
		path := vault + "/" + o.Object
		at, there := c.vault[path]
		if o.State == catalog.Disposed {
			if there {
				c.fail("%s is disposed of, and there", path)
			}
			continue
		}
		known[path] = true
		switch {
		case !there:
			c.fail("the catalog names %s (%s), which is missing", path, o.State)
		case o.Bad != "":
		case at.Size != o.Size || !c.has(o, at):
			c.fail("%s has another content than its digest says", path)
		case at.Flags&fsys.FlagImmutable == 0:
			c.fail("%s is not immutable", path)
		case at.Mode&0o6222 != 0 || at.Nlink != 1:
			c.fail("%s has mode %o and %d names", path, at.Mode, at.Nlink)
		}
	}
	for path, at := range c.vault {
		object := strings.TrimPrefix(path, vault+"/")
		mine := strings.HasPrefix(object, "data/") || strings.HasPrefix(object, "versions/")
		if mine && at.Mode&fsys.TypeMask != fsys.TypeDir && !known[path] && !strings.Contains(c.reported, object) {
			c.fail("nobody knows %s", path)
		}
	}
}

// has says whether a content has an object's digest.
func (c *check) has(o catalog.Object, at crash.Entry) bool {
	key := o.Digest + at.Content
	if ok, known := c.proven.Load(key); known {
		return ok.(bool)
	}
	a, err := archive.OpenForReading(c.w.disk, vault, "vault")
	if err != nil {
		c.fail("%w", err)
		return false
	}
	defer a.Close()
	var bad *archive.Bad
	err = a.Check(context.Background(), o, make([]byte, 1<<20), nil)
	ok := err == nil || errors.As(err, &bad) && bad.Fault == archive.FaultMutable
	c.proven.Store(key, ok)
	return ok
}

func (c *check) nothingLeft() {
	ops, err := c.w.book.Catalog.Pending(context.Background())
	if err != nil || len(ops) > 0 {
		c.fail("pending: %v, %v", ops, err)
	}
	for path := range c.hot {
		if strings.HasPrefix(path, hot+"/.tidemark/trash/") || strings.HasPrefix(path, hot+"/.tidemark/staging/") {
			c.fail("%s is left", path)
		}
	}
	for path := range c.vault {
		if strings.HasPrefix(path, vault+"/.tidemark/staging/") {
			c.fail("%s is left", path)
		}
	}
}

// rebuild sees that the archive alone tells what the catalog knows.
func (c *check) rebuild() {
	a, err := archive.OpenForReading(c.w.disk, vault, "vault")
	if err != nil {
		c.fail("%w", err)
		return
	}
	defer a.Close()
	objects, _, _, problems, err := a.Rebuild(context.Background(), nil)
	if err != nil {
		c.fail("rebuild: %w", err)
	}
	for _, p := range problems {
		if !strings.Contains(c.reported, p.Object) || p.Object == "" {
			if !c.bad(p.Object) && !(p.Line > 0 && c.torn) {
				c.fail("rebuild: %s", p)
			}
		}
	}
	known := map[string]string{}
	for _, o := range c.objects {
		known[o.Object] = essence(o)
	}
	for _, o := range objects {
		if known[o.Object] != essence(o) {
			c.fail("rebuild says %s, the catalog %s", essence(o), known[o.Object])
		}
		delete(known, o.Object)
	}
	for _, what := range known {
		c.fail("rebuild does not know %s", what)
	}
}

func (c *check) bad(object string) bool {
	return slices.ContainsFunc(c.objects, func(o catalog.Object) bool { return o.Object == object && o.Bad != "" })
}

// essence is what a rebuilt catalog must know. Which file at home an object equals matters while there is one.
func essence(o catalog.Object) string {
	s := fmt.Sprintf("%s: %q %s v%d %d bytes %s", o.Object, o.Path, o.State, o.Version, o.Size, o.Digest)
	if o.State == catalog.Archived {
		s += fmt.Sprintf(" of %d %v %v", o.Ino, o.Mtime, o.Ctime)
	}
	return s
}

// print is all of a world, so that two can be compared.
func (w *world) print() string {
	var b strings.Builder
	printDisk(w.disk, &b)
	for _, o := range w.objects() {
		fmt.Fprintln(&b, o)
	}
	ops, err := w.book.Catalog.Pending(context.Background())
	seq, head, err2 := w.book.Catalog.AuditHead(context.Background())
	fmt.Fprintln(&b, ops, err, seq, head, err2)
	return b.String()
}

func printDisk(disk *crash.FS, b *strings.Builder) {
	for _, top := range []string{hot, vault} {
		all, err := disk.Dump(top)
		if err != nil {
			fmt.Fprintln(b, err)
		}
		for _, path := range slices.Sorted(maps.Keys(all)) {
			fmt.Fprintf(b, "%q %+v\n", path, all[path])
		}
	}
}

type print [sha256.Size]byte

// printOf is short for a disk and how much of the catalog's log there is.
func printOf(disk *crash.FS, commits int) print {
	var b strings.Builder
	printDisk(disk, &b)
	fmt.Fprint(&b, commits)
	return sha256.Sum256([]byte(b.String()))
}
