package planner

import (
	"math"
	"testing"
	"time"

	"github.com/tidemark/tidemark/internal/volume"
	"github.com/tidemark/tidemark/planner/forecast"
)

// twoVolumes are quiet for weeks: a day's peak grows by ten units. One of them has been rising for half an hour.
func twoVolumes() *fakeHistory {
	f := &fakeHistory{readings: map[volume.ID][]volume.Reading{}}
	for _, path := range []string{"/quiet", "/runaway"} {
		id := volume.ID{Host: "h", Path: path}
		usage := func(used int64) volume.Usage {
			return volume.Usage{Total: 100_000, Used: used, Free: 100_000 - used, InodesTotal: 100_000, InodesUsed: used, InodesFree: 100_000 - used}
		}
		series := volume.DaySeries{ID: id}
		for ago := 60; ago > 0; ago-- {
			series.Days = append(series.Days, volume.Day{Start: volume.StartOfDay(now).Add(-time.Duration(ago) * day), Usage: usage(20_000 - 10*int64(ago))})
		}
		f.days = append(f.days, series)
		var last volume.Usage
		for at := now.Add(-9 * day); !at.After(now); at = at.Add(5 * time.Minute) {
			used := int64(20_000)
			if rising := at.Sub(now.Add(-30 * time.Minute)); path == "/runaway" && rising > 0 {
				used += int64(rising/time.Minute) * 400
			}
			last = usage(used)
			f.readings[id] = append(f.readings[id], volume.Reading{Time: at, Usage: last})
		}
		f.newest = append(f.newest, volume.Sample{ID: id, Time: now, Attributes: volume.Attributes{Fstype: "xfs"}, Usage: last})
	}
	return f
}

func TestARunawayIsToldFromTheReadings(t *testing.T) {
	f := twoVolumes()
	all := outlooks(t, f, Query{})
	if len(all) != 4 {
		t.Fatalf("%q", named(all))
	}
	for i, o := range all {
		wanted := i >= 2
		if is := o.TimeToFull.Reason == forecast.ReasonRunaway; is != wanted {
			t.Errorf("%s %s: %+v, want a runaway: %v", o.Series, o.Resource, o.TimeToFull, wanted)
		}
		if left := o.TimeToFull.P50.Sub(now).Minutes(); wanted && math.Abs(left-170) > 5 {
			t.Errorf("%s %s: full in %.0f minutes, want 170", o.Series, o.Resource, left)
		}
		if math.Abs(o.GrowthPerDay-10) > 5 {
			t.Errorf("%s: growth %v a day, want that of the days", o.Series, o.GrowthPerDay)
		}
	}
	for _, id := range f.asked {
		if id.Path == "/quiet" {
			t.Error("the readings of a quiet volume were asked for")
		}
	}
	if len(f.asked) == 0 {
		t.Error("nobody asked for readings")
	}
}

func TestOnlyHastyVolumesAreLookedAt(t *testing.T) {
	days := make([]forecast.Observation, 30)
	for i := range days {
		days[i] = forecast.Observation{Time: volume.StartOfDay(now).Add(time.Duration(i-30) * day), Used: 1000 + 10*float64(i), Capacity: 5000}
	}
	at := func(used float64, ago time.Duration) forecast.Input {
		return forecast.Input{Observations: days, Newest: &forecast.Observation{Time: now.Add(-ago), Used: used, Capacity: 5000}}
	}
	for _, tc := range []struct {
		name string
		in   forecast.Input
		want bool
	}{
		{"as usual", at(1300, 0), false},
		{"much, but little of what is free", at(1290+73, 0), false},
		{"well above", at(1290+100, 0), true},
		{"well above, an hour ago", at(1290+100, 61*time.Minute), false},
		{"below", at(800, 0), false},
		{"no day yet", forecast.Input{Newest: at(9, 0).Newest}, false},
		{"no reading", forecast.Input{Observations: days}, false},
	} {
		if got := hasty(tc.in, 1, now); got != tc.want {
			t.Errorf("%s: %v, want %v", tc.name, got, tc.want)
		}
	}
	midnight := at(1290+100, 0)
	midnight.Newest.Time = volume.StartOfDay(now).Add(time.Minute)
	days[29].Used += 90
	if !hasty(midnight, 1, midnight.Newest.Time) {
		t.Error("a rise that began before midnight is not looked at after it")
	}
	busy := at(1290+100, 0)
	for i := range days {
		days[i].Used += 50 * float64(i%2)
	}
	if busy.Observations[29].Used = 1290; hasty(busy, 1, now) {
		t.Error("a volume that moves so much every day is looked at")
	}
}
