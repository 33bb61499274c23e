package csvinput

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"
)

func TestReadSortsAndKeepsGaps(t *testing.T) {
	f, err := Read("f.csv", strings.NewReader("series,time,used,capacity\n"+
		"b,2026-03-02,2,10\na,2026-03-01T00:00:00Z,5,4\nb,2026-03-01,,10\nb,2026-03-04 00:00:00,4,\n"))
	if err != nil {
		t.Fatal(err)
	}
	if len(f.Series) != 2 || f.Series[0].Name != "b" || f.Series[1].Name != "a" {
		t.Fatalf("series %+v, want b then a", f.Series)
	}
	b := f.Series[0].Observations
	if len(b) != 3 || !math.IsNaN(b[0].Used) || b[1].Used != 2 || b[2].Used != 4 || !math.IsNaN(b[2].Capacity) {
		t.Errorf("b = %+v, want a gap, 2 and 4 in time order", b)
	}
	if b[0].Time != time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC) {
		t.Errorf("first time %v", b[0].Time)
	}
	if f.MedianStep != 48*time.Hour {
		t.Errorf("median step %v, want the upper of 24h and 48h", f.MedianStep)
	}
	if len(f.Warnings) != 1 || !strings.Contains(f.Warnings[0], `"a": used is above capacity in 1 of 1`) {
		t.Errorf("warnings %q", f.Warnings)
	}
}

func TestReadRefuses(t *testing.T) {
	const head = "series,time,used\n"
	for _, tc := range []struct {
		name, in, want string
		line           int
	}{
		{"nothing", "", "is empty", 1},
		{"header only", head, "no rows", 1},
		{"wrong header", "name,when,value\na,2026-01-01,1\n", "it must be series,time,used,capacity", 1},
		{"a missing cell", head + "a,2026-01-01\n", "has 2 cells, the header has 3", 2},
		{"no series", head + ",2026-01-01,1\n", "names no series", 2},
		{"a bad time", head + "a,yesterday,1\n", `"yesterday" is no time`, 2},
		{"a far time", head + "a,0001-01-01,1\n", "1900", 2},
		{"a bad number", head + "a,2026-01-01,1\na,2026-01-02,ten\n", `used "ten" is no number`, 3},
		{"NaN", head + "a,2026-01-01,NaN\n", "not a finite number", 2},
		{"infinite", head + "a,2026-01-01,1e999\n", "not a finite number", 2},
		{"negative", head + "a,2026-01-01,-1\n", "negative", 2},
		{"a capacity of zero", "series,time,used,capacity\na,2026-01-01,1,0\n", "capacity is 0", 2},
		{"a time twice", head + "a,2026-01-02,1\nb,2026-01-02,1\na,2026-01-02T00:00:00Z,2\n", "twice (also line 2)", 4},
		{"no value", head + "a,2026-01-01,\n", "no value", 2},
		{"an open quote", head + "\"a,2026-01-01,1\n", "quote", 2},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := Read("f.csv", strings.NewReader(tc.in))
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("error %v, want *Error", err)
			}
			if e.Line != tc.line || !strings.Contains(e.Error(), tc.want) {
				t.Errorf("error %q at line %d, want %q at line %d", e, e.Line, tc.want, tc.line)
			}
		})
	}
}

func FuzzRead(f *testing.F) {
	f.Add("series,time,used,capacity\na,2026-03-01,1,2\na,2026-03-02,,\n")
	f.Add("\ufeffseries,time,used\n\"x\ny\",2026-03-01T00:00:00+05:30,1e15\n")
	f.Add("series,time,used\na,2026-03-01,-0\n")
	f.Fuzz(func(t *testing.T, in string) {
		file, err := Read("f.csv", strings.NewReader(in))
		if err != nil {
			return
		}
		for _, s := range file.Series {
			for i, o := range s.Observations {
				if i > 0 && !o.Time.After(s.Observations[i-1].Time) {
					t.Fatalf("series %q is not in strict time order", s.Name)
				}
				if math.IsInf(o.Used, 0) || o.Used < 0 || o.Capacity <= 0 {
					t.Fatalf("series %q has %+v", s.Name, o)
				}
			}
		}
	})
}
