package main

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// Waiting for standard input, the program once took the first interrupt for nothing.
func TestInterruptEndsAReadThatNoContextReaches(t *testing.T) {
	stdin, terminal := io.Pipe()
	defer terminal.Close()
	ctx, interrupt := context.WithCancel(t.Context())
	interrupt()
	p := &program{stdin: stdin}
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

func FuzzHorizonDays(f *testing.F) {
	for _, text := range []string{"7,30,90", "7", " 7 , 7", "", ",", "0", "-1", "3651", "1e3", "1,2,3,4,5,6,7,8,9,10,11"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		days, err := horizonDays(text)
		if err != nil {
			return
		}
		if len(days) == 0 || len(days) > mostHorizons || days[0] < 1 || days[len(days)-1] > mostHorizonDays || !slices.IsSorted(days) || len(slices.Compact(slices.Clone(days))) != len(days) {
			t.Errorf("%q is %v", text, days)
		}
	})
}
