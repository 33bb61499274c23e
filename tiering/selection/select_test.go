package selection

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/tidemark/tidemark/internal/fsys"
	"github.com/tidemark/tidemark/tiering/policy"
	"github.com/tidemark/tidemark/tiering/scan"
)

func now() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }

func daysAgo(days float64) fsys.Time {
	return fsys.At(now().Add(-time.Duration(days * 24 * float64(time.Hour))))
}

func judgeOf(t testing.TB, where string) *policy.Judge {
	t.Helper()
	rule, err := policy.Compile(where)
	if err != nil {
		t.Fatal(err)
	}
	return &policy.Judge{Rule: rule, Volume: "/v", Moment: policy.Moment{Now: now()}, KeepRecalled: 7 * 24 * time.Hour}
}

// world is a made-up volume.
type world struct {
	files map[string]*policy.File
	dirs  map[string]*scan.Directory
}

// newWorld has n files: sizes, times and directories at random, with many ties.
func newWorld(n int, seed uint64) *world {
	w := &world{files: map[string]*policy.File{}, dirs: map[string]*scan.Directory{"/v": {Name: "/v"}}}
	random := rand.New(rand.NewPCG(seed, 1))
	for len(w.files) < n {
		dir := "/v"
		for range random.IntN(4) {
			dir += "/" + []string{"a", "b", "a-b", "c"}[random.IntN(4)]
		}
		path := fmt.Sprintf("%s/%d", dir, random.IntN(n))
		blocks := random.Int64N(5)
		w.files[path] = policy.FileAt(path, fsys.Info{
			Dev: 9, Ino: uint64(len(w.files) + 1), Mode: fsys.TypeRegular | 0o644, Nlink: 1, Size: 4096*blocks + random.Int64N(2), Allocated: 4096 * blocks,
			Mtime: daysAgo(float64(random.IntN(500))), Atime: daysAgo(float64(random.IntN(500))), Ctime: daysAgo(1),
		})
	}
	return w
}

func (w *world) directory(path string) *scan.Directory {
	if d := w.dirs[path]; d != nil {
		return d
	}
	slash := strings.LastIndexByte(path, '/')
	d := &scan.Directory{Parent: w.directory(path[:slash]), Name: path[slash+1:]}
	w.dirs[path] = d
	return d
}

// collect gives the files to a collector in the order of a seed, from several workers in turn.
func (w *world) collect(t testing.TB, judge *policy.Judge, order Order, seed uint64) *Collector {
	t.Helper()
	w.dirs = map[string]*scan.Directory{"/v": {Name: "/v"}}
	c := NewCollector(judge, order, 3)
	random := rand.New(rand.NewPCG(seed, 2))
	paths := slices.Sorted(keysOf(w.files))
	random.Shuffle(len(paths), func(i, j int) { paths[i], paths[j] = paths[j], paths[i] })
	for i, path := range paths {
		f := *w.files[path]
		f.Place(f.Dir, f.Name)
		c.Visit(i%3, w.directory(f.Dir), []policy.File{f})
	}
	return c
}

func keysOf(m map[string]*policy.File) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

func (w *world) look(path string) (*policy.File, error) {
	f, ok := w.files[path]
	if !ok {
		return nil, &fs.PathError{Op: "stat", Path: path, Err: fs.ErrNotExist}
	}
	c := *f
	c.Place(c.Dir, c.Name)
	return &c, nil
}

// expected is the same by sorting everything.
func (w *world) expected(judge *policy.Judge, order Order, atime bool) []*policy.File {
	j := *judge
	j.Moment.Atime = atime
	var files []*policy.File
	for _, f := range w.files {
		if j.Decide(f).Eligible {
			files = append(files, f)
		}
	}
	slices.SortFunc(files, func(a, b *policy.File) int {
		usedA, _ := a.LastUse(atime)
		usedB, _ := b.LastUse(atime)
		by := map[Order]int{
			Coldest: cmp.Compare(usedA.Sec, usedB.Sec), Largest: cmp.Compare(b.Size, a.Size), Oldest: cmp.Compare(a.Mtime.Sec, b.Mtime.Sec),
		}[order]
		return cmp.Or(by, cmp.Compare(a.Path(), b.Path()))
	})
	return files
}

