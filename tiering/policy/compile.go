package policy

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/agnivade/levenshtein"
	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"
)

// maxLength bounds a rule's text: the parser recurses with its depth.
const maxLength = 16 << 10

// Rule is a compiled `where`. It is safe for concurrent use.
type Rule struct {
	where  string
	root   *clause
	match  boolFunc
	uses   map[string]bool // variables
	rising bool
}

// Error says where in a rule something is wrong.
type Error struct {
	Line    int    // from 1
	Column  int    // from 1, in runes
	Message string // one line
	Snippet string // the line, and below it a caret at the column
}

func (e *Error) Error() string {
	place := fmt.Sprintf("column %d", e.Column)
	if e.Line > 1 {
		place = fmt.Sprintf("line %d, column %d", e.Line, e.Column)
	}
	if e.Snippet == "" {
		return place + ": " + e.Message
	}
	return place + ": " + e.Message + "\n" + e.Snippet
}

// Compile parses a rule, checks its types and compiles it. Every error is an *Error.
func Compile(where string) (*Rule, error) {
	if strings.TrimSpace(where) == "" {
		return nil, &Error{Line: 1, Column: 1, Message: "an empty rule moves nothing: say which files, such as idle > days(180)"}
	}
	if len(where) > maxLength {
		return nil, &Error{Line: 1, Column: 1, Message: fmt.Sprintf("the rule is %d bytes long, more than %d", len(where), maxLength)}
	}
	node, err := check(where)
	if err != nil {
		return nil, explain(where, err)
	}
	c := &compiler{where: where, uses: map[string]bool{}}
	v, err := c.value(node)
	if err == nil && v.kind != boolKind {
		err = c.fail(node, "the rule must be true or false, but this is %s", v.kind)
	}
	if err != nil {
		return nil, err
	}
	r := &Rule{where: where, match: v.bool(), uses: c.uses, rising: neverFalls(node)}
	if r.root, err = c.clauses(node); err != nil {
		return nil, err
	}
	return r, nil
}

// String is the rule's text.
func (r *Rule) String() string { return r.where }

// Uses says whether the rule asks for a variable, such as "idle".
func (r *Rule) Uses(variable string) bool { return r.uses[variable] }

// Rising says that a file which the rule takes will be taken at any later time too, if nobody touches it: then it can be said
// what will be eligible in some days. It is found in the rule's text: idle and age may only be what is greater in a comparison.
func (r *Rule) Rising() bool { return r.rising }

// variables are what expr checks the names and types of a rule against.
type variables struct {
	Path   string        `expr:"path"`
	Dir    string        `expr:"dir"`
	Name   string        `expr:"name"`
	Ext    string        `expr:"ext"`
	Size   int           `expr:"size"`
	Blocks int           `expr:"blocks"`
	Idle   time.Duration `expr:"idle"`
	Age    time.Duration `expr:"age"`
	Mtime  time.Time     `expr:"mtime"`
	Atime  time.Time     `expr:"atime"`
	UID    int           `expr:"uid"`
	GID    int           `expr:"gid"`
	Owner  string        `expr:"owner"`
	Group  string        `expr:"group"`
	Mode   int           `expr:"mode"`
	Nlink  int           `expr:"nlink"`

	Xattr func(string) string          `expr:"xattr"`
	Glob  func(string, ...string) bool `expr:"glob"`
}

// names are the words that a misspelt one may have meant.
func names() []string {
	return []string{
		"path", "dir", "name", "ext", "size", "blocks", "idle", "age", "mtime", "atime", "uid", "gid", "owner", "group", "mode", "nlink",
		"xattr", "glob", "days", "hours", "KiB", "MiB", "GiB", "TiB", "date", "lower", "upper", "trim", "len", "hasPrefix", "hasSuffix",
		"bitand", "bitor",
	}
}

// language is expr without what loops, repeats or reads the clock.
func language() []expr.Option {
	options := []expr.Option{
		expr.Env(variables{}), expr.AsBool(), expr.Optimize(false), expr.MaxNodes(4000), expr.DisableIfOperator(), expr.DisableAllBuiltins(),
	}
	for _, name := range []string{"lower", "upper", "trim", "len", "hasPrefix", "hasSuffix", "bitand", "bitor", "date"} {
		options = append(options, expr.EnableBuiltin(name))
	}
	for name, unit := range durations() {
		options = append(options, expr.Function(name, func(args ...any) (any, error) {
			return scale(args[0], unit)
		}, new(func(int) time.Duration), new(func(float64) time.Duration)))
	}
	for name, unit := range sizes() {
		options = append(options, expr.Function(name, func(args ...any) (any, error) {
			n, err := scale(args[0], time.Duration(unit))
			return int(n), err
		}, new(func(int) int), new(func(float64) int)))
	}
	return options
}

func check(where string) (ast.Node, error) {
	program, err := expr.Compile(where, language()...)
	if err != nil {
		return nil, err
	}
	return program.Node(), nil
}

// explain makes expr's error ours.
func explain(where string, err error) *Error {
	var e *file.Error
	if !errors.As(err, &e) {
		message := strings.ReplaceAll(err.Error(), "\n", " ")
		if _, kind, found := strings.Cut(message, "expected bool, but got "); found {
			message = "the rule must be true or false, but this is " + kind
		}
		return at(where, 0, message)
	}
	message := strings.ReplaceAll(e.Message, "\n", " ")
	if name, found := strings.CutPrefix(message, "unknown name "); found {
		message = unknown(name)
	} else if strings.Contains(message, "mismatched types") && strings.Contains(message, "time.Duration") {
		message += ": write a time as days(60) or hours(12)"
	} else if strings.Contains(message, "mismatched types") && strings.Contains(message, "time.Time") {
		message += `: write a date as date("2026-01-01")`
	}
	return at(where, e.From, message)
}

func unknown(name string) string {
	best, distance := "", 3
	for _, known := range names() {
		if d := levenshtein.ComputeDistance(strings.ToLower(name), strings.ToLower(known)); d < distance {
			best, distance = known, d
		}
	}
	if best != "" && distance < len(name) {
		return fmt.Sprintf("unknown name %s: did you mean %s?", name, best)
	}
	return fmt.Sprintf("unknown name %s: a rule may ask for path dir name ext size blocks idle age mtime atime uid gid owner group mode nlink "+
		"and xattr(name)", name)
}

// at is an error at an offset in runes.
func at(where string, offset int, message string) *Error {
	e := &Error{Line: 1, Column: 1, Message: message}
	line, n := 0, 0 // where the line starts, in bytes; how many runes have passed
	for i, r := range where {
		if n == offset {
			break
		}
		n++
		e.Column++
		if r == '\n' {
			e.Line, e.Column, line = e.Line+1, 1, i+1
		}
	}
	text, _, _ := strings.Cut(where[line:], "\n")
	text = strings.ReplaceAll(text, "\t", " ")
	e.Snippet = text + "\n" + strings.Repeat(" ", e.Column-1) + "^"
	return e
}
