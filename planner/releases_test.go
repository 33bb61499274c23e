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
		on, found := holder(mounts, volume.ID{Host: tc.host, Path: tc.path})
		if got := on.ID.String(); found != (tc.want != "") || found && got != tc.want {
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
	for past, err := range (Planner{history()}).Pasts(t.Context(), Query{Now: now}) {
		if want := map[volume.Resource]int{volume.Space: 3}[past.Resource]; err != nil || len(past.Input.Interventions) != want {
			t.Errorf("the past of %v knows of %d runs (%v), want %d", past.Resource, len(past.Input.Interventions), err, want)
		}
	}
	blind := history()
	blind.released = nil
	if o := outlooks(t, blind, Query{})[0]; len(o.Events) == 0 || (o.Events[0].Kind != forecast.EventCleanup && o.Events[0].Kind != forecast.EventSawtooth) {
		t.Errorf("without the runs: %+v", o.Events)
	}
}

// growing is a volume that grows by ten units and two inodes a day, and what tiering did to it on some days ago, at some hours.
func growing(id volume.ID, a volume.Attributes, moves ...volume.Release) *fakeHistory {
	f := &fakeHistory{released: moves}
	series := volume.DaySeries{ID: id}
	at := volume.StartOfDay(now).AddDate(0, 0, -100)
	usage := func(t time.Time) volume.Usage {
		used, inodes := int64(40_000)+10*int64(t.Sub(at)/day), int64(3000)+2*int64(t.Sub(at)/day)
		for _, m := range moves {
			if !m.Time.After(t) {
				used, inodes = used-m.Bytes, inodes-m.Inodes
			}
		}
		return volume.Usage{Total: 50_000, Used: used, Free: 50_000 - used, InodesTotal: 9000, InodesUsed: inodes, InodesFree: 9000 - inodes}
	}
	for d := at; d.Before(volume.StartOfDay(now)); d = d.Add(day) {
		one := volume.Day{Start: d, Usage: usage(d)}
		for hour := range 24 {
			one.Add(usage(d.Add(time.Duration(hour) * time.Hour)))
		}
		series.Days = append(series.Days, one)
	}
	f.days = []volume.DaySeries{series}
	f.newest = []volume.Sample{{ID: id, Time: now, Attributes: a, Usage: usage(now)}}
	return f
}

func TestRecallsAndInodesAreKnownToo(t *testing.T) {
	id := volume.ID{Host: "h", Path: "/srv"}
	move := func(ago, hour int, bytes, inodes int64) volume.Release {
		at := volume.StartOfDay(now).AddDate(0, 0, -ago).Add(time.Duration(hour) * time.Hour)
		return volume.Release{Host: "h", Path: "/srv/video", Time: at, Bytes: bytes, Inodes: inodes}
	}
	for name, moves := range map[string][]volume.Release{
		"releases":                   {move(70, 2, 900, 300), move(33, 23, 500, 0), move(1, 5, 900, 300)},
		"recalls":                    {move(60, 2, -900, -300), move(33, 23, -800, -200), move(1, 5, -900, -300)},
		"both on a day":              {move(40, 2, 1900, 300), move(40, 10, -700, -100)},
		"back on the same day":       {move(40, 2, 900, 300), move(40, 10, -900, -300)},
		"the other way round":        {move(40, 2, -900, -300), move(40, 10, 1900, 300)},
		"today, before the newest":   {move(0, 1, 900, 300)},
		"apart, in any order":        {move(12, 3, 0, 300), move(50, 3, -700, 0), move(50, 3, 0, -50), move(12, 3, 900, 0)},
		"after the newest":           {move(-1, 1, 900, 300)},
		"a recall after the newest":  {move(-1, 1, -900, -300)},
		"before there was a reading": {move(200, 1, 900, 300), move(200, 2, -800, 0)},
	} {
		h := growing(id, volume.Attributes{Fstype: "xfs"}, moves...)
		for i, o := range outlooks(t, h, Query{}) {
			if want := []float64{10, 2}[i]; len(o.Events) != 0 || math.Abs(o.GrowthPerDay-want) > .05*want {
				t.Errorf("%s: %s grows by %v a day, events %+v; want %v and none", name, o.Resource, o.GrowthPerDay, o.Events, want)
			}
			used := []int64{h.newest[0].Used, h.newest[0].InodesUsed}[i]
			if o.Used != float64(used) || math.Abs(o.Points[0].Forecast-float64(used)) > 15 {
				t.Errorf("%s: %s: %v used, tomorrow %v, want %v and a little more", name, o.Resource, o.Used, o.Points[0].Forecast, used)
			}
		}
	}
}

