package planner

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/tidemark/tidemark/internal/volume"
	"github.com/tidemark/tidemark/planner/csvinput"
	"github.com/tidemark/tidemark/planner/forecast"
)

func TestFileOutlooksAreIndependentAndInTheFilesOrder(t *testing.T) {
	const rows = "b,2026-01-01,5,10\nb,2026-01-02,6,10\nh:/pool,2026-01-01,7,\nh:/pool/sub,2026-01-01,7,\na,2026-01-01,12,10\n"
	read := func(text string) *csvinput.File {
		f, err := csvinput.Read("f.csv", strings.NewReader("series,time,used,capacity\n"+text))
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	byName := map[string]Outlook{}
	var order []string
	for o, err := range FileOutlooks(read(rows), forecast.Options{Steps: 2}, nil) {
		if err != nil {
			t.Fatal(err)
		}
		order = append(order, o.Series)
		byName[o.Series] = o
		if o.Unit != AsRead || o.Resource != volume.Space || o.FullLevel != 1 || len(o.Points) != 2 || o.Step != day {
			t.Errorf("%s: %+v", o.Series, o)
		}
	}
	if got := strings.Join(order, " "); got != "b h:/pool h:/pool/sub a" {
		t.Errorf("order %s", got)
	}
	if b := byName["b"]; len(b.Past) != 2 || b.Past[1] != .6 || !b.Origin.Equal(time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("b: past %v, origin %v", b.Past, b.Origin)
	}
	if lone := byName["h:/pool"]; lone.Points[1].Forecast != 7 || !math.IsNaN(lone.Capacity) || !math.IsNaN(lone.UsedShare()) || lone.TimeToFull.Reason != "no_capacity" {
		t.Errorf("a lone point without a capacity: %+v", lone)
	}
	if full := byName["a"]; full.TimeToFull.Reason != "full" || full.UsedShare() != 1.2 {
		t.Errorf("more than its capacity: %+v", full)
	}
	// Another series in the file changes nothing.
	for o, err := range FileOutlooks(read("b,2026-01-01,5,10\nb,2026-01-02,6,10\n"), forecast.Options{Steps: 2}, nil) {
		if b := byName["b"]; err != nil || o.TimeToFull != b.TimeToFull || o.Points[1] != b.Points[1] {
			t.Errorf("alone %+v, %v; with others %+v", o, err, b)
		}
	}
}

func TestFileOutlooksEndAtAnError(t *testing.T) {
	f := &csvinput.File{Series: []csvinput.Series{{Name: "none"}, {Name: "more"}}}
	n := 0
	for _, err := range FileOutlooks(f, forecast.Options{Steps: 1}, nil) {
		if n++; err == nil || !strings.Contains(err.Error(), `"none"`) {
			t.Errorf("error %v, want one that names the series", err)
		}
	}
	if n != 1 {
		t.Errorf("%d results after an error, want the end", n)
	}
}
