package main

import (
	"context"
	"errors"
	"io"
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
