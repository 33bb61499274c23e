package main

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestTallyLine(t *testing.T) {
	begun := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	for name, tc := range map[string]struct {
		done, total int
		want        string
	}{
		"none yet":       {0, 5000, "plan: 0 of 5000 series"},
		"some":           {100, 400, "plan: 100 of 400 series, 30s left"},
		"all":            {400, 400, "plan: 400 of 400 series"},
		"total unknown":  {100, 0, "plan: 100 series"},
		"more than said": {401, 400, "plan: 401 of 400 series"},
	} {
		tally := &tally{what: "plan", noun: "series", begun: begun}
		tally.set(tc.done, tc.total)
		if got := tally.line(begun.Add(10 * time.Second)); got != tc.want {
			t.Errorf("%s: %q, want %q", name, got, tc.want)
		}
	}
}

// What takes a while says each minute how far it is where stderr is no terminal, and nothing after its end.
func TestCountedSaysHowFarItIs(t *testing.T) {
	broken := errors.New("broken")
	synctest.Test(t, func(t *testing.T) {
		var stderr strings.Builder
		status := &statusLine{w: &stderr}
		p := &program{stdout: io.Discard, stderr: status, status: status, now: time.Now, log: peopleLogger(status)}
		slow := func(yield func(int, error) bool) {
			for i := range 5 {
				time.Sleep(25 * time.Second)
				if !yield(i, nil) {
					return
				}
			}
			yield(0, broken)
		}
		work := &tally{what: "forecast", noun: "series", begun: p.now()}
		work.set(0, 5)
		seen, failed := 0, error(nil)
		for _, err := range counted(p, work, true, slow) {
			if failed = err; err == nil {
				seen++
			}
		}
		if seen != 5 || !errors.Is(failed, broken) {
			t.Errorf("%d values, then %v", seen, failed)
		}
		time.Sleep(5 * time.Minute)
		want := "tidemark: forecast: 2 of 5 series, 1m30s left\ntidemark: forecast: 4 of 5 series, 30s left\n"
		if stderr.String() != want {
			t.Errorf("said %q, want %q", &stderr, want)
		}
	})
}
