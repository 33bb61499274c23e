package policy

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"

	"github.com/expr-lang/expr/ast"

	"github.com/tidemark/tidemark/internal/fsys"
)

// compiler makes functions of a syntax tree whose types expr has checked.
type compiler struct {
	where string
	uses  map[string]bool
}

func (c *compiler) fail(node ast.Node, format string, args ...any) error {
	return at(c.where, node.Location().From, fmt.Sprintf(format, args...))
}

func (c *compiler) value(node ast.Node) (value, error) {
	switch n := node.(type) {
	case *ast.BoolNode:
		return value{kind: boolKind, constant: true, call: boolFunc(func(*frame) bool { return n.Value })}, nil
	case *ast.IntegerNode:
		return value{kind: intKind, constant: true, call: intFunc(func(*frame) int64 { return int64(n.Value) })}, nil
	case *ast.FloatNode:
		return value{kind: floatKind, constant: true, call: floatFunc(func(*frame) float64 { return n.Value })}, nil
	case *ast.StringNode:
		return value{kind: stringKind, constant: true, call: stringFunc(func(*frame) string { return n.Value })}, nil
	case *ast.IdentifierNode:
		v, ok := variable(n.Value)
		if !ok {
			return value{}, c.fail(node, "%s is a function: call it", n.Value)
		}
		c.uses[n.Value] = true
		return v, nil
	case *ast.UnaryNode:
		return c.unary(n)
	case *ast.BinaryNode:
		return c.binary(n)
	case *ast.ConditionalNode:
		return c.conditional(n)
	case *ast.BuiltinNode:
		return c.function(n, n.Name, n.Arguments)
	case *ast.CallNode:
		return c.call(n)
	}
	return value{}, c.fail(node, "a rule has no %s", strings.TrimSuffix(strings.TrimPrefix(fmt.Sprintf("%T", node), "*ast."), "Node"))
}

func (c *compiler) values(nodes ...ast.Node) ([]value, error) {
	values := make([]value, len(nodes))
	for i, n := range nodes {
		v, err := c.value(n)
		if err != nil {
			return nil, err
		}
		values[i] = v
	}
	return values, nil
}

// folded is v computed now, if it is made of constants.
func (c *compiler) folded(node ast.Node, v value, parts ...value) (value, error) {
	v, err := v.fold(parts...)
	if err != nil {
		return value{}, c.fail(node, "%s", err)
	}
	return v, nil
}

func (c *compiler) unary(n *ast.UnaryNode) (value, error) {
	x, err := c.value(n.Node)
	if err != nil {
		return value{}, err
	}
	switch {
	case (n.Operator == "!" || n.Operator == "not") && x.kind == boolKind:
		b := x.bool()
		return c.folded(n, boolValue(func(fr *frame) bool { return !b(fr) }), x)
	case n.Operator == "+" && (x.kind == intKind || x.kind == floatKind):
		return x, nil
	case n.Operator == "-" && x.kind == intKind:
		i := x.int()
		return c.folded(n, intValue(func(fr *frame) int64 { return -i(fr) }), x)
	case n.Operator == "-" && x.kind == floatKind:
		f := x.float()
		return c.folded(n, floatValue(func(fr *frame) float64 { return -f(fr) }), x)
	}
	return value{}, c.fail(n, "%s cannot stand before %s", n.Operator, x.kind)
}

func (c *compiler) conditional(n *ast.ConditionalNode) (value, error) {
	v, err := c.values(n.Cond, n.Exp1, n.Exp2)
	if err != nil {
		return value{}, err
	}
	if v[0].kind != boolKind || v[1].kind != v[2].kind {
		return value{}, c.fail(n, "both sides of : must be of one type, but they are %s and %s", v[1].kind, v[2].kind)
	}
	cond := v[0].bool()
	var chosen value
	switch v[1].kind {
	case boolKind:
		chosen = boolValue(choose(cond, v[1].bool(), v[2].bool()))
	case intKind:
		chosen = intValue(choose(cond, v[1].int(), v[2].int()))
	case durationKind:
		chosen = durationValue(choose(cond, v[1].int(), v[2].int()))
	case floatKind:
		chosen = floatValue(choose(cond, v[1].float(), v[2].float()))
	case stringKind:
		chosen = stringValue(choose(cond, v[1].string(), v[2].string()))
	case timeKind:
		chosen = timeValue(choose(cond, v[1].time(), v[2].time()))
	}
	return c.folded(n, chosen, v...)
}

func choose[T any, F ~func(*frame) T](cond boolFunc, yes, no F) F {
	return func(fr *frame) T {
		if cond(fr) {
			return yes(fr)
		}
		return no(fr)
	}
}

