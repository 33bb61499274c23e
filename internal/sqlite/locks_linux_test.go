package sqlite

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// locks is how many locks this process holds on a file.
func locks(t *testing.T, path string) (n int) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	all, err := os.ReadFile("/proc/locks")
	if err != nil {
		t.Fatal(err)
	}
	pid, inode := fmt.Sprintf(" %d ", os.Getpid()), fmt.Sprintf(":%d ", info.Sys().(*syscall.Stat_t).Ino)
	for line := range strings.Lines(string(all)) {
		if strings.Contains(line, pid) && strings.Contains(line, inode) {
			n++
		}
	}
	return n
}

// Closing any descriptor of a file takes away every lock that the process has on it. Without its lock another process, when it
// closes the file, may take itself for the last one and end the journal that this one writes on into.
func TestOpeningAgainKeepsTheLocks(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	open(t, path, two)
	before := locks(t, path)
	if before == 0 {
		t.Fatal("an open database holds no lock: the test sees nothing")
	}
	again, err := Open(t.Context(), path, two)
	if err != nil {
		t.Fatal(err)
	}
	read, err := OpenReadOnly(t.Context(), path, 2)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(again.Close(), read.Close()); err != nil {
		t.Fatal(err)
	}
	if after := locks(t, path); after != before {
		t.Errorf("%d locks after it was opened again and closed, %d before", after, before)
	}
}
