package cedar

import (
	"slices"

	"github.com/cedar-policy/cedar-go"
	"github.com/cedar-policy/cedar-go/x/exp/ast"
)

// shadowed warns of rules that change nothing because of another: a permit that another permit makes needless, a forbid likewise,
// and a permit of which everything is forbidden. It compares what is written, clause by clause, and proves nothing beyond that.
func (l *linter) shadowed() {
	same := map[any][]*rule{} // :: the action that is all of a scope; nil: anything else → rules
	for _, r := range l.rules {
		key := scopeKey(r.ast.Action)
		same[key] = append(same[key], r)
	}
	for _, r := range l.rules {
		key := scopeKey(r.ast.Action)
		if l.shadowedBy(r, same[key]) || key == nil {
			continue
		}
		l.shadowedBy(r, same[nil])
	}
}

// scopeKey is the one action that a scope names. Rules about different ones do not cover each other.
func scopeKey(scope ast.IsActionScopeNode) any {
	if eq, ok := scope.(ast.ScopeTypeEq); ok {
		return eq.Entity
	}
	return nil
}

// shadowedBy warns of the first of others that covers r, and reports whether there is one.
func (l *linter) shadowedBy(r *rule, others []*rule) bool {
	for _, other := range others {
		if r == other || !wider(other, r) {
			continue
		}
		switch {
		case r.permits() && !other.permits() && !other.steps():
			l.warn.of(r, "everything that it permits is forbidden by %s", other)
			return true
		case r.permits() == other.permits() && r.remedy == other.remedy && len(other.obligations) == 0 && len(r.obligations) == 0 &&
			(!wider(r, other) || r.id > other.id): // of two that are the same, the later one is said
			l.warn.of(r, "it changes nothing: %s matches whenever it does", other)
			return true
		}
	}
	return false
}

// wider reports whether a matches whatever b matches: its scopes are the same or everything, and all its clauses are b's too.
func wider(a, b *rule) bool {
	if a.server != b.server && a.server != "" {
		return false
	}
	return scopeWider(a.ast.Principal, b.ast.Principal) && scopeWider(a.ast.Action, b.ast.Action) && scopeWider(a.ast.Resource, b.ast.Resource) &&
		!slices.ContainsFunc(a.clauses, func(c clause) bool {
			return !slices.ContainsFunc(b.clauses, func(d clause) bool {
				return c.want == d.want && ast.Equal(ast.NewNode(c.body), ast.NewNode(d.body))
			})
		})
}

func scopeWider(a, b ast.IsScopeNode) bool {
	if _, all := a.(ast.ScopeTypeAll); all {
		return true
	}
	set, ok := a.(ast.ScopeTypeInSet)
	if eq, one := b.(ast.ScopeTypeEq); ok && one {
		return slices.Contains(set.Entities, eq.Entity)
	}
	other, ok2 := b.(ast.ScopeTypeInSet)
	if ok || ok2 {
		return ok && ok2 && !slices.ContainsFunc(other.Entities, func(e cedar.EntityUID) bool { return !slices.Contains(set.Entities, e) })
	}
	return a == b
}