func (c *compiler) binary(n *ast.BinaryNode) (value, error) {
	switch n.Operator {
	case "in":
		return c.in(n)
	case "matches":
		return c.matches(n)
	case "and", "&&", "or", "||":
		return c.both(n)
	}
	v, err := c.values(n.Left, n.Right)
	if err != nil {
		return value{}, err
	}
	var result value
	ok := false
	switch n.Operator {
	case "==", "!=", "<", "<=", ">", ">=":
		result, ok = compare(n.Operator, v[0], v[1])
	case "contains", "startsWith", "endsWith":
		result, ok = search(n.Operator, v[0], v[1])
	case "+", "-", "*", "/", "%", "**", "^":
		result, ok = arithmetic(n.Operator, v[0], v[1])
	case "..":
		return value{}, c.fail(n, "a rule has no ranges: write uid >= 1000 and uid <= 2000")
	}
	if !ok {
		return value{}, c.fail(n, "%s cannot stand between %s and %s", n.Operator, v[0].kind, v[1].kind)
	}
	return c.folded(n, result, v...)
}

func (c *compiler) both(n *ast.BinaryNode) (value, error) {
	v, err := c.values(n.Left, n.Right)
	if err != nil {
		return value{}, err
	}
	if v[0].kind != boolKind || v[1].kind != boolKind {
		return value{}, c.fail(n, "%s cannot stand between %s and %s", n.Operator, v[0].kind, v[1].kind)
	}
	l, r := v[0].bool(), v[1].bool()
	if isAnd(n.Operator) {
		return c.folded(n, boolValue(func(fr *frame) bool { return l(fr) && r(fr) }), v...)
	}
	return c.folded(n, boolValue(func(fr *frame) bool { return l(fr) || r(fr) }), v...)
}

func isAnd(operator string) bool { return operator == "and" || operator == "&&" }
func isOr(operator string) bool  { return operator == "or" || operator == "||" }

func compare(operator string, l, r value) (value, bool) {
	numbers := l.kind <= floatKind && r.kind <= floatKind && l.kind >= intKind && r.kind >= intKind
	switch {
	case l.kind == r.kind && (l.kind == intKind || l.kind == durationKind):
		return boolValue(compared(operator, l.int(), r.int(), r.constant)), true
	case numbers:
		return boolValue(compared(operator, l.float(), r.float(), r.constant)), true
	case l.kind != r.kind:
		return value{}, false
	case l.kind == stringKind:
		return boolValue(compared(operator, l.string(), r.string(), r.constant)), true
	case l.kind == boolKind:
		a, b := l.bool(), r.bool()
		switch operator {
		case "==":
			return boolValue(func(fr *frame) bool { return a(fr) == b(fr) }), true
		case "!=":
			return boolValue(func(fr *frame) bool { return a(fr) != b(fr) }), true
		}
		return value{}, false
	}
	a, b := l.time(), r.time()
	order := func(fr *frame) int64 {
		x, y := a(fr), b(fr)
		return int64(cmp.Or(cmp.Compare(x.Sec, y.Sec), cmp.Compare(x.Nsec, y.Nsec)))
	}
	return boolValue(compared(operator, order, func(*frame) int64 { return 0 }, true)), true
}

// compared is l operator r. A constant is read once.
func compared[T cmp.Ordered, F ~func(*frame) T](operator string, l, r F, constant bool) boolFunc {
	if constant {
		y := r(nil)
		switch operator {
		case "==":
			return func(fr *frame) bool { return l(fr) == y }
		case "!=":
			return func(fr *frame) bool { return l(fr) != y }
		case "<":
			return func(fr *frame) bool { return l(fr) < y }
		case "<=":
			return func(fr *frame) bool { return l(fr) <= y }
		case ">":
			return func(fr *frame) bool { return l(fr) > y }
		}
		return func(fr *frame) bool { return l(fr) >= y }
	}
	switch operator {
	case "==":
		return func(fr *frame) bool { return l(fr) == r(fr) }
	case "!=":
		return func(fr *frame) bool { return l(fr) != r(fr) }
	case "<":
		return func(fr *frame) bool { return l(fr) < r(fr) }
	case "<=":
		return func(fr *frame) bool { return l(fr) <= r(fr) }
	case ">":
		return func(fr *frame) bool { return l(fr) > r(fr) }
	}
	return func(fr *frame) bool { return l(fr) >= r(fr) }
}

func search(operator string, l, r value) (value, bool) {
	if l.kind != stringKind || r.kind != stringKind {
		return value{}, false
	}
	a, b := l.string(), r.string()
	find := strings.Contains
	switch operator {
	case "startsWith":
		find = strings.HasPrefix
	case "endsWith":
		find = strings.HasSuffix
	}
	return boolValue(func(fr *frame) bool { return find(a(fr), b(fr)) }), true
}

