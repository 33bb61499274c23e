// Package tiering is the engine that makes room: it scans a policy's volume, plans, moves cold files to an archive, brings them
// back, and looks after the archives. Daemon runs the policies on their schedules.
//
// A Policy comes compiled (cmd reads the configuration); the planner's outlook is asked through an interface. Decisions are
// made by tiering/policy and tiering/selection, which are pure; tiering/mover takes the steps; tiering/catalog remembers.
package tiering

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tidemark/tidemark/internal/fsys"
	"github.com/tidemark/tidemark/internal/line"
	"github.com/tidemark/tidemark/tiering/archive"
	"github.com/tidemark/tidemark/tiering/catalog"
	"github.com/tidemark/tidemark/tiering/mover"
	"github.com/tidemark/tidemark/tiering/policy"
	"github.com/tidemark/tidemark/tiering/selection"
)

// Policy says which files of a volume go to which archive, and when.
type Policy struct {
	Name    string
	Volume  string // absolute: a mount point, or a directory on one
	Archive string
	Rule    *policy.Rule
	Exclude *policy.Excludes
	// Schedule is when tierd runs it; nil: never by itself.
	Schedule      *Schedule
	StartAbove    float64       // share of usable space, within (0, 1]; 0: not asked
	FullWithin    time.Duration // the volume's outlook is to be full that soon; 0: not asked
	StopBelow     float64       // share of usable space; 0: everything eligible
	Order         selection.Order
	Leave         catalog.Leave
	KeepRecalled  time.Duration
	MostBytes     int64   // of a run; 0: no limit
	MostFiles     int64   // of a run; 0: no limit
	Bandwidth     int64   // bytes a second, copied or read back; 0: no limit
	Window        *Window // when it may run; nil: always
	Enforce       bool
	ExportedLinks bool
	// Fingerprint is of all that decides what a plan of it does: a plan of another fingerprint is refused.
	Fingerprint string
}

// ArchiveVolume is where an archive is.
type ArchiveVolume struct {
	Name    string
	Path    string
	MinFree float64 // share of its filesystem that stays free
}

// Outlook says when volumes will be full.
type Outlook interface {
	// FullWithin is the median time until the volume that holds a path is full; ok is false where there is no date, and why says the reason.
	FullWithin(ctx context.Context, path string, now time.Time) (in time.Duration, ok bool, why string, err error)
}

// Options are what an Engine stands on. Host, FS, Catalog, Now, Sleep and Log are required.
type Options struct {
	Host     string
	FS       fsys.FS
	Catalog  *catalog.Catalog
	Archives []ArchiveVolume
	Policies []Policy
	Own      []string       // directories that no policy moves anything from, such as where the catalog is; absolute. Archives count as such
	Holds    []catalog.Hold // of the configuration
	Outlook  Outlook        // nil: no dates
	Actor    catalog.Actor
	Now      func() time.Time
	Sleep    func(ctx context.Context, d time.Duration) error
	Log      *slog.Logger
	// Record takes points for the boards; nil: nobody does.
	Record func(ctx context.Context, points []line.Point) error
	// Pressure is how busy the disks are, in percent (ReadPressure); work pauses while it is above PauseAbove. nil: it never pauses.
	Pressure   func() (float64, error)
	PauseAbove float64
	// Tags are of the configuration, for points.
	Tags map[string]string
}

// Engine does what policies say. Its methods may be called at the same time; a volume's lock keeps them apart.
type Engine struct {
	opt      Options
	progress *Progress // of the work at hand
	fresh    freshHolds
}

// New is an engine.
func New(o Options) *Engine { return &Engine{opt: o, progress: &Progress{}} }

// ErrUnknown says that there is no policy or archive of a name.
var ErrUnknown = errors.New("unknown")

// Policy is the policy of a name, or ErrUnknown.
func (e *Engine) Policy(name string) (Policy, error) {
	for _, p := range e.opt.Policies {
		if p.Name == name {
			return p, nil
		}
	}
	return Policy{}, fmt.Errorf("policy %q: %w", name, ErrUnknown)
}

