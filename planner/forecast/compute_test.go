package forecast

import (
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"
)

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

// valid asserts what holds of every forecast, whatever the series.
func valid(t *testing.T, f Forecast, in Input, opt Options) {
	t.Helper()
	if len(f.Points) != opt.Steps && opt.Steps > 0 {
		t.Fatalf("%d points, want %d", len(f.Points), opt.Steps)
	}
	limit := math.Inf(1)
	if f.Capacity > 0 {
		limit = f.Capacity
	} else if !math.IsNaN(f.Capacity) {
		t.Fatalf("capacity %v", f.Capacity)
	}
	before := time.Time{}
	for k, p := range f.Points {
		if !finite(p.Forecast) || !finite(p.Lower) || !finite(p.Upper) || p.Lower > p.Forecast || p.Forecast > p.Upper || p.Lower < 0 || p.Upper > limit {
			t.Fatalf("point %d is %+v of %v", k+1, p, f.Capacity)
		}
		if !p.Time.After(before) {
			t.Fatalf("point %d at %v comes after %v", k+1, p.Time, before)
		}
		before = p.Time
	}
	if !finite(f.GrowthPerDay) || !isUse(f.Used) || f.Step < time.Second && in.Step == 0 || f.Method == "" || f.Reason == "" {
		t.Fatalf("%+v", f)
	}
	b := f.Backtest
	if known := b.Origins > 0; finite(b.MASE) != known || finite(b.Coverage) != known || finite(b.Bias) != known {
		t.Fatalf("backtest %+v", b)
	}
	sum := 0.
	for _, w := range f.Weights {
		if !(w.Share >= 0) {
			t.Fatalf("weights %v", f.Weights)
		}
		sum += w.Share
	}
	if !near(sum, 1, 1e-9) {
		t.Fatalf("weights sum to %v: %v", sum, f.Weights)
	}
	validTimeToFull(t, f)
}

func validTimeToFull(t *testing.T, f Forecast) {
	t.Helper()
	ttf := f.TimeToFull
	p7, p30, p90 := ttf.Probability7, ttf.Probability30, ttf.Probability90
	if math.IsNaN(f.Capacity) {
		if ttf.Reason != ReasonNoCapacity || !math.IsNaN(p7) || !math.IsNaN(p30) || !math.IsNaN(p90) || !ttf.P10.IsZero() || !ttf.P50.IsZero() || !ttf.P90.IsZero() {
			t.Fatalf("without a capacity: %+v", ttf)
		}
		return
	}
	if !(0 <= p7 && p7 <= p30 && p30 <= p90 && p90 <= 1) {
		t.Fatalf("probabilities %v %v %v", p7, p30, p90)
	}
	dates := []time.Time{ttf.P10, ttf.P50, ttf.P90}
	if withheld := ttf.Reason != "" && ttf.Reason != ReasonFull; withheld != ttf.P10.IsZero() {
		t.Fatalf("reason %q with P10 %v", ttf.Reason, ttf.P10)
	}
	for i, d := range dates {
		if i > 0 && !d.IsZero() && (dates[i-1].IsZero() || d.Before(dates[i-1])) {
			t.Fatalf("dates %v", dates)
		}
		if !d.IsZero() && d.Before(f.Origin) {
			t.Fatalf("date %v before the origin %v", d, f.Origin)
		}
	}
	if !ttf.P10.IsZero() {
		if within := ttf.P10.Sub(f.Origin) <= 30*day; within != (p30 >= .1) {
			t.Fatalf("P10 in %v days, P(30 d) = %v", ttf.P10.Sub(f.Origin).Hours()/24, p30)
		}
	}
	if ttf.Reason == ReasonFull && (p7 != 1 || !ttf.P10.Equal(f.Origin) || !ttf.P90.Equal(f.Origin)) {
		t.Fatalf("full, and yet %+v at %v", ttf, f.Origin)
	}
}

func TestComputeRefusesASeriesWithoutAnyUse(t *testing.T) {
	for name, in := range map[string]Input{
		"nothing": {},
		"gaps":    {Observations: []Observation{{start, math.NaN(), 5}, {start.Add(day), math.Inf(1), 5}, {start.Add(2 * day), -1, 5}, {start.Add(3 * day), 1e101, 5}}},
	} {
		if f, err := Compute(in, Options{Steps: 3}); err == nil {
			t.Errorf("%s: %+v, want an error", name, f)
		}
	}
}

