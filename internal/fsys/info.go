package fsys

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// The kinds of file, as in st_mode.
const (
	TypeMask    = 0o170000
	TypeRegular = 0o100000
	TypeDir     = 0o040000
	TypeSymlink = 0o120000
)

// Info is what stat says.
type Info struct {
	Dev, Ino            uint64
	Mode                uint32 // with the kind of file
	Nlink               uint64
	UID, GID            uint32
	Size                int64 // bytes
	Allocated           int64 // bytes on the medium: st_blocks × 512
	Atime, Mtime, Ctime Time
}

// IsRegular and its like say what kind of file it is.
func (i Info) IsRegular() bool { return i.Mode&TypeMask == TypeRegular }
func (i Info) IsDir() bool     { return i.Mode&TypeMask == TypeDir }
func (i Info) IsSymlink() bool { return i.Mode&TypeMask == TypeSymlink }

// Permissions are the lower twelve bits of the mode.
func (i Info) Permissions() uint32 { return i.Mode & 0o7777 }

// Time is a file's time to the nanosecond, over the whole range that filesystems have. The zero value is the epoch.
type Time struct {
	Sec  int64
	Nsec int32 // within [0, 1e9)
}

// At is the file time of a Go time.
func At(t time.Time) Time { return Time{t.Unix(), int32(t.Nanosecond())} }

// Go is the time in UTC.
func (t Time) Go() time.Time { return time.Unix(t.Sec, int64(t.Nsec)).UTC() }

// String is seconds and nanoseconds since the epoch, such as 1700000000.000000005; the nanoseconds always count forward.
func (t Time) String() string { return fmt.Sprintf("%d.%09d", t.Sec, t.Nsec) }

// MarshalText is String.
func (t Time) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (t *Time) UnmarshalText(text []byte) error {
	sec, nsec, ok := strings.Cut(string(text), ".")
	s, err := strconv.ParseInt(sec, 10, 64)
	n, err2 := strconv.ParseUint(nsec, 10, 32)
	if !ok || len(nsec) != 9 || err != nil || err2 != nil {
		return fmt.Errorf("%q is no time of the form seconds.nanoseconds", text)
	}
	*t = Time{s, int32(n)}
	return nil
}

// Attributes are everything of a file but its content and its name.
type Attributes struct {
	UID     uint32            `json:"uid"`
	GID     uint32            `json:"gid"`
	Mode    uint32            `json:"mode"` // the lower twelve bits
	Atime   Time              `json:"atime"`
	Mtime   Time              `json:"mtime"`
	Xattrs  map[string][]byte `json:"xattrs,omitempty"`
	Flags   uint32            `json:"flags,omitempty"`   // as lsattr shows them; 0 where there are none
	Project uint32            `json:"project,omitempty"` // 0 where there is none
	// Identity (see Identity) is of a directory that was looked at just now; it is never kept.
	Identity string `json:"-"`
}
