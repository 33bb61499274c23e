package report

import (
	"io"
	"strconv"

	"github.com/tidemark/tidemark/tiering/catalog"
)

// Objects writes objects as they come.
type Objects struct {
	add   func(catalog.Object) error
	close func() error
}

// Add writes one object.
func (o *Objects) Add(object catalog.Object) error { return o.add(object) }

// Close ends the document.
func (o *Objects) Close() error { return o.close() }

type objectJSON struct {
	Path       string `json:"path"`
	PathB64    string `json:"path_b64,omitempty"`
	Host       string `json:"host"`
	Archive    string `json:"archive"`
	Object     string `json:"object"` // relative to the archive's directory
	ObjectB64  string `json:"object_b64,omitempty"`
	Version    int    `json:"version"`
	State      string `json:"state"`
	Size       int64  `json:"size"`
	Mtime      when   `json:"mtime"`
	Hash       string `json:"hash"`
	Owner      string `json:"owner"`
	Policy     string `json:"policy"`
	ArchivedAt when   `json:"archived_at"`
	ReleasedAt when   `json:"released_at"`
	RecalledAt when   `json:"recalled_at"`
	CheckedAt  when   `json:"checked_at"`
	Bad        string `json:"bad"` // why; empty: not known to be
}

// NewObjectsJSON begins `{"files":[…]}`. owner gives the name of a user.
func NewObjectsJSON(w io.Writer, owner func(uid uint32) string) (*Objects, error) {
	l, err := newListJSON(w, nil, "files")
	if err != nil {
		return nil, err
	}
	return &Objects{func(o catalog.Object) error {
		return l.add(objectJSON{
			o.Path, b64(o.Path), o.Host, o.Archive, o.Object, b64(o.Object), o.Version, string(o.State), o.Size, when(o.Attributes.Mtime.Go()), o.Digest,
			owner(o.Attributes.UID), o.Policy, when(o.ArchivedAt), when(o.ReleasedAt), when(o.RecalledAt), when(o.CheckedAt), o.Bad,
		})
	}, l.close}, nil
}

// NewObjectsCSV begins the same as CSV.
func NewObjectsCSV(w io.Writer, owner func(uid uint32) string) (*Objects, error) {
	c, err := newCSV(w, "path", "host", "archive", "object", "version", "state", "size", "mtime", "hash", "owner", "policy", "archived_at", "released_at",
		"recalled_at", "checked_at", "bad")
	if err != nil {
		return nil, err
	}
	return &Objects{func(o catalog.Object) error { return c.Write(objectRecord(o, owner)) }, func() error { return closeCSV(c) }}, nil
}

func objectRecord(o catalog.Object, owner func(uid uint32) string) []string {
	return []string{
		o.Path, o.Host, o.Archive, o.Object, strconv.Itoa(o.Version), string(o.State), strconv.FormatInt(o.Size, 10), rfc3339(o.Attributes.Mtime.Go()),
		o.Digest, owner(o.Attributes.UID), o.Policy, rfc3339(o.ArchivedAt), rfc3339(o.ReleasedAt), rfc3339(o.RecalledAt), rfc3339(o.CheckedAt), o.Bad,
	}
}

// NewObjects begins the list for people: what is known first, the path last, since it may be long. Without objects there is nothing.
func NewObjects(w io.Writer) *Objects {
	out := &lines{w: w}
	n := 0
	return &Objects{func(o catalog.Object) error {
		if n++; n == 1 {
			out.printf("%-10s  %9s  %-16s  %-12s  %s", "STATE", "SIZE", "ARCHIVED", "ARCHIVE", "FILE")
		}
		state := string(o.State)
		if o.Bad != "" {
			state = "BAD"
		}
		out.printf("%-10s  %9s  %-16s  %-12s  %s", state, Bytes(o.Size), minute(o.ArchivedAt), o.Archive, printable(o.Host+":"+o.Path))
		return out.err
	}, func() error { return out.err }}
}

type holdJSON struct {
	Case    string `json:"case"`
	Glob    string `json:"glob"`
	GlobB64 string `json:"glob_b64,omitempty"`
	By      string `json:"by"`
	At      when   `json:"at"`
	From    string `json:"from"` // catalog or configuration
}

// HoldsJSON writes `{"holds":[…]}`.
func HoldsJSON(w io.Writer, holds []catalog.Hold) error {
	l, err := newListJSON(w, nil, "holds")
	if err != nil {
		return err
	}
	for _, h := range holds {
		if err := l.add(holdJSON{h.Case, h.Glob, b64(h.Glob), h.By, when(h.At), h.Cause}); err != nil {
			return err
		}
	}
	return l.close()
}

// HoldsCSV writes holds as CSV.
func HoldsCSV(w io.Writer, holds []catalog.Hold) error {
	c, err := newCSV(w, "case", "glob", "by", "at", "from")
	if err != nil {
		return err
	}
	for _, h := range holds {
		if err := c.Write([]string{h.Case, h.Glob, h.By, rfc3339(h.At), h.Cause}); err != nil {
			return err
		}
	}
	return closeCSV(c)
}

