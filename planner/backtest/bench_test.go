package backtest

import "testing"

// BenchmarkSeries gives series a second on all cores: a year by days, 18 origins.
func BenchmarkSeries(b *testing.B) {
	p := pastOf("s", daily(0, 700, jumpy(365)...))
	for b.Loop() {
		for s, err := range Run(b.Context(), sequence(p), Options{}) {
			if err != nil || s.Origins != mostOrigins {
				b.Fatal(err, s.Origins)
			}
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "series/s")
}
