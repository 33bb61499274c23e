package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/tidemark/tidemark/config"
	"github.com/tidemark/tidemark/internal/table"
	"github.com/tidemark/tidemark/tiering"
)

// version is set by the linker.
var version = "dev"

// Exit codes, the same for every command.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2 // wrong usage or configuration; nothing was touched
	exitPart   = 3 // done in part
)

// program is what every command stands on: its streams, its clock, its environment.
type program struct {
	stdin  io.Reader
	stdout io.Writer
	stderr io.Writer
	status *statusLine // stderr's; nil: progress is not shown
	getenv func(string) string
	now    func() time.Time
	log    *slog.Logger
}

// run is the whole program; it returns the exit code.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	status := &statusLine{w: stderr}
	p := &program{stdin: stdin, stdout: stdout, stderr: status, status: status, getenv: os.Getenv, now: time.Now, log: peopleLogger(status)}
	app := p.app()
	help := &helpWriter{w: stdout}
	app.Writer = help
	err := cmp.Or(app.RunContext(ctx, args), help.err)
	var answered exitStatus // by the plugin itself
	if exitCode(err) == exitUsage && asPlugin(args) && !errors.As(err, &answered) {
		err = p.unknown(err) // 2 would mean critical to a monitor
	}
	if err != nil {
		p.sayError(err)
	}
	return exitCode(err)
}

// helpWriter keeps the error of writing the help or the version, which cli drops.
type helpWriter struct {
	w   io.Writer
	err error
}

func (h *helpWriter) Write(b []byte) (int, error) {
	n, err := h.w.Write(b)
	h.err = cmp.Or(h.err, err)
	return n, err
}

func (p *program) app() *cli.App {
	app := &cli.App{
		Name:                      "tidemark",
		Usage:                     "how full volumes are, when each will be full, and what to do about it",
		UsageText:                 "tidemark [--config FILE] COMMAND [flags] [arguments]",
		Version:                   version,
		HideHelpCommand:           true,
		UseShortOptionHandling:    false,
		DisableSliceFlagSeparator: true, // a volume's name may hold a comma
		Reader:                    p.stdin,
		ErrWriter:                 p.stderr,
		Flags: []cli.Flag{&cli.StringFlag{
			Name: "config", Usage: "read `FILE`", DefaultText: "$TIDEMARK_CONFIG, else /etc/tidemark/tidemark.yaml where there is one",
		}},
		Commands: []*cli.Command{
			p.upCommand(), p.agentCommand(), p.tierdCommand(), p.volumesCommand(), p.forecastCommand(), p.planCommand(), p.backtestCommand(),
			p.importCommand(), p.policyCommand(), p.archiveCommand(), p.holdCommand(), p.auditCommand(), p.recoverCommand(), p.configCommand(),
			p.readVolumesCommand(), p.playTieringCommand(),
		},
		ExitErrHandler: func(*cli.Context, error) {}, // run owns the exit code
		Action:         p.noCommand,
	}
	app.OnUsageError = usageFault
	for _, c := range app.Commands {
		strict(c)
	}
	return app
}

// strict makes a command and its subcommands report wrong usage as such and refuse surplus arguments: cli accepts them in
// silence, and a flag behind an argument would be one of them.
func strict(c *cli.Command) {
	c.OnUsageError = usageFault
	c.HideHelpCommand = true
	for _, sub := range c.Subcommands {
		strict(sub)
	}
	action := c.Action
	if len(c.Subcommands) > 0 {
		c.Action = func(ctx *cli.Context) error {
			switch {
			case ctx.Args().Present():
				return unknownCommand(c.Name+" ", ctx.Args().First(), c.Subcommands)
			case action != nil:
				return action(ctx)
			}
			return usagef("", "%s needs one of: %s", c.Name, strings.Join(commandNames(c.Subcommands), ", "))
		}
		return
	}
	if strings.HasSuffix(c.ArgsUsage, severalArguments) {
		c.Action = func(ctx *cli.Context) error {
			if err := flagBehind(ctx); err != nil {
				return err
			}
			return action(ctx)
		}
		return
	}
	most := 0
	if c.ArgsUsage != "" {
		most = len(strings.Fields(c.ArgsUsage))
	}
	c.Action = func(ctx *cli.Context) error {
		if ctx.NArg() > most {
			hint := fmt.Sprintf("see %s --help", ctx.Command.HelpName)
			if surplus := ctx.Args().Get(most); strings.HasPrefix(surplus, "-") {
				hint = "flags stand before arguments"
			}
			return usagef(hint, "%s: surplus argument %q", c.Name, ctx.Args().Get(most))
		}
		return action(ctx)
	}
}

