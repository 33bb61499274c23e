package fsys_test

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/tidemark/tidemark/internal/fsys"
	"github.com/tidemark/tidemark/internal/mounttest"
)

func TestMountsWithinAreNotEntered(t *testing.T) {
	dir := mounttest.Mount(t, "-t", "tmpfs", "tmpfs")
	d := root(t, dir)
	for _, name := range []string{"plain", "elsewhere", "same"} {
		must(t, d.Mkdir(name, 0o755))
	}
	write(t, d, "file", "mine")
	write(t, d, "over", "under the mount")
	mounttest.On(t, filepath.Join(dir, "elsewhere"), "-t", "tmpfs", "tmpfs")
	mounttest.On(t, filepath.Join(dir, "same"), "--bind", filepath.Join(dir, "plain"))
	mounttest.On(t, filepath.Join(dir, "over"), "--bind", filepath.Join(dir, "file"))
	for _, path := range []string{"elsewhere", "same", "plain/../same"} {
		_, err := d.OpenDir(path)
		want(t, "enter "+path, err, unix.EXDEV)
	}
	_, err := d.Open("over")
	want(t, "open a file that is a mount", err, unix.EXDEV)
	_, err = d.OpenReadWrite("over")
	want(t, "write to a file that is a mount", err, unix.EXDEV)
	want(t, "rename a mount", d.Rename("over", d, "x", fsys.Replace), unix.EBUSY)
	want(t, "exchange with a mount", d.Rename("file", d, "over", fsys.Exchange), unix.EBUSY)
	want(t, "remove a mount", d.Remove("over"), unix.EBUSY)
	other := root(t, filepath.Join(dir, "same"))
	want(t, "rename to another mount of the same filesystem", d.Rename("file", other, "x", fsys.Replace), unix.EXDEV)
	want(t, "link to another mount of the same filesystem", d.Link("file", other, "x"), unix.EXDEV)
}

// Somebody makes the directory, and the file, a symlink to what he may not read, again and again. It is never followed.
func TestRacingSymlinksAreRefused(t *testing.T) {
	dir := mounttest.Mount(t, "-t", "tmpfs", "tmpfs")
	secret := t.TempDir()
	write(t, root(t, secret), "file", "secret")
	d := root(t, dir)
	must(t, d.Mkdir("dir", 0o755))
	sub, err := d.OpenDir("dir")
	must(t, err)
	defer sub.Close()
	write(t, sub, "file", "public")
	must(t, d.Symlink(secret, "evil"))
	must(t, sub.Symlink(filepath.Join(secret, "file"), "evil"))

	stop, racer := make(chan struct{}), sync.WaitGroup{}
	racer.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				d.Rename("dir", d, "evil", fsys.Exchange)
				sub.Rename("file", sub, "evil", fsys.Exchange)
			}
		}
	})
	got, refused := 0, 0
	for range 5000 {
		content, err := tryRead(d, "dir", "file")
		switch {
		case errors.Is(err, unix.ELOOP):
			refused++
		case err != nil:
			t.Errorf("%v", err)
		case content == "secret":
			t.Error("a symlink was followed")
		default:
			got++
		}
	}
	close(stop)
	racer.Wait()
	if got == 0 || refused == 0 {
		t.Errorf("the race was none: read %d times, refused %d times", got, refused)
	}
}

func tryRead(d fsys.Dir, path, name string) (string, error) {
	sub, err := d.OpenDir(path)
	if err != nil {
		return "", err
	}
	defer sub.Close()
	f, err := sub.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	var content [6]byte
	_, err = f.ReadAt(content[:], 0)
	return string(content[:]), err
}

