package planner

import (
	"fmt"
	"iter"

	"github.com/tidemark/tidemark/internal/volume"
	"github.com/tidemark/tidemark/planner/csvinput"
	"github.com/tidemark/tidemark/planner/forecast"
)

// FileOutlooks yields the outlook of each series of a CSV, in the file's order. Series are independent, but for the growth of like volumes
// that the caller may give for short ones (FileGrowth); nil: none. None is left out. An error ends the sequence.
func FileOutlooks(file *csvinput.File, opt forecast.Options, like *forecast.Growth) iter.Seq2[Outlook, error] {
	if opt.FullLevel == 0 {
		opt.FullLevel = 1
	}
	items := func(yield func(csvinput.Series, error) bool) {
		for _, s := range file.Series {
			if !yield(s, nil) {
				return
			}
		}
	}
	return InOrder(items, func(s csvinput.Series) (Outlook, error) {
		opt := opt
		opt.Seed = seed(s.Name, volume.Space)
		in := forecast.Input{Observations: s.Observations(), LonePointStep: file.MedianStep, Prior: like}
		o := Outlook{Series: s.Name, Resource: volume.Space, Unit: AsRead, FullLevel: opt.FullLevel, Past: Shares(in.Observations)}
		f, err := forecast.Compute(in, opt)
		if err != nil {
			return o, fmt.Errorf("forecast series %q: %w", s.Name, err)
		}
		o.Forecast = f
		return o, nil
	})
}
