package archive_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/tidemark/tidemark/internal/fsys"
	"github.com/tidemark/tidemark/internal/mounttest"
	"github.com/tidemark/tidemark/tiering/archive"
)

// person is a user with groups, the first of them its own.
type person struct {
	UID    int
	Groups []int
}

// askFor, in the environment, makes this test a process that becomes a person and says what that person can do with each path
// of its input (relative, each ended by a zero byte), a line each, in the directory that it was started in.
const askFor = "TIDEMARK_TEST_PERSON"

func TestMain(m *testing.M) {
	if text := os.Getenv(askFor); text != "" {
		if err := answer(text, os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func answer(text string, in io.Reader, to io.Writer) error {
	var p person
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		return err
	}
	// Package syscall does this for all threads.
	if err := errors.Join(syscall.Setgroups(p.Groups), syscall.Setresgid(p.Groups[0], p.Groups[0], p.Groups[0]), syscall.Setresuid(p.UID, p.UID, p.UID)); err != nil {
		return err
	}
	paths, err := io.ReadAll(in)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(to)
	for path := range bytes.SplitSeq(bytes.TrimSuffix(paths, []byte{0}), []byte{0}) {
		fmt.Fprintln(out, strings.Join(abilities(string(path)), " "))
	}
	return out.Flush()
}

// abilities is what this process can do with a file or directory.
func abilities(path string) []string {
	var can []string
	try := func(name string, err error) {
		if err == nil {
			can = append(can, name)
		}
	}
	try("see", unix.Access(path, unix.F_OK))
	try("read", unix.Access(path, unix.R_OK))
	try("search", unix.Access(path, unix.X_OK))
	try("both", unix.Access(path, unix.R_OK|unix.X_OK))
	try("WRITE", unix.Access(path, unix.W_OK))
	f, err := os.Open(path)
	try("open", err)
	if err == nil {
		_, err = f.Readdirnames(-1)
		try("list", err)
		_, err = f.Read(make([]byte, 1))
		try("content", err)
		f.Close()
	}
	for _, flags := range []int{os.O_WRONLY, os.O_RDWR, os.O_WRONLY | os.O_TRUNC} {
		f, err := os.OpenFile(path, flags, 0)
		try("WRITE", err)
		f.Close()
	}
	f, err = os.OpenFile(path+"/new", os.O_CREATE|os.O_WRONLY, 0o600)
	try("CREATE", err)
	f.Close()
	try("REMOVE", unix.Unlink(path))
	try("REMOVE", unix.Rmdir(path))
	try("RENAME", unix.Rename(path, path+".new"))
	try("CHMOD", unix.Chmod(path, 0o777))
	try("CHOWN", unix.Chown(path, os.Getuid(), os.Getgid()))
	return can
}

// ask lets a person try each path below a directory.
func ask(t *testing.T, dir string, p person, paths []string) [][]string {
	t.Helper()
	text, err := json.Marshal(p)
	must(t, err)
	self, err := os.Executable()
	must(t, err)
	cmd := exec.Command(self)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), askFor+"="+string(text), "GORACE=atexit_sleep_ms=0") // the race detector would wait 1 s for nobody
	cmd.Stdin = strings.NewReader(strings.Join(paths, "\x00") + "\x00")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	must(t, err)
	lines := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
	if len(lines) != len(paths) {
		t.Fatalf("%d answers about %d paths", len(lines), len(paths))
	}
	var answers [][]string
	for _, line := range lines {
		answers = append(answers, strings.Fields(line))
	}
	return answers
}

// home is a tree of modes, owners, groups and ACLs by chance.
type home struct {
	root  string
	rand  *rand.Rand
	dirs  []string // relative
	files []string
}

var (
	someUsers  = []int{0, 1001, 1002, 1003, 1004}
	someGroups = []int{0, 2001, 2002, 2003}
)

func pick[E any](r *rand.Rand, from []E) E { return from[r.IntN(len(from))] }

func (h *home) mode(open bool) uint32 {
	if open || h.rand.IntN(3) == 0 {
		return pick(h.rand, []uint32{0o755, 0o775, 0o1777, 0o2755, 0o751, 0o750})
	}
	return uint32(h.rand.IntN(0o10000))
}

