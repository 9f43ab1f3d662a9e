package cedar

import (
	"slices"
	"strings"

	"github.com/cedar-policy/cedar-go/types"
	"github.com/cedar-policy/cedar-go/x/exp/ast"
)

// absent warns of a forbid that is off, and of a permit that is on, because something is not known of the caller: whoever keeps what is
// known of people from being found out, or signs in where it is not said, is let through. An argument is the caller's to leave out,
// and then is not there for the server either.
func (l *linter) absent(r *rule) {
	warned := map[string]bool{}
	for a := range asks(r.ast) {
		name := "context." + strings.Join(a.path, ".")
		if a.principal {
			name = "principal." + a.path[0]
		}
		if warned[name] || !a.principal && !slices.Contains(perhapsUnknown, name) {
			continue
		}
		warned[name] = true
		switch {
		case !l.opens(r, a):
		case r.permits():
			l.warn.of(r, "it permits a caller whose %s is not known: write what is needed behind when, so that what is not known is not permitted", name)
		default:
			l.warn.of(r, "it forbids nothing to a caller whose %s is not known: write what is allowed behind unless, so that what is not known is forbidden", name)
		}
	}
}

// opens reports whether a part of the conditions comes to what lets calls through, as soon as something is not there.
func (l *linter) opens(r *rule, absent asked) bool {
	through := fails
	if r.permits() {
		through = holds
	}
	return slices.ContainsFunc(conjuncts(r.ast), func(c clause) bool {
		v := truth(c.body, func(n ast.IsNode) int {
			if b, ok := askedBy(n); ok && b.principal == absent.principal && slices.Equal(b.path, absent.path) {
				return fails
			}
			return 0
		})
		if !c.want {
			v = -v
		}
		return v == through
	})
}

// perhapsUnknown are members of the context that say something of the caller, and may be missing.
var perhapsUnknown = []string{"context.token.acr", "context.token.auth_time", "context.token.auth_age", "context.net.ip"}

// remedied refuses a forbid whose remedy is none: it does not look at what it asks for, so that who has brought it is asked again, or
// it fires only where that is there, so that who lacks it is let through.
func (l *linter) remedied(r *rule) {
	token := r.reads.member("token")
	switch r.remedy {
	case remedyACR:
		if token.member("acr") == nil {
			l.wrong.of(r, "it asks for an @acr and does not look at context.token.acr: who has it is asked again")
		}
	case remedyMaxAge:
		if token.member("auth_age") == nil && token.member("auth_time") == nil {
			l.wrong.of(r, "it asks for a sign-in of the last @max_age seconds and looks at neither context.token.auth_age nor auth_time: who has signed in is asked again")
		}
	case remedyScope:
		l.remediedByScope(r)
	}
}

func (l *linter) remediedByScope(r *rule) {
	looks := false
	for _, s := range r.lacking.Scopes {
		off := outcome(r.ast, func(n ast.IsNode) int {
			asked, every := scopesAsked(n)
			if !slices.Contains(asked, s) {
				return 0
			}
			looks = true
			if len(asked) == 1 || every { // of several one may do
				return fails
			}
			return 0
		}) == fails
		if off {
			l.wrong.of(r, "it fires only where the scope %q is there, so that who lacks it is let through: unless is what lets those through who have it", s)
		}
	}
	if !looks {
		l.wrong.of(r, "it asks for the @scope %q and does not look for it in context.token.scopes: who has it is asked again", r.lacking.Scopes)
	}
}

// scopesAsked are the scopes for which a node looks in the token; every: for all of them.
func scopesAsked(n ast.IsNode) (scopes []string, every bool) {
	var in ast.BinaryNode
	switch n := n.(type) {
	case ast.NodeTypeContains:
		in, every = n.BinaryNode, true
	case ast.NodeTypeContainsAll:
		in, every = n.BinaryNode, true
	case ast.NodeTypeContainsAny:
		in = n.BinaryNode
	}
	if path, ok := contextPath(in.Left); !ok || !slices.Equal(path, []string{"token", "scopes"}) {
		return nil, false
	}
	for _, v := range literalsIn(in.Right) {
		if s, ok := v.(types.String); ok {
			scopes = append(scopes, string(s))
		}
	}
	return scopes, every
}

// What a condition comes to; 0 is that it hangs on more than is known.
const (
	fails = -1
	holds = 1
)

// outcome is what the conditions of a rule come to, where known says it of parts.
func outcome(p *ast.Policy, known func(ast.IsNode) int) int {
	all := holds
	for _, c := range p.Conditions {
		one := truth(c.Body, known)
		if c.Condition == ast.ConditionUnless {
			one = -one
		}
		all = min(all, one)
	}
	return all
}

// truth is what an expression comes to. Of && the least, of || the most counts.
func truth(n ast.IsNode, known func(ast.IsNode) int) int {
	if v := known(n); v != 0 {
		return v
	}
	switch n := n.(type) {
	case ast.NodeTypeAnd:
		return min(truth(n.Left, known), truth(n.Right, known))
	case ast.NodeTypeOr:
		return max(truth(n.Left, known), truth(n.Right, known))
	case ast.NodeTypeNot:
		return -truth(n.Arg, known)
	case ast.NodeTypeIfThenElse:
		then, other := truth(n.Then, known), truth(n.Else, known)
		switch truth(n.If, known) {
		case holds:
			return then
		case fails:
			return other
		}
		if then == other {
			return then
		}
	case ast.NodeValue:
		switch n.Value {
		case types.True:
			return holds
		case types.False:
			return fails
		}
	}
	return 0
}
