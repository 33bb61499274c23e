package csvinput

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tidemark/tidemark/planner/forecast"
)

func TestPackedRowsComeBackAsTheyWere(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	number := func() float64 {
		return []float64{math.NaN(), 0, 1, 4e12, 1e100, 5e-324, 1 / 3., random.Float64() * 1e15}[random.IntN(8)]
	}
	times := []time.Time{
		time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2201, 1, 1, 23, 58, 59, 999_999_999, time.UTC), time.Unix(0, 0).UTC(),
		time.Date(2026, 3, 1, 0, 0, 0, 1, time.UTC), time.Date(1969, 12, 31, 23, 59, 59, 0, time.UTC),
	}
	for n := range 200 {
		rows := make([]row, n)
		for i := range rows {
			rows[i] = row{forecast.Observation{Time: times[random.IntN(5)], Used: number(), Capacity: number()}, random.IntN(1 << 40)}
		}
		got := slices.Collect(pack(rows).all())
		if diff := cmp.Diff(rows, got, cmp.AllowUnexported(row{}), cmpopts.EquateNaNs(), cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("%d rows (-in +out):\n%s", n, diff)
		}
	}
}

func TestSeriesMayComeBackLater(t *testing.T) {
	f, err := Read("f.csv", strings.NewReader("series,time,used,capacity\n"+
		"a,2026-01-03,3,9\nb,2026-01-01,1,\na,2026-01-01,1,8\nb,2026-01-02,,5\na,2026-01-02,2,8\n"))
	if err != nil {
		t.Fatal(err)
	}
	at := func(d int) time.Time { return time.Date(2026, 1, d, 0, 0, 0, 0, time.UTC) }
	nan := math.NaN()
	want := map[string][]forecast.Observation{
		"a": {{Time: at(1), Used: 1, Capacity: 8}, {Time: at(2), Used: 2, Capacity: 8}, {Time: at(3), Used: 3, Capacity: 9}},
		"b": {{Time: at(1), Used: 1, Capacity: nan}, {Time: at(2), Used: nan, Capacity: 5}},
	}
	got := map[string][]forecast.Observation{}
	for _, s := range f.Series {
		got[s.Name] = s.Observations()
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateNaNs()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if f.Series[0].FirstLine != 2 || f.Series[1].FirstLine != 3 || f.MedianStep != 24*time.Hour {
		t.Errorf("lines %d and %d, step %v", f.Series[0].FirstLine, f.Series[1].FirstLine, f.MedianStep)
	}
}

// rows writes series of days to a file.
func rows(series, points int) string {
	var b strings.Builder
	b.WriteString("series,time,used,capacity\n")
	random := rand.New(rand.NewPCG(3, 4))
	for s := range series {
		for i := range points {
			day := time.Date(2026, 1, 1+i, 0, 0, 0, 0, time.UTC)
			fmt.Fprintf(&b, "host%05d:/srv,%s,%.0f,4000000000000\n", s, day.Format(time.DateOnly), 1e12*random.Float64())
		}
	}
	return b.String()
}

// heldBy is how many bytes stay in memory of what read returns.
func heldBy(read func() any) (any, float64) {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	v := read()
	runtime.GC()
	runtime.ReadMemStats(&after)
	return v, float64(after.HeapAlloc) - float64(before.HeapAlloc)
}

func TestAPointTakesFewBytes(t *testing.T) {
	const series, points = 500, 60
	text := rows(series, points)
	f, held := heldBy(func() any {
		f, err := Read("f.csv", strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		return f
	})
	if each := held / (series * points); each > 25 {
		t.Errorf("%.1f bytes a point, want 25 at most", each)
	}
	runtime.KeepAlive(f)
	runtime.KeepAlive(text)
}

// BenchmarkRead gives rows a second, and the bytes that each keeps in memory.
func BenchmarkRead(b *testing.B) {
	const series, points = 10_000, 60
	text := rows(series, points)
	held := 0.
	for b.Loop() {
		var f any
		f, held = heldBy(func() any {
			f, err := Read("f.csv", strings.NewReader(text))
			if err != nil {
				b.Fatal(err)
			}
			return f
		})
		runtime.KeepAlive(f)
	}
	b.ReportMetric(float64(b.N)*series*points/b.Elapsed().Seconds(), "rows/s")
	b.ReportMetric(held/(series*points), "bytes/row")
	runtime.KeepAlive(text)
}
