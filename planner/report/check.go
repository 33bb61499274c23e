package report

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tidemark/tidemark/internal/volume"
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
	Text   string // one line, performance data behind a bar; then, where several are not OK, a line for each
}

// finding is what is wrong with one volume or its inodes.
type finding struct {
	status Status
	text   string
}

// Check judges volumes as a Nagios plugin does. A volume is critical when it is full, stuck, missing, running away or likely
// full within the critical time; it never becomes better by being full already. One that is not known is UNKNOWN, and so is having
// no volume at all: a monitor that watches nothing must not be green.
func Check(outlooks []planner.Outlook, limits CheckLimits, now time.Time) CheckResult {
	if len(outlooks) == 0 {
		return CheckResult{Unknown, "TIDEMARK UNKNOWN - no volume matches\n"}
	}
	var found []finding
	var perf []string
	volumes, troubled := map[volume.ID]bool{}, map[volume.ID]bool{}
	for _, o := range outlooks {
		volumes[o.Volume] = true
		if status, why := judge(o, limits, now); status != OK {
			troubled[o.Volume] = true
			found = append(found, finding{status, fmt.Sprintf("%s: %s", plain(o), why)})
		}
		if share := o.UsedShare(); share >= 0 {
			label := strings.NewReplacer("'", "''", "=", "_").Replace(plain(o))
			perf = append(perf, fmt.Sprintf("'%s'=%.1f%%;;%.0f;0;100", label, share*100, o.FullLevel*100))
		}
	}
	slices.SortStableFunc(found, func(a, b finding) int { return b.status.severity() - a.status.severity() })
	var text strings.Builder
	worst := OK
	if len(found) == 0 {
		fmt.Fprintf(&text, "TIDEMARK OK - %s, none near full", countVolumes(len(volumes)))
	} else {
		worst = found[0].status
		fmt.Fprintf(&text, "TIDEMARK %s - %d of %s: %s", worst, len(troubled), countVolumes(len(volumes)), found[0].text)
	}
	if len(perf) > 0 {
		text.WriteString(" | " + strings.Join(perf, " "))
	}
	text.WriteByte('\n')
	if len(found) > 1 {
		for _, f := range found {
			fmt.Fprintf(&text, "%s %s\n", f.status, f.text)
		}
	}
	return CheckResult{worst, text.String()}
}

func countVolumes(n int) string {
	if n == 1 {
		return "1 volume"
	}
	return fmt.Sprintf("%d volumes", n)
}

// plain is a volume's name without the bar, which begins the performance data wherever it stands.
func plain(o planner.Outlook) string { return strings.ReplaceAll(name(o), "|", `\x7c`) }

// judge says what is wrong with one resource of a volume. What is wrong with the volume as a whole is told with its space.
func judge(o planner.Outlook, limits CheckLimits, now time.Time) (Status, string) {
	ttf := o.TimeToFull
	left := ttf.P50.Sub(now)
	likely := !ttf.P50.IsZero()
	whole := o.Resource == volume.Space
	switch {
	case whole && o.Sample.Stuck:
		return Critical, "does not answer (stuck)"
	case whole && o.Sample.Missing:
		return Critical, "is not mounted any more"
	case ttf.Reason == forecast.ReasonFull || o.UsedShare() >= o.FullLevel:
		return Critical, fmt.Sprintf("%s used, full at %s", usedPercent(o.UsedShare()), percent(o.FullLevel))
	case ttf.Reason == forecast.ReasonRunaway:
		return Critical, "is running away, likely full on " + date(ttf.P50, now)
	case likely && left <= limits.Critical:
		return Critical, "likely full on " + date(ttf.P50, now)
	case whole && ttf.Reason == forecast.ReasonStale:
		return Unknown, "no sample for more than three days"
	case whole && ttf.Reason == planner.ReasonUnread:
		return Unknown, "could not be read"
	case likely && left <= limits.Warning:
		return Warning, "likely full on " + date(ttf.P50, now)
	}
	return OK, ""
}
