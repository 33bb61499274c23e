package tiering

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tidemark/tidemark/internal/fsys"
	"github.com/tidemark/tidemark/internal/fsys/fault"
	"github.com/tidemark/tidemark/internal/mounttest"
	"github.com/tidemark/tidemark/tiering/catalog"
	"github.com/tidemark/tidemark/tiering/selection"
)

const (
	victim = 61001
	eve    = 61002
)

// as runs a command as a user, in the groups named.
func as(uid uint32, groups []uint32, name string, args ...string) (string, error) {
	c := exec.Command(name, args...)
	gid := uid
	if len(groups) > 0 {
		gid = groups[0]
	}
	c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: gid, Groups: groups}}
	c.Dir = "/"
	out, err := c.CombinedOutput()
	return string(out), err
}

// letIn lets others reach a directory of the test's.
func letIn(t *testing.T, dirs ...string) {
	t.Helper()
	for _, dir := range dirs {
		for ; dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
			info, err := os.Stat(dir)
			if err == nil && info.Mode().Perm()&0o005 != 0o005 {
				err = os.Chmod(dir, info.Mode().Perm()|0o055)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
}

// secretsOf is what of "secret-…" a user can read anywhere.
func secretsOf(t *testing.T, uid uint32, dirs ...string) []string {
	t.Helper()
	out, err := as(uid, nil, "grep", append([]string{"-rhaoE", "--exclude-dir=lost+found", "secret-[a-z0-9-]+"}, dirs...)...)
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || exit.ExitCode() > 2) { // 1: nothing, 2: something was not to be read
		t.Fatal(err)
	}
	var found []string
	for line := range strings.Lines(out) {
		if strings.HasPrefix(line, "secret-") {
			found = append(found, strings.TrimSpace(line))
		}
	}
	return found
}

// everyState is all that changes when somebody touches a tree.
func everyState(t *testing.T, dir string) string {
	t.Helper()
	return mounttest.Run(t, "find", dir, "-printf", "%p %i %y %m %U:%G %s %n %T@ %C@ %l\n")
}

func (s *site) ok(errs ...error) {
	s.t.Helper()
	for _, err := range errs {
		if err != nil {
			s.t.Fatal(err)
		}
	}
}

// owned makes a file of the victim's in a directory of his own.
func (s *site) owned(rel, content string, mode, dirMode os.FileMode) string {
	s.t.Helper()
	path := s.write(rel, content)
	s.ok(os.Chown(path, victim, victim), os.Chmod(path, mode), os.Chown(filepath.Dir(path), victim, victim), os.Chmod(filepath.Dir(path), dirMode))
	return path
}

// inNoTime lets the engine wait without waiting.
func (s *site) inNoTime() {
	var passed time.Duration
	turn := make(chan struct{}, 1)
	turn <- struct{}{}
	s.options.Now = func() time.Time { <-turn; defer func() { turn <- struct{}{} }(); return time.Now().Add(passed) }
	s.options.Sleep = func(ctx context.Context, d time.Duration) error {
		<-turn
		passed += d
		turn <- struct{}{}
		return ctx.Err()
	}
}

// TestSwapsBetweenPlanAndMove: what was planned is something else when its turn comes.
func TestSwapsBetweenPlanAndMove(t *testing.T) {
	s := newSite(t, `size >= 5`, nil)
	s.inNoTime()
	outside := t.TempDir()
	s.ok(os.WriteFile(filepath.Join(outside, "f"), []byte("canary"), 0o600), os.WriteFile(filepath.Join(outside, "shadow"), []byte("canary"), 0o600))
	others := s.owned("others/f", "canary of others", 0o600, 0o700)
	s.owned("others/deep/f", "canary of others", 0o600, 0o700)
	s.ok(os.Link(others, others+"2")) // more than one name: no policy takes it
	swaps := []struct {
		name, want string // want is in the reason
		swap       func(dir, file string) error
	}{
		{"file-to-symlink", "symlink", func(_, file string) error { return os.Symlink(filepath.Join(outside, "shadow"), file) }},
		{"file-to-symlink-into-the-archive", "symlink", func(_, file string) error { return os.Symlink(filepath.Join(s.cold, ".tidemark/archive.json"), file) }},
		{"file-to-hard-link", "3 hard links", func(_, file string) error { return os.Link(others, file) }},
		{"file-to-fifo", "no regular file", func(_, file string) error { return unix.Mkfifo(file, 0o666) }},
		{"file-to-socket", "no regular file", func(_, file string) error { return unix.Mknod(file, unix.S_IFSOCK|0o666, 0) }},
		{"file-to-device", "no regular file", func(_, file string) error { return unix.Mknod(file, unix.S_IFCHR|0o666, int(unix.Mkdev(1, 5))) }},
		{"file-to-directory", "no regular file", func(_, file string) error { return os.Mkdir(file, 0o777) }},
		{"file-to-another", "replaced", func(_, file string) error { return os.WriteFile(file, []byte("planned"), 0o644) }},
		{"file-under-a-mount", "mount", func(dir, file string) error {
			s.ok(os.Rename(filepath.Join(dir, "was"), file))
			mounttest.On(t, file, "--bind", filepath.Join(outside, "f"))
			return nil
		}},
		{"file-under-a-mount-of-the-volume", "mount", func(dir, file string) error {
			s.ok(os.Rename(filepath.Join(dir, "was"), file))
			mounttest.On(t, file, "--bind", others)
			return nil
		}},
		{"dir-to-symlink", "symlink", func(dir, _ string) error { return errors.Join(os.Rename(dir, dir+".was"), os.Symlink(outside, dir)) }},
		{"dir-to-symlink-in-the-volume", "symlink", func(dir, _ string) error {
			return errors.Join(os.Rename(dir, dir+".was"), os.Symlink("../others", dir))
		}},
		{"dir-to-file", "symlink", func(dir, _ string) error {
			return errors.Join(os.Rename(dir, dir+".was"), os.WriteFile(dir, nil, 0o644))
		}},
		{"dir-under-a-mount", "mount", func(dir, _ string) error { mounttest.On(t, dir, "--bind", outside); return nil }},
		{"dir-under-a-mount-of-the-volume", "mount", func(dir, _ string) error { mounttest.On(t, dir, "--bind", filepath.Dir(others)); return nil }},
		{"dir-under-tmpfs", "mount", func(dir, _ string) error { mounttest.On(t, dir, "-t", "tmpfs", "tmpfs"); return nil }},
		{"dir-gone", "gone", func(dir, _ string) error { return os.Rename(dir, dir+".was") }},
		{"made-setuid", "changed", func(dir, file string) error {
			return errors.Join(os.Rename(filepath.Join(dir, "was"), file), os.Chmod(file, 0o6755))
		}},
		{"given-away", "changed", func(dir, file string) error {
			return errors.Join(os.Rename(filepath.Join(dir, "was"), file), os.Chown(file, eve, eve))
		}},
		{"immutable", "changed", func(dir, file string) error {
			s.ok(os.Rename(filepath.Join(dir, "was"), file))
			mounttest.Run(t, "chattr", "+i", file)
			t.Cleanup(func() { mounttest.Run(t, "chattr", "-i", file) })
			return nil
		}},
		{"\x1b]0;owned\a\r\n\x1b[2J", "replaced", func(_, file string) error { return os.WriteFile(file, []byte("planned"), 0o644) }},
	}
	for _, c := range swaps {
		s.write(filepath.Join("swaps", c.name, "f"), "planned")
	}
	plan, err := New(s.options).Preview(t.Context(), "cold")
	s.ok(err)
	plan.Plan.Files = slices.DeleteFunc(plan.Plan.Files, func(it selection.Item) bool { return !strings.Contains(it.Path, "/swaps/") })
	want := map[string]string{}
	for _, c := range swaps {
		dir := filepath.Join(s.hot, "swaps", c.name)
		file := filepath.Join(dir, "f")
		want[file] = c.want
		if !strings.HasPrefix(c.name, "dir-") {
			s.ok(os.Rename(file, filepath.Join(dir, "was")))
		}
		if err := c.swap(dir, file); err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
	}
	before := everyState(t, outside) + everyState(t, filepath.Join(s.hot, "others"))
	report, err := New(s.options).Run(t.Context(), "cold", RunOptions{Plan: &plan.Plan})
	if err != nil || report.FilesArchived != 0 || len(report.Failed) != 0 {
		t.Errorf("%v %+v", err, report)
	}
	for _, skipped := range report.Skipped {
		if reason := want[skipped.Path]; reason == "" || !strings.Contains(skipped.Reason, reason) {
			t.Errorf("%q, want %q", skipped, reason)
		}
		if strings.ContainsAny(skipped.Reason, "\x1b\a\r\n") {
			t.Errorf("%q would reach a terminal", skipped.Reason)
		}
		delete(want, skipped.Path)
	}
	if len(want) != 0 {
		t.Errorf("not skipped: %q", want)
	}
	if after := everyState(t, outside) + everyState(t, filepath.Join(s.hot, "others")); after != before {
		t.Errorf("what nobody planned was touched: was\n%s\nis\n%s", before, after)
	}
	if out, _ := exec.Command("grep", "-r", "-e", "canary", "-e", "planned", s.cold).Output(); len(out) != 0 {
		t.Errorf("in the archive: %s", out)
	}
}

// TestSwapsAtEveryCall: at each call of a run somebody who may write to the directory above puts something else in the victim's place. What
// nobody else could read stays so; nothing outside is touched; and the victim's content is still there.
func TestSwapsAtEveryCall(t *testing.T) {
	outside := t.TempDir()
	for _, c := range []struct {
		name string
		back int // so many calls later the victim's is there again
		swap func(dir string) error
	}{
		{"a directory of eve's", 0, func(dir string) error {
			return errors.Join(os.Rename(dir, dir+".was"), os.Mkdir(dir, 0o777), os.Chmod(dir, 0o777), os.Chown(dir, eve, eve))
		}},
		{"a directory of eve's, and back", 4, func(dir string) error {
			return errors.Join(os.Rename(dir, dir+".was"), os.Mkdir(dir, 0o777), os.Chmod(dir, 0o777), os.Chown(dir, eve, eve))
		}},
		{"a symlink out of the volume", 0, func(dir string) error { return errors.Join(os.Rename(dir, dir+".was"), os.Symlink(outside, dir)) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, `size >= 5`, nil)
			s.inNoTime()
			letIn(t, s.hot, s.cold)
			s.ok(os.Mkdir(filepath.Join(s.hot, "shared"), 0o777), os.Chmod(filepath.Join(s.hot, "shared"), 0o777))
			before := everyState(t, outside)
			at := 1
			for last := false; !last; at += 7 {
				last = s.swapAt(at, c.back, c.swap)
			}
			if at < 60 {
				t.Errorf("only %d calls", at)
			}
			if got := secretsOf(t, eve, s.hot, s.cold); len(got) != 0 {
				t.Errorf("eve reads %q", got)
			}
			if after := everyState(t, outside); after != before {
				t.Errorf("outside was\n%s\nis\n%s", before, after)
			}
		})
	}
}

