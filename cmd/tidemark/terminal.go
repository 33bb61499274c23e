package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strconv"
	"strings"

	"golang.org/x/term"

	"github.com/tidemark/tidemark/internal/table"
)

// The rules of the terminal. Results go to stdout and nothing else does. Progress, warnings and errors go to stderr, each
// line begun with "tidemark: ". What moves (redrawn tables) appears on terminals only. Nothing is coloured, so a
// table reads the same in a mail.

// say writes one line to people.
func (p *program) say(format string, args ...any) {
	fmt.Fprintf(p.stderr, "tidemark: "+format+"\n", args...)
}

// counts is a number of things: "1 volume", "2 volumes".
func counts(n int, noun string) string {
	if n != 1 {
		noun = plural(noun)
	}
	return fmt.Sprintf("%d %s", n, noun)
}

// readOrInterrupt gives a read up when ctx ends: no context reaches a read of a terminal, or the opening of a FIFO, and an
// interrupt would do nothing. What was begun ends with the process.
func readOrInterrupt[T any](ctx context.Context, read func() (T, error)) (T, error) {
	type answer struct {
		value T
		err   error
	}
	done := make(chan answer, 1)
	go func() {
		value, err := read()
		done <- answer{value, err}
	}()
	select {
	case a := <-done:
		return a.value, a.err
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
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

// serviceLogger logs for services: to stderr, without the time where the system's journal adds its own.
func serviceLogger(w io.Writer) *slog.Logger {
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

// peopleLogger says to people what a service would log.
func peopleLogger(w io.Writer) *slog.Logger { return slog.New(people{w}) }

// people is a handler that writes a record as one line of the program's own kind.
type people struct{ w io.Writer }

func (people) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelInfo }

func (h people) Handle(_ context.Context, r slog.Record) error {
	var line strings.Builder
	line.WriteString("tidemark: ")
	switch {
	case r.Level >= slog.LevelError:
		line.WriteString("error: ")
	case r.Level >= slog.LevelWarn:
		line.WriteString("warning: ")
	}
	line.WriteString(r.Message)
	before := " ("
	r.Attrs(func(a slog.Attr) bool {
		fmt.Fprintf(&line, "%s%s: %s", before, strings.ReplaceAll(a.Key, "_", " "), table.Printable(a.Value.String()))
		before = ", "
		return true
	})
	if before != " (" {
		line.WriteString(")")
	}
	line.WriteString("\n")
	_, err := io.WriteString(h.w, line.String())
	return err
}

// WithAttrs and WithGroup are not used: nothing here derives loggers.
func (h people) WithAttrs([]slog.Attr) slog.Handler { return h }
func (h people) WithGroup(string) slog.Handler      { return h }
