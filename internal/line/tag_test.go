package line

import (
	"strings"
	"testing"
	"time"

	"github.com/influxdata/line-protocol/v2/lineprotocol"
)

// read returns the tag's value as another implementation of line protocol reads it.
func read(t *testing.T, text string) string {
	t.Helper()
	d := lineprotocol.NewDecoder(strings.NewReader(text))
	if !d.Next() {
		t.Fatalf("%q is no line", text)
	}
	if _, err := d.Measurement(); err != nil {
		t.Fatal(err)
	}
	_, value, err := d.NextTag()
	if err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return string(value)
}

func TestAnyMountPointCanBeWritten(t *testing.T) {
	for path, want := range map[string]string{
		"/plain": "/plain", "/a b": "/a b", "/co,mma=x": "/co,mma=x", `/back\slash`: `/back\slash`, "/ünï": "/ünï", `/quo"te`: `/quo"te`,
		"/tab\there": `/tab\there`, "/line\nend": `/line\nend`, `/ends\\`: "/ends", "/twice\\\\": "/twice", "/bad\xff\xfebytes": "/bad\uFFFDbytes",
		"/bell\a": "/bell\uFFFD", "/del\x7f": "/del\uFFFD", `/a\ b`: `/a\ b`,
	} {
		text, err := Encode(Point{Measurement: Disk, Tags: map[string]string{"path": path}, Fields: []Field{Int("total", 1)}, Time: time.Unix(5, 0)})
		if err != nil {
			t.Errorf("%q: %v", path, err)
			continue
		}
		if strings.ContainsAny(text, "\n\r") {
			t.Errorf("%q is written as two lines: %q", path, text)
		}
		if got := read(t, text+"\n"); got != want {
			t.Errorf("%q is written as %q, which reads %q; want %q", path, text, got, want)
		}
	}
}

func FuzzTagValue(f *testing.F) {
	f.Add("/srv/a b\\")
	f.Add("\xff\t\n")
	f.Fuzz(func(t *testing.T, path string) {
		if _, err := Encode(Point{Measurement: Disk, Tags: map[string]string{"path": path}, Fields: []Field{Int("total", 1)}}); err != nil {
			t.Fatalf("%q: %v", path, err)
		}
	})
}
