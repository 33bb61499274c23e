//go:build !linux

package main

import (
	"context"
	"errors"
	"io"
)

var errNotLinux = errors.New("files are moved on Linux only")

func runApart(context.Context, io.Writer, io.Writer, ...string) error {
	return &cannotMount{errNotLinux}
}

func mountOwn(string) error { return errNotLinux }
