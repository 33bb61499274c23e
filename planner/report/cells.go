package report

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/tidemark/tidemark/planner"
)

const barCells = 5

// bar draws a share of 0 to 1 with eighths of a cell.
func bar(share float64) string {
	if math.IsNaN(share) {
		return strings.Repeat("·", barCells)
	}
	eighths := int(math.Round(min(max(share, 0), 1) * barCells * 8))
	full := strings.Repeat("█", eighths/8)
	if rest := eighths % 8; rest > 0 {
		full += string([]rune("▏▎▍▌▋▊▉")[rest-1])
	}
	return full + strings.Repeat("·", barCells-len([]rune(full)))
}

const sparkCells = 10

// spark draws shares (0 to 1) over time, oldest first, scaled between the least and the most but never finer than five
// points of a hundred, so that an idle volume is a flat line. Each cell is the mean of its part; a gap is a blank.
func spark(shares []float64) string {
	low, high := math.Inf(1), math.Inf(-1)
	for _, s := range shares {
		if !math.IsNaN(s) {
			low, high = min(low, s), max(high, s)
		}
	}
	if len(shares) < 2 || math.IsInf(low, 0) {
		return ""
	}
	span := max(high-low, .05)
	n := min(sparkCells, len(shares))
	var out strings.Builder
	for c := range n {
		sum, known := 0., 0
		for _, s := range shares[c*len(shares)/n : (c+1)*len(shares)/n] {
			if !math.IsNaN(s) {
				sum += s
				known++
			}
		}
		if known == 0 {
			out.WriteByte(' ')
			continue
		}
		level := int(math.Round((sum/float64(known) - low) / span * 7))
		out.WriteRune([]rune("▁▂▃▄▅▆▇█")[min(max(level, 0), 7)])
	}
	return out.String()
}

// percent writes a probability or a level of 0 to 1 as a whole percentage that never rounds to certainty or impossibility.
func percent(share float64) string {
	if math.IsNaN(share) {
		return "-"
	}
	switch text := fmt.Sprintf("%.0f%%", share*100); {
	case text == "0%" && share > 0:
		return "<1%"
	case text == "100%" && share < 1:
		return ">99%"
	default:
		return text
	}
}

// usedPercent writes how full something is, rounded up as df does it. A CSV may hold any multiple of its capacity.
func usedPercent(share float64) string {
	switch p := math.Ceil(share*100 - 1e-9); {
	case math.IsNaN(share):
		return "-"
	case p > 999:
		return ">9x"
	default:
		return fmt.Sprintf("%.0f%%", max(p, 0))
	}
}

// amount writes a quantity of a unit in at most nine cells: bytes with a binary prefix, other units as numbers.
func amount(v float64, unit string) string {
	magnitude := math.Abs(v)
	switch {
	case math.IsNaN(v):
		return "-"
	case unit == planner.Bytes && magnitude < 1<<62:
		text := humanize.IBytes(uint64(magnitude))
		if v <= -1 {
			return "-" + text
		}
		return text
	case magnitude >= 1e15 || (v != 0 && magnitude < 1e-3):
		return fmt.Sprintf("%.2g", v)
	case magnitude < 1:
		return fmt.Sprintf("%.3g", v)
	default:
		value, prefix := humanize.ComputeSI(v)
		return fmt.Sprintf("%.4g%s", value, prefix)
	}
}

// date writes a UTC day; one within two days gets its hour, because "today" is no answer then.
func date(t, now time.Time) string {
	if t.Sub(now).Abs() < 48*time.Hour {
		return t.UTC().Format("01-02 15:04")
	}
	return t.UTC().Format(time.DateOnly)
}
