package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tidemark/tidemark/internal/influxtest"
	"github.com/tidemark/tidemark/internal/mounttest"
)

// What a host does to its agent: two of them, a full disk, a damaged file, readers of another user.

func TestTwoAgentsOnOneDataDirectory(t *testing.T) {
	t.Parallel()
	server := influxtest.Shared(t)
	bucket := server.Bucket(t)
	h := newHome(t, shipping(t, server, server.URL, bucket))
	agents := []*process{h.start(t, []string{"agent"}), h.start(t, []string{"agent"})} // both make the file
	for _, p := range agents {
		p.waits(t, "readings", func() bool { return len(h.readings(t)) >= 3 })
	}
	for _, p := range agents {
		p.ends(t, syscall.SIGTERM)
	}
	h.wantSameMoments(t, server, bucket, 3)
	for _, p := range agents {
		if log := p.stderr.String(); strings.Contains(log, "level=WARN") || strings.Contains(log, "level=ERROR") {
			t.Errorf("the two disturb one another:\n%s", log)
		}
	}
}

func TestManyStartsAtOnceMakeOneHistory(t *testing.T) {
	t.Parallel()
	h := newHome(t, "agent: {every: 1s, "+onlyRoot+"}\n")
	var all []*process
	for range 6 {
		all = append(all, h.start(t, []string{"agent"}))
	}
	for _, p := range all {
		p.waits(t, "its start", p.stderr.has("agent starts"))
	}
	for _, p := range all {
		p.ends(t, syscall.SIGTERM)
	}
	if left, _ := filepath.Glob(h.history() + ".corrupt*"); len(left) > 0 {
		t.Errorf("a history was set aside: %v", left)
	}
}

func TestDamagedHistoryIsSetAside(t *testing.T) {
	t.Parallel()
	h := newHome(t, "agent: {every: 1s, "+onlyRoot+"}\n")
	if err := os.MkdirAll(filepath.Dir(h.history()), 0o770); err != nil {
		t.Fatal(err)
	}
	garbage := bytes.Repeat([]byte("no database at all. "), 1000)
	if err := os.WriteFile(h.history(), garbage, 0o660); err != nil {
		t.Fatal(err)
	}
	// A reader says so and changes nothing.
	h.fails(t, exitFailed, []string{"not a sound database", "hint: restart the agent"}, "forecast")
	p := h.start(t, []string{"agent"})
	p.waits(t, "readings", func() bool { return len(h.readings(t)) >= 1 })
	p.ends(t, syscall.SIGTERM)
	if !p.stderr.has("the history is damaged; it was set aside and a new one begins")() {
		t.Errorf("the agent does not tell of the damage:\n%s", p.stderr.String())
	}
	aside, err := filepath.Glob(h.history() + ".corrupt-*")
	if err != nil || len(aside) != 1 {
		t.Fatalf("set aside: %v, %v", aside, err)
	}
	if kept, err := os.ReadFile(aside[0]); err != nil || !bytes.Equal(kept, garbage) {
		t.Errorf("what was set aside has changed: %v", err)
	}
}

// TestDamageIsToldToPeople has a command of a person find the damage: what a service would log is said in its own words.
func TestDamageIsToldToPeople(t *testing.T) {
	t.Parallel()
	h := newHome(t, "")
	if err := os.MkdirAll(filepath.Dir(h.history()), 0o770); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(h.history(), []byte("no database at all"), 0o660); err != nil {
		t.Fatal(err)
	}
	past := filepath.Join(h.dir, "past.csv")
	if err := os.WriteFile(past, []byte(fleetCSV(time.Now())), 0o600); err != nil {
		t.Fatal(err)
	}
	got := h.tidemark(t, "import", past)
	said := strings.Split(strings.TrimSpace(got.stderr), "\n")
	if got.code != exitDone || len(said) != 2 ||
		!strings.HasPrefix(said[0], "tidemark: error: the history is damaged; it was set aside and a new one begins (set aside: "+h.history()+".corrupt-") ||
		!strings.HasPrefix(said[1], "tidemark: imported 65 readings") {
		t.Errorf("exit code %d, said\n%s", got.code, got.stderr)
	}
}

func TestDataDirectoryThatCannotBeWritten(t *testing.T) {
	mounttest.RequireRoot(t)
	t.Parallel()
	h := newHome(t, "")
	if err := os.Mkdir(h.state, 0o770); err != nil {
		t.Fatal(err)
	}
	mounttest.On(t, h.state, "-t", "tmpfs", "-o", "ro", "tmpfs")
	for _, command := range []string{"agent", "up"} {
		h.fails(t, exitUsage, []string{"tidemark: data_dir: " + h.state + " cannot be written: read-only file system"}, command)
	}
}

