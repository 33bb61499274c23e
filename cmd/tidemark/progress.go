package main

import (
	"fmt"
	"io"
	"iter"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/term"

	"github.com/tidemark/tidemark/internal/table"
	"github.com/tidemark/tidemark/tiering"
	"github.com/tidemark/tidemark/tiering/report"
)

// statusLine is stderr with a last line that is drawn anew in place on a terminal. What is written meanwhile stands above it.
type statusLine struct {
	mu    sync.Mutex // guards what follows
	w     io.Writer
	shown bool
}

func (s *statusLine) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clear()
	return s.w.Write(b)
}

// draw replaces the line; an empty text takes it away.
func (s *statusLine) draw(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clear()
	if s.shown = text != ""; s.shown {
		fmt.Fprint(s.w, text)
	}
}

func (s *statusLine) clear() {
	if s.shown {
		fmt.Fprint(s.w, "\r\x1b[K")
		s.shown = false
	}
}

// terminalWidth is that of the terminal that stderr is; 0 where it is none.
func (s *statusLine) terminalWidth() int {
	f, ok := s.w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return 0
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil || width < 20 {
		return 80
	}
	return width
}

const (
	redrawEvery = 200 * time.Millisecond // on a terminal
	reportEvery = time.Minute            // elsewhere: a line
	// shortWork is over before anybody wonders.
	shortWork = 2 * time.Second
)

// showProgress shows how far an engine has come, until the function it returns is called.
func (p *program) showProgress(e *tiering.Engine) (stop func()) {
	return p.showWhile(func(width int) { p.showSnapshot(e.Progress(), width) })
}

// showWhile calls show again and again, with the width of the terminal or 0, until the function it returns is called.
func (p *program) showWhile(show func(width int)) (stop func()) {
	if p.status == nil {
		return func() {}
	}
	width := p.status.terminalWidth()
	every := redrawEvery
	if width == 0 {
		every = reportEvery
	}
	done := make(chan struct{})
	var shows sync.WaitGroup
	shows.Go(func() {
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-done:
				p.status.draw("")
				return
			case <-tick.C:
				show(width)
			}
		}
	})
	return sync.OnceFunc(func() { close(done); shows.Wait() })
}

// tally counts what is done of many like things.
type tally struct {
	what, noun  string // such as "plan" and "volumes"
	begun       time.Time
	done, total atomic.Int64 // total is 0 while it is not known
}

func (t *tally) set(done, total int) {
	t.done.Store(int64(done))
	t.total.Store(int64(total))
}

// line is such as "plan: 120 of 5000 series, 1m10s left".
func (t *tally) line(now time.Time) string {
	done, total := t.done.Load(), t.total.Load()
	text := fmt.Sprintf("%s: %s %s", t.what, of(fmt.Sprint(done), fmt.Sprint(total), total), t.noun)
	if done > 0 && total > done {
		left := time.Duration(float64(now.Sub(t.begun)) / float64(done) * float64(total-done))
		text += fmt.Sprintf(", %s left", left.Round(time.Second))
	}
	return text
}

// showTally shows how far work on many things has come, until the function it returns is called.
func (p *program) showTally(t *tally) (stop func()) {
	return p.showWhile(func(width int) {
		if now := p.now(); now.Sub(t.begun) >= shortWork {
			p.showLine(t.line(now), width)
		}
	})
}

// counted counts what a sequence yields, and shows the count until it ends. Where results come to the terminal meanwhile (streams) they show
// themselves how far it is.
func counted[T any](p *program, t *tally, streams bool, all iter.Seq2[T, error]) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		if !streams || !p.onTerminal() {
			defer p.showTally(t)()
		}
		for v, err := range all {
			if !yield(v, err) || err != nil {
				return
			}
			t.done.Add(1)
		}
	}
}

func (p *program) showSnapshot(s tiering.Snapshot, width int) {
	now := p.now()
	switch {
	case s.Phase == "" || now.Sub(s.Since) < shortWork:
		if width > 0 {
			p.status.draw("")
		}
	default:
		p.showLine(progressLine(s, now), width)
	}
}

// showLine draws a line of progress on a terminal, and logs it elsewhere.
func (p *program) showLine(text string, width int) {
	if width > 0 {
		p.status.draw(table.Cells.Truncate(text, width-1, "…"))
		return
	}
	p.log.Info(text)
}

// progressLine is such as "moving: 120 of 400 files, 1.2 GiB of 4.0 GiB, 180 MiB/s, 16s left".
func progressLine(s tiering.Snapshot, now time.Time) string {
	var parts []string
	if s.Files > 0 || s.TotalFiles > 0 {
		parts = append(parts, of(fmt.Sprint(s.Files), fmt.Sprint(s.TotalFiles), s.TotalFiles)+" files")
	}
	if s.Bytes > 0 || s.TotalBytes > 0 {
		parts = append(parts, of(report.Bytes(s.Bytes), report.Bytes(s.TotalBytes), s.TotalBytes))
	}
	rate, left := s.Rate(now)
	if rate > 0 {
		parts = append(parts, report.Bytes(int64(rate))+"/s")
	}
	if left > 0 {
		parts = append(parts, left.Round(time.Second).String()+" left")
	}
	return s.Phase + ": " + strings.Join(parts, ", ")
}

func of(done, total string, known int64) string {
	if known == 0 {
		return done
	}
	return done + " of " + total
}
