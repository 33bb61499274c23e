package forecast

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// kind is a kind of volume: its use and capacity at point i of n.
type kind struct {
	name     string
	step     time.Duration
	n        int
	use      func(i int, r *rand.Rand) float64
	capacity func(i int) float64
	reason   Reason // of the date
	check    func(t *testing.T, f Forecast)
}

func (k kind) observations(r *rand.Rand) []Observation {
	var all []Observation
	for i := range k.n {
		if u := k.use(i, r); !math.IsNaN(u) {
			all = append(all, Observation{start.Add(time.Duration(i) * k.step), max(0, u), k.capacity(i)})
		}
	}
	return all
}

func always(c float64) func(int) float64 { return func(int) float64 { return c } }

// dateWithin asserts the date's early and late bounds, in days of the origin.
func dateWithin(early, late float64) func(*testing.T, Forecast) {
	return func(t *testing.T, f Forecast) {
		t.Helper()
		days := f.TimeToFull.P50.Sub(f.Origin).Hours() / 24
		if f.TimeToFull.P50.IsZero() || days < early || days > late {
			t.Errorf("P50 is %v (%.0f days away), want %v to %v days", f.TimeToFull.P50, days, early, late)
		}
	}
}

func probability90(low, high float64) func(*testing.T, Forecast) {
	return func(t *testing.T, f Forecast) {
		t.Helper()
		if p := f.TimeToFull.Probability90; p < low || p > high {
			t.Errorf("P(full within 90 days) = %v, want %v to %v", p, low, high)
		}
	}
}

func growth(low, high float64) func(*testing.T, Forecast) {
	return func(t *testing.T, f Forecast) {
		t.Helper()
		if f.GrowthPerDay < low || f.GrowthPerDay > high {
			t.Errorf("growth %v a day, want %v to %v", f.GrowthPerDay, low, high)
		}
	}
}

func all(checks ...func(*testing.T, Forecast)) func(*testing.T, Forecast) {
	return func(t *testing.T, f Forecast) {
		t.Helper()
		for _, c := range checks {
			c(t, f)
		}
	}
}

