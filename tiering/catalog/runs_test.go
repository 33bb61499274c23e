package catalog

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestRuns(t *testing.T) {
	c := fresh(t)
	if _, ok, err := c.LastRun(t.Context(), "a"); ok || err != nil {
		t.Errorf("a run before the first: %t, %v", ok, err)
	}
	first := &Run{Policy: "a", Started: noon, Triggered: "above 80%"}
	other := &Run{Policy: "b", Started: noon}
	must(t, c.BeginRun(t.Context(), first))
	must(t, c.BeginRun(t.Context(), other))
	first.Ended, first.Failed, first.Skipped, first.Insufficient, first.Error = noon.Add(time.Hour), 2, 3, true, "full"
	must(t, c.UpdateRun(t.Context(), first))
	killed := &Run{Policy: "a", Started: noon.Add(2 * time.Hour)}
	must(t, c.BeginRun(t.Context(), killed))

	runs, err := c.Runs(t.Context(), "", 0)
	if diff := cmp.Diff([]Run{*killed, *other, *first}, runs); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
	if last, ok, err := c.LastRun(t.Context(), "a"); err != nil || !ok || cmp.Diff(*first, last) != "" {
		t.Errorf("the last that ended: %+v, %v", last, err)
	}
	if runs, err := c.Runs(t.Context(), "a", 1); err != nil || len(runs) != 1 || runs[0].ID != killed.ID || runs[0].Interrupted {
		t.Errorf("the newest of a: %+v, %v", runs, err)
	}
	// The next run of the policy tells that this one was killed; other policies may be running.
	must(t, c.BeginRun(t.Context(), &Run{Policy: "a", Started: noon.Add(3 * time.Hour)}))
	interrupted := func() (ids []int64) {
		runs, err := c.Runs(t.Context(), "", 0)
		must(t, err)
		for _, r := range runs {
			if r.Interrupted {
				ids = append(ids, r.ID)
			}
		}
		return ids
	}
	if got := interrupted(); !cmp.Equal(got, []int64{killed.ID}) {
		t.Errorf("interrupted are %v", got)
	}
	must(t, c.InterruptRuns(t.Context(), "b"))
	if got := interrupted(); !cmp.Equal(got, []int64{killed.ID, other.ID}) {
		t.Errorf("interrupted are %v", got)
	}
	must(t, c.InterruptRuns(t.Context(), ""))
	if got := interrupted(); len(got) != 3 {
		t.Errorf("interrupted are %v", got)
	}
	if err := c.UpdateRun(t.Context(), &Run{ID: 99}); err == nil {
		t.Error("a run that is not there is updated")
	}
}
