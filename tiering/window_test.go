package tiering

import (
	"testing"
	"time"
)

func TestWindow(t *testing.T) {
	const h, m = time.Hour, time.Minute
	for _, tc := range []struct {
		name          string
		from, to      time.Duration
		zone          string
		at            string
		open          bool
		opens, closes string // when it opens or closes next; opens is at itself where it is open
	}{
		{"by day, before", 9 * h, 17 * h, "UTC", "2026-03-10T08:59:59Z", false, "2026-03-10T09:00:00Z", ""},
		{"by day, at its beginning", 9 * h, 17 * h, "UTC", "2026-03-10T09:00:00Z", true, "", "2026-03-10T17:00:00Z"},
		{"by day, at its end", 9 * h, 17 * h, "UTC", "2026-03-10T17:00:00Z", false, "2026-03-11T09:00:00Z", ""},
		{"over midnight, in the evening", 22 * h, 6 * h, "UTC", "2026-03-10T22:30:10Z", true, "", "2026-03-11T06:00:00Z"},
		{"over midnight, in the morning", 22 * h, 6 * h, "UTC", "2026-03-11T05:59:59Z", true, "", "2026-03-11T06:00:00Z"},
		{"over midnight, by day", 22 * h, 6 * h, "UTC", "2026-03-11T06:00:00Z", false, "2026-03-11T22:00:00Z", ""},
		{"until midnight", 18 * h, 0, "UTC", "2026-03-11T23:59:59Z", true, "", "2026-03-12T00:00:00Z"},
		{"until midnight, at midnight", 18 * h, 0, "UTC", "2026-03-12T00:00:00Z", false, "2026-03-12T18:00:00Z", ""},
		{"by the zone's clocks", 22 * h, 6 * h, "Asia/Kolkata", "2026-03-10T16:29:59Z", false, "2026-03-10T16:30:00Z", ""},
		// 29 March 2026, Berlin: from 2:00 to 3:00, so 3:00 is 1:00Z.
		{"its beginning is left out", 2*h + 30*m, 5 * h, "Europe/Berlin", "2026-03-29T00:30:00Z", false, "2026-03-29T01:00:00Z", ""},
		{"it is left out as a whole", 2*h + 15*m, 2*h + 45*m, "Europe/Berlin", "2026-03-29T00:30:00Z", false, "2026-03-30T00:15:00Z", ""},
		{"an hour shorter", 22 * h, 6 * h, "Europe/Berlin", "2026-03-28T21:00:00Z", true, "", "2026-03-29T04:00:00Z"},
		// 25 October 2026, Berlin: from 3:00 to 2:00, so 2:30 is 0:30Z and 1:30Z.
		{"an hour longer", 22 * h, 6 * h, "Europe/Berlin", "2026-10-24T20:00:00Z", true, "", "2026-10-25T05:00:00Z"},
		{"it opens twice", 2*h + 15*m, 2*h + 45*m, "Europe/Berlin", "2026-10-25T00:45:00Z", false, "2026-10-25T01:15:00Z", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := Window{tc.from, tc.to, zone(t, tc.zone)}
			at, err := time.Parse(time.RFC3339, tc.at)
			if err != nil {
				t.Fatal(err)
			}
			opens, closes := tc.opens, tc.closes
			if tc.open {
				opens = tc.at
			} else {
				closes = tc.at
			}
			if w.Open(at) != tc.open {
				t.Errorf("%s is open at %s: %v", w, tc.at, !tc.open)
			}
			if got := w.Opens(at).UTC().Format(time.RFC3339); got != opens {
				t.Errorf("%s opens at %s, want %s", w, got, opens)
			}
			if got := w.Closes(at).UTC().Format(time.RFC3339); got != closes {
				t.Errorf("%s closes at %s, want %s", w, got, closes)
			}
		})
	}
	var always Window
	if !always.Open(tuesday) || !always.Opens(tuesday).Equal(tuesday) || !always.Closes(tuesday).IsZero() || always.String() != "always" {
		t.Errorf("the zero value is not always open")
	}
	if s := (Window{22*h + 5*m, 6 * h, time.UTC}).String(); s != "22:05-06:00 UTC" {
		t.Errorf("it is written %q", s)
	}
}
