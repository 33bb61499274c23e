package main

import (
	"math/rand/v2"
	"slices"
)

func allOf(n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	return all
}

// bootstrap is the 95 % interval of a statistic over units that are drawn with replacement (Efron, 1979).
func bootstrap(n int, of func(pick []int) float64) (low, high float64) {
	const draws = 1000
	random := rand.New(rand.NewPCG(1, 2))
	values := make([]float64, draws)
	pick := make([]int, n)
	for d := range values {
		for i := range pick {
			pick[i] = random.IntN(n)
		}
		values[d] = of(pick)
	}
	slices.Sort(values)
	return values[draws*25/1000], values[draws*975/1000]
}
