package hostdisk

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// mount is a line of /proc/PID/mountinfo (proc(5)).
type mount struct {
	major, minor uint32
	root         string // the part of the filesystem that is mounted
	point        string
	fstype       string
	source       string
	readOnly     bool // by the mount's options or by the filesystem's: a remount may change either
}

// parseMountinfo reads mountinfo, in its order. A line that is not of its form is an error with its number.
func parseMountinfo(r io.Reader) ([]mount, error) {
	var mounts []mount
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20) // overlay options can be long
	for n := 1; lines.Scan(); n++ {
		m, err := parseMount(lines.Text())
		if err != nil {
			return nil, fmt.Errorf("mountinfo line %d: %w", n, err)
		}
		mounts = append(mounts, m)
	}
	return mounts, lines.Err()
}

func parseMount(line string) (mount, error) {
	before, after, found := strings.Cut(line, " - ")
	head, tail := strings.Split(before, " "), strings.Split(after, " ")
	if !found || len(head) < 6 || len(tail) < 2 {
		return mount{}, fmt.Errorf("%q is not of the form that proc(5) describes", line)
	}
	m := mount{root: unescape(head[3]), point: unescape(head[4]), fstype: unescape(tail[0]), source: unescape(tail[1])}
	if _, err := fmt.Sscanf(head[2], "%d:%d", &m.major, &m.minor); err != nil {
		return mount{}, fmt.Errorf("device %q is no major:minor", head[2])
	}
	super := ""
	if len(tail) > 2 {
		super = tail[2]
	}
	m.readOnly = hasOption(head[5], "ro") || hasOption(super, "ro")
	return m, nil
}

func hasOption(options, name string) bool { return slices.Contains(strings.Split(options, ","), name) }

// unescape undoes the kernel's octal escapes: \040 is a blank.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var out strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if c, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				out.WriteByte(byte(c))
				i += 3
				continue
			}
		}
		out.WriteByte(s[i])
	}
	return out.String()
}

// notStored are filesystem types that store nothing, or that must not be touched: asking an autofs mounts it.
var notStored = []string{
	"autofs", "binfmt_misc", "bpf", "cgroup", "cgroup2", "configfs", "debugfs", "devpts", "efivarfs", "fusectl", "hugetlbfs",
	"mqueue", "nsfs", "proc", "pstore", "ramfs", "rpc_pipefs", "securityfs", "selinuxfs", "smackfs", "sysfs", "tracefs",
}

// volumesOf chooses the mounts that are volumes: of several on one path the last, which covers the others; of several views of
// one filesystem (bind mounts) one; those that are not excluded. Sorted by path.
func volumesOf(mounts []mount, excluded func(mount) bool) []mount {
	last := map[string]mount{}
	for _, m := range mounts {
		last[m.point] = m
	}
	visible := make([]mount, 0, len(last))
	for _, m := range last {
		if !slices.Contains(notStored, m.fstype) && !excluded(m) && !covered(m, mounts) {
			visible = append(visible, m)
		}
	}
	// The widest view of a filesystem first, under its shortest path.
	slices.SortFunc(visible, func(a, b mount) int {
		return cmp.Or(cmp.Compare(len(a.root), len(b.root)), cmp.Compare(len(a.point), len(b.point)), strings.Compare(a.point, b.point))
	})
	type view struct {
		major, minor uint32
		root         string
	}
	seen := map[view]bool{}
	var volumes []mount
	for _, m := range visible {
		v := view{m.major, m.minor, m.root}
		if m.fstype != "btrfs" {
			v.root = "" // btrfs' subvolumes are roots of their own; elsewhere a root other than / is a bind of a directory
		}
		if !seen[v] {
			seen[v] = true
			volumes = append(volumes, m)
		}
	}
	slices.SortFunc(volumes, func(a, b mount) int { return strings.Compare(a.point, b.point) })
	return volumes
}

// covered says whether a later mount on a directory above hides m.
func covered(m mount, mounts []mount) bool {
	at := -1
	for i, other := range mounts {
		if other == m {
			at = i
		}
	}
	for _, other := range mounts[at+1:] {
		if other.point != m.point && (other.point == "/" || strings.HasPrefix(m.point, other.point+"/")) {
			return true
		}
	}
	return false
}
