//go:build unix

package main

import (
	"io/fs"
	"syscall"
)

// deviceOf is the device that a file is on; 0 where that is not known.
func deviceOf(info fs.FileInfo) uint64 {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return uint64(st.Dev)
	}
	return 0
}
