package tiering

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// pressureFile is where the kernel says how much of the time tasks wait for disks (PSI).
const pressureFile = "/proc/pressure/io"

// ReadPressure is the share of the last ten seconds, in percent, in which at least one task of the host waited for a disk. It is
// 0 where the kernel does not say: built without PSI, started with psi=0, or no Linux.
func ReadPressure() (float64, error) { return readPressure(pressureFile) }

func readPressure(file string) (float64, error) {
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.EOPNOTSUPP) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read the pressure on disks: %w", err)
	}
	avg10, err := parsePressure(string(text))
	if err != nil {
		return 0, fmt.Errorf("read %s: %w", file, err)
	}
	return avg10, nil
}

// parsePressure reads avg10 of the line "some avg10=1.23 avg60=0.50 avg300=0.10 total=12345".
func parsePressure(text string) (float64, error) {
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) < 2 || fields[0] != "some" {
			continue
		}
		for _, f := range fields[1:] {
			value, ok := strings.CutPrefix(f, "avg10=")
			if !ok {
				continue
			}
			v, err := strconv.ParseFloat(value, 64)
			if err != nil || !(v >= 0 && v <= 100) {
				return 0, fmt.Errorf("%q is no share in percent", f)
			}
			return v, nil
		}
	}
	return 0, errors.New("it has no avg10 of some")
}
