package main

import (
	"reflect"
	"testing"
	"time"

	"github.com/tidemark/tidemark/config"
	"github.com/tidemark/tidemark/internal/influx"
	"github.com/tidemark/tidemark/internal/volume"
	"github.com/tidemark/tidemark/planner"
)

func TestMeasuredMoves(t *testing.T) {
	at := time.Date(2026, 3, 10, 2, 15, 0, 0, time.UTC)
	value := func(host, days string, bytes int64, at time.Time) influx.Value {
		return influx.Value{Tags: map[string]string{"host": host, "path": "/srv/video", "policy": "cold", "days": days}, Time: at, Value: bytes}
	}
	cfg := config.Default()
	cfg.Host = "a"
	cfg.Archives = []config.Archive{{Name: "vault", Path: "/mnt/vault"}}
	cfg.Policies = []config.Policy{{Name: "cold", Volume: "/srv/video", Archive: "vault", Start: config.Start{Above: .8}, Stop: config.Stop{Below: .7}, Enforce: true}}
	got := measuredMoves([]influx.Value{
		value("b", "0", 7, at),
		value("a", "30", 20, at),
		value("a", "7", 15, at.Add(-time.Hour)), // measured before: nothing may be mixed
		value("a", "0", 10, at),
		value("a", "soon", 1, at),
		value("a", "180", 9, at.Add(-time.Hour)),
	}, cfg)
	want := []planner.Move{
		{
			Policy: "cold", From: volume.ID{Host: "a", Path: "/srv/video"}, To: volume.ID{Host: "a", Path: "/mnt/vault"}, Archive: "vault", Measured: at,
			Start: .8, Stop: .7, Eligible: []planner.Eligible{{Days: 0, Bytes: 10}, {Days: 30, Bytes: 20}},
		},
		{Policy: "cold", From: volume.ID{Host: "b", Path: "/srv/video"}, Measured: at, Eligible: []planner.Eligible{{Days: 0, Bytes: 7}}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("moves\n%+v, want\n%+v", got, want)
	}
}

func TestParseAddition(t *testing.T) {
	at := time.Date(2027, 3, 1, 0, 0, 0, 0, time.UTC)
	for text, want := range map[string]planner.Addition{
		"20TiB@2027-03-01":            {Amount: 20 << 40, At: at},
		"db1:/srv=1.5GiB@2027-03-01":  {Series: "db1:/srv", Amount: 1.5 * (1 << 30), At: at},
		"db1:/a=b@c=12@2027-03-01":    {Series: "db1:/a=b@c", Amount: 12, At: at},
		"fe80::1:/srv=1KB@2027-03-01": {},
		"":                            {},
		"20TiB":                       {},
		"@2027-03-01":                 {},
		"=1@2027-03-01":               {},
		"0@2027-03-01":                {},
		"1@01.03.2027":                {},
		"1@2027-03-01@2027-03-01":     {},
	} {
		got, err := parseAddition(text)
		if got != want || (err == nil) != (want != planner.Addition{}) {
			t.Errorf("--add %q is %+v, %v; want %+v", text, got, err, want)
		}
	}
}

func FuzzParseAddition(f *testing.F) {
	for _, s := range []string{"20TiB@2027-03-01", "db1:/a=b=1@2027-03-01", "=@", "9e9@x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		a, err := parseAddition(text)
		if err == nil && (!(a.Amount > 0) || a.At.IsZero()) {
			t.Errorf("--add %q is %+v", text, a)
		}
	})
}

func TestParseGrowth(t *testing.T) {
	for text, want := range map[string]float64{"+30%": .3, "-10": -.1, "0%": 0, "-100%": -1, "+2.5 %": .025} {
		if got, err := parseGrowth(text); err != nil || got != want {
			t.Errorf("--growth %q is %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "fast", "NaN", "Inf", "-100.1%", "1e9%", "30%%"} {
		if got, err := parseGrowth(text); err == nil {
			t.Errorf("--growth %q is %v, want an error", text, got)
		}
	}
	for growth, want := range map[float64]string{.3: "+30%", -.1: "-10%", .025: "+2.5%", 0: "+0%"} {
		if got := growthText(growth); got != want {
			t.Errorf("%v is written %q, want %q", growth, got, want)
		}
	}
}