func TestComputeTakesWhatIsNoUseForAGap(t *testing.T) {
	clean := every(day, 1, 2, math.NaN(), 4, 5, 6, 7, 8, 9, 10, 12, 11)
	dirty := slices.Insert(slices.Clone(clean), 2, Observation{start.Add(2 * day), math.Inf(1), math.Inf(1)})
	dirty = append(dirty, Observation{start.Add(20 * day), -5, -5})
	a, _ := Compute(Input{Observations: clean}, Options{Steps: 5})
	b, _ := Compute(Input{Observations: dirty}, Options{Steps: 5})
	if !slices.Equal(a.Points, b.Points) || !a.Origin.Equal(b.Origin) {
		t.Errorf("%v and %v", a.Points, b.Points)
	}
}

func TestDefaultsAreADailyYearToFull(t *testing.T) {
	f, err := Compute(Input{Observations: every(day, 1, 2, 3, 4)}, Options{})
	if err != nil || len(f.Points) != 365 {
		t.Fatalf("%d points, %v", len(f.Points), err)
	}
	if f, err = Compute(Input{Observations: at(0, 1, 2, 3)}, Options{}); err != nil || len(f.Points) != longestCourse {
		t.Errorf("seconds: %d points, %v; want %d at most", len(f.Points), err, longestCourse)
	}
}

func TestTheSeedDecidesThePaths(t *testing.T) {
	in := Input{Observations: kinds()[0].observations(rand.New(rand.NewPCG(8, 8)))}
	a, _ := Compute(in, Options{Steps: 5, Seed: 1})
	b, _ := Compute(in, Options{Steps: 5, Seed: 1})
	c, _ := Compute(in, Options{Steps: 5, Seed: 2})
	if !reflect.DeepEqual(a, b) {
		t.Error("the same input and seed gave two forecasts")
	}
	if a.TimeToFull == c.TimeToFull || !slices.Equal(a.Points, c.Points) {
		t.Error("another seed must change the paths and nothing else")
	}
}

func TestAStraightLineIsContinued(t *testing.T) {
	f, err := Compute(Input{Observations: every(day, rising(100, 5, 100)...)}, Options{Steps: 20})
	if err != nil {
		t.Fatal(err)
	}
	for k, p := range f.Points {
		if want := 100 + 5*float64(100+k); !near(p.Forecast, want, 1e-3) {
			t.Fatalf("step %d: %v, want %v", k+1, p.Forecast, want)
		}
	}
	if !near(f.GrowthPerDay, 5, 1e-3) {
		t.Errorf("growth %v a day, want 5", f.GrowthPerDay)
	}
}

func TestErrorIsHeldAgainstNoChange(t *testing.T) {
	noisy, walk, r := make([]float64, 200), make([]float64, 200), rand.New(rand.NewPCG(1, 2))
	for i := range noisy {
		noisy[i] = 1000 + 5*float64(i) + r.NormFloat64()
		walk[i] = 1000 + 5*r.NormFloat64()
		if i > 0 {
			walk[i] += walk[i-1] - 1000
		}
	}
	stairs := append(rising(100, 0, 150), rising(200, 0, 50)...) // nothing changes after any origin
	for _, tc := range []struct {
		name        string
		y           []float64
		least, most float64
	}{{"growth", noisy, 0, .1}, {"random walk", walk, .8, 1.3}} {
		f, err := Compute(Input{Observations: every(day, tc.y...)}, Options{Steps: 30})
		if err != nil {
			t.Fatal(err)
		}
		if got := f.Backtest.RelativeMAE; !(got >= tc.least && got <= tc.most) {
			t.Errorf("%s: %v of the error of no change, want %v to %v", tc.name, got, tc.least, tc.most)
		}
	}
	f, err := Compute(Input{Observations: every(day, stairs...)}, Options{Steps: 4})
	if err != nil || f.Backtest.Origins == 0 || !math.IsNaN(f.Backtest.RelativeMAE) {
		t.Errorf("where nothing changed: %+v, %v", f.Backtest, err)
	}
}