// ArchiveVolume is where the archive of a name is, or ErrUnknown.
func (e *Engine) ArchiveVolume(name string) (ArchiveVolume, error) {
	for _, a := range e.opt.Archives {
		if a.Name == name {
			return a, nil
		}
	}
	return ArchiveVolume{}, fmt.Errorf("archive %q: %w", name, ErrUnknown)
}

// A Refusal is why nothing was begun: the configuration or the state of the host forbids it.
type Refusal struct {
	Why   string
	Hint  string // what to do
	Cause error  // nil: the refusal is its own
}

func (r *Refusal) Error() string { return r.Why }
func (r *Refusal) Unwrap() error { return r.Cause }

func refuse(hint, format string, args ...any) error {
	return &Refusal{Why: fmt.Sprintf(format, args...), Hint: hint}
}

// openArchive opens an archive and sees that the catalog knows all that it knows.
func (e *Engine) openArchive(ctx context.Context, name string) (*archive.Archive, ArchiveVolume, error) {
	v, err := e.ArchiveVolume(name)
	if err != nil {
		return nil, v, err
	}
	a, err := archive.Open(e.opt.FS, v.Path, v.Name)
	if err != nil {
		return nil, v, archiveRefusal(v, err)
	}
	if err = e.current(ctx, a); err == nil {
		err = e.recognise(ctx, a)
	}
	if err != nil {
		return nil, v, errors.Join(err, a.Close())
	}
	return a, v, nil
}

// archiveRefusal says what to do about an archive that does not open.
func archiveRefusal(v ArchiveVolume, err error) error {
	switch {
	case errors.Is(err, archive.ErrNotInitialised), errors.Is(err, fs.ErrNotExist):
		return refuse(fmt.Sprintf("mount it; or, if it is new: tidemark archive init %s", v.Name),
			"archive %s at %s is not there: it is not mounted, or not initialised", v.Name, v.Path)
	case errors.Is(err, archive.ErrReadOnly):
		return refuse("mount it for writing", "archive %s at %s is read-only", v.Name, v.Path)
	case errors.Is(err, archive.ErrOther):
		return refuse("correct archives: in the configuration, or mount the right one", "%v", err)
	}
	return err
}

// current refuses an archive that is another one than the catalog knows by its name, and a catalog that knows less than the archive:
// one that was restored from a backup would publish and recall wrongly.
func (e *Engine) current(ctx context.Context, a *archive.Archive) error {
	id, err := e.opt.Catalog.ArchiveID(ctx, a.Name)
	if err != nil {
		return err
	}
	if id != "" && id != a.Marker.ID {
		return refuse("mount the right one; or, if this one has taken its place for good: tidemark archive rebuild "+a.Name,
			"at %s is another archive %s (%s) than the catalog knows (%s)", a.Path, a.Name, a.Marker.ID, id)
	}
	inArchive, err := a.LastOperation(e.opt.Host)
	if err != nil {
		return fmt.Errorf("archive %s: %w", a.Name, err)
	}
	known, err := e.opt.Catalog.LastOperation(ctx)
	if err != nil {
		return err
	}
	if inArchive > known {
		return refuse("tidemark archive rebuild "+a.Name,
			"the catalog is older than archive %s: it knows operations up to %d, the archive up to %d (was it restored from a backup?)",
			a.Name, known, inArchive)
	}
	return nil
}

// recognise remembers which archive it is that has this name.
func (e *Engine) recognise(ctx context.Context, a *archive.Archive) error {
	id, err := e.opt.Catalog.ArchiveID(ctx, a.Name)
	if err != nil || id != "" {
		return err
	}
	return e.opt.Catalog.Recognise(ctx, a.Name, a.Marker.ID)
}