// swapAt runs the policy on one file, and swaps its directory at a call; last says that there was no such call.
func (s *site) swapAt(at, back int, swap func(dir string) error) (last bool) {
	s.t.Helper()
	name := fmt.Sprint("d", at)
	secret := "secret-" + name
	s.owned("shared/"+name+"/sub/f", secret, 0o644, 0o755)
	dir := filepath.Join(s.hot, "shared", name)
	s.ok(os.Chown(dir, victim, victim), os.Chmod(dir, 0o700))
	plan, err := New(s.options).Preview(s.t.Context(), "cold")
	s.ok(err)
	plan.Plan.Files = slices.DeleteFunc(plan.Plan.Files, func(it selection.Item) bool { return !strings.HasPrefix(it.Path, dir+"/") })
	done := false
	calls, done := 0, false // counted from where it is first about this file
	options := s.options
	options.FS = fault.New(fsys.Host{}, fault.Plan{Before: func(c fault.Call) {
		if calls > 0 || filepath.Clean(c.Path) == dir {
			calls++
		}
		if calls == at && !done {
			done = true
			s.ok(swap(dir))
		}
		if back > 0 && calls == at+back {
			s.ok(unix.Renameat2(unix.AT_FDCWD, dir, unix.AT_FDCWD, dir+".was", unix.RENAME_EXCHANGE))
		}
	}})
	report, err := New(options).Run(s.t.Context(), "cold", RunOptions{Plan: &plan.Plan})
	if err != nil {
		s.t.Errorf("call %d: %v %+v", at, err, report)
	}
	if _, err := New(s.options).Recover(s.t.Context()); err != nil {
		s.t.Errorf("call %d: recover: %v", at, err)
	}
	if out, err := exec.Command("grep", "-rl", secret, s.hot, s.cold).CombinedOutput(); err != nil {
		s.t.Errorf("call %d: %s is lost: %v %s", at, secret, err, out)
	}
	return !done
}

