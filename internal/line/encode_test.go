package line

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/influxdata/line-protocol/v2/lineprotocol"

	"github.com/tidemark/tidemark/internal/volume"
)

// at is a time with a fraction of a second, which a line leaves out.
var at = time.Date(2026, 3, 10, 12, 0, 0, 999_999_999, time.UTC)

// decoded reads one line back, as a server does. A second line is an error.
func decoded(text string) (Point, error) {
	d := lineprotocol.NewDecoder(strings.NewReader(text + "\n"))
	p := Point{Tags: map[string]string{}}
	if !d.Next() {
		return p, fmt.Errorf("no line in %q", text)
	}
	measurement, err := d.Measurement()
	if err != nil {
		return p, err
	}
	p.Measurement = string(measurement)
	for {
		key, value, err := d.NextTag()
		if err != nil {
			return p, err
		}
		if key == nil {
			break
		}
		p.Tags[string(key)] = string(value)
	}
	for {
		key, value, err := d.NextField()
		if err != nil {
			return p, err
		}
		if key == nil {
			break
		}
		p.Fields = append(p.Fields, Field{string(key), value.Interface()})
	}
	if p.Time, err = d.Time(lineprotocol.Second, time.Time{}); err != nil {
		return p, err
	}
	if d.Next() {
		return p, fmt.Errorf("more than one line in %q", text)
	}
	return p, nil
}

func TestEncodeIsReadBack(t *testing.T) {
	odd := "a b,c=d\"e'f\\g/日本 é"
	for _, tc := range []struct {
		name string
		in   Point
		text string // where it matters
	}{
		{"plain", Point{"disk", map[string]string{"host": "h", "path": "/"}, []Field{Int("used", 5), Float("used_percent", 12.5)}, at}, "disk,host=h,path=/ used=5i,used_percent=12.5 1773144000"},
		{"no tags", Point{"m", nil, []Field{Int("f", -1)}, at}, "m f=-1i 1773144000"},
		{"tags are sorted", Point{"m", map[string]string{"b": "1", "a": "2", "B": "3", "aa": "4"}, []Field{Int("f", 1)}, at}, "m,B=3,a=2,aa=4,b=1 f=1i 1773144000"},
		{"fields keep their order", Point{"m", nil, []Field{Int("b", 1), Int("a", 2)}, at}, "m b=1i,a=2i 1773144000"},
		{"special characters everywhere", Point{odd, map[string]string{odd: odd, "t": odd}, []Field{Int(odd, 1), Text("s", odd)}, at}, ""},
		{"texts with line ends and backslashes", Point{"m", nil, []Field{Text("s", "two\nlines\r\n\t\\"), Text("empty", ""), Text("q", `\"`)}, at}, ""},
		{"the ends of the numbers", Point{"m", nil, []Field{
			Int("least", math.MinInt64), Int("most", math.MaxInt64), Float("large", math.MaxFloat64), Float("small", math.SmallestNonzeroFloat64),
			Float("whole", 1), Float("zero", 0), Float("negative", -1e-7), Flag("on", true), Flag("off", false),
		}, at}, ""},
		{"before 1970", Point{"m", nil, []Field{Int("f", 1)}, time.Unix(-86400, 0)}, "m f=1i -86400"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			text, err := Encode(tc.in)
			if err != nil {
				t.Fatal(err)
			}
			if tc.text != "" && text != tc.text {
				t.Errorf("line %q, want %q", text, tc.text)
			}
			got, err := decoded(text)
			if err != nil {
				t.Fatal(err)
			}
			want := tc.in
			want.Time = want.Time.Truncate(time.Second).UTC()
			if want.Tags == nil {
				want.Tags = map[string]string{}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("read back (-want +got):\n%s", diff)
			}
		})
	}
}

// InfluxDB refuses an empty value.
func TestEmptyTagsAreLeftOut(t *testing.T) {
	text, err := Encode(Point{"m", map[string]string{"label": "", "host": "h", "z": ""}, []Field{Int("f", 1)}, at})
	if want := "m,host=h f=1i 1773144000"; err != nil || text != want {
		t.Errorf("line %q, %v; want %q", text, err, want)
	}
}

