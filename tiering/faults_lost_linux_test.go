package tiering

import (
	"bufio"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tidemark/tidemark/internal/mounttest"
	"github.com/tidemark/tidemark/tiering/catalog"
)

// held is a process that stands still in the middle of what was ordered.
type held struct {
	t   *testing.T
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

// hold starts an order that stops before its n-th call that changes something.
func (o order) hold(t *testing.T, n int) *held {
	t.Helper()
	o.Wait = n
	h := &held{t: t, cmd: o.command(t)}
	in, err := h.cmd.StdinPipe()
	out, err2 := h.cmd.StdoutPipe()
	if err := errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	h.in, h.out = in, bufio.NewReader(out)
	if err := h.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.cmd.Process.Kill(); h.cmd.Wait() })
	if line, err := h.out.ReadString('\n'); line != "waiting\n" {
		t.Fatalf("%s before call %d: %q %v", o.Do, n, line, err)
	}
	return h
}

// goOn lets it come to its end.
func (h *held) goOn() (a answer) {
	h.t.Helper()
	h.in.Close()
	line, err := h.out.ReadString('\n')
	if err == nil {
		err = a.read(line)
	}
	if err := errors.Join(err, h.cmd.Wait()); err != nil {
		h.t.Fatalf("%q %v", line, err)
	}
	return a
}

// kill ends it at once.
func (h *held) kill() {
	h.t.Helper()
	if err := h.cmd.Process.Kill(); err != nil {
		h.t.Fatal(err)
	}
	h.cmd.Wait()
}

// points are some places in the middle of an order.
func (p place) points(t *testing.T, few int, do string, paths ...string) []int {
	t.Helper()
	a, _, _ := order{place: p, Do: do, Paths: paths, Quick: true, Cut: &cut{}}.process(t)
	if a.Err != "" || a.Calls < 10 {
		t.Fatalf("%s: %s", do, a)
	}
	return sample(a.Calls-1, few, a.Calls-1, 0)
}

// The archive is unmounted lazily while a run or a recall is at work: nothing is released to where no link leads, and all that was
// begun is finished once it is mounted again.
func TestArchiveUnmountedMidway(t *testing.T) {
	t.Parallel()
	p, _, image := onImages(t, catalog.LeaveLink)
	p.here(t, "run")
	files := p.tree(t, "tree", 6, 1)
	all := filepath.Join(p.Volume, "tree")
	for _, n := range p.points(t, 4, "run") {
		p.here(t, "recall", all)
		for _, f := range files { // an unchanged file would not be copied again
			f.write(t)
		}
		h := order{place: p, Do: "run", Quick: true}.hold(t, n)
		mounttest.Run(t, "umount", "-l", p.Vault)
		a := h.goOn()
		if a.Err == "" && n < 20 {
			t.Errorf("unmounted before call %d: %s", n, a)
		}
		mounttest.Run(t, "mount", image, p.Vault)
		p.finishes(t, a.String(), files, "")
	}
	for _, n := range p.points(t, 3, "recall", all) {
		p.here(t, "run")
		h := order{place: p, Do: "recall", Paths: []string{all}, Quick: true}.hold(t, n)
		mounttest.Run(t, "umount", "-l", p.Vault)
		a := h.goOn()
		mounttest.Run(t, "mount", image, p.Vault)
		p.finishes(t, a.String(), files, "")
	}
	p.sameFromArchive(t)
}

