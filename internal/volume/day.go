package volume

import (
	"slices"
	"time"
)

// Day is what the readings of one UTC day make: the largest use, the least free and the largest total, of bytes and of
// inodes. It does not depend on the order of the readings, so every store arrives at the same days.
type Day struct {
	Start time.Time // 00:00 UTC
	Usage
}

// Add takes one more reading of the day into account.
func (d *Day) Add(u Usage) {
	d.Total = max(d.Total, u.Total)
	d.Used = max(d.Used, u.Used)
	d.Free = min(d.Free, u.Free)
	d.InodesTotal = max(d.InodesTotal, u.InodesTotal)
	d.InodesUsed = max(d.InodesUsed, u.InodesUsed)
	d.InodesFree = min(d.InodesFree, u.InodesFree)
}

// StartOfDay is 00:00 UTC of t's day.
func StartOfDay(t time.Time) time.Time { return t.UTC().Truncate(24 * time.Hour) }

// Days gathers readings, in any order, into the days that are finished at now, in time order. Days without a reading are
// left out.
func Days(readings []Reading, now time.Time) []Day {
	unfinished := StartOfDay(now)
	byStart := map[time.Time]*Day{}
	for _, r := range readings {
		start := StartOfDay(r.Time)
		if !start.Before(unfinished) {
			continue
		}
		if d, ok := byStart[start]; ok {
			d.Add(r.Usage)
		} else {
			byStart[start] = &Day{Start: start, Usage: r.Usage}
		}
	}
	days := make([]Day, 0, len(byStart))
	for _, d := range byStart {
		days = append(days, *d)
	}
	slices.SortFunc(days, func(a, b Day) int { return a.Start.Compare(b.Start) })
	return days
}

// DaySeries is one volume's past by days, in time order.
type DaySeries struct {
	ID
	Days []Day
}

// Usable returns what can be used of a volume after each usage, in time order: used + free while free > 0, else the last
// such value (on ext4 root may write into the reserve, and a pool's size moves with its neighbours, so a full volume's
// used + free says nothing of its size). Leading entries without any free space count used + free as they are.
func Usable(usages []Usage) []int64 {
	return usable(usages, func(u Usage) (int64, int64) { return u.Used, u.Free })
}

// UsableInodes is Usable for inodes.
func UsableInodes(usages []Usage) []int64 {
	return usable(usages, func(u Usage) (int64, int64) { return u.InodesUsed, u.InodesFree })
}

func usable(usages []Usage, of func(Usage) (used, free int64)) []int64 {
	capacity := make([]int64, len(usages))
	var last int64
	for i, u := range usages {
		used, free := of(u)
		if free > 0 {
			last = used + free
		}
		capacity[i] = last
		if last == 0 {
			capacity[i] = used + free
		}
	}
	return capacity
}
