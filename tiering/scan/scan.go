// Package scan walks a volume: the facts of every regular file on it, handed over in batches, and how cold its data is.
//
// A walk never follows a symlink and never leaves the mount that it starts on: not into what is mounted below, nor into a bind mount of the
// same filesystem, nor into a btrfs subvolume. Directories are opened relative to the one above, by name, so that paths may be longer than
// the kernel takes at once and nobody can lead the walk elsewhere by exchanging a directory for a symlink. It opens no file.
//
// Several workers share one stack of directories. What they find is the same whatever their number; the order is not.
//
// Whether atimes can be trusted is known only when all of them were seen: a backup may have read everything last night. So a walk
// takes both views of the age of the data, by atime and by mtime, and Result.Trust says which one counts; a visitor
// that decides by idle keeps both answers (tiering/selection does).
package scan

import (
	"sync/atomic"
	"time"

	"github.com/tidemark/tidemark/tiering/policy"
)

// Options of a walk.
type Options struct {
	Path     string           // absolute: a mount point, or a directory on one; symlinks in it are followed
	Now      time.Time        // what ages are counted from
	Excludes *policy.Excludes // a directory that matches is not entered; nil: none
	Workers  int              // 0: two for each CPU that may be used, as they wait for disks
	// OpenDirectories bounds the descriptors that are open at a time; 0: 512.
	OpenDirectories int
	// Error is told what could not be read, by one goroutine at a time. The walk goes on. nil: only counted.
	Error func(path string, err error)
	// Progress is told now and then how many files and bytes (their sizes) were seen, by one goroutine at a time.
	Progress func(files, bytes int64)
}

// Visit gets regular files of one directory, a batch at a time; each worker (from 0) calls it for itself. The files are reused: whatever
// is to stay must be copied, the strings too.
type Visit func(worker int, dir *Directory, files []policy.File)

// Directory is one on the way of a walk. It stays valid.
type Directory struct {
	Parent *Directory // nil: where the walk began
	Name   string     // of the first: its absolute path
	// Slot is the visitor's, such as for a number that it gives the directory. It is 0 at first.
	Slot atomic.Uint32

	handle
}

// Result is what a walk has found. Everything but Err is the same whatever the number of workers.
type Result struct {
	Files       int64 // regular files, by each of their names
	Bytes       int64 // their sizes
	Allocated   int64 // what they take on the medium; each name of a file counts its share
	Directories int64 // that were read, the first included
	Others      int64 // symlinks, devices, FIFOs, sockets
	HardLinked  int64 // files that have more than one name, by each of their names
	Excluded    int64 // directories that were not entered because a pattern excludes them
	Mounts      int64 // what is mounted here, and subvolumes: not entered
	Vanished    int64 // gone, or exchanged, between being listed and being looked at
	Errors      int64 // what could not be read
	ByAtime     Ages  // idle by the later of atime and mtime
	ByMtime     Ages  // idle by mtime
	Trust       Trust // which of the two counts
}

// Ages are the ages that count.
func (r *Result) Ages() Ages {
	if r.Trust.Atime {
		return r.ByAtime
	}
	return r.ByMtime
}

// add is what another worker has found.
func (r *Result) add(o *Result) {
	r.Files += o.Files
	r.Bytes += o.Bytes
	r.Allocated += o.Allocated
	r.Directories += o.Directories
	r.Others += o.Others
	r.HardLinked += o.HardLinked
	r.Excluded += o.Excluded
	r.Mounts += o.Mounts
	r.Vanished += o.Vanished
	r.Errors += o.Errors
	r.ByAtime.add(&o.ByAtime)
	r.ByMtime.add(&o.ByMtime)
}
