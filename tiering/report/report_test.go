package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/tidemark/tidemark/internal/fsys"
	"github.com/tidemark/tidemark/tiering"
	"github.com/tidemark/tidemark/tiering/catalog"
	"github.com/tidemark/tidemark/tiering/mover"
	"github.com/tidemark/tidemark/tiering/policy"
	"github.com/tidemark/tidemark/tiering/scan"
	"github.com/tidemark/tidemark/tiering/selection"
)

var at = time.Date(2026, 11, 24, 9, 0, 0, 5, time.FixedZone("", 3600))

const odd = "/srv/\xff\x1b[31m<red>"

func preview(files int) *tiering.Preview {
	v := &tiering.Preview{
		Plan: selection.Plan{
			Policy: "cold", Host: "h", Volume: "/srv", Archive: "vault", Made: at, Triggered: true, Reason: "83% used", UsedBefore: 83.04, UsedAfter: 70,
			Needed: 3 << 40, Eligible: 12 << 37, EligibleN: 9, Insufficient: true,
		},
		Skipped: []selection.Skip{{Path: "/srv/held", Reason: "held"}}, SkippedFiles: 1,
		Scan: scan.Result{Files: 20, Trust: scan.Trust{Atime: true, Reason: "noted by the mount"}},
	}
	for i := range files {
		v.Plan.Files = append(v.Plan.Files, selection.Item{Path: "/srv/a" + strings.Repeat("x", i), Size: 1000, Allocated: 4096, Rank: i + 1, Reason: "idle 92d > 60d"})
	}
	return v
}

func object() catalog.Object {
	return catalog.Object{
		Path: odd, Host: "h", Archive: "vault", Object: "data/h" + odd, Version: 1, State: catalog.Released, Size: 1024, Digest: "blake3:ab", Policy: "cold",
		Attributes: fsys.Attributes{UID: 7, Mtime: fsys.Time{Sec: 1}}, ArchivedAt: at,
	}
}

func owner(uint32) string { return "joe" }

// written is what each renderer writes.
func renderers() map[string]func(io.Writer) error {
	trouble := []tiering.Trouble{{Path: odd, Reason: "input/output error"}}
	run := tiering.Report{Run: 7, Policy: "cold", Triggered: true, Reason: "83% used", FilesArchived: 1, BytesArchived: 2, FilesReleased: 3, BytesReleased: 4096, Failed: trouble, Kept: true}
	objects := func(o *Objects, err error) error {
		return errors.Join(err, o.Add(object()), o.Close())
	}
	record := catalog.AuditRecord{Seq: 3, Time: at, Actor: catalog.Actor{User: "joe", Command: "policy run cold"}, Action: "release", Archive: "vault", Path: odd, Reason: "idle", Hash: "cd"}
	audit := func(a *Audit, err error) error { return errors.Join(err, a.Add(record), a.Close()) }
	holds := []catalog.Hold{{Case: "A-1", Glob: odd, By: "joe", At: at, Cause: catalog.CauseCatalog}}
	verified := tiering.VerifyReport{Archive: "vault", Checked: 5, Bytes: 4096, Bad: trouble, Mended: trouble}
	return map[string]func(io.Writer) error{
		"plan":      func(w io.Writer) error { return Plan(w, preview(3), 2) },
		"plan.json": func(w io.Writer) error { return PlanJSON(w, preview(3), 2) },
		"plan.csv":  func(w io.Writer) error { return PlanCSV(w, &preview(3).Plan, 2) },
		"run":       func(w io.Writer) error { return Run(w, run) },
		"run.json":  func(w io.Writer) error { return RunJSON(w, run) },
		"run.csv":   func(w io.Writer) error { return RunCSV(w, run) },
		"recall":    func(w io.Writer) error { return Recall(w, tiering.RecallReport{Files: 1, Bytes: 9, Skipped: trouble}) },
		"recall.json": func(w io.Writer) error {
			return RecallJSON(w, tiering.RecallReport{Files: 1, Bytes: 9, Skipped: trouble})
		},
		"verify":      func(w io.Writer) error { return Verify(w, verified) },
		"verify.json": func(w io.Writer) error { return VerifyJSON(w, []tiering.VerifyReport{verified}) },
		"rebuild": func(w io.Writer) error {
			return Rebuild(w, tiering.RebuildReport{Archive: "vault", Objects: 4, Released: 3, Holds: 1})
		},
		"objects":      func(w io.Writer) error { return objects(NewObjects(w), nil) },
		"objects.json": func(w io.Writer) error { return objects(NewObjectsJSON(w, owner)) },
		"objects.csv":  func(w io.Writer) error { return objects(NewObjectsCSV(w, owner)) },
		"audit":        func(w io.Writer) error { return audit(NewAudit(w), nil) },
		"audit.json":   func(w io.Writer) error { return audit(NewAuditJSON(w)) },
		"audit.csv":    func(w io.Writer) error { return audit(NewAuditCSV(w)) },
		"holds":        func(w io.Writer) error { return Holds(w, holds) },
		"holds.json":   func(w io.Writer) error { return HoldsJSON(w, holds) },
		"holds.csv":    func(w io.Writer) error { return HoldsCSV(w, holds) },
		"recovered": func(w io.Writer) error {
			return Recovered(w, []mover.Recovered{
				{Operation: catalog.Operation{Kind: catalog.Release, Path: odd}, Outcome: "finished"}, {Operation: catalog.Operation{Kind: catalog.Recall, Path: "/b"}, Err: errors.New("no archive")},
			})
		},
		"explain": func(w io.Writer) error {
			return Explain(w, odd, []tiering.Explanation{{Policy: "cold", Verdict: policy.Verdict{Why: policy.Held, Reason: "held: A-1"}, Clauses: []policy.Clause{
				{Text: "idle > days(60)", Value: true, Decided: true, Reason: "idle 92d > 60d"}, {Depth: 1, Text: "size > 1", Err: errors.New("gone")},
			}}})
		},
		"findings": func(w io.Writer) error {
			return Findings(w, "cold", []tiering.Finding{{What: "the clock"}, {What: "x", Err: &tiering.Refusal{Why: "not mounted", Hint: "mount it"}}}, false)
		},
		"verdict.json": func(w io.Writer) error {
			return AuditVerdictJSON(w, catalog.AuditReport{Records: 2, Head: "2:ab", Broken: &catalog.AuditBreak{Seq: 3, What: "missing"}})
		},
		"verdict": func(w io.Writer) error {
			return AuditVerdict(w, catalog.AuditReport{Records: 2, Head: "2:ab", Backwards: 1, FirstBackwards: 2})
		},
	}
}

