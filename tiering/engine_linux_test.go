package tiering

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/tidemark/tidemark/internal/fsys"
	"github.com/tidemark/tidemark/internal/mounttest"
	"github.com/tidemark/tidemark/tiering/archive"
	"github.com/tidemark/tidemark/tiering/catalog"
	"github.com/tidemark/tidemark/tiering/policy"
	"github.com/tidemark/tidemark/tiering/selection"
)

// site is a hot volume, an archive volume and an engine between them, on real filesystems.
type site struct {
	t         *testing.T
	hot, cold string
	catalog   *catalog.Catalog
	options   Options
}

func newSite(t *testing.T, where string, change func(*Policy)) *site {
	t.Helper()
	return siteOn(t, mounttest.Mount(t, mounttest.Image(t, "ext4", 64)), mounttest.Mount(t, mounttest.Image(t, "xfs", 320)), where, change)
}

// siteOn is a site on filesystems that are mounted.
func siteOn(t *testing.T, hot, cold, where string, change func(*Policy)) *site {
	t.Helper()
	s := &site{t: t, hot: hot, cold: cold}
	a, err := archive.Init(fsys.Host{}, s.cold, "vault", "h", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	a.Close()
	s.open(where, change)
	return s
}

// open opens a catalog and sets the options, for an archive that was initialised.
func (s *site) open(where string, change func(*Policy)) {
	t := s.t
	t.Helper()
	var err error
	if s.catalog, err = catalog.Open(t.Context(), filepath.Join(t.TempDir(), "tiering", "catalog.db")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.catalog.Close() })
	rule, err := policy.Compile(where)
	if err != nil {
		t.Fatal(err)
	}
	excludes, err := policy.NewExcludes(s.hot, []string{"**/lost+found/**"})
	if err != nil {
		t.Fatal(err)
	}
	p := Policy{
		Name: "cold", Volume: s.hot, Archive: "vault", Rule: rule, Exclude: excludes, Order: selection.Coldest, Leave: catalog.LeaveLink,
		KeepRecalled: 7 * 24 * time.Hour, Enforce: true, Fingerprint: "f",
	}
	if change != nil {
		change(&p)
	}
	s.options = Options{
		Host: "h", FS: fsys.Host{}, Catalog: s.catalog, Archives: []ArchiveVolume{{Name: "vault", Path: s.cold, MinFree: .01}},
		Policies: []Policy{p}, Actor: catalog.Actor{User: "root", Command: "test"}, Now: time.Now, Sleep: wait,
		Log: slog.New(slog.DiscardHandler),
	}
}

// wait is a real wait: what is waited for is the kernel's.
func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *site) write(rel, content string) string {
	s.t.Helper()
	path := filepath.Join(s.hot, rel)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		s.t.Fatal(err)
	}
	return path
}

func TestRunThenRecall(t *testing.T) {
	s := newSite(t, `size >= 5`, nil)
	for i := range 30 {
		s.write(fmt.Sprintf("tree/d%d/file%d.mp4", i%3, i), fmt.Sprintf("content %d", i))
	}
	s.write("tree/tiny", "x")
	e := New(s.options)
	v, err := e.Preview(t.Context(), "cold")
	if err != nil {
		t.Fatal(err)
	}
	if len(v.Plan.Files) != 30 || v.Plan.Files[0].Reason == "" || !v.Plan.Triggered {
		t.Fatalf("%d files: %+v", len(v.Plan.Files), v.Plan)
	}
	report, err := e.Run(t.Context(), "cold", RunOptions{Plan: &v.Plan})
	if err != nil || report.FilesArchived != 30 || report.FilesReleased != 30 || len(report.Failed)+len(report.Skipped) != 0 {
		t.Fatalf("%v %+v", err, report)
	}
	got, err := os.ReadFile(filepath.Join(s.hot, "tree/d1/file4.mp4"))
	if err != nil || string(got) != "content 4" {
		t.Errorf("through the link: %q %v", got, err)
	}
	if v, err = e.Preview(t.Context(), "cold"); err != nil || len(v.Plan.Files) != 0 {
		t.Errorf("a second plan has %d files: %v", len(v.Plan.Files), err)
	}
	verified, err := e.Verify(t.Context(), "vault", VerifyOptions{})
	if err != nil || verified.Checked != 30 || len(verified.Bad) != 0 {
		t.Errorf("verify: %v %+v", err, verified)
	}
	recalled, err := e.Recall(t.Context(), []string{filepath.Join(s.hot, "tree/d1"), filepath.Join(s.hot, "tree/d2/file2.mp4")})
	if err != nil || recalled.Files != 11 || len(recalled.Failed)+len(recalled.Skipped) != 0 {
		t.Fatalf("recall: %v %+v", err, recalled)
	}
	if info, err := os.Lstat(filepath.Join(s.hot, "tree/d1/file4.mp4")); err != nil || !info.Mode().IsRegular() {
		t.Errorf("%v %v", info, err)
	}
	// Recalled files are left alone for a week, and then released without a copy.
	if v, err = e.Preview(t.Context(), "cold"); err != nil || len(v.Plan.Files) != 0 {
		t.Errorf("just recalled, a plan has %d files: %v", len(v.Plan.Files), err)
	}
	s.options.Now = func() time.Time { return time.Now().Add(8 * 24 * time.Hour) }
	report, err = New(s.options).Run(t.Context(), "cold", RunOptions{})
	if err != nil || report.FilesArchived != 0 || report.FilesReleased != 11 {
		t.Fatalf("a week later: %v %+v", err, report)
	}
}

// A directory that was moved away, and a new one with the same names at its old path, go in one run: none stops the other, and in the
// end each file has its own object.
func TestMovedAwayAndMadeAnew(t *testing.T) {
	s := newSite(t, `size >= 5`, nil)
	for i := range 10 {
		s.write(fmt.Sprintf("tree/a/file%d", i), fmt.Sprintf("content %d", i))
	}
	e := New(s.options)
	run := func(archived, released int64) {
		t.Helper()
		report, err := e.Run(t.Context(), "cold", RunOptions{})
		if err != nil || report.FilesArchived != archived || report.FilesReleased != released || len(report.Failed) > 0 {
			t.Errorf("%v %+v", err, report)
		}
	}
	run(10, 10)
	if _, err := e.Recall(t.Context(), []string{s.hot}); err != nil {
		t.Fatal(err)
	}
	s.options.Now = func() time.Time { return time.Now().Add(8 * 24 * time.Hour) } // recalled files are left alone until then
	e = New(s.options)
	if err := os.Rename(filepath.Join(s.hot, "tree/a"), filepath.Join(s.hot, "tree/b")); err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		s.write(fmt.Sprintf("tree/a/file%d", i), fmt.Sprintf("another content %d", i))
	}
	run(5, 10)
	run(5, 5)
	for i := range 10 {
		want := map[string]string{"b": fmt.Sprintf("content %d", i), "a": fmt.Sprintf("another content %d", i)}
		if i >= 5 {
			delete(want, "a")
		}
		for dir, want := range want {
			path := filepath.Join(s.hot, "tree", dir, fmt.Sprint("file", i))
			if got, err := os.ReadFile(path); err != nil || string(got) != want {
				t.Errorf("%s is %q, %v", path, got, err)
			}
		}
	}
}
