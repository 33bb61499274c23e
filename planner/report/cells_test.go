package report

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/tidemark/tidemark/internal/table"
	"github.com/tidemark/tidemark/planner"
)

func TestBar(t *testing.T) {
	for share, want := range map[float64]string{
		0: "·····", .001: "·····", .02: "▏····", .125: "▋····", .2: "█····", .56: "██▊··", .999: "█████", 1: "█████", 7: "█████", -1: "·····",
		math.Inf(1): "█████", nan: "·····",
	} {
		if got := bar(share); got != want {
			t.Errorf("bar of %v is %q, want %q", share, got, want)
		}
	}
}

func TestSpark(t *testing.T) {
	ramp := func(n int) []float64 {
		s := make([]float64, n)
		for i := range s {
			s[i] = float64(i) / float64(n-1)
		}
		return s
	}
	for _, tc := range []struct {
		name string
		in   []float64
		want string
	}{
		{"nothing", nil, ""},
		{"one point is no course", []float64{.5}, ""},
		{"all unknown", []float64{nan, nan, nan}, ""},
		{"two points", []float64{0, 1}, "▁█"},
		{"eight points", ramp(8), "▁▂▃▄▅▆▇█"},
		{"ninety points", ramp(90), "▁▂▃▃▄▅▆▆▇█"},
		{"an idle volume is flat", []float64{.5, .5, .501, .5}, "▁▁▁▁"},
		{"a small change looks small", []float64{.5, .52}, "▁▄"},
		{"a gap is a blank", []float64{0, nan, nan, 1}, "▁  █"},
		{"a jump raises the last cell by its part", append(slices.Repeat([]float64{.1}, 89), 1), "▁▁▁▁▁▁▁▁▁▂"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := spark(tc.in); got != tc.want {
				t.Errorf("%q, want %q", got, tc.want)
			}
		})
	}
}

func TestPercents(t *testing.T) {
	for _, tc := range []struct {
		share               float64
		probability, inUsed string
	}{
		{0, "0%", "0%"},
		{1e-9, "<1%", "1%"},
		{.004, "<1%", "1%"},
		{.005, "<1%", "1%"},
		{.0051, "1%", "1%"},
		{.01, "1%", "1%"},
		{.5, "50%", "50%"},
		{.501, "50%", "51%"},
		{.9949, "99%", "100%"},
		{.995, ">99%", "100%"},
		{.9951, ">99%", "100%"},
		{1, "100%", "100%"},
		{1.5, "150%", "150%"},
		{9.99, "999%", "999%"},
		{10, "1000%", ">9x"},
		{nan, "-", "-"},
	} {
		if got := percent(tc.share); got != tc.probability {
			t.Errorf("a probability of %v is %q, want %q", tc.share, got, tc.probability)
		}
		if got := usedPercent(tc.share); got != tc.inUsed {
			t.Errorf("a use of %v is %q, want %q", tc.share, got, tc.inUsed)
		}
	}
}

func TestAmount(t *testing.T) {
	for _, tc := range []struct {
		v    float64
		unit string
		want string
	}{
		{0, planner.Bytes, "0 B"},
		{.4, planner.Bytes, "0 B"},
		{-.4, planner.Bytes, "0 B"},
		{1, planner.Bytes, "1 B"},
		{1536, planner.Bytes, "1.5 KiB"},
		{-1023 * (1 << 20), planner.Bytes, "-1023 MiB"},
		{2 << 40, planner.Bytes, "2.0 TiB"},
		{1 << 62, planner.Bytes, "4.6e+18"},
		{nan, planner.Bytes, "-"},
		{0, planner.Count, "0"},
		{999, planner.Count, "999"},
		{9_100_000, planner.Count, "9.1M"},
		{12345, planner.Count, "12.35k"},
		{.5, planner.AsRead, "0.5"},
		{-.00338, planner.AsRead, "-0.00338"},
		{1.5e-6, planner.AsRead, "1.5e-06"},
		{-123.456, planner.AsRead, "-123.5"},
		{1e100, planner.AsRead, "1e+100"},
		{-1.25e100, planner.AsRead, "-1.2e+100"},
		{nan, planner.AsRead, "-"},
	} {
		got := amount(tc.v, tc.unit)
		if got != tc.want || table.Cells.StringWidth(got) > 9 {
			t.Errorf("%v %s is %q, want %q in at most nine cells", tc.v, tc.unit, got, tc.want)
		}
	}
}

func TestDate(t *testing.T) {
	for _, tc := range []struct {
		name string
		t    time.Time
		want string
	}{
		{"soon has its hour", now.Add(47 * time.Hour), "03-12 11:00"},
		{"two days are a day", now.Add(48 * time.Hour), "2026-03-12"},
		{"another zone", now.Add(72 * time.Hour).In(time.FixedZone("X", 13*3600)), "2026-03-13"},
		{"a moment ago", now.Add(-time.Hour), "03-10 11:00"},
		{"years ago, from an old CSV", now.AddDate(-2, 0, 0), "2024-03-10"},
		{"far", now.AddDate(30, 0, 0), "2056-03-10"},
	} {
		if got := date(tc.t, now); got != tc.want {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
	}
}
