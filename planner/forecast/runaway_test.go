package forecast_test

import (
	"slices"
	"testing"
	"time"

	"github.com/tidemark/tidemark/internal/volumetest"
	"github.com/tidemark/tidemark/planner/forecast"
)

// readings are a raw volume's, and its days: the peak of each.
func readings(v volumetest.Raw) (raw, days []forecast.Observation) {
	for i, at := range v.Times {
		o := forecast.Observation{Time: at, Used: v.Used[i], Capacity: v.Full}
		raw = append(raw, o)
		if midnight := at.Truncate(day); len(days) == 0 || !days[len(days)-1].Time.Equal(midnight) {
			o.Time = midnight
			days = append(days, o)
		} else if last := &days[len(days)-1]; o.Used > last.Used {
			last.Used = o.Used
		}
	}
	return raw, days
}

// runawayAt asks as at reading i: with the days that are over.
func runawayAt(raw, days []forecast.Observation, i int, full float64) (forecast.TimeToFull, bool) {
	perDay := int(day / volumetest.Every)
	return forecast.Runaway(raw[max(0, i+1-8*perDay):i+1], days[:i/perDay], full)
}

func TestNoOrdinaryYearIsARunaway(t *testing.T) {
	for _, kind := range volumetest.RawKinds() {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			days := 365
			if slow {
				days = 30
			}
			v := volumetest.NewRaw(kind, 1, days)
			raw, peaks := readings(v)
			alarms := 0
			for i := 0; i < len(raw); i += 2 {
				if f, ok := runawayAt(raw, peaks, i, v.Full*.95); ok {
					if alarms++; alarms <= 3 {
						t.Errorf("day %d %s: %.1f of %v, full on %v", i/288, raw[i].Time, raw[i].Used, v.Full*.95, f.P50)
					}
				}
			}
			if alarms > 0 {
				t.Errorf("%d alarms in a year", alarms)
			}
		})
	}
}

// TestRunawaysAreSeenWithinAQuarterOfAnHour lets volumes run away at each hour of a day. Where much comes and goes all day it
// takes longer; while a backup usually runs, a rise is one until it is beyond it.
func TestRunawaysAreSeenWithinAQuarterOfAnHour(t *testing.T) {
	for kind, want := range map[volumetest.RawKind]struct {
		share  float64 // least, seen within three readings
		most   int     // readings until any is seen
		backup bool
	}{
		volumetest.RawSteady:    {1, 3, false},
		volumetest.RawCopies:    {1, 3, false},
		volumetest.RawSeason:    {.6, 8, false},
		volumetest.RawCollected: {.7, 9, false},
		volumetest.RawLogs:      {.75, 6, false},
		volumetest.RawNightly:   {.95, 10, true},
		volumetest.RawWeekly:    {.95, 10, true},
		volumetest.RawGrowing:   {.95, 10, true},
	} {
		t.Run(string(kind), func(t *testing.T) {
			soon, total, slowest := 0., 0., 0
			for hour := range 24 {
				if want.backup && (hour < 6 || hour >= 23) {
					continue
				}
				for _, fillsIn := range []time.Duration{75 * time.Minute, 2 * time.Hour, 5 * time.Hour} {
					delay := delayOf(t, kind, hour, fillsIn)
					total++
					if slowest = max(slowest, delay); delay <= 3 {
						soon++
					}
				}
			}
			if soon < want.share*total || slowest > want.most {
				t.Errorf("%.0f of %.0f within a quarter of an hour, the slowest after %d readings; want %.2f and %d", soon, total, slowest, want.share, want.most)
			}
		})
	}
}

// delayOf is after how many readings a runaway is told; many where it is full before.
func delayOf(t *testing.T, kind volumetest.RawKind, hour int, fillsIn time.Duration) int {
	t.Helper()
	seed := uint64(hour)
	v := volumetest.NewRaw(kind, seed, 17)
	from := 15*288 + hour*12 + 5
	fullAt := v.RunAway(from, fillsIn, seed)
	raw, days := readings(v)
	for i := from + 1; raw[i].Time.Before(fullAt); i++ {
		f, ok := runawayAt(raw, days, i, v.Full)
		if !ok {
			continue
		}
		if off := f.P50.Sub(fullAt); off.Abs() > fillsIn/3 || f.P50.Before(f.P10) || f.P90.Before(f.P50) || f.P10.Before(raw[i].Time) {
			t.Errorf("at %d o'clock: full at %v, said %v, %v, %v", hour, fullAt, f.P10, f.P50, f.P90)
		}
		return i - from
	}
	return 1 << 20
}

