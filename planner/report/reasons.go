package report

import (
	"fmt"
	"io"
	"slices"

	"github.com/tidemark/tidemark/planner"
	"github.com/tidemark/tidemark/planner/forecast"
)

// meanings says in a sentence what a reason of a forecast means to whoever reads the table.
var meanings = map[forecast.Reason]string{
	"full":               "it has reached its full level",
	"new_volume":         "too short a past for a date: it comes after a week of samples",
	"idle":               "its use has not changed for weeks",
	"sawtooth":           "its use keeps falling back to a level: a date would be a guess",
	"gap":                "too much of the recent past is missing for a date",
	"stale":              "no sample for more than three days: is its agent running?",
	"no_capacity":        "its capacity is not known",
	"shrinking":          "its use falls",
	"beyond_horizon":     "not within the horizon",
	planner.ReasonUnread: "it could not be read yet: it hangs or is not mounted",
}

// notes explains the reasons that a table shows, once each.
func notes(w io.Writer, shown []forecast.Reason) error {
	slices.Sort(shown)
	for _, r := range slices.Compact(shown) {
		if text, ok := meanings[r]; ok {
			if _, err := fmt.Fprintf(w, "  %s: %s\n", r, text); err != nil {
				return err
			}
		}
	}
	return nil
}
