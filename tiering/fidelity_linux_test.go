package tiering

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tidemark/tidemark/internal/mounttest"
	"github.com/tidemark/tidemark/tiering/catalog"
)

// What is at home is described by other programs than ours: find, stat, getfattr, getfacl, lsattr and sha256sum, a block for each
// file, which a zero byte ends. Of files that are too long to read, the ends count. It goes from directory to directory, as paths may
// be longer than the kernel takes.
const describe = `cd "$1" && find . -xdev -path ./.tidemark -prune -o -path ./others -prune -o -name lost+found -prune -o -type f -execdir sh -c '
for f; do
	stat --printf "%n\n%u:%g %a %s bytes read %.9X written %.9Y\n" "$f"
	getfattr -h -d -m - -e hex "$f" 2>&1
	getfacl -n -p "$f" 2>&1
	lsattr -d -p "$f" 2>&1
	if [ "$(stat -c %s "$f")" -lt 1000000000 ]; then sha256sum "$f"; else { head -c 65536 "$f"; tail -c 65536 "$f"; } | sha256sum; fi
	stat --printf "blocks %b\n\0" "$f"
done' sh {} +`

var blocksLine = regexp.MustCompile(`blocks (\d+)\n$`)

// described is a tree's files and how many blocks each has, in the order of what is said of them.
func described(t *testing.T, dir string) (files []string, blocks []int) {
	t.Helper()
	out := mounttest.Run(t, "sh", "-c", describe, "sh", dir)
	all := strings.Split(strings.TrimSuffix(out, "\x00"), "\x00")
	slices.Sort(all)
	for _, f := range all {
		m := blocksLine.FindStringSubmatch(f)
		if m == nil {
			t.Fatalf("no blocks in %q", f)
		}
		n, err := strconv.Atoi(m[1])
		if err != nil {
			t.Fatal(err)
		}
		files, blocks = append(files, blocksLine.ReplaceAllString(f, "")), append(blocks, n)
	}
	return files, blocks
}

// tree is what a filesystem can have.
type tree struct {
	*testing.T
	root string
}

func (r tree) at(name string) string { return filepath.Join(r.root, name) }

func (r tree) file(name, content string) string {
	r.Helper()
	path := r.at(name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		r.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o640); err != nil {
		r.Fatal(err)
	}
	return path
}

func (r tree) run(name string, args ...string) { r.Helper(); mounttest.Run(r.T, name, args...) }

// sparse has data at both ends and in the middle.
func (r tree) sparse(name string, size int64) {
	r.Helper()
	f, err := os.Create(r.file(name, ""))
	if err != nil {
		r.Fatal(err)
	}
	defer f.Close()
	for _, at := range []int64{0, size/2 + 4321, size - 5000} {
		if _, err := f.WriteAt([]byte(strings.Repeat(fmt.Sprint(at), 5000)[:5000]), at); err != nil {
			r.Fatal(err)
		}
	}
}

// deep makes a file below so many directories of a name, and says nothing of its path: it may be too long.
func (r tree) deep(top, name string, levels int, file string) {
	r.Helper()
	fd, err := unix.Open(r.root, unix.O_DIRECTORY, 0)
	for i := range levels {
		if err != nil {
			r.Fatal(err)
		}
		if i == 0 {
			name, top = top, name
		} else if i == 1 {
			name = top
		}
		if err := unix.Mkdirat(fd, name, 0o755); err != nil {
			r.Fatal(err)
		}
		above := fd
		fd, err = unix.Openat(fd, name, unix.O_DIRECTORY, 0)
		unix.Close(above)
	}
	if err != nil {
		r.Fatal(err)
	}
	defer unix.Close(fd)
	f, err := unix.Openat(fd, file, unix.O_CREAT|unix.O_WRONLY, 0o600)
	if err != nil {
		r.Fatal(err)
	}
	defer unix.Close(f)
	if _, err := unix.Write(f, []byte(file)); err != nil {
		r.Fatal(err)
	}
}

