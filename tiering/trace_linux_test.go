package tiering

import (
	"errors"
	"os"
	"os/exec"
	"runtime"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// killedAt runs a process and kills it when its n-th system call that changes files has been done; 0: never. calls is how many of them
// there were. Only what is written to disk counts, of the catalog too, whichever thread does it.
func killedAt(t *testing.T, cmd *exec.Cmd, n int) (calls int, killed bool) {
	t.Helper()
	runtime.LockOSThread() // only the thread that began to trace a process may go on with it
	defer runtime.UnlockOSThread()
	out, err := os.CreateTemp(t.TempDir(), "out")
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	cmd.Stdout = out
	cmd.SysProcAttr.Ptrace, cmd.SysProcAttr.Setpgid = true, true
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pid := cmd.Process.Pid
	defer cmd.Process.Release()
	var status unix.WaitStatus
	if _, err := unix.Wait4(pid, &status, 0, nil); err != nil || !status.Stopped() {
		t.Fatalf("it does not begin: %v %v", err, status)
	}
	err = unix.PtraceSetOptions(pid, unix.PTRACE_O_TRACESYSGOOD|unix.PTRACE_O_TRACECLONE|unix.PTRACE_O_EXITKILL)
	if err == nil {
		err = unix.PtraceSyscall(pid, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	tr := tracer{leader: pid, at: n, inside: map[int]bool{}, known: map[int]bool{pid: true}}
	if err := tr.follow(); err != nil {
		t.Fatal(err)
	}
	if !tr.killed && tr.status.ExitStatus() != 0 {
		text, _ := os.ReadFile(out.Name())
		t.Fatalf("it ended with %d: %s", tr.status.ExitStatus(), text)
	}
	return tr.calls, tr.killed
}

// tracer follows a process and its threads.
type tracer struct {
	leader int
	at     int
	calls  int
	killed bool
	status unix.WaitStatus // of the leader, at its end
	inside map[int]bool    // threads that are in a call that counts
	known  map[int]bool    // threads that were seen
}

func (tr *tracer) follow() error {
	for {
		var status unix.WaitStatus
		tid, err := unix.Wait4(-tr.leader, &status, unix.WALL, nil) // its group: others of our children are not ours to wait for
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return err
		}
		if status.Exited() || status.Signaled() {
			if tid == tr.leader {
				tr.status = status
				return nil
			}
			continue
		}
		// A thread that was killed meanwhile is gone: its end comes.
		if err := unix.PtraceSyscall(tid, tr.stopped(tid, status)); err != nil && !errors.Is(err, unix.ESRCH) {
			return err
		}
	}
}

// stopped looks at a thread that stopped, and says with which signal it goes on.
func (tr *tracer) stopped(tid int, status unix.WaitStatus) (signal int) {
	first := !tr.known[tid]
	tr.known[tid] = true
	switch s := status.StopSignal(); {
	case s == unix.SIGTRAP|0x80:
		tr.call(tid)
		return 0
	case s == unix.SIGTRAP, s == unix.SIGSTOP && first:
		return 0
	default:
		return int(s)
	}
}

// syscallInfo is struct ptrace_syscall_info at the entry of a call.
type syscallInfo struct {
	op     uint8 // 1 at the entry, 2 at the exit
	_      [3]uint8
	arch   uint32
	ip, sp uint64
	number uint64
	args   [6]uint64
	_      [4]uint64
}

func (tr *tracer) call(tid int) {
	const getSyscallInfo = 0x420e
	var info syscallInfo
	_, _, errno := unix.Syscall6(unix.SYS_PTRACE, getSyscallInfo, uintptr(tid), unsafe.Sizeof(info), uintptr(unsafe.Pointer(&info)), 0, 0)
	if errno != 0 || tr.killed {
		return
	}
	if info.op == 1 {
		tr.inside[tid] = changes(tid, info.number, info.args)
		return
	}
	if !tr.inside[tid] {
		return
	}
	tr.inside[tid] = false
	if tr.calls++; tr.calls == tr.at {
		tr.killed = unix.Kill(tr.leader, unix.SIGKILL) == nil
	}
}

// changes says that a system call changes files, or makes a change durable.
func changes(tid int, number uint64, args [6]uint64) bool {
	const setFlags, setXFlags = 0x40086602, 0x401c5820
	switch number {
	case unix.SYS_OPENAT:
		return args[2]&(unix.O_CREAT|unix.O_TRUNC) != 0
	case unix.SYS_OPENAT2:
		how := make([]byte, 8)
		if _, err := unix.PtracePeekData(tid, uintptr(args[2]), how); err != nil {
			return false
		}
		return *(*uint64)(unsafe.Pointer(&how[0]))&unix.O_CREAT != 0
	case unix.SYS_IOCTL:
		return args[1] == setFlags || args[1] == setXFlags
	case unix.SYS_FCNTL:
		return args[1] == unix.F_SETLEASE
	case unix.SYS_RENAMEAT2, unix.SYS_UNLINKAT, unix.SYS_SYMLINKAT, unix.SYS_LINKAT, unix.SYS_MKDIRAT, unix.SYS_FSYNC, unix.SYS_FDATASYNC,
		unix.SYS_SYNCFS, unix.SYS_PWRITE64, unix.SYS_FTRUNCATE, unix.SYS_FCHOWN, unix.SYS_FCHOWNAT, unix.SYS_FCHMOD, unix.SYS_FSETXATTR,
		unix.SYS_UTIMENSAT:
		return true
	}
	return false
}