// TestRecallIntoOtherHands: what comes back must not get to where somebody else waits for it.
func TestRecallIntoOtherHands(t *testing.T) {
	s := newSite(t, `size >= 5`, func(p *Policy) { p.Leave = catalog.LeaveNothing })
	s.inNoTime()
	letIn(t, s.hot, s.cold)
	s.ok(os.Mkdir(filepath.Join(s.hot, "shared"), 0o777), os.Chmod(filepath.Join(s.hot, "shared"), 0o777))
	file := s.owned("shared/victim/f", "secret-nothing", 0o644, 0o700)
	ofGroup := s.owned("group/f", "shared file", 0o640, 0o755)
	s.ok(os.Chown(filepath.Dir(ofGroup), 61003, 61003))
	s.mustRun()
	dir := filepath.Dir(file)
	s.ok(os.Remove(dir), os.Mkdir(dir, 0o777), os.Chmod(dir, 0o777), os.Chown(dir, eve, eve))
	s.owned("shared/victim/bait", "of eve's", 0o644, 0o777)
	s.ok(os.Chown(dir, eve, eve), os.Chown(filepath.Join(dir, "bait"), eve, eve))
	s.mustRun() // it archives what is eve's, and remembers that directory too
	recalled, err := New(s.options).Recall(t.Context(), []string{file, ofGroup})
	if err != nil || recalled.Files != 1 || len(recalled.Skipped) != 1 || !strings.Contains(recalled.Skipped[0].Reason, "belongs to user 61002 now") {
		t.Errorf("%v %+v", err, recalled)
	}
	if got := secretsOf(t, eve, s.hot, s.cold); len(got) != 0 {
		t.Errorf("eve reads %q", got)
	}
	s.ok(os.RemoveAll(dir))
	recalled, err = New(s.options).Recall(t.Context(), []string{file})
	info, err2 := os.Stat(dir)
	if err != nil || err2 != nil || recalled.Files != 1 || info.Mode().Perm() != 0o700 || info.Sys().(*syscall.Stat_t).Uid != victim {
		t.Errorf("%v %+v; its directory %v %v", err, recalled, info, err2)
	}
}

