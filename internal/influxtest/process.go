package influxtest

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
)

// process is a running influxd, whose output goes to a file.
type process struct {
	command *exec.Cmd
	log     string
	ended   chan struct{} // closed when it has ended and err is set
	err     error
}

// startProcess starts the program so that it dies with this process. The kernel ties that to the thread that started it,
// so a goroutine keeps that thread until the program has ended.
func startProcess(program, dir string, arguments []string) (*process, error) {
	p := &process{command: exec.Command(program, arguments...), log: filepath.Join(dir, "log"), ended: make(chan struct{})}
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	p.command.Env = append(os.Environ(), "HOME="+dir)
	p.command.Stdout, p.command.Stderr = log, log
	p.command.SysProcAttr = dieWithParent()
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := p.command.Start()
		started <- err
		if err == nil {
			p.err = p.command.Wait()
			close(p.ended)
		}
	}()
	return p, <-started
}

func (p *process) signal(s syscall.Signal) error {
	if err := p.command.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	return nil
}

// tail is the end of what the server said.
func (p *process) tail() []byte {
	b, err := os.ReadFile(p.log)
	if err != nil {
		return []byte(err.Error())
	}
	return b[max(0, len(b)-4096):]
}
