package volume

import "time"

// Published is an outlook of one resource of a volume as it was published: a row of a ledger, which is never changed and is scored
// when its time has come. What was not known, or withheld, is NaN.
type Published struct {
	Made      time.Time // whole seconds, UTC, as is Origin
	Origin    time.Time // the newest reading that it knew
	Used      float64   // then, in bytes or inodes
	Capacity  float64   // then
	FullLevel float64   // the share of the capacity that counted as full
	// P10Days, P50Days and P90Days are the early, the likely and the late date, in days after Origin.
	P10Days, P50Days, P90Days                  float64
	Probability7, Probability30, Probability90 float64 // of being full within so many days of Origin
	Reason                                     string  // why there was no date; empty otherwise
	Ahead                                      [len(PublishedDays)]Predicted
}

// PublishedDays are the distances at which an outlook says how much will be used.
var PublishedDays = [...]int{7, 30, 90}

// Predicted is the use that was forecast for the day that begins so many days (PublishedDays) after the beginning of Origin's day.
type Predicted struct{ Forecast, Lower, Upper float64 }

// PublishedSeries is what was published of one resource of a volume, in the order of time.
type PublishedSeries struct {
	ID
	Resource Resource
	Outlooks []Published
}