// names, contents and sizes.
func (r tree) contents() {
	for i, name := range []string{"line\nbreak", "\xff\xfe\x80", strings.Repeat("n", 255), " ", "-rf", "*?[{\\", "\x1b[31mred", "a\tb\rc", "ünï"} {
		r.file("names/"+name, fmt.Sprint("name ", i))
	}
	r.file("contents/odd", strings.Repeat("0123456789", 100_001))
	r.sparse("contents/hole-at-the-end", 1<<20)
	if err := os.Truncate(r.at("contents/hole-at-the-end"), 3<<20); err != nil {
		r.Fatal(err)
	}
	r.sparse("contents/five-gib", 5<<30+1)
	r.sparse("contents/one-tib", 1<<40)
	r.run("fallocate", "-l", "200000", "--keep-size", r.file("contents/preallocated", "some"))
	r.deep("e", "e", 100, "a-hundred-levels-down")
}

// attributes that every filesystem here has.
func (r tree) attributes() {
	for i, mode := range []os.FileMode{0o000, 0o777, 0o640, 0o400, 0o755 | os.ModeSetuid, 0o755 | os.ModeSetgid, 0o644 | os.ModeSticky, 0o751 | os.ModeSetuid | os.ModeSetgid | os.ModeSticky, 0o007} {
		path := r.file(fmt.Sprint("modes/mode-", i), "mode")
		if err := os.Chown(path, 1000+i, 2000+i); err != nil {
			r.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			r.Fatal(err)
		}
	}
	if err := os.Chown(r.file("modes/largest-id", "x"), 1<<31-2, 1<<31-3); err != nil {
		r.Fatal(err)
	}
	r.run("setfacl", "-m", "u:1234:rw,g:4321:r,m:rw,o:-", r.file("acls/acl-named", "acl"))
	r.run("setfacl", "-m", "u:1234:rwx,m:-", r.file("acls/acl-empty-mask", "acl"))
	r.run("setfacl", "-d", "-m", "u:77:rwx", r.at("acls"))
	r.file("acls/acl-inherited", "acl")
	for i := range 20 {
		r.run("setfattr", "-n", fmt.Sprint("user.many.", i), "-v", fmt.Sprint("0x00ff", i+10), r.file("xattrs/many", "x"))
	}
	r.run("setfattr", "-n", "user."+strings.Repeat("n", 250), r.at("xattrs/many"))
	r.run("setfattr", "-n", "user.\xff\xfe", "-v", "odd", r.file("xattrs/odd-name", "x"))
	r.run("setfattr", "-n", "trusted.of.root", "-v", "trusted", r.file("xattrs/trusted", "x"))
	r.run("setfattr", "-n", "security.label", "-v", "system_u:object_r:a_t:s0", r.file("xattrs/label", "x"))
	r.run("setcap", "cap_net_raw,cap_chown+ep", r.file("xattrs/capability", "x"))
	r.times("times/before-1970", "1935-06-07 08:09:10.123456789Z", "1960-01-02 03:04:05.999999999Z")
	r.times("times/beyond-2038", "2100-06-07 08:09:10.000000001Z", "2200-01-02 03:04:05.5Z")
	r.times("times/epoch", "1970-01-01 00:00:00Z", "1969-12-31 23:59:59.000000001Z")
}

func (r tree) times(name, atime, mtime string) {
	path := r.file(name, name)
	r.run("touch", "-a", "-d", atime, path)
	r.run("touch", "-m", "-d", mtime, path)
}

// others are what is left alone.
func (r tree) others() {
	if err := os.MkdirAll(r.at("others/empty-directory"), 0o755); err != nil {
		r.Fatal(err)
	}
	// Files that take no room, whose release would give nothing.
	for name, size := range map[string]int64{"empty": 0, "only-a-hole": 1 << 30} {
		if err := os.Truncate(r.file("others/"+name, ""), size); err != nil {
			r.Fatal(err)
		}
	}
	for _, err := range []error{
		unix.Mkfifo(r.at("others/fifo"), 0o644), unix.Mknod(r.at("others/socket"), unix.S_IFSOCK|0o644, 0),
		unix.Mknod(r.at("others/null"), unix.S_IFCHR|0o644, int(unix.Mkdev(1, 3))),
		unix.Mknod(r.at("others/loop"), unix.S_IFBLK|0o644, int(unix.Mkdev(7, 200))),
		os.Symlink("../contents/odd", r.at("others/link")), os.Symlink("/nowhere", r.at("others/dangling")), os.Symlink("..", r.at("others/up")),
	} {
		if err != nil {
			r.Fatal(err)
		}
	}
}

