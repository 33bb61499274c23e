package main

import (
	"slices"
	"testing"
)

func FuzzHorizonDays(f *testing.F) {
	for _, text := range []string{"7,30,90", "7", " 7 , 7", "", ",", "0", "-1", "3651", "1e3", "1,2,3,4,5,6,7,8,9,10,11"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		days, err := horizonDays(text)
		if err != nil {
			return
		}
		if len(days) == 0 || len(days) > mostHorizons || days[0] < 1 || days[len(days)-1] > mostHorizonDays || !slices.IsSorted(days) || len(slices.Compact(slices.Clone(days))) != len(days) {
			t.Errorf("%q is %v", text, days)
		}
	})
}
