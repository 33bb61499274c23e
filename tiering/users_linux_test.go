package tiering

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tidemark/tidemark/internal/fsys"
	"github.com/tidemark/tidemark/internal/fsys/fault"
	"github.com/tidemark/tidemark/internal/mounttest"
)

// user is somebody who may read some files and others not.
type user struct {
	uid    uint32
	groups []uint32
}

var users = []user{
	{61011, []uint32{61011, 62001}},
	{61012, []uint32{61012, 62002}},
	{61013, []uint32{61013, 62001, 62002}},
	{61014, []uint32{61014}},
}

// reads is what of "secret-…" a user finds below directories, through links too.
func (u user) reads(t *testing.T, dirs ...string) []string {
	t.Helper()
	out, _ := as(u.uid, u.groups, "grep", append([]string{"-RhaoE", "--exclude-dir=lost+found", "secret-[a-z0-9-]+"}, dirs...)...)
	var found []string
	for line := range strings.Lines(out) {
		if strings.HasPrefix(line, "secret-") {
			found = append(found, strings.TrimSpace(line))
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// generated is a tree of owners, groups, modes and ACLs, of directories and of files.
func (s *site) generated() {
	n := 0
	for d, dir := range []struct {
		mode     os.FileMode
		uid, gid int
		acl      string
	}{
		{0o755, 0, 0, ""},
		{0o750, 61011, 62001, ""},
		{0o711, 61011, 62001, ""},
		{0o705, 61012, 62001, ""}, // the group may less than others
		{0o070, 61011, 62002, ""}, // the owner may not
		{0o777 | os.ModeSticky, 0, 0, ""},
		{0o777 | os.ModeSticky, 61012, 62002, ""},
		{0o2770, 61012, 62002, ""},
		{0o700, 61011, 61011, "u:61014:rx"},
		{0o750, 61012, 62001, "u:61011:---,g:62002:rx"},
		{0o755, 61012, 62002, "g:62001:---"},
	} {
		top := filepath.Join(s.hot, fmt.Sprint("tree/d", d))
		for _, file := range []struct {
			mode     os.FileMode
			uid, gid int
			acl      string
		}{
			{0o644, 61011, 62001, ""},
			{0o640, 61012, 62002, ""},
			{0o604, 61011, 62001, ""},
			{0o044, 61011, 61011, ""},
			{0o600, 0, 0, ""},
			{0o666, 61013, 62002, ""},
			{0o600, 61011, 61011, "u:61012:r,g:62002:rw"},
			{0o640, 61012, 62001, "u:61013:---,m:r"},
		} {
			n++
			path := s.write(fmt.Sprintf("tree/d%d/f%d", d, n), fmt.Sprint("secret-", n))
			s.ok(os.Chown(path, file.uid, file.gid), os.Chmod(path, file.mode))
			if file.acl != "" {
				mounttest.Run(s.t, "setfacl", "-m", file.acl, path)
			}
		}
		s.ok(os.Chown(top, dir.uid, dir.gid), os.Chmod(top, dir.mode))
		if dir.acl != "" {
			mounttest.Run(s.t, "setfacl", "-m", dir.acl, top)
		}
	}
}

// TestWhoReadsWhat: nobody reads more than at home, at any moment of a run and after it; everybody reads the same as before through the
// links; and nobody but root changes anything in the archive.
func TestWhoReadsWhat(t *testing.T) {
	if set, err := os.ReadFile("/proc/sys/fs/protected_symlinks"); err != nil || strings.TrimSpace(string(set)) != "1" {
		t.Logf("fs.protected_symlinks is %q, %v: sticky directories prove little here", set, err)
	}
	s := newSite(t, `size >= 5`, nil)
	s.inNoTime()
	data := filepath.Dir(filepath.Dir(s.catalog.Path()))
	letIn(t, s.hot, s.cold, data)
	s.generated()
	before := make([][]string, len(users))
	for i, u := range users {
		before[i] = u.reads(t, s.hot)
		if len(before[i]) == 0 || len(before[i]) == 88 {
			t.Fatalf("user %d reads %d files: the tree tells nothing", u.uid, len(before[i]))
		}
	}
	nobodyMore := func(when string, dirs ...string) {
		for i, u := range users {
			for _, secret := range u.reads(t, append(dirs, s.cold, data, filepath.Join(s.hot, ".tidemark"))...) {
				if !slices.Contains(before[i], secret) {
					t.Errorf("%s: user %d reads %s", when, u.uid, secret)
				}
			}
			out, _ := as(u.uid, u.groups, "grep", "-c", "", s.catalog.Path(), s.catalog.Path()+"-wal", s.catalog.Path()+"-shm",
				s.cold+"/.tidemark/archive.json", s.cold+"/.tidemark/manifest/h.jsonl", s.hot+"/.tidemark/lock")
			if strings.Count(out, "Permission denied") != 6 {
				t.Errorf("%s: user %d can look into what is root's: %s", when, u.uid, out)
			}
		}
	}
	options, calls := s.options, 0
	options.FS = fault.New(fsys.Host{}, fault.Plan{Before: func(c fault.Call) {
		if calls++; calls%700 == 600 {
			nobodyMore(c.String()) // not at home: who opens a leased file waits for the run, which waits here
		}
	}})
	report, err := New(options).Run(t.Context(), "cold", RunOptions{Force: true})
	if err != nil || report.FilesReleased != 88 || calls < 1400 {
		t.Fatalf("%v %+v in %d calls", err, report, calls)
	}
	nobodyMore("after the run", s.hot)
	for i, u := range users {
		if got := u.reads(t, s.hot); !slices.Equal(got, before[i]) {
			t.Errorf("user %d reads %d files, before %d: %q", u.uid, len(got), len(before[i]), got)
		}
	}
	s.nobodyChanges()
	s.ok(os.Chmod(filepath.Join(s.hot, "tree/d0"), 0o700)) // who loses it at home loses it
	s.mustRun()
	for _, u := range users {
		for _, secret := range u.reads(t, s.hot, s.cold) {
			if slices.Contains([]string{"secret-1", "secret-2", "secret-3", "secret-4", "secret-6"}, secret) {
				t.Errorf("user %d still reads %s", u.uid, secret)
			}
		}
	}
}

// nobodyChanges lets the files' owners and others try, through the links and in the archive itself.
func (s *site) nobodyChanges() {
	before := everyState(s.t, s.cold)
	for _, u := range users {
		for _, f := range []string{filepath.Join(s.hot, "tree/d0/f1"), filepath.Join(s.cold, "data/h", s.hot, "tree/d0/f1"), filepath.Join(s.cold, "data/h", s.hot, "tree/d5/f46")} {
			for _, change := range []string{
				"echo x >> $1", "truncate -s 0 $1", "chmod 777 $1", "chmod u+w $1", "chown 61014 $1", "chgrp 61011 $1", "touch $1", "touch -d 2000-01-01 $1",
				"setfattr -n user.x -v y $1", "setfacl -m u:61014:rw $1", "chattr -i $1", "chattr +a $1", "rm -f $(readlink -f $1)", "mv $(readlink -f $1) /tmp",
				"ln $(readlink -f $1) $(dirname $(readlink -f $1))/y", "touch $(dirname $(readlink -f $1))/new", "mkdir $(dirname $(readlink -f $1))/new",
				"chmod 777 $(dirname $(readlink -f $1))", "mv $(dirname $(readlink -f $1)) /tmp", "dd if=/dev/null of=$1", "setfattr -n user.tidemark.home -v 1 $(dirname $(readlink -f $1))",
			} {
				if out, err := as(u.uid, u.groups, "sh", "-c", change, "sh", f); err == nil {
					s.t.Errorf("user %d could %s with %s: %s", u.uid, change, f, out)
				}
			}
		}
	}
	if after := everyState(s.t, s.cold); after != before {
		s.t.Errorf("the archive was\n%s\nis\n%s", before, after)
	}
}
