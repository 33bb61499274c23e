package archive_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/tidemark/tidemark/internal/mounttest"
	"github.com/tidemark/tidemark/tiering/archive"
)

// What setfacl writes we read, and what we write getfacl reads.
func TestACLsAreThoseOfSetfaclAndGetfacl(t *testing.T) {
	filesystems(t, func(t *testing.T, path string) {
		for name, acl := range map[string]string{
			"a user":                  "u::rw-,u:1000:r--,g::r--,m::r--,o::---",
			"users and groups":        "u::rwx,u:1:r-x,u:1000:---,u:70000:-w-,g::--x,g:5:rwx,g:4294967294:r--,m::rwx,o::r-x",
			"a group only":            "u::---,g::---,g:2001:rwx,m::--x,o::---",
			"a mask without users":    "u::rwx,g::rwx,m::r--,o::---",
			"an effect that is empty": "u::rwx,u:7:rwx,g::rwx,m::---,o::rwx",
		} {
			t.Run(name, func(t *testing.T) {
				theirs, ours := path+"/theirs-"+strings.Fields(name)[1], path+"/ours-"+strings.Fields(name)[1]
				for _, p := range []string{theirs, ours} {
					must(t, os.Mkdir(p, 0o700))
				}
				for option, xattr := range map[string]string{"-m": archive.XattrAccess, "-dm": archive.XattrDefault} {
					mounttest.Run(t, "setfacl", option, acl, theirs)
					value := make([]byte, 4096)
					n, err := unix.Lgetxattr(theirs, xattr, value)
					must(t, err)
					parsed, err := archive.ParseACL(value[:n])
					if err != nil || parsed.String() != acl {
						t.Errorf("%s of setfacl %s is %v, %v", xattr, acl, parsed, err)
					}
					must(t, unix.Setxattr(ours, xattr, parsed.Format(), 0))
				}
				if a, b := getfacl(t, theirs), getfacl(t, ours); a != b {
					t.Errorf("getfacl says of theirs\n%sand of ours\n%s", a, b)
				}
				for _, text := range strings.Split(acl, ",") {
					long := strings.NewReplacer("u:", "user:", "g:", "group:", "m:", "mask:", "o:", "other:").Replace(text)
					if !strings.Contains(getfacl(t, ours), long) {
						t.Errorf("getfacl says nothing of %s:\n%s", long, getfacl(t, ours))
					}
				}
			})
		}
	})
}

func getfacl(t *testing.T, path string) string {
	t.Helper()
	out, err := exec.Command("getfacl", "-c", "-E", "-n", "-p", path).Output()
	must(t, err)
	return string(out)
}

// What the kernel refuses we refuse, and the other way round.
func TestACLsThatTheKernelRefuses(t *testing.T) {
	file := mount(t, "ext4") + "/f"
	must(t, os.WriteFile(file, nil, 0o600))
	valid := archive.ACL{{Tag: archive.TagUserObj, Perm: 7}, {Tag: archive.TagUser, Perm: 7, ID: 9}, {Tag: archive.TagGroupObj, Perm: 5}, {Tag: archive.TagMask}, {Tag: archive.TagOther, Perm: 5}}
	without := func(i int) archive.ACL { return append(append(archive.ACL{}, valid[:i]...), valid[i+1:]...) }
	with := func(e archive.Entry) archive.ACL {
		return append(append(append(archive.ACL{}, valid[:2]...), e), valid[2:]...)
	}
	for name, value := range map[string][]byte{
		"valid":             valid.Format(),
		"no owner":          without(0).Format(),
		"no user":           without(1).Format(),
		"no owning group":   without(2).Format(),
		"no mask":           without(3).Format(),
		"no others":         without(4).Format(),
		"a user for nobody": with(archive.Entry{Tag: archive.TagUser, ID: 0xffffffff}).Format(),
		"permission 8":      with(archive.Entry{Tag: archive.TagUser, ID: 10, Perm: 8}).Format(),
		"an unknown tag":    with(archive.Entry{Tag: 0x40}).Format(),
		"two owners":        with(archive.Entry{Tag: archive.TagUserObj, Perm: 1}).Format(),
		"cut off":           valid.Format()[:20],
		"another version":   append([]byte{3}, valid.Format()[1:]...),
	} {
		t.Run(name, func(t *testing.T) {
			kernel := unix.Setxattr(file, archive.XattrAccess, value, 0)
			if _, err := archive.ParseACL(value); (err == nil) != (kernel == nil) {
				t.Errorf("we say %v, the kernel %v", err, kernel)
			}
		})
	}
}
