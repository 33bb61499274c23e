// Package hostdisk reads this host's mounts and how full they are. A filesystem that does not answer is reported as stuck and
// delays nobody. It is the only importer of gopsutil, which serves what it does right: the counters of block devices, the
// host's facts, and the platforms without mountinfo.
package hostdisk

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
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
)

// Disks reads one host. Its methods may be called concurrently, but one sampling runs at a time.
type Disks struct {
	opt      Options
	mounts   func() ([]mount, error)
	read     func(mount) (usage, error) // may hang
	mu       sync.Mutex
	probes   map[mountKey]*probe
	seen     map[string]volume.Attributes // every path that was a volume, by its newest attributes
	troubled map[string]string            // what was logged of a path last

	platformOnce sync.Once
	platform     string
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
	return &Disks{
		opt: opt, mounts: hostMounts, read: readUsage,
		probes: map[mountKey]*probe{}, seen: map[string]volume.Attributes{}, troubled: map[string]string{},
	}, nil
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
	volumes := volumesOf(mounts, d.excluded)
	samples := d.readAll(ctx, volumes, now.UTC().Truncate(time.Second))
	if len(samples) == 0 && d.opt.RootFallback {
		root := volumesOf(mounts, func(m mount) bool { return m.point != "/" })
		samples = d.readAll(ctx, root, now.UTC().Truncate(time.Second))
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	samples = d.addMissing(samples, mounts, now.UTC().Truncate(time.Second))
	slices.SortFunc(samples, func(a, b volume.Sample) int { return a.ID.Compare(b.ID) })
	return samples, nil
}

func (d *Disks) excluded(m mount) bool {
	return slices.Contains(d.opt.ExcludeFstypes, m.fstype) || slices.ContainsFunc(d.opt.ExcludePaths, func(glob string) bool {
		ok, err := doublestar.Match(glob, m.point)
		return err == nil && ok
	})
}

// readAll asks all volumes at once, each its own worker, and waits for all of them or the timeout.
func (d *Disks) readAll(ctx context.Context, mounts []mount, now time.Time) []volume.Sample {
	asked := make([]*probe, len(mounts))
	current := map[mountKey]bool{}
	for i, m := range mounts {
		key := m.key()
		current[key] = true
		if d.probes[key] == nil {
			d.probes[key] = &probe{}
		}
		asked[i] = d.probes[key]
		asked[i].ask(func() (usage, error) { return d.read(m) })
	}
	for key := range d.probes {
		if !current[key] {
			delete(d.probes, key) // a call that hangs in it ends with its filesystem; nobody waits for it
		}
	}
	timeout := time.NewTimer(d.opt.Timeout)
	defer timeout.Stop()
	var samples []volume.Sample
	for i, m := range mounts {
		if !asked[i].wait(ctx, timeout.C) {
			timeout.Reset(0) // the time is up for the others too
		}
		if ctx.Err() != nil {
			return nil
		}
		if s, ok := d.sample(m, asked[i], now); ok {
			samples = append(samples, s)
		}
	}
	return samples
}

func (d *Disks) sample(m mount, p *probe, now time.Time) (volume.Sample, bool) {
	s := volume.Sample{ID: volume.ID{Host: d.opt.Host, Path: m.point}, Time: now, Attributes: attributesOf(m), Tags: d.opt.Tags}
	got, err, answered := p.result()
	switch {
	case !answered:
		s.Stuck = true
		d.trouble(m.point, fmt.Sprintf("does not answer within %s", d.opt.Timeout))
	case errors.Is(err, errNotAVolume), errors.Is(err, errCovered):
		return s, false
	case errors.Is(err, fs.ErrNotExist):
		return s, false // unmounted since the list was read; if it stays away it is missing next time
	case err != nil:
		d.trouble(m.point, err.Error())
		return s, false
	default:
		s.Usage, s.Reserved = got.Usage, got.reserved
		d.trouble(m.point, "")
	}
	d.seen[m.point] = s.Attributes
	return s, true
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

// addMissing reports the volumes that this process has seen and that are mounted no more.
func (d *Disks) addMissing(samples []volume.Sample, mounts []mount, now time.Time) []volume.Sample {
	mounted := map[string]bool{}
	for _, m := range mounts {
		mounted[m.point] = true
	}
	for path, attributes := range d.seen {
		if mounted[path] {
			continue
		}
		d.trouble(path, "is not mounted any more")
		samples = append(samples, volume.Sample{
			ID: volume.ID{Host: d.opt.Host, Path: path}, Time: now, Attributes: attributes, Tags: d.opt.Tags, State: volume.State{Missing: true},
		})
	}
	return samples
}

// Close ends the reading. Calls that hang in the kernel end when it lets them go.
func (d *Disks) Close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	clear(d.probes)
}

// attributesOf writes a mount's attributes as Telegraf does.
func attributesOf(m mount) volume.Attributes {
	a := volume.Attributes{Device: deviceName(m.source), Fstype: m.fstype, Mode: "rw", Label: label(m.source)}
	if a.Device == "" || a.Device == "none" {
		a.Device = m.fstype
	}
	if m.readOnly {
		a.Mode = "ro"
	}
	return a
}

// probe is the guarded reading of one mount: while a call hangs there is never a second one.
type probe struct {
	mu   sync.Mutex
	done chan struct{} // closed when the call under way has answered
	got  usage
	err  error
}

// ask begins a call unless one is under way.
func (p *probe) ask(read func() (usage, error)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.done != nil {
		select {
		case <-p.done:
		default:
			return
		}
	}
	done := make(chan struct{})
	p.done = done
	go func() {
		got, err := read()
		p.mu.Lock()
		p.got, p.err = got, err
		p.mu.Unlock()
		close(done)
	}()
}

// wait waits for the call under way; it returns false when timeout fired or ctx ended, which may be at the same time.
func (p *probe) wait(ctx context.Context, timeout <-chan time.Time) bool {
	p.mu.Lock()
	done := p.done
	p.mu.Unlock()
	select {
	case <-done:
		return true
	case <-timeout:
	case <-ctx.Done():
	}
	return false
}

// result is the newest call's answer; ok is false while it is under way.
func (p *probe) result() (got usage, err error, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.done:
		return p.got, p.err, true
	default:
		return usage{}, nil, false
	}
}

func deviceName(source string) string {
	return strings.TrimPrefix(resolveDevice(source), "/dev/")
}
