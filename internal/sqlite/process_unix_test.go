//go:build unix

package sqlite

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/tidemark/tidemark/internal/mounttest"
)

// The test binary plays the other processes: what it does is in this variable, the file in the next.
const (
	playVariable = "TIDEMARK_SQLITE_PLAY"
	fileVariable = "TIDEMARK_SQLITE_FILE"
)

func TestMain(m *testing.M) {
	if play := os.Getenv(playVariable); play != "" {
		os.Exit(other(play, os.Getenv(fileVariable)))
	}
	os.Exit(m.Run())
}

// other opens the file for reading or writing once a line comes in, says "open", and holds it until its input ends. A failure is
// said in one line, with its kind.
func other(play, path string) int {
	syscall.Umask(0o077) // modes must not depend on it
	in := bufio.NewReader(os.Stdin)
	if _, err := in.ReadString('\n'); err != nil {
		return 3
	}
	db, err := openAs(play, path)
	if err != nil {
		fmt.Printf("permission=%t corrupt=%t %v\n", errors.Is(err, fs.ErrPermission), errors.Is(err, ErrCorrupt), err)
		return 1
	}
	fmt.Println("open")
	io.Copy(io.Discard, in)
	if err := db.Close(); err != nil {
		fmt.Println(err)
		return 1
	}
	return 0
}

func openAs(play, path string) (*sql.DB, error) {
	ctx := context.Background()
	if play == "read" {
		db, err := OpenReadOnly(ctx, path, 2)
		if err != nil {
			return nil, err
		}
		var n int
		return db, db.QueryRowContext(ctx, "SELECT count(*) FROM entry").Scan(&n)
	}
	db, err := Open(ctx, path, two)
	if err != nil {
		return nil, err
	}
	_, err = db.ExecContext(ctx, "INSERT INTO entry (text) VALUES (?)", fmt.Sprint(os.Getpid()))
	return db, err
}

// process is another process that has the file open, or will.
type process struct {
	t   *testing.T
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

// start starts one; who of nil is this user.
func start(t *testing.T, binary, play, path string, who *syscall.Credential) *process {
	t.Helper()
	cmd := exec.Command(binary, "-test.run=^$")
	// A process under the race detector would sleep for a second before it ends.
	cmd.Env = append(os.Environ(), playVariable+"="+play, fileVariable+"="+path, "GORACE=atexit_sleep_ms=0 "+os.Getenv("GORACE"))
	cmd.Dir = "/"
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: who}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	return &process{t, cmd, in, bufio.NewReader(out)}
}

// open lets the process open the file; answer is what came of it.
func (p *process) open() {
	p.t.Helper()
	if _, err := io.WriteString(p.in, "\n"); err != nil {
		p.t.Fatal(err)
	}
}

func (p *process) answer() string {
	p.t.Helper()
	line, err := p.out.ReadString('\n')
	if err != nil {
		p.t.Fatalf("the other process said %q: %v", line, err)
	}
	return strings.TrimSuffix(line, "\n")
}

// end lets it close the file.
func (p *process) end() {
	p.t.Helper()
	p.in.Close()
	if err := p.cmd.Wait(); err != nil {
		p.t.Errorf("the other process: %v", err)
	}
}

func ourselves(t *testing.T) string {
	t.Helper()
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return binary
}

// Agent, tiering and planner may start together on a host that has no file yet.
func TestProcessesThatOpenAtOnce(t *testing.T) {
	binary := ourselves(t)
	for range 4 {
		path := filepath.Join(t.TempDir(), "new", "test.db")
		all := make([]*process, 6)
		for i := range all {
			all[i] = start(t, binary, "write", path, nil)
		}
		for _, p := range all {
			p.open()
		}
		for _, p := range all {
			if got := p.answer(); got != "open" {
				t.Error(got)
			}
		}
		for _, p := range all {
			p.end()
		}
		if n := count(t, open(t, path, two)); n != 2+len(all) {
			t.Errorf("%d entries, want two of the schema and one of each process", n)
		}
	}
}

func modeOf(t *testing.T, path string) fs.FileMode {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Mode()
}

func TestFilesAreTheGroups(t *testing.T) {
	before := syscall.Umask(0o077)
	t.Cleanup(func() { syscall.Umask(before) })
	path := filepath.Join(t.TempDir(), "agent", "test.db")
	open(t, path, two)
	if got := modeOf(t, filepath.Dir(path)); got != fs.ModeDir|fs.ModeSetgid|0o770 {
		t.Errorf("the directory is %v", got)
	}
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if got := modeOf(t, path+suffix); got != 0o660 {
			t.Errorf("test.db%s is %v", suffix, got)
		}
	}
	// A file that someone else made empty may be opened, and modes that an administrator chose stay.
	chosen := filepath.Join(t.TempDir(), "test.db")
	if err := os.Chmod(filepath.Dir(chosen), 0o750); err != nil {
		t.Fatal(err)
	}
	open(t, chosen, two).Close()
	if err := os.Chmod(chosen, 0o640); err != nil {
		t.Fatal(err)
	}
	open(t, chosen, two).Close()
	if dir, file := modeOf(t, filepath.Dir(chosen)), modeOf(t, chosen); dir != fs.ModeDir|0o750 || file != 0o640 {
		t.Errorf("the directory became %v, the file %v", dir, file)
	}
}

