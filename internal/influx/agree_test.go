package influx_test

import (
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/tidemark/tidemark/internal/influxtest"
	"github.com/tidemark/tidemark/internal/line"
	"github.com/tidemark/tidemark/internal/volume"
)

// What the agent writes, shuffled and in part twice, must come back as what the shared vocabulary makes of the same
// readings: the days are made by the server, but they are the same days.
func TestServerMakesTheDaysThatTheVocabularyDefines(t *testing.T) {
	s := influxtest.Shared(t)
	bucket := s.Bucket(t)
	client := clientOf(t, s, s.URL)
	h := client.History(bucket)
	random := rand.New(rand.NewPCG(1, 2))
	now := day0.Add(6*24*time.Hour + 7*time.Hour)
	devices := []string{"sda1", "sdb1", "dm-0"}
	readings := map[volume.ID][]volume.Reading{}
	newest := map[volume.ID]volume.Sample{}
	var lines []string
	for _, id := range []volume.ID{{Host: "a", Path: "/"}, {Host: "a", Path: "/srv"}, {Host: "b", Path: "/srv"}, {Host: "b-2", Path: "/"}} {
		at := day0.Add(-12 * time.Hour)
		for at.Before(now) {
			at = at.Add(time.Duration(1+random.IntN(20_000)) * time.Second)
			if random.IntN(40) == 0 {
				at = at.Add(36 * time.Hour) // a day without readings
			}
			used := random.Int64N(1 << 50)
			sample := volume.Sample{
				ID: id, Time: at,
				Attributes: volume.Attributes{Device: devices[random.IntN(3)], Fstype: "xfs", Mode: []string{"rw", "ro"}[random.IntN(2)]},
				Usage: volume.Usage{
					Total: used + random.Int64N(1<<50), Free: random.Int64N(1 << 50), Used: used,
					InodesTotal: random.Int64N(1000), InodesFree: random.Int64N(1000), InodesUsed: random.Int64N(1000),
				},
				State: volume.State{Reserved: random.Int64N(100)},
				Tags:  map[string]string{"site": []string{"dc1", "dc2"}[random.IntN(2)]},
			}
			readings[id] = append(readings[id], volume.Reading{Time: at, Usage: sample.Usage})
			newest[id] = sample
			for _, p := range []line.Point{line.DiskPoint(sample), line.VolumePoint(sample)} {
				l, err := line.Encode(p)
				if err != nil {
					t.Fatal(err)
				}
				lines = append(lines, l)
			}
		}
	}
	lines = append(lines, lines[:len(lines)/3]...)
	random.Shuffle(len(lines), func(i, j int) { lines[i], lines[j] = lines[j], lines[i] })
	for part := range slices.Chunk(lines, 50) {
		if err := client.Write(t.Context(), bucket, part); err != nil {
			t.Fatal(err)
		}
	}

	var ids []volume.ID
	for id := range newest {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, volume.ID.Compare)
	var wantDays []volume.DaySeries
	var wantNewest []volume.Sample
	for _, id := range ids {
		within := slices.DeleteFunc(slices.Clone(readings[id]), func(r volume.Reading) bool { return r.Time.Before(day0) })
		wantDays = append(wantDays, volume.DaySeries{ID: id, Days: volume.Days(within, now)})
		wantNewest = append(wantNewest, newest[id])
		got, err := h.Readings(t.Context(), id, day0, now.Add(72*time.Hour))
		if err != nil || !slices.Equal(got, within) {
			t.Errorf("Readings of %s: %v\n%v\nwant\n%v", id, err, got, within)
		}
	}
	// from is within the day before, which is left out.
	if got := gather(t, h, everyone, day0.Add(-time.Hour), now); !reflect.DeepEqual(got, wantDays) {
		t.Errorf("Days =\n%+v\nwant\n%+v", got, wantDays)
	}
	got, err := h.Newest(t.Context(), everyone, day0, day0.AddDate(100, 0, 0))
	if err != nil || !reflect.DeepEqual(got, wantNewest) {
		t.Errorf("Newest: %v\n%+v\nwant\n%+v", err, got, wantNewest)
	}
}
