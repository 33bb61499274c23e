package policy

import "github.com/expr-lang/expr/ast"

// neverFalls says that an expression, once true, stays true as time passes.
func neverFalls(node ast.Node) bool { return monotone(node, true) }

// monotone: with rising, the expression can only become true as time passes; without, only false.
func monotone(node ast.Node, rising bool) bool {
	if !asksTime(node) {
		return true
	}
	switch n := node.(type) {
	case *ast.UnaryNode:
		return (n.Operator == "!" || n.Operator == "not") && monotone(n.Node, !rising)
	case *ast.ConditionalNode:
		return !asksTime(n.Cond) && monotone(n.Exp1, rising) && monotone(n.Exp2, rising)
	case *ast.BinaryNode:
		switch n.Operator {
		case "and", "&&", "or", "||":
			return monotone(n.Left, rising) && monotone(n.Right, rising)
		case ">", ">=":
			return grows(n.Left, n.Right, rising)
		case "<", "<=":
			return grows(n.Right, n.Left, rising)
		}
	}
	return false
}

// grows: the one that should be greater is idle or age, the other stays as it is; or the other way round.
func grows(greater, smaller ast.Node, rising bool) bool {
	if !rising {
		greater, smaller = smaller, greater
	}
	name, ok := greater.(*ast.IdentifierNode)
	return ok && (name.Value == "idle" || name.Value == "age") && !asksTime(smaller)
}

func asksTime(node ast.Node) bool {
	found := finder{}
	ast.Walk(&node, &found)
	return found.asks
}

type finder struct{ asks bool }

func (f *finder) Visit(node *ast.Node) {
	if name, ok := (*node).(*ast.IdentifierNode); ok && (name.Value == "idle" || name.Value == "age") {
		f.asks = true
	}
}
