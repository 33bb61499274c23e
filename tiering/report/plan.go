package report

import (
	"fmt"
	"io"
	"strconv"

	"github.com/tidemark/tidemark/tiering"
	"github.com/tidemark/tidemark/tiering/scan"
	"github.com/tidemark/tidemark/tiering/selection"
)

type planJSON struct {
	Policy       string  `json:"policy"`
	Volume       string  `json:"volume"`
	VolumeB64    string  `json:"volume_b64,omitempty"`
	Archive      string  `json:"archive"`
	Host         string  `json:"host"`
	Made         when    `json:"made"`
	Triggered    bool    `json:"triggered"`
	Reason       string  `json:"reason"`
	Files        int     `json:"files_selected"`
	Bytes        int64   `json:"bytes_selected"`
	Allocated    int64   `json:"bytes_freed"`
	FilesLike    int64   `json:"files_eligible"`
	BytesLike    int64   `json:"bytes_eligible"`
	Scanned      int64   `json:"files_scanned"`
	LeftAlone    int64   `json:"files_skipped"` // the rule takes them, but something else speaks against it
	Unreadable   int64   `json:"files_unreadable"`
	Needed       int64   `json:"bytes_needed"`
	UsedBefore   float64 `json:"used_percent_before"`
	UsedAfter    float64 `json:"used_percent_after"`
	Insufficient bool    `json:"insufficient"`
}

type itemJSON struct {
	Path      string `json:"path"`
	PathB64   string `json:"path_b64,omitempty"`
	Size      int64  `json:"size"`
	Allocated int64  `json:"allocated"`
	Rank      int    `json:"rank"`
	Archived  bool   `json:"archived"` // only its release is left to do
	Reason    string `json:"reason"`
}

// PlanJSON writes a plan with at most rows of its files (0: all).
func PlanJSON(w io.Writer, v *tiering.Preview, rows int) error {
	p := &v.Plan
	size, allocated := sums(p)
	l, err := newListJSON(w, planJSON{
		Policy: p.Policy, Volume: p.Volume, VolumeB64: b64(p.Volume), Archive: p.Archive, Host: p.Host, Made: when(p.Made),
		Triggered: p.Triggered, Reason: p.Reason, Files: len(p.Files), Bytes: size, Allocated: allocated, FilesLike: p.EligibleN,
		BytesLike: p.Eligible, Scanned: v.Scan.Files, LeftAlone: v.SkippedFiles, Unreadable: v.Scan.Errors, Needed: p.Needed, UsedBefore: p.UsedBefore, UsedAfter: p.UsedAfter, Insufficient: p.Insufficient,
	}, "files")
	if err != nil {
		return err
	}
	for _, it := range first(p.Files, rows) {
		if err := l.add(itemJSON{it.Path, b64(it.Path), it.Size, it.Allocated, it.Rank, it.Archived, it.Reason}); err != nil {
			return err
		}
	}
	return l.close()
}

// PlanCSV writes the files of a plan, at most rows (0: all).
func PlanCSV(w io.Writer, p *selection.Plan, rows int) error {
	c, err := newCSV(w, "policy", "rank", "path", "size", "allocated", "archived", "reason")
	if err != nil {
		return err
	}
	for _, it := range first(p.Files, rows) {
		record := []string{
			p.Policy, strconv.Itoa(it.Rank), it.Path, strconv.FormatInt(it.Size, 10), strconv.FormatInt(it.Allocated, 10),
			strconv.FormatBool(it.Archived), it.Reason,
		}
		if err := c.Write(record); err != nil {
			return err
		}
	}
	return closeCSV(c)
}

// Plan writes a plan for people, with at most rows of its files (0: all).
func Plan(w io.Writer, v *tiering.Preview, rows int) error {
	p := &v.Plan
	out := lines{w: w}
	for _, s := range PlanSentences(p) {
		out.printf("%s", s)
	}
	if len(p.Files) > 0 {
		out.printf("")
		out.printf("%9s  %s", "SIZE", "FILE")
	}
	for _, it := range first(p.Files, rows) {
		out.printf("%9s  %s  (%s)", Bytes(it.Size), printable(it.Path), printable(it.Reason))
	}
	if rows > 0 && len(p.Files) > rows {
		out.printf("%9s  and %s more (--limit-rows 0 shows all)", "", Count(int64(len(p.Files)-rows), "file"))
	}
	if len(p.Files)+len(v.Skipped) > 0 {
		out.printf("")
	}
	for i, s := range v.Skipped {
		if i == 0 {
			out.printf("%s that the rule takes would be left alone:", Count(v.SkippedFiles, "file"))
		}
		if i == shownTroubles {
			out.printf("  and %d more", v.SkippedFiles-shownTroubles)
			break
		}
		out.printf("  %s: %s", printable(s.Path), printable(s.Reason))
	}
	out.printf("%s scanned; idle goes by %s", Count(v.Scan.Files, "file"), trust(v.Scan.Trust))
	return out.err
}

// PlanSentences say what a plan comes to.
func PlanSentences(p *selection.Plan) []string {
	state := "triggered"
	if !p.Triggered {
		state = "not triggered"
	}
	size, allocated := sums(p)
	all := []string{
		fmt.Sprintf("%s: from %s to archive %s; %s: %s", p.Policy, printable(p.Volume), p.Archive, state, printable(p.Reason)),
	}
	if len(p.Files) == 0 {
		return append(all, fmt.Sprintf("no file would be moved; %s used; %s, %s, are eligible",
			percent(p.UsedBefore), Count(p.EligibleN, "file"), Bytes(p.Eligible)))
	}
	return append(all, fmt.Sprintf("%s, %s, would be moved and free %s: %s used would become %s",
		Count(int64(len(p.Files)), "file"), Bytes(size), Bytes(allocated), percent(p.UsedBefore), percent(p.UsedAfter)))
}

// Insufficient says by how much a plan misses its mark.
func Insufficient(p *selection.Plan) string {
	return fmt.Sprintf("policy insufficient: %s eligible, %s needed", Bytes(p.Eligible), Bytes(p.Needed))
}

// trust says by which time files are idle, and why.
func trust(t scan.Trust) string {
	by := "mtime"
	if t.Atime {
		by = "atime"
	}
	return by + ": " + printable(t.Reason)
}

func percent(p float64) string { return fmt.Sprintf("%.1f%%", p) }

func sums(p *selection.Plan) (size, allocated int64) {
	for i := range p.Files {
		size += p.Files[i].Size
		allocated += p.Files[i].Allocated
	}
	return size, allocated
}

func first(items []selection.Item, rows int) []selection.Item {
	if rows > 0 && len(items) > rows {
		return items[:rows]
	}
	return items
}

// PlanLine says in one line what a policy would do.
func PlanLine(p *selection.Plan) string {
	size, _ := sums(p)
	switch {
	case !p.Triggered:
		return fmt.Sprintf("policy %s would wait: %s (%s, %s, are eligible)", p.Policy, printable(p.Reason), Count(p.EligibleN, "file"), Bytes(p.Eligible))
	case len(p.Files) == 0:
		return fmt.Sprintf("policy %s would move nothing: no file of %s is eligible", p.Policy, printable(p.Volume))
	}
	return fmt.Sprintf("policy %s would move %s, %s, from %s to archive %s: %s used would become %s", p.Policy, Count(int64(len(p.Files)), "file"),
		Bytes(size), printable(p.Volume), p.Archive, percent(p.UsedBefore), percent(p.UsedAfter))
}
