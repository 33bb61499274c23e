package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/tidemark/tidemark/internal/mounttest"
)

// TestTieringScripts is the contract of the commands that move files. Each script has a hot volume, $WORK/hot, and a volume for its
// archive, $WORK/vault, of its own: real filesystems.
func TestTieringScripts(t *testing.T) {
	mounttest.RequireFilesystem(t, "ext4")
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/tiering",
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("GORACE", os.Getenv("GORACE"))
			env.Setenv("TIDEMARK_CONFIG", env.WorkDir+"/tidemark.yaml")
			env.Setenv("XDG_STATE_HOME", env.WorkDir+"/xdg")
			text, err := os.ReadFile(env.WorkDir + "/policies.yaml")
			if err != nil {
				return err
			}
			head := fmt.Sprintf("host: testhost\ndata_dir: %s/state\narchives: {vault: {path: %[1]s/vault, min_free: 1%%}}\n", env.WorkDir)
			all := head + os.Expand(string(text), func(string) string { return env.WorkDir })
			if err := os.WriteFile(env.WorkDir+"/tidemark.yaml", []byte(all), 0o600); err != nil {
				return err
			}
			return errors.Join(mountFor(env, "hot", 48), mountFor(env, "vault", 64))
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){"exitcode": exitCodeCommand},
	})
}

// mountFor mounts a new ext4 of so many MiB in the script's directory, until its end.
func mountFor(env *testscript.Env, name string, mib int64) error {
	image, dir := filepath.Join(env.WorkDir, name+".img"), filepath.Join(env.WorkDir, name)
	if err := os.WriteFile(image, nil, 0o600); err != nil {
		return err
	}
	if err := errors.Join(os.Truncate(image, mib<<20), os.Mkdir(dir, 0o755)); err != nil {
		return err
	}
	for _, command := range [][]string{{"mkfs.ext4", "-q", image}, {"mount", "-o", "loop", image, dir}} {
		if out, err := exec.Command(command[0], command[1:]...).CombinedOutput(); err != nil {
			return fmt.Errorf("%v: %w: %s", command, err, out)
		}
	}
	env.Defer(func() { _ = exec.Command("umount", "-l", dir).Run() }) // a script may have unmounted it
	return nil
}
