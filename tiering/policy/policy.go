// Package policy decides about files: a file and a time in, a verdict with its reason out. It reads nothing but what it is handed and
// changes nothing.
//
// A Rule is a compiled `where`, an expr expression over
//
//	path dir name ext      strings; ext is what follows the last dot of the name, as written: lower(ext) folds it. A name that
//	                       only starts with a dot has none
//	size blocks            bytes: the length, and what it takes on the medium
//	idle age               durations: since it was last read or written, and since it was last written
//	mtime atime            times; compare them with date("2026-01-01"), which is UTC
//	uid gid owner group    numbers and names; an id without a name is its own digits
//	mode nlink             the lower twelve bits, and the number of names
//	xattr("user.keep")     the value, "" where there is none
//
// with days() hours() KiB() MiB() GiB() TiB() and glob(pattern), which matches the path, or glob(pattern, text). Of expr's own
// there are comparisons, arithmetic, and/or/not, in [...], ?:, startsWith, endsWith, contains, matches, lower(), upper(), trim(), len(),
// hasPrefix(), hasSuffix(), bitand(), bitor(), date(), and Year(), YearDay(), Day(), Hour() and Unix() of a time. All that
// loops, repeats or remembers is refused, so that one decision costs at most a few passes over the rule's text and the file's path.
// expr parses and checks types; what it found right is compiled to closures here, as a decision is made for each of millions
// of files (docs/performance.md).
//
// A Judge adds what no rule may do: move what is held, linked twice, excluded, just recalled.
package policy

import (
	"strings"
	"time"
	"unsafe"

	"github.com/tidemark/tidemark/internal/fsys"
)

// File is what is known of a file. A scan uses one again and again: its strings are good until the next call of Place.
type File struct {
	Dir  string // absolute, without a slash at its end, but for "/"
	Name string
	fsys.Info
	// Xattr reads an extended attribute: "" without an error where there is none. nil: they cannot be read.
	Xattr func(name string) (string, error)

	path []byte // Dir/Name, once it was asked for
}

// FileAt is the file at an absolute path.
func FileAt(path string, info fsys.Info) *File {
	f := &File{Info: info}
	slash := strings.LastIndexByte(path, '/')
	f.Place(path[:max(slash, 1)], path[slash+1:])
	return f
}

// Place says where the file is. Both strings may be views of buffers that change later.
func (f *File) Place(dir, name string) {
	f.Dir, f.Name, f.path = dir, name, f.path[:0]
}

// Path is absolute. It is good until the next Place: clone what is to stay.
func (f *File) Path() string {
	if len(f.path) == 0 {
		f.path = append(f.path, f.Dir...)
		if f.Dir != "/" {
			f.path = append(f.path, '/')
		}
		f.path = append(f.path, f.Name...)
	}
	return unsafe.String(&f.path[0], len(f.path))
}

// ext is what follows the last dot of the name, where anything stands before that dot.
func (f *File) ext() string {
	if dot := strings.LastIndexByte(f.Name, '.'); dot > 0 {
		return f.Name[dot+1:]
	}
	return ""
}

// Moment is when, and by which clock, something is decided.
type Moment struct {
	Now time.Time
	// Atime says that the mount's atimes can be trusted. Without them a file is idle since its mtime.
	Atime bool
	// Owner and Group give the names behind ids; nil: every id is its digits (see NewNames).
	Owner, Group func(id uint32) (string, error)
}

// LastUse is when a file was last read or written, and by which of its times: "atime" or "mtime". A file that was written after it
// was last read is not idle since that reading.
func (f *File) LastUse(atime bool) (at fsys.Time, by string) {
	if atime && before(f.Mtime, f.Atime) {
		return f.Atime, "atime"
	}
	return f.Mtime, "mtime"
}

func before(a, b fsys.Time) bool { return a.Sec < b.Sec || a.Sec == b.Sec && a.Nsec < b.Nsec }

// since is how long before now a file time was, within what a duration can say (292 years).
func (m Moment) since(t fsys.Time) time.Duration { return m.Now.Sub(time.Unix(t.Sec, int64(t.Nsec))) }
