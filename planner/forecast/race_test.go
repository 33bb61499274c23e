//go:build race

package forecast_test

// slow says that the race detector is on: it finds nothing in mathematics and takes ten times as long.
const slow = true