// What a plan's futures go by is what the forecast goes by.
func TestPlansKnowWhatTieringFreed(t *testing.T) {
	id := volume.ID{Host: "h", Path: "/srv"}
	at := volume.StartOfDay(now).AddDate(0, 0, -20)
	h := growing(id, volume.Attributes{Fstype: "xfs"}, volume.Release{Host: "h", Path: "/srv", Time: at, Bytes: 900}, volume.Release{Host: "h", Path: "/srv", Time: at.Add(5 * day), Bytes: 900})
	quiet := growing(volume.ID{Host: "h", Path: "/var"}, volume.Attributes{Fstype: "xfs"})
	h.days, h.newest = append(h.days, quiet.days...), append(h.newest, quiet.newest...)
	for by, want := range map[string]float64{"": 10, "host": 20} {
		q := planQuery()
		q.By = by
		for _, p := range mustPlan(t, h, q) {
			if got := p.Outcomes[0].GrowthPerDay; math.Abs(got-want) > .5 {
				t.Errorf("by %q: %s grows by %v a day, want %v", by, p.Series, got, want)
			}
		}
	}
}

func TestAReleaseIsOneOfItsWholePool(t *testing.T) {
	mount := func(path, fstype, device string) volume.Sample {
		return volume.Sample{ID: volume.ID{Host: "h", Path: path}, Attributes: volume.Attributes{Fstype: fstype, Device: device}}
	}
	home, data := mount("/home", "btrfs", "sda1"), mount("/srv/data", "btrfs", "sda1")
	tank, video := mount("/tank", "zfs", "tank"), mount("/tank/video", "zfs", "tank/video")
	elsewhere := home
	elsewhere.Host = "other"
	stuck := home
	stuck.Stuck = true
	pooled := units([]volume.Sample{home, data, tank, video})
	for _, tc := range []struct {
		name string
		unit unit
		on   volume.Sample
		want bool
	}{
		{"the volume", units([]volume.Sample{home})[0], home, true},
		{"another subvolume of its btrfs", units([]volume.Sample{home})[0], data, true},
		{"a subvolume that is told elsewhere", pooled[0], data, true},
		{"another pool", pooled[0], video, false},
		{"a dataset of the pool", pooled[1], video, true},
		{"another dataset than the chosen one", units([]volume.Sample{tank})[0], video, false},
		{"another host's", pooled[0], elsewhere, false},
		{"a volume that hangs", units([]volume.Sample{stuck})[0], data, false},
		{"another volume", units([]volume.Sample{mount("/a", "ext4", "sdb1")})[0], mount("/b", "ext4", "sdb1"), false},
	} {
		if got := tc.unit.shows(tc.on); got != tc.want {
			t.Errorf("%s: %v, want %v", tc.name, got, tc.want)
		}
	}
	// The subvolume that was released from has no row of its own.
	h := growing(home.ID, home.Attributes, volume.Release{Host: "h", Path: "/srv/data", Time: now.AddDate(0, 0, -20), Bytes: 3000})
	h.newest = append(h.newest, volume.Sample{ID: data.ID, Time: now, Attributes: data.Attributes, Usage: h.newest[0].Usage})
	if o := outlooks(t, h, Query{})[0]; o.Volume != home.ID || len(o.Events) != 0 || math.Abs(o.GrowthPerDay-10) > .5 {
		t.Errorf("%v grows by %v a day, events %+v", o.Volume, o.GrowthPerDay, o.Events)
	}
}
