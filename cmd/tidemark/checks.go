package main

import (
	"github.com/tidemark/tidemark/config"
	"github.com/tidemark/tidemark/tiering"
)

// checks find what is wrong with the texts of a configuration that the config package keeps, but does not compile.
func (p *program) checks() []config.Check {
	return []config.Check{p.checkSchedules}
}

func (p *program) checkSchedules(c *config.Config) []config.Problem {
	var problems []config.Problem
	check := func(text config.Text) {
		if text.Value == "" { // never by itself
			return
		}
		if _, err := tiering.ParseSchedule(text.Value, c.Timezone, p.now()); err != nil {
			problems = append(problems, text.Problem(-1, "%v", err))
		}
	}
	for _, policy := range c.Policies {
		check(policy.Schedule)
	}
	check(c.Tiering.Verify.Schedule)
	return problems
}
