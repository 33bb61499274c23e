package planner

import (
	"math"
	"testing"
	"time"

	"github.com/tidemark/tidemark/internal/volume"
	"github.com/tidemark/tidemark/planner/forecast"
)

func TestVolumeOfARelease(t *testing.T) {
	mount := func(host, path string) volume.Sample { return volume.Sample{ID: volume.ID{Host: host, Path: path}} }
	mounts := []volume.Sample{mount("a", "/srv/video"), mount("a", "/"), mount("a", "/srv"), mount("b", "/srv")}
	for _, tc := range []struct{ host, path, want string }{
		{"a", "/srv", "a:/srv"},
		{"a", "/srv/scans", "a:/srv"},
		{"a", "/srv/video", "a:/srv/video"},
		{"a", "/srv/video/2024", "a:/srv/video"},
		{"a", "/srv/videos", "a:/srv"},
		{"a", "/home", "a:/"},
		{"b", "/srv/video", "b:/srv"},
		{"b", "/home", ""},
		{"c", "/srv", ""},
	} {
		id, found := volumeOf(volume.Release{Host: tc.host, Path: tc.path}, mounts)
		if got := id.String(); found != (tc.want != "") || found && got != tc.want {
			t.Errorf("%s:%s lies on %s, want %s", tc.host, tc.path, got, tc.want)
		}
	}
}

// A volume that grows by ten units a day, of which tiering frees 300 each month, has no cleanups.
func TestWhatTieringFreedIsNoCleanup(t *testing.T) {
	id := volume.ID{Host: "h", Path: "/srv"}
	history := func() *fakeHistory {
		f := &fakeHistory{}
		series := volume.DaySeries{ID: id}
		used := int64(40_000)
		for ago := 100; ago > 0; ago-- {
			start := volume.StartOfDay(now).Add(-time.Duration(ago) * day)
			used += 10
			series.Days = append(series.Days, volume.Day{Start: start, Usage: volume.Usage{Total: 50_000, Used: used, Free: 50_000 - used, InodesTotal: 9000, InodesUsed: 5, InodesFree: 8995}})
			if ago%30 == 0 {
				used -= 300
				f.released = append(f.released, volume.Release{Host: "h", Path: "/srv/video", Time: start.Add(23 * time.Hour), Bytes: 300})
			}
		}
		f.days = []volume.DaySeries{series}
		last := series.Days[len(series.Days)-1].Usage
		f.newest = []volume.Sample{{ID: id, Time: now, Attributes: volume.Attributes{Fstype: "xfs"}, Usage: last}}
		return f
	}
	all := outlooks(t, history(), Query{})
	o := all[0]
	if len(o.Events) != 0 || math.Abs(o.GrowthPerDay-10) > .5 {
		t.Errorf("growth %v a day, events %+v; want 10 and none", o.GrowthPerDay, o.Events)
	}
	if inodes := all[1]; inodes.Used != 5 || inodes.GrowthPerDay != 0 || inodes.TimeToFull.Reason != forecast.ReasonIdle {
		t.Errorf("of the inodes nothing was freed: %v, %v a day, %+v", inodes.Used, inodes.GrowthPerDay, inodes.TimeToFull)
	}
	blind := history()
	blind.released = nil
	if o := outlooks(t, blind, Query{})[0]; len(o.Events) == 0 || (o.Events[0].Kind != forecast.EventCleanup && o.Events[0].Kind != forecast.EventSawtooth) {
		t.Errorf("without the runs: %+v", o.Events)
	}
}
