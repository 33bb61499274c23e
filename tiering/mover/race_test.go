//go:build race

package mover_test

// slow says that the race detector is on: SQLite takes ten times as long under it.
const slow = true
