package main

import (
	"context"
	"errors"
	"io"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Waiting for standard input, the program once took the first interrupt for nothing.
func TestInterruptEndsAReadThatNoContextReaches(t *testing.T) {
	stdin, terminal := io.Pipe()
	defer terminal.Close()
	ctx, interrupt := context.WithCancel(t.Context())
	interrupt()
	p := &program{stdin: stdin, now: time.Now}
	if _, err := p.readCSV(ctx, "-"); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want the interrupt", err)
	}
}

// fullDisk takes nothing.
type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, syscall.ENOSPC }

func TestHelpThatCannotBeWrittenFails(t *testing.T) {
	for _, args := range [][]string{{"--help"}, {"--version"}, {"forecast", "--help"}, {"help", "config", "show"}, {}} {
		var stderr strings.Builder
		code := run(append([]string{"tidemark"}, args...), strings.NewReader(""), fullDisk{}, &stderr)
		if code != exitFailed || !strings.Contains(stderr.String(), "no space left on device") {
			t.Errorf("tidemark %q: exit code %d\n%s", args, code, &stderr)
		}
	}
}