// severalArguments ends the usage of a command that takes any number of them.
const severalArguments = "…"

// flagBehind refuses a flag among arguments: it would be taken for a name.
func flagBehind(ctx *cli.Context) error {
	for _, arg := range ctx.Args().Slice() {
		if strings.HasPrefix(arg, "-") {
			return usagef("flags stand before arguments; write a name that begins so as ./"+arg, "%s: %q among the arguments", ctx.Command.Name, arg)
		}
	}
	return nil
}

func (p *program) noCommand(ctx *cli.Context) error {
	switch name := ctx.Args().First(); name {
	case "", "help":
		return help(ctx, ctx.Args().Tail())
	default:
		return unknownCommand("", name, ctx.App.Commands)
	}
}

// help is `tidemark help [COMMAND [SUBCOMMAND]]`: what --help prints.
func help(ctx *cli.Context, names []string) error {
	if len(names) == 0 {
		return cli.ShowAppHelp(ctx)
	}
	if ctx.App.Command(names[0]) == nil {
		return unknownCommand("", names[0], ctx.App.Commands)
	}
	return ctx.App.RunContext(ctx.Context, slices.Concat([]string{ctx.App.Name}, names, []string{"--help"}))
}

func unknownCommand(parent, name string, among []*cli.Command) error {
	hint := "see tidemark --help"
	if near := config.Nearest(name, commandNames(among)); near != "" {
		hint = fmt.Sprintf("did you mean %q?", near)
	}
	return usagef(hint, "there is no command %q", parent+name)
}

func commandNames(commands []*cli.Command) []string {
	var names []string
	for _, c := range commands {
		if !c.Hidden {
			names = append(names, c.Name)
		}
	}
	return names
}

// fault is an error with a hint for whoever reads it and the exit code it ends in.
type fault struct {
	err  error
	hint string
	code int
}

func (f *fault) Error() string { return f.err.Error() }
func (f *fault) Unwrap() error { return f.err }

// usagef says that the call or the configuration is wrong and that nothing was touched.
func usagef(hint, format string, args ...any) error {
	return &fault{fmt.Errorf(format, args...), hint, exitUsage}
}

// failf says that something failed, with a hint.
func failf(hint, format string, args ...any) error {
	return &fault{fmt.Errorf(format, args...), hint, exitFailed}
}

func usageFault(ctx *cli.Context, err error, _ bool) error {
	hint := "see tidemark --help"
	if ctx.Command != nil && ctx.Command.Name != "" && ctx.Command.Name != "tidemark" {
		hint = fmt.Sprintf("see %s --help", ctx.Command.HelpName) // its full name lacks the parent
	}
	return &fault{err, hint, exitUsage}
}

func exitCode(err error) int {
	var f *fault
	var bad *config.Error
	var status exitStatus
	var refusal *tiering.Refusal
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &status):
		return int(status)
	case errors.As(err, &f):
		return f.code
	case errors.As(err, &bad), errors.As(err, &refusal):
		return exitUsage
	}
	return exitFailed
}

// exitStatus ends the program with a code of its own, without a message: Nagios has codes of its own.
type exitStatus int

func (s exitStatus) Error() string { return fmt.Sprintf("exit status %d", int(s)) }

// sayError writes an error to people, once, at the top.
func (p *program) sayError(err error) {
	var status exitStatus
	if errors.As(err, &status) {
		return
	}
	var bad *config.Error
	if errors.As(err, &bad) {
		for _, problem := range bad.Problems {
			p.say("%s", problem)
		}
		return
	}
	if errors.Is(err, context.Canceled) {
		p.say("interrupted")
		return
	}
	for line := range strings.SplitSeq(err.Error(), "\n") { // of several errors each has its own
		if line != "" {
			p.say("%s", table.Printable(line)) // a server's words, or a file's name, must not move the cursor
		}
	}
	if hint := hintOf(err); hint != "" {
		p.say("hint: %s", hint)
	}
}

func hintOf(err error) string {
	var f *fault
	if errors.As(err, &f) && f.hint != "" {
		return f.hint
	}
	var refusal *tiering.Refusal
	if errors.As(err, &refusal) {
		return refusal.Hint
	}
	return ""
}
