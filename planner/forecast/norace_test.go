//go:build !race

package forecast_test

const slow = false