func TestLeases(t *testing.T) {
	onEach(t, func(t *testing.T, _, dir string) {
		d := root(t, dir)
		path := filepath.Join(dir, "file")
		must(t, write(t, d, "file", "content").Close())
		f, err := d.Open("file")
		must(t, err)
		defer f.Close()

		for _, kind := range []fsys.Lease{fsys.LeaseRead, fsys.LeaseWrite, fsys.LeaseNone, fsys.LeaseNone} {
			must(t, f.SetLease(kind))
			if got, err := f.Lease(); err != nil || got != kind {
				t.Errorf("lease %v, %v; want %v", got, err, kind)
			}
		}
		for _, c := range []struct {
			child       string
			read, write error
		}{{"write", unix.EAGAIN, unix.EAGAIN}, {"read", nil, unix.EAGAIN}} {
			p := start(t, c.child, path)
			p.expect(t, "ready")
			want(t, "read lease while another may "+c.child, f.SetLease(fsys.LeaseRead), c.read)
			must(t, f.SetLease(fsys.LeaseNone))
			want(t, "write lease while another may "+c.child, f.SetLease(fsys.LeaseWrite), c.write)
			p.end(t)
		}
		second, err := d.Open("file")
		must(t, err)
		want(t, "write lease while it is open twice here", f.SetLease(fsys.LeaseWrite), unix.EAGAIN)
		must(t, second.Close())
		want(t, "unknown lease", f.SetLease(fsys.Lease(7)), unix.EINVAL)
	})
}

// A writer waits until we let go, and we live through the signal that the kernel sends.
func TestLeaseBreaks(t *testing.T) {
	onEach(t, func(t *testing.T, _, dir string) {
		d := root(t, dir)
		path := filepath.Join(dir, "file")
		must(t, write(t, d, "file", "content").Close())
		f, err := d.Open("file")
		must(t, err)
		defer f.Close()
		must(t, f.SetLease(fsys.LeaseWrite))
		writer := start(t, "append", path)
		for lease := fsys.LeaseWrite; lease == fsys.LeaseWrite; {
			lease, err = f.Lease()
			must(t, err)
		}
		if lease, err := f.Lease(); err != nil || lease != fsys.LeaseNone {
			t.Errorf("a writer wants it, and the lease is %v, %v", lease, err)
		}
		if info, err := f.Stat(); err != nil || info.Size != 7 {
			t.Errorf("written to before we let go: %+v, %v", info, err)
		}
		must(t, f.SetLease(fsys.LeaseNone))
		writer.expect(t, "ready")
		if info, err := f.Stat(); err != nil || info.Size != 11 {
			t.Errorf("the writer waited in vain: %+v, %v", info, err)
		}
		writer.end(t)

		// Now the other way: a process of its own holds it, and opening is EAGAIN for us, who do not wait.
		must(t, f.Close())
		holder := start(t, "lease", path)
		holder.expect(t, "ready")
		_, err = d.OpenReadWrite("file")
		want(t, "open what is leased", err, unix.EAGAIN)
		holder.expect(t, "given back")
		g, err := d.OpenReadWrite("file")
		must(t, err)
		g.Close()
		holder.end(t)
	})
}

func TestLock(t *testing.T) {
	dir := t.TempDir()
	d := root(t, dir)
	lock, err := d.Lock("lock")
	must(t, err)
	_, err = root(t, dir).Lock("lock")
	want(t, "lock twice", err, fsys.ErrLocked)
	if info, err := d.StatName("lock"); err != nil || info.Permissions() != 0o600 {
		t.Errorf("%+v, %v", info, err)
	}
	must(t, lock.Close())
	p := start(t, "lock", filepath.Join(dir, "lock"))
	p.expect(t, "ready")
	_, err = d.Lock("lock")
	want(t, "lock what another process has", err, fsys.ErrLocked)
	must(t, p.Process.Kill())
	p.Wait()
	lock, err = d.Lock("lock")
	must(t, err)
	must(t, lock.Close())
	must(t, os.Symlink("lock", filepath.Join(dir, "link")))
	_, err = d.Lock("link")
	want(t, "lock a symlink", err, unix.ELOOP)
}
