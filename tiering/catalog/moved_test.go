package catalog

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestMoved releases three files, one of them to nothing, in two hours, and recalls two of them.
func TestMoved(t *testing.T) {
	c := fresh(t)
	objects := archiveSome(t, c, 0, 3, nil)
	release := func(at time.Time, leave Leave, allocated int64, o *Object) {
		op := releaseOperation(o)
		op.Leave, op.Allocated = leave, allocated
		begin(t, c, op)
		must(t, c.CommitReleased(t.Context(), someone, at, []*Operation{op}, []string{""}))
		if got, err := c.Moved(t.Context(), "", at.Add(time.Hour), at.Add(2*time.Hour)); err != nil || len(got) != 0 {
			t.Errorf("before the purge: %+v %v", got, err)
		}
		must(t, c.CommitPurged(t.Context(), at, []*Operation{op}))
		o.Leave = leave
	}
	recall := func(at time.Time, o *Object) {
		op := recallOperation(o)
		op.Leave, op.Allocated = o.Leave, 64
		begin(t, c, op)
		must(t, c.CommitRecalled(t.Context(), someone, at, []*Operation{op}))
	}
	at := func(minutes int) time.Time { return noon.Truncate(time.Hour).Add(time.Duration(minutes) * time.Minute) }
	release(at(50), LeaveNothing, 1, &objects[0])
	release(at(20), LeaveLink, 2, &objects[1]) // a clock was set
	release(at(61), LeaveLink, 4, &objects[2])
	recall(at(70), &objects[0])
	recall(at(80), &objects[1])
	host, volume := objects[0].Host, releaseOperation(&objects[0]).Volume
	want := []Moved{
		{Host: host, Volume: volume, Hour: at(0), Last: at(50), Released: 3, InodesReleased: 1},
		{Host: host, Volume: volume, Hour: at(60), Last: at(80), Released: 4, Recalled: 128, InodesRecalled: 1},
	}
	for _, tc := range []struct {
		name     string
		host     string
		from, to time.Time
		want     []Moved
	}{
		{"all", "", time.Unix(0, 0), at(1000), want},
		{"of the host", host, at(0), at(61), want},
		{"of another host", "other", at(0), at(1000), nil},
		{"the first hour", host, at(59), at(60), want[:1]},
		{"the second hour", host, at(60), at(61), want[1:]},
	} {
		if got, err := c.Moved(t.Context(), tc.host, tc.from, tc.to); err != nil || cmp.Diff(tc.want, got) != "" {
			t.Errorf("%s: %v %s", tc.name, err, cmp.Diff(tc.want, got))
		}
	}
}
