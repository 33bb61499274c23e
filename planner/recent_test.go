package planner

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/tidemark/tidemark/internal/volume"
	"github.com/tidemark/tidemark/internal/volumetest"
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

// TestRunawaysAreAskedForAtOnce lets made-up volumes run away and wants their readings asked for no later than they tell it; and how much
// later that was when only a newest reading above yesterday's peak asked.
func TestRunawaysAreAskedForAtOnce(t *testing.T) {
	const perDay = int(day / volumetest.Every)
	for _, kind := range volumetest.RawKinds() {
		t.Run(string(kind), func(t *testing.T) {
			runaways, late, missed, earlier := 0, 0, 0, 0
			for hour := 6; hour < 23; hour += 2 {
				for _, fillsIn := range []time.Duration{75 * time.Minute, 2 * time.Hour, 5 * time.Hour} {
					v := volumetest.NewRaw(kind, uint64(hour), 17)
					from := 15*perDay + hour*perDay/24 + 5
					fullAt := v.RunAway(from, fillsIn, uint64(hour))
					told, asked, before := 0, 0, 0
					for i := from + 1; v.Times[i].Before(fullAt); i++ {
						in, fit, raw := readAt(v, i)
						_, is := forecast.Runaway(raw, fit.Observations, v.Full)
						if is && told == 0 {
							told = i
						}
						if is && asked == 0 && rising(in, fit, 1, v.Times[i]) {
							asked = i
						}
						if is && before == 0 && hasty(fit, 1, v.Times[i]) {
							before = i
						}
					}
					if told == 0 {
						continue
					}
					runaways++
					if asked != told {
						late++
					}
					if before == 0 {
						missed++
						before = from + int(fullAt.Sub(v.Times[from])/volumetest.Every)
					}
					earlier += before - told
				}
			}
			t.Logf("%d runaways; asked for late %d; from yesterday's peak alone %d never, in the mean %.0f minutes later", runaways, late, missed,
				float64(earlier)/float64(runaways)*volumetest.Every.Minutes())
			if runaways == 0 || late > 0 {
				t.Errorf("%d of %d runaways are asked for late", late, runaways)
			}
		})
	}
}

// readAt is what is known of a raw volume at reading i.
func readAt(v volumetest.Raw, i int) (in input, fit forecast.Input, raw []forecast.Observation) {
	const perDay, perHour = int(day / volumetest.Every), int(time.Hour / volumetest.Every)
	for d := range i / perDay {
		peak := slices.Max(v.Used[d*perDay : (d+1)*perDay])
		fit.Observations = append(fit.Observations, forecast.Observation{Time: v.Times[d*perDay], Used: peak, Capacity: v.Full})
	}
	fit.Newest = &forecast.Observation{Time: v.Times[i], Used: v.Used[i], Capacity: v.Full}
	for k := max(0, i+1-8*perDay); k <= i; k++ {
		raw = append(raw, forecast.Observation{Time: v.Times[k], Used: v.Used[k], Capacity: v.Full})
	}
	low := volume.Low{Used: int64(slices.Min(v.Used[max(0, i-perHour) : i+1]))}
	return input{resource: volume.Space, low: &low}, fit, raw
}

// What rises as always costs no query, or one now and then.
func TestFewReadingsAreAskedFor(t *testing.T) {
	for kind, most := range map[volumetest.RawKind]float64{
		volumetest.RawSteady: 0, volumetest.RawCopies: .01, volumetest.RawLogs: 0, volumetest.RawSeason: .02, volumetest.RawCollected: .5,
		volumetest.RawNightly: .1, volumetest.RawWeekly: .02, volumetest.RawGrowing: .1,
	} {
		v := volumetest.NewRaw(kind, 1, 30)
		asked, n := 0, 0
		for i := 9 * 288; i < len(v.Times); i += 7 {
			in, fit, _ := readAt(v, i)
			n++
			if rising(in, fit, .95, v.Times[i]) {
				asked++
			}
		}
		if share := float64(asked) / float64(n); share > most {
			t.Errorf("%s: readings are asked for at %.3f of all times, want %.3f at most", kind, share, most)
		}
	}
}

func TestRising(t *testing.T) {
	at := func(used, capacity float64, ago time.Duration) forecast.Input {
		return forecast.Input{Newest: &forecast.Observation{Time: now.Add(-ago), Used: used, Capacity: capacity}}
	}
	low := func(used, inodes int64) *volume.Low { return &volume.Low{Used: used, InodesUsed: inodes} }
	for _, tc := range []struct {
		name string
		in   input
		fit  forecast.Input
		want bool
	}{
		{"a 30th of what is free", input{low: low(494, 0)}, at(510, 990, 0), true},
		{"less", input{low: low(495, 0)}, at(510, 990, 0), false},
		{"inodes", input{low: low(510, 494), resource: volume.Inodes}, at(510, 990, 0), true},
		{"an hour ago", input{low: low(400, 0)}, at(510, 990, 61*time.Minute), false},
		{"it fell", input{low: low(510, 0)}, at(510, 990, 0), false},
		{"it is full", input{low: low(500, 0)}, at(510, 505, 0), false},
		{"no capacity", input{low: low(500, 0)}, at(510, math.NaN(), 0), false},
		{"no reading within the hour", input{}, at(510, 990, 0), false},
		{"no newest reading", input{low: low(500, 0)}, forecast.Input{}, false},
	} {
		if got := rising(tc.in, tc.fit, 1, now); got != tc.want {
			t.Errorf("%s: %v, want %v", tc.name, got, tc.want)
		}
	}
}
