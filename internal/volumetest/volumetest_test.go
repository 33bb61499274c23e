package volumetest

import (
	"math"
	"reflect"
	"slices"
	"testing"
)

func TestTheSameSeedIsTheSameVolume(t *testing.T) {
	for _, kind := range Kinds() {
		a, b, c := New(kind, 7), New(kind, 7), New(kind, 8)
		if !slices.EqualFunc(a.Used, b.Used, same) || !slices.Equal(a.Future(3, 50), b.Future(3, 50)) {
			t.Errorf("%s: the same seed gave two volumes", kind)
		}
		if slices.EqualFunc(a.Used, c.Used, same) || slices.Equal(a.Future(3, 50), a.Future(4, 50)) {
			t.Errorf("%s: another seed gave the same", kind)
		}
	}
}

func TestAFutureLeavesTheVolumeAsItIs(t *testing.T) {
	v := New(Backups, 1)
	before := v.now
	v.Future(1, 100)
	if !reflect.DeepEqual(v.now, before) {
		t.Error("a future moved the volume")
	}
}

func TestVolumesAreWholeAndFitTheirCapacity(t *testing.T) {
	for _, kind := range Kinds() {
		for seed := range uint64(50) {
			v := New(kind, seed)
			n := len(v.Times)
			if n == 0 || len(v.Used) != n || len(v.Capacity) != n || math.IsNaN(v.Used[n-1]) {
				t.Fatalf("%s %d: %d times, %d uses, %d capacities", kind, seed, n, len(v.Used), len(v.Capacity))
			}
			for i, u := range v.Used {
				if math.IsNaN(u) && kind != Gaps || u < 0 || kind != Full && kind != Resize && kind != Jumpy && kind != Copies && kind != Cleanups && u >= v.Capacity[i] {
					t.Fatalf("%s %d: use %v of %v on day %d", kind, seed, u, v.Capacity[i], i)
				}
			}
			if isFull := v.Used[n-1] >= v.Full(); isFull != (kind == Full) {
				t.Errorf("%s %d: %v of %v", kind, seed, v.Used[n-1], v.Full())
			}
		}
	}
}

func TestFullInIsTheFirstDayAtTheCapacity(t *testing.T) {
	v := Volume{Capacity: []float64{5, 10}}
	for _, tc := range []struct {
		future []float64
		want   int
	}{{[]float64{9, 10, 3}, 2}, {[]float64{11}, 1}, {[]float64{9.9, 9.9}, 0}} {
		if got := v.FullIn(tc.future); got != tc.want {
			t.Errorf("%v: day %d, want %d", tc.future, got, tc.want)
		}
	}
}

func same(a, b float64) bool { return a == b || math.IsNaN(a) && math.IsNaN(b) }
