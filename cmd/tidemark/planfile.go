package main

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"

	"github.com/tidemark/tidemark/tiering/selection"
)

// writePlan writes a plan to a new file, for its owner alone: it names files that others may not know of.
func writePlan(name string, plan *selection.Plan) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return usagef("name a new file, or remove it first", "the file %s is there already", name)
	}
	if err != nil {
		return usagef("", "write the plan: %w", err)
	}
	if err := errors.Join(plan.Write(f), f.Sync(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(name)) // half a plan is none
	}
	return nil
}

// readPlan reads what writePlan wrote.
func readPlan(ctx context.Context, name string) (*selection.Plan, error) {
	text, err := readOrInterrupt(ctx, func() ([]byte, error) { return os.ReadFile(name) })
	if errors.Is(err, fs.ErrNotExist) {
		return nil, usagef("make one: tidemark policy preview --output PLAN NAME", "there is no file %s", name)
	}
	if err != nil {
		return nil, usagef("", "read the plan: %w", err)
	}
	plan, err := selection.Read(bytes.NewReader(text))
	if err != nil {
		return nil, usagef("make a new one: tidemark policy preview --output PLAN NAME", "%s: %w", name, err)
	}
	return plan, nil
}
