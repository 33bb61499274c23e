package tiering

import (
	"sync/atomic"
	"time"
)

// Progress is how far long work has come. Its fields may be read at any time.
type Progress struct {
	phase      atomic.Pointer[string]
	files      atomic.Int64
	totalFiles atomic.Int64
	done       atomic.Int64
	total      atomic.Int64
	since      atomic.Int64 // Unix nanoseconds
}

// Snapshot is a Progress at one moment.
type Snapshot struct {
	Phase             string // such as "scanning"; empty: nothing is going on
	Files, TotalFiles int64  // a total of 0 is not known
	Bytes, TotalBytes int64
	Since             time.Time // when the phase began
}

// Rate is bytes a second, and Left the time that is left at that rate; 0 where it is not known.
func (s Snapshot) Rate(now time.Time) (rate float64, left time.Duration) {
	seconds := now.Sub(s.Since).Seconds()
	if seconds <= 0 || s.Bytes <= 0 {
		return 0, 0
	}
	rate = float64(s.Bytes) / seconds
	if s.TotalBytes > s.Bytes {
		left = time.Duration(float64(s.TotalBytes-s.Bytes) / rate * float64(time.Second))
	}
	return rate, left
}

// Progress is how far the engine has come with what it is doing.
func (e *Engine) Progress() Snapshot {
	p := e.progress
	s := Snapshot{
		Files: p.files.Load(), TotalFiles: p.totalFiles.Load(), Bytes: p.done.Load(), TotalBytes: p.total.Load(),
		Since: time.Unix(0, p.since.Load()),
	}
	if phase := p.phase.Load(); phase != nil {
		s.Phase = *phase
	}
	return s
}

// begin starts a phase with what is to be done in it.
func (p *Progress) begin(now time.Time, phase string, files, bytes int64) {
	p.phase.Store(&phase)
	p.files.Store(0)
	p.totalFiles.Store(files)
	p.done.Store(0)
	p.total.Store(bytes)
	p.since.Store(now.UnixNano())
}

// rename gives the phase another name and keeps its counts.
func (p *Progress) rename(phase string) { p.phase.Store(&phase) }

func (p *Progress) end() {
	nothing := ""
	p.phase.Store(&nothing)
}

func (p *Progress) bytes(n int64)      { p.done.Add(n) }
func (p *Progress) moreFiles(n int64)  { p.files.Add(n) }
func (p *Progress) set(files, b int64) { p.files.Store(files); p.done.Store(b) }