func TestEncodeRefuses(t *testing.T) {
	for _, tc := range []struct {
		name, want string
		in         Point
	}{
		{"NaN", "field f", Point{"m", nil, []Field{Float("f", math.NaN())}, at}},
		{"infinite", "field f", Point{"m", nil, []Field{Int("g", 1), Float("f", math.Inf(-1))}, at}},
		{"an unsigned integer", "uint64", Point{"m", nil, []Field{{"f", uint64(1)}}, at}},
		{"an int", "int", Point{"m", nil, []Field{{"f", 1}}, at}},
		{"a boolean", "bool", Point{"m", nil, []Field{{"f", true}}, at}},
		{"a text that is no UTF-8", "field s", Point{"m", nil, []Field{Text("s", "\xff")}, at}},
		{"no fields", "write m", Point{"m", nil, nil, at}},
		{"no measurement", "write", Point{"", nil, []Field{Int("f", 1)}, at}},
		{"a measurement with a line end", "measurement", Point{"m\nn", nil, []Field{Int("f", 1)}, at}},
		{"a measurement that makes a comment", "comment", Point{"#m", nil, []Field{Int("f", 1)}, at}},
		{"a tag without a name", "tag", Point{"m", map[string]string{"": "v"}, []Field{Int("f", 1)}, at}},
		{"a tag's name with a line end", "tag", Point{"m", map[string]string{"a\nb": "v"}, []Field{Int("f", 1)}, at}},
		{"a tag's name that ends in a backslash", "tag", Point{"m", map[string]string{`a\`: "v"}, []Field{Int("f", 1)}, at}},
		{"a field without a name", "field", Point{"m", nil, []Field{Int("", 1)}, at}},
		{"a time that no server can store", "timestamp", Point{"m", nil, []Field{Int("f", 1)}, time.Date(2300, 1, 1, 0, 0, 0, 0, time.UTC)}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			text, err := Encode(tc.in)
			if err == nil || !strings.Contains(err.Error(), tc.want) || text != "" {
				t.Errorf("line %q, error %v; want none and %q", text, err, tc.want)
			}
		})
	}
}

// What Telegraf writes is the contract; the tags are in the order of its lines.
func TestPointsOfASample(t *testing.T) {
	s := volume.Sample{
		ID: volume.ID{Host: "web 1", Path: "/srv/a,b"}, Time: at,
		Attributes: volume.Attributes{Device: "dm-1", Fstype: "ext4", Mode: "ro", Label: "data"},
		Usage:      volume.Usage{Total: 1000, Free: 300, Used: 600, InodesTotal: 100, InodesFree: 25, InodesUsed: 75},
		State:      volume.State{Reserved: 100},
		Tags:       map[string]string{"site": "dc1", "department": "traffic"},
	}
	stuck := volume.Sample{ID: s.ID, Time: at, State: volume.State{Stuck: true}}
	for _, tc := range []struct {
		name string
		in   Point
		want string
	}{
		{"disk", DiskPoint(s), `disk,department=traffic,device=dm-1,fstype=ext4,host=web\ 1,label=data,mode=ro,path=/srv/a\,b,site=dc1 ` +
			"total=1000i,free=300i,used=600i,used_percent=66.66666666666666,inodes_total=100i,inodes_free=25i,inodes_used=75i,inodes_used_percent=75 1773144000"},
		{"volume", VolumePoint(s), `tidemark_volume,department=traffic,host=web\ 1,path=/srv/a\,b,site=dc1 reserved=100i,readonly=1i,stuck=0i,missing=0i 1773144000`},
		{"stuck", VolumePoint(stuck), `tidemark_volume,host=web\ 1,path=/srv/a\,b reserved=0i,readonly=0i,stuck=1i,missing=0i 1773144000`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if text, err := Encode(tc.in); err != nil || text != tc.want {
				t.Errorf("line\n%s, %v; want\n%s", text, err, tc.want)
			}
		})
	}
	if len(s.Tags) != 2 {
		t.Errorf("the sample's tags became %v", s.Tags)
	}
}

// FuzzEncode holds that what is written is one line, and is what was meant.
func FuzzEncode(f *testing.F) {
	f.Add("disk", "path", "/srv/a b", "used", int64(5), 12.5, "text", int64(1773144000))
	f.Add("a,b c", "k=v", `x\y`, "f g", int64(math.MinInt64), math.Inf(1), "two\nlines", int64(-1))
	f.Add("m", "", "", "", int64(0), 0., "\xff", int64(1<<40))
	f.Add(`\`, `\`, `\`, `\`, int64(0), 0., `\`, int64(0))
	f.Fuzz(func(t *testing.T, measurement, tag, value, field string, i int64, x float64, s string, seconds int64) {
		in := Point{measurement, map[string]string{tag: value}, []Field{Int(field, i), Float("x", x), Text("s", s)}, time.Unix(seconds, 0).UTC()}
		text, err := Encode(in)
		if err != nil {
			return
		}
		if strings.Contains(text, "\n") || !utf8.ValidString(text) {
			t.Fatalf("more than one line, or no UTF-8: %q", text)
		}
		got, err := decoded(text)
		if err != nil {
			t.Fatalf("%q is not read: %v", text, err)
		}
		control := func(r rune) bool { return r < ' ' || r == 0x7f }
		switch {
		case value == "":
			in.Tags = map[string]string{}
		case strings.HasSuffix(value, `\`) || strings.ContainsFunc(value, control) || !utf8.ValidString(value):
			got.Tags, in.Tags = nil, nil // no line carries it as it is
		}
		if diff := cmp.Diff(in, got); diff != "" {
			t.Fatalf("%q is read back (-want +got):\n%s", text, diff)
		}
	})
}
