package catalog

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// parseRecord reads the canonical form back: a form that can be read back is shared by no two records.
func parseRecord(b []byte) (r AuditRecord, ok bool) {
	number := func() (n uint64) {
		if len(b) < 8 {
			b = nil
			return 0
		}
		n, b = binary.BigEndian.Uint64(b), b[8:]
		return n
	}
	r.Seq = int64(number())
	sec, nsec := int64(number()), int64(number())
	r.Time = time.Unix(sec, nsec).UTC()
	for _, text := range []*string{&r.Actor.User, &r.Actor.Command, &r.Action, &r.Archive, &r.Path, &r.Reason, &r.Digest} {
		n := number()
		if n > uint64(len(b)) {
			return r, false
		}
		*text, b = string(b[:n]), b[n:]
	}
	return r, len(b) == 0
}

func FuzzRecordForm(f *testing.F) {
	f.Add(int64(1), int64(5), int64(0), "alice", "run", "archive", "vault", "/a", "idle", "blake3:00")
	f.Add(int64(1), int64(-5), int64(999999999), "", "", "", "", "\xff\x00", "a\nb", "")
	f.Add(int64(2), int64(0), int64(1), "\x00\x00\x00\x00\x00\x00\x00\x01a", "", "", "", "", "", "")
	f.Fuzz(func(t *testing.T, seq, sec, nsec int64, user, command, action, archive, path, reason, digest string) {
		const years = 1 << 55
		want := AuditRecord{
			Seq: seq, Time: time.Unix(sec%years, (nsec%1e9+1e9)%1e9).UTC(), Actor: Actor{user, command},
			Action: action, Archive: archive, Path: path, Reason: reason, Digest: digest,
		}
		if got, ok := parseRecord(appendRecord(nil, &want)); !ok || got != want {
			t.Errorf("%+v came back as %+v, %t", want, got, ok)
		}
	})
}

// The hash is part of what is written to other places: it never changes for the same record.
func TestHashOfARecord(t *testing.T) {
	r := AuditRecord{Seq: 1, Time: noon, Actor: someone, Action: "archive", Archive: "vault", Path: "/a\xff", Reason: "idle", Digest: "blake3:00"}
	first := recordHash([32]byte{}, &r)
	const want = "64b3274b06804a28a6bad19605502795d531b65f0c8afc5bad02a97a547972ce"
	if got := fmt.Sprintf("%x", first); got != want {
		t.Errorf("hash %s", got)
	}
	if first == recordHash([32]byte{1}, &r) {
		t.Error("the hash does not depend on the record before")
	}
}

// someRecords appends five records and returns what the log then has.
func someRecords(t *testing.T, c *Catalog) []AuditRecord {
	t.Helper()
	for i := range 5 {
		must(t, c.AppendAudit(t.Context(), AuditRecord{
			Time: noon.Add(time.Duration(i) * time.Minute), Actor: Actor{"alice", fmt.Sprint("command ", i%2)},
			Action: []string{"archive", "release"}[i%2], Archive: "vault", Path: fmt.Sprintf("/srv/%d/file\xff", i), Reason: fmt.Sprint("reason ", i), Digest: digests[i],
		}))
	}
	return collectAudit(t, c, AuditFilter{})
}

func collectAudit(t *testing.T, c *Catalog, f AuditFilter) (all []AuditRecord) {
	t.Helper()
	for r, err := range c.Audit(t.Context(), f) {
		must(t, err)
		all = append(all, r)
	}
	return all
}

func verify(t *testing.T, c *Catalog, head string) AuditReport {
	t.Helper()
	report, err := c.VerifyAudit(t.Context(), head)
	must(t, err)
	return report
}

func TestAuditLog(t *testing.T) {
	c := fresh(t)
	if seq, hash, err := c.AuditHead(t.Context()); err != nil || seq != 0 || hash != "" {
		t.Errorf("an empty log's head is %d %q, %v", seq, hash, err)
	}
	if r := verify(t, c, FormatHead(0, "")); r.Broken != nil || r.Records != 0 {
		t.Errorf("an empty log: %+v", r)
	}
	all := someRecords(t, c)
	if len(all) != 5 || all[4].Seq != 5 || all[4].Reason != "reason 4" || all[4].Digest != digests[4] || all[4].Path != "/srv/4/file\xff" || all[3].Actor.Command != "command 1" {
		t.Errorf("the log has %+v", all)
	}
	seq, hash, err := c.AuditHead(t.Context())
	if err != nil || seq != 5 || hash != all[4].Hash {
		t.Errorf("head %d %s, %v", seq, hash, err)
	}
	r := verify(t, c, FormatHead(seq, strings.ToUpper(hash)))
	if r.Broken != nil || r.Records != 5 || r.Head != FormatHead(seq, hash) || r.Backwards != 0 {
		t.Errorf("%+v %+v", r, r.Broken)
	}
	// A clock that was set back is noted, and no more.
	must(t, c.AppendAudit(t.Context(), AuditRecord{Time: noon}, AuditRecord{Time: noon.Add(-time.Hour)}))
	if r := verify(t, c, ""); r.Broken != nil || r.Records != 7 || r.Backwards != 2 || r.FirstBackwards != 6 {
		t.Errorf("after the clock was set back: %+v", r)
	}
}

