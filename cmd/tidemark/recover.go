package main

import (
	"github.com/urfave/cli/v2"

	"github.com/tidemark/tidemark/tiering/mover"
	"github.com/tidemark/tidemark/tiering/report"
)

func (p *program) recoverCommand() *cli.Command {
	return &cli.Command{
		Name: "recover", Usage: "finish or revert operations that were interrupted", UsageText: "tidemark recover", Action: p.recover,
		Description: "policy run, archive recall and tierd do so first. What can't be reached now stays pending.",
	}
}

// tellRecovered says what a command has recovered before its own work.
func (p *program) tellRecovered(all []mover.Recovered) {
	for _, r := range all {
		if r.Err != nil {
			p.log.Warn("an interrupted operation stays pending", "kind", r.Operation.Kind, "file", r.Operation.Path, "error", r.Err)
			continue
		}
		p.log.Info("an interrupted operation was recovered", "kind", r.Operation.Kind, "file", r.Operation.Path, "outcome", r.Outcome)
	}
}

func (p *program) recover(ctx *cli.Context) error {
	cfg, err := p.config(ctx)
	if err != nil {
		return err
	}
	t, err := p.openTiering(ctx.Context, cfg, called(ctx), toWrite)
	if err != nil {
		return err
	}
	defer t.Close()
	stop := p.showProgress(t.Engine)
	all, err := t.Recover(ctx.Context)
	stop()
	if werr := report.Recovered(p.stdout, all); werr != nil {
		return werr
	}
	var done, left int64
	for _, r := range all {
		if r.Err == nil {
			done++
		} else {
			left++
		}
	}
	switch {
	case err != nil:
		return inPart(err, done)
	case left > 0:
		p.say("%s still pending", report.Count(left, "operation"))
		return endedEarly(done)
	case done == 0:
		p.say("nothing was interrupted")
	}
	return nil
}
