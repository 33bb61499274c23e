package planner

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidemark/tidemark/internal/history"
	"github.com/tidemark/tidemark/internal/volume"
	"github.com/tidemark/tidemark/planner/forecast"
)

// fakeHistory is a history that can say what a sound one never does.
type fakeHistory struct {
	newest    []volume.Sample
	newestErr error
	days      []volume.DaySeries
	daysErr   error // after all days
	since     time.Time
	from, to  time.Time
	progress  func(read int) // called before each series of days, when it is there
	readings  map[volume.ID][]volume.Reading
	mu        sync.Mutex
	asked     []volume.ID // for its readings
	released  []volume.Release
}

var _ History = (*fakeHistory)(nil)

func (f *fakeHistory) Newest(_ context.Context, _ volume.Selector, since, _ time.Time) ([]volume.Sample, error) {
	f.since = since
	return f.newest, f.newestErr
}

func (f *fakeHistory) Days(_ context.Context, _ volume.Selector, from, to time.Time) iter.Seq2[volume.DaySeries, error] {
	f.from, f.to = from, to
	return func(yield func(volume.DaySeries, error) bool) {
		for i, d := range f.days {
			if f.progress != nil {
				f.progress(i + 1)
			}
			if !yield(d, nil) {
				return
			}
		}
		if f.daysErr != nil {
			yield(volume.DaySeries{}, f.daysErr)
		}
	}
}

func (f *fakeHistory) Readings(_ context.Context, id volume.ID, _, _ time.Time) ([]volume.Reading, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, id)
	if f.readings == nil {
		panic("not asked for by Outlooks")
	}
	return f.readings[id], nil
}

func (f *fakeHistory) Lows(_ context.Context, _ volume.Selector, from, to time.Time) (map[volume.ID]volume.Low, error) {
	lows := map[volume.ID]volume.Low{}
	for id, all := range f.readings {
		for _, r := range all {
			if r.Time.Before(from) || !r.Time.Before(to) {
				continue
			}
			low, known := lows[id]
			if !known {
				low = volume.Low{Used: r.Used, InodesUsed: r.InodesUsed}
			}
			lows[id] = volume.Low{Used: min(low.Used, r.Used), InodesUsed: min(low.InodesUsed, r.InodesUsed)}
		}
	}
	return lows, nil
}

func (f *fakeHistory) Releases(context.Context, string, time.Time, time.Time) ([]volume.Release, error) {
	return f.released, nil
}

// record keeps samples in a host's own history, in memory.
func record(t *testing.T, samples ...volume.Sample) *history.Store {
	t.Helper()
	store, err := history.OpenInMemory(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	if err := store.Record(t.Context(), samples, nil); err != nil {
		t.Fatal(err)
	}
	return store
}

// past is s once a day, at 06:00 of each of the days before now, and now: use grows by perDay to that of s.
func past(s volume.Sample, days int, perDay int64) []volume.Sample {
	all := []volume.Sample{s}
	for n := 1; n <= days; n++ {
		before := s
		before.Time = volume.StartOfDay(now).Add(6*time.Hour - time.Duration(n)*day)
		before.Used -= perDay * int64(n)
		before.Free += perDay * int64(n)
		all = append(all, before)
	}
	return all
}

func outlooks(t *testing.T, h History, q Query) []Outlook {
	t.Helper()
	if q.Now.IsZero() {
		q.Now = now
	}
	if q.Options.Steps == 0 {
		q.Options.Steps = 3
	}
	var all []Outlook
	for o, err := range (Planner{h}).Outlooks(t.Context(), q) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, o)
	}
	return all
}

func named(all []Outlook) []string {
	var names []string
	for _, o := range all {
		names = append(names, fmt.Sprintf("%s %s", o.Series, o.Resource))
	}
	return names
}

