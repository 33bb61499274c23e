package systemd

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// TestNotifications runs the agent as a service manager would, as a user without rights, and listens to what it says.
func TestNotifications(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	const nobody = 65534
	state, config := filepath.Join(l.dir, "state"), filepath.Join(l.dir, "tidemark.yaml")
	if err := os.Mkdir(state, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(state, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(config, []byte("data_dir: "+state+"\nagent: {every: 1s}\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	conn, address := notifySocket(t)
	var output bytes.Buffer
	cmd := exec.Command(filepath.Join(l.dir, "tidemark"), "--config", config, "agent")
	cmd.Dir = "/"
	cmd.Env = []string{"NOTIFY_SOCKET=" + address, "WATCHDOG_USEC=2000000"}
	cmd.Stdout, cmd.Stderr = &output, &output
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		cmd.Process.Kill()
		if t.Failed() {
			t.Logf("the agent said:\n%s", &output)
		}
	})
	waitFor(t, conn, "READY=1")
	select {
	case <-l.hung.Asked: // so there is a filesystem that hangs
	case <-time.After(deadline):
		t.Fatal("the agent never asked the filesystem that hangs")
	}
	for range 3 {
		waitFor(t, conn, "WATCHDOG=1")
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	waitFor(t, conn, "STOPPING=1")
	select {
	case err := <-ended:
		ended <- err
		if err != nil {
			t.Errorf("after SIGTERM it ended with %v", err)
		}
	case <-time.After(deadline):
		t.Error("it did not end after SIGTERM")
	}
}
