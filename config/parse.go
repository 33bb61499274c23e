package config

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// Problem is one thing that is wrong with a file.
type Problem struct {
	File         string
	Line, Column int    // 0: the whole file
	Field        string // such as planner.volumes[1].full_level; empty for syntax
	Message      string
}

func (p Problem) String() string {
	where := p.File
	if p.Line > 0 {
		where = fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
	}
	if p.Field != "" {
		where += ": " + p.Field
	}
	return where + ": " + p.Message
}

// Error is everything that is wrong with a configuration, in the order of the file.
type Error struct{ Problems []Problem }

func (e *Error) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// Parse reads the text of a configuration; name stands in its problems. It touches no file: paths stay as they are
// written, and Host stays empty where none is given. Its error is an *Error; what checks find is among its problems.
func Parse(name string, data []byte, checks ...Check) (*Config, error) {
	c := Default()
	c.File = name
	data = bytes.TrimPrefix(data, []byte("\ufeff")) // some editors write a byte order mark
	r := &reader{file: name, source: strings.Split(string(data), "\n"), at: map[string]ast.Node{}}
	file, err := parser.ParseBytes(data, 0)
	if err != nil {
		return nil, &Error{[]Problem{syntaxProblem(r.file, err)}}
	}
	documents := slices.DeleteFunc(file.Docs, func(d *ast.DocumentNode) bool { return d.Body == nil })
	if len(documents) > 1 {
		r.problem(documents[1].Body, "", "a second document; a configuration is one")
	}
	if len(documents) > 0 {
		r.mapping(documents[0].Body, "", c.keys(r))
		r.agree(c)
		for _, check := range checks {
			for _, p := range check(c) {
				if p.File = name; p.Line == 0 {
					p.Line, p.Column = position(r.at[p.Field])
				}
				r.problems = append(r.problems, p)
			}
		}
	}
	if len(r.problems) > 0 {
		slices.SortStableFunc(r.problems, func(a, b Problem) int {
			return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
		})
		return nil, &Error{r.problems}
	}
	return c, nil
}

func syntaxProblem(file string, err error) Problem {
	p := Problem{File: file, Message: err.Error()}
	var e yaml.Error
	if errors.As(err, &e) {
		p.Message = e.GetMessage()
		if t := e.GetToken(); t != nil && t.Position != nil {
			p.Line, p.Column = t.Position.Line, t.Position.Column
		}
	}
	return p
}

// reader walks the syntax tree and gathers problems instead of stopping at the first.
type reader struct {
	file     string
	source   []string            // the lines of the file
	at       map[string]ast.Node // the value of every field that was read, to blame it for what is found later
	problems []Problem
}

// keys maps the keys that a mapping may have to what reads their values.
type keys map[string]func(node ast.Node, field string)

func (r *reader) problem(node ast.Node, field, format string, args ...any) {
	p := Problem{File: r.file, Field: field, Message: fmt.Sprintf(format, args...)}
	p.Line, p.Column = position(node)
	r.problems = append(r.problems, p)
}

// position is where a node stands; 0 where that is not known.
func position(node ast.Node) (line, column int) {
	if node == nil {
		return 0, 0
	}
	if t := node.GetToken(); t != nil && t.Position != nil {
		return t.Position.Line, t.Position.Column
	}
	return 0, 0
}

// entries are the pairs of a mapping; ok is false, with a problem, where node is none. An empty value is an empty mapping.
func (r *reader) entries(node ast.Node, field string) (values []*ast.MappingValueNode, ok bool) {
	switch n := node.(type) {
	case *ast.MappingNode:
		return n.Values, true
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{n}, true
	case *ast.NullNode:
		return nil, true
	}
	r.problem(node, field, "must be a mapping of keys to values")
	return nil, false
}

func (r *reader) mapping(node ast.Node, field string, known keys) {
	values, _ := r.entries(node, field)
	seen := map[string]bool{}
	for _, v := range values {
		key, ok := r.key(v, field)
		if !ok {
			continue
		}
		path := join(field, key)
		if seen[key] {
			r.problem(v.Key, path, "stands twice")
			continue
		}
		seen[key] = true
		read, ok := known[key]
		if !ok {
			r.problem(v.Key, path, "unknown key%s", suggestion(key, known))
			continue
		}
		r.at[path] = v.Value
		read(v.Value, path)
	}
}

func (r *reader) key(v *ast.MappingValueNode, field string) (string, bool) {
	key, ok := v.Key.(ast.ScalarNode)
	if !ok {
		r.problem(v.Key, field, "a key must be a plain name")
		return "", false
	}
	return fmt.Sprint(key.GetValue()), true
}

func join(field, key string) string {
	if field == "" {
		return key
	}
	return field + "." + key
}

func suggestion(key string, known keys) string {
	names := make([]string, 0, len(known))
	for k := range known {
		names = append(names, k)
	}
	slices.Sort(names)
	if near := Nearest(key, names); near != "" {
		return fmt.Sprintf("; did you mean `%s`?", near)
	}
	return "; known here: " + strings.Join(names, ", ")
}

// Nearest is the name that was probably meant, or nothing when none is near. Of several as near it is the one as long as what
// was written: letters change places more often than they are both lost and invented.
func Nearest(written string, among []string) string {
	best, distance := "", max(2, len(written)/3)+1
	for _, name := range among {
		d := levenshtein.ComputeDistance(strings.ToLower(written), strings.ToLower(name))
		if d < distance || d == distance && best != "" && len(name) == len(written) && len(best) != len(written) {
			best, distance = name, d
		}
	}
	return best
}

// sequence calls read for each element.
func (r *reader) sequence(node ast.Node, field string, read func(node ast.Node, field string)) {
	switch n := node.(type) {
	case *ast.SequenceNode:
		for i, v := range n.Values {
			read(v, fmt.Sprintf("%s[%d]", field, i))
		}
	case *ast.NullNode:
	default:
		r.problem(node, field, "must be a list, such as [a, b]")
	}
}

// text is a scalar as it is written, so that `45d`, `95%` and `1m` need no quotes.
func (r *reader) text(node ast.Node, field string) (string, bool) {
	switch n := node.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		return n.Value.Value, true
	case *ast.NullNode:
		return "", true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return node.GetToken().Value, true
	}
	r.problem(node, field, "must be a single value")
	return "", false
}
