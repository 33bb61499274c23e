//go:build unix

package tiering

import "golang.org/x/sys/unix"

// fewestDescriptors is what to count on where the limit can't be asked.
const fewestDescriptors = 1024

// descriptors is how many files this process may have open.
func descriptors() int {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return fewestDescriptors
	}
	return int(min(uint64(limit.Cur), 1<<20))
}