// TestRecallByALinkOfEves: only the owner's link says where a file is to go.
func TestRecallByALinkOfEves(t *testing.T) {
	s := newSite(t, `size >= 5`, nil)
	s.inNoTime()
	file := s.owned("victim/f", "secret-link", 0o644, 0o700)
	s.owned("eve/x", "eve", 0o644, 0o755)
	eves := filepath.Join(s.hot, "eve")
	s.ok(os.Chown(eves, eve, eve))
	s.mustRun()
	target, err := os.Readlink(file)
	s.ok(err, os.Symlink(target, eves+"/link"), os.Lchown(eves+"/link", eve, eve))
	if recalled, err := New(s.options).Recall(t.Context(), []string{eves + "/link"}); err == nil || recalled.Files != 0 {
		t.Errorf("recalled by eve's link: %+v", recalled)
	}
	s.ok(os.Rename(file, filepath.Join(s.hot, "victim/elsewhere")))
	if recalled, err := New(s.options).Recall(t.Context(), []string{filepath.Join(s.hot, "victim/elsewhere")}); err != nil || recalled.Files != 1 {
		t.Errorf("by the owner's: %v %+v", err, recalled)
	}
}

// TestPrivateDirectoryOfSomebodyElse: whoever owns .tidemark could take files out of it.
func TestPrivateDirectoryOfSomebodyElse(t *testing.T) {
	for _, c := range []struct {
		name, want string
		make       func(dir string) error
	}{
		{"of a user", "belongs to uid 61002", func(dir string) error { return errors.Join(os.Mkdir(dir, 0o700), os.Chown(dir, eve, eve)) }},
		{"open to all", "mode 0777", func(dir string) error { return errors.Join(os.Mkdir(dir, 0o777), os.Chmod(dir, 0o777)) }},
		{"trash of a user", "trash", func(dir string) error {
			return errors.Join(os.Mkdir(dir, 0o700), os.Mkdir(dir+"/trash", 0o700), os.Chown(dir+"/trash", eve, eve))
		}},
		{"symlink", "too many levels of symbolic links", func(dir string) error { return os.Symlink("/tmp", dir) }},
		{"file", "not a directory", func(dir string) error { return os.WriteFile(dir, nil, 0o600) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSite(t, `size >= 5`, nil)
			file := s.owned("a/f", "content", 0o644, 0o755)
			s.ok(c.make(filepath.Join(s.hot, ".tidemark")))
			report, err := New(s.options).Run(t.Context(), "cold", RunOptions{Force: true})
			if err == nil || report.FilesArchived != 0 {
				t.Fatalf("it ran: %+v", report)
			}
			if !strings.Contains(err.Error(), c.want) && !strings.Contains(err.Error(), "uid 61002") {
				t.Errorf("%v, want %q", err, c.want)
			}
			if info, err := os.Lstat(file); err != nil || !info.Mode().IsRegular() {
				t.Errorf("%v %v", info, err)
			}
		})
	}
}
