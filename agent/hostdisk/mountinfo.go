package hostdisk

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// mount is a line of /proc/PID/mountinfo (proc(5)).
type mount struct {
	id, parent   int // parent is the mount that this one is mounted on
	major, minor uint32
	root         string // the part of the filesystem that is mounted
	point        string
	fstype       string
	source       string
	subvolume    string // of btrfs: the one that the mounted part is in
	readOnly     bool   // by the mount's options or by the filesystem's: a remount may change either
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
	var idErr, parentErr error
	m.id, idErr = strconv.Atoi(head[0])
	m.parent, parentErr = strconv.Atoi(head[1])
	if idErr != nil || parentErr != nil {
		return mount{}, fmt.Errorf("%q and %q are not the numbers of a mount and of its parent", head[0], head[1])
	}
	super := ""
	if len(tail) > 2 {
		super = tail[2]
	}
	m.readOnly = hasOption(head[5], "ro") || hasOption(super, "ro")
	if m.fstype == "btrfs" {
		// The last option; a name may hold commas.
		_, subvolume, found := strings.Cut(super, ",subvol=")
		if m.subvolume = unescape(subvolume); !found {
			m.subvolume = m.root
		}
	}
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

// viewsOf groups the mounts that may be volumes by their filesystem, those left out that are excluded or that something
// covers. Of each filesystem it returns the widest view first, under its shortest path, and further ones only as long as
// those before may be single files, which are no volumes: nothing but the filesystem itself can tell. Sorted by the
// first view's path.
func viewsOf(mounts []mount, excluded func(mount) bool) [][]mount {
	hidden := covered(mounts)
	last := map[string]int{} // an old kernel may list two on one place; the newer one is meant
	for i, m := range mounts {
		if !hidden[i] {
			last[m.point] = i
		}
	}
	var visible []mount
	for i, m := range mounts {
		if !hidden[i] && last[m.point] == i && !slices.Contains(notStored, m.fstype) && !excluded(m) {
			visible = append(visible, m)
		}
	}
	slices.SortFunc(visible, func(a, b mount) int {
		return cmp.Or(cmp.Compare(len(a.root), len(b.root)), cmp.Compare(len(a.point), len(b.point)), strings.Compare(a.point, b.point))
	})
	type filesystem struct {
		major, minor uint32
		subvolume    string // btrfs' subvolumes stay apart; they share a pool
	}
	at := map[filesystem]int{}
	var views [][]mount
	for _, m := range visible {
		key := filesystem{m.major, m.minor, m.subvolume}
		i, ok := at[key]
		if !ok {
			at[key] = len(views)
			views = append(views, []mount{m})
		} else if last := views[i][len(views[i])-1]; last.mayBeFile() {
			views[i] = append(views[i], m)
		}
	}
	slices.SortFunc(views, func(a, b []mount) int { return strings.Compare(a[0].point, b[0].point) })
	return views
}

// mayBeFile says whether the mounted part can be a single file: it is not the root of a filesystem or a subvolume.
func (m mount) mayBeFile() bool { return m.root != "/" && m.root != m.subvolume }

// covered says of each mount whether another hides it: one on top of it at the same place, or one further up on the way
// to it. The order of the table does not tell: a mount may be moved, and some are older than the root.
func covered(mounts []mount) []bool {
	type place struct {
		parent int
		point  string
	}
	taken, byID := map[place]bool{}, make(map[int]int, len(mounts))
	for i, m := range mounts {
		byID[m.id] = i
		if m.id != m.parent { // the root may be its own parent
			taken[place{m.parent, m.point}] = true
		}
	}
	cutOff := make([]bool, len(mounts)) // something is mounted further up
	decided := make([]bool, len(mounts))
	for i := range mounts {
		var way []int // from i up to a mount that is decided, or whose parent is not in the table
		for at, ok := i, true; ok && !decided[at]; at, ok = byID[mounts[at].parent] {
			decided[at] = true // it is when this way has been gone; now, lest a table with a circle is gone round for ever
			way = append(way, at)
		}
		for _, at := range slices.Backward(way) {
			parent, ok := byID[mounts[at].parent]
			if !ok || parent == at {
				continue
			}
			cutOff[at] = cutOff[parent]
			for dir := mounts[at].point; !cutOff[at] && dir != mounts[parent].point && dir != filepath.Dir(dir); {
				dir = filepath.Dir(dir)
				cutOff[at] = taken[place{mounts[parent].id, dir}]
			}
		}
	}
	hidden := make([]bool, len(mounts))
	for i, m := range mounts {
		hidden[i] = cutOff[i] || taken[place{m.id, m.point}]
	}
	return hidden
}
