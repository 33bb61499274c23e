// Package selection chooses which files a run moves: it keeps the candidates of a scan, a few bytes each, takes them in the policy's order until the
// volume is as empty as it should be, and writes what was chosen as a plan. It says too when a policy is triggered. It changes nothing.
package selection

import (
	"time"

	"github.com/tidemark/tidemark/internal/fsys"
)

// Plan is what a run will do, file by file in this order. It is what a preview shows and what a run executes: nothing else.
// A plan is written as JSON lines: a header (this struct without Files), then one Item a line.
type Plan struct {
	Version      int       `json:"version"` // of the format: 1
	Policy       string    `json:"policy"`
	Fingerprint  string    `json:"fingerprint"` // of the policy as configured: a plan of another one is refused
	Host         string    `json:"host"`
	Volume       string    `json:"volume"`
	Archive      string    `json:"archive"`
	Made         time.Time `json:"made"`
	Triggered    bool      `json:"triggered"`
	Reason       string    `json:"reason"` // why it is triggered, or is not
	UsedBefore   float64   `json:"used_percent_before"`
	UsedAfter    float64   `json:"used_percent_after"`
	Needed       int64     `json:"bytes_needed"`   // to reach stop; 0 without one
	Eligible     int64     `json:"bytes_eligible"` // allocated, of all candidates whether selected or not
	EligibleN    int64     `json:"files_eligible"`
	Insufficient bool      `json:"insufficient"`
	Files        []Item    `json:"-"`
}

// Item is one file of a plan, with what it must still be when its turn comes.
type Item struct {
	Path      string    `json:"path"` // absolute; where it is not UTF-8, path_b64 in the JSON has the bytes
	Dev       uint64    `json:"dev"`
	Ino       uint64    `json:"ino"`
	Size      int64     `json:"size"`
	Allocated int64     `json:"allocated"` // bytes that its release frees
	Mtime     fsys.Time `json:"mtime"`
	Ctime     fsys.Time `json:"ctime"`
	// Archived says that an unchanged copy is in the archive already: only the release is left to do.
	Archived bool   `json:"archived,omitempty"`
	ObjectID int64  `json:"object_id,omitempty"` // of that copy
	Rank     int    `json:"rank"`                // from 1
	Reason   string `json:"reason"`
}
