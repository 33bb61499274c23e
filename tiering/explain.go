package tiering

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/tidemark/tidemark/tiering/policy"
)

// Explanation is what one policy says about one file, and which clause decided.
type Explanation struct {
	Policy  string
	Verdict policy.Verdict
	Clauses []policy.Clause // of the rule
	Trust   string          // which time idle goes by, and why
}

// Explain says what every policy whose volume holds a file makes of it. Without one it is a Refusal.
func (e *Engine) Explain(ctx context.Context, path string) ([]Explanation, error) {
	var all []Explanation
	for _, p := range e.opt.Policies {
		if !within(path, p.Volume) {
			continue
		}
		x, err := e.explain(ctx, p, path)
		if err != nil {
			return nil, fmt.Errorf("policy %s: %w", p.Name, err)
		}
		all = append(all, x)
	}
	if len(all) == 0 {
		return nil, refuse("policies name their volumes in the configuration", "no policy covers %s", path)
	}
	return all, nil
}

func (e *Engine) explain(ctx context.Context, p Policy, path string) (Explanation, error) {
	dir, err := e.opt.FS.OpenRoot(filepath.Dir(path))
	if err != nil {
		return Explanation{}, err
	}
	defer dir.Close()
	info, err := dir.StatName(filepath.Base(path))
	if err != nil {
		return Explanation{}, err
	}
	known, err := e.opt.Catalog.ArchivedUnder(ctx, e.opt.Host, filepath.Dir(path))
	if err != nil {
		return Explanation{}, err
	}
	return Explanation{}, fmt.Errorf("not yet: %v %v", info, known)
}