func TestSelectInOrder(t *testing.T) {
	w := newWorld(2000, 1)
	for _, where := range []string{`idle > days(60)`, `size > KiB(4) and idle > days(100)`, `age < days(100)`, `idle < days(100)`, `true`} {
		judge := judgeOf(t, where)
		for _, order := range []Order{Coldest, Largest, Oldest} {
			for _, atime := range []bool{false, true} {
				c, err := w.collect(t, judge, order, uint64(len(where))).Candidates(atime)
				if err != nil {
					t.Fatal(err)
				}
				want := w.expected(judge, order, atime)
				p, skipped, err := c.Select(Request{Used: 1 << 30, Usable: 1 << 31, Look: w.look})
				if err != nil || len(skipped) != 0 {
					t.Fatal(err, skipped)
				}
				var got, paths []string
				var bytes int64
				for i, f := range p.Files {
					got = append(got, f.Path)
					if f.Rank != i+1 || f.Reason == "" || f.Ino != w.files[f.Path].Ino || f.Ctime != daysAgo(1) {
						t.Fatalf("%+v", f)
					}
				}
				for _, f := range want {
					paths = append(paths, strings.Clone(f.Path()))
					bytes += f.Allocated
				}
				if !slices.Equal(got, paths) {
					t.Errorf("%s, %s, by atime %v: %d files, want %d, or in another order", where, order, atime, len(got), len(paths))
				}
				if p.EligibleN != int64(len(want)) || p.Eligible != bytes || p.Insufficient || p.Needed != 0 {
					t.Errorf("%s, %s: %+v, want %d files, %d bytes", where, order, p.EligibleN, len(want), bytes)
				}
			}
		}
	}
}

func TestSelectUntil(t *testing.T) {
	w := &world{files: map[string]*policy.File{}, dirs: map[string]*scan.Directory{"/v": {Name: "/v"}}}
	for i, size := range []int64{10, 20, 500, 30, 40} { // the first is the coldest
		path := fmt.Sprintf("/v/%d", i)
		w.files[path] = policy.FileAt(path, fsys.Info{Mode: fsys.TypeRegular, Nlink: 1, Size: size, Allocated: size, Mtime: daysAgo(float64(100 - i))})
	}
	tests := []struct {
		name         string
		request      Request
		want         string
		after        float64
		needed       int64
		insufficient bool
		skipped      string
	}{
		{"all", Request{Used: 800, Usable: 1000}, "0 1 2 3 4", 20, 0, false, ""},
		{"to below stop", Request{Used: 800, Usable: 1000, Stop: 0.791}, "0", 79, 10, false, ""},
		{"stop itself is not below", Request{Used: 800, Usable: 1000, Stop: 0.79}, "0 1", 77, 11, false, ""},
		{"nothing needed", Request{Used: 700, Usable: 1000, Stop: 0.701}, "", 70, 0, false, ""},
		{"not enough", Request{Used: 800, Usable: 1000, Stop: 0.1}, "0 1 2 3 4", 20, 701, true, ""},
		{"files", Request{Used: 800, Usable: 1000, Stop: 0.1, MaxFiles: 2}, "0 1", 77, 701, true, ""},
		{"bytes", Request{Used: 800, Usable: 1000, MaxBytes: 60}, "0 1 3", 74, 0, false, "/v/2: alone is larger than limit.bytes: 500 bytes, the limit is 60"},
		{"bytes end with what does not fit", Request{Used: 800, Usable: 1000, MaxBytes: 510}, "0 1", 77, 0, false, ""},
		{"bytes exactly", Request{Used: 800, Usable: 1000, MaxBytes: 530}, "0 1 2", 27, 0, false, ""},
		{"no volume", Request{}, "0 1 2 3 4", 0, 0, false, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c, err := w.collect(t, judgeOf(t, "age > days(1)"), Coldest, 1).Candidates(false)
			if err != nil {
				t.Fatal(err)
			}
			test.request.Look = w.look
			p, skipped, err := c.Select(test.request)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, f := range p.Files {
				got = append(got, f.Path[3:])
			}
			var skips []string
			for _, s := range skipped {
				skips = append(skips, s.Path+": "+s.Reason)
			}
			if strings.Join(got, " ") != test.want || p.UsedAfter != test.after || p.Needed != test.needed || p.Insufficient != test.insufficient ||
				strings.Join(skips, "\n") != test.skipped || p.Eligible != 600 {
				t.Errorf("%v, %v: %+v", got, skips, p)
			}
		})
	}
}

func TestSelectAgainstWhatIsThereNow(t *testing.T) {
	w := newWorld(50, 3)
	judge := judgeOf(t, "idle > days(30)")
	c, err := w.collect(t, judge, Coldest, 1).Candidates(true)
	if err != nil {
		t.Fatal(err)
	}
	want := w.expected(judge, Coldest, true)
	gone, used, broken := strings.Clone(want[0].Path()), strings.Clone(want[1].Path()), strings.Clone(want[2].Path())
	delete(w.files, gone)
	w.files[used].Atime = daysAgo(0)
	look := func(path string) (*policy.File, error) {
		if path == broken {
			return nil, errors.New("input/output error")
		}
		return w.look(path)
	}
	p, skipped, err := c.Select(Request{Look: look})
	if err != nil {
		t.Fatal(err)
	}
	wanted := []Skip{
		{gone, "is gone since it was scanned"},
		{used, "changed since it was scanned: idle 0s is not > 30d by atime"},
		{broken, "input/output error"},
	}
	if diff := gocmp.Diff(wanted, skipped); diff != "" {
		t.Error(diff)
	}
	if len(p.Files) != len(want)-3 || p.Files[0].Path != want[3].Path() || p.Files[0].Rank != 1 {
		t.Errorf("%d files of %d", len(p.Files), len(want))
	}
}

