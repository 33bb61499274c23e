package scan

import "time"

// Buckets are the names of the ages of data, from the youngest; "future" is idle since a time that has not come.
var Buckets = [...]string{"1d", "7d", "30d", "90d", "180d", "1y", "2y", "5y", "older", "future"}

const (
	older  = 8
	future = 9
)

// limits are the buckets' greatest ages in seconds; a year has 365 days.
var limits = [older]int64{day, 7 * day, 30 * day, 90 * day, 180 * day, 365 * day, 730 * day, 1825 * day}

const day = int64(24 * time.Hour / time.Second)

// Ages say how much data is how cold, by Buckets.
type Ages [len(Buckets)]struct{ Files, Bytes int64 }

func (a *Ages) count(idle, bytes int64) {
	b := &a[bucket(idle)]
	b.Files++
	b.Bytes += bytes
}

func (a *Ages) add(o *Ages) {
	for i := range a {
		a[i].Files += o[i].Files
		a[i].Bytes += o[i].Bytes
	}
}

// bucket of an age in seconds.
func bucket(idle int64) int {
	if idle < 0 {
		return future
	}
	for i, limit := range limits {
		if idle <= limit {
			return i
		}
	}
	return older
}
