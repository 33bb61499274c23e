package config

import (
	"fmt"
	"math/big"
	"regexp"
	"strconv"
	"time"
)

// units are what a size may be written in, largest first within each kind.
var units = []struct {
	name  string
	bytes int64
}{
	{"PiB", 1 << 50},
	{"TiB", 1 << 40},
	{"GiB", 1 << 30},
	{"MiB", 1 << 20},
	{"KiB", 1 << 10},
	{"PB", 1e15},
	{"TB", 1e12},
	{"GB", 1e9},
	{"MB", 1e6},
	{"kB", 1e3},
	{"B", 1},
	{"", 1},
}

var sizeForm = regexp.MustCompile(`^([0-9]{1,19}(?:\.[0-9]{1,9})?)(?: ?([A-Za-z]+))?$`)

// ParseSize reads a number of bytes: "2TiB", "1.5 GB" or "1048576". It is rounded down to whole bytes.
func ParseSize(s string) (int64, error) {
	bad := fmt.Errorf("%q is no size: write one such as 2TiB, 500GB or 1048576", s)
	m := sizeForm.FindStringSubmatch(s)
	if m == nil {
		return 0, bad
	}
	number, ok := new(big.Rat).SetString(m[1])
	if !ok {
		return 0, bad
	}
	for _, u := range units {
		if u.name != m[2] {
			continue
		}
		number.Mul(number, new(big.Rat).SetInt64(u.bytes))
		whole := new(big.Int).Quo(number.Num(), number.Denom())
		if !whole.IsInt64() {
			return 0, fmt.Errorf("%q is too large", s)
		}
		return whole.Int64(), nil
	}
	return 0, bad
}

// sizeText writes a size in the largest unit that gives it exactly.
func sizeText(n int64) string {
	best, unit := n, ""
	for _, u := range units {
		if n%u.bytes == 0 && n/u.bytes < best && n > 0 {
			best, unit = n/u.bytes, u.name
		}
	}
	return strconv.FormatInt(best, 10) + unit
}

var windowForm = regexp.MustCompile(`^([0-9]{2}):([0-9]{2})-([0-9]{2}):([0-9]{2})$`)

// ParseWindow reads "22:00-06:00". It may cross midnight; 24:00 is midnight at its end.
func ParseWindow(s string) (Window, error) {
	bad := fmt.Errorf("%q is no window: write its times of day such as 22:00-06:00", s)
	m := windowForm.FindStringSubmatch(s)
	if m == nil {
		return Window{}, bad
	}
	at := func(hour, minute string) time.Duration {
		h, _ := strconv.Atoi(hour) // two digits, or the form would not match
		m, _ := strconv.Atoi(minute)
		if m > 59 {
			return 2 * day
		}
		return time.Duration(h)*time.Hour + time.Duration(m)*time.Minute
	}
	w := Window{From: at(m[1], m[2]), To: at(m[3], m[4])}
	if w.From >= day || w.To > day {
		return Window{}, bad
	}
	if w.To == day {
		w.To = 0
	}
	if w.From == w.To {
		return Window{}, fmt.Errorf("%q opens and closes at the same time: leave it out to be always open", s)
	}
	return w, nil
}
