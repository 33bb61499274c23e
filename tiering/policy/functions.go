package policy

import (
	"errors"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"

	"github.com/tidemark/tidemark/internal/fsys"
)

// call is a function of ours, or a method of a time.
func (c *compiler) call(n *ast.CallNode) (value, error) {
	switch callee := n.Callee.(type) {
	case *ast.IdentifierNode:
		return c.function(n, callee.Value, n.Arguments)
	case *ast.MemberNode:
		name, ok := callee.Property.(*ast.StringNode)
		if !ok || callee.Optional {
			break
		}
		x, err := c.value(callee.Node)
		if err != nil {
			return value{}, err
		}
		part := map[string]func(time.Time) int{
			"Year": time.Time.Year, "YearDay": time.Time.YearDay, "Day": time.Time.Day, "Hour": time.Time.Hour,
			"Unix": func(t time.Time) int { return int(t.Unix()) },
		}[name.Value]
		if part == nil || x.kind != timeKind || len(n.Arguments) > 0 {
			return value{}, c.fail(callee.Property, "a rule has no %s(): of a time there are Year(), YearDay(), Day(), Hour() and Unix()", name.Value)
		}
		t := x.time()
		return c.folded(n, intValue(func(fr *frame) int64 { return int64(part(t(fr).Go())) }), x)
	}
	return value{}, c.fail(n, "this cannot be called")
}

// function is one that is called by its name. expr has checked the types of the arguments of ours.
func (c *compiler) function(n ast.Node, name string, arguments []ast.Node) (value, error) {
	if !slices.Contains(names(), name) {
		return value{}, c.fail(n, "a rule has no %s()", name)
	}
	args, err := c.values(arguments...)
	if err != nil {
		return value{}, err
	}
	if unit, ok := durations()[name]; ok {
		return c.scaled(n, durationKind, args[0], unit)
	}
	if unit, ok := sizes()[name]; ok {
		return c.scaled(n, intKind, args[0], time.Duration(unit))
	}
	switch name {
	case "glob":
		return c.glob(n, args)
	case "xattr":
		c.uses["xattr"] = true
		attribute := args[0].string()
		return stringValue(func(fr *frame) string { return fr.xattr(attribute(fr)) }), nil
	case "date":
		return c.date(n, args)
	case "bitand", "bitor":
		if len(args) != 2 || args[0].kind != intKind || args[1].kind != intKind {
			return value{}, c.fail(n, "%s takes two whole numbers", name)
		}
		a, b := args[0].int(), args[1].int()
		if name == "bitor" {
			return c.folded(n, intValue(func(fr *frame) int64 { return a(fr) | b(fr) }), args...)
		}
		return c.folded(n, intValue(func(fr *frame) int64 { return a(fr) & b(fr) }), args...)
	}
	return c.text(n, name, args)
}

// text is a function of texts.
func (c *compiler) text(n ast.Node, name string, args []value) (value, error) {
	want := 1
	if name == "hasPrefix" || name == "hasSuffix" {
		want = 2
	}
	for _, a := range args {
		if a.kind != stringKind {
			return value{}, c.fail(n, "%s takes texts, not %s", name, a.kind)
		}
	}
	if len(args) != want {
		return value{}, c.fail(n, "%s takes %d texts, not %d", name, want, len(args))
	}
	a := args[0].string()
	var v value
	switch name {
	case "lower":
		v = stringValue(func(fr *frame) string { return strings.ToLower(a(fr)) })
	case "upper":
		v = stringValue(func(fr *frame) string { return strings.ToUpper(a(fr)) })
	case "trim":
		v = stringValue(func(fr *frame) string { return strings.TrimSpace(a(fr)) })
	case "len":
		v = intValue(func(fr *frame) int64 { return int64(utf8.RuneCountInString(a(fr))) })
	case "hasPrefix":
		b := args[1].string()
		v = boolValue(func(fr *frame) bool { return strings.HasPrefix(a(fr), b(fr)) })
	case "hasSuffix":
		b := args[1].string()
		v = boolValue(func(fr *frame) bool { return strings.HasSuffix(a(fr), b(fr)) })
	default:
		return value{}, c.fail(n, "a rule has no %s()", name)
	}
	return c.folded(n, v, args...)
}

func (c *compiler) scaled(n ast.Node, k kind, x value, unit time.Duration) (value, error) {
	var f intFunc
	if x.kind == intKind {
		i := x.int()
		f = func(fr *frame) int64 { return fr.scale(int(i(fr)), unit) }
	} else {
		g := x.float()
		f = func(fr *frame) int64 { return fr.scale(g(fr), unit) }
	}
	return c.folded(n, value{kind: k, call: f}, x)
}

func (fr *frame) scale(n any, unit time.Duration) int64 {
	d, err := scale(n, unit)
	if err != nil {
		fr.fail(err)
	}
	return int64(d)
}

func (c *compiler) glob(n ast.Node, args []value) (value, error) {
	if len(args) < 1 || len(args) > 2 {
		return value{}, c.fail(n, `glob takes a pattern, or a pattern and a text: glob("**/cam-*/**") or glob("*.mp4", name)`)
	}
	if !args[0].constant {
		return value{}, c.fail(n, "the pattern of glob must be written out")
	}
	pattern, err := CompileGlob(args[0].constantString())
	if err != nil {
		return value{}, c.fail(n, "%s", err)
	}
	if len(args) == 1 {
		c.uses["path"] = true
		return boolValue(func(fr *frame) bool { return pattern.Match(fr.Path()) }), nil
	}
	text := args[1].string()
	return c.folded(n, boolValue(func(fr *frame) bool { return pattern.Match(text(fr)) }), args...)
}

// date is computed by expr: it knows the layouts.
func (c *compiler) date(n ast.Node, args []value) (value, error) {
	for _, a := range args {
		if a.kind != stringKind || !a.constant {
			return value{}, c.fail(n, "date takes a text that is written out, such as \"2026-01-01\"")
		}
	}
	result, err := expr.Eval(n.String(), nil)
	t, ok := result.(time.Time)
	if err != nil || !ok {
		return value{}, c.fail(n, "%s is no date: write it as date(\"2026-01-31\")", n)
	}
	at := fsys.At(t)
	return value{kind: timeKind, constant: true, call: timeFunc(func(*frame) fsys.Time { return at })}, nil
}

func (fr *frame) xattr(name string) string {
	if fr.Xattr == nil {
		fr.fail(errors.New("extended attributes cannot be read here"))
		return ""
	}
	v, err := fr.Xattr(name)
	if err != nil {
		fr.fail(err)
	}
	return v
}

func later(t fsys.Time, d int64) fsys.Time { return fsys.At(t.Go().Add(time.Duration(d))) }
