//go:build !race

package mover_test

const slow = false
