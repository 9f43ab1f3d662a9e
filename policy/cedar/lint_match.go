package cedar

import (
	"iter"
	"slices"

	"github.com/cedar-policy/cedar-go"
	"github.com/cedar-policy/cedar-go/types"
	"github.com/cedar-policy/cedar-go/x/exp/ast"
	"github.com/cedar-policy/cedar-go/x/exp/eval"
)

// matches refuses a rule that can never match: a permit that permits nothing is not what somebody meant to write, and a forbid
// that forbids nothing guards nothing.
func (l *linter) matches(r *rule) {
	if !slices.ContainsFunc(l.actions, func(a *action) bool { return a.about(r, l.e.entities) }) {
		l.wrong.of(r, "it can never match: no action of a server is in its scope")
		return
	}
	if never(r.ast) {
		l.wrong.of(r, "it can never match: its conditions are false whatever is sent")
		return
	}
	if a, b, ok := contradiction(r.clauses); ok {
		l.wrong.of(r, "it can never match: %s and %s are never both true", a, b)
	}
}

// never reports whether the conditions are false by themselves.
func never(p *ast.Policy) bool {
	env := eval.Env{
		Principal: eval.Variable("principal"), Action: eval.Variable("action"), Resource: eval.Variable("resource"), Context: eval.Variable("context"),
		Entities: types.EntityMap{},
	}
	_, keep := eval.PartialPolicy(env, p)
	return !keep
}

// clause is a part of a condition that must be true, or false, for the rule to match.
type clause struct {
	body ast.IsNode
	want bool
}

// conjuncts are the parts of a policy's conditions of which every one must hold.
func conjuncts(p *ast.Policy) (all []clause) {
	var cut func(n ast.IsNode, want bool)
	cut = func(n ast.IsNode, want bool) {
		switch n := n.(type) {
		case ast.NodeTypeAnd:
			if want {
				cut(n.Left, true)
				cut(n.Right, true)
				return
			}
		case ast.NodeTypeOr:
			if !want {
				cut(n.Left, false)
				cut(n.Right, false)
				return
			}
		case ast.NodeTypeNot:
			cut(n.Arg, !want)
			return
		case ast.NodeTypeNotEquals: // one form for both
			all = append(all, clause{ast.NodeTypeEquals(n), !want})
			return
		}
		all = append(all, clause{n, want})
	}
	for _, c := range p.Conditions {
		cut(c.Body, bool(c.Condition))
	}
	return all
}

// contradiction finds two clauses that are never both true.
func contradiction(all []clause) (a, b clause, ok bool) {
	for i, a := range all {
		for _, b := range all[i+1:] {
			if opposed(a, b) || opposed(b, a) {
				return a, b, true
			}
		}
	}
	return a, b, false
}

func opposed(a, b clause) bool {
	if a.want != b.want && ast.Equal(ast.NewNode(a.body), ast.NewNode(b.body)) {
		return true
	}
	x, low, high, ok := bounds(a)
	y, low2, high2, ok2 := bounds(b)
	if ok && ok2 && ast.Equal(ast.NewNode(x), ast.NewNode(y)) {
		return max(low, low2) > min(high, high2)
	}
	x, v, ok := equal(a)
	y, w, ok2 := equal(b)
	return ok && ok2 && ast.Equal(ast.NewNode(x), ast.NewNode(y)) && !v.Equal(w)
}

// equal is what a clause asks to be a fixed value.
func equal(c clause) (of ast.IsNode, value cedar.Value, ok bool) {
	eq, is := c.body.(ast.NodeTypeEquals)
	if !is || !c.want {
		return nil, nil, false
	}
	if v, ok := eq.Right.(ast.NodeValue); ok {
		return eq.Left, v.Value, true
	}
	if v, ok := eq.Left.(ast.NodeValue); ok {
		return eq.Right, v.Value, true
	}
	return nil, nil, false
}

const (
	least = -1 << 63
	most  = 1<<63 - 1
)

// bounds are the numbers that a clause lets something be.
func bounds(c clause) (of ast.IsNode, low, high int64, ok bool) {
	if of, v, ok := equal(c); ok {
		n, ok := v.(types.Long)
		return of, int64(n), int64(n), ok
	}
	left, right, less, orEqual := compared(c.body)
	if left == nil {
		return nil, 0, 0, false
	}
	if !c.want { // !(a < b) is b <= a
		left, right, orEqual = right, left, !orEqual
	}
	if !less { // a > b is b < a
		left, right = right, left
	}
	if n, ok := longOf(right); ok { // left < n
		if !orEqual {
			if n == least {
				return left, most, least, true
			}
			n--
		}
		return left, least, n, true
	}
	if n, ok := longOf(left); ok { // n < right
		if !orEqual {
			if n == most {
				return right, most, least, true
			}
			n++
		}
		return right, n, most, true
	}
	return nil, 0, 0, false
}

// compared are the sides of a comparison; nil: it is none.
func compared(n ast.IsNode) (left, right ast.IsNode, less, orEqual bool) {
	switch n := n.(type) {
	case ast.NodeTypeLessThan:
		return n.Left, n.Right, true, false
	case ast.NodeTypeLessThanOrEqual:
		return n.Left, n.Right, true, true
	case ast.NodeTypeGreaterThan:
		return n.Left, n.Right, false, false
	case ast.NodeTypeGreaterThanOrEqual:
		return n.Left, n.Right, false, true
	}
	return nil, nil, false, false
}

func longOf(n ast.IsNode) (int64, bool) {
	v, ok := n.(ast.NodeValue)
	if !ok {
		return 0, false
	}
	long, ok := v.Value.(types.Long)
	return int64(long), ok
}

// entitiesIn are the entities that a policy names.
func entitiesIn(p *ast.Policy) iter.Seq[cedar.EntityUID] {
	return func(yield func(cedar.EntityUID) bool) {
		for _, scope := range []ast.IsScopeNode{p.Principal, p.Action, p.Resource} {
			for _, uid := range scopeEntities(scope) {
				if !yield(uid) {
					return
				}
			}
		}
		more := true
		for _, c := range p.Conditions {
			ast.Inspect(ast.NewNode(c.Body), func(n ast.IsNode) bool {
				if v, ok := n.(ast.NodeValue); ok && more {
					if uid, ok := v.Value.(types.EntityUID); ok {
						more = yield(uid)
					}
				}
				return more
			})
			if !more {
				return
			}
		}
	}
}

// scopeEntities are the entities that a scope names.
func scopeEntities(scope ast.IsScopeNode) []cedar.EntityUID {
	switch s := scope.(type) {
	case ast.ScopeTypeEq:
		return []cedar.EntityUID{s.Entity}
	case ast.ScopeTypeIn:
		return []cedar.EntityUID{s.Entity}
	case ast.ScopeTypeInSet:
		return s.Entities
	case ast.ScopeTypeIsIn:
		return []cedar.EntityUID{s.Entity}
	}
	return nil
}
