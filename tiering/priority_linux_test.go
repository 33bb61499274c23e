package tiering

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// A process of its own: what it gives up, the test could not have back without rights.
func TestSetIdlePriority(t *testing.T) {
	child := exec.Command(os.Args[0], "-test.run=^TestBeIdle$", "-test.v")
	child.Env = append(os.Environ(), "TIDEMARK_BE_IDLE=1")
	out, err := child.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "all of ") {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestBeIdle is the child of TestSetIdlePriority.
func TestBeIdle(t *testing.T) {
	if os.Getenv("TIDEMARK_BE_IDLE") == "" {
		return // run by its parent only
	}
	release := make(chan struct{})
	begun := make(chan struct{})
	hold := func() { // on a thread of its own
		runtime.LockOSThread()
		begun <- struct{}{}
		<-release
	}
	for range 8 {
		go hold()
		<-begun
	}
	if got, _, _ := unix.Syscall(unix.SYS_IOPRIO_GET, ioprioWhoProcess, uintptr(unix.Gettid()), 0); got == ioprioIdle {
		t.Fatal("the test itself is idle, so that nothing is tested")
	}
	if err := SetIdlePriority(); err != nil {
		t.Fatal(err)
	}
	for range 8 { // threads that begin later are the children of idle ones
		go hold()
		<-begun
	}
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	for _, thread := range threads {
		id, _ := strconv.Atoi(thread.Name())
		if got, _, errno := unix.Syscall(unix.SYS_IOPRIO_GET, ioprioWhoProcess, uintptr(id), 0); got != ioprioIdle || errno != 0 {
			t.Errorf("thread %d has the priority %#x, %v", id, got, errno)
		}
	}
	close(release)
	fmt.Printf("all of %d threads\n", len(threads))
}