func TestAuditFilter(t *testing.T) {
	c := fresh(t)
	someRecords(t, c)
	for name, one := range map[string]struct {
		f    AuditFilter
		want []int64
	}{
		"all":                     {AuditFilter{}, []int64{1, 2, 3, 4, 5}},
		"action":                  {AuditFilter{Action: "release"}, []int64{2, 4}},
		"since":                   {AuditFilter{Since: noon.Add(2 * time.Minute)}, []int64{3, 4, 5}},
		"newest two":              {AuditFilter{Limit: 2}, []int64{4, 5}},
		"newest that match":       {AuditFilter{Limit: 2, Action: "archive"}, []int64{3, 5}},
		"limit beyond":            {AuditFilter{Limit: 9, Action: "archive"}, []int64{1, 3, 5}},
		"directory":               {AuditFilter{Prefix: "/srv/2"}, []int64{3}},
		"directory with slash":    {AuditFilter{Prefix: "/srv/"}, []int64{1, 2, 3, 4, 5}},
		"a file":                  {AuditFilter{Prefix: "/srv/3/file\xff"}, []int64{4}},
		"a name that begins so":   {AuditFilter{Prefix: "/srv/3/fil"}, nil},
		"glob":                    {AuditFilter{Glob: "/srv/[12]/*"}, []int64{2, 3}},
		"glob in a directory":     {AuditFilter{Prefix: "/srv/1", Glob: "/**/file*"}, []int64{2}},
		"nothing of that action":  {AuditFilter{Action: "mend"}, nil},
		"directory and all above": {AuditFilter{Prefix: "/"}, []int64{1, 2, 3, 4, 5}},
	} {
		var got []int64
		for _, r := range collectAudit(t, c, one.f) {
			got = append(got, r.Seq)
		}
		if !slices.Equal(got, one.want) {
			t.Errorf("%s: %v, want %v", name, got, one.want)
		}
	}
	for r, err := range c.Audit(t.Context(), AuditFilter{Glob: "/srv/["}) {
		if err == nil {
			t.Errorf("a malformed glob yields %+v", r)
		}
	}
	for r := range c.Audit(t.Context(), AuditFilter{}) { // stopping is no trouble
		if r.Seq == 2 {
			break
		}
	}
}

// More records than a page has.
func TestAuditOverPages(t *testing.T) {
	c := fresh(t)
	records := make([]AuditRecord, 2*auditPage)
	for i := range records {
		records[i] = AuditRecord{Time: noon, Reason: fmt.Sprint(i)}
	}
	must(t, c.AppendAudit(t.Context(), records...))
	if all := collectAudit(t, c, AuditFilter{}); len(all) != len(records) || all[len(all)-1].Reason != fmt.Sprint(len(records)-1) {
		t.Errorf("%d records, want %d", len(all), len(records))
	}
	if newest := collectAudit(t, c, AuditFilter{Limit: auditPage + 1}); len(newest) != auditPage+1 || newest[0].Seq != auditPage {
		t.Errorf("%d records", len(newest))
	}
	if r := verify(t, c, ""); r.Broken != nil || r.Records != int64(len(records)) {
		t.Errorf("%+v", r)
	}
}

