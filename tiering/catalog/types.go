package catalog

import (
	"time"

	"github.com/tidemark/tidemark/internal/fsys"
)

// State is where the data of a file is.
type State string

const (
	Archived   State = "archived"   // at home and in the archive
	Released   State = "released"   // in the archive only
	Superseded State = "superseded" // an older version: the file changed at home and was archived again
	Disposed   State = "disposed"   // the object is gone: it was bad and was replaced
)

// Leave is what a release leaves in a file's place.
type Leave string

const (
	LeaveLink    Leave = "link"
	LeaveNothing Leave = "nothing"
)

// Object is one version of a file in an archive. (Archive, Host, Path, Version) is unique, and so is (Archive, Object).
type Object struct {
	ID         int64
	Archive    string // its configured name
	Host       string
	Path       string // absolute, at home; any bytes
	Version    int    // from 1
	Object     string // relative to the archive's directory: data/HOST/PATH or versions/N/HOST/PATH
	State      State
	Leave      Leave // of the last release
	Size       int64 // bytes
	Allocated  int64 // bytes on the hot volume when it was archived
	Digest     string
	Attributes fsys.Attributes // the true ones, at home
	Policy     string
	Run        int64
	ArchivedAt time.Time
	ReleasedAt time.Time // zero: never
	RecalledAt time.Time // zero: never
	CheckedAt  time.Time // when its bytes were last read and found right
	Bad        string    // why it is bad; empty: not known to be

	// The copy at home that this object equals, as it was when it was archived or recalled: unchanged while all four are.
	Dev, Ino uint64
	Mtime    fsys.Time
	Ctime    fsys.Time
}

// Kind is what an operation does.
type Kind string

const (
	Archive Kind = "archive"
	Release Kind = "release"
	Recall  Kind = "recall"
	Mend    Kind = "mend" // a bad object is replaced from the hot copy
)

// Phase is how far an operation has come. Each is durable before the step that it announces.
type Phase string

const (
	// Intent: only staging, or the prepared link, may exist.
	Intent Phase = "intent"
	// Publishing (archive, mend): the copy in staging is complete, verified and durable; the object may have its name already.
	Publishing Phase = "publishing"
	// Exchanging (recall): the copy in staging is complete, verified and durable; it may have its name already.
	Exchanging Phase = "exchanging"
	// Purging (release): released is committed; the trash may still hold the file.
	Purging Phase = "purging"
)

// Operation is one journaled change of one file. Recovery is driven by these rows alone.
type Operation struct {
	ID       int64 // unique for good, rising; also the name of its file in staging or trash, in decimal
	Kind     Kind
	Phase    Phase
	Run      int64
	Policy   string
	Archive  string
	Host     string
	Volume   string // the directory that holds .tidemark at home: a policy's volume
	Path     string // absolute, at home
	Leave    Leave
	ObjectID int64  // release, recall, mend
	Object   string // relative to the archive: where the object is or will be
	Version  int
	Dev, Ino uint64 // of the file at home; from Exchanging on of the recalled copy in staging
	Size     int64
	Mtime    fsys.Time
	Ctime    fsys.Time
	Digest   string // from Publishing on
	// Attributes are known from Publishing on (archive).
	Attributes fsys.Attributes
	Allocated  int64
	Started    time.Time
}

// Hold says that files must not be moved, released or deleted.
type Hold struct {
	Case  string
	Glob  string // over absolute paths; ** crosses directories
	By    string // who placed it
	At    time.Time
	Cause string // where it stands: "catalog" or "configuration"
}

// Actor is who caused something, for the audit log.
type Actor struct {
	User    string // the name behind SUDO_USER or the login uid, else of the uid; for tierd its unit
	Command string // such as "policy run cold-video"
}

// AuditRecord is one line of the hash chain.
type AuditRecord struct {
	Seq     int64
	Time    time.Time
	Actor   Actor
	Action  string // archive, release, recall, mend, restore, hold, unhold, verify, bad, rebuild, init
	Archive string
	Path    string // or the hold's glob
	Reason  string // why: the policy's clause, the case, the error
	Digest  string
	Hash    string // hex: of all fields above and the hash before
}

// Run is one run of a policy.
type Run struct {
	ID            int64
	Policy        string
	Started       time.Time
	Ended         time.Time // zero: running, or interrupted
	Triggered     string    // why it ran
	FilesArchived int64
	BytesArchived int64
	FilesReleased int64
	BytesReleased int64 // as allocated
	Failed        int64
	Skipped       int64
	Insufficient  bool
	Error         string
	Interrupted   bool // it has no end because its process was killed
}