// kinds are made-up volumes of every sort that a planner must tell apart. Where use is random, every seed must do.
func kinds() []kind {
	nan := math.NaN()
	weekend := func(i int) float64 {
		if i%7 >= 5 {
			return -60
		}
		return 0
	}
	steady := func(i int, r *rand.Rand) float64 { return 1000 + 5*float64(i) + 10*r.NormFloat64() }
	jumps := func(i int, r *rand.Rand) float64 { return 1000 + 150*float64(i/40) + .5*r.NormFloat64() }
	return []kind{
		{"steady", day, 400, steady, always(4000), "", all(dateWithin(170, 230), growth(4, 6), probability90(0, .02))},
		{"steady and near", day, 400, steady, always(3150), "", all(dateWithin(15, 45), probability90(.97, 1))},
		{"steady and far", day, 400, steady, always(1e6), ReasonBeyondHorizon, all(growth(4, 6), probability90(0, 0))},
		{"a week's season", day, 400, func(i int, r *rand.Rand) float64 { return steady(i, r) + weekend(i) }, always(4000), "", all(dateWithin(165, 235), growth(4, 6))},
		{"with cleanups", day, 400, func(i int, r *rand.Rand) float64 { return 500 + 6*float64(i) - 200*float64(i/90) + 5*r.NormFloat64() }, always(4000), "", dateWithin(400, 620)},
		{"jumps", day, 400, jumps, always(3000), "", all(dateWithin(60, 365), growth(-1, 5))},
		{"weeks", 7 * day, 104, func(i int, r *rand.Rand) float64 { return 1000 + 35*float64(i) + 20*r.NormFloat64() }, always(5500), "", dateWithin(140, 240)},
		{"months", 30 * day, 48, func(i int, r *rand.Rand) float64 { return 1000 + 150*float64(i) + 50*r.NormFloat64() }, always(9000), "", dateWithin(150, 290)},
		{"hours", time.Hour, 24 * 35, func(i int, r *rand.Rand) float64 { return 1000 + float64(i) + 5*r.NormFloat64() }, always(2320), "", dateWithin(14, 26)},
		{"minutes", 5 * time.Minute, 288 * 20, func(i int, r *rand.Rand) float64 { return 1000 + float64(i)/10 + r.NormFloat64() }, always(1900), "", dateWithin(7, 16)},

		{"the log's week", day, 300, func(i int, r *rand.Rand) float64 { return 60 + 14*float64(i%7) + 3*r.NormFloat64() }, always(200), ReasonSawtooth, probability90(0, 0)},
		{"a month's rotation", day, 300, func(i int, r *rand.Rand) float64 { return 500 + 10*float64(i%30) + 3*r.NormFloat64() }, always(1000), ReasonSawtooth, probability90(0, 0)},
		{"a rotation that touches the limit", day, 290, func(i int, r *rand.Rand) float64 { return 500 + 10*float64(i%30) + 3*r.NormFloat64() }, always(785), ReasonSawtooth, probability90(.8, 1)},
		{"noise about a level", day, 300, func(_ int, r *rand.Rand) float64 { return 500 + 20*r.NormFloat64() }, always(1000), ReasonBeyondHorizon, probability90(0, 0)},
		{"growing under its rotation", day, 300, func(i int, _ *rand.Rand) float64 { return 500 + 5*float64(i) + 20*float64(i%7) }, always(2500), "", dateWithin(60, 120)},

		{"constant", day, 300, func(int, *rand.Rand) float64 { return 212 }, always(500), ReasonIdle, all(growth(0, 0), probability90(0, 0))},
		{"a few KB of log", day, 300, func(i int, r *rand.Rand) float64 { return 2e11 + 4e3*float64(i) + 2e3*r.Float64() }, always(5e11), ReasonIdle, probability90(0, 0)},
		{"idle for a year, nearly full", day, 800, func(i int, _ *rand.Rand) float64 { return 100 + 2*float64(min(i, 430)) }, always(970), ReasonIdle, probability90(0, .3)},
		{"shrinking", day, 300, func(i int, r *rand.Rand) float64 { return 3000 - 3*float64(i) + 5*r.NormFloat64() }, always(4000), ReasonShrinking, all(growth(-4, -2), probability90(0, 0))},
		{"shrinking slowly of much", day, 300, func(i int, _ *rand.Rand) float64 { return 3000 - .5*float64(i) }, always(1e5), ReasonShrinking, growth(-.6, -.4)},
		{"shrinking, but a jump would fill it", day, 400, func(i int, r *rand.Rand) float64 { return 3000 - 3*float64(i) + 80*float64(i/33) + r.NormFloat64() }, always(2790), "", probability90(.3, 1)},

		{"five days", day, 5, steady, always(1040), ReasonNewVolume, nil},
		{"six days of hours", time.Hour, 144, steady, always(4000), ReasonNewVolume, nil},
		{"minutes after boot", time.Minute, 30, func(i int, _ *rand.Rand) float64 { return 100 + 10*float64(i) }, always(1000), ReasonNewVolume, nil},
		{"one point", day, 1, steady, always(4000), ReasonNewVolume, growth(0, 0)},
		{"a bulk load a week ago", day, 9, func(i int, r *rand.Rand) float64 {
			return map[bool]float64{true: 10, false: 700}[i < 3] + 2*float64(i) + r.Float64()
		}, always(1000), ReasonNewVolume, growth(-1, 5)},
		{"a bulk load a month ago", day, 30, func(i int, r *rand.Rand) float64 {
			return map[bool]float64{true: 10, false: 700}[i < 3] + .2*float64(i) + .1*r.Float64()
		}, always(1000), ReasonBeyondHorizon, all(growth(0, 1), probability90(0, 0))},
		{"a gap until yesterday", day, 300, func(i int, r *rand.Rand) float64 {
			if i > 270 && i < 297 {
				return nan
			}
			return steady(i, r)
		}, always(4000), ReasonGap, nil},
		{"a gap last year", day, 400, func(i int, r *rand.Rand) float64 {
			if i > 100 && i < 200 {
				return nan
			}
			return steady(i, r)
		}, always(4000), "", dateWithin(165, 235)},
		{"weekends without samples", day, 402, func(i int, r *rand.Rand) float64 { // ends on a Wednesday
			if i%7 >= 5 {
				return nan
			}
			return steady(i, r)
		}, always(4000), "", dateWithin(160, 240)},

		{"full", day, 300, func(i int, _ *rand.Rand) float64 { return min(1000, 5*float64(i)) }, always(1000), ReasonFull, probability90(1, 1)},
		{"fuller than it is", day, 3, steady, always(900), ReasonFull, probability90(1, 1)},
		{"enlarged", day, 400, steady, func(i int) float64 { return map[bool]float64{true: 2900, false: 4000}[i < 350] }, "", all(dateWithin(170, 230), growth(4, 6))},
		{"no capacity", day, 400, steady, always(nan), ReasonNoCapacity, growth(4, 6)},
		{"nightly bursts", time.Hour, 24*30 + 4, func(i int, r *rand.Rand) float64 { // the newest sample is within one
			return 500 + .01*float64(i) + map[bool]float64{true: 150, false: 0}[i%24 >= 2 && i%24 < 5] + r.Float64()
		}, always(800), "", nil},
	}
}

