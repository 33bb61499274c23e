package main

import (
	"github.com/urfave/cli/v2"
)

func (p *program) configCommand() *cli.Command {
	return &cli.Command{
		Name:  "config",
		Usage: "check or show the configuration",
		Subcommands: []*cli.Command{
			{
				Name: "check", Usage: "report every problem of the configuration at once", Action: p.configCheck,
				Description: "Also reads the token, so that a file others can read is found before a service starts.",
			},
			{Name: "show", Usage: "print the configuration with every default", Action: p.configShow},
		},
	}
}

func (p *program) configCheck(ctx *cli.Context) error {
	cfg, err := p.config(ctx)
	if err != nil {
		return err
	}
	if cfg.Influx != nil {
		client, err := newInfluxClient(cfg)
		if err != nil {
			return err
		}
		client.Close()
	}
	if cfg.File == "" {
		p.say("no configuration file: the defaults are in force")
		return nil
	}
	p.say("%s is valid", cfg.File)
	return nil
}

func (p *program) configShow(ctx *cli.Context) error {
	cfg, err := p.config(ctx)
	if err != nil {
		return err
	}
	return cfg.Show(p.stdout)
}
