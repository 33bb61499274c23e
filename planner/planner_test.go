package planner

import (
	"errors"
	"iter"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidemark/tidemark/internal/volume"
)

func count(n int, fail int) iter.Seq2[int, error] {
	return func(yield func(int, error) bool) {
		for i := range n {
			var err error
			if i == fail {
				err = errors.New("source broke")
			}
			if !yield(i, err) {
				return
			}
		}
	}
}

func TestInOrderKeepsTheOrderWhateverTakesLonger(t *testing.T) {
	release := make(chan struct{})
	next := 0
	for v, err := range inOrder(count(1000, -1), func(i int) (int, error) {
		if i == 0 {
			<-release // the first result comes after a later one
		} else if i == 1 {
			close(release)
		}
		return i * 2, nil
	}) {
		if err != nil || v != 2*next {
			t.Fatalf("item %d: %d, %v", next, v, err)
		}
		next++
	}
	if next != 1000 {
		t.Errorf("%d results, want 1000", next)
	}
}

func TestInOrderEndsAtTheFirstErrorAndWaitsForItsWorkers(t *testing.T) {
	before := runtime.NumGoroutine()
	var started, ended atomic.Int64
	broken := errors.New("item broke")
	for name, seq := range map[string]iter.Seq2[int, error]{"source": count(100, 50), "item": count(1<<30, -1)} {
		var got error
		n := 0
		for _, err := range inOrder(seq, func(i int) (int, error) {
			started.Add(1)
			defer ended.Add(1)
			if name == "item" && i == 50 {
				return 0, broken
			}
			return i, nil
		}) {
			if err != nil {
				got = err
				continue
			}
			n++
		}
		if got == nil || n != 50 {
			t.Errorf("%s: %d results and error %v, want 50 and one", name, n, got)
		}
	}
	for range inOrder(count(1<<30, -1), func(i int) (int, error) { return i, nil }) {
		break
	}
	if started.Load() != ended.Load() {
		t.Errorf("%d workers began, %d ended", started.Load(), ended.Load())
	}
	if after := runtime.NumGoroutine(); after > before+1 {
		t.Errorf("%d goroutines before, %d after", before, after)
	}
}

func sampleAt(path, fstype, device string) volume.Sample {
	return volume.Sample{ID: volume.ID{Host: "h", Path: path}, Attributes: volume.Attributes{Fstype: fstype, Device: device}}
}

func TestPoolIsToldOnceUnderItsShortestPath(t *testing.T) {
	in := []volume.Sample{
		sampleAt("/a", "ext4", "sda1"), sampleAt("/data", "btrfs", "sdb"), sampleAt("/data/sub", "btrfs", "sdb"),
		sampleAt("/other", "btrfs", "sdc"), sampleAt("/z/long", "zfs", "tank/long"), sampleAt("/zz", "zfs", "tank"),
	}
	other := sampleAt("/data/x", "btrfs", "sdb")
	other.Host = "i"
	var paths []string
	for _, s := range oncePerPool(append(in, other)) {
		paths = append(paths, s.ID.String())
	}
	if want := []string{"h:/a", "h:/data", "h:/other", "h:/zz", "i:/data/x"}; !slices.Equal(paths, want) {
		t.Errorf("kept %v, want %v", paths, want)
	}
}

func TestGroupCountsANetworkFilesystemOnce(t *testing.T) {
	outlook := func(host, fstype, device, site string, used, capacity float64) Outlook {
		s := sampleAt("/srv", fstype, device)
		s.Host, s.Tags = host, map[string]string{"site": site}
		o := Outlook{Sample: s, Resource: volume.Space}
		o.Used, o.Capacity = used, capacity
		return o
	}
	inodes := outlook("b", "ext4", "sda", "north", 900, 1000)
	inodes.Resource = volume.Inodes
	groups := GroupBy([]Outlook{
		outlook("a", "nfs4", "filer:/x", "north", 10, 100), outlook("b", "nfs4", "filer:/x", "north", 10, 100),
		outlook("b", "ext4", "sda", "north", 5, 50), outlook("c", "ext4", "sda", "", 1, 2), inodes,
	}, "site")
	if len(groups) != 2 || groups[0].Value != "" || groups[1].Value != "north" {
		t.Fatalf("groups %+v", groups)
	}
	if g := groups[1]; g.Used != 15 || g.Capacity != 150 || g.CountedElsewhere != 1 || len(g.Outlooks) != 4 {
		t.Errorf("north: used %v of %v, %d counted elsewhere, %d outlooks; want 15 of 150, 1, 4", g.Used, g.Capacity, g.CountedElsewhere, len(g.Outlooks))
	}
}

func TestFullVolumeKeepsItsLastSizeAndResizeStaysCapacity(t *testing.T) {
	day := func(n int, used, free int64) volume.Day {
		return volume.Day{Start: time.Date(2026, 1, n, 0, 0, 0, 0, time.UTC), Usage: volume.Usage{Used: used, Free: free}}
	}
	in := fitInput(input{
		days:     []volume.Day{day(1, 60, 40), day(2, 103, 0), day(4, 110, 90)},
		sample:   volume.Sample{Time: time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC), Usage: volume.Usage{Used: 120, Free: 80}},
		resource: volume.Space,
	})
	var capacity []float64
	for _, o := range in.Observations {
		capacity = append(capacity, o.Capacity)
	}
	if want := []float64{100, 100, 200}; !slices.Equal(capacity, want) {
		t.Errorf("capacity %v, want %v", capacity, want)
	}
	if in.Newest == nil || in.Newest.Used != 120 || in.Newest.Capacity != 200 {
		t.Errorf("newest %+v, want the raw sample", in.Newest)
	}
}
