package policy

import (
	"fmt"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/expr-lang/expr/ast"

	"github.com/tidemark/tidemark/internal/fsys"
)

// Clause is a part of a rule and what it said about a file.
type Clause struct {
	Depth   int    // 0 is the whole rule; what an and, or, not joins is one deeper
	Text    string // as expr prints it
	Value   bool
	Decided bool   // the rule's answer rests on it
	Reason  string // of a clause that joins nothing: the values, such as "idle 92d > 60d by atime"
	Err     error  // it could not be decided
}

// clause is a node of the rule: and, or, not, or a leaf.
type clause struct {
	text   string
	join   string // "and", "or", "not", or "" for a leaf
	kids   []*clause
	match  boolFunc
	reason func(*frame, bool) string
}

func (c *compiler) clauses(node ast.Node) (*clause, error) {
	v, err := c.value(node)
	if err != nil {
		return nil, err
	}
	self := &clause{text: node.String(), match: v.bool()}
	var kids []ast.Node
	switch n := node.(type) {
	case *ast.BinaryNode:
		if isAnd(n.Operator) {
			self.join, kids = "and", joined(n, isAnd)
		} else if isOr(n.Operator) {
			self.join, kids = "or", joined(n, isOr)
		}
	case *ast.UnaryNode:
		self.join, kids = "not", []ast.Node{n.Node}
	}
	for _, kid := range kids {
		k, err := c.clauses(kid)
		if err != nil {
			return nil, err
		}
		self.kids = append(self.kids, k)
	}
	if self.join == "" {
		self.reason, err = c.reason(node)
	}
	return self, err
}

// joined are the operands of a chain of the same operator.
func joined(n *ast.BinaryNode, same func(string) bool) []ast.Node {
	var nodes []ast.Node
	for _, side := range []ast.Node{n.Left, n.Right} {
		if b, ok := side.(*ast.BinaryNode); ok && same(b.Operator) {
			nodes = append(nodes, joined(b, same)...)
		} else {
			nodes = append(nodes, side)
		}
	}
	return nodes
}

// Explain says of every clause what it said, in the order of the text.
func (r *Rule) Explain(f *File, m Moment) []Clause {
	var out []Clause
	r.root.explain(f, m, 0, true, &out)
	return out
}

func (c *clause) explain(f *File, m Moment, depth int, decided bool, out *[]Clause) (value bool, err error) {
	fr := frame{File: f, Moment: m}
	value = c.match(&fr)
	at := len(*out)
	*out = append(*out, Clause{Depth: depth, Text: c.text, Value: value && fr.err == nil, Decided: decided, Err: fr.err})
	if c.join == "" && fr.err == nil {
		(*out)[at].Reason = c.reason(&fr, value)
	}
	found := false
	for _, kid := range c.kids {
		// The first that says the opposite of what all would have to say decides alone; if none does, all did.
		decides := decided
		switch {
		case c.join == "and" && !value, c.join == "or" && value:
			k := frame{File: f, Moment: m}
			if decides = !found && kid.match(&k) == value; decides {
				found = true
			}
			decides = decides && decided
		}
		kid.explain(f, m, depth+1, decides, out)
	}
	return value, fr.err
}

// because joins the reasons of the leaves that decided.
func because(clauses []Clause) (clause, reason string) {
	var texts, reasons []string
	for _, c := range clauses {
		switch {
		case !c.Decided:
		case c.Err != nil: // the innermost comes last
			texts, reasons = []string{c.Text}, []string{c.Err.Error()}
		case c.Reason != "" && clauses[0].Err == nil:
			texts = append(texts, c.Text)
			reasons = append(reasons, c.Reason)
		}
	}
	return strings.Join(texts, ", "), strings.Join(reasons, ", ")
}

// reason is how a leaf's values are told.
func (c *compiler) reason(node ast.Node) (func(*frame, bool) string, error) {
	n, ok := node.(*ast.BinaryNode)
	if !ok {
		return c.plain(node), nil
	}
	if n.Operator == "in" {
		return c.membership(n)
	}
	v, err := c.values(n.Left, n.Right)
	if err != nil {
		return nil, err
	}
	unit := unitOf(v...)
	l, r := c.side(n.Left, v[0], unit), c.side(n.Right, v[1], unit)
	by := func(*frame) string { return "" }
	if v[0].variable == "idle" || v[1].variable == "idle" {
		by = func(fr *frame) string { _, by := fr.LastUse(fr.Moment.Atime); return " by " + by }
	}
	sign := map[string]string{">=": "≥", "<=": "≤"}[n.Operator]
	if sign == "" {
		sign = n.Operator
	}
	equality := n.Operator == "==" || n.Operator == "!="
	return func(fr *frame, is bool) string {
		if equality && is == (n.Operator == "==") {
			return l(fr) + by(fr)
		} else if equality {
			return l(fr) + ", not " + r(fr) + by(fr)
		} else if is {
			return l(fr) + " " + sign + " " + r(fr) + by(fr)
		}
		return l(fr) + " is not " + sign + " " + r(fr) + by(fr)
	}, nil
}

