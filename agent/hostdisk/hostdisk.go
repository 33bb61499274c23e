// Package hostdisk reads this host's mounts and how full they are. A filesystem that does not answer is reported as stuck and
// delays nobody. It is the only importer of gopsutil, which serves what it does right: the counters of block devices, the
// host's facts, and the platforms without mountinfo.
package hostdisk

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"log/slog"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/tidemark/tidemark/internal/volume"
)

// Options of Disks. Host and Log are required.
type Options struct {
	Host           string
	Tags           map[string]string // of every sample
	ExcludeFstypes []string
	ExcludePaths   []string // globs; ** crosses directories
	// RootFallback lists / where nothing else is left, whatever its type: in a container that is an overlay.
	RootFallback bool
	Timeout      time.Duration // after which a filesystem is stuck; 0: 5 s
	Log          *slog.Logger
	// Apart makes the command of a process that runs Serve. Filesystems that hold a process until they answer are read by it, so
	// that this one can end. Nil: this process reads them too.
	Apart func() *exec.Cmd
}

const defaultTimeout = 5 * time.Second

// usage is what a filesystem answers. Empty says that it has no size: it stores nothing.
type usage struct {
	volume.Usage
	reserved int64
}

var (
	// errNotAVolume says that a mount has no size, so that it stores nothing.
	errNotAVolume = errors.New("has no size")
	// errCovered says that something else is reachable at the path.
	errCovered = errors.New("another filesystem is mounted over it")
	// errIsAFile says that a single file is mounted, as containers do with /etc/hosts.
	errIsAFile = errors.New("is a file")
	// errNotAsked says that a call was not begun, because too many to the same server or device hang.
	errNotAsked = errors.New("is not asked")
)

// forgetAfter is how long a volume that was unmounted is reported missing: a host that mounts and unmounts all day must not
// remember every path for ever.
const forgetAfter = 24 * time.Hour

// Disks reads one host. Its methods may be called concurrently, but one sampling runs at a time.
type Disks struct {
	opt      Options
	mounts   func() ([]mount, error)
	read     func(mount) (usage, error) // may hang
	apart    *apart                     // nil: none
	mu       sync.Mutex
	probes   map[mountKey]*probe
	gates    map[string]gate
	seen     map[string]sighting // every path that was a volume
	troubled map[string]string   // what was logged of a path last

	platformOnce sync.Once
	platform     string
}

// sighting is when a volume was mounted last, and as what.
type sighting struct {
	volume.Attributes
	at time.Time
}

// mountKey tells one mount from another at the same path.
type mountKey struct {
	point, source, fstype string
	major, minor          uint32
}

func (m mount) key() mountKey { return mountKey{m.point, m.source, m.fstype, m.major, m.minor} }

// New reads the host that this process runs on.
func New(opt Options) (*Disks, error) {
	for _, glob := range opt.ExcludePaths {
		if !doublestar.ValidatePattern(glob) {
			return nil, fmt.Errorf("exclude path %q is no glob", glob)
		}
	}
	if opt.Timeout == 0 {
		opt.Timeout = defaultTimeout
	}
	d := &Disks{
		opt: opt, mounts: hostMounts, read: readUsage,
		probes: map[mountKey]*probe{}, gates: map[string]gate{}, seen: map[string]sighting{}, troubled: map[string]string{},
	}
	if opt.Apart != nil {
		d.apart = &apart{command: opt.Apart}
		d.read = func(m mount) (usage, error) {
			if m.holdsCallers() {
				return d.apart.read(m)
			}
			return readUsage(m)
		}
	}
	return d, nil
}

