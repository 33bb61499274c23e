package config

import (
	"fmt"
	"strings"
)

// agree reports what is wrong between the parts: names that lead nowhere and trees that lie within one another.
func (r *reader) agree(c *Config) {
	var names []string
	for i, a := range c.Archives {
		names = append(names, a.Name)
		for _, other := range c.Archives[:i] {
			if why := nested(a.Path, other.Path); why != "" {
				r.blame("archives."+a.Name+".path", "%s %s that of archive %s: each needs a directory of its own", a.Path, why, other.Name)
			}
		}
	}
	for i, p := range c.Policies {
		field := fmt.Sprintf("policies[%d]", i)
		if p.Archive != "" {
			r.known(field+".archive", p.Archive, names)
		}
		for _, a := range c.Archives {
			if why := nested(p.Volume, a.Path); why != "" {
				r.blame(field+".volume", "%s %s the path of archive %s: an archive must not be part of what is moved", p.Volume, why, a.Name)
			}
		}
		for j, other := range c.Policies[:i] {
			if why := nested(p.Volume, other.Volume); why != "" {
				r.blame(field+".volume", "%s %s the volume of policies[%d]%s: a file must fall under one policy; join their rules with ||",
					p.Volume, why, j, called(other.Name))
			}
		}
	}
}

func called(name string) string {
	if name == "" {
		return ""
	}
	return " (" + name + ")"
}

func (r *reader) known(field, archive string, names []string) {
	for _, n := range names {
		if n == archive {
			return
		}
	}
	hint := "; add it under archives"
	if near := Nearest(archive, names); near != "" {
		hint = fmt.Sprintf("; did you mean `%s`?", near)
	} else if len(names) > 0 {
		hint = "; known: " + strings.Join(names, ", ")
	}
	r.blame(field, "there is no archive %q%s", archive, hint)
}

// blame reports a problem at the place of a field that was read.
func (r *reader) blame(field, format string, args ...any) {
	r.problem(r.at[field], field, format, args...)
}

// nested says how one directory lies to another, or nothing when they are apart.
func nested(a, b string) string {
	switch {
	case a == "" || b == "" || a[0] != '/' || b[0] != '/':
		return ""
	case a == b:
		return "is the same as"
	case within(a, b):
		return "lies within"
	case within(b, a):
		return "contains"
	}
	return ""
}

func within(inner, outer string) bool {
	return strings.HasPrefix(inner, strings.TrimSuffix(outer, "/")+"/")
}
