//go:build race

package forecast

// Slow says that the race detector is on: it finds nothing in mathematics and takes ten times as long.
const Slow = true
