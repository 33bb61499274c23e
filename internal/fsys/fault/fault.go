// Package fault wraps a filesystem for tests: it counts and lists the calls, makes those fail that a plan names, and calls back before and
// after each, so that a test can race with a call, cut the power between two, or stop.
package fault

import (
	"fmt"
	"io/fs"
	"os"
	"strings"
	"sync"
	"syscall"

	"github.com/tidemark/tidemark/internal/fsys"
)

// Call is one call of the filesystem.
type Call struct {
	Number int    // from 1, in the order in which calls begin
	Op     string // the method's name, such as OpenReadWrite; that of fsys.FS is OpenRoot
	Path   string // what it is about: the path of the file or directory, or of the name in it
	To     string // the new name, of Rename and Link
	How    fsys.Rename
}

// String is such as "12 Rename /hot/a /hot/.tidemark/trash/1".
func (c Call) String() string {
	return strings.TrimSpace(fmt.Sprint(c.Number, " ", c.Op, " ", c.Path, " ", c.To))
}

// Fault makes calls fail. It is one of: the call of a Number, or calls that Match.
type Fault struct {
	Number int
	Match  func(Call) bool
	// Nth is which of those that match fails, from 1. 0: all of them.
	Nth int
	Err syscall.Errno
	// Partial is how many bytes a WriteAt still writes, and reports.
	Partial int
	// Happens makes the call all the same, and only its answer is the error: a server that did it, and whose answer got lost.
	Happens bool

	matched, hit int
}

// Plan is what goes wrong. Before and After are called for each call, without any lock held: they may use the filesystem themselves (the
// wrapped one, lest they count and meet the faults). After knows what was answered.
type Plan struct {
	Faults []*Fault
	Before func(Call)
	After  func(Call, error)
}

// FS counts and fails calls on their way to another filesystem. It is safe for concurrent use. The faults belong to it.
type FS struct {
	inner fsys.FS
	plan  Plan

	mu   sync.Mutex
	log  []Call
	wild []Call // whose faults hit
}

var (
	_ fsys.FS   = (*FS)(nil)
	_ fsys.Dir  = (*dir)(nil)
	_ fsys.File = (*file)(nil)
)

// New wraps a filesystem.
func New(inner fsys.FS, plan Plan) *FS { return &FS{inner: inner, plan: plan} }

// Calls are those made so far, in order.
func (f *FS) Calls() []Call {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]Call{}, f.log...)
}

// Count is how many calls were made.
func (f *FS) Count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.log)
}

// Hits are how often each fault of the plan made a call fail, in the plan's order. A test that planted a fault asserts that it was hit.
func (f *FS) Hits() []int {
	f.mu.Lock()
	defer f.mu.Unlock()
	hits := make([]int, len(f.plan.Faults))
	for i, fault := range f.plan.Faults {
		hits[i] = fault.hit
	}
	return hits
}

// Failed are the calls that were made to fail.
func (f *FS) Failed() []Call {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]Call{}, f.wild...)
}

// begin counts a call.
func (f *FS) begin(c Call) Call {
	f.mu.Lock()
	c.Number = len(f.log) + 1
	f.log = append(f.log, c)
	f.mu.Unlock()
	if f.plan.Before != nil {
		f.plan.Before(c)
	}
	return c
}

// find is the fault for a call, or nil.
func (f *FS) find(c Call) *Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	var found *Fault
	for _, fault := range f.plan.Faults {
		if fault.takes(c) && found == nil {
			found = fault
			fault.hit++
			f.wild = append(f.wild, c)
		}
	}
	return found
}

func (p *Fault) takes(c Call) bool {
	if p.Match == nil {
		return c.Number == p.Number
	}
	if !p.Match(c) {
		return false
	}
	p.matched++
	return p.Nth == 0 || p.Nth == p.matched
}

// do makes a call, unless it is to fail. What a failing call still does is told to failing, which may be nil.
func (f *FS) do(c Call, call func() error, failing func(*Fault)) error {
	c = f.begin(c)
	fault := f.find(c)
	var err error
	switch {
	case fault == nil:
		err = call()
	default:
		if fault.Happens {
			call()
		} else if failing != nil {
			failing(fault)
		}
		err = fault.error(c)
	}
	if f.plan.After != nil {
		f.plan.After(c, err)
	}
	return err
}

func (p *Fault) error(c Call) error {
	op := strings.ToLower(c.Op)
	if c.To != "" {
		return &os.LinkError{Op: op, Old: c.Path, New: c.To, Err: p.Err}
	}
	return &fs.PathError{Op: op, Path: c.Path, Err: p.Err}
}

// OpenRoot opens a directory whose calls are counted.
func (f *FS) OpenRoot(path string) (fsys.Dir, error) {
	return f.openDir("OpenRoot", path, func() (fsys.Dir, error) { return f.inner.OpenRoot(path) })
}

func (f *FS) openDir(op, path string, open func() (fsys.Dir, error)) (fsys.Dir, error) {
	var inner fsys.Dir
	err := f.do(Call{Op: op, Path: path}, func() (err error) {
		inner, err = open()
		return err
	}, nil)
	if err != nil {
		if inner != nil { // it happened all the same
			inner.Close()
		}
		return nil, err
	}
	return &dir{node{f, inner, path}, inner}, nil
}
