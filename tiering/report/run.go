package report

import (
	"fmt"
	"io"

	"github.com/tidemark/tidemark/tiering"
	"github.com/tidemark/tidemark/tiering/mover"
)

type failedJSON struct {
	Path    string `json:"path"`
	PathB64 string `json:"path_b64,omitempty"`
	Error   string `json:"error"`
}

type skippedJSON struct {
	Path    string `json:"path"`
	PathB64 string `json:"path_b64,omitempty"`
	Reason  string `json:"reason"`
}

func failed(all []tiering.Trouble) []failedJSON {
	list := make([]failedJSON, len(all))
	for i, t := range all {
		list[i] = failedJSON{t.Path, b64(t.Path), t.Reason}
	}
	return list
}

func skipped(all []tiering.Trouble) []skippedJSON {
	list := make([]skippedJSON, len(all))
	for i, t := range all {
		list[i] = skippedJSON{t.Path, b64(t.Path), t.Reason}
	}
	return list
}

// RunJSON writes what came of a run.
func RunJSON(w io.Writer, r tiering.Report) error {
	return writeJSON(w, struct {
		Run           int64         `json:"run"` // 0: there was none
		Policy        string        `json:"policy"`
		Triggered     bool          `json:"triggered"`
		Reason        string        `json:"reason"`
		FilesArchived int64         `json:"files_archived"`
		BytesArchived int64         `json:"bytes_archived"`
		FilesReleased int64         `json:"files_released"`
		BytesReleased int64         `json:"bytes_released"`
		UsedBefore    float64       `json:"used_percent_before"`
		UsedAfter     float64       `json:"used_percent_after"`
		Eligible      int64         `json:"bytes_eligible"`
		Needed        int64         `json:"bytes_needed"`
		Insufficient  bool          `json:"insufficient"`
		Failed        []failedJSON  `json:"failed"`
		Skipped       []skippedJSON `json:"skipped"`
	}{
		r.Run, r.Policy, r.Triggered, r.Reason, r.FilesArchived, r.BytesArchived, r.FilesReleased, r.BytesReleased, r.Plan.UsedBefore,
		r.UsedAfter, r.Plan.Eligible, r.Plan.Needed, r.Insufficient, failed(r.Failed), skipped(r.Skipped),
	})
}

// RunCSV writes the files of a run that were not moved; what it came to has no rows.
func RunCSV(w io.Writer, r tiering.Report) error {
	c, err := newCSV(w, "policy", "run", "path", "outcome", "reason")
	if err != nil {
		return err
	}
	run := fmt.Sprint(r.Run)
	for _, kind := range []struct {
		outcome string
		all     []tiering.Trouble
	}{{"failed", r.Failed}, {"skipped", r.Skipped}} {
		for _, t := range kind.all {
			if err := c.Write([]string{r.Policy, run, t.Path, kind.outcome, t.Reason}); err != nil {
				return err
			}
		}
	}
	return closeCSV(c)
}

// shownTroubles is how many files of a kind people are shown.
const shownTroubles = 20

// Run writes what came of a run for people.
func Run(w io.Writer, r tiering.Report) error {
	out := lines{w: w}
	if r.Run == 0 {
		out.printf("%s: nothing was moved: %s", r.Policy, printable(r.Reason))
		return out.err
	}
	out.printf("%s: %s archived (%s), %s released (%s freed); %s used became %s", r.Policy, Count(r.FilesArchived, "file"), Bytes(r.BytesArchived),
		Count(r.FilesReleased, "file"), Bytes(r.BytesReleased), percent(r.Plan.UsedBefore), percent(r.UsedAfter))
	if r.Kept {
		out.printf("the filesystem's free space grew by much less: snapshots, or something else, keep what was released")
	}
	out.troubles("failed", r.Failed)
	out.troubles("skipped", r.Skipped)
	return out.err
}

func (l *lines) troubles(what string, all []tiering.Trouble) {
	if len(all) == 0 {
		return
	}
	l.printf("%s %s:", Count(int64(len(all)), "file"), what)
	for i, t := range all {
		if i == shownTroubles {
			l.printf("  and %d more (--format json lists all)", len(all)-i)
			return
		}
		l.printf("  %s: %s", printable(t.Path), printable(t.Reason))
	}
}

// RecallJSON writes what came of a recall.
func RecallJSON(w io.Writer, r tiering.RecallReport) error {
	return writeJSON(w, struct {
		Files   int64         `json:"files"`
		Bytes   int64         `json:"bytes"`
		Failed  []failedJSON  `json:"failed"`
		Skipped []skippedJSON `json:"skipped"`
	}{r.Files, r.Bytes, failed(r.Failed), skipped(r.Skipped)})
}

// Recall writes what came of a recall for people.
func Recall(w io.Writer, r tiering.RecallReport) error {
	out := lines{w: w}
	out.printf("%s recalled, %s", Count(r.Files, "file"), Bytes(r.Bytes))
	out.troubles("failed", r.Failed)
	out.troubles("skipped", r.Skipped)
	return out.err
}

// VerifyJSON writes what was found in archives, all of them together.
func VerifyJSON(w io.Writer, all []tiering.VerifyReport) error {
	sum := Verified(all)
	return writeJSON(w, struct {
		Checked int64        `json:"checked"`
		Bytes   int64        `json:"bytes"`
		Bad     []failedJSON `json:"bad"`
		Mended  []failedJSON `json:"mended"`
	}{sum.Checked, sum.Bytes, failed(sum.Bad), failed(sum.Mended)})
}

// Verified is several reports as one.
func Verified(all []tiering.VerifyReport) tiering.VerifyReport {
	var sum tiering.VerifyReport
	for _, r := range all {
		sum.Checked += r.Checked
		sum.Bytes += r.Bytes
		sum.Bad = append(sum.Bad, r.Bad...)
		sum.Mended = append(sum.Mended, r.Mended...)
	}
	return sum
}

// Verify writes what was found in an archive for people.
func Verify(w io.Writer, r tiering.VerifyReport) error {
	out := lines{w: w}
	verdict := "all are as they were written"
	if len(r.Bad)+len(r.Mended) > 0 {
		verdict = fmt.Sprintf("%d bad, %d of them mended from the copy at home", len(r.Bad)+len(r.Mended), len(r.Mended))
	}
	out.printf("%s: %s read back, %s: %s", r.Archive, Count(r.Checked, "object"), Bytes(r.Bytes), verdict)
	out.found("bad", r.Bad)
	out.found("mended", r.Mended)
	return out.err
}

// found names every object: they are few, and each matters.
func (l *lines) found(what string, all []tiering.Trouble) {
	for _, t := range all {
		l.printf("  %s: %s: %s", what, printable(t.Path), printable(t.Reason))
	}
}

// Rebuild writes what a rebuild found.
func Rebuild(w io.Writer, r tiering.RebuildReport) error {
	out := lines{w: w}
	out.printf("%s: the catalog has %s again (%d released) and %s", r.Archive, Count(r.Objects, "object"), r.Released, Count(r.Holds, "hold"))
	for _, p := range r.Problems {
		out.printf("  not placed: %s", printable(p.String()))
	}
	return out.err
}

// Recovered writes what recovery did with each interrupted operation.
func Recovered(w io.Writer, all []mover.Recovered) error {
	out := lines{w: w}
	for _, r := range all {
		what := fmt.Sprintf("%s of %s", r.Operation.Kind, printable(r.Operation.Path))
		if r.Err != nil {
			out.printf("%s: still pending: %s", what, printable(r.Err.Error()))
			continue
		}
		out.printf("%s: %s", what, printable(r.Outcome))
	}
	return out.err
}
