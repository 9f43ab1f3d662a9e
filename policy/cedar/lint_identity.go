package cedar

import (
	"slices"

	"github.com/cedar-policy/cedar-go/types"
	"github.com/cedar-policy/cedar-go/x/exp/ast"
)

// identity warns of a permit that trusts the name of a client. The name is the client's own word unless something shows who it is:
// whoever runs on the person's machine can use that of a known one.
func (l *linter) identity(r *rule) {
	delegation := r.reads.member("delegation")
	if named := clientNamed(r.ast); r.permits() && named != "" && delegation.member("evidence") == nil {
		l.warn.of(r, "%s is the client's own word unless something shows who it is: look at context.delegation.evidence too, such as .contains(\"authenticated\")", named)
	}
}

// clientNamed is where a rule goes by who the client is; empty: it does not.
func clientNamed(p *ast.Policy) (named string) {
	for _, uid := range scopeEntities(p.Principal) {
		if uid.Type == typeAgent {
			return "the name in its scope"
		}
	}
	for _, c := range p.Conditions {
		ast.Inspect(ast.NewNode(c.Body), func(n ast.IsNode) bool {
			if path, ok := contextPath(n); ok && slices.Equal(path, []string{"delegation", "client"}) {
				named = "context.delegation.client"
			}
			return named == ""
		})
	}
	return named
}

// scopeAsked is the scope for which a node looks in the token; false: it does not.
func scopeAsked(n ast.IsNode) (string, bool) {
	in, ok := n.(ast.NodeTypeContains)
	if !ok {
		return "", false
	}
	path, ok := contextPath(in.Left)
	v, literal := in.Right.(ast.NodeValue)
	if !ok || !literal || !slices.Equal(path, []string{"token", "scopes"}) {
		return "", false
	}
	s, ok := v.Value.(types.String)
	return string(s), ok
}