func TestKnownAndHeld(t *testing.T) {
	w := newWorld(600, 4)
	judge := judgeOf(t, "idle > days(30)")
	judge.Held = func(path string) (string, bool) { return "case 7", strings.HasSuffix(path, "7") }
	judge.Known = func(f *policy.File) policy.Copy {
		switch f.Ino % 4 {
		case 0:
			return policy.Copy{Archived: true}
		case 1:
			return policy.Copy{Archived: true, RecalledAt: now().Add(-24 * time.Hour)}
		}
		return policy.Copy{}
	}
	c, err := w.collect(t, judge, Coldest, 1).Candidates(true)
	if err != nil {
		t.Fatal(err)
	}
	want := w.expected(judge, Coldest, true)
	p, skipped, err := c.Select(Request{Look: w.look})
	if err != nil || len(p.Files) != len(want) || len(skipped) != 0 {
		t.Fatalf("%d files, %d skipped, %v; want %d", len(p.Files), len(skipped), err, len(want))
	}
	for _, f := range p.Files {
		if f.Archived != (f.Ino%4 == 0) {
			t.Errorf("%s: archived is %v", f.Path, f.Archived)
		}
	}
	all := c.Skipped(1 << 20)
	if n := c.Count(policy.Held) + c.Count(policy.Recalled); n == 0 || int64(len(all)) != n || c.Count(policy.Held) == 0 {
		t.Errorf("%d skipped, %d counted", len(all), n)
	}
	if !slices.IsSortedFunc(all, func(a, b Skip) int { return cmp.Compare(a.Path, b.Path) }) {
		t.Error("not in order")
	}
	if some := c.Skipped(5); !slices.Equal(some, all[:5]) {
		t.Errorf("the first five are %v, want %v", some, all[:5])
	}
}

// TestAhead compares with deciding about every file on every one of the days.
func TestAhead(t *testing.T) {
	w := newWorld(800, 5)
	for _, where := range []string{`idle > days(60)`, `idle > days(400) and size > 0 or age > days(450)`, `not (idle <= days(490))`, `size > KiB(4)`} {
		judge := judgeOf(t, where)
		judge.MinAge = 36 * time.Hour
		judge.Known = func(f *policy.File) policy.Copy {
			if f.Ino%5 == 0 {
				return policy.Copy{RecalledAt: now().Add(-24 * time.Hour)}
			}
			return policy.Copy{}
		}
		for _, atime := range []bool{false, true} {
			c, err := w.collect(t, judge, Coldest, 1).Candidates(atime)
			if err != nil {
				t.Fatal(err)
			}
			var want []Horizon
			for _, days := range []int{0, 7, 30, 90, 180, 365} {
				h := Horizon{Days: days}
				j := *judge
				j.Moment.Now, j.Moment.Atime = now().Add(time.Duration(days)*24*time.Hour), atime
				for _, f := range w.files {
					if j.Decide(f).Eligible {
						h.Files++
						h.Bytes += f.Allocated
					}
				}
				want = append(want, h)
			}
			if diff := gocmp.Diff(want, c.Ahead()); diff != "" {
				t.Errorf("%s, by atime %v: %s", where, atime, diff)
			}
		}
	}
	c, err := w.collect(t, judgeOf(t, `idle < days(60)`), Coldest, 1).Candidates(true)
	if err != nil || c.Ahead() != nil {
		t.Errorf("a rule that falls: %v, %v", c.Ahead(), err)
	}
}

