package report

import (
	"errors"
	"io"

	"github.com/tidemark/tidemark/tiering"
)

// Findings writes what would stop a run of a policy, a line each, for people.
func Findings(w io.Writer, policy string, all []tiering.Finding, enforce bool) error {
	out := lines{w: w}
	out.printf("policy %s", policy)
	for _, f := range all {
		if f.Err == nil {
			out.printf("  ok      %s", printable(f.What))
			continue
		}
		out.printf("  not ok  %s", printable(f.Err.Error()))
		if refusal := (*tiering.Refusal)(nil); errors.As(f.Err, &refusal) && refusal.Hint != "" {
			out.printf("          hint: %s", printable(refusal.Hint))
		}
	}
	if !enforce {
		out.printf("  note    it has no enforce: true, so it only previews, and runs by a plan that is handed over")
	}
	return out.err
}
