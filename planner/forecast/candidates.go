package forecast

// view is what a model sees: a series without gaps, up to the origin. What several models need of it is computed once.
type view struct {
	y       []float64
	periods []int

	logs  *view // of the same series; nil until asked for
	noLog bool
	parts *decomposition
}

func newView(y []float64, periods []int) *view { return &view{y: y, periods: periods} }

// log is the view of the logarithms; nil where a value is not above zero.
func (v *view) log() *view {
	if v.logs == nil && !v.noLog {
		if y, ok := logsOf(v.y); ok {
			v.logs = newView(y, v.periods)
		}
		v.noLog = v.logs == nil
	}
	return v.logs
}

func (v *view) decomposed() decomposition {
	if v.parts == nil {
		d := decompose(v.y, v.periods)
		v.parts = &d
	}
	return *v.parts
}

// model forecasts h steps beyond a view. It returns finite values for finite input of at least one point.
type model struct {
	name     string
	least    int // points that it needs
	forecast func(v *view, h int) []float64
}

// method forecasts h steps beyond y.
type method func(y []float64, h int) []float64

func plain(f method) func(*view, int) []float64 {
	return func(v *view, h int) []float64 { return f(v.y, h) }
}

// seasonAdjusted forecasts the series less its seasons, and adds these again.
func seasonAdjusted(f method) func(*view, int) []float64 {
	return func(v *view, h int) []float64 {
		d := v.decomposed()
		course := f(d.rest, h)
		d.add(course)
		return course
	}
}

// onLogs forecasts the logarithms, for what grows and swings in proportion; the series itself where it has none.
func onLogs(f func(*view, int) []float64) func(*view, int) []float64 {
	return func(v *view, h int) []float64 {
		logs := v.log()
		if logs == nil {
			return f(v, h)
		}
		return fromLogs(f(logs, h), logs.y[len(logs.y)-1])
	}
}

// Orders of autoregressions: at most so many past differences count. The long one sees a year of weeks.
const (
	shortOrder    = 12
	seasonalOrder = 26
	longOrder     = 54
)

func autoregressive(lag, order int) method {
	return func(y []float64, h int) []float64 { return autoregression(y, h, lag, order) }
}

func lastCycles(period, cycles int) method {
	return func(y []float64, h int) []float64 { return samePhase(y, h, period, cycles) }
}

// candidates are the models that are weighed for a series with these periods: none, one, or a short and a long one.
func candidates(periods []int) []model {
	switch len(periods) {
	case 0:
		return withoutSeason()
	case 1:
		return append(withoutSeason(), withSeason(periods[0])...)
	}
	return withTwoSeasons(periods[0], periods[1])
}

func withoutSeason() []model {
	return []model{
		{"last_value", 1, plain(lastValue)},
		{"drift", 3, plain(robustDrift)},
		{"theil_sen", 6, plain(theilSen(90))},
		{"theil_sen_long", 180, plain(theilSen(360))},
		{"bend", 60, plain(bend(180))},
		{"ses", 3, plain(ses)},
		{"holt", 5, plain(holt)},
		{"damped_holt", 5, plain(dampedHolt)},
		{"damped_holt_log", 5, onLogs(plain(dampedHolt))},
		{"theta", 5, plain(theta)},
		{"ar", 20, plain(autoregressive(1, shortOrder))},
		{"ar_log", 20, onLogs(plain(autoregressive(1, shortOrder)))},
		{"ar_long", 3 * longOrder, plain(autoregressive(1, longOrder))},
	}
}

func withSeason(p int) []model {
	return []model{
		{"last_cycle", 2 * p, plain(lastCycles(p, 1))},
		{"last_cycle_growth", 2 * p, plain(func(y []float64, h int) []float64 { return seasonalNaive(y, h, p) })},
		{"seasonal_ar", 2*p + seasonalOrder, plain(autoregressive(p, seasonalOrder))},
		{"seasonal_ses", 2*p + 6, seasonAdjusted(ses)},
		{"seasonal_damped_holt_log", 2*p + 6, onLogs(seasonAdjusted(dampedHolt))},
		{"seasonal_theta_log", 2*p + 6, onLogs(seasonAdjusted(theta))},
		{"season_adjusted_ar", 2*p + 6, seasonAdjusted(autoregressive(1, shortOrder))},
	}
}

// withTwoSeasons are for hours and minutes: what has no season is never the best there.
func withTwoSeasons(p, q int) []model {
	return []model{
		{"last_value", 1, plain(lastValue)},
		{"same_time_1", 2 * p, plain(lastCycles(p, 1))},
		{"same_time_2", 2 * p, plain(lastCycles(p, 2))},
		{"same_weektime_1", q, plain(lastCycles(q, 1))},
		{"same_weektime_2", 2 * q, plain(lastCycles(q, 2))},
		{"same_weektime_3", 3 * q, plain(lastCycles(q, 3))},
		{"daily_ar", 2*p + 6, plain(autoregressive(p, seasonalOrder))},
		{"daily_ar_log", 2*p + 6, onLogs(plain(autoregressive(p, seasonalOrder)))},
		{"weekly_ar", 2 * q, plain(autoregressive(q, seasonalOrder))},
		{"weekly_ar_log", 2 * q, onLogs(plain(autoregressive(q, seasonalOrder)))},
		{"season_adjusted_ar_log", 2 * q, onLogs(seasonAdjusted(autoregressive(1, seasonalOrder)))},
		{"seasonal_theta_log", 2 * q, onLogs(seasonAdjusted(theta))},
		{"seasonal_ses_log", 2 * q, onLogs(seasonAdjusted(ses))},
		{"seasonal_damped_holt", 2 * q, seasonAdjusted(dampedHolt)},
	}
}
