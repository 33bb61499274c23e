//go:build !linux

package scan

import (
	"context"
	"errors"
	"fmt"
)

type handle struct{}

// Walk needs Linux.
func Walk(context.Context, Options, Visit) (Result, error) {
	return Result{}, fmt.Errorf("scan: %w on this platform", errors.ErrUnsupported)
}

// MountTrust needs Linux.
func MountTrust(string) (Trust, error) {
	return Trust{}, fmt.Errorf("scan: %w on this platform", errors.ErrUnsupported)
}
