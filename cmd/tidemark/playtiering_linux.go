package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// runApart runs a command of this program with mounts of its own, which end with it.
func runApart(ctx context.Context, stdout, stderr io.Writer, args ...string) error {
	cmd := exec.CommandContext(ctx, "/proc/self/exe", args...)
	cmd.Args[0] = "tidemark"
	cmd.Stdout, cmd.Stderr = stdout, stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case errors.Is(err, unix.EPERM):
		return &cannotMount{err}
	case errors.As(err, &exit) && exit.ExitCode() == exitCannotMount:
		return &cannotMount{unix.EPERM}
	case err != nil && ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		return fmt.Errorf("play with files: %w", err)
	}
	return nil
}

// mountOwn mounts a small volume in memory on a new directory.
func mountOwn(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return unix.Mount("tidemark-demo", dir, "tmpfs", 0, "size=64m,mode=0755")
}
