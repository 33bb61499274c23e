package tiering

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/tidemark/tidemark/tiering/policy"
	"github.com/tidemark/tidemark/tiering/scan"
)

// Explanation is what one policy says about one file, and which clause decided.
type Explanation struct {
	Policy  string
	Verdict policy.Verdict
	Clauses []policy.Clause // of the rule
	Trust   scan.Trust      // which time idle goes by; what only a whole scan shows (a backup that read everything) is not in it
}

// Explain says what every policy whose volume holds a file makes of it. Without one it is a Refusal.
func (e *Engine) Explain(ctx context.Context, path string) ([]Explanation, error) {
	var all []Explanation
	for _, p := range e.opt.Policies {
		if !within(path, p.Volume) || path == p.Volume {
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
	looker, err := scan.NewLooker(p.Volume)
	if err != nil {
		return Explanation{}, err
	}
	defer looker.Close()
	f, err := looker.Look(path)
	if err != nil {
		return Explanation{}, err
	}
	judge, err := e.judge(ctx, p, e.startLoading(ctx, filepath.Dir(path)), e.opt.Now())
	if err != nil {
		return Explanation{}, err
	}
	trust, err := scan.MountTrust(p.Volume)
	if err != nil {
		return Explanation{}, err
	}
	judge.Moment.Atime = trust.Atime
	return Explanation{Policy: p.Name, Verdict: judge.Decide(f), Clauses: p.Rule.Explain(f, judge.Moment), Trust: trust}, nil
}
