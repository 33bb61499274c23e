package line

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/influxdata/line-protocol/v2/lineprotocol"
)

// tagOf reads a line back and returns the value of its tag path.
func tagOf(t *testing.T, text string) string {
	t.Helper()
	d := lineprotocol.NewDecoderWithBytes([]byte(text + "\n"))
	if !d.Next() {
		t.Fatalf("no line in %q", text)
	}
	if _, err := d.Measurement(); err != nil {
		t.Fatal(err)
	}
	key, value, err := d.NextTag()
	if err != nil || string(key) != "path" {
		t.Fatalf("tag %q of %q: %v", key, text, err)
	}
	return string(value)
}

func TestEveryPathCanBeReported(t *testing.T) {
	for path, want := range map[string]string{
		"/plain": "/plain", "/sp ace": "/sp ace", "/co,mma=eq": "/co,mma=eq", `/back\slash`: `/back\slash`, `/a\,b`: `/a\,b`, "/ünï/文": "/ünï/文",
		"/new\nline": `/new\x0aline`, "/tab\tx": `/tab\x09x`, "/del\x7f": `/del\x7f`, "/bad\xff": `/bad\xff`, `/end\`: `/end\x5c`, "/real\ufffd": "/real\ufffd",
	} {
		text, err := Encode(Point{Measurement: "m", Tags: map[string]string{"path": path}, Fields: []Field{Int("f", 1)}, Time: time.Unix(7, 0)})
		if err != nil {
			t.Errorf("path %q: %v", path, err)
			continue
		}
		if got := tagOf(t, text); got != want || strings.Contains(text, "\n") {
			t.Errorf("path %q is read back as %q, want %q", path, got, want)
		}
	}
}

func FuzzTagValue(f *testing.F) {
	for _, s := range []string{"/plain", "/a\\", "\\", "\n", "\xff\xfe", "a,b=c d", `\,`, `\\ `} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, value string) {
		text, err := Encode(Point{Measurement: "m", Tags: map[string]string{"path": value}, Fields: []Field{Int("f", 1)}, Time: time.Unix(7, 0)})
		if err != nil {
			t.Fatal(err)
		}
		if value == "" {
			return // left out
		}
		got := tagOf(t, text)
		if plain := carried(value); got != plain || !utf8.ValidString(got) {
			t.Errorf("%q is read back as %q, want %q", value, got, plain)
		}
	})
}
