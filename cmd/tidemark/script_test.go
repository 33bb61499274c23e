package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/tidemark/tidemark/internal/influxtest"
)

func TestMain(m *testing.M) {
	testscript.Main(withInflux{m}, map[string]func(){
		"tidemark": func() { os.Exit(run(os.Args, os.Stdin, os.Stdout, os.Stderr)) },
	})
}

// withInflux ends the server that the tests shared.
type withInflux struct{ m *testing.M }

func (w withInflux) Run() int {
	os.Setenv("GORACE", goRace())
	return influxtest.Main(w.m)
}

// goRace lets a program that the race detector watches end at once: it would wait a second for others to report.
func goRace() string { return strings.TrimSpace(os.Getenv("GORACE") + " atexit_sleep_ms=0") }

// TestScripts runs the command line's contract: each file is a topic, run against the real main. Each script has a state
// directory and a configuration of its own, so nothing of this machine is touched.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("GORACE", os.Getenv("GORACE"))
			env.Setenv("ESC", "\x1b")
			env.Setenv("XDG_STATE_HOME", env.WorkDir+"/state")
			env.Setenv("TIDEMARK_CONFIG", env.WorkDir+"/tidemark.yaml")
			for name, text := range map[string][]byte{"past.csv": pastCSV(time.Now()), "longer.csv": []byte(fleetCSV(time.Now()))} {
				if err := os.WriteFile(filepath.Join(env.WorkDir, name), text, 0o600); err != nil {
					return err
				}
			}
			// Other tests mount what they need, also what hangs, below the temporary directory.
			text := fmt.Sprintf("host: testhost\ndata_dir: %s/state\nagent: {exclude: {paths: ['%s/**']}}\n", env.WorkDir, os.TempDir())
			return os.WriteFile(env.WorkDir+"/tidemark.yaml", []byte(text), 0o600)
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){"exitcode": exitCodeCommand},
	})
}

// pastCSV is a past that ended ten days ago: silent for too long for a date, not long enough to be forgotten.
func pastCSV(now time.Time) []byte {
	var csv strings.Builder
	fmt.Fprintln(&csv, "series,time,used,capacity")
	for day := range 30 {
		fmt.Fprintf(&csv, "web1:/srv,%s,%d,4000000\n", now.UTC().AddDate(0, 0, day-39).Format(time.DateOnly), 1_000_000+1000*day)
	}
	return []byte(csv.String())
}

// fleetCSV is two volumes' past until yesterday: one grows by a gigabyte a day to 60 of 100, one is three days old.
func fleetCSV(now time.Time) string {
	var b strings.Builder
	fmt.Fprintln(&b, "series,time,used,capacity")
	row := func(series string, daysAgo int, used int64) {
		day := now.UTC().Truncate(24*time.Hour).AddDate(0, 0, -daysAgo)
		fmt.Fprintf(&b, "%s,%s,%d,100000000000\n", series, day.Format(time.RFC3339), used)
	}
	for ago := 60; ago >= 0; ago-- {
		row("db1:/srv", ago, int64(60-ago)*1_000_000_000)
	}
	for ago := 3; ago >= 0; ago-- {
		row("db2:/new", ago, 5_000_000_000)
	}
	return b.String()
}

// exitCodeCommand is `exitcode N command…`: it runs a command and wants that exit code.
func exitCodeCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exitcode N command [argument…]")
	}
	err := ts.Exec(args[1], args[2:]...)
	got := 0
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		got = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("%s: %v", args[1], err)
	}
	if strconv.Itoa(got) != args[0] {
		ts.Fatalf("exit code %d, want %s", got, args[0])
	}
}
