package csvinput

import (
	"errors"
	"io"
	"math"
	"strings"
	"testing"
	"testing/iotest"
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
	b := f.Series[0].Observations()
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
		{"a header in one cell", "\"series,time\",used\na,2026-01-01\n", "it must be series,time,used,capacity", 1},
		{"a byte order mark twice", "\ufeff\ufeffseries,time,used\na,2026-01-01,1\n", "it must be series,time,used,capacity", 1},
		{"semicolons", "series;time;used\na;2026-01-01;1\n", "it must be series,time,used,capacity", 1},
		{"a surplus cell", head + "a,2026-01-01,1,2\n", "has 4 cells, the header has 3", 2},
		{"blank lines are counted", head + "\n\na,2026-01-01,x\n", "is no number", 4},
		{"a quoted line end is counted", head + "\"a\nb\",2026-01-01,1\nc,2026-01-01,x\n", "is no number", 4},
		{"minus infinite", head + "a,2026-01-01,-Inf\n", "not a finite number", 2},
		{"too large", head + "a,2026-01-01,1e101\n", "not a finite number", 2},
		{"a NaN capacity", "series,time,used,capacity\na,2026-01-01,1,nan\n", "capacity \"nan\" is not a finite number", 2},
		{"a negative capacity", "series,time,used,capacity\na,2026-01-01,1,-5\n", "capacity \"-5\" is negative", 2},
		{"an empty time", head + "a,,1\n", "is no time", 2},
		{"one instant in two zones", head + "a,2026-01-02T00:00:00Z,1\na,2026-01-02T05:30:00+05:30,1\n", "twice (also line 2)", 3},
		{"a missing cell", head + "a,2026-01-01\n", "has 2 cells, the header has 3", 2},
		{"no series", head + ",2026-01-01,1\n", "names no series", 2},
		{"a bad time", head + "a,yesterday,1\n", `"yesterday" is no time`, 2},
		{"a far time", head + "a,0001-01-01,1\n", "1900", 2},
		{"a time to come", head + "a,2201-01-01,1\n", "1900 to 2200", 2},
		{"a bad number", head + "a,2026-01-01,1\na,2026-01-02,ten\n", `used "ten" is no number`, 3},
		{"NaN", head + "a,2026-01-01,NaN\n", "not a finite number", 2},
		{"infinite", head + "a,2026-01-01,1e999\n", "not a finite number", 2},
		{"negative", head + "a,2026-01-01,-1\n", "negative", 2},
		{"a capacity of zero", "series,time,used,capacity\na,2026-01-01,1,0\n", "capacity is 0", 2},
		{"a time twice", head + "a,2026-01-02,1\nb,2026-01-02,1\na,2026-01-02T00:00:00Z,2\n", "twice (also line 2)", 4},
		{"no value", head + "a,2026-01-01,\n", "no value", 2},
		{"an open quote", head + "\"a,2026-01-01,1\n", "quote", 2},
		{"an open quote in a long file", head + "a,2026-01-01,1\n\"" + strings.Repeat("a,2026-01-02,1\n", 100_000), "lack its end", 3},
		{"a first line without an end", strings.Repeat("a", 2<<20), "more than 1 MiB", 1},
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

// Whatever a spreadsheet does to a file that people can still read, the reader can too.
func TestReadAccepts(t *testing.T) {
	at := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	for _, tc := range []struct {
		name, in     string
		series       string
		used         float64
		observations int
	}{
		{"a byte order mark", "\ufeffseries,time,used\na,2026-03-01,5\n", "a", 5, 1},
		{"line ends of Windows", "series,time,used\r\na,2026-03-01,5\r\n", "a", 5, 1},
		{"no line end at the end", "series,time,used\na,2026-03-01,5", "a", 5, 1},
		{"a quoted header", "\"series\",\"time\",\"used\"\na,2026-03-01,5\n", "a", 5, 1},
		{"a name with a line end, a comma and a quote", "series,time,used\n\"a\nb,\"\"c\",2026-03-01,5\n", "a\nb,\"c", 5, 1},
		{"a name that is no UTF-8", "series,time,used\nh:/\xff,2026-03-01,5\n", "h:/\xff", 5, 1},
		{"another zone", "series,time,used\na,2026-03-01T05:30:00+05:30,5\n", "a", 5, 1},
		{"minutes", "series,time,used\na,2026-03-01 00:00,5\n", "a", 5, 1},
		{"an exponent", "series,time,used\na,2026-03-01,5e12\n", "a", 5e12, 1},
		{"the largest", "series,time,used\na,2026-03-01,1e100\n", "a", 1e100, 1},
		{"minus zero", "series,time,used\na,2026-03-01,-0\n", "a", 0, 1},
		{"a gap before", "series,time,used\na,2026-03-02,\na,2026-03-01,5\n", "a", 5, 2},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f, err := Read("f.csv", strings.NewReader(tc.in))
			if err != nil {
				t.Fatal(err)
			}
			if len(f.Series) != 1 || f.Series[0].Name != tc.series || len(f.Series[0].Observations()) != tc.observations {
				t.Fatalf("series %+v, want %q with %d observations", f.Series, tc.series, tc.observations)
			}
			o := f.Series[0].Observations()[0]
			if !o.Time.Equal(at) || o.Time.Location() != time.UTC || o.Used != tc.used || math.Signbit(o.Used) || !math.IsNaN(o.Capacity) {
				t.Errorf("first observation %+v, want %v at %v without a capacity", o, tc.used, at)
			}
			if len(f.Warnings) != 0 {
				t.Errorf("warnings %q, want none", f.Warnings)
			}
		})
	}
}

