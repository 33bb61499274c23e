package report

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tidemark/tidemark/planner"
	"github.com/tidemark/tidemark/planner/forecast"
)

// Status is a Nagios plugin's exit code.
type Status int

// The codes of the Nagios plugin interface.
const (
	OK       Status = 0
	Warning  Status = 1
	Critical Status = 2
	Unknown  Status = 3
)

func (s Status) String() string { return [...]string{"OK", "WARNING", "CRITICAL", "UNKNOWN"}[s] }

// severity orders states: what is not known is worse than a warning and less bad than critical.
func (s Status) severity() int { return [...]int{0, 1, 3, 2}[s] }

// CheckLimits say how near a likely date may come.
type CheckLimits struct{ Warning, Critical time.Duration }

// CheckResult is a plugin's answer.
type CheckResult struct {
	Status Status
	Text   string // one line, performance data behind a bar, then a line for each volume that is not OK
}

// Check judges volumes as a Nagios plugin does. A volume is critical when it is full, stuck, missing or likely full within the
// critical time; it never becomes better by being full already.
func Check(outlooks []planner.Outlook, limits CheckLimits, now time.Time) CheckResult {
	if len(outlooks) == 0 {
		return CheckResult{Unknown, "TIDEMARK UNKNOWN - no volume matches\n"}
	}
	worst := OK
	var details, perf []string
	for _, o := range outlooks {
		status, why := judge(o, limits, now)
		if status.severity() > worst.severity() {
			worst = status
		}
		if status != OK {
			details = append(details, fmt.Sprintf("%s %s: %s", status, name(o), why))
		}
		if share := o.UsedShare(); share >= 0 {
			perf = append(perf, fmt.Sprintf("'%s'=%.1f%%;;%.0f;0;100", strings.NewReplacer("'", "''", "=", "_").Replace(name(o)), share*100, o.FullLevel*100))
		}
	}
	slices.SortStableFunc(details, func(a, b string) int { return strings.Compare(firstWord(a), firstWord(b)) })
	head := fmt.Sprintf("TIDEMARK %s - %d volumes and inode tables, none near full", worst, len(outlooks))
	if len(details) > 0 {
		head = fmt.Sprintf("TIDEMARK %s - %d of %d: %s", worst, len(details), len(outlooks), details[0])
	}
	text := head
	if len(perf) > 0 {
		text += " | " + strings.Join(perf, " ")
	}
	text += "\n"
	if len(details) > 1 {
		text += strings.Join(details, "\n") + "\n"
	}
	return CheckResult{worst, text}
}

func firstWord(s string) string { w, _, _ := strings.Cut(s, " "); return w }

func judge(o planner.Outlook, limits CheckLimits, now time.Time) (Status, string) {
	ttf := o.TimeToFull
	likely := !ttf.P50.IsZero()
	switch {
	case o.Sample.Stuck:
		return Critical, "does not answer (stuck)"
	case o.Sample.Missing:
		return Critical, "is not mounted any more"
	case o.UsedShare() >= o.FullLevel || ttf.Reason == "full":
		return Critical, fmt.Sprintf("%s used, full at %s", usedPercent(o.UsedShare()), percent(o.FullLevel))
	case likely && ttf.P50.Sub(now) <= limits.Critical:
		return Critical, "likely full on " + date(ttf.P50, now)
	case ttf.Reason == forecast.Reason("stale"):
		return Unknown, "no sample for more than three days"
	case ttf.Reason == planner.ReasonUnread:
		return Unknown, "could not be read"
	case likely && ttf.P50.Sub(now) <= limits.Warning:
		return Warning, "likely full on " + date(ttf.P50, now)
	}
	return OK, ""
}