func arithmetic(operator string, l, r value) (value, bool) {
	switch {
	case l.kind == intKind && r.kind == intKind && operator != "/" && operator != "**" && operator != "^":
		return intValue(integers(operator, l.int(), r.int())), true
	case l.kind == durationKind && r.kind == durationKind && (operator == "+" || operator == "-"):
		return durationValue(integers(operator, l.int(), r.int())), true
	case operator == "*" && (l.kind == durationKind && r.kind == intKind || l.kind == intKind && r.kind == durationKind):
		return durationValue(integers(operator, l.int(), r.int())), true
	case (l.kind == intKind || l.kind == floatKind) && (r.kind == intKind || r.kind == floatKind) && operator != "%":
		return floatValue(floats(operator, l.float(), r.float())), true
	case l.kind == stringKind && r.kind == stringKind && operator == "+":
		a, b := l.string(), r.string()
		return stringValue(func(fr *frame) string { return a(fr) + b(fr) }), true
	}
	return times(operator, l, r)
}

func integers(operator string, a, b intFunc) intFunc {
	switch operator {
	case "+":
		return func(fr *frame) int64 { return a(fr) + b(fr) }
	case "-":
		return func(fr *frame) int64 { return a(fr) - b(fr) }
	case "*":
		return func(fr *frame) int64 { return a(fr) * b(fr) }
	}
	return func(fr *frame) int64 {
		x, y := a(fr), b(fr)
		if y == 0 {
			fr.fail(errors.New("division by zero"))
			return 0
		}
		return x % y
	}
}

func floats(operator string, a, b floatFunc) floatFunc {
	switch operator {
	case "+":
		return func(fr *frame) float64 { return a(fr) + b(fr) }
	case "-":
		return func(fr *frame) float64 { return a(fr) - b(fr) }
	case "*":
		return func(fr *frame) float64 { return a(fr) * b(fr) }
	case "/":
		return func(fr *frame) float64 { return a(fr) / b(fr) }
	}
	return func(fr *frame) float64 { return math.Pow(a(fr), b(fr)) }
}

func times(operator string, l, r value) (value, bool) {
	if operator == "+" && l.kind == durationKind {
		l, r = r, l
	}
	switch {
	case l.kind != timeKind:
		return value{}, false
	case r.kind == timeKind && operator == "-":
		a, b := l.time(), r.time()
		return durationValue(func(fr *frame) int64 { return int64(a(fr).Go().Sub(b(fr).Go())) }), true
	case r.kind == durationKind && (operator == "-" || operator == "+"):
		a, b := l.time(), r.int()
		if operator == "-" {
			d := b
			b = func(fr *frame) int64 { return -d(fr) }
		}
		return timeValue(func(fr *frame) fsys.Time { return later(a(fr), b(fr)) }), true
	}
	return value{}, false
}

func (c *compiler) matches(n *ast.BinaryNode) (value, error) {
	v, err := c.values(n.Left, n.Right)
	if err != nil {
		return value{}, err
	}
	if v[0].kind != stringKind || v[1].kind != stringKind || !v[1].constant {
		return value{}, c.fail(n, "the pattern of matches must be written out")
	}
	pattern, err := regexp.Compile(v[1].constantString())
	if err != nil {
		return value{}, c.fail(n, "%s", err)
	}
	s := v[0].string()
	return c.folded(n, boolValue(func(fr *frame) bool { return pattern.MatchString(s(fr)) }), v...)
}

// in is membership of a list that is written out.
func (c *compiler) in(n *ast.BinaryNode) (value, error) {
	list, ok := n.Right.(*ast.ArrayNode)
	if !ok {
		return value{}, c.fail(n, `in needs a list that is written out, such as ext in ["mp4", "mkv"]`)
	}
	l, err := c.value(n.Left)
	if err != nil {
		return value{}, err
	}
	members, err := c.values(list.Nodes...)
	if err != nil {
		return value{}, err
	}
	for i, m := range members {
		if !m.constant || m.kind != l.kind || l.kind != stringKind && l.kind != intKind {
			return value{}, c.fail(list.Nodes[i], "the list must hold constants, all texts or all whole numbers as on the left of in")
		}
	}
	switch l.kind {
	case stringKind:
		s, has := l.string(), memberOf(members, value.string)
		return c.folded(n, boolValue(func(fr *frame) bool { return has(s(fr)) }), l)
	case intKind:
		i, has := l.int(), memberOf(members, value.int)
		return c.folded(n, boolValue(func(fr *frame) bool { return has(i(fr)) }), l)
	}
	return value{}, c.fail(n, "in cannot stand behind %s", l.kind)
}

// memberOf looks through a short list, and a long one up.
func memberOf[T comparable, F ~func(*frame) T](members []value, of func(value) F) func(T) bool {
	list := make([]T, len(members))
	set := make(map[T]bool, len(members))
	for i, m := range members {
		list[i] = of(m)(nil)
		set[list[i]] = true
	}
	if len(list) <= 8 {
		return func(x T) bool { return slices.Contains(list, x) }
	}
	return func(x T) bool { return set[x] }
}