func TestExtremesStayFiniteAndInOrder(t *testing.T) {
	far := []Observation{{time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC), 5, 10}, {time.Date(2200, 12, 31, 0, 0, 0, 0, time.UTC), 6, 10}}
	three := []Observation{far[0], {time.Date(1900, 1, 2, 0, 0, 0, 0, time.UTC), 7, 10}, far[1]}
	scaled := func(f float64, capacity float64) []Observation {
		o := every(day, 3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9, 3, 2, 3, 8, 4, 6, 2, 6, 4, 3)
		for i := range o {
			o[i].Used, o[i].Capacity = o[i].Used*f, capacity*f
		}
		return o
	}
	for _, tc := range []struct {
		name string
		in   Input
		opt  Options
	}{
		{"three centuries", Input{Observations: far}, Options{Steps: 5}},
		{"a day and three centuries", Input{Observations: three}, Options{Steps: 5}},
		{"many long steps", Input{Observations: far}, Options{Steps: 1000}},
		{"many weeks", Input{Observations: every(7*day, 1, 2, 3, 5, 4, 6, 7, 9)}, Options{Steps: 100_000}},
		{"many hours", Input{Observations: every(time.Hour, rising(5, .1, 300)...)}, Options{Steps: 100_000}},
		{"huge", Input{Observations: scaled(1e99, math.NaN())}, Options{Steps: 400}},
		{"huge of a huge capacity", Input{Observations: scaled(1e98, 20)}, Options{Steps: 400}},
		{"petabytes", Input{Observations: scaled(1e15, 12)}, Options{Steps: 400}},
		{"tiny", Input{Observations: scaled(1e-300, 12)}, Options{Steps: 400}},
		{"smallest", Input{Observations: scaled(5e-324, 12)}, Options{Steps: 400}},
		{"all zero", Input{Observations: scaled(0, math.NaN())}, Options{Steps: 400}},
		{"zero of something", Input{Observations: []Observation{{start, 0, 5}, {start.Add(day), 0, 5}}}, Options{Steps: 400}},
		{"more than there is", Input{Observations: scaled(1, 2)}, Options{Steps: 400}},
		{"a far horizon", Input{Observations: scaled(1, 9)}, Options{Steps: 1, Horizon: math.MaxInt64}},
		{"a horizon below a step", Input{Observations: scaled(1, 1e9)}, Options{Horizon: time.Second}},
		{"a small full level", Input{Observations: scaled(1, 1e9)}, Options{Steps: 9, FullLevel: 1e-12}},
		{"an extreme level", Input{Observations: scaled(1, 10)}, Options{Steps: 9, Level: 1 - 1e-16}},
		{"newest after centuries", Input{Observations: scaled(1, 10), Newest: &far[1]}, Options{Steps: 9}},
		{"newest before", Input{Observations: scaled(1, 10), Newest: &far[0]}, Options{Steps: 9}},
		{"a given step of a nanosecond", Input{Observations: scaled(1, 10), Step: 1}, Options{Steps: 9}},
		{"a given step of centuries", Input{Observations: scaled(1, 10), Step: math.MaxInt64}, Options{Steps: 9}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f, err := Compute(tc.in, tc.opt)
			if err != nil {
				t.Fatal(err)
			}
			valid(t, f, tc.in, tc.opt)
		})
	}
}

// FuzzCompute reads a series from bytes: two for the time since the point before (mostly one step of so many seconds) and
// the change of use, in tens to the exponent; the first of the two may also make a point odd; capacity is in the same, 0 for none.
func FuzzCompute(f *testing.F) {
	r := rand.New(rand.NewPCG(1, 2))
	walk, saw := make([]byte, 300), make([]byte, 240)
	for i := range walk {
		walk[i] = byte(r.Uint32())
	}
	for i := range saw {
		saw[i] = map[bool]byte{true: 250, false: 10}[i/2%7 == 6]
	}
	const hour, daily, week, lifetime = 3600, 86_400, 604_800, 4_000_000_000
	f.Add([]byte{1, 1}, uint32(daily), int16(0), uint16(100), uint16(30), uint8(243), int32(0))
	f.Add(walk, uint32(daily), int16(12), uint16(5000), uint16(90), uint8(243), int32(50_000))
	f.Add(walk, uint32(hour), int16(0), uint16(0), uint16(48), uint8(200), int32(0))
	f.Add(saw, uint32(daily), int16(9), uint16(300), uint16(7), uint8(255), int32(1e9))
	f.Add(walk[:12], uint32(week), int16(97), uint16(700), uint16(2500), uint8(127), int32(-5))
	f.Add(walk[:40], uint32(lifetime), int16(-320), uint16(900), uint16(3), uint8(0), int32(math.MaxInt32))
	f.Add(saw[:60], uint32(1), int16(2), uint16(65_535), uint16(2000), uint8(243), int32(1))
	f.Fuzz(func(t *testing.T, data []byte, step uint32, exponent int16, capacity, steps uint16, level uint8, newest int32) {
		scale := math.Pow10(int(exponent) % 325)
		if scale > largest {
			scale = 1
		}
		in, at, used := Input{}, start, 0.
		for i := 0; i+1 < min(len(data), 2000); i += 2 {
			ahead := int64(1)
			if data[i] > 240 {
				ahead += int64(data[i] - 240)
			}
			at = time.Unix(at.Unix()+ahead*(1+int64(step)), int64(data[i])).UTC()
			used = max(0, used+float64(int8(data[i+1]))*scale)
			o := Observation{at, used, math.NaN()}
			switch data[i] {
			case 240:
				o.Used = math.NaN()
			case 239: // out of order
				o.Time = at.Add(-time.Duration(1+int64(step)) * 5 / 2 * time.Second)
			case 238: // a time twice
				at = time.Unix(at.Unix()-(1+int64(step)), int64(data[max(0, i-2)])).UTC()
				o.Time = at
			case 237:
				o.Used = math.Inf(1)
			case 236:
				o.Used = -used - scale
			}
			if capacity > 0 {
				o.Capacity = float64(capacity) * scale
			}
			in.Observations = append(in.Observations, o)
		}
		if newest != 0 {
			in.Newest = &Observation{time.Unix(at.Unix()+int64(newest), 0).UTC(), used, math.NaN()}
		}
		if len(in.Observations) > 3 { // a run of tiering in the middle
			in.Interventions = []Intervention{{in.Observations[len(in.Observations)/2].Time, float64(int16(steps)) * scale}}
		}
		opt := Options{
			Steps: 1 + int(steps)%3000, Level: (1 + float64(level)) / 257, FullLevel: (1 + float64(capacity%100)) / 100,
			Horizon: 400 * day, Now: at.Add(day), Seed: uint64(steps),
		}
		result, err := Compute(in, opt)
		if any := slices.ContainsFunc(in.Observations, func(o Observation) bool { return isUse(o.Used) }); any != (err == nil) {
			t.Fatalf("a use in the series: %v, error: %v", any, err)
		}
		if err == nil {
			valid(t, result, in, opt)
		}
	})
}