// Names of files are anybody's: on a terminal they move no cursor, in JSON they are whole.
func TestNamesAreSafeAndWhole(t *testing.T) {
	for name, render := range renderers() {
		var out bytes.Buffer
		if err := render(&out); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		switch text := out.String(); {
		case strings.HasSuffix(name, ".json"):
			var v map[string]any
			if err := json.Unmarshal(out.Bytes(), &v); err != nil {
				t.Errorf("%s is no JSON: %v\n%s", name, err, text)
			}
			if strings.Contains(text, "<red>") && !strings.Contains(text, "_b64") || strings.Contains(text, `\u003c`) {
				t.Errorf("%s: the path is not whole, or can't be found:\n%s", name, text)
			}
		case strings.HasSuffix(name, ".csv"):
			if strings.Contains(text, "<red>") && !strings.Contains(text, odd) {
				t.Errorf("%s: the path is not whole:\n%q", name, text)
			}
		case strings.Contains(text, "\x1b") || !utf8.ValidString(text):
			t.Errorf("%s moves the cursor: %q", name, text)
		}
	}
}

func TestBrokenPipeIsAnError(t *testing.T) {
	for name, render := range renderers() {
		if err := render(brokenPipe{}); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestText(t *testing.T) {
	for name, want := range map[string]string{
		"plan": `cold: from /srv to archive vault; triggered: 83% used
3 files, 2.9 KiB, would be moved and free 12 KiB: 83.0% used would become 70.0%

     SIZE  FILE
   1000 B  /srv/a  (idle 92d > 60d)
   1000 B  /srv/ax  (idle 92d > 60d)
           and 1 file more (--limit-rows 0 shows all)

1 file that the rule takes would be left alone:
  /srv/held: held
20 files scanned; idle goes by atime: noted by the mount
`,
		"run": `cold: 1 file archived (2 B), 3 files released (4.0 KiB freed); 0.0% used became 0.0%
the filesystem's free space grew by much less: snapshots, or something else, keep what was released
1 file failed:
  /srv/\xff\x1b[31m<red>: input/output error
`,
		"verify": `vault: 5 objects read back, 4.0 KiB: 2 bad, 1 of them mended from the copy at home
  bad: /srv/\xff\x1b[31m<red>: input/output error
  mended: /srv/\xff\x1b[31m<red>: input/output error
`,
		"recovered": `release of /srv/\xff\x1b[31m<red>: finished
recall of /b: still pending: no archive
`,
		"explain": `/srv/\xff\x1b[31m<red>: policy cold leaves it alone (held): held: A-1
* yes idle > days(60)  (idle 92d > 60d)
  ?     size > 1  (gone)
idle goes by mtime: 
`,
		"findings": `policy cold
  ok      the clock
  not ok  not mounted
          hint: mount it
  note    it has no enforce: true, so it only previews, and runs by a plan that is handed over
`,
		"verdict": `2 records, unbroken; write the head down where nobody here can change it:
2:ab
1 record older than the one before, the first is 2: the clock was set back
`,
		"verify.json": `{"checked":5,"bytes":4096,"bad":[{"path":"/srv/\ufffd\u001b[31m<red>","path_b64":"L3Nydi//G1szMW08cmVkPg==","error":"input/output error"}],` +
			`"mended":[{"path":"/srv/\ufffd\u001b[31m<red>","path_b64":"L3Nydi//G1szMW08cmVkPg==","error":"input/output error"}]}` + "\n",
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			if err := renderers()[name](&out); err != nil {
				t.Fatal(err)
			}
			if out.String() != want {
				t.Errorf("got\n%s\nwant\n%s", &out, want)
			}
		})
	}
	if got, want := Insufficient(&preview(0).Plan), "policy insufficient: 1.5 TiB eligible, 3.0 TiB needed"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestPlanLine(t *testing.T) {
	waits := preview(2)
	waits.Plan.Triggered = false
	for want, v := range map[string]*tiering.Preview{
		"policy cold would move 2 files, 2.0 KiB, from /srv to archive vault: 83.0% used would become 70.0%": preview(2),
		"policy cold would wait: 83% used (9 files, 1.5 TiB, are eligible)":                                  waits,
		"policy cold would move nothing: no file of /srv is eligible":                                        preview(0),
	} {
		if got := PlanLine(&v.Plan); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