func (r tree) flags(flags ...string) {
	for _, f := range flags {
		path := r.file("flags/flags-"+f, "")
		if f == "a" || f == "i" {
			r.file("flags/flags-"+f, "content")
			r.Cleanup(func() { r.run("chattr", "-"+f, path) })
		}
		r.run("chattr", "+"+f, path)
		if f != "a" && f != "i" {
			r.run("sh", "-c", "echo content > "+path) // btrfs takes C for empty files only
		}
	}
}

// noatime is a fresh filesystem that keeps times of reading as they are set.
func noatime(t *testing.T, fstype string, size int64, mkfs ...string) string {
	t.Helper()
	if fstype == "tmpfs" {
		return mounttest.Mount(t, "-t", "tmpfs", "-o", "size=64m,mode=755", "tmpfs")
	}
	return mounttest.Mount(t, "-o", "noatime", mounttest.Image(t, fstype, size, mkfs...))
}

// everyKind is what of files may be lost: files, directories, and what is neither.
func everyKind(t *testing.T, root string) (files, directories []string, others string, blocks []int) {
	t.Helper()
	files, blocks = described(t, root)
	out := mounttest.Run(t, "sh", "-c", `cd "$1" && find . -xdev -path ./.tidemark -prune -o -name lost+found -prune -o -type d -printf '%p\n%U:%G %m\n' -execdir getfacl -n -p {} \; -printf '\0'`, "sh", root)
	directories = strings.Split(out, "\x00")
	slices.Sort(directories)
	return files, directories, mounttest.Run(t, "find", filepath.Join(root, "others"), "-type", "l", "-printf", "%p %l\n", "-o", "-not", "-type", "d", "-printf", "%p %y %m\n"), blocks
}

func (s *site) mustRun() Report {
	s.t.Helper()
	report, err := New(s.options).Run(s.t.Context(), "cold", RunOptions{Force: true})
	if err != nil || len(report.Failed) != 0 {
		s.t.Fatalf("%v %+v", err, report)
	}
	return report
}

func TestEverythingOfAFileComesBack(t *testing.T) {
	t.Run("ext4 to xfs", func(t *testing.T) {
		t.Parallel()
		many, hotSize, coldSize := 100, int64(100), int64(320)
		if everything() {
			many, hotSize, coldSize = 20_000, 1000, 1600
		}
		hot := noatime(t, "ext4", hotSize, "-O", "ea_inode", "-N", "60000")
		r := tree{t, hot}
		r.many(many)
		r.contents()
		r.attributes()
		r.others()
		r.flags("d", "A", "S", "c", "s", "u", "D", "dAS")
		r.run("setfattr", "-n", "user.large", "-v", strings.Repeat("L", 40_000), r.file("xattrs/large", "x"))
		r.deep("d", "d", 1000, "a-thousand-levels-down") // the link would be longer than a block
		r.deep(strings.Repeat("l", 250), strings.Repeat("m", 250), 17, "longer-than-a-path-may-be")
		r.flags("i", "a")
		fidelity(t, r, noatime(t, "xfs", coldSize), catalog.LeaveLink)
	})
	t.Run("xfs to ext4", func(t *testing.T) { // where the attributes of a file must fit into a block
		t.Parallel()
		r := tree{t, noatime(t, "xfs", 320)}
		r.contents()
		r.attributes()
		r.others()
		r.flags("d", "A", "S")
		r.run("xfs_io", "-c", "chproj 4242", r.file("project/project", "project"))
		r.run("setfattr", "-n", "user.large", "-v", strings.Repeat("L", 50_000), r.file("xattrs/large", "x"))
		fidelity(t, r, noatime(t, "ext4", 64), catalog.LeaveLink)
	})
	t.Run("btrfs to ext4, leaving nothing", func(t *testing.T) {
		t.Parallel()
		r := tree{t, noatime(t, "btrfs", 128)}
		r.contents()
		r.attributes()
		r.others()
		r.flags("d", "A", "S", "c", "C")
		r.deep(strings.Repeat("l", 250), strings.Repeat("m", 250), 20, "longer-than-a-path-may-be")
		fidelity(t, r, noatime(t, "ext4", 64), catalog.LeaveNothing)
	})
	t.Run("ext4 to tmpfs, leaving nothing", func(t *testing.T) {
		t.Parallel()
		r := tree{t, noatime(t, "ext4", 64)}
		r.attributes()
		r.others()
		r.flags("d", "A")
		r.deep("d", "d", 1000, "a-thousand-levels-down")
		fidelity(t, r, noatime(t, "tmpfs", 64), catalog.LeaveNothing)
	})
}

