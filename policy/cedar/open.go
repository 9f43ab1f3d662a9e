package cedar

import (
	"github.com/cedar-policy/cedar-go"
	written "github.com/cedar-policy/cedar-go/ast"
	"github.com/cedar-policy/cedar-go/types"
	"github.com/cedar-policy/cedar-go/x/exp/ast"
)

func newPolicy(p ast.Policy) *cedar.Policy { return cedar.NewPolicyFromAST((*written.Policy)(&p)) }

// opened is a policy whatever the arguments are: a permit that matches if it would for some arguments, a forbid that matches only
// if it would for all. Lists are decided by it, so that what a list hides, no call could have had: see TestHiddenIsDenied.
//
// It is the policy with every part that reads arguments replaced, in a condition that must hold for a permit, by true, and for a
// forbid by false; under a negation the other way round. What stands beside such a part in && and || stays, in its order, so that
// it errs where the policy does whatever the arguments are, and only there.
func opened(p ast.Policy) ast.Policy {
	some := p.Effect == ast.EffectPermit
	conditions := make([]ast.ConditionType, len(p.Conditions))
	for i, c := range p.Conditions {
		// when holds if its body does, unless if it does not.
		conditions[i] = ast.ConditionType{Condition: c.Condition, Body: bound(c.Body, some == (c.Condition == ast.ConditionWhen))}
	}
	p.Conditions = conditions
	return p
}

// bound is n with everything that reads arguments taken for what is most (upper: true) or least.
func bound(n ast.IsNode, upper bool) ast.IsNode {
	if !readsArguments(n) {
		return n
	}
	switch n := n.(type) {
	case ast.NodeTypeAnd:
		return ast.NodeTypeAnd{BinaryNode: ast.BinaryNode{Left: bound(n.Left, upper), Right: bound(n.Right, upper)}}
	case ast.NodeTypeOr:
		return ast.NodeTypeOr{BinaryNode: ast.BinaryNode{Left: bound(n.Left, upper), Right: bound(n.Right, upper)}}
	case ast.NodeTypeNot:
		return ast.NodeTypeNot{UnaryNode: ast.UnaryNode{Arg: bound(n.Arg, !upper)}}
	}
	// Also if-then-else: which of its branches counts may hang on the arguments.
	return ast.NodeValue{Value: types.Boolean(upper)}
}

// readsArguments reports whether a value may hang on the arguments: they, or the whole of the context, are read in it.
func readsArguments(n ast.IsNode) bool {
	r := &reading{}
	r.read(n)
	return r.whole || r.members["args"] != nil
}