// plain is for what is no comparison: its text.
func (c *compiler) plain(node ast.Node) func(*frame, bool) string {
	text := node.String()
	if call, ok := node.(*ast.CallNode); ok && len(call.Arguments) == 1 && call.Callee.String() == "glob" {
		pattern := call.Arguments[0].String()
		return func(_ *frame, is bool) string {
			if is {
				return "path matches " + pattern
			}
			return "path does not match " + pattern
		}
	}
	return func(_ *frame, is bool) string {
		if is {
			return text
		}
		return text + " is false"
	}
}

func (c *compiler) membership(n *ast.BinaryNode) (func(*frame, bool) string, error) {
	v, err := c.value(n.Left)
	if err != nil {
		return nil, err
	}
	l := c.side(n.Left, v, unitOf(v))
	list := strings.Trim(n.Right.String(), "[]")
	if len(list) > 80 {
		list = list[:strings.LastIndex(list[:80], ",")+1] + " …"
	}
	return func(fr *frame, is bool) string {
		if is {
			return l(fr)
		}
		return l(fr) + " is not in " + list
	}, nil
}

// unitOf is what whole numbers in a comparison count.
func unitOf(values ...value) string {
	for _, v := range values {
		if v.variable != "" {
			return v.variable
		}
	}
	return ""
}

// side tells one side of a comparison: a variable by its name and value, a constant by its value, all else by its text and value.
func (c *compiler) side(node ast.Node, v value, unit string) func(*frame) string {
	show := shown(v, unit)
	switch {
	case v.variable != "":
		return func(fr *frame) string { return v.variable + " " + show(fr) }
	case v.constant:
		return show
	}
	text := node.String()
	return func(fr *frame) string { return text + " = " + show(fr) }
}

func shown(v value, unit string) func(*frame) string {
	switch v.kind {
	case boolKind:
		b := v.bool()
		return func(fr *frame) string { return fmt.Sprint(b(fr)) }
	case stringKind:
		s := v.string()
		return func(fr *frame) string { return quoted(s(fr)) }
	case durationKind:
		d := v.int()
		return func(fr *frame) string { return inDays(time.Duration(d(fr))) }
	case timeKind:
		t := v.time()
		return func(fr *frame) string { return onDate(t(fr)) }
	case floatKind:
		f := v.float()
		return func(fr *frame) string { return fmt.Sprintf("%.6g", f(fr)) }
	}
	i := v.int()
	return func(fr *frame) string {
		n := i(fr)
		if (unit == "size" || unit == "blocks") && n >= 0 {
			return strings.Replace(humanize.IBytes(uint64(n)), ".0 ", " ", 1)
		} else if unit == "mode" {
			return fmt.Sprintf("%04o", n)
		}
		return fmt.Sprint(n)
	}
}

// quoted is a text as it is, where it is plain.
func quoted(s string) string {
	plain := s != ""
	for _, r := range s {
		plain = plain && (r == '/' || r == '.' || r == '_' || r == '-' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z')
	}
	if plain {
		return s
	}
	return fmt.Sprintf("%q", s)
}

// inDays rounds towards zero, so that what is shown never passes a mark that the value itself has not passed.
func inDays(d time.Duration) string {
	tenth := func(unit time.Duration, name string) string {
		n := int64(d / (unit / 10))
		whole := strings.TrimSuffix(fmt.Sprintf("%d.%d", n/10, max(n%10, -(n%10))), ".0")
		if n < 0 && n > -10 {
			whole = "-" + whole
		}
		return whole + name
	}
	switch size := max(d, -d); {
	case size >= 24*time.Hour || size < 0:
		return tenth(24*time.Hour, "d")
	case size >= time.Hour:
		return tenth(time.Hour, "h")
	}
	return d.Truncate(time.Millisecond).String()
}

func onDate(t fsys.Time) string {
	at := t.Go()
	if t.Nsec == 0 && at.Hour() == 0 && at.Minute() == 0 && at.Second() == 0 {
		return at.Format(time.DateOnly)
	}
	return at.Format(time.RFC3339)
}