func (c *Catalog) raw(t *testing.T, statements ...string) {
	t.Helper()
	for _, s := range statements {
		if _, err := c.db.ExecContext(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

func TestAuditRefusesToBeEdited(t *testing.T) {
	c := fresh(t)
	before := someRecords(t, c)
	for _, s := range []string{
		"UPDATE audit SET reason = 'x' WHERE seq = 2", "UPDATE audit SET seq = 9 WHERE seq = 5", "UPDATE audit SET reason = 'x'",
		"DELETE FROM audit WHERE seq = 5", "DELETE FROM audit", "INSERT OR REPLACE INTO audit SELECT seq, time, actor, action, archive, path, 'x', digest, hash FROM audit WHERE seq = 2",
		"UPDATE OR REPLACE audit SET seq = 4 WHERE seq = 5",
	} {
		if _, err := c.db.ExecContext(t.Context(), s); err == nil || !strings.Contains(err.Error(), "the audit log is never") {
			t.Errorf("%s: %v", s, err)
		}
	}
	if diff := cmp.Diff(before, collectAudit(t, c, AuditFilter{})); diff != "" {
		t.Error(diff)
	}
}

func TestTamperingWithTheAuditLog(t *testing.T) {
	const untrig = "DROP TRIGGER audit_stays; DROP TRIGGER audit_keeps"
	for name, one := range map[string]struct {
		edit string
		seq  int64 // of the first broken record
		what string
	}{
		"time":                       {"UPDATE audit SET time = time + 1 WHERE seq = 2", 2, "changed"},
		"actor":                      {"UPDATE audit SET actor = (SELECT id FROM actor WHERE command = 'command 0') WHERE seq = 2", 2, "changed"},
		"actor that is none":         {"UPDATE audit SET actor = 99 WHERE seq = 2", 2, "changed"},
		"user of all":                {"UPDATE actor SET user = 'mallory'", 1, "changed"},
		"command":                    {"UPDATE actor SET command = 'x' WHERE command = 'command 1'", 2, "changed"},
		"action":                     {"UPDATE audit SET action = archive WHERE seq = 3", 3, "changed"},
		"a name":                     {"UPDATE name SET text = 'x' WHERE text = 'release'", 2, "changed"},
		"archive":                    {"UPDATE audit SET archive = action WHERE seq = 3", 3, "changed"},
		"path":                       {"UPDATE audit SET path = CAST('/srv/9' AS BLOB) WHERE seq = 5", 5, "changed"},
		"reason":                     {"UPDATE audit SET reason = 'reason 9' WHERE seq = 1", 1, "changed"},
		"digest":                     {"UPDATE audit SET digest = x'01ffff' WHERE seq = 4", 4, "changed"},
		"digest that is none":        {"UPDATE audit SET digest = x'' WHERE seq = 4", 4, "changed"},
		"hash":                       {"UPDATE audit SET hash = zeroblob(32) WHERE seq = 4", 4, "changed"},
		"hash cut":                   {"UPDATE audit SET hash = substr(hash, 1, 31) WHERE seq = 4", 4, "changed"},
		"two change places":          {"UPDATE audit SET seq = 9 WHERE seq = 2; UPDATE audit SET seq = 2 WHERE seq = 3; UPDATE audit SET seq = 3 WHERE seq = 9", 2, "changed"},
		"one taken out":              {"DELETE FROM audit WHERE seq = 3", 3, "missing"},
		"the first taken out":        {"DELETE FROM audit WHERE seq = 1", 1, "missing"},
		"one taken out, closed":      {"DELETE FROM audit WHERE seq = 3; UPDATE audit SET seq = 3 WHERE seq = 4; UPDATE audit SET seq = 4 WHERE seq = 5", 3, "changed"},
		"one put in":                 {"INSERT INTO audit SELECT 6, time, actor, action, archive, path, reason, digest, hash FROM audit WHERE seq = 5", 6, "changed"},
		"one put before":             {"INSERT INTO audit SELECT 0, time, actor, action, archive, path, reason, digest, hash FROM audit WHERE seq = 5", 1, "put in before"},
		"the last taken off":         {"DELETE FROM audit WHERE seq = 5", 5, "cut off"},
		"all taken off":              {"DELETE FROM audit", 1, "cut off"},
		"a later one than was noted": {"DELETE FROM audit WHERE seq > 3", 4, "cut off"},
	} {
		t.Run(name, func(t *testing.T) {
			c := inMemory(t)
			someRecords(t, c)
			seq, hash, err := c.AuditHead(t.Context())
			must(t, err)
			c.raw(t, untrig, one.edit)
			r := verify(t, c, FormatHead(seq, hash))
			if r.Broken == nil || r.Broken.Seq != one.seq || !strings.HasPrefix(r.Broken.What, one.what) {
				t.Errorf("found %+v", r.Broken)
			}
			if r.Records != one.seq-1 {
				t.Errorf("%d records are said to be right", r.Records)
			}
		})
	}
}

// Root can write a whole log anew; the head that was noted elsewhere tells.
func TestLogWrittenAnew(t *testing.T) {
	c, other := fresh(t), fresh(t)
	someRecords(t, c)
	must(t, other.AppendAudit(t.Context(), AuditRecord{Time: noon, Action: "archive"}))
	someRecords(t, other)
	seq, hash, err := c.AuditHead(t.Context())
	must(t, err)
	if r := verify(t, other, ""); r.Broken != nil {
		t.Fatalf("%+v", r.Broken)
	}
	if r := verify(t, other, FormatHead(seq, hash)); r.Broken == nil || r.Broken.Seq != seq || !strings.HasPrefix(r.Broken.What, "written anew") {
		t.Errorf("%+v", r.Broken)
	}
}

func TestParseHead(t *testing.T) {
	hash := strings.Repeat("0a", 32)
	for _, head := range []string{"", "5", "5:", "x:" + hash, "-1:" + hash, "5:" + hash[2:], "5:" + hash + "00", "0:" + hash, "5:" + strings.Repeat("zz", 32)} {
		if _, _, err := ParseHead(head); err == nil || !strings.Contains(err.Error(), "1234:HASH") {
			t.Errorf("%q: %v", head, err)
		}
	}
	if seq, got, err := ParseHead(" 5:" + strings.ToUpper(hash) + "\n"); err != nil || seq != 5 || got != hash {
		t.Errorf("%d %q %v", seq, got, err)
	}
}
