package fsys_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/tidemark/tidemark/internal/fsys"
	"github.com/tidemark/tidemark/internal/mounttest"
)

const (
	nodump  = 0x40
	noatime = 0x80
	synced  = 0x08
)

// acl is an ACL as the kernel has it: user 1000 reads, the group g, the mask m.
func acl(g, m byte) []byte {
	none := "\xff\xff\xff\xff"
	return []byte("\x02\x00\x00\x00" + "\x01\x00\x07\x00" + none + "\x02\x00\x04\x00\xe8\x03\x00\x00" +
		"\x04\x00" + string(g) + "\x00" + none + "\x10\x00" + string(m) + "\x00" + none + "\x20\x00\x00\x00" + none)
}

// capability is a file capability (CAP_NET_BIND_SERVICE, permitted).
var capability = []byte("\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00")

func TestAttributesComeBack(t *testing.T) {
	onEach(t, func(t *testing.T, fstype, dir string) {
		d := root(t, dir)
		wanted := fsys.Attributes{
			UID: 1234, GID: 4321, Mode: 0o6750, Atime: fsys.Time{Sec: -7, Nsec: 1}, Mtime: fsys.Time{Sec: 1 << 31, Nsec: 2},
			Xattrs: map[string][]byte{"user.one": []byte("1"), "user.empty": {}, "trusted.t": []byte("t\x00t"), "security.capability": capability, fsys.XattrACL: acl(4, 5)},
			Flags:  nodump | noatime | fsys.FlagAppend | fsys.FlagImmutable,
		}
		if fstype == "xfs" { // the kernel here has projects on no other
			wanted.Project = 4_000_000_000
		}
		if fstype == "tmpfs" {
			wanted.Flags &^= nodump // whether it knows this one depends on the kernel
		}
		must(t, d.SetXattr(fsys.XattrDefaultACL, acl(7, 7)))
		f := write(t, d, "file", "content")
		must(t, f.SetXattr("user.besides", []byte("?")))
		must(t, fsys.RestoreAttributes(f, wanted))
		check := func(what string) {
			t.Helper()
			got, _, err := fsys.ReadAttributes(f)
			must(t, err)
			got.Flags &= nodump | noatime | fsys.FlagAppend | fsys.FlagImmutable
			if diff := cmp.Diff(wanted, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", what, diff)
			}
		}
		check("restored")
		_, err := d.OpenReadWrite("file")
		want(t, "write to what is immutable", err, unix.EPERM)
		want(t, "rename what is immutable", d.Rename("file", d, "x", fsys.Replace), unix.EPERM)
		must(t, fsys.RestoreAttributes(f, wanted))
		check("restored again")
		wanted = fsys.Attributes{Mode: 0o644, Mtime: fsys.Time{Sec: 3}}
		must(t, fsys.RestoreAttributes(f, wanted))
		check("all taken away")
	})
}

// Many and long ones do not fit into the first buffer.
func TestLargeXattrs(t *testing.T) {
	onEach(t, func(t *testing.T, fstype, dir string) {
		f := write(t, root(t, dir), "file", "")
		wanted := map[string][]byte{"user.long": bytes.Repeat([]byte("long"), 200)}
		if fstype == "xfs" {
			wanted["user.longest"] = bytes.Repeat([]byte("x"), 64<<10)
		}
		for i := range 30 {
			wanted[fmt.Sprintf("user.%d%s", i, strings.Repeat("n", 40))] = []byte{byte(i)}
		}
		for name, value := range wanted {
			must(t, f.SetXattr(name, value))
		}
		got, err := f.Xattrs()
		must(t, err)
		if diff := cmp.Diff(wanted, got); diff != "" {
			t.Error(diff)
		}
		must(t, f.RemoveXattr("user.long"))
		want(t, "remove what is gone", f.RemoveXattr("user.long"), unix.ENODATA)
	})
}

// ramfs has none of all that.
func TestPoorFilesystem(t *testing.T) {
	d := root(t, mounttest.Mount(t, "-t", "ramfs", "ramfs"))
	f := write(t, d, "file", "content")
	got, info, err := fsys.ReadAttributes(f)
	must(t, err)
	if got.Xattrs != nil || got.Flags != 0 || got.Project != 0 || info.Size != 7 {
		t.Errorf("%+v %+v", got, info)
	}
	want(t, "set an attribute", f.SetXattr("user.a", nil), fsys.ErrUnsupported)
	_, err = f.Flags()
	want(t, "flags", err, fsys.ErrUnsupported)
	want(t, "set flags", f.SetFlags(fsys.FlagImmutable), fsys.ErrUnsupported)
	_, err = f.ProjectID()
	want(t, "project", err, fsys.ErrUnsupported)
	want(t, "set project", f.SetProjectID(1), fsys.ErrUnsupported)

	must(t, fsys.RestoreAttributes(f, fsys.Attributes{UID: 1, Mode: 0o640}))
	err = fsys.RestoreAttributes(f, fsys.Attributes{
		UID: 5, Mode: 0o4670, Mtime: fsys.Time{Sec: 9}, Project: 7, Flags: fsys.FlagImmutable | synced,
		Xattrs: map[string][]byte{"user.a": nil, fsys.XattrACL: acl(4, 7)},
	})
	for _, part := range []string{"user.a", fsys.XattrACL, "project 7", "flags 0x18"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("the error names no %s: %v", part, err)
		}
	}
	want(t, "restore", err, fsys.ErrUnsupported)
	got, _, err = fsys.ReadAttributes(f)
	must(t, err)
	if got.UID != 5 || got.Mode != 0o4640 || got.Mtime.Sec != 9 { // the group had r by the ACL; its mask was rwx
		t.Errorf("restored: %+v, mode %o", got, got.Mode)
	}
}

// noOwner cannot be given away.
type noOwner struct{ fsys.File }

var errOwner = errors.New("no owner")

func (noOwner) Chown(uid, gid uint32) error { return errOwner }

func TestNoSetuidWithoutItsOwner(t *testing.T) {
	f := write(t, root(t, t.TempDir()), "file", "")
	want(t, "restore", fsys.RestoreAttributes(noOwner{f}, fsys.Attributes{UID: 9, Mode: 0o6755}), errOwner)
	if info, err := f.Stat(); err != nil || info.Permissions() != 0o755 {
		t.Errorf("%o, %v", info.Mode, err)
	}
}
