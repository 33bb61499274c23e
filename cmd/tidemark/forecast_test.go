package main

import (
	"context"
	"errors"
	"testing"
)

func TestAnInterruptEndsAForecastOfAFile(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var got []int
	var last error
	for v, err := range untilDone(ctx, func(yield func(int, error) bool) {
		for i := 0; yield(i, nil); i++ {
			if i == 1 {
				cancel()
			}
		}
	}) {
		if last = err; err == nil {
			got = append(got, v)
		}
	}
	if len(got) != 2 || !errors.Is(last, context.Canceled) {
		t.Errorf("%v and then %v, want two values and context canceled", got, last)
	}
}