func TestWhatSleepsLongerThanEverStaysAsItIs(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	stopped, monthly, slow := make([]float64, 300), make([]float64, 300), make([]float64, 300)
	level := 1000.
	for i := range stopped {
		if i < 270 {
			level += 5 + r.NormFloat64()
		}
		stopped[i] = level
		monthly[i] = 1000 + 150*float64((i+1)/30) // 29 days since the last
		slow[i] = 1000 + 1e-6*float64(i)
	}
	for _, tc := range []struct {
		name     string
		y        []float64
		capacity float64
		flat     bool
	}{
		{"growth that stopped", stopped, math.NaN(), true},
		{"growth that stopped with room", stopped, 1.1 * level, true},
		{"growth that had no room", stopped, level, false},
		{"growth that had hardly any", stopped, 1.001 * level, false},
		{"growth once a month", monthly[:299], math.NaN(), false},
		{"hardly any growth", slow, math.NaN(), true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			in := Input{Observations: every(day, tc.y...)}
			for i := range in.Observations {
				in.Observations[i].Capacity = tc.capacity
			}
			f, err := Compute(in, Options{Steps: 60})
			if err != nil {
				t.Fatal(err)
			}
			last := tc.y[len(tc.y)-1]
			if flat := f.Reason == ReasonIdle && f.Points[59].Forecast == last && f.GrowthPerDay == 0; flat != tc.flat {
				t.Errorf("%s (%s): %v in 60 days from %v, %v a day", f.Method, f.Reason, f.Points[59].Forecast, last, f.GrowthPerDay)
			}
			if tc.flat && f.Backtest.Origins > 0 && f.Backtest.RelativeMAE != 1 {
				t.Errorf("its error is %v of that of no change", f.Backtest.RelativeMAE)
			}
		})
	}
}

// It grew by 10 a day until it was full, and has stood there since: what it needs grows on.
func TestWhatIsFullIsJudgedByTheGrowthBefore(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	for _, held := range []int{1, 10, 60, 200} {
		var y []float64
		for i := range 200 {
			y = append(y, 1000+10*float64(i)+5*r.Float64())
		}
		for range held {
			y = append(y, 3000)
		}
		in := Input{Observations: every(day, y...)}
		for i := range in.Observations {
			in.Observations[i].Capacity = 3000
		}
		s, err := Simulate(in, Options{Steps: 60}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if s.TimeToFull.Reason != ReasonFull || math.Abs(s.GrowthPerDay-10) > 1 || s.Points[0].Forecast != 3000 || s.Points[59].Forecast != 3000 {
			t.Errorf("full for %d days: %v, %v a day, %v in 60 days", held, s.TimeToFull.Reason, s.GrowthPerDay, s.Points[59].Forecast)
		}
		mean := 0.
		for i := range Paths {
			mean += s.End(i, 89) / Paths
		}
		if math.Abs(mean-900) > 150 {
			t.Errorf("full for %d days: it needs %v more in 90 days, want about 900", held, mean)
		}
	}
	always := Input{Observations: every(day, rising(500, 0, 100)...)} // a medium that was burnt full
	for i := range always.Observations {
		always.Observations[i].Capacity = 500
	}
	if f, err := Compute(always, Options{Steps: 5}); err != nil || f.GrowthPerDay != 0 || f.TimeToFull.Reason != ReasonFull {
		t.Errorf("always full: %v a day, %v, %v", f.GrowthPerDay, f.TimeToFull.Reason, err)
	}
}