func TestOutlooksOfAHost(t *testing.T) {
	grows := sampleAt("/srv", "xfs", "sda", 700, 300)
	grows.InodesTotal, grows.InodesUsed, grows.InodesFree = 100, 10, 90
	grows.Tags = map[string]string{"site": "dc1"}
	fresh := sampleAt("/fresh", "ext4", "sdb", 10, 90)
	never := volume.Sample{ID: volume.ID{Host: "h", Path: "/never"}, Time: now, State: volume.State{Stuck: true}}
	forgotten := sampleAt("/forgotten", "ext4", "sdc", 10, 90)
	forgotten.Time = now.Add(-30*day - time.Second)
	silent := sampleAt("/silent", "ext4", "sdd", 10, 90)
	silent.Time = now.Add(-29 * day)
	all := outlooks(t, record(t, append(past(grows, 60, 10), fresh, never, forgotten, silent)...), Query{
		PolicyOf: func(id volume.ID) Policy { return Policy{FullLevel: .9, Owner: "owner of " + id.Path} },
	})
	want := []string{"h:/fresh space", "h:/never space", "h:/silent space", "h:/srv space", "h:/srv inodes"}
	if diff := cmp.Diff(want, named(all)); diff != "" {
		t.Fatalf("outlooks (-want +got):\n%s", diff)
	}
	reasons := []forecast.Reason{"new_volume", ReasonUnread, "stale", "", "idle"}
	for i, o := range all {
		if o.TimeToFull.Reason != reasons[i] {
			t.Errorf("%s: reason %q, want %q", want[i], o.TimeToFull.Reason, reasons[i])
		}
		if o.FullLevel != .9 || o.Owner != "owner of "+o.Volume.Path {
			t.Errorf("%s: full level %v, owner %q", want[i], o.FullLevel, o.Owner)
		}
	}

	space := all[3]
	if !space.Origin.Equal(now) || space.Used != 700 || space.Capacity != 1000 || space.Unit != Bytes || math.Abs(space.GrowthPerDay-10) > .5 {
		t.Errorf("space of /srv from %v: %v of %v %s, %v a day; want the newest reading and 10 a day", space.Origin, space.Used, space.Capacity, space.Unit, space.GrowthPerDay)
	}
	// Full counts from 900: in 20 days.
	if d := space.TimeToFull.P50.Sub(now).Hours() / 24; d < 18 || d > 22 {
		t.Errorf("/srv is likely full in %.1f days, want 20", d)
	}
	if n := len(space.Past); n != 61 || space.Past[0] != .1 || space.Past[n-1] != .7 {
		t.Errorf("past %v, want .1 to .7 by 61 points", space.Past)
	}
	inodes := all[4]
	if inodes.Used != 10 || inodes.Capacity != 100 || inodes.Unit != Count {
		t.Errorf("inodes of /srv: %v of %v %s", inodes.Used, inodes.Capacity, inodes.Unit)
	}

	unread := all[1]
	for name, v := range map[string]float64{
		"used": unread.Used, "capacity": unread.Capacity, "share": unread.UsedShare(), "growth": unread.GrowthPerDay,
		"7 d": unread.TimeToFull.Probability7, "30 d": unread.TimeToFull.Probability30, "90 d": unread.TimeToFull.Probability90,
	} {
		if !math.IsNaN(v) {
			t.Errorf("%s of a volume that was never read is %v", name, v)
		}
	}
	if len(unread.Points) != 0 || len(unread.Past) != 0 || !unread.Sample.Stuck {
		t.Errorf("the volume that was never read has %+v", unread)
	}
}

