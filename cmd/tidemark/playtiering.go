package main

import "github.com/urfave/cli/v2"

func (p *program) playTieringCommand() *cli.Command {
	return &cli.Command{Name: "play-tiering", Hidden: true, Action: func(*cli.Context) error { return nil }}
}