func TestPrivateFiles(t *testing.T) {
	before := syscall.Umask(0)
	t.Cleanup(func() { syscall.Umask(before) })
	base := t.TempDir()
	path := filepath.Join(base, "data", "tiering", "test.db")
	private := func(path string) {
		t.Helper()
		db, err := Open(t.Context(), path, two, Private())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { db.Close() })
		for _, suffix := range []string{"", "-wal", "-shm"} {
			if got := modeOf(t, path+suffix); got != 0o600 {
				t.Errorf("test.db%s is %v", suffix, got)
			}
		}
	}
	private(path)
	if dir, above := modeOf(t, filepath.Dir(path)), modeOf(t, filepath.Join(base, "data")); dir != fs.ModeDir|0o700 || above != fs.ModeDir|0o755 {
		t.Errorf("the directory is %v, the one above, which others use, %v", dir, above)
	}
	// One that others may open is narrowed with its companions, also while somebody has it open; the directory is somebody's choice.
	wide := filepath.Join(t.TempDir(), "test.db")
	if err := os.Chmod(filepath.Dir(wide), 0o750); err != nil {
		t.Fatal(err)
	}
	open(t, wide, two)
	private(wide)
	if got := modeOf(t, filepath.Dir(wide)); got != fs.ModeDir|0o750 {
		t.Errorf("a directory that was there became %v", got)
	}
	// What its owner may not do is not allowed to him.
	narrow := filepath.Join(t.TempDir(), "test.db")
	open(t, narrow, two).Close()
	if err := os.Chmod(narrow, 0o440); err != nil {
		t.Fatal(err)
	}
	if db, err := Open(t.Context(), narrow, two, Private()); err == nil { // root may all the same
		db.Close()
	}
	if got := modeOf(t, narrow); got != 0o400 {
		t.Errorf("a file that was read-only became %v", got)
	}
}

// Not even the shared-memory file fits: SQLite calls that an I/O error.
func TestOpenOnAFullFilesystem(t *testing.T) {
	disk := mounttest.Mount(t, "-t", "tmpfs", "-o", "size=256k", "tidemark-test")
	path := filepath.Join(disk, "test.db")
	open(t, path, two).Close()
	f, err := os.Create(filepath.Join(disk, "filler"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
	if db, err := Open(t.Context(), path, two); !errors.Is(err, ErrFull) {
		if err == nil {
			db.Close()
		}
		t.Errorf("%v, not that the filesystem is full", err)
	}
}

// The agent writes as the user tidemark; planners are members of its group.
func TestMembersOfTheGroupRead(t *testing.T) {
	mounttest.RequireRoot(t)
	const tidemark, human, stranger = 64101, 64102, 64103 // ids that no one has
	agent := &syscall.Credential{Uid: tidemark, Gid: tidemark}
	member := &syscall.Credential{Uid: human, Gid: human, Groups: []uint32{tidemark}}
	outsider := &syscall.Credential{Uid: stranger, Gid: stranger}

	base := t.TempDir()
	if err := errors.Join(os.Chmod(filepath.Dir(base), 0o755), os.Chmod(base, 0o755)); err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(base, "other") // the test's own directory is root's alone
	content, err := os.ReadFile(ourselves(t))
	if err == nil {
		err = os.WriteFile(binary, content, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	state := filepath.Join(base, "state") // as systemd makes it
	if err := errors.Join(os.Mkdir(state, 0o755), os.Chown(state, tidemark, tidemark)); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(state, "agent", "test.db")
	run := func(play string, who *syscall.Credential) (*process, string) {
		p := start(t, binary, play, path, who)
		p.open()
		return p, p.answer()
	}
	must := func(what, play string, who *syscall.Credential) *process {
		t.Helper()
		p, got := run(play, who)
		if got != "open" {
			t.Fatalf("%s: %s", what, got)
		}
		return p
	}
	refused := func(what, play string, who *syscall.Credential, beside bool) {
		t.Helper()
		if _, got := run(play, who); !strings.HasPrefix(got, "permission=true corrupt=false") || strings.Contains(got, "in its directory") != beside {
			t.Errorf("%s: %s; want no permission, beside the file: %t", what, got, beside)
		}
	}

	writer := must("the agent begins the file", "write", agent)
	must("a member reads while the agent runs", "read", member).end()
	refused("a stranger reads while the agent runs", "read", outsider, false)
	refused("a stranger writes", "write", outsider, false)
	writer.end()

	// Without a writer SQLite's other files are gone; now the reader makes them.
	reader := must("a member reads while no agent runs", "read", member)
	writer = must("the agent starts while a member reads", "write", agent)
	reader.end()
	must("another member reads", "read", member).end()
	writer.end()
	must("the agent starts again", "write", agent).end()
	refused("a stranger reads while no agent runs", "read", outsider, false)

	// A directory that lets the group in, not write: who reads says why it fails, and not that the file is damaged.
	if err := os.Chmod(filepath.Dir(path), 0o750); err != nil {
		t.Fatal(err)
	}
	refused("a member reads in a directory that is not writable", "read", member, true)
	writer = must("the agent runs in it", "write", agent)
	must("a member reads in it while the agent runs", "read", member).end()
	writer.end()

	// SQLite would open for reading what it may not write, and fail at the first commit.
	if err := errors.Join(os.Chmod(filepath.Dir(path), 0o755), os.Chmod(path, 0o644)); err != nil {
		t.Fatal(err)
	}
	refused("a stranger writes what it may only read", "write", outsider, false)
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	refused("a stranger reads what it may not", "read", outsider, false)
}
