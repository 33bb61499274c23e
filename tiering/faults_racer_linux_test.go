package tiering

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tidemark/tidemark/tiering/mover"
)

// race is what a racing process does: it uses files of its own below Dir, in all ways or only by appending to them, until its
// input ends.
type race struct {
	Dir, Outside string
	Seed         uint64
	Files        int
	AppendOnly   bool
}

// raced is what the process knows of its files at its end.
type raced struct {
	Files   map[string]string // their content, by the path
	Gone    map[string]bool   // names that it took away: a recall may bring them back
	Done    map[string]int    // how often it did what
	Refused int               // writes through links that were refused
	Wrong   []string
}

// directories are those below Dir. Outside has the same, which are nobody's business.
var directories = []string{"d0", "d1", "d2", "d3"}

// racer is the process. Several names may be one inode.
type racer struct {
	race
	random *rand.Rand
	files  map[string]*inode // by the path relative to Dir
	names  []string          // the keys, in an order that the seed decides
	pacer  *os.File          // on the same filesystem: its sync is what an operation costs
	out    raced
	made   int
	hidden string // the directory that is a symlink just now
}

type inode struct{ content string }

func playRacer(text string) int {
	r := &racer{files: map[string]*inode{}, out: raced{Files: map[string]string{}, Gone: map[string]bool{}, Done: map[string]int{}}}
	if err := json.Unmarshal([]byte(text), &r.race); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	r.random = rand.New(rand.NewPCG(r.Seed, 2))
	if err := r.play(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	for name, f := range r.files {
		r.out.Files[filepath.Join(r.Dir, name)] = f.content
	}
	answer, err := json.Marshal(r.out)
	if err != nil {
		return 1
	}
	fmt.Println(string(answer))
	return 0
}

func (r *racer) play() (err error) {
	for _, d := range directories {
		if err := os.MkdirAll(filepath.Join(r.Dir, d), 0o755); err != nil {
			return err
		}
	}
	if r.pacer, err = os.Create(filepath.Join(r.Outside, fmt.Sprint("pacer", r.Seed))); err != nil {
		return err
	}
	for range r.Files {
		if err := r.create(""); err != nil {
			return err
		}
	}
	fmt.Println("ready")
	var over atomic.Bool
	done := make(chan struct{})
	go func() { defer close(done); io.Copy(io.Discard, os.Stdin); over.Store(true) }()
	for n := 0; !over.Load(); n++ {
		if err := r.step(); err != nil {
			return err
		}
		if r.AppendOnly && n%4 > 0 {
			continue
		}
		if _, err := r.pacer.WriteAt([]byte("."), 0); err != nil {
			return err
		}
		if err := r.pacer.Sync(); err != nil {
			return err
		}
	}
	<-done
	return nil
}

// step does one thing. What is refused because a link leads to the archive was not done.
func (r *racer) step() error {
	all := []struct {
		what string
		do   func(name string) error
	}{
		{"append", r.append},
		{"resolve, append", r.appendLate},
		{"truncate", r.truncate},
		{"replace", r.replace},
		{"rename", r.rename},
		{"link", r.link},
		{"delete", r.remove},
		{"create", r.create},
		{"swap", r.swap},
	}
	if r.AppendOnly {
		all = all[:2]
	}
	one := all[r.random.IntN(len(all))]
	name := r.pick()
	if name == "" {
		return nil
	}
	err := one.do(name)
	if errors.Is(err, unix.EPERM) {
		r.out.Refused++
		return nil
	}
	if err != nil {
		return fmt.Errorf("%s %s: %w", one.what, name, err)
	}
	r.out.Done[one.what]++
	return nil
}

// pick is one of the files that can be reached now.
func (r *racer) pick() string {
	for range 20 {
		name := r.names[r.random.IntN(len(r.names))]
		if filepath.Dir(name) != r.hidden {
			return name
		}
	}
	return ""
}

func (r *racer) fresh() string {
	for {
		d := directories[r.random.IntN(len(directories))]
		if d != r.hidden {
			r.made++
			return fmt.Sprintf("%s/f%d", d, r.made)
		}
	}
}

func (r *racer) token() string {
	r.made++
	return fmt.Sprintf("%d-%d;", r.Seed, r.made)
}

func (r *racer) path(name string) string { return filepath.Join(r.Dir, name) }

func (r *racer) put(name string, f *inode) {
	if r.files[name] == nil {
		r.names = append(r.names, name)
	}
	r.files[name] = f
}

func (r *racer) forget(name string) {
	delete(r.files, name)
	r.names = slices.DeleteFunc(r.names, func(n string) bool { return n == name })
	r.out.Gone[r.path(name)] = true
}

func (r *racer) writeTo(path string, flags int, text string) error {
	f, err := os.OpenFile(path, flags, 0o644)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

func (r *racer) append(name string) error {
	text := r.token()
	if err := r.writeTo(r.path(name), os.O_WRONLY|os.O_APPEND, text); err != nil {
		return err
	}
	r.files[name].content += text
	return nil
}

// appendLate is a writer that had resolved the path, and comes a little later: meanwhile the file may have gone to the trash.
func (r *racer) appendLate(name string) error {
	begun := time.Now()
	fd, err := unix.Open(r.path(name), unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return unix.EPERM
	}
	for range r.random.IntN(6) {
		if err := r.pacer.Sync(); err != nil {
			return err
		}
	}
	text := r.token()
	f, err := os.OpenFile(fmt.Sprintf("/proc/self/fd/%d", fd), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	waited := time.Since(begun)
	_, err = f.WriteString(text)
	if err := errors.Join(err, unix.Fstat(int(f.Fd()), &st), f.Close()); err != nil {
		return err
	}
	if st.Nlink == 0 && waited >= mover.Settle {
		return unix.EPERM // nobody takes so long between a path and its file
	}
	r.files[name].content += text
	return nil
}

func (r *racer) truncate(name string) error {
	text := r.token()
	if err := r.writeTo(r.path(name), os.O_WRONLY|os.O_TRUNC, text); err != nil {
		return err
	}
	r.files[name].content = text
	return nil
}

func (r *racer) replace(name string) error {
	text := r.token()
	next := r.path("next")
	if err := r.writeTo(next, os.O_WRONLY|os.O_CREATE|os.O_EXCL, text); err != nil {
		return err
	}
	r.files[name] = &inode{text}
	return os.Rename(next, r.path(name))
}

func (r *racer) rename(name string) error {
	to := r.fresh()
	if err := os.Rename(r.path(name), r.path(to)); err != nil {
		return err
	}
	r.put(to, r.files[name])
	r.forget(name)
	return nil
}

// link gives a second name. Two names of a link into the archive are two files from the day that one is recalled.
func (r *racer) link(name string) error {
	to := r.fresh()
	if err := os.Link(r.path(name), r.path(to)); err != nil {
		return err
	}
	info, err := os.Lstat(r.path(to))
	if err != nil {
		return err
	}
	f := r.files[name]
	if !info.Mode().IsRegular() {
		f = &inode{f.content}
	}
	r.put(to, f)
	return nil
}

func (r *racer) remove(name string) error {
	if len(r.files) < r.Files {
		return r.create("")
	}
	r.forget(name)
	return os.Remove(r.path(name))
}

func (r *racer) create(string) error {
	if len(r.files) > 2*r.Files {
		return nil
	}
	name, text := r.fresh(), r.token()
	if err := r.writeTo(r.path(name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, text); err != nil {
		return err
	}
	r.put(name, &inode{text})
	return nil
}

// swap puts a symlink to the outside in the place of a directory, goes on elsewhere, and puts the directory back.
func (r *racer) swap(string) error {
	if r.hidden != "" {
		return nil
	}
	r.hidden = directories[r.random.IntN(len(directories))]
	at, aside := r.path(r.hidden), r.path("aside")
	err := errors.Join(os.Rename(at, aside), os.Symlink(filepath.Join(r.Outside, r.hidden), at))
	for range r.random.IntN(60) {
		if err == nil {
			err = r.step()
		}
		err = errors.Join(err, r.pacer.Sync())
	}
	r.hidden = ""
	return errors.Join(err, os.Remove(at), os.Rename(aside, at))
}
