package tiering

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// From include/uapi/linux/ioprio.h.
const (
	ioprioWhoProcess = 1
	ioprioIdle       = 3 << 13
)

// SetIdlePriority lets the process have the disks only while nobody else wants them, where the disk's scheduler knows priorities
// (bfq, mq-deadline). A priority belongs to a thread and goes from the one that starts another to it, so the threads are gone
// through until none is left that has another.
func SetIdlePriority() error {
	const passes = 100 // threads are started meanwhile, but not for ever
	for range passes {
		changed, err := idleThreads()
		if err != nil {
			return fmt.Errorf("give the disks to others first: %w", err)
		}
		if !changed {
			return nil
		}
	}
	return errors.New("give the disks to others first: threads start faster than they can be told")
}

// idleThreads tells the threads there are; it says whether one had another priority.
func idleThreads() (changed bool, err error) {
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return false, err
	}
	for _, t := range threads {
		id, err := strconv.Atoi(t.Name())
		if err != nil {
			return false, err
		}
		had, _, errno := unix.Syscall(unix.SYS_IOPRIO_GET, ioprioWhoProcess, uintptr(id), 0)
		if errno == 0 && had == ioprioIdle {
			continue
		}
		if _, _, errno = unix.Syscall(unix.SYS_IOPRIO_SET, ioprioWhoProcess, uintptr(id), ioprioIdle); errno == unix.ESRCH {
			continue // it has ended
		}
		if errno != 0 {
			return false, fmt.Errorf("thread %d: %w", id, errno)
		}
		changed = true
	}
	return changed, nil
}
