package tiering

import (
	"strings"
	"testing"
	"time"
)

// tuesday is a time in the middle of nothing.
var tuesday = time.Date(2026, 3, 10, 12, 34, 56, 789, time.UTC)

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	loc, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return loc
}

func TestScheduleNext(t *testing.T) {
	for _, tc := range []struct {
		text, zone, from, want string
	}{
		{"15 2 * * *", "UTC", "2026-03-10T12:34:56Z", "2026-03-11T02:15:00Z"},
		{"15 2 * * *", "UTC", "2026-03-11T02:15:00Z", "2026-03-12T02:15:00Z"},
		{"15 2 * * *", "Asia/Kolkata", "2026-03-10T12:34:56Z", "2026-03-10T20:45:00Z"},
		{"0 4 * * 0", "UTC", "2026-03-10T12:34:56Z", "2026-03-15T04:00:00Z"},
		{"*/20 8-9 1 jan,jul *", "UTC", "2026-03-10T12:34:56Z", "2026-07-01T08:00:00Z"},
		{"0 0 29 2 *", "UTC", "2026-03-10T12:34:56Z", "2028-02-29T00:00:00Z"},
		{" @hourly\n", "UTC", "2026-03-10T12:34:56Z", "2026-03-10T13:00:00Z"},
		{"@daily", "Asia/Kolkata", "2026-03-10T12:34:56Z", "2026-03-10T18:30:00Z"},
		{"@weekly", "UTC", "2026-03-10T12:34:56Z", "2026-03-15T00:00:00Z"},
		{"@monthly", "UTC", "2026-03-10T12:34:56Z", "2026-04-01T00:00:00Z"},
		{"@every 90m", "UTC", "2026-03-10T12:34:56Z", "2026-03-10T14:04:56Z"},
		{"@every  1m", "UTC", "2026-03-10T12:34:56Z", "2026-03-10T12:35:56Z"},
		// Clocks go from 2:00 to 3:00: what does not exist is skipped.
		{"30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", "2026-03-30T00:30:00Z"},
		// And from 3:00 to 2:00: what comes twice is taken twice.
		{"30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", "2026-10-25T00:30:00Z"},
		{"30 2 * * *", "Europe/Berlin", "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"},
	} {
		t.Run(tc.text+" "+tc.from, func(t *testing.T) {
			s, err := ParseSchedule(tc.text, zone(t, tc.zone), tuesday)
			if err != nil {
				t.Fatal(err)
			}
			from, err := time.Parse(time.RFC3339, tc.from)
			if err != nil {
				t.Fatal(err)
			}
			if got := s.Next(from).Format(time.RFC3339); got != tc.want {
				t.Errorf("next after %s is %s, want %s", tc.from, got, tc.want)
			}
			if s.String() != strings.TrimSpace(tc.text) {
				t.Errorf("it is written %q", s)
			}
		})
	}
}

func TestScheduleRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"":                          "a schedule is empty: write five fields",
		" \t\n":                     "a schedule is empty",
		"TZ=UTC":                    "names a time zone: leave TZ=UTC out",
		"CRON_TZ=":                  "names a time zone: leave CRON_TZ= out",
		"TZ=UTC 0 4 * * *":          "leave TZ=UTC out, `timezone` is the one of every schedule",
		"CRON_TZ=Mars/A\t0 4 * * *": "leave CRON_TZ=Mars/A out",
		"0 15 2 * * *":              "has 6 fields, a schedule has five: minute, hour, day of the month, month, day of the week",
		"15 2 * *":                  "has 4 fields",
		"never":                     "has 1 fields",
		"0 0 30 2 *":                "never comes: no such date within five years",
		"0 0 31 4,6,9,11 *":         "never comes",
		"61 * * * *":                "end of range (61) above maximum (59)",
		"* * * * 7":                 "above maximum (6)",
		"*/0 * * * *":               "step of range should be a positive number",
		", * * * *":                 `"," has an empty place in its list`,
		"1,,2 * * * *":              "has an empty place in its list",
		"10-5 * * * *":              "beyond end of range",
		"x * * * *":                 "is no schedule",
		"@reboot":                   "known are @hourly, @daily, @midnight, @weekly, @monthly and",
		"@Daily":                    "is no schedule: known are",
		"@every":                    `write a duration behind @every, such as "@every 90m"`,
		"@every soon":               "write a duration behind @every",
		"@everyday":                 "write a duration behind @every",
		"@every -1h":                "is too often: a minute is the least",
		"@every 0s":                 "is too often",
		"@every 59s":                "is too often",
		"@every 99999999999h":       "write a duration",
	} {
		if s, err := ParseSchedule(text, time.UTC, tuesday); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, error %v; want %q", text, s, err, want)
		}
	}
}

func FuzzParseSchedule(f *testing.F) {
	for _, text := range []string{
		"15 2 * * *", "*/20 8-9 1 jan,jul mon-fri", "@every 90m", "@weekly", "TZ=UTC", "CRON_TZ=", "0 0 30 2 *", ",,,, , , , ,",
		"0 0 29 2 *", "@every -1h", "?/59 ? ? ? ?", "59 23 31 12 6", "1/18446744073709551615 * * * *", "0 0 1/9223372036854775807 * *",
	} {
		f.Add(text, "Europe/Berlin", int64(1773144000))
		f.Add(text, "Africa/Cairo", int64(1777000000)) // its clocks change at midnight
	}
	f.Fuzz(func(t *testing.T, text, name string, unix int64) {
		loc, err := time.LoadLocation(name)
		if err != nil || unix < 0 || unix > 4e9 {
			return
		}
		now := time.Unix(unix, 0).UTC()
		s, err := ParseSchedule(text, loc, now)
		if err != nil {
			return
		}
		for at, n := now, 0; n < 5; n++ {
			next := s.Next(at)
			if next.IsZero() {
				if n == 0 {
					t.Fatalf("%q was taken and never comes", text)
				}
				return
			}
			if !next.After(at) {
				t.Fatalf("%q: %s does not follow %s", text, next, at)
			}
			at = next
		}
	})
}