// many are files as a department has them: small and large, of many owners, with every mode, some with extended attributes.
func (r tree) many(files int) {
	r.Helper()
	random := rand.New(rand.NewPCG(1, 2))
	for i := range files {
		name := fmt.Sprintf("many/%02d/%02d/file-%05d", i%13, i%31, i)
		size := random.IntN(20_000)
		if i%50 == 0 {
			size = random.IntN(2_000_000)
		}
		content := make([]byte, size)
		for j := range content {
			content[j] = byte(random.Uint32())
		}
		path := r.file(name, string(content))
		at := func(span int64) time.Time { return time.Unix(1e9+random.Int64N(span), random.Int64N(1e9)) }
		errs := []error{os.Chown(path, random.IntN(5000), random.IntN(5000)), os.Chtimes(path, at(7e8), at(7e8))}
		if i%7 == 0 {
			errs = append(errs, unix.Setxattr(path, "user.comment", []byte(name), 0))
		}
		errs = append(errs, unix.Chmod(path, random.Uint32()&0o7777))
		if err := errors.Join(errs...); err != nil {
			r.Fatal(err)
		}
	}
}

// unmoved are files that are left alone where links are left, with why.
var unmoved = map[string]string{
	"a-thousand-levels-down": "too long for this filesystem", "longer-than-a-path-may-be": "bytes long: not released",
	"flags-i": "immutable", "flags-a": "append-only",
}

