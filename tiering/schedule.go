package tiering

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

// Schedule says when a job runs.
type Schedule struct {
	text string
	zone *time.Location
	cron cron.Schedule
}

// shorthands are the descriptors that stand for five fields.
var shorthands = []string{"@hourly", "@daily", "@midnight", "@weekly", "@monthly"}

// ParseSchedule reads five cron fields (minute, hour, day of the month, month, day of the week), a shorthand such as @daily, or
// "@every 90m", which counts from when the schedule is first asked. The times are loc's: where clocks are changed, a time that
// does not exist is skipped and one that comes twice is taken twice. A schedule that never comes after now is an error.
//
// It refuses before the library sees them: time zones (without a space behind them the library panics), six fields, and what
// would run more often than once a minute.
func ParseSchedule(text string, loc *time.Location, now time.Time) (Schedule, error) {
	trimmed := strings.TrimSpace(text)
	var parsed cron.Schedule
	var err error
	switch {
	case trimmed == "":
		err = errors.New("a schedule is empty: write five fields such as \"15 2 * * *\", or @daily")
	case strings.Contains(trimmed, "="):
		err = fmt.Errorf("%q names a time zone: leave %s out, `timezone` is the one of every schedule", text, strings.Fields(trimmed)[0])
	case strings.HasPrefix(trimmed, "@every"):
		parsed, err = parseEvery(trimmed)
	case strings.HasPrefix(trimmed, "@"):
		if !slices.Contains(shorthands, trimmed) {
			return Schedule{}, fmt.Errorf("%q is no schedule: known are %s and \"@every 90m\"", text, strings.Join(shorthands, ", "))
		}
		parsed, err = cron.ParseStandard(trimmed)
	default:
		parsed, err = parseFields(trimmed)
	}
	if err != nil {
		return Schedule{}, err
	}
	s := Schedule{trimmed, loc, parsed}
	if s.Next(now).IsZero() {
		return Schedule{}, fmt.Errorf("%q never comes: no such date within five years", text)
	}
	return s, nil
}

func parseEvery(text string) (cron.Schedule, error) {
	interval, ok := strings.CutPrefix(text, "@every ")
	d, err := time.ParseDuration(strings.TrimSpace(interval))
	switch {
	case !ok || err != nil:
		return nil, fmt.Errorf("%q is no schedule: write a duration behind @every, such as \"@every 90m\"", text)
	case d < time.Minute:
		return nil, fmt.Errorf("%q is too often: a minute is the least", text)
	}
	return cron.Every(d), nil
}

func parseFields(text string) (cron.Schedule, error) {
	fields := strings.Fields(text)
	if len(fields) != 5 {
		return nil, fmt.Errorf("%q has %d fields, a schedule has five: minute, hour, day of the month, month, day of the week", text, len(fields))
	}
	for _, field := range fields {
		if slices.Contains(strings.Split(field, ","), "") { // the library takes it for "never"
			return nil, fmt.Errorf("%q is no schedule: %q has an empty place in its list", text, field)
		}
	}
	parsed, err := cron.ParseStandard(text)
	if err != nil {
		return nil, fmt.Errorf("%q is no schedule: %w", text, err)
	}
	return parsed, nil
}

// Next is the first time after t, in t's location; zero when there is none within five years.
func (s Schedule) Next(t time.Time) time.Time {
	next := s.cron.Next(t.In(s.zone))
	if next.IsZero() {
		return next
	}
	return next.In(t.Location())
}

// String is the schedule as it was written.
func (s Schedule) String() string { return s.text }
