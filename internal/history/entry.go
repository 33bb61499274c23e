// Package history is a host's embedded past: the samples of its volumes, the days they make, and the outbox of lines
// that still have to reach InfluxDB, in one SQLite file.
package history

import "time"

// Entry is one line of the outbox.
type Entry struct {
	Seq  int64  // rises with every line, never used twice
	Line string // line protocol, times in seconds
}

// OutboxStats says how the outbox stands. Counters run since the file was made.
type OutboxStats struct {
	Depth       int64     // lines waiting
	Bytes       int64     // their size
	Oldest      time.Time // when the oldest of them was written; zero when none waits
	Dropped     int64     // lines given up because the outbox reached its cap
	Expired     int64     // lines that the server refused as older than its retention
	Quarantined int64     // lines that the server will never take, kept aside with its reason
}
