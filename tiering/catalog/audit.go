package catalog

import (
	"context"
	"database/sql"
	"encoding/hex"
	"fmt"
	"iter"
	"math"
	"slices"
	"time"
)

// AuditFilter chooses records; each field that is set narrows it.
type AuditFilter struct {
	Since  time.Time
	Action string
	Prefix string // a directory: it and everything below
	Glob   string // over absolute paths
	Limit  int    // the newest so many that match
}

// AuditReport is what became of the audit log.
type AuditReport struct {
	Records int64  // that were read and found right
	Head    string // SEQ:HASH of the last of them
	Broken  *AuditBreak
	// Backwards counts records that are older than the one before: clocks are set. No proof of anything.
	Backwards      int64
	FirstBackwards int64 // the number of the first such record
}

// AuditBreak is the first place where the log is not what was written.
type AuditBreak struct {
	Seq  int64
	What string
}

// auditPage bounds how many records are in memory, and how long a writer waits for a reader.
const auditPage = 500

// AppendAudit adds records to the log.
func (c *Catalog) AppendAudit(ctx context.Context, records ...AuditRecord) error {
	if len(records) == 0 {
		return nil
	}
	return c.write(ctx, "write the audit log", func(t *transaction) error { return t.audit(slices.Clone(records)...) })
}

// AuditHead is the number and hash of the newest record; 0 and "" before the first. Written down elsewhere (FormatHead) it proves
// later that the log still begins so.
func (c *Catalog) AuditHead(ctx context.Context) (seq int64, hash string, err error) {
	var raw []byte
	err = c.query(ctx, "SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1", nil, func(rows *sql.Rows) error {
		return rows.Scan(&seq, &raw)
	})
	if err != nil {
		return 0, "", fmt.Errorf("read the audit log: %w", err)
	}
	return seq, hex.EncodeToString(raw), nil
}

// storedRecord is a record as its row has it.
type storedRecord struct {
	AuditRecord
	hash []byte
}

const selectAudit = `SELECT seq, time, coalesce(user, ''), coalesce(command, ''),
	coalesce((SELECT text FROM name WHERE id = action), ''), coalesce((SELECT text FROM name WHERE id = archive), ''),
	path, reason, digest, hash FROM audit LEFT JOIN actor ON actor.id = audit.actor `

func scanAudit(rows *sql.Rows) (storedRecord, error) {
	var r storedRecord
	var at int64
	var path, digest []byte
	err := rows.Scan(&r.Seq, &at, &r.Actor.User, &r.Actor.Command, &r.Action, &r.Archive, &path, &r.Reason, &digest, &r.hash)
	if err != nil {
		return r, err
	}
	r.Time, r.Path, r.Hash = time.Unix(0, at).UTC(), string(path), hex.EncodeToString(r.hash)
	if r.Digest, err = unpackDigest(digest); err != nil {
		r.Digest = "" // the hash tells
	}
	return r, nil
}