// decorate gives a file or directory an owner, and a mode or an ACL.
func (h *home) decorate(t *testing.T, path string, open bool) {
	t.Helper()
	must(t, os.Chown(path, pick(h.rand, someUsers), pick(h.rand, someGroups)))
	must(t, unix.Chmod(path, h.mode(open)))
	if h.rand.IntN(2) == 0 {
		return
	}
	perm := func() uint16 {
		if open {
			return uint16(5 | h.rand.IntN(8))
		}
		return uint16(h.rand.IntN(8))
	}
	acl := archive.ACL{{Tag: archive.TagUserObj, Perm: perm()}}
	for _, uid := range someUsers {
		if h.rand.IntN(3) == 0 {
			acl = append(acl, archive.Entry{Tag: archive.TagUser, Perm: perm(), ID: uint32(uid)})
		}
	}
	acl = append(acl, archive.Entry{Tag: archive.TagGroupObj, Perm: perm()})
	for _, gid := range someGroups {
		if h.rand.IntN(3) == 0 {
			acl = append(acl, archive.Entry{Tag: archive.TagGroup, Perm: perm(), ID: uint32(gid)})
		}
	}
	acl = append(acl, archive.Entry{Tag: archive.TagMask, Perm: perm()}, archive.Entry{Tag: archive.TagOther, Perm: perm()})
	must(t, unix.Setxattr(path, archive.XattrAccess, acl.Format(), 0))
	if st, err := os.Stat(path); err == nil && st.IsDir() {
		must(t, unix.Setxattr(path, archive.XattrDefault, acl.Format(), 0))
	}
}

// grow makes the tree. The upper directories are mostly open, as else nobody would see any of those below.
func (h *home) grow(t *testing.T, dir string, depth int) {
	t.Helper()
	for i := range 2 {
		name := fmt.Sprintf("%s/f%d", dir, i)
		must(t, os.WriteFile(h.root+"/"+name, []byte("content"), 0o600))
		h.decorate(t, h.root+"/"+name, false)
		h.files = append(h.files, name)
	}
	if depth == 0 {
		return
	}
	for i := range []int{3, 5, 8}[depth-1] {
		name := fmt.Sprintf("%s/d%d", dir, i)
		must(t, os.Mkdir(h.root+"/"+name, 0o700))
		h.dirs = append(h.dirs, name)
		h.grow(t, name, depth-1)
		h.decorate(t, h.root+"/"+name, i%2 == 0)
	}
}

// attributesBelow reads the attributes at home of a file or directory.
func attributesBelow(root string) func(p string) (fsys.Attributes, error) {
	return func(p string) (fsys.Attributes, error) {
		attributes := fsys.Attributes{Xattrs: map[string][]byte{}}
		var st unix.Stat_t
		if err := unix.Lstat(root+p, &st); err != nil {
			return attributes, &fs.PathError{Op: "stat", Path: p, Err: err}
		}
		attributes.UID, attributes.GID, attributes.Mode = st.Uid, st.Gid, st.Mode&0o7777
		for _, name := range []string{archive.XattrAccess, archive.XattrDefault} {
			value := make([]byte, 4096)
			if n, err := unix.Lgetxattr(root+p, name, value); err == nil {
				attributes.Xattrs[name] = value[:n]
			}
		}
		return attributes, nil
	}
}

// archiveAll brings each file into the archive.
func (h *home) archiveAll(t *testing.T, a *archive.Archive) {
	t.Helper()
	attributes := attributesBelow(h.root)
	h.rand.Shuffle(len(h.files), func(i, j int) { h.files[i], h.files[j] = h.files[j], h.files[i] })
	for _, name := range h.files {
		at, err := attributes("/" + name)
		must(t, err)
		publishFrom(t, a, attributes, "/"+name, 1, "content", at)
	}
}

func newHome(t *testing.T, fstype string, seed uint64) *home {
	h := &home{root: mount(t, fstype), rand: rand.New(rand.NewPCG(seed, 1))}
	must(t, os.Mkdir(h.root+"/t", 0o755))
	h.dirs = []string{"t"}
	h.grow(t, "t", 3)
	return h
}

// people are such that every owner, member of one group, of several, of none, and a stranger is among them.
var people = []person{
	{1001, []int{1001}},
	{1001, []int{2001}},
	{1002, []int{2002, 2003}},
	{1003, []int{2001, 2002, 2003}},
	{1004, []int{9999}},
	{1005, []int{9999}},
	{1005, []int{2001}},
	{1005, []int{2003, 2002}},
	{1002, []int{0}},
}

