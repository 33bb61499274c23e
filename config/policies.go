package config

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"
)

// orders are the orders in which a policy takes files.
var orders = []string{"coldest", "largest", "oldest"}

// leaves are what a release may leave.
var leaves = []string{"link", "nothing"}

// identifier is a name that stands in file names, tags and commands.
var identifier = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$`)

func defaultTiering() Tiering {
	return Tiering{Verify: Verify{Schedule: Text{Value: "30 4 * * *", Field: "tiering.verify.schedule"}, Time: time.Hour}, PauseAbove: .8}
}

func (r *reader) tiering(into *Tiering) func(ast.Node, string) {
	return func(node ast.Node, field string) {
		r.mapping(node, field, keys{"pause_above": r.part(&into.PauseAbove), "verify": func(n ast.Node, f string) {
			v := &into.Verify
			r.mapping(n, f, keys{
				"schedule": r.compiled(&v.Schedule),
				"time":     r.duration(&v.Time, time.Minute, 30*day),
				"bytes":    r.size(&v.Bytes, "", "2TiB"),
			})
		}})
	}
}

func (r *reader) archives(into *[]Archive) func(ast.Node, string) {
	return func(node ast.Node, field string) {
		values, _ := r.entries(node, field)
		for _, v := range values {
			name, ok := r.key(v, field)
			if !ok {
				continue
			}
			f := join(field, name)
			a := Archive{Name: name, MinFree: .05}
			if slices.ContainsFunc(*into, func(other Archive) bool { return other.Name == name }) {
				r.problem(v.Key, f, "stands twice")
			}
			r.identify(v.Key, f, name, "an archive")
			r.mapping(v.Value, f, keys{"path": r.directory(&a.Path), "min_free": r.part(&a.MinFree)})
			r.need(v.Value, f, "path", "a directory on the archive volume, such as /mnt/vault")
			*into = append(*into, a)
		}
	}
}

func (r *reader) policies(into *[]Policy) func(ast.Node, string) {
	return func(node ast.Node, field string) {
		r.sequence(node, field, func(n ast.Node, f string) {
			p := r.policy(n, f)
			if p.Name != "" && slices.ContainsFunc(*into, func(other Policy) bool { return other.Name == p.Name }) {
				r.problem(r.at[f+".name"], f+".name", "%q is the name of another policy", p.Name)
			}
			*into = append(*into, p)
		})
	}
}

func (r *reader) policy(node ast.Node, field string) Policy {
	p := Policy{Order: orders[0], Leave: leaves[0], KeepRecalled: 7 * day, Exclude: []string{}, Schedule: Text{Field: field + ".schedule"}}
	r.mapping(node, field, keys{
		"name": func(n ast.Node, f string) {
			if s, ok := r.text(n, f); ok {
				p.Name = s
				r.identify(n, f, s, "a policy")
			}
		},
		"volume":         r.directory(&p.Volume),
		"archive":        r.name(&p.Archive, "an archive"),
		"schedule":       r.compiled(&p.Schedule),
		"where":          r.where(&p.Where),
		"exclude":        r.strings(&p.Exclude, excludeGlob),
		"start":          r.start(&p.Start),
		"stop":           func(n ast.Node, f string) { r.mapping(n, f, keys{"below": r.share(&p.Stop.Below)}) },
		"order":          r.oneOf(&p.Order, orders),
		"leave":          r.leave(&p.Leave),
		"keep_recalled":  r.durationOrNone(&p.KeepRecalled, 10*365*day),
		"limit":          r.limit(&p.Limit),
		"enforce":        r.yes(&p.Enforce),
		"exported_links": r.yes(&p.ExportedLinks),
	})
	r.need(node, field, "name", "a name of letters, digits, - and _, such as cold-video")
	r.need(node, field, "volume", "the directory whose files may move, such as /srv/video")
	r.need(node, field, "archive", "the name of one of the archives")
	r.need(node, field, "where", "the rule for what may move, such as idle > days(60)")
	if p.Stop.Below > 0 && p.Start.Above > 0 && p.Stop.Below >= p.Start.Above {
		r.problem(r.at[field+".stop.below"], field+".stop.below", "%s is not below start.above, %s: a run would stop before it began",
			percentText(p.Stop.Below), percentText(p.Start.Above))
	}
	return p
}

func (r *reader) start(into *Start) func(ast.Node, string) {
	return func(node ast.Node, field string) {
		r.mapping(node, field, keys{
			"above":       r.share(&into.Above),
			"full_within": r.duration(&into.FullWithin, time.Hour, 10*365*day),
		})
	}
}

func (r *reader) limit(into *Limit) func(ast.Node, string) {
	return func(node ast.Node, field string) {
		r.mapping(node, field, keys{
			"bytes":     r.size(&into.Bytes, "", "2TiB"),
			"files":     r.count(&into.Files),
			"bandwidth": r.size(&into.Bandwidth, "/s", "200MiB/s"),
			"window":    r.window(&into.Window),
		})
	}
}

func (r *reader) holds(into *[]Hold) func(ast.Node, string) {
	return func(node ast.Node, field string) {
		r.sequence(node, field, func(n ast.Node, f string) {
			var h Hold
			r.mapping(n, f, keys{"case": r.name(&h.Case, "a case"), "paths": r.strings(&h.Paths, absoluteGlob)})
			r.need(n, f, "case", "what the files are held for, such as FIR-2026-118")
			if r.need(n, f, "paths", "globs over absolute paths"); r.at[f+".paths"] != nil && len(h.Paths) == 0 {
				r.problem(r.at[f+".paths"], f+".paths", "is empty: this hold would hold nothing")
			}
			*into = append(*into, h)
		})
	}
}

// need reports a key that is missing or has no value.
func (r *reader) need(node ast.Node, field, key, what string) {
	value := r.at[join(field, key)]
	switch v := value.(type) {
	case nil:
		r.problem(node, field, "needs %s: %s", key, what)
	case *ast.NullNode:
		r.problem(v, join(field, key), "is empty: write %s", what)
	case *ast.StringNode:
		if key != "where" && strings.TrimSpace(v.Value) == "" {
			r.problem(v, join(field, key), "is empty: write %s", what)
		}
	}
}

func (r *reader) identify(node ast.Node, field, name, what string) {
	if name != "" && !identifier.MatchString(name) {
		r.problem(node, field, "%q is no name for %s: use letters, digits, - and _, at most 64", name, what)
	}
}

// compiled reads a text that another package compiles.
func (r *reader) compiled(into *Text) func(ast.Node, string) {
	return func(node ast.Node, field string) {
		s, ok := r.text(node, field)
		if !ok {
			return
		}
		*into = r.placed(node, field, s)
		if strings.ContainsFunc(s, func(c rune) bool {
			return c == utf8.RuneError || unprintable(c) && c != '\n' && c != '\t'
		}) {
			r.problem(node, field, "has control characters or bytes that are no text")
		}
	}
}

func (r *reader) where(into *Text) func(ast.Node, string) {
	return func(node ast.Node, field string) {
		r.compiled(into)(node, field)
		_, null := node.(*ast.NullNode) // need says that
		_, written := node.(ast.ScalarNode)
		if written && !null && strings.TrimSpace(into.Value) == "" {
			r.problem(node, field, "is empty, and an empty rule moves nothing: write what may move, such as idle > days(60); `true` is every file")
		}
	}
}

// placed drops the space around a text and finds where each line of it stands. A line of it ends its line of the file (in a block) or begins where the
// value does; where the file spells it otherwise, there is only the place of the whole.
func (r *reader) placed(node ast.Node, field, written string) Text {
	const space = " \t\r\n"
	value := strings.Trim(written, space)
	before := written[:len(written)-len(strings.TrimLeft(written, space))]
	t := Text{Value: value, Field: field}
	token := node.GetToken()
	if token == nil || token.Position == nil {
		return t
	}
	t.Line, t.Column = token.Position.Line, token.Position.Column
	if _, block := node.(*ast.LiteralNode); !block {
		if strings.ContainsAny(token.Value, "\n") || strings.ContainsRune(value, '\n') {
			return t
		}
		for quote := range 2 {
			at := t.Column - 1 + quote + len(before)
			if line := []rune(r.line(t.Line)); at <= len(line) && value != "" && strings.HasPrefix(string(line[at:]), value) {
				t.Column, t.columns = at+1, []int{at + 1}
				break
			}
		}
		return t
	}
	begin := t.Line + 1 + strings.Count(before, "\n")
	var columns []int
	for i, line := range strings.Split(value, "\n") {
		source := strings.TrimRight(r.line(begin+i), "\r")
		if i == strings.Count(value, "\n") {
			source = strings.TrimRight(source, " \t")
		}
		indent, ok := strings.CutSuffix(source, line)
		if !ok {
			return t // folded
		}
		columns = append(columns, utf8.RuneCountInString(indent)+1)
	}
	t.Line, t.Column, t.columns = begin, columns[0], columns
	return t
}

func (r *reader) line(number int) string {
	if number < 1 || number > len(r.source) {
		return ""
	}
	return r.source[number-1]
}

// directory reads an absolute path and drops what a shell would complete it to: a slash at its end.
func (r *reader) directory(into *string) func(ast.Node, string) {
	return func(node ast.Node, field string) {
		before := len(r.problems)
		var s string
		r.name(&s, "a path")(node, field)
		if r.absolute(into)(node, field); len(r.problems) > before || s == "" {
			return
		}
		if *into = path.Clean(s); slices.Contains(strings.Split(s, "/"), "..") {
			r.problem(node, field, "%q goes up by ..: write %s if that is meant", s, *into)
		}
	}
}

// part is a share that may be none, but not all.
func (r *reader) part(into *float64) func(ast.Node, string) {
	return func(node ast.Node, field string) {
		s, ok := r.text(node, field)
		if !ok {
			return
		}
		v, err := ParsePercent(s)
		if err != nil || v > .99 || !strings.HasSuffix(s, "%") {
			r.problem(node, field, "%q is no share to keep free: write a percentage from 0%% to 99%%, such as 5%%", s)
			return
		}
		*into = v
	}
}

func (r *reader) size(into *int64, per, example string) func(ast.Node, string) {
	return func(node ast.Node, field string) {
		s, ok := r.text(node, field)
		if !ok {
			return
		}
		number, hasUnit := strings.CutSuffix(s, per)
		n, err := ParseSize(number)
		switch {
		case err != nil || !hasUnit:
			r.problem(node, field, "%q is no %s: write one such as %s", s, map[bool]string{true: "size", false: "bandwidth"}[per == ""], example)
		case n == 0:
			r.problem(node, field, "0 would move nothing: leave the key out to have no limit")
		default:
			*into = n
		}
	}
}

func (r *reader) count(into *int64) func(ast.Node, string) {
	return func(node ast.Node, field string) {
		s, ok := r.text(node, field)
		if !ok {
			return
		}
		n, err := strconv.ParseInt(s, 10, 64)
		switch {
		case err != nil || n < 0:
			r.problem(node, field, "%q is no number of files: write one such as 1000000", s)
		case n == 0:
			r.problem(node, field, "0 would move nothing: leave the key out to have no limit")
		default:
			*into = n
		}
	}
}

func (r *reader) window(into *Window) func(ast.Node, string) {
	return func(node ast.Node, field string) {
		s, ok := r.text(node, field)
		if !ok {
			return
		}
		w, err := ParseWindow(s)
		if err != nil {
			r.problem(node, field, "%v", err)
			return
		}
		*into = w
	}
}

func (r *reader) durationOrNone(into *time.Duration, most time.Duration) func(ast.Node, string) {
	return func(node ast.Node, field string) {
		if s, ok := r.text(node, field); ok && (s == "0" || s == "0s") {
			*into = 0
			return
		}
		r.duration(into, 0, most)(node, field)
	}
}

func (r *reader) oneOf(into *string, known []string) func(ast.Node, string) {
	return func(node ast.Node, field string) {
		s, ok := r.text(node, field)
		if !ok {
			return
		}
		if !slices.Contains(known, s) {
			r.problem(node, field, "%q is unknown: write one of %s", s, strings.Join(known, ", "))
			return
		}
		*into = s
	}
}

func (r *reader) leave(into *string) func(ast.Node, string) {
	return func(node ast.Node, field string) {
		if s, ok := node.(*ast.StringNode); ok && s.Value == "stub" {
			r.problem(node, field, "\"stub\" is reserved for a later version: write link or nothing")
			return
		}
		r.oneOf(into, leaves)(node, field)
	}
}

func (r *reader) yes(into *bool) func(ast.Node, string) {
	return func(node ast.Node, field string) {
		b, ok := node.(*ast.BoolNode)
		if !ok {
			r.problem(node, field, "must be true or false")
			return
		}
		*into = b.Value
	}
}

func absoluteGlob(s string) error {
	if !path.IsAbs(s) {
		return fmt.Errorf("%q is not absolute: begin it with /", s)
	}
	return validGlob(s)
}

// excludeGlob takes what can match an absolute path.
func excludeGlob(s string) error {
	if !strings.HasPrefix(s, "/") && !strings.HasPrefix(s, "**") {
		return fmt.Errorf("%q matches no absolute path: begin it with / or **/", s)
	}
	return validGlob(s)
}
