//go:build !linux

package main

// mountPoint takes the path for a mount point of its own.
func mountPoint(path string) (string, error) { return path, nil }
