package tiering

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestParsePressure(t *testing.T) {
	for text, want := range map[string]float64{
		"some avg10=1.53 avg60=0.82 avg300=0.44 total=191348132\nfull avg10=9.00 avg60=0.70 avg300=0.37 total=157622151\n": 1.53,
		"full avg10=9.00 avg60=0\nsome avg60=7 avg10=100.00":                                                               100,
		"some avg10=0.00": 0,
	} {
		if got, err := parsePressure(text); err != nil || got != want {
			t.Errorf("%q: %v, %v; want %v", text, got, err, want)
		}
	}
	for text, want := range map[string]string{
		"": "no avg10", "full avg10=9.00": "no avg10", "some": "no avg10", "some avg60=1": "no avg10",
		"some avg10=x": "no share", "some avg10=-1": "no share", "some avg10=101": "no share", "some avg10=NaN": "no share",
	} {
		if got, err := parsePressure(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, %v; want %q", text, got, err, want)
		}
	}
}

func TestReadPressure(t *testing.T) {
	dir := t.TempDir()
	if got, err := readPressure(filepath.Join(dir, "absent")); got != 0 || err != nil {
		t.Errorf("a kernel without: %v, %v", got, err)
	}
	file := filepath.Join(dir, "io")
	if err := os.WriteFile(file, []byte("some avg10=12.50 avg60=0.00 avg300=0.00 total=1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := readPressure(file); got != 12.5 || err != nil {
		t.Errorf("%v, %v", got, err)
	}
	if err := os.WriteFile(file, []byte("nothing of the kind\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := readPressure(file); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("error %v", err)
	}
	if _, err := readPressure(dir); err == nil {
		t.Error("a directory is no error")
	}
	if got, err := ReadPressure(); err != nil || got < 0 || got > 100 {
		t.Errorf("of this host: %v, %v", got, err)
	}
}

func FuzzParsePressure(f *testing.F) {
	f.Add("some avg10=1.53 avg60=0.82 avg300=0.44 total=191348132\nfull avg10=0.00 avg60=0.70 avg300=0.37 total=157622151\n")
	f.Add("some avg10=1e400")
	f.Fuzz(func(t *testing.T, text string) {
		if v, err := parsePressure(text); err == nil && !(v >= 0 && v <= 100) {
			t.Errorf("%q is %v", text, v)
		}
	})
}