// fidelity moves a tree to an archive and back, through a catalog that was rebuilt from the archive.
func fidelity(t *testing.T, r tree, cold string, leave catalog.Leave) {
	t.Helper()
	s := siteOn(t, r.root, cold, `size >= 0`, func(p *Policy) { p.Leave = leave })
	files, directories, others, blocks := everyKind(t, r.root)
	s.options.Now = func() time.Time { return time.Now().Add(time.Hour) }
	preview, err := New(s.options).Preview(t.Context(), "cold")
	if err != nil || len(preview.Skipped)+len(preview.Unreadable) != 0 {
		t.Fatalf("%v %+v %+v", err, preview.Skipped, preview.Unreadable)
	}
	report := s.mustRun()
	skipped := map[string]bool{}
	for _, trouble := range report.Skipped {
		name := filepath.Base(trouble.Path)
		skipped["./"+name] = true
		if want := unmoved[name]; want == "" || !strings.Contains(trouble.Reason, want) {
			t.Errorf("skipped %.300q", trouble)
		}
	}
	if report.FilesReleased != int64(len(files)-len(skipped)) {
		t.Errorf("of %d files %d were released; skipped: %.300q", len(files), report.FilesReleased, report.Skipped)
	}
	if out := mounttest.Run(t, "find", r.root, "-xdev", "-name", ".tidemark", "-prune", "-o", "-name", "others", "-prune", "-o", "-name", "lost+found", "-prune", "-o", "-type", "f", "-print"); strings.Count(out, "\n") != len(skipped) {
		t.Errorf("still at home: %.500s", out)
	}
	if leave == catalog.LeaveLink {
		throughLinks(t, r.root, slices.DeleteFunc(slices.Clone(files), func(f string) bool {
			name, _, _ := strings.Cut(f, "\n")
			return skipped[name]
		}))
	}
	if leave == catalog.LeaveNothing { // and so nothing is left but what never was a file
		mounttest.Run(t, "sh", "-c", `cd "$1" && for d in *; do [ "$d" = others ] || [ "$d" = d ] || [ "$d" = lost+found ] || rm -r "./$d"; done`, "sh", r.root)
	}
	s.rebuild()
	paths := []string{r.root}
	if leave == catalog.LeaveLink { // one is recalled by where its link is now
		if err := os.Rename(r.at("contents/odd"), r.at("contents/odd-elsewhere")); err != nil {
			t.Fatal(err)
		}
		recalled, err := New(s.options).Recall(t.Context(), []string{r.at("contents/odd-elsewhere")})
		if err != nil || recalled.Files != 1 {
			t.Fatalf("%v %+v", err, recalled)
		}
		if err := os.Rename(r.at("contents/odd-elsewhere"), r.at("contents/odd")); err != nil {
			t.Fatal(err)
		}
	}
	recalled, err := New(s.options).Recall(t.Context(), paths)
	if err != nil || len(recalled.Failed)+len(recalled.Skipped) != 0 {
		t.Errorf("recall: %v %q %q", err, recalled.Failed, recalled.Skipped)
	}
	files2, directories2, others2, blocks2 := everyKind(t, r.root)
	compare(t, "file", files, files2)
	compare(t, "directory", directories, directories2)
	if others != others2 {
		t.Errorf("were\n%s\nare\n%s", others, others2)
	}
	for i := range min(len(blocks), len(blocks2)) {
		if blocks2[i] > blocks[i]+256 {
			t.Errorf("had %d blocks, has %d: %s", blocks[i], blocks2[i], files[i])
		}
	}
}

func compare(t *testing.T, what string, before, after []string) {
	t.Helper()
	for i := range max(len(before), len(after)) {
		switch {
		case i >= len(before):
			t.Errorf("%s that was not there:\n%.3000q", what, after[i])
		case i >= len(after):
			t.Errorf("%s is gone:\n%.3000q", what, before[i])
		case before[i] != after[i]:
			t.Errorf("%s was\n%.3000s\nis\n%.3000s", what, before[i], after[i])
			return
		}
	}
}

// throughLinks sees that the content is there at the old names.
func throughLinks(t *testing.T, root string, files []string) {
	t.Helper()
	out := mounttest.Run(t, "sh", "-c", `cd "$1" && find . -path ./others -prune -o -type l -execdir sh -c '
for f; do if [ "$(stat -L -c %s "$f")" -lt 1000000000 ]; then sha256sum "$f"; else { head -c 65536 "$f"; tail -c 65536 "$f"; } | sha256sum; fi; done' sh {} +`, "sh", root)
	got := sums.FindAllString(out, -1)
	var want []string
	for _, f := range files {
		all := sums.FindAllString(f, -1)
		want = append(want, all[len(all)-1])
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%d links lead to their content, want %d", len(got), len(want))
	}
}

var sums = regexp.MustCompile(`(?m)^\\?[0-9a-f]{64} `)

// rebuild throws the catalog away and makes it anew from the archive alone.
func (s *site) rebuild() {
	s.t.Helper()
	if err := s.catalog.Close(); err != nil {
		s.t.Fatal(err)
	}
	var err error
	if s.catalog, err = catalog.Open(context.Background(), filepath.Join(s.t.TempDir(), "tiering", "catalog.db")); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { s.catalog.Close() })
	s.options.Catalog = s.catalog
	report, err := New(s.options).Rebuild(s.t.Context(), "vault", false)
	if err != nil || len(report.Problems) != 0 {
		s.t.Fatalf("rebuild: %v %+v", err, report)
	}
}