// The boards join forecasts by time: they are at 00:00 UTC also before a volume's first day is over.
func TestPointsAreAtMidnight(t *testing.T) {
	fresh, grows := sampleAt("/fresh", "ext4", "sdb", 10, 90), sampleAt("/srv", "xfs", "sda", 700, 300)
	hung := sampleAt("/hung", "nfs4", "f:/x", 10, 90)
	hung.Time = now.Add(-time.Hour)
	hangs := volume.Sample{ID: hung.ID, Time: now, Attributes: hung.Attributes, State: volume.State{Stuck: true}}
	all := outlooks(t, record(t, append(past(grows, 30, 10), fresh, hung, hangs)...), Query{})
	midnight := volume.StartOfDay(now)
	first := map[string]time.Time{"h:/fresh": midnight.Add(day), "h:/hung": midnight.Add(day), "h:/srv": midnight}
	for _, o := range all {
		if len(o.Points) != 3 || !o.Points[0].Time.Equal(first[o.Series]) {
			t.Errorf("%s: points %+v, want three from %v", o.Series, o.Points, first[o.Series])
		}
	}
	if len(all) != 3 {
		t.Errorf("outlooks %v, want three", named(all))
	}
	if o := all[0]; !o.Origin.Equal(now) || o.Used != 10 || len(o.Past) != 1 {
		t.Errorf("/fresh: %v used at %v, past %v; want its one reading", o.Used, o.Origin, o.Past)
	}
}

func TestPoolIsOneOutlook(t *testing.T) {
	root, home := sampleAt("/tank", "zfs", "tank", 1, 500), sampleAt("/tank/home", "zfs", "tank/home", 499, 500)
	before, after := sampleAt("/a", "ext4", "sda", 1, 1), sampleAt("/tank/between", "ext4", "sdb", 1, 1)
	b1, b2 := sampleAt("/btr/long", "btrfs", "sdc", 50, 50), sampleAt("/btr", "btrfs", "sdc", 50, 50)
	other := sampleAt("/a", "ext4", "sda", 1, 1)
	other.Host = "i"
	samples := slices.Concat(past(root, 40, 0), past(home, 40, 5), []volume.Sample{before, after, b1, b2, other})
	all := outlooks(t, record(t, samples...), Query{})
	want := []string{"h:/a space", "h:/btr space", "h:/tank space", "h:/tank/between space", "i:/a space"}
	if diff := cmp.Diff(want, named(all)); diff != "" {
		t.Fatalf("outlooks (-want +got):\n%s", diff)
	}
	tank := all[2]
	if tank.Used != 500 || tank.Capacity != 1000 || math.Abs(tank.GrowthPerDay-5) > .5 || tank.Past[0] != .3 {
		t.Errorf("the pool: %v of %v, %v a day, from %v; want 500 of 1000, 5 a day, from .3", tank.Used, tank.Capacity, tank.GrowthPerDay, tank.Past[0])
	}
	// Who asks for one volume of the pool gets that.
	one := outlooks(t, record(t, samples...), Query{Select: volume.Selector{Path: "/tank/home"}})
	if len(one) != 1 || one[0].Series != "h:/tank/home" || one[0].Used != 499 {
		t.Errorf("of /tank/home alone: %v", named(one))
	}
}

// An imported past, and a btrfs before, count no inodes: that is no volume without files that then got a million.
func TestDaysWithoutInodesAreAGap(t *testing.T) {
	s := sampleAt("/srv", "ext4", "sda", 700, 300)
	all := past(s, 60, 10)
	for i := range all[:21] { // the newest
		all[i].InodesTotal, all[i].InodesUsed, all[i].InodesFree = 1000, 400, 600
	}
	got := outlooks(t, record(t, all...), Query{})
	if len(got) != 2 || got[1].Resource != volume.Inodes {
		t.Fatalf("outlooks %v, want space and inodes", named(got))
	}
	inodes := got[1]
	if inodes.GrowthPerDay != 0 || inodes.TimeToFull.Reason != "idle" || len(inodes.Past) != 21 || inodes.Past[0] != .4 {
		t.Errorf("inodes grow by %v a day, reason %q, past %v; want none, idle, 21 times .4", inodes.GrowthPerDay, inodes.TimeToFull.Reason, inodes.Past)
	}
	if space := got[0]; len(space.Past) != 61 {
		t.Errorf("space has %d points of past, want 61", len(space.Past))
	}
}

