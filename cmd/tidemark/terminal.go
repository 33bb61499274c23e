package main

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"strconv"

	"golang.org/x/term"
)

// The rules of the terminal. Results go to stdout and nothing else does. Progress, warnings and errors go to stderr, each
// line begun with "tidemark: ". What moves (redrawn tables) appears on terminals only. Nothing is coloured, so a
// table reads the same in a mail.

// say writes one line to people.
func (p *program) say(format string, args ...any) {
	fmt.Fprintf(p.stderr, "tidemark: "+format+"\n", args...)
}

// columns is how wide tables may be: the terminal's width, $COLUMNS, or 80.
func (p *program) columns() int {
	if f, ok := p.stdout.(*os.File); ok {
		if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 0 {
			return width
		}
	}
	if width, err := strconv.Atoi(p.getenv("COLUMNS")); err == nil && width > 0 {
		return width
	}
	return 80
}

// onTerminal says whether stdout is one.
func (p *program) onTerminal() bool {
	f, ok := p.stdout.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// newLogger logs for services: to stderr, without the time where the system's journal adds its own.
func newLogger(w io.Writer) *slog.Logger {
	journal := os.Getenv("JOURNAL_STREAM") != ""
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{
		ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			if journal && len(groups) == 0 && a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		},
	}))
}