// Sample reads every volume, in no more time than the timeout and a little, sorted by ID. A volume that was there before and
// is not mounted now is Missing; one that does not answer is Stuck. Trouble with one volume is logged when it begins and costs
// only that one.
func (d *Disks) Sample(ctx context.Context, now time.Time) ([]volume.Sample, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	mounts, err := d.mounts()
	if err != nil {
		return nil, fmt.Errorf("list the mounts: %w", err)
	}
	now = now.UTC().Truncate(time.Second)
	samples := d.readAll(ctx, viewsOf(mounts, d.excluded), now)
	if len(samples) == 0 && d.opt.RootFallback {
		samples = d.readAll(ctx, viewsOf(mounts, func(m mount) bool { return m.point != "/" }), now)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	samples = d.addMissing(samples, mounts, now)
	slices.SortFunc(samples, func(a, b volume.Sample) int { return a.ID.Compare(b.ID) })
	return samples, nil
}

func (d *Disks) excluded(m mount) bool {
	return slices.Contains(d.opt.ExcludeFstypes, m.fstype) || slices.ContainsFunc(d.opt.ExcludePaths, func(glob string) bool {
		ok, err := doublestar.Match(glob, m.point)
		return err == nil && ok
	})
}

// readAll asks all filesystems at once, each view of one its own worker, and waits for all answers or the timeout. Of the
// views of one filesystem the first that is a directory is its volume.
func (d *Disks) readAll(ctx context.Context, filesystems [][]mount, now time.Time) []volume.Sample {
	d.forgetProbes(filesystems)
	giveUp, cancel := context.WithTimeout(ctx, d.opt.Timeout)
	defer cancel()
	var begun []*probe
	for m := range each(filesystems) {
		p := d.probes[m.key()]
		if p.ask(giveUp, d.gates[m.origin()], func() (usage, error) { return d.read(m) }) {
			begun = append(begun, p)
		}
	}
	for _, p := range begun { // a call that hangs since an earlier sampling has had its time
		p.wait(giveUp)
	}
	if ctx.Err() != nil {
		return nil
	}
	var samples []volume.Sample
	for _, views := range filesystems {
		for _, m := range views {
			if s, err := d.sample(m, now); err == nil {
				samples = append(samples, s)
			} else if errors.Is(err, errIsAFile) {
				continue
			}
			break
		}
	}
	return samples
}

// forgetProbes keeps the probes and gates that these filesystems need and those under which calls still hang.
func (d *Disks) forgetProbes(filesystems [][]mount) {
	probes, gates := map[mountKey]*probe{}, map[string]gate{}
	for m := range each(filesystems) {
		key, origin := m.key(), m.origin()
		if probes[key] = d.probes[key]; probes[key] == nil {
			probes[key] = &probe{}
		}
		if gates[origin] = d.gates[origin]; gates[origin] == nil {
			gates[origin] = make(gate, maxHanging)
		}
	}
	for origin, g := range d.gates {
		if len(g) > 0 {
			gates[origin] = g
		}
	}
	// A call that hangs in a probe that is gone ends with its filesystem; nobody waits for it, but it counts at its gate.
	d.probes, d.gates = probes, gates
}

func each(filesystems [][]mount) iter.Seq[mount] {
	return func(yield func(mount) bool) {
		for _, views := range filesystems {
			for _, m := range views {
				if !yield(m) {
					return
				}
			}
		}
	}
}

// sample is what m's probe has found; an error says that m is no volume or cannot be read now.
func (d *Disks) sample(m mount, now time.Time) (volume.Sample, error) {
	s := volume.Sample{ID: volume.ID{Host: d.opt.Host, Path: m.point}, Time: now, Attributes: attributesOf(m), Tags: d.opt.Tags}
	got, err, answered := d.probes[m.key()].result()
	switch {
	case !answered, errors.Is(err, errNotAsked):
		s.Stuck = true
		d.trouble(m.point, fmt.Sprintf("does not answer within %s", d.opt.Timeout))
	case errors.Is(err, errNotAVolume), errors.Is(err, errCovered), errors.Is(err, errIsAFile):
		return s, err
	case errors.Is(err, fs.ErrNotExist):
		return s, err // unmounted since the list was read; if it stays away it is missing next time
	case err != nil:
		d.trouble(m.point, err.Error())
		return s, err
	default:
		s.Usage, s.Reserved = got.Usage, got.reserved
		d.trouble(m.point, "")
	}
	d.seen[m.point] = sighting{s.Attributes, now}
	return s, nil
}

// trouble logs what is wrong with a volume when that changes.
func (d *Disks) trouble(path, what string) {
	before := d.troubled[path]
	switch {
	case what == before:
		return
	case what == "":
		delete(d.troubled, path)
		d.opt.Log.Info("volume is well again", "path", path)
	default:
		d.troubled[path] = what
		d.opt.Log.Warn("volume cannot be read", "path", path, "reason", what)
	}
}

// addMissing reports the volumes that this process has seen and that are mounted no more, or out of reach below another mount.
func (d *Disks) addMissing(samples []volume.Sample, mounts []mount, now time.Time) []volume.Sample {
	mounted := map[string]bool{}
	hidden := covered(mounts)
	for i, m := range mounts {
		mounted[m.point] = mounted[m.point] || !hidden[i]
	}
	for path, last := range d.seen {
		switch {
		case mounted[path]:
			continue
		case now.Sub(last.at) > forgetAfter:
			delete(d.seen, path)
			delete(d.troubled, path)
			d.opt.Log.Info("volume is forgotten: it was not mounted for a day", "path", path)
			continue
		}
		d.trouble(path, "is not mounted any more, or another mount hides it")
		samples = append(samples, volume.Sample{
			ID: volume.ID{Host: d.opt.Host, Path: path}, Time: now, Attributes: last.Attributes, Tags: d.opt.Tags,
			State: volume.State{Missing: true},
		})
	}
	return samples
}

// Close ends the reading. Calls that hang in the kernel end when it lets them go.
func (d *Disks) Close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	clear(d.probes)
	if d.apart != nil {
		d.apart.close()
	}
}

// attributesOf writes a mount's attributes as Telegraf does.
func attributesOf(m mount) volume.Attributes {
	device := resolveDevice(m)
	a := volume.Attributes{Device: strings.TrimPrefix(device, "/dev/"), Fstype: m.fstype, Mode: "rw", Label: label(device)}
	if a.Device == "" {
		a.Device = m.fstype
	}
	if m.readOnly {
		a.Mode = "ro"
	}
	return a
}
