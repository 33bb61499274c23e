package main

import (
	"os"
	"os/user"
	"path"
	"strconv"
	"strings"

	"github.com/tidemark/tidemark/tiering/catalog"
)

// actor is who the audit log says did something: the user who logged in, whatever they became since, or the service.
func (p *program) actor(command string) catalog.Actor {
	return catalog.Actor{User: p.actingUser(), Command: command}
}

// actingUser goes by the login uid first: nobody can set it anew, while SUDO_USER is what the environment says.
func (p *program) actingUser() string {
	if name := userName(loginUID()); name != "" {
		return name
	}
	if name := p.getenv("SUDO_USER"); name != "" && os.Geteuid() == 0 {
		return name
	}
	if unit := serviceUnit(); unit != "" && p.getenv("INVOCATION_ID") != "" {
		return unit
	}
	return userName(strconv.Itoa(os.Getuid()))
}

// loginUID is the uid of who logged in; empty for what no login started.
func loginUID() string {
	text, err := os.ReadFile("/proc/self/loginuid")
	uid := strings.TrimSpace(string(text))
	if err != nil || uid == "4294967295" {
		return ""
	}
	return uid
}

// userName is the name behind a uid, or the uid.
func userName(uid string) string {
	if uid == "" {
		return ""
	}
	if u, err := user.LookupId(uid); err == nil {
		return u.Username
	}
	return uid
}

// serviceUnit is the systemd unit that this process belongs to; empty if it is none.
func serviceUnit() string {
	text, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(text)) {
		if name := path.Base(strings.TrimSpace(line)); strings.HasSuffix(name, ".service") {
			return name
		}
	}
	return ""
}
