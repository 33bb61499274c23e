//go:build !linux

package scan

import (
	"context"
	"errors"
	"fmt"

	"github.com/tidemark/tidemark/tiering/policy"
)

type handle struct{}

// Looker needs Linux.
type Looker struct{}

// NewLooker needs Linux.
func NewLooker(string) (*Looker, error) {
	return nil, fmt.Errorf("look at files: %w on this platform", errors.ErrUnsupported)
}

// Close does nothing.
func (*Looker) Close() error { return nil }

// Look needs Linux.
func (*Looker) Look(string) (*policy.File, error) { return nil, errors.ErrUnsupported }

// Walk needs Linux.
func Walk(context.Context, Options, Visit) (Result, error) {
	return Result{}, fmt.Errorf("scan: %w on this platform", errors.ErrUnsupported)
}

// MountTrust needs Linux.
func MountTrust(string) (Trust, error) {
	return Trust{}, fmt.Errorf("scan: %w on this platform", errors.ErrUnsupported)
}
