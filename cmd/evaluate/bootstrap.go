package main

import (
	"math"
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

// bootstrap is the 95 % interval of a statistic over units that are drawn with replacement (Efron, 1979). A draw of which it cannot be
// told (no alarm was due in it, so there is no skill to speak of) does not count; NaN where it can be told of none.
func bootstrap(n int, of func(pick []int) float64) (low, high float64) {
	const draws = 1000
	random := rand.New(rand.NewPCG(1, 2))
	values := make([]float64, 0, draws)
	pick := make([]int, n)
	for range draws {
		for i := range pick {
			pick[i] = random.IntN(n)
		}
		if v := of(pick); !math.IsNaN(v) && !math.IsInf(v, 0) {
			values = append(values, v)
		}
	}
	if len(values) == 0 {
		return math.NaN(), math.NaN()
	}
	slices.Sort(values)
	return values[len(values)*25/1000], values[len(values)*975/1000]
}
