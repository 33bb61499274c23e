package main

import "github.com/tidemark/tidemark/config"

// checks find what is wrong with the texts of a configuration that the config package keeps, but does not compile.
func (p *program) checks() []config.Check { return []config.Check{p.checkTexts} }

// checkTexts compiles them as the engine gets them, so that what is wrong is told among the other problems.
func (p *program) checkTexts(cfg *config.Config) []config.Problem {
	c := &compiler{cfg: cfg, now: p.now()}
	for i := range cfg.Policies {
		c.policy(i)
	}
	c.schedule(cfg.Tiering.Verify.Schedule)
	c.holds()
	return c.problems
}