func TestReasonsAndDatesOfMadeUpVolumes(t *testing.T) {
	seeds := uint64(3)
	if Slow {
		seeds = 1
	}
	for _, k := range kinds() {
		t.Run(k.name, func(t *testing.T) {
			for seed := range seeds {
				in := Input{Observations: k.observations(rand.New(rand.NewPCG(seed, 99)))}
				f, err := Compute(in, Options{Steps: 30, Horizon: 730 * day, Seed: seed})
				if err != nil {
					t.Fatal(err)
				}
				valid(t, f, in, Options{Steps: 30})
				if k.name == "nightly bursts" {
					if p10 := f.TimeToFull.P10; f.TimeToFull.Probability7 > 0 || (!p10.IsZero() && p10.Sub(f.Origin) < 60*day) {
						t.Errorf("seed %d: full by %v with %v, %v from now; want no alarm", seed, p10, f.TimeToFull.Probability7, p10.Sub(f.Origin))
					}
					continue
				}
				if f.TimeToFull.Reason != k.reason {
					t.Errorf("seed %d: reason %q, want %q: %+v", seed, f.TimeToFull.Reason, k.reason, f.TimeToFull)
				}
				if k.check != nil {
					k.check(t, f)
				}
				if t.Failed() {
					return
				}
			}
		})
	}
}

func TestEnlargingChangesTheDateAndNothingElse(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 8))
	small := kinds()[0].observations(r)
	large := slices.Clone(small)
	large[len(large)-1].Capacity = 5000
	before, _ := Compute(Input{Observations: small}, Options{Steps: 30, Horizon: 730 * day})
	after, _ := Compute(Input{Observations: large}, Options{Steps: 30, Horizon: 730 * day})
	if before.GrowthPerDay != after.GrowthPerDay || !slices.Equal(before.Points, after.Points) {
		t.Errorf("growth %v and %v, points equal: %v", before.GrowthPerDay, after.GrowthPerDay, slices.Equal(before.Points, after.Points))
	}
	if gain := after.TimeToFull.P10.Sub(before.TimeToFull.P10); gain < 100*day {
		t.Errorf("1,000 more at 5 a day delay P10 by %v", gain)
	}
}

func TestStaleIsJudgedFromNowAndTheNewestSample(t *testing.T) {
	in := Input{Observations: kinds()[0].observations(rand.New(rand.NewPCG(8, 8)))}
	origin := in.Observations[len(in.Observations)-1].Time
	newest := Observation{origin.Add(2 * day), 3010, 4000}
	for _, tc := range []struct {
		name   string
		newest *Observation
		now    time.Time
		want   Reason
	}{
		{"no clock", nil, time.Time{}, ""},
		{"three days", nil, origin.Add(3 * day), ""},
		{"four days", nil, origin.Add(4 * day), ReasonStale},
		{"a newer sample", &newest, origin.Add(4 * day), ""},
		{"a clock that is behind", nil, origin.Add(-9 * day), ""},
	} {
		in.Newest = tc.newest
		f, _ := Compute(in, Options{Now: tc.now})
		if f.TimeToFull.Reason != tc.want {
			t.Errorf("%s: reason %q, want %q", tc.name, f.TimeToFull.Reason, tc.want)
		}
		if math.IsNaN(f.TimeToFull.Probability30) {
			t.Errorf("%s: no probability", tc.name)
		}
	}
}