// Holds writes holds for people; without any there is nothing.
func Holds(w io.Writer, holds []catalog.Hold) error {
	out := lines{w: w}
	for i, h := range holds {
		if i == 0 {
			out.printf("%-20s  %-16s  %-12s  %s", "CASE", "SINCE", "BY", "FILES")
		}
		by := h.By
		if h.Cause != catalog.CauseCatalog {
			by = "(" + h.Cause + ")"
		}
		out.printf("%-20s  %-16s  %-12s  %s", printable(h.Case), minute(h.At), printable(by), printable(h.Glob))
	}
	return out.err
}

type auditJSON struct {
	Seq     int64  `json:"seq"`
	Time    when   `json:"time"`
	User    string `json:"user"`
	Command string `json:"command"`
	Action  string `json:"action"`
	Archive string `json:"archive"`
	Path    string `json:"path"`
	PathB64 string `json:"path_b64,omitempty"`
	Reason  string `json:"reason"`
	Digest  string `json:"digest"`
	Hash    string `json:"hash"`
}

// Audit writes records of the audit log as they come.
type Audit struct {
	add   func(catalog.AuditRecord) error
	close func() error
}

// Add writes one record.
func (a *Audit) Add(r catalog.AuditRecord) error { return a.add(r) }

// Close ends the document.
func (a *Audit) Close() error { return a.close() }

// NewAuditJSON begins `{"records":[…]}`.
func NewAuditJSON(w io.Writer) (*Audit, error) {
	l, err := newListJSON(w, nil, "records")
	if err != nil {
		return nil, err
	}
	return &Audit{func(r catalog.AuditRecord) error {
		return l.add(auditJSON{r.Seq, when(r.Time), r.Actor.User, r.Actor.Command, r.Action, r.Archive, r.Path, b64(r.Path), r.Reason, r.Digest, r.Hash})
	}, l.close}, nil
}

// NewAuditCSV begins the same as CSV.
func NewAuditCSV(w io.Writer) (*Audit, error) {
	c, err := newCSV(w, "seq", "time", "user", "command", "action", "archive", "path", "reason", "digest", "hash")
	if err != nil {
		return nil, err
	}
	return &Audit{func(r catalog.AuditRecord) error { return c.Write(auditRecord(r)) }, func() error { return closeCSV(c) }}, nil
}

func auditRecord(r catalog.AuditRecord) []string {
	return []string{
		strconv.FormatInt(r.Seq, 10), rfc3339(r.Time), r.Actor.User, r.Actor.Command, r.Action, r.Archive, r.Path, r.Reason, r.Digest, r.Hash,
	}
}

// NewAudit begins the list for people; without records there is nothing.
func NewAudit(w io.Writer) *Audit {
	out := &lines{w: w}
	n := 0
	return &Audit{func(r catalog.AuditRecord) error {
		if n++; n == 1 {
			out.printf("%6s  %-16s  %-10s  %-8s  %s", "SEQ", "TIME", "USER", "ACTION", "FILE")
		}
		what := printable(r.Path)
		if what == "" {
			what = r.Archive
		}
		if r.Reason != "" {
			what += "  (" + printable(r.Reason) + ")"
		}
		out.printf("%6d  %-16s  %-10s  %-8s  %s", r.Seq, minute(r.Time), printable(r.Actor.User), r.Action, what)
		return out.err
	}, func() error { return out.err }}
}

type breakJSON struct {
	Seq  int64  `json:"seq"`
	What string `json:"what"`
}

// AuditVerdictJSON writes what became of the audit log.
func AuditVerdictJSON(w io.Writer, r catalog.AuditReport) error {
	var broken *breakJSON
	if r.Broken != nil {
		broken = &breakJSON{r.Broken.Seq, r.Broken.What}
	}
	return writeJSON(w, struct {
		Records        int64      `json:"records"`
		Head           string     `json:"head"`
		Broken         *breakJSON `json:"broken"`
		Backwards      int64      `json:"backwards"` // records that are older than the one before
		FirstBackwards int64      `json:"first_backwards"`
	}{r.Records, r.Head, broken, r.Backwards, r.FirstBackwards})
}

// AuditVerdict writes it for people.
func AuditVerdict(w io.Writer, r catalog.AuditReport) error {
	out := lines{w: w}
	if r.Broken != nil {
		out.printf("the audit log is not what was written: record %d: %s", r.Broken.Seq, r.Broken.What)
		out.printf("%s before it are as they were written", Count(r.Records, "record"))
		return out.err
	}
	if r.Records == 0 {
		out.printf("the audit log is empty")
		return out.err
	}
	out.printf("%s, unbroken; write the head down where nobody here can change it:", Count(r.Records, "record"))
	out.printf("%s", r.Head)
	if r.Backwards > 0 {
		out.printf("%s older than the one before, the first is %d: the clock was set back", Count(r.Backwards, "record"), r.FirstBackwards)
	}
	return out.err
}