// holds are those of the catalog, now, and of the configuration.
func (e *Engine) holds(ctx context.Context) (*catalog.HoldMatcher, error) {
	inCatalog, err := e.opt.Catalog.Holds(ctx)
	if err != nil {
		return nil, err
	}
	return catalog.NewHoldMatcher(slices.Concat(inCatalog, e.opt.Holds))
}

// Holds are all of them, by case and glob.
func (e *Engine) Holds(ctx context.Context) ([]catalog.Hold, error) {
	inCatalog, err := e.opt.Catalog.Holds(ctx)
	if err != nil {
		return nil, err
	}
	all := slices.Concat(inCatalog, e.opt.Holds)
	slices.SortStableFunc(all, func(a, b catalog.Hold) int {
		return strings.Compare(a.Case+"\x00"+a.Glob, b.Case+"\x00"+b.Glob)
	})
	return all, nil
}

// freshHolds are the holds as they were a moment ago.
type freshHolds struct {
	mu      sync.Mutex // guards what follows
	matcher *catalog.HoldMatcher
	read    time.Time
}

// holdsAge is how old the holds may be that a step is checked against: so soon a hold that is placed during a run counts.
const holdsAge = 50 * time.Millisecond

// heldNow looks holds up for the mover, which asks before every step.
func (e *Engine) heldNow(ctx context.Context, path string) (catalog.Hold, bool, error) {
	f := &e.fresh
	f.mu.Lock()
	defer f.mu.Unlock()
	if age := e.opt.Now().Sub(f.read); f.matcher == nil || age > holdsAge || age < 0 {
		m, err := e.holds(ctx)
		if err != nil {
			return catalog.Hold{}, false, err
		}
		f.matcher, f.read = m, e.opt.Now()
	}
	h, held := f.matcher.Match(path)
	return h, held, nil
}

// volumeOf is the directory that keeps the trash and the lock for a path: the volume of the policy that covers it, else the nearest
// directory above it that has one already.
func (e *Engine) volumeOf(path string) (string, error) {
	for _, p := range e.opt.Policies {
		if within(path, p.Volume) {
			return p.Volume, nil
		}
	}
	for dir := filepath.Dir(path); ; dir = filepath.Dir(dir) {
		root, err := e.opt.FS.OpenRoot(dir)
		if err == nil {
			info, err := root.StatName(mover.PrivateDir)
			root.Close()
			if err == nil && info.IsDir() {
				return dir, nil
			}
		}
		if dir == "/" {
			return "", refuse("add a policy for its volume to the configuration", "no policy covers %s: where its volume begins is not known", path)
		}
	}
}

// within says that a path is a directory or below it.
func within(path, dir string) bool {
	dir = strings.TrimSuffix(dir, "/")
	return path == dir || strings.HasPrefix(path, dir+"/")
}

// moverFor takes a volume's lock. The caller closes the mover, then the archive.
func (e *Engine) moverFor(volume string, a *archive.Archive, change func(*mover.Options)) (*mover.Mover, error) {
	o := mover.Options{
		FS: e.opt.FS, Catalog: e.opt.Catalog, Archive: a, Host: e.opt.Host, Volume: volume, Actor: e.opt.Actor, Held: e.heldNow,
		Now: e.opt.Now, Sleep: e.opt.Sleep, Progress: e.progress.bytes,
	}
	if change != nil {
		change(&o)
	}
	m, err := mover.New(o)
	if errors.Is(err, fsys.ErrLocked) {
		return nil, &Refusal{Why: "another tidemark is at work on " + volume, Hint: "wait until it has ended", Cause: err}
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, refuse("is it mounted?", "volume %s: %v", volume, err)
	}
	return m, err
}

// pace is how gently a policy's files are moved.
func (e *Engine) pace(p Policy) *Pace {
	return NewPace(PaceOptions{Bandwidth: p.Bandwidth, Pressure: e.opt.Pressure, PauseAbove: e.opt.PauseAbove, Now: e.opt.Now, Log: e.opt.Log})
}
