package catalog

import (
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// chainHead is the end of the audit log: the last record's number and hash; zero before the first.
type chainHead struct {
	seq  int64
	hash [sha256.Size]byte
}

// chainDomain begins what is hashed, so that no other use of the hash can give the same.
const chainDomain = "tidemark audit 1\n"

// appendRecord is a record in the one form that is hashed: numbers as eight bytes, texts behind their length, so that no two
// records share a form.
func appendRecord(b []byte, r *AuditRecord) []byte {
	b = binary.BigEndian.AppendUint64(b, uint64(r.Seq))
	b = binary.BigEndian.AppendUint64(b, uint64(r.Time.Unix()))
	b = binary.BigEndian.AppendUint64(b, uint64(r.Time.Nanosecond()))
	for _, text := range [...]string{r.Actor.User, r.Actor.Command, r.Action, r.Archive, r.Path, r.Reason, r.Digest} {
		b = binary.BigEndian.AppendUint64(b, uint64(len(text)))
		b = append(b, text...)
	}
	return b
}

// recordHash is SHA-256 over the domain, the hash of the record before (zeros before the first) and the record.
func recordHash(before [sha256.Size]byte, r *AuditRecord) [sha256.Size]byte {
	b := make([]byte, 0, 512)
	b = append(b, chainDomain...)
	b = append(b, before[:]...)
	return sha256.Sum256(appendRecord(b, r))
}

// chain is the head of the log as this transaction sees it.
func (t *transaction) chain() (*chainHead, error) {
	if t.head != nil {
		return t.head, nil
	}
	var head chainHead
	var hash []byte
	err := t.row("SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1", nil, &head.seq, &hash)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return nil, err
	}
	copy(head.hash[:], hash)
	t.head = &head
	return t.head, nil
}

const auditColumns = 9

// audit appends records to the log. Their Seq and Hash are set.
func (t *transaction) audit(records ...AuditRecord) error {
	head, err := t.chain()
	if err != nil {
		return err
	}
	values := make([]any, 0, len(records)*auditColumns)
	for i := range records {
		r := &records[i]
		r.Seq = head.seq + 1
		hash := recordHash(head.hash, r)
		r.Hash = hex.EncodeToString(hash[:])
		if values, err = t.appendRecordRow(values, r, hash); err != nil {
			return fmt.Errorf("append to the audit log: %w", err)
		}
		head.seq, head.hash = r.Seq, hash
	}
	if err := t.insertRows("INSERT OR FAIL INTO audit", auditColumns, values); err != nil {
		return fmt.Errorf("append to the audit log: %w", err)
	}
	return nil
}

func (t *transaction) appendRecordRow(values []any, r *AuditRecord, hash [sha256.Size]byte) ([]any, error) {
	actor, err := t.actor(r.Actor)
	if err != nil {
		return nil, err
	}
	action, err := t.name(r.Action)
	if err != nil {
		return nil, err
	}
	archive, err := t.name(r.Archive)
	if err != nil {
		return nil, err
	}
	return append(values, r.Seq, r.Time.UnixNano(), actor, action, archive, []byte(r.Path), r.Reason, packDigest(r.Digest), hash[:]), nil
}

func (t *transaction) actor(a Actor) (int64, error) {
	if id, ok := t.actors[a]; ok {
		return id, nil
	}
	id, err := t.idOf("SELECT id FROM actor WHERE user = ? AND command = ?", "INSERT INTO actor (user, command) VALUES (?, ?)", a.User, a.Command)
	if err != nil {
		return 0, err
	}
	t.actors[a] = id
	return id, nil
}

// FormatHead is the head of an audit log as it is written down elsewhere: SEQ:HASH.
func FormatHead(seq int64, hash string) string { return fmt.Sprintf("%d:%s", seq, hash) }

// ParseHead reads what FormatHead wrote.
func ParseHead(head string) (seq int64, hash string, err error) {
	number, hash, ok := strings.Cut(strings.TrimSpace(head), ":")
	seq, numberErr := strconv.ParseInt(number, 10, 64)
	raw, hashErr := hex.DecodeString(hash)
	empty := seq == 0 && hash == ""
	if !ok || numberErr != nil || seq < 0 || hashErr != nil || !empty && (seq == 0 || len(raw) != sha256.Size) {
		return 0, "", fmt.Errorf("%q is no head of an audit log; it looks like 1234:HASH with 64 hexadecimal digits", head)
	}
	return seq, strings.ToLower(hash), nil
}