func TestWhatIsNoRunaway(t *testing.T) {
	base := func() volumetest.Raw { return volumetest.NewRaw(volumetest.RawSteady, 1, 10) }
	last := 10*288 - 1
	for _, tc := range []struct {
		name   string
		change func(raw []forecast.Observation) []forecast.Observation
		want   bool
	}{
		{"a runaway", func(raw []forecast.Observation) []forecast.Observation { return raw }, true},
		{"six days after boot", func(raw []forecast.Observation) []forecast.Observation { return raw[4*288:] }, false},
		{"minutes after boot", func(raw []forecast.Observation) []forecast.Observation { return raw[last-4:] }, false},
		{"it was not read while it rose", func(raw []forecast.Observation) []forecast.Observation { return append(raw[:last-3:last-3], raw[last]) }, false},
		{"it has stopped", func(raw []forecast.Observation) []forecast.Observation {
			for _, i := range []int{last, last - 1, last - 2} {
				raw[i].Used = raw[last-3].Used
			}
			return raw
		}, false},
		{"one jump", func(raw []forecast.Observation) []forecast.Observation {
			for i := last - 6; i < last; i++ {
				raw[i].Used = raw[last-7].Used
			}
			return raw
		}, false},
		{"it is full", func(raw []forecast.Observation) []forecast.Observation {
			for i := last - 8; i <= last; i++ {
				raw[i].Used = min(1000, 900+20*float64(i-last+8))
			}
			return raw
		}, false},
		{"a gap elsewhere", func(raw []forecast.Observation) []forecast.Observation { return append(raw[:2000:2000], raw[2100:]...) }, true},
		{"nothing", func([]forecast.Observation) []forecast.Observation { return nil }, false},
		{"by minutes", func(raw []forecast.Observation) []forecast.Observation {
			var fine []forecast.Observation
			for i := 1; i < len(raw); i++ {
				for k := range 5 {
					o := raw[i]
					o.Time = raw[i-1].Time.Add(time.Duration(k+1) * time.Minute)
					o.Used = raw[i-1].Used + (raw[i].Used-raw[i-1].Used)*float64(k+1)/5
					fine = append(fine, o)
				}
			}
			return fine
		}, true},
		{"by half hours, too slow to be sure", func(raw []forecast.Observation) []forecast.Observation {
			var coarse []forecast.Observation
			for i := last % 6; i <= last; i += 6 {
				coarse = append(coarse, raw[i])
			}
			return coarse
		}, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			v := base()
			v.RunAway(last-8, 3*time.Hour, 1)
			raw, days := readings(v)
			if f, ok := forecast.Runaway(tc.change(raw), days[:9], v.Full); ok != tc.want {
				t.Errorf("%+v %v, want %v", f, ok, tc.want)
			}
		})
	}
}

// What a day has added for good before, by a copy, it may add again; what came for a day and went is no measure.
func TestACopyLikeOthersIsNoRunaway(t *testing.T) {
	last := 10*288 - 1
	v := volumetest.NewRaw(volumetest.RawSteady, 1, 10)
	v.RunAway(last-8, 3*time.Hour, 1)
	raw, _ := readings(v)
	for _, tc := range []struct {
		name string
		by   func(ago int) float64
		want bool
	}{
		{"quiet days", func(int) float64 { return 0 }, true},
		{"200 units were copied a month ago", func(ago int) float64 { return map[bool]float64{true: -200}[ago > 30] }, false},
		{"20 units were copied a month ago", func(ago int) float64 { return map[bool]float64{true: -20}[ago > 30] }, true},
		{"200 units came for a day", func(ago int) float64 { return map[bool]float64{true: 200}[ago == 30] }, true},
	} {
		var days []forecast.Observation
		for ago := 50; ago > 0; ago-- {
			days = append(days, forecast.Observation{Time: raw[last].Time.Truncate(day).Add(-time.Duration(ago) * day), Used: raw[0].Used + tc.by(ago)})
		}
		if f, ok := forecast.Runaway(raw, days, v.Full); ok != tc.want {
			t.Errorf("%s: %+v %v, want %v", tc.name, f, ok, tc.want)
		}
	}
}