func (c *Catalog) auditPage(ctx context.Context, query string, args ...any) ([]storedRecord, error) {
	page := make([]storedRecord, 0, auditPage)
	err := c.query(ctx, selectAudit+query, args, func(rows *sql.Rows) error {
		r, err := scanAudit(rows)
		page = append(page, r)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the audit log: %w", err)
	}
	return page, nil
}

// Audit yields the records that match, oldest first. With a limit they are collected first, otherwise they stream.
func (c *Catalog) Audit(ctx context.Context, f AuditFilter) iter.Seq2[AuditRecord, error] {
	return func(yield func(AuditRecord, error) bool) {
		match, err := f.matcher()
		if err != nil {
			yield(AuditRecord{}, err)
			return
		}
		if f.Limit > 0 {
			c.newestAudit(ctx, f, match, yield)
			return
		}
		for seq := int64(0); ; {
			page, err := c.auditPage(ctx, "WHERE seq > ? ORDER BY seq LIMIT ?", seq, auditPage)
			if err != nil {
				yield(AuditRecord{}, err)
				return
			}
			for _, r := range page {
				if match(&r.AuditRecord) && !yield(r.AuditRecord, nil) {
					return
				}
				seq = r.Seq
			}
			if len(page) < auditPage {
				return
			}
		}
	}
}

func (c *Catalog) newestAudit(ctx context.Context, f AuditFilter, match func(*AuditRecord) bool, yield func(AuditRecord, error) bool) {
	var newest []AuditRecord
	for seq := int64(1<<63 - 1); len(newest) < f.Limit; {
		page, err := c.auditPage(ctx, "WHERE seq < ? ORDER BY seq DESC LIMIT ?", seq, auditPage)
		if err != nil {
			yield(AuditRecord{}, err)
			return
		}
		for _, r := range page {
			if match(&r.AuditRecord) && len(newest) < f.Limit {
				newest = append(newest, r.AuditRecord)
			}
			seq = r.Seq
		}
		if len(page) < auditPage {
			break
		}
	}
	for _, r := range slices.Backward(newest) {
		if !yield(r, nil) {
			return
		}
	}
}

func (f AuditFilter) matcher() (func(*AuditRecord) bool, error) {
	paths, err := newPathRange(f.Prefix, f.Glob)
	if err != nil {
		return nil, err
	}
	return func(r *AuditRecord) bool {
		if f.Action != "" && r.Action != f.Action || r.Time.Before(f.Since) {
			return false
		}
		return f.Prefix == "" && f.Glob == "" || f.Glob == "" && r.Path == f.Prefix || paths.match(r.Path)
	}, nil
}

// VerifyAudit reads the whole log and finds the first record that is not what was written, or is missing. With a head that was
// written down before (SEQ:HASH) it also sees a log that was cut off or written anew.
func (c *Catalog) VerifyAudit(ctx context.Context, head string) (AuditReport, error) {
	v := &verifier{from: math.MinInt64}
	if head != "" {
		var err error
		if v.wantSeq, v.wantHash, err = ParseHead(head); err != nil {
			return AuditReport{}, err
		}
	}
	for {
		page, err := c.auditPage(ctx, "WHERE seq >= ? ORDER BY seq LIMIT ?", v.from, auditPage)
		if err != nil {
			return v.report, err
		}
		for i := range page {
			if v.next(&page[i]); v.report.Broken != nil {
				return v.report, nil
			}
		}
		if len(page) < auditPage {
			break
		}
	}
	v.end()
	return v.report, nil
}

// verifier walks the log.
type verifier struct {
	report   AuditReport
	last     chainHead
	from     int64 // the lowest number that is still to be read
	lastTime time.Time
	wantSeq  int64 // of the head that was written down
	wantHash string
}

func (v *verifier) broken(seq int64, format string, args ...any) {
	v.report.Broken = &AuditBreak{seq, fmt.Sprintf(format, args...)}
}

func (v *verifier) next(r *storedRecord) {
	want := v.last.seq + 1
	if r.Seq < want {
		v.broken(want, "put in before: there is a record %d", r.Seq)
		return
	}
	if r.Seq != want {
		v.broken(want, "missing: the record after %d is %d", v.last.seq, r.Seq)
		return
	}
	hash := recordHash(v.last.hash, &r.AuditRecord)
	if !slices.Equal(hash[:], r.hash) {
		v.broken(r.Seq, "changed: its hash is %s, its content and the records before give %s", r.Hash, hex.EncodeToString(hash[:]))
		return
	}
	if r.Seq == v.wantSeq && r.Hash != v.wantHash {
		v.broken(r.Seq, "written anew: its hash is %s, the head that was noted says %s", r.Hash, v.wantHash)
		return
	}
	if r.Time.Before(v.lastTime) {
		if v.report.Backwards++; v.report.Backwards == 1 {
			v.report.FirstBackwards = r.Seq
		}
	}
	v.last, v.from, v.lastTime = chainHead{r.Seq, hash}, r.Seq+1, r.Time
	v.report.Records++
	v.report.Head = FormatHead(r.Seq, r.Hash)
}

func (v *verifier) end() {
	if v.wantSeq > v.last.seq {
		v.broken(v.last.seq+1, "cut off: the log ends at %d, the head that was noted is %d", v.last.seq, v.wantSeq)
	}
}