// answers compares what each person can do at home and in the archive.
func compare(t *testing.T, h *home, archived string, same func(home, archived []string) bool) {
	t.Helper()
	paths := slices.Concat(h.dirs, h.files)
	readable := map[bool]int{}
	for _, p := range people {
		inArchive := ask(t, archived, p, paths)
		atHome := ask(t, h.root, p, paths) // last, as much is destroyed there
		wrong := 0
		for i, path := range paths {
			may := slices.DeleteFunc(atHome[i], func(s string) bool { return s == strings.ToUpper(s) })
			readable[slices.Contains(may, "read")]++
			if !same(may, inArchive[i]) {
				if wrong++; wrong < 5 {
					t.Errorf("%s by %+v: %v at home, %v in the archive", path, p, may, inArchive[i])
				}
			}
		}
	}
	if readable[true] < 500 || readable[false] < 500 {
		t.Fatalf("%v: the tree is too open or too closed to tell anything", readable)
	}
}

func TestTheSamePeopleCanReadAndNobodyCanWrite(t *testing.T) {
	for _, fstype := range []string{"ext4", "xfs", "tmpfs"} {
		t.Run(fstype, func(t *testing.T) {
			path := mount(t, fstype)
			a := initialise(t, path)
			h := newHome(t, "tmpfs", 1)
			readOnly(t, h.root, func() { h.archiveAll(t, a) })
			if narrowed := a.Narrowed(); len(narrowed) > 0 {
				t.Errorf("narrowed %v", narrowed)
			}
			compare(t, h, path+"/data/alpha", slices.Equal[[]string])
		})
	}
}

// readOnly is for trees that people try to change: they must find all as it is.
func readOnly(t *testing.T, path string, then func()) {
	t.Helper()
	must(t, unix.Mount("", path, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""))
	then()
}

// without makes the marker say that the archive can't do something.
func without(t *testing.T, path string, change func(can *archive.Can)) *archive.Archive {
	t.Helper()
	marker := initialise(t, path).Marker
	change(&marker.Can)
	text, err := json.Marshal(marker)
	must(t, err)
	must(t, os.WriteFile(path+"/.tidemark/archive.json", text, 0o600))
	a, err := archive.Open(fsys.Host{}, path, "vault")
	must(t, err)
	t.Cleanup(func() { a.Close() })
	return a
}

func TestWithoutACLsNobodyGains(t *testing.T) {
	path := mount(t, "tmpfs")
	a := without(t, path, func(can *archive.Can) { can.ACL = false })
	h := newHome(t, "tmpfs", 2)
	readOnly(t, h.root, func() { h.archiveAll(t, a) })
	lost := 0
	compare(t, h, path+"/data/alpha", func(home, archived []string) bool {
		if len(archived) < len(home) {
			lost++
		}
		return !slices.ContainsFunc(archived, func(s string) bool { return !slices.Contains(home, s) })
	})
	if lost == 0 || len(a.Narrowed()) == 0 {
		t.Errorf("%d accesses lost, %d directories narrowed; want some", lost, len(a.Narrowed()))
	}
	if strings.Contains(aclsBelow(t, path), "user:") {
		t.Error("an archive without ACLs got some")
	}
}

func aclsBelow(t *testing.T, path string) string {
	t.Helper()
	out, err := exec.Command("getfacl", "-R", "-n", "-s", "-p", path).CombinedOutput()
	must(t, err)
	return string(out)
}

func TestHomesThatBecomeStricterOrMoreOpen(t *testing.T) {
	for _, how := range []string{"by the next run", "by Narrow"} {
		t.Run(how, func(t *testing.T) {
			path := mount(t, "ext4")
			a := initialise(t, path)
			h := newHome(t, "tmpfs", 3)
			h.archiveAll(t, a)
			for i, name := range h.dirs {
				h.decorate(t, h.root+"/"+name, i%2 == 0)
			}
			readOnly(t, h.root, func() {
				if how == "by Narrow" {
					changed, err := a.Narrow(t.Context(), attributesBelow(h.root), "alpha", "/t")
					if err != nil || changed < len(h.dirs)/2 {
						t.Errorf("%d directories changed, %v; want most of %d", changed, err, len(h.dirs))
					}
					changed, err = a.Narrow(t.Context(), attributesBelow(h.root), "alpha", "/")
					if err != nil || changed != 0 {
						t.Errorf("the second time %d directories changed, %v; want none", changed, err)
					}
					return
				}
				a.NewRun()
				for _, name := range h.dirs {
					dir, _, err := a.ObjectDir(t.Context(), attributesBelow(h.root), "alpha", "/"+name+"/new", 1)
					must(t, err)
					must(t, dir.Close())
				}
			})
			compare(t, h, path+"/data/alpha", slices.Equal[[]string])
		})
	}
}