// TestComputeTellsARunaway holds the whole forecast: its dates are the runaway's, its growth is the days'.
func TestComputeTellsARunaway(t *testing.T) {
	v := volumetest.NewRaw(volumetest.RawSteady, 1, 60)
	from := 59*288 + 150
	fullAt := v.RunAway(from, 4*time.Hour, 1)
	raw, days := readings(v)
	now := from + 6
	in := forecast.Input{Step: day, Observations: days[:59], Newest: &raw[now], Recent: raw[now-8*288 : now+1]}
	opt := forecast.Options{Steps: 90, Horizon: 365 * day, Now: raw[now].Time.Add(time.Minute)}
	f, err := forecast.Compute(in, opt)
	if err != nil {
		t.Fatal(err)
	}
	ttf := f.TimeToFull
	if ttf.Reason != forecast.ReasonRunaway || ttf.P50.Sub(fullAt).Abs() > time.Hour || ttf.Probability7 < .9 || ttf.Probability90 < ttf.Probability7 {
		t.Errorf("%+v, want a runaway that fills at %v", ttf, fullAt)
	}
	if f.GrowthPerDay > 5 {
		t.Errorf("growth %v a day, want that of the days", f.GrowthPerDay)
	}
	blind := in
	blind.Recent = nil
	if g, err := forecast.Compute(blind, opt); err != nil || g.TimeToFull.Reason == forecast.ReasonRunaway || g.GrowthPerDay != f.GrowthPerDay {
		t.Errorf("without the readings: %+v, %v", g.TimeToFull, err)
	}
	opt.Now = raw[now].Time.Add(3 * time.Hour)
	if g, err := forecast.Compute(in, opt); err != nil || g.TimeToFull.Reason == forecast.ReasonRunaway {
		t.Errorf("hours later, without another reading: %+v, %v", g.TimeToFull, err)
	}
}

// FuzzRunaway reads readings from bytes: the minutes since the one before (a byte as it is; above 250 backwards) and the change
// of use.
func FuzzRunaway(f *testing.F) {
	quiet := make([]byte, 4000)
	for i := range quiet {
		quiet[i] = []byte{5, 0}[i%2]
	}
	f.Add(append(slices.Clone(quiet), 5, 20, 5, 21, 5, 19, 5, 22), uint16(900))
	f.Add([]byte{1, 1}, uint16(0))
	f.Add([]byte{5, 1, 251, 4, 0, 9, 5, 200, 5, 60, 5, 60, 5, 60, 5, 60, 5, 60}, uint16(500))
	f.Fuzz(func(t *testing.T, data []byte, full uint16) {
		var raw []forecast.Observation
		at, used := time.Date(2025, 1, 6, 0, 0, 0, 0, time.UTC), 100.
		for i := 0; i+1 < min(len(data), 6000); i += 2 {
			minutes := int(data[i])
			if data[i] > 250 {
				minutes -= 255
			}
			at, used = at.Add(time.Duration(minutes)*time.Minute), used+float64(int8(data[i+1]))
			raw = append(raw, forecast.Observation{Time: at, Used: used})
		}
		ttf, ok := forecast.Runaway(raw, raw, float64(full))
		if ok && (ttf.P50.Before(ttf.P10) || ttf.P90.Before(ttf.P50) || ttf.P90.Sub(ttf.P10) > 5*day) {
			t.Fatalf("%+v", ttf)
		}
	})
}

func TestAYoungVolumeIsToldInItsLastHour(t *testing.T) {
	for _, kind := range volumetest.RawKinds() {
		for seed := range uint64(20) {
			ordinary := volumetest.NewRaw(kind, seed, 7)
			raw, days := readings(ordinary)
			for i := 6; i < len(raw); i++ {
				if f, ok := runawayAt(raw, days, i, ordinary.Full*.95); ok {
					t.Fatalf("%s %d: an ordinary first week is a runaway at %v: %+v", kind, seed, raw[i].Time, f)
				}
			}
			v := volumetest.NewRaw(kind, seed, 4)
			fullAt := v.RunAway(2*288+150+int(seed), []time.Duration{2 * time.Hour, 5 * time.Hour}[seed%2], seed)
			raw, days = readings(v)
			told := time.Duration(0)
			for i := 2 * 288; raw[i].Time.Before(fullAt) && told == 0; i++ {
				if _, ok := runawayAt(raw, days, i, v.Full); ok {
					told = fullAt.Sub(raw[i].Time)
				}
			}
			if told < 20*time.Minute || told > 80*time.Minute {
				t.Errorf("%s %d: told %v before it is full", kind, seed, told)
			}
		}
	}
}

// A first load that ends below four fifths is no runaway, however fast and long.
func TestALoadIsNoRunaway(t *testing.T) {
	for _, perBin := range []float64{2, 10, 40, 150} {
		for _, end := range []float64{400, 600, 750} {
			var raw []forecast.Observation
			at, used := time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC), 1.
			for i := range 600 {
				if i > 3 {
					used = min(end, used+perBin)
				}
				raw = append(raw, forecast.Observation{Time: at.Add(time.Duration(i) * volumetest.Every), Used: used})
				if f, ok := forecast.Runaway(raw, nil, 950); ok {
					t.Fatalf("%v a reading to %v: at %v %+v", perBin, end, used, f)
				}
			}
		}
	}
}