// TestFullDiskUnderTheHistory fills the history's disk while the agent samples, and empties it again.
func TestFullDiskUnderTheHistory(t *testing.T) {
	mounttest.RequireRoot(t)
	t.Parallel()
	server := influxtest.Shared(t)
	bucket := server.Bucket(t)
	h := newHome(t, shipping(t, server, server.URL, bucket))
	if err := os.Mkdir(h.state, 0o770); err != nil {
		t.Fatal(err)
	}
	mounttest.On(t, h.state, "-t", "tmpfs", "-o", "size=4m", "tmpfs")
	p := h.start(t, []string{"agent"})
	p.waits(t, "readings", func() bool { return len(h.readings(t)) >= 1 })
	ballast := filepath.Join(h.state, "ballast")
	fill(t, ballast)
	p.waits(t, "its complaint", p.stderr.has("sampling fails"))
	if !p.stderr.has("full")() {
		t.Errorf("it does not say that the disk is full:\n%s", p.stderr.String())
	}
	held := h.readings(t)
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	p.waits(t, "its recovery", p.stderr.has("sampling works again"))
	p.waits(t, "an empty outbox", func() bool { return h.outbox(t).Depth == 0 })
	p.ends(t, syscall.SIGTERM)
	h.wantAgreement(t, server, bucket, len(held)+2)
	if n := strings.Count(p.stderr.String(), "sampling fails"); n != 1 {
		t.Errorf("one trouble is told %d times:\n%s", n, p.stderr.String())
	}
	complained := loggedAt(t, p.stderr.String(), "sampling fails")
	if next := h.readings(t)[len(held)]; next.time > complained.Unix() {
		t.Errorf("the first reading after the trouble is of %d; the one that could not be recorded at %d is lost", next.time, complained.Unix())
	}
}

// loggedAt is when the log told of something.
func loggedAt(t *testing.T, log, what string) time.Time {
	t.Helper()
	for line := range strings.Lines(log) {
		if at, rest, _ := strings.Cut(strings.TrimPrefix(line, "time="), " "); strings.Contains(rest, what) {
			logged, err := time.Parse(time.RFC3339, at)
			if err != nil {
				t.Fatal(err)
			}
			return logged
		}
	}
	t.Fatalf("the log does not tell of %q", what)
	return time.Time{}
}

// fill writes until the disk is full.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, block := range []int{1 << 16, 1} { // to the last byte of the last page
		for {
			if _, err := f.Write(make([]byte, block)); err != nil {
				break
			}
		}
	}
}

// as runs the program as another user, of the group alone.
func as(uid, gid uint32) func(*exec.Cmd) {
	return func(c *exec.Cmd) {
		c.SysProcAttr.Credential = &syscall.Credential{Uid: uid, Gid: gid}
	}
}

// TestMembersOfTheGroupRead has an unprivileged agent, read by another member of its group, while it samples, after it
// was killed, and after it ended; the agent goes on with what the readers left. Nobody else may read.
func TestMembersOfTheGroupRead(t *testing.T) {
	mounttest.RequireRoot(t)
	t.Parallel()
	const agentUser, reader, stranger, group, others = 64101, 64102, 64103, 64100, 64199
	h := newHome(t, "agent: {every: 1s, "+onlyRoot+"}\n")
	program := publicly(t, h)
	if err := os.Mkdir(h.state, 0); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(h.state, agentUser, group); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(h.state, 0o770|os.ModeSetgid); err != nil { // as the service's unit makes it
		t.Fatal(err)
	}
	read := func(uid, gid uint32) (string, int) { return h.readAs(t, program, uid, gid) }
	wantRead := func(when string) {
		t.Helper()
		if out, code := read(reader, group); code != exitDone || !strings.Contains(out, `"path":"/"`) || strings.Contains(out, "no history") {
			t.Errorf("%s: a member of the group gets exit code %d:\n%s", when, code, out)
		}
		if out, code := read(stranger, others); code == exitDone || !strings.Contains(out, "group tidemark") {
			t.Errorf("%s: a stranger gets exit code %d:\n%s", when, code, out)
		}
	}
	run := func(c *exec.Cmd) {
		c.Path = program
		as(agentUser, group)(c)
	}
	// This test's own user is root and could read whatever the modes: it leaves the file alone.
	sampled := func(p *process, since time.Time) {
		p.waits(t, "a reading that a member sees", func() bool {
			out, _ := read(reader, group)
			_, at, _ := strings.Cut(out, `"time":"`)
			at, _, _ = strings.Cut(at, `"`)
			newest, err := time.Parse(time.RFC3339, at)
			return err == nil && !strings.Contains(out, "no history") && newest.After(since)
		})
	}
	p := h.start(t, []string{"agent"}, run)
	sampled(p, time.Time{})
	wantRead("while it samples")
	p.kill()
	wantRead("after it was killed")
	for range 2 {
		p = h.start(t, []string{"agent"}, run)
		sampled(p, time.Now())
		p.ends(t, syscall.SIGTERM)
		wantRead("after it ended")
		if log := p.stderr.String(); strings.Contains(log, "level=ERROR") {
			t.Errorf("the agent is disturbed by what readers left:\n%s", log)
		}
	}
}

// readAs runs the program as a user who asks for the volumes; it returns all that was said, and the exit code.
func (h *home) readAs(t *testing.T, program string, uid, gid uint32) (string, int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, "volumes", "--format", "json")
	cmd.Env, cmd.Dir, cmd.SysProcAttr = h.env, h.dir, &syscall.SysProcAttr{}
	as(uid, gid)(cmd)
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		t.Fatalf("start %s: %v", program, err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// publicly puts the program where every user may run it, and opens the home's directories.
func publicly(t *testing.T, h *home) string {
	t.Helper()
	for _, dir := range []string{filepath.Dir(h.dir), h.dir} {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	found, err := exec.LookPath("tidemark")
	if err != nil {
		t.Fatal(err)
	}
	from, err := os.Open(found)
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	path := filepath.Join(h.dir, "tidemark")
	to, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(to, from); err != nil {
		t.Fatal(err)
	}
	if err := to.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}