func TestNarrowSeesAllVersionsAndForgivesWhatIsGone(t *testing.T) {
	filesystems(t, func(t *testing.T, path string) {
		a := initialise(t, path)
		attributes := map[string]fsys.Attributes{"/": {Mode: 0o755}, "/a": {Mode: 0o755}, "/a/b": {Mode: 0o755}, "/a/b/c": {Mode: 0o755}, "/gone": {Mode: 0o755}}
		home := func(dir string) (fsys.Attributes, error) {
			at, ok := attributes[dir]
			if !ok {
				return at, fs.ErrNotExist
			}
			return at, nil
		}
		for _, version := range []int{1, 2, 10} {
			publishFrom(t, a, home, "/a/b/c/f", version, "x", fsys.Attributes{})
			publishFrom(t, a, home, "/gone/f", version, "x", fsys.Attributes{})
		}
		delete(attributes, "/gone")
		attributes["/a/b/c"] = fsys.Attributes{Mode: 0o700}
		if changed, err := a.Narrow(t.Context(), home, "alpha", "/a"); changed != 3 || err != nil {
			t.Errorf("%d changed, %v; want 3", changed, err)
		}
		attributes["/a"] = fsys.Attributes{Mode: 0o711}
		if changed, err := a.Narrow(t.Context(), home, "alpha", "/"); changed != 3 || err != nil {
			t.Errorf("%d changed, %v; want 3", changed, err)
		}
		for _, top := range []string{"data", "versions/2", "versions/10"} {
			for p, want := range map[string]fs.FileMode{"": 0o755, "/a": 0o711, "/a/b": 0o755, "/a/b/c": 0o700, "/gone": 0o755} {
				info, err := os.Stat(path + "/" + top + "/alpha" + p)
				must(t, err)
				if info.Mode().Perm() != want {
					t.Errorf("%s%s has mode %v; want %v", top, p, info.Mode().Perm(), want)
				}
			}
		}
		if _, err := a.Narrow(t.Context(), home, "beta", "/"); err != nil {
			t.Errorf("of a host that has nothing: %v", err)
		}
	})
}

// A default ACL that somebody gave to a directory of the archive goes with the next run, before it is inherited.
func TestDefaultACLsInAnArchiveAreTakenAway(t *testing.T) {
	path := mount(t, "ext4")
	a := initialise(t, path)
	publish(t, a, "/srv/a", 1, "x", fsys.Attributes{})
	mounttest.Run(t, "setfacl", "-d", "-m", "u:1234:rwx", path+"/data/alpha", path+"/data/alpha/srv")
	a.NewRun()
	publish(t, a, "/srv/new/b", 1, "x", fsys.Attributes{})
	if acls := aclsBelow(t, path); strings.Contains(acls, "1234") {
		t.Errorf("ACLs are left\n%s", acls)
	}
}

