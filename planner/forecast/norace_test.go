//go:build !race

package forecast

const Slow = false
