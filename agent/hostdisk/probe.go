package hostdisk

import (
	"context"
	"strings"
	"sync"
)

// probe is the guarded reading of one mount: while a call hangs there is never a second one.
type probe struct {
	mu   sync.Mutex
	done chan struct{} // closed when the call under way has answered
	got  usage
	err  error
}

// gate bounds the calls that wait for one server or device; each holds a place in it. A call that hangs holds its place,
// and an operating system's thread, even when its mount has been detached and another has taken its path: without a bound
// a dead server with many mounts, or one that is mounted again and again, would use up the threads of this process.
type gate chan struct{}

// maxHanging is how many calls to one server or device may hang. Those that answer take turns.
const maxHanging = 8

// origin names what a mount's calls wait for: a server for all that it exports, else the source.
func (m mount) origin() string {
	server, _, _ := strings.Cut(m.source, ":/")
	return m.fstype + " " + server
}

// ask begins a call unless one is under way, and says whether it did. When giveUp ends while the gate has no place, the
// answer is errNotAsked.
func (p *probe) ask(giveUp context.Context, g gate, read func() (usage, error)) (begun bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.done != nil {
		select {
		case <-p.done:
		default:
			return false
		}
	}
	done := make(chan struct{})
	p.done = done
	go func() {
		defer close(done)
		select {
		case g <- struct{}{}:
		case <-giveUp.Done():
			p.set(usage{}, errNotAsked)
			return
		}
		got, err := read()
		<-g
		p.set(got, err)
	}()
	return true
}

func (p *probe) set(got usage, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.got, p.err = got, err
}

// wait waits for the call under way, until giveUp ends.
func (p *probe) wait(giveUp context.Context) {
	p.mu.Lock()
	done := p.done
	p.mu.Unlock()
	select {
	case <-done:
	case <-giveUp.Done():
	}
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
