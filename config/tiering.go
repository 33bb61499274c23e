package config

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// Archive is a named directory on an archive volume.
type Archive struct {
	Name    string
	Path    string  // absolute and clean
	MinFree float64 // the share of the archive volume that stays free, within [0, 1)
}

// Policy says which files of a volume go to which archive, and when.
type Policy struct {
	Name         string
	Volume       string        // a mount point or a directory on one; absolute and clean
	Archive      string        // the Name of one of the archives
	Schedule     Text          // cron, in Config.Timezone; empty: never by itself
	Where        Text          // an expression over a file; never empty
	Exclude      []string      // globs over absolute paths; ** crosses directories
	Start        Start         // what triggers a run
	Stop         Stop          // when a run has done enough
	Order        string        // coldest, largest or oldest
	Leave        string        // what a release leaves in a file's place: link or nothing
	KeepRecalled time.Duration // how long a recalled file is left alone; may be 0
	Limit        Limit
	// Enforce lets the policy move files. Without it the policy only previews.
	Enforce bool
	// ExportedLinks allows links on volumes that are exported by NFS or SMB, where they dangle at the clients.
	ExportedLinks bool
}

// Start says what triggers a run: either is enough, and with neither every scheduled run is triggered.
type Start struct {
	Above      float64       // share of usable space, within (0, 1]; 0: not set
	FullWithin time.Duration // the volume's outlook is to be full that soon; 0: not set
}

// Stop says when a run has freed enough.
type Stop struct {
	Below float64 // share of usable space, within (0, 1]; 0: not set, all that is eligible goes
}

// Limit bounds one run. A zero value is no limit.
type Limit struct {
	Bytes     int64
	Files     int64
	Bandwidth int64 // bytes a second
	Window    Window
}

// Window is when work may be done, as times of day since midnight in Config.Timezone. It crosses midnight where To is not
// after From. The zero value is always open.
type Window struct{ From, To time.Duration }

// String is such as 22:00-06:00, or empty where the window is always open.
func (w Window) String() string {
	if w.From == w.To {
		return ""
	}
	return clock(w.From) + "-" + clock(w.To)
}

func clock(d time.Duration) string {
	return fmt.Sprintf("%02d:%02d", int(d.Hours()), int(d.Minutes())%60)
}

// Hold keeps files from being moved, released or deleted.
type Hold struct {
	Case  string
	Paths []string // globs over absolute paths; ** crosses directories
}

// Tiering is what holds for the tiering daemon as a whole.
type Tiering struct {
	Verify Verify
	// PauseAbove is the share of time in which something on the host waits for a disk above which tierd pauses; 0: it never does.
	PauseAbove float64
}

// Verify says how often objects are read back from the archives, the longest unread first, and how much at a time.
type Verify struct {
	Schedule Text          // cron, in Config.Timezone; empty: never by itself
	Time     time.Duration // how long one run reads
	Bytes    int64         // how much one run reads, over all archives; 0: no limit
}

// Text is a text that another package compiles, with its place so that what is wrong with it can be blamed there.
type Text struct {
	Value        string
	Field        string // such as policies[0].where
	Line, Column int    // where Value begins; 0: it stands in no file
	columns      []int  // where each line of Value begins; none: it stands there in another spelling
}

// Problem blames the character at offset, counted from 0, or the whole text where offset is negative or its place is not
// known: the text is folded or has escapes.
func (t Text) Problem(offset int, format string, args ...any) Problem {
	p := Problem{Line: t.Line, Column: t.Column, Field: t.Field, Message: fmt.Sprintf(format, args...)}
	lines := strings.SplitAfter(t.Value, "\n")
	if offset < 0 || len(lines) != len(t.columns) {
		return p
	}
	for i, line := range lines {
		n := utf8.RuneCountInString(line)
		if offset < n || i == len(lines)-1 {
			p.Line, p.Column = t.Line+i, t.columns[i]+min(offset, n)
			break
		}
		offset -= n
	}
	return p
}

// Check looks for further problems of a configuration: those of texts that this package does not compile. It is called with
// whatever could be read, also of a file that has other problems; texts may then be empty. A problem without a line stands where
// its field does.
type Check func(*Config) []Problem
