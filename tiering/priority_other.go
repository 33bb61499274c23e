//go:build !linux

package tiering

import "errors"

// SetIdlePriority is for Linux.
func SetIdlePriority() error { return errors.ErrUnsupported }
