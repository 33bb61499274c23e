package forecast

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// uncapped is a series without its capacity, and that without paths.
func uncapped(all []Observation) []Observation {
	all = slices.Clone(all)
	for i := range all {
		all[i].Capacity = math.NaN()
	}
	return all
}

// BenchmarkCompute gives series a second on one core.
func BenchmarkCompute(b *testing.B) {
	r := rand.New(rand.NewPCG(6, 6))
	hours := make([]Observation, 850)
	for i := range hours {
		used := 1000 + .3*float64(i) + 50*math.Sin(2*math.Pi*float64(i)/24) + 5*r.NormFloat64()
		hours[i] = Observation{start.Add(time.Duration(i) * time.Hour), used, math.NaN()}
	}
	days := make([]Observation, 730)
	for i := range days {
		used := 1000 + 2*float64(i) + 30*math.Sin(2*math.Pi*float64(i)/7) + 20*r.NormFloat64()
		days[i] = Observation{start.Add(time.Duration(i) * day), used, 4000}
	}
	for _, bc := range []struct {
		name string
		in   Input
		opt  Options
	}{
		{"hours=850/steps=48", Input{Observations: hours}, Options{Steps: 48}},
		{"days=60/steps=30", Input{Observations: uncapped(days[:60])}, Options{Steps: 30}},
		{"days=730/paths=365", Input{Observations: days}, Options{Horizon: 365 * day}},
	} {
		b.Run(bc.name, func(b *testing.B) {
			for b.Loop() {
				if _, err := Compute(bc.in, bc.opt); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "series/s")
		})
	}
}
