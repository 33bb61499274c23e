package report

import (
	"io"
	"strings"

	"github.com/tidemark/tidemark/tiering"
)

// Explain writes what policies make of a file, clause by clause, for people.
func Explain(w io.Writer, path string, all []tiering.Explanation) error {
	out := lines{w: w}
	for i, x := range all {
		if i > 0 {
			out.printf("")
		}
		v := x.Verdict
		switch {
		case v.Eligible && v.Archived:
			out.printf("%s: policy %s may release it, its copy is in the archive: %s", printable(path), x.Policy, printable(v.Reason))
		case v.Eligible:
			out.printf("%s: policy %s may move it: %s", printable(path), x.Policy, printable(v.Reason))
		default:
			out.printf("%s: policy %s leaves it alone (%s): %s", printable(path), x.Policy, v.Why, printable(v.Reason))
		}
		for _, c := range x.Clauses {
			out.clause(c.Depth, c.Value, c.Decided, c.Text, c.Reason, c.Err)
		}
		out.printf("idle goes by %s", trust(x.Trust))
	}
	return out.err
}

// clause marks what the answer rests on with a star.
func (l *lines) clause(depth int, value, decided bool, text, reason string, err error) {
	answer := "no "
	if value {
		answer = "yes"
	}
	if err != nil {
		answer, reason = "?  ", err.Error()
	}
	star := " "
	if decided {
		star = "*"
	}
	if reason != "" {
		reason = "  (" + printable(reason) + ")"
	}
	l.printf("%s %s %s%s%s", star, answer, strings.Repeat("  ", depth), printable(text), reason)
}