// An ext4 that finds itself damaged turns read-only in the middle of a run; so do the volume and the archive here.
func TestReadOnlyMidway(t *testing.T) {
	t.Parallel()
	for _, which := range []string{"volume", "archive"} {
		t.Run(which, func(t *testing.T) {
			volume, vault := mounttest.Image(t, "ext4", 64), mounttest.Image(t, "ext4", 320)
			p := place{
				Volume: mounttest.Mount(t, "-o", "errors=remount-ro", volume), Vault: mounttest.Mount(t, "-o", "errors=remount-ro", vault),
				Catalog: filepath.Join(t.TempDir(), "tiering", "catalog.db"), Policy: "cold", Archive: "vault", Leave: catalog.LeaveLink,
			}
			p.initArchive(t)
			p.here(t, "run")
			files := p.tree(t, "tree", 6, 1)
			all := filepath.Join(p.Volume, "tree")
			dir, image := p.Volume, volume
			if which == "archive" {
				dir, image = p.Vault, vault
			}
			points, unhurt := p.points(t, 3, "run"), 0
			for _, n := range points {
				p.here(t, "recall", all)
				for _, f := range files {
					f.write(t)
				}
				syncFS(t, p.Volume)
				h := order{place: p, Do: "run", Quick: true}.hold(t, n)
				damage(t, dir)
				a := h.goOn()
				if a.Err == "" && len(a.Run.Failed) == 0 {
					unhurt++ // near the end of a run, where nothing is written any more
				}
				image = remount(t, dir, image, "e2fsck")
				p.finishes(t, a.String(), files, "")
			}
			if 3*unhurt > len(points) {
				t.Errorf("%d of %d runs did not notice", unhurt, len(points))
			}
			p.sameButForTornLines(t)
		})
	}
}

// damage lets an ext4 believe that it is damaged.
func damage(t *testing.T, dir string) {
	t.Helper()
	device := strings.TrimSpace(mounttest.Run(t, "findmnt", "-n", "-o", "SOURCE", dir))
	if err := os.WriteFile(filepath.Join("/sys/fs/ext4", filepath.Base(device), "trigger_fs_error"), []byte("test"), 0); err != nil {
		t.Fatal(err)
	}
}

// What is not the archive, or can't be written, stops a run before it begins, and says what to do.
func TestArchiveThatIsNotThere(t *testing.T) {
	t.Parallel()
	p, _, image := onImages(t, catalog.LeaveLink)
	files := p.tree(t, "tree", 3, 1)
	p.here(t, "run")
	fresh := p.tree(t, "more", 3, 2)
	refused := func(what, want, hint string) {
		t.Helper()
		for _, o := range []order{{place: p, Do: "run"}, {place: p, Do: "recall", Paths: []string{filepath.Join(p.Volume, "tree")}}} {
			a, _, _ := o.process(t)
			if !strings.Contains(a.Err, want) || !strings.Contains(a.Hint, hint) || hint != "" && a.Hint == "" {
				t.Errorf("%s, %s: %q, %q", what, o.Do, a.Err, a.Hint)
			}
		}
		for _, f := range fresh {
			if info, err := os.Lstat(f.path); err != nil || !info.Mode().IsRegular() {
				t.Errorf("%s: %v %v", what, info, err)
			}
		}
	}
	mounttest.Run(t, "umount", p.Vault)
	refused("an empty mount point", "is not there", "mount it")
	mounttest.Run(t, "mount", "-o", "ro", image, p.Vault)
	refused("read-only", "read-only", "for writing")
	mounttest.Run(t, "umount", p.Vault)

	other := p
	mounttest.Run(t, "mount", mounttest.Image(t, "xfs", 320), p.Vault)
	other.Archive = "attic"
	other.initArchive(t)
	refused("another archive", "another archive", "mount the right one")
	mounttest.Run(t, "umount", p.Vault)

	// One of the same name is another one all the same.
	mounttest.Run(t, "mount", mounttest.Image(t, "xfs", 320), p.Vault)
	p.initArchive(t)
	a, _, _ := order{place: p, Do: "run"}.process(t)
	if a.Err == "" {
		t.Errorf("an empty archive of the same name was taken for ours: %s", a)
	}
	a, _, _ = order{place: p, Do: "recall", Paths: []string{filepath.Join(p.Volume, "tree")}}.process(t)
	if a.Err == "" && (a.Recall == nil || len(a.Recall.Failed) != 3) {
		t.Errorf("recall from an empty archive: %s", a)
	}
	mounttest.Run(t, "umount", p.Vault)
	mounttest.Run(t, "mount", image, p.Vault)
	p.finishes(t, "the right one again", append(files, fresh...), "")
}
