package cedar

import (
	"github.com/cedar-policy/cedar-go/x/exp/ast"
)

// reading is what of a value rules read: only that is built, and only there numbers must be exact. nil: nothing.
type reading struct {
	whole   bool                // all of it
	members map[string]*reading // these of its members
}

// member is what is read of a member; nil: nothing.
func (r *reading) member(name string) *reading {
	if r == nil || r.whole {
		return r
	}
	return r.members[name]
}

// add adds what stands in other.
func (r *reading) add(other *reading) {
	if other == nil {
		return
	}
	r.whole = r.whole || other.whole
	for name, m := range other.members {
		r.below(name).add(m)
	}
}

func (r *reading) below(name string) *reading {
	if r.members == nil {
		r.members = map[string]*reading{}
	}
	if r.members[name] == nil {
		r.members[name] = &reading{}
	}
	return r.members[name]
}

// readingOf is what a rule reads of the context.
func readingOf(p *ast.Policy) *reading {
	r := &reading{}
	for _, c := range p.Conditions {
		r.read(c.Body)
	}
	return r
}

// read adds what n reads of the context.
func (r *reading) read(n ast.IsNode) {
	ast.Inspect(ast.NewNode(n), func(n ast.IsNode) bool {
		path, ok := contextPath(n)
		if !ok {
			return true
		}
		at := r
		for _, name := range path {
			at = at.below(name)
		}
		at.whole = true
		return false
	})
}

// contextPath is the path of a member of the context that n reads, or asks for by has. false: it is no such thing.
func contextPath(n ast.IsNode) (path []string, ok bool) {
	switch n := n.(type) {
	case ast.NodeTypeVariable:
		return nil, n.Name == "context"
	case ast.NodeTypeAccess:
		path, ok = contextPath(n.Arg)
		return append(path, string(n.Value)), ok
	case ast.NodeTypeHas:
		path, ok = contextPath(n.Arg)
		return append(path, string(n.Value)), ok
	}
	return nil, false
}

// readsPrincipal reports whether a rule reads what is known of its caller, or asks whether it is known.
func readsPrincipal(p *ast.Policy) (reads bool) {
	for _, c := range p.Conditions {
		ast.Inspect(ast.NewNode(c.Body), func(n ast.IsNode) bool {
			var of ast.IsNode
			switch n := n.(type) {
			case ast.NodeTypeAccess:
				of = n.Arg
			case ast.NodeTypeHas:
				of = n.Arg
			}
			v, ok := of.(ast.NodeTypeVariable)
			reads = reads || ok && v.Name == "principal"
			return !reads
		})
	}
	return reads
}
