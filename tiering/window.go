package tiering

import (
	"fmt"
	"time"
)

// Window is when work may be done: from From until To, times of day by the clocks of Location. It crosses midnight where To is
// not after From. The zero value is always open. Where clocks are changed it opens and closes by what they show: a window
// within the hour that is left out does not open that day, one within the hour that comes twice opens twice.
type Window struct {
	From, To time.Duration // since midnight, whole minutes; equal: always open
	Location *time.Location
}

// Open says whether work may be done at t.
func (w Window) Open(t time.Time) bool {
	if w.From == w.To {
		return true
	}
	local := t.In(w.Location)
	clock := time.Duration(local.Hour())*time.Hour + time.Duration(local.Minute())*time.Minute
	if w.From < w.To {
		return w.From <= clock && clock < w.To
	}
	return clock >= w.From || clock < w.To
}

// Opens is t where the window is open, else when it opens next.
func (w Window) Opens(t time.Time) time.Time { return w.next(t, true) }

// Closes is when the window that is open at t closes: t where it is closed, zero where it never is.
func (w Window) Closes(t time.Time) time.Time {
	if w.From == w.To {
		return time.Time{}
	}
	return w.next(t, false)
}

// next looks at every minute, because only the clocks themselves know what they show.
func (w Window) next(t time.Time, open bool) time.Time {
	if w.Open(t) == open {
		return t
	}
	const days = 4 // a day may lack the window, and a zone has left out a whole day
	for at, last := t.Truncate(time.Minute), t.AddDate(0, 0, days); at.Before(last); {
		at = at.Add(time.Minute)
		if w.Open(at) == open {
			return at
		}
	}
	return t.AddDate(0, 0, days)
}

// String is such as "22:00-06:00 Europe/Berlin".
func (w Window) String() string {
	if w.From == w.To {
		return "always"
	}
	clock := func(d time.Duration) string { return fmt.Sprintf("%02d:%02d", int(d.Hours()), int(d.Minutes())%60) }
	return fmt.Sprintf("%s-%s %s", clock(w.From), clock(w.To), w.Location)
}