func TestReadOfABrokenReaderIsNoFaultOfALine(t *testing.T) {
	broken := errors.New("the disk is gone")
	for name, in := range map[string]string{"in the header": "", "below the header": "series,time,used\na,2026-03-01,1\n"} {
		_, err := Read("f.csv", io.MultiReader(strings.NewReader(in), iotest.ErrReader(broken)))
		var e *Error
		if !errors.Is(err, broken) || errors.As(err, &e) {
			t.Errorf("%s: error %v, want the reader's", name, err)
		}
	}
}

func TestMedianStepOfLonePointsIsZero(t *testing.T) {
	f, err := Read("f.csv", strings.NewReader("series,time,used\na,2026-03-01,1\nb,2026-03-02,1\n"))
	if err != nil || f.MedianStep != 0 || len(f.Series) != 2 {
		t.Errorf("%+v, %v; want two series and no step", f, err)
	}
}

// FuzzRead holds what the forecast is promised: strict time order, numbers that are finite, not negative and not -0, a capacity that
// is positive where it is known, at least one value a series, no series twice; and an error names a line of the file.
func FuzzRead(f *testing.F) {
	f.Add("series,time,used,capacity\na,2026-03-01,1,2\na,2026-03-02,,\n")
	f.Add("\ufeffseries,time,used\n\"x\ny\",2026-03-01T00:00:00+05:30,1e15\n")
	f.Add("series,time,used\na,2026-03-01,-0\n")
	f.Add("\"series,time\",used\na,2026-03-01\n")
	f.Add("series,time,used\r\n\r\nb,2026-03-01 10:00,0x1p3\r\na,2200-12-31T23:59:59-23:59,1_0\r\n")
	f.Add("series,time,used\n\"a,2026-03-01,1\n")
	f.Fuzz(func(t *testing.T, in string) {
		file, err := Read("f.csv", strings.NewReader(in))
		if err != nil {
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("error %v is no *Error", err)
			}
			if lines := strings.Count(in, "\n") + 1; e.Line < 1 || e.Line > lines {
				t.Fatalf("error at line %d of %d: %v", e.Line, lines, err)
			}
			return
		}
		names := map[string]bool{}
		for _, s := range file.Series {
			if names[s.Name] || s.Name == "" {
				t.Fatalf("series %q stands twice or has no name", s.Name)
			}
			names[s.Name] = true
			values := 0
			all := s.Observations()
			for i, o := range all {
				if i > 0 && !o.Time.After(all[i-1].Time) {
					t.Fatalf("series %q is not in strict time order", s.Name)
				}
				if math.IsInf(o.Used, 0) || o.Used < 0 || math.Signbit(o.Used) && !math.IsNaN(o.Used) || o.Capacity <= 0 || math.IsInf(o.Capacity, 0) {
					t.Fatalf("series %q has %+v", s.Name, o)
				}
				if !math.IsNaN(o.Used) {
					values++
				}
			}
			if values == 0 {
				t.Fatalf("series %q has no value", s.Name)
			}
		}
	})
}

func TestAFullVolumeIsNoWarning(t *testing.T) {
	f, err := Read("f.csv", strings.NewReader("series,time,used,capacity\na,2026-03-01,5,5\n"))
	if err != nil || len(f.Warnings) != 0 {
		t.Errorf("%v, %v", f, err)
	}
}
