package systemd

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/tidemark/tidemark/internal/mounttest"
)

// somebody owns the files that are moved.
const somebody = 4321

// needed are what tiering does to files of others, by the capability that it takes.
var needed = []struct {
	name       string
	capability int
	do         func(home string) error
}{
	{"CAP_CHOWN", unix.CAP_CHOWN, func(home string) error { // a copy gets its owner
		return os.Chown(filepath.Join(home, "../copy"), somebody, somebody)
	}},
	{"CAP_DAC_OVERRIDE", unix.CAP_DAC_OVERRIDE, func(home string) error { // read what is private, and put a link in its place
		text, err := os.ReadFile(filepath.Join(home, "private"))
		if err != nil || string(text) != "text" {
			return fmt.Errorf("read %q: %w", text, err)
		}
		link := filepath.Join(home, "link")
		defer os.Remove(link)
		return os.Symlink("/mnt/vault/private", link)
	}},
	{"CAP_FOWNER", unix.CAP_FOWNER, func(home string) error { // read without a trace, and give times and attributes back
		fd, err := unix.Open(filepath.Join(home, "open"), unix.O_RDONLY|unix.O_NOATIME|unix.O_NOFOLLOW, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		return errors.Join(
			unix.Futimes(fd, []unix.Timeval{{Sec: 1}, {Sec: 2}}), unix.Fchmod(fd, 0o644), unix.Fsetxattr(fd, "user.a", []byte("b"), 0),
		)
	}},
	{"CAP_FSETID", unix.CAP_FSETID, func(home string) error { // a directory or a file keeps its set-group-ID bit
		dir := filepath.Join(home, "../shared")
		if err := unix.Chmod(dir, 0o2750); err != nil {
			return err
		}
		if info, err := os.Stat(dir); err != nil || info.Mode()&os.ModeSetgid == 0 {
			return fmt.Errorf("the mode is %v, %w", info.Mode(), err)
		}
		return unix.Chmod(dir, 0o750)
	}},
	{"CAP_LEASE", unix.CAP_LEASE, func(home string) error { // nobody else has it open
		f, err := os.Open(filepath.Join(home, "open"))
		if err != nil {
			return err
		}
		defer f.Close()
		_, err = unix.FcntlInt(f.Fd(), unix.F_SETLEASE, unix.F_WRLCK)
		return err
	}},
	{"CAP_LINUX_IMMUTABLE", unix.CAP_LINUX_IMMUTABLE, func(home string) error { // nobody changes an object
		f, err := os.Open(filepath.Join(home, "../object"))
		if err != nil {
			return err
		}
		defer f.Close()
		const immutable = 0x10 // FS_IMMUTABLE_FL
		flags, err := unix.IoctlGetUint32(int(f.Fd()), unix.FS_IOC_GETFLAGS)
		if err != nil {
			return err
		}
		if err := unix.IoctlSetPointerInt(int(f.Fd()), unix.FS_IOC_SETFLAGS, int(flags|immutable)); err != nil {
			return err
		}
		return unix.IoctlSetPointerInt(int(f.Fd()), unix.FS_IOC_SETFLAGS, int(flags&^immutable))
	}},
	{"CAP_SETFCAP", unix.CAP_SETFCAP, func(home string) error { // a program gets its capabilities back: here CAP_NET_RAW
		value := []byte{1, 0, 0, 2, 0, 1 << 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
		return unix.Setxattr(filepath.Join(home, "open"), "security.capability", value, 0)
	}},
}

// asRootWith runs f as root with these capabilities alone, on a thread that ends with it.
func asRootWith(capabilities []int, f func() error) error {
	result := make(chan error)
	go func() {
		runtime.LockOSThread() // and never let go: the thread has given up its rights
		var data [2]unix.CapUserData
		for _, c := range capabilities {
			data[c/32].Effective |= 1 << (c % 32)
			data[c/32].Permitted |= 1 << (c % 32)
		}
		err := unix.Capset(&unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, &data[0])
		if err == nil {
			err = f()
		}
		result <- err
	}()
	return <-result
}

// TestCapabilitiesOfTiering: with what the unit leaves it, root can do what tiering does, and without one of them it can not.
func TestCapabilitiesOfTiering(t *testing.T) {
	unit, err := os.ReadFile("tidemark-tiering.service")
	if err != nil {
		t.Fatal(err)
	}
	line := regexp.MustCompile(`(?m)^CapabilityBoundingSet=(.+)$`).FindSubmatch(unit)
	if line == nil {
		t.Fatal("the unit bounds no capabilities")
	}
	var names []string
	var all []int
	for _, n := range needed {
		names, all = append(names, n.name), append(all, n.capability)
	}
	if got := strings.Fields(string(line[1])); !slices.Equal(got, names) {
		t.Fatalf("the unit keeps %v, proven to be needed are %v", got, names)
	}
	home := filesOfOthers(t)
	for _, n := range needed {
		t.Run(n.name, func(t *testing.T) {
			if err := asRootWith(all, func() error { return n.do(home) }); err != nil {
				t.Errorf("with all that the unit keeps: %v", err)
			}
			without := slices.DeleteFunc(slices.Clone(all), func(c int) bool { return c == n.capability })
			if err := asRootWith(without, func() error { return n.do(home) }); err == nil {
				t.Error("it is not needed")
			}
		})
	}
}

// filesOfOthers makes somebody's home on a filesystem of its own, and beside it what root has made of its files.
func filesOfOthers(t *testing.T) string {
	t.Helper()
	top := mounttest.Mount(t, "-o", "loop", mounttest.Image(t, "ext4", 16))
	home := filepath.Join(top, "home")
	for _, dir := range []string{home, filepath.Join(top, "shared")} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, file := range []string{"home/private", "home/open", "copy", "object"} {
		if err := os.WriteFile(filepath.Join(top, file), []byte("text"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(filepath.Join(home, "private"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, owned := range []string{"home/private", "home/open", "home"} {
		if err := os.Chown(filepath.Join(top, owned), somebody, somebody); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chown(filepath.Join(top, "shared"), 0, somebody); err != nil {
		t.Fatal(err)
	}
	return home
}