func TestDirectoryAccess(t *testing.T) {
	for _, c := range []struct {
		name string
		home fsys.Attributes
		mode uint32
		acl  string
	}{
		{"open to all", fsys.Attributes{UID: 1, GID: 2, Mode: 0o777}, 0o755, ""},
		{"open to all, sticky and setgid", fsys.Attributes{UID: 1, GID: 2, Mode: 0o3755}, 0o755, ""},
		{"the owner's alone", fsys.Attributes{UID: 1, GID: 2, Mode: 0o700}, 0o750, "u::rwx,u:1:r-x,g::---,m::r-x,o::---"},
		{"root's alone", fsys.Attributes{GID: 2, Mode: 0o700}, 0o700, ""},
		{"root's group", fsys.Attributes{GID: 2, Mode: 0o770}, 0o750, ""},
		{"a group's", fsys.Attributes{UID: 1, GID: 2, Mode: 0o750}, 0o750, "u::rwx,u:1:r-x,g::r-x,m::r-x,o::---"},
		{"not the owner's", fsys.Attributes{UID: 1, GID: 2, Mode: 0o075}, 0o755, "u::rwx,u:1:---,g::r-x,m::r-x,o::r-x"},
		{"masked", fsys.Attributes{GID: 2, Mode: 0o710, Xattrs: map[string][]byte{archive.XattrAccess: archive.ACL{
			{Tag: archive.TagUserObj, Perm: 7}, {Tag: archive.TagUser, Perm: 7, ID: 9}, {Tag: archive.TagGroupObj, Perm: 4}, {Tag: archive.TagGroup, Perm: 3, ID: 8}, {Tag: archive.TagMask, Perm: 1}, {Tag: archive.TagOther},
		}.Format()}}, 0o750, "u::rwx,u:9:--x,g::---,g:8:--x,m::r-x,o::---"},
		{"an ACL without effect, as its mask is empty", fsys.Attributes{GID: 2, Mode: 0o705, Xattrs: map[string][]byte{archive.XattrAccess: archive.ACL{
			{Tag: archive.TagUserObj, Perm: 7}, {Tag: archive.TagUser, Perm: 7, ID: 9}, {Tag: archive.TagGroupObj, Perm: 5}, {Tag: archive.TagMask}, {Tag: archive.TagOther, Perm: 5},
		}.Format()}}, 0o705, ""},
		{"nobody of the group and not the owner", fsys.Attributes{UID: 1, GID: 2, Mode: 0o005}, 0o755, "u::rwx,u:1:---,g::---,m::r-x,o::r-x"},
		{"an ACL that says nothing more", fsys.Attributes{GID: 2, Mode: 0o755, Xattrs: map[string][]byte{archive.XattrAccess: archive.ACL{
			{Tag: archive.TagUserObj, Perm: 7}, {Tag: archive.TagUser, Perm: 7, ID: 9}, {Tag: archive.TagGroupObj, Perm: 5}, {Tag: archive.TagMask, Perm: 5}, {Tag: archive.TagOther, Perm: 5},
		}.Format()}}, 0o755, ""},
		{"an ACL that makes no sense", fsys.Attributes{UID: 1, GID: 2, Mode: 0o755, Xattrs: map[string][]byte{archive.XattrAccess: {1}}}, 0o700, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			mode, value := archive.DirectoryAccess(c.home)
			got := ""
			if value != nil {
				acl, err := archive.ParseACL(value)
				must(t, err)
				got = acl.String()
			}
			if mode != c.mode || got != c.acl {
				t.Errorf("mode %o, ACL %s; want %o %s", mode, got, c.mode, c.acl)
			}
		})
	}
}

// The directories of a run are looked at once, not with every file.
func TestDirectoriesAreLookedAtOnce(t *testing.T) {
	a := initialise(t, mount(t, "tmpfs"))
	home := func(string) (fsys.Attributes, error) { return fsys.Attributes{Mode: 0o755}, nil }
	for round := range 2 {
		for i := range 1000 { // more than stay open
			dir, name, err := a.ObjectDir(t.Context(), home, "alpha", fmt.Sprintf("/srv/d%d/f%d", i, round), 1)
			must(t, err)
			if info, err := dir.Stat(); err != nil || !info.IsDir() || name != fmt.Sprintf("f%d", round) {
				t.Fatalf("%v %v %q", info, err, name)
			}
			must(t, dir.Close())
		}
	}
	if open, err := os.ReadDir("/proc/self/fd"); err != nil || len(open) > 300 {
		t.Errorf("%d files are open, %v", len(open), err)
	}
	must(t, os.Chmod(filepath.Join(a.Path, "data/alpha/srv/d1"), 0o700))
	for _, want := range []os.FileMode{0o700, 0o755} {
		dir, _, err := a.ObjectDir(t.Context(), home, "alpha", "/srv/d1/x", 1)
		must(t, err)
		must(t, dir.Close())
		if info, err := os.Stat(filepath.Join(a.Path, "data/alpha/srv/d1")); err != nil || info.Mode().Perm() != want {
			t.Errorf("%v %v, want %o", info.Mode(), err, want)
		}
		a.NewRun()
	}
}
