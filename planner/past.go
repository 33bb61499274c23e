package planner

import (
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/tidemark/tidemark/internal/volume"
	"github.com/tidemark/tidemark/planner/csvinput"
	"github.com/tidemark/tidemark/planner/forecast"
)

// Past is what is known of one resource of a volume, or of one series of a CSV, as its forecast takes it.
type Past struct {
	Series    string // host:path, or the series' name in a CSV
	Volume    volume.ID
	Sample    volume.Sample // the newest; zero for a CSV
	Resource  volume.Resource
	Unit      string
	FullLevel float64 // the share of the capacity that counts as full
	Input     forecast.Input
	Seed      uint64 // of its simulated paths
}

// Known are the volumes that were heard of within 30 days, sorted.
func (p Planner) Known(ctx context.Context, now time.Time) ([]volume.ID, error) {
	newest, err := p.History.Newest(ctx, volume.Selector{}, now.Add(-remembered), now.Add(clockSkew))
	if err != nil {
		return nil, fmt.Errorf("read the newest samples: %w", err)
	}
	all := make([]volume.ID, len(newest))
	for i, s := range newest {
		all[i] = s.ID
	}
	return all, nil
}

// Pasts yields the past of each selected volume by finished days, in the order and with the pools of Outlooks; a volume
// without such a day has no observations. An error ends the sequence.
func (p Planner) Pasts(ctx context.Context, q Query) iter.Seq2[Past, error] {
	if q.Past == 0 {
		q.Past = twoYears
	}
	return func(yield func(Past, error) bool) {
		newest, err := p.History.Newest(ctx, q.Select, q.Now.Add(-remembered), q.Now.Add(clockSkew))
		if err != nil {
			yield(Past{}, fmt.Errorf("read the newest samples: %w", err))
			return
		}
		all := units(newest)
		changes, err := p.interventions(ctx, q, newest, all)
		if err != nil {
			yield(Past{}, err)
			return
		}
		for in, err := range p.inputs(ctx, q, all) {
			if err == nil {
				err = ctx.Err()
			}
			if err != nil {
				yield(Past{}, err)
				return
			}
			past := q.past(in)
			past.Input.Interventions = changes[touched{in.sample.ID, in.resource}] // those after an origin show in nothing before it
			if !yield(past, nil) {
				return
			}
		}
	}
}

func (q Query) past(in input) Past {
	p := Past{
		Series: in.sample.ID.String(), Volume: in.sample.ID, Sample: in.sample, Resource: in.resource, Unit: Bytes, FullLevel: 1, Input: fitInput(in),
	}
	if q.PolicyOf != nil {
		p.FullLevel = q.PolicyOf(in.sample.ID).FullLevel
	}
	if in.resource == volume.Inodes {
		p.Unit = Count
	}
	p.Seed = seed(p.Series, p.Resource)
	return p
}

// FilePasts yields the series of a CSV, in the file's order.
func FilePasts(file *csvinput.File, fullLevel float64) iter.Seq2[Past, error] {
	return func(yield func(Past, error) bool) {
		for _, s := range file.Series {
			p := Past{
				Series: s.Name, Resource: volume.Space, Unit: AsRead, FullLevel: fullLevel, Seed: seed(s.Name, volume.Space),
				Input: forecast.Input{Observations: s.Observations(), LonePointStep: file.MedianStep},
			}
			if !yield(p, nil) {
				return
			}
		}
	}
}
