package report

import (
	"io"
	"slices"

	"github.com/tidemark/tidemark/internal/table"
	"github.com/tidemark/tidemark/planner"
	"github.com/tidemark/tidemark/planner/forecast"
)

// What stands in a date's place and is no reason of the forecast's.
const (
	stuck   = "STUCK"
	missing = "MISSING"
	later   = "later" // the early date is known, the likely one is beyond the horizon
	atLeast = "≥"     // before an early date, in the likely one's place
)

// meanings says in a sentence what the word in a date's place means to whoever reads the table.
var meanings = map[string]string{
	stuck:                                "the filesystem does not answer",
	missing:                              "it was mounted before and is not now",
	later:                                "the likely date is beyond the horizon",
	overdue:                              "order at once: an order of today arrives after the early date",
	atLeast:                              "one future in ten is full by then; the likely date is beyond the horizon",
	string(forecast.ReasonFull):          "its use has reached the level that counts as full",
	string(forecast.ReasonRunaway):       "it has begun to fill within hours, as it never did before",
	string(forecast.ReasonNewVolume):     "too short a past for a date: it comes after a week of samples",
	string(forecast.ReasonIdle):          "its use has hardly changed for weeks",
	string(forecast.ReasonSawtooth):      "its use keeps falling back to a level: a date would be a guess",
	string(forecast.ReasonGap):           "too much of the recent past is missing for a date",
	string(forecast.ReasonStale):         "no sample for more than three days: is its agent running?",
	string(forecast.ReasonNoCapacity):    "its capacity is not known",
	string(forecast.ReasonShrinking):     "its use falls",
	string(forecast.ReasonBeyondHorizon): "full within the horizon in fewer than one future in ten",
	string(planner.ReasonUnread):         "it could not be read yet: it hangs or is not mounted",
}

// notes explains the words that a table shows, once each.
func notes(w io.Writer, shown []string, width int) error {
	slices.Sort(shown)
	for _, word := range slices.Compact(shown) {
		text, ok := meanings[word]
		if !ok {
			continue
		}
		if err := table.Paragraph(w, "  "+word+": "+text, width); err != nil {
			return err
		}
	}
	return nil
}
