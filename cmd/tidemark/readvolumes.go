package main

import (
	"os"
	"os/exec"

	"github.com/urfave/cli/v2"

	"github.com/tidemark/tidemark/agent/hostdisk"
)

// readVolumes is the hidden command by which this program reads volumes for another process of its own.
const readVolumes = "read-volumes"

// readApart starts this very program, also where its file has been replaced meanwhile. An interrupt at the terminal is not
// meant for it: it ends with the process that asks. It has none of our streams, since whoever reads those waits until the
// last process lets go of them.
func readApart() *exec.Cmd {
	cmd := &exec.Cmd{Path: "/proc/self/exe", Args: []string{os.Args[0], readVolumes}, SysProcAttr: ownGroup()}
	if _, err := os.Stat(cmd.Path); err != nil {
		if path, err := os.Executable(); err == nil {
			cmd.Path = path
		}
	}
	return cmd
}

func (p *program) readVolumesCommand() *cli.Command {
	return &cli.Command{
		Name: readVolumes, Hidden: true, Usage: "reads volumes for another process of this program",
		Action: func(*cli.Context) error { return hostdisk.Serve(p.stdin, p.stdout) },
	}
}