func TestVolumeThatIsGoneKeepsItsLastUse(t *testing.T) {
	s := sampleAt("/nfs", "nfs4", "filer:/x", 700, 300)
	s.Time = now.Add(-time.Hour)
	for name, state := range map[string]volume.State{"stuck": {Stuck: true}, "missing": {Missing: true}} {
		trouble := volume.Sample{ID: s.ID, Time: now, Attributes: s.Attributes, State: state}
		got := outlooks(t, record(t, append(past(s, 60, 10), trouble)...), Query{})
		// Its time is that of the report, so the last day is what is known for sure.
		if len(got) != 1 || got[0].Used != 690 || !got[0].Origin.Equal(volume.StartOfDay(now).Add(-day)) || got[0].Sample.Measured() {
			t.Errorf("%s: %+v, want the last day's 690", name, got)
		}
	}
}

func TestFullVolumeKeepsItsLastSizeAndResizeStaysCapacity(t *testing.T) {
	at := func(n int, used, free int64) volume.Day {
		return volume.Day{Start: time.Date(2026, 1, n, 0, 0, 0, 0, time.UTC), Usage: volume.Usage{Used: used, Free: free}}
	}
	in := fitInput(input{
		days:     []volume.Day{at(1, 60, 40), at(2, 103, 0), at(4, 110, 90)},
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

// What is joined: newest samples without days, days without a newest sample (forgotten), both.
func TestOutlooksJoinNewestAndDays(t *testing.T) {
	id := func(path string) volume.ID { return volume.ID{Host: "h", Path: path} }
	days := func(path string) volume.DaySeries {
		return volume.DaySeries{ID: id(path), Days: []volume.Day{{Start: volume.StartOfDay(now).Add(-day), Usage: volume.Usage{Used: 3, Free: 7}}}}
	}
	h := &fakeHistory{
		newest: []volume.Sample{
			sampleAt("/b", "ext4", "sda", 4, 6), sampleAt("/d", "ext4", "sda", 4, 6), sampleAt("/f", "ext4", "sda", 4, 6), sampleAt("/g", "ext4", "sda", 4, 6),
		},
		days: []volume.DaySeries{days("/a"), days("/b"), days("/c"), days("/e"), days("/f"), days("/z")},
	}
	all := outlooks(t, h, Query{})
	var got []string
	for _, o := range all {
		got = append(got, fmt.Sprintf("%s %d", o.Series, len(o.Past)))
	}
	if want := []string{"h:/b 2", "h:/d 1", "h:/f 2", "h:/g 1"}; !slices.Equal(got, want) {
		t.Errorf("outlooks and points of past %q, want %q", got, want)
	}
	if !h.since.Equal(now.Add(-30*day)) || !h.from.Equal(now.Add(-730*day)) || !h.to.Equal(now) {
		t.Errorf("asked for samples since %v and days from %v to %v", h.since, h.from, h.to)
	}
	outlooks(t, h, Query{Past: 10 * day})
	if !h.from.Equal(now.Add(-10 * day)) {
		t.Errorf("asked for days from %v, want ten days", h.from)
	}
}

func TestOutlooksEndAtAnError(t *testing.T) {
	broken := errors.New("the store is gone")
	for name, h := range map[string]*fakeHistory{
		"read the newest samples: ": {newestErr: broken},
		"read the days: ":           {newest: []volume.Sample{sampleAt("/a", "ext4", "sda", 1, 1), sampleAt("/b", "ext4", "sda", 1, 1)}, daysErr: broken},
	} {
		var got error
		after := 0
		for _, err := range (Planner{h}).Outlooks(t.Context(), Query{Now: now}) {
			if got != nil {
				after++
			}
			got = err
		}
		if !errors.Is(got, broken) || !strings.HasPrefix(got.Error(), name) || after != 0 {
			t.Errorf("error %v and %d more, want %q and the end", got, after, name)
		}
	}
	for range (Planner{&fakeHistory{newest: []volume.Sample{sampleAt("/a", "ext4", "sda", 1, 1), sampleAt("/b", "ext4", "sda", 1, 1)}}}).Outlooks(t.Context(), Query{Now: now}) {
		break // whoever has enough may leave
	}
}

// A fleet that only Telegraf writes for has no states. It streams through in order, one series at a time, except that a
// ZFS pool waits for its last dataset.
func TestFleetStreamsInOrder(t *testing.T) {
	const hosts, paths = 4000, 10
	h := &fakeHistory{}
	read := 0
	for i := range hosts {
		for j := range paths {
			s := sampleAt(fmt.Sprintf("/srv/%02d", j), "ext4", "sda", 4, 6)
			s.Host = fmt.Sprintf("host%04d", i)
			h.newest = append(h.newest, s)
			h.days = append(h.days, volume.DaySeries{ID: s.ID, Days: []volume.Day{{Start: volume.StartOfDay(now).Add(-day), Usage: s.Usage}}})
		}
	}
	pool := h.newest[3*paths : 4*paths]
	for _, j := range []int{2, 6} {
		pool[j].Fstype, pool[j].Device = "zfs", fmt.Sprintf("tank/%d", j)
	}
	h.progress = func(n int) { read = n }
	all := units(h.newest)
	n := 0
	for in, err := range (Planner{h}).inputs(t.Context(), Query{Now: now}, all) {
		if err != nil {
			t.Fatal(err)
		}
		if in.sample.ID != all[n].sample.ID || len(in.days) != 1 {
			t.Fatalf("input %d is of %s with %d days, want %s with one", n, in.sample.ID, len(in.days), all[n].sample.ID)
		}
		ahead, most := read-n, 2
		switch {
		case n >= 3*paths+6: // the pool took two series
			ahead--
		case n >= 3*paths+2:
			most = 6
		}
		if ahead > most {
			t.Fatalf("at input %d (%s) %d series are held", n, in.sample.ID, ahead)
		}
		n++
	}
	if n != hosts*paths-1 {
		t.Errorf("%d inputs, want one less than volumes", n)
	}
}

// Simulated paths of a fleet must not all take the same turn.
func TestEqualVolumesHaveTheirOwnPaths(t *testing.T) {
	var samples []volume.Sample
	for _, path := range []string{"/a", "/b"} {
		for i, s := range past(sampleAt(path, "xfs", "sda", 700, 300), 60, 5) {
			noise := int64(i*i*37%41) - 20
			s.Used, s.Free = s.Used+noise, s.Free-noise
			samples = append(samples, s)
		}
	}
	all := outlooks(t, record(t, samples...), Query{})
	if len(all) != 2 || all[0].GrowthPerDay != all[1].GrowthPerDay || all[0].TimeToFull.P50.IsZero() {
		t.Fatalf("outlooks %+v, want two equal ones with a date", all)
	}
	if all[0].TimeToFull == all[1].TimeToFull {
		t.Errorf("both are full at %+v", all[0].TimeToFull)
	}
}

func TestSeriesAreSeededByTheirNameAndResource(t *testing.T) {
	all := []uint64{seed("a", "space"), seed("a", "inodes"), seed("b", "space"), seed("", "space"), seed("aspace", "")}
	slices.Sort(all)
	if n := len(slices.Compact(all)); n != 5 {
		t.Errorf("%d different seeds of 5", n)
	}
}

func TestSharesAreOfTheNewestPoints(t *testing.T) {
	nan := math.NaN()
	var all []forecast.Observation
	for i := range 100 {
		all = append(all, forecast.Observation{Used: float64(i), Capacity: 100})
	}
	all[98].Used, all[99].Capacity = nan, nan
	got := Shares(all)
	if len(got) != 90 || got[0] != .1 || got[87] != .97 || !math.IsNaN(got[88]) || !math.IsNaN(got[89]) {
		t.Errorf("shares %v", got)
	}
}