func TestNewestSampleIsTheOrigin(t *testing.T) {
	observations := kinds()[0].observations(rand.New(rand.NewPCG(8, 8)))
	last := observations[len(observations)-1]
	with := func(after time.Duration, used, capacity float64) Forecast {
		f, err := Compute(Input{Observations: observations, Newest: &Observation{last.Time.Add(after), used, capacity}}, Options{Steps: 10})
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	f := with(36*time.Hour, 3900, math.NaN())
	if !f.Origin.Equal(last.Time.Add(36*time.Hour)) || f.Used != 3900 || f.Capacity != 4000 {
		t.Errorf("origin %v with %v of %v, want the newest sample and the capacity last known", f.Origin, f.Used, f.Capacity)
	}
	dateWithin(10, 30)(t, f)
	if !f.Points[0].Time.Equal(last.Time.Add(day)) {
		t.Errorf("points begin at %v, want the day after the last whole one", f.Points[0].Time)
	}
	if f := with(36*time.Hour, 3900, 3900); f.TimeToFull.Reason != ReasonFull || !f.TimeToFull.P90.Equal(f.Origin) {
		t.Errorf("a volume that filled today: %+v", f.TimeToFull)
	}
	if f := with(40*day, 3300, 4000); f.TimeToFull.Reason != ReasonGap {
		t.Errorf("forty days of silence: reason %q", f.TimeToFull.Reason)
	}
	if f := with(40*365*day, 3300, 4000); f.TimeToFull.Reason != ReasonGap {
		t.Errorf("forty years of silence: reason %q", f.TimeToFull.Reason)
	}
	if f := with(-day, 9999, 9999); !f.Origin.Equal(last.Time) || f.Used != last.Used {
		t.Errorf("an older sample became the origin: %v", f.Origin)
	}
	if f := with(day, math.NaN(), 3500); !f.Origin.Equal(last.Time) || f.Capacity != 3500 {
		t.Errorf("a sample without use: origin %v, capacity %v", f.Origin, f.Capacity)
	}
}

func TestARunawayIsNoSawtooth(t *testing.T) {
	i := slices.IndexFunc(kinds(), func(k kind) bool { return k.name == "the log's week" })
	observations := kinds()[i].observations(rand.New(rand.NewPCG(1, 1)))
	newest := Observation{observations[len(observations)-1].Time.Add(30 * time.Hour), 195, 200}
	f, err := Compute(Input{Observations: observations, Newest: &newest}, Options{Steps: 5})
	if err != nil {
		t.Fatal(err)
	}
	if f.TimeToFull.Reason == ReasonSawtooth || f.TimeToFull.Probability7 < .2 {
		t.Errorf("195 of 200 after weeks of 60 to 144: %+v", f.TimeToFull)
	}
}

func TestFullLevelIsAShareOfTheCapacity(t *testing.T) {
	in := Input{Observations: kinds()[0].observations(rand.New(rand.NewPCG(8, 8)))}
	half, _ := Compute(in, Options{FullLevel: .5})
	if half.TimeToFull.Reason != ReasonFull || half.TimeToFull.Probability7 != 1 || !half.TimeToFull.P10.Equal(half.Origin) {
		t.Errorf("3,000 of 4,000 at a level of a half: %+v", half.TimeToFull)
	}
	most, _ := Compute(in, Options{FullLevel: .9})
	dateWithin(90, 150)(t, most)
}

// What trends must be forecast far better than by no change, from each of several origins.
func TestTrendsBeatNoChange(t *testing.T) {
	for _, k := range kinds() {
		limit, trending := map[string]float64{
			"steady": .5, "a week's season": .5, "weeks": .6, "hours": .5, "months": .6, "shrinking": .5, "growing under its rotation": .2,
			"weekends without samples": .5, "a gap last year": .5,
		}[k.name]
		if !trending {
			continue
		}
		t.Run(k.name, func(t *testing.T) {
			h := min(28, k.n/5)
			own, none := 0., 0.
			for seed := range uint64(6) {
				observations := k.observations(rand.New(rand.NewPCG(seed, 1)))
				past, future := observations[:len(observations)-h], observations[len(observations)-h:]
				f, err := Compute(Input{Observations: past, Step: k.step}, Options{Steps: 2 * h})
				if err != nil {
					t.Fatal(err)
				}
				at := map[time.Time]float64{}
				for _, p := range f.Points {
					at[p.Time] = p.Forecast
				}
				for _, o := range future {
					p, ok := at[o.Time]
					if !ok {
						t.Fatalf("no forecast for %v", o.Time)
					}
					own += math.Abs(o.Used - p)
					none += math.Abs(o.Used - past[len(past)-1].Used)
				}
			}
			if own > limit*none {
				t.Errorf("error %.2f of no change's, want at most %v", own/none, limit)
			}
		})
	}
}