func TestTrigger(t *testing.T) {
	days := func(d float64) *float64 { return &d }
	both := Marks{Above: 0.8, FullWithin: 30, Below: 0.7}
	tests := []struct {
		name  string
		level Level
		marks Marks
		want  bool
		why   string
	}{
		{"above", Level{Used: 0.8}, both, true, "use is 80.0%, start is above 80%"},
		{"not yet", Level{Used: 0.799}, both, false, "use is 79.9%, start is above 80%, and there is no date at which the volume is full"},
		{"full soon", Level{Used: 0.75, FullIn: days(30)}, both, true, "use is 75.0%, full in 30 days, start is within 30"},
		{"full later", Level{Used: 0.75, FullIn: days(31)}, both, false, "use is 75.0%, start is above 80%, full in 31 days, start is within 30"},
		{"full soon, but below stop", Level{Used: 0.69, FullIn: days(3)}, both, false, "use is 69.0%, below stop (70%)"},
		{"goes on", Level{Used: 0.75, Unfinished: true}, both, true, "use is 75.0%, and the last run ended before it came below stop (70%)"},
		{"has come below", Level{Used: 0.6999, Unfinished: true}, both, false, "use is 70.0%, below stop (70%)"},
		{"no marks", Level{Used: 0.1}, Marks{}, true, "use is 10.0%, and the policy has no start mark: it always runs"},
		{"only stop", Level{Used: 0.6}, Marks{Below: 0.7}, false, "use is 60.0%, below stop (70%)"},
		{"only above", Level{Used: 0.5, FullIn: days(1)}, Marks{Above: 0.8}, false, "use is 50.0%, start is above 80%"},
		{"unfinished without stop", Level{Used: 0.5, Unfinished: true}, Marks{Above: 0.8}, false, "use is 50.0%, start is above 80%"},
		{"full already", Level{Used: 0.9, FullIn: days(-1)}, Marks{FullWithin: 3}, true, "use is 90.0%, full in 0 days, start is within 3"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got, why := Trigger(test.level, test.marks); got != test.want || why != test.why {
				t.Errorf("%v, %q; want %v, %q", got, why, test.want, test.why)
			}
		})
	}
}

func samplePlan() *Plan {
	return &Plan{
		Version: 1, Policy: "cold <video>", Fingerprint: "f", Host: "h", Volume: "/v", Archive: "vault", Made: now(), Triggered: true, Reason: "r",
		UsedBefore: 80.5, UsedAfter: 70, Needed: 5, Eligible: 6, EligibleN: 2, Files: []Item{
			{Path: "/v/a\n\"b", Dev: 1, Ino: 1<<64 - 1, Size: 3, Allocated: 4096, Mtime: fsys.Time{Sec: -5, Nsec: 7}, Rank: 1, Reason: "idle"},
			{Path: "/v/\xff\xfe", Dev: 1, Ino: 2, Size: 3, Allocated: 4096, Archived: true, Rank: 2, Reason: "x"},
		},
	}
}

func written(t testing.TB, p *Plan) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := p.Write(&out); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestPlanFile(t *testing.T) {
	data := written(t, samplePlan())
	p, err := Read(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	if diff := gocmp.Diff(samplePlan(), p); diff != "" {
		t.Error(diff)
	}
	for i := range data { // cut off, or one byte changed, anywhere
		if _, err := Read(bytes.NewReader(data[:i])); err == nil {
			t.Fatalf("cut off after %d bytes, and read", i)
		}
		changed := bytes.Clone(data)
		changed[i] ^= 1
		if _, err := Read(bytes.NewReader(changed)); err == nil {
			t.Fatalf("byte %d was changed, and it was read: %q", i, changed[max(i-20, 0):i+1])
		}
	}
	lines := bytes.SplitAfter(data, []byte("\n"))
	for name, edited := range map[string][]byte{
		"a line twice":   bytes.Join([][]byte{lines[0], lines[1], lines[1], lines[2], lines[3]}, nil),
		"a line missing": bytes.Join([][]byte{lines[0], lines[1], lines[3]}, nil),
		"exchanged":      bytes.Join([][]byte{lines[0], lines[2], lines[1], lines[3]}, nil),
		"followed":       append(bytes.Clone(data), "{}\n"...),
		"twice":          append(bytes.Clone(data), data...),
		"empty":          {},
		"a new field":    bytes.Replace(data, []byte(`"rank"`), []byte(`"extra":1,"rank"`), 1),
		"another format": bytes.Replace(data, []byte(`"version":1`), []byte(`"version":2`), 1),
	} {
		if p, err := Read(bytes.NewReader(edited)); err == nil {
			t.Errorf("%s: read as %+v", name, p)
		}
	}
}

func TestItemJSON(t *testing.T) {
	data, err := json.Marshal(samplePlan().Files[1])
	if err != nil {
		t.Fatal(err)
	}
	want := `{"path":"/v/��","dev":1,"ino":2,"size":3,"allocated":4096,"mtime":"0.000000000","ctime":"0.000000000","archived":true,"rank":2,` +
		`"reason":"x","path_b64":"L3Yv//4="}`
	if string(data) != want {
		t.Errorf("got  %s\nwant %s", data, want)
	}
}

func FuzzRead(f *testing.F) {
	f.Add(written(f, samplePlan()))
	f.Add(written(f, &Plan{Version: 1}))
	f.Add([]byte(`{"version":1}` + "\n" + `{"path":"/a","rank":1}` + "\n" + `{"files":1}` + "\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := Read(bytes.NewReader(data))
		if err != nil {
			return
		}
		again, err := Read(bytes.NewReader(written(t, p)))
		if diff := gocmp.Diff(p, again); err != nil || diff != "" {
			t.Errorf("%v\n%s", err, diff)
		}
	})
}
