package cedar

import (
	"iter"
	"slices"

	"github.com/cedar-policy/cedar-go"
	"github.com/cedar-policy/cedar-go/types"
	"github.com/cedar-policy/cedar-go/x/exp/ast"
	schema "github.com/cedar-policy/cedar-go/x/exp/schema/ast"

	"github.com/doorward-mcp/doorward/mcp"
)

// action is something that can be done at a server, with the rules that can say anything about it. A rule whose scope names
// another action or server can neither match nor err, so leaving it out changes no decision: see TestIndexIsSound.
type action struct {
	id     string
	server string
	item   mcp.Item // what it uses; the zero Item: the protocol itself
	groups []string // of actions that it is in
	known  cedar.Entity
	args   *accepted   // nil: it has none that rules could read
	hints  cedar.Value // of a tool

	decide, remedy ruleSet // the first two steps
	open           ruleSet // the first step, whatever the arguments are
	openRemedy     ruleSet // the second, likewise, where an argument can be completed
	reads          *reading
	openReads      *reading
	plan, openPlan *contextPlan // of reads and openReads
}

// context is the Cedar type of an action's context.
func (a *action) context() schema.RecordType {
	return contextType(a.args.record(), a.item.Kind == mcp.ItemTool)
}

// entity is the action as rules see it.
func (a *action) entity() cedar.Entity {
	parents := make([]cedar.EntityUID, len(a.groups))
	for i, g := range a.groups {
		parents[i] = actionUID(g)
	}
	return cedar.Entity{UID: actionUID(a.id), Parents: cedar.NewEntityUIDSet(parents...)}
}

// about reports whether a rule can say anything about the action.
func (a *action) about(r *rule, servers cedar.EntityMap) bool {
	if r.server != "" && r.server != a.server {
		return false
	}
	return a.inScope(r.ast.Action) && serverInScope(r.ast.Resource, a.server, servers)
}

func (a *action) inScope(scope ast.IsActionScopeNode) bool {
	in := func(uid cedar.EntityUID) bool {
		return uid.Type == typeAction && (string(uid.ID) == a.id || slices.Contains(a.groups, string(uid.ID)))
	}
	switch s := scope.(type) {
	case ast.ScopeTypeEq:
		return s.Entity == actionUID(a.id)
	case ast.ScopeTypeIn:
		return in(s.Entity)
	case ast.ScopeTypeInSet:
		return slices.ContainsFunc(s.Entities, in)
	}
	return true
}

func serverInScope(scope ast.IsResourceScopeNode, server string, entities cedar.EntityMap) bool {
	in := func(uid cedar.EntityUID) bool { return slices.Contains(within(entities, serverUID(server)), uid) }
	switch s := scope.(type) {
	case ast.ScopeTypeEq:
		return s.Entity == serverUID(server)
	case ast.ScopeTypeIn:
		return in(s.Entity)
	case ast.ScopeTypeIs:
		return s.Type == typeServer
	case ast.ScopeTypeIsIn:
		return s.Type == typeServer && in(s.Entity)
	}
	return true
}

// index gives the action its rules.
func (a *action) index(rules []*rule, servers cedar.EntityMap) {
	a.reads, a.openReads, a.hints = &reading{}, &reading{}, cedar.NewRecord(a.args.hints())
	for _, r := range rules {
		if !a.about(r, servers) {
			continue
		}
		a.reads.add(r.reads)
		switch {
		case !r.steps():
			a.decide.add(r, r.indexed)
			a.open.add(r, r.indexedOpen)
		case a.item.Kind == mcp.ItemPrompt || a.item.Kind == mcp.ItemTemplate:
			a.remedy.add(r, r.indexed)
			a.openRemedy.add(r, r.indexedOpen)
		default:
			a.remedy.add(r, r.indexed)
			continue
		}
		a.openReads.add(readingOf((*ast.Policy)(r.open.AST())))
	}
	a.plan, a.openPlan = planContext(a.reads), planContext(a.openReads)
}

// ruleSet is rules by whom they can be about, so that a decision looks at no rule for another group. It is a PolicyIterator for
// one caller at a time: of.
type ruleSet struct {
	rules []*rule
	all   []compiled                     // about everybody, or everybody of a type
	some  map[cedar.EntityUID][]compiled // :: entity that the caller is or is in → rules about it
}

type compiled struct {
	id     cedar.PolicyID
	policy *cedar.Policy
	permit bool
}

func (c compiled) permits() bool { return c.permit }

// permits reports whether a rule that can be about a caller permits anything: if none does, the others need not be asked.
func (s *ruleSet) permits(caller []cedar.EntityUID) bool {
	if slices.ContainsFunc(s.all, compiled.permits) {
		return true
	}
	return slices.ContainsFunc(caller, func(uid cedar.EntityUID) bool { return slices.ContainsFunc(s.some[uid], compiled.permits) })
}

func (s *ruleSet) add(r *rule, policy *cedar.Policy) {
	one := compiled{cedar.PolicyID(r.id), policy, r.permits()}
	s.rules = append(s.rules, r)
	var about cedar.EntityUID
	switch scope := r.ast.Principal.(type) {
	case ast.ScopeTypeEq:
		about = scope.Entity
	case ast.ScopeTypeIn:
		about = scope.Entity
	case ast.ScopeTypeIsIn:
		about = scope.Entity
	default:
		s.all = append(s.all, one)
		return
	}
	if s.some == nil {
		s.some = map[cedar.EntityUID][]compiled{}
	}
	s.some[about] = append(s.some[about], one)
}

// rulesFor are the rules that can be about a caller.
type rulesFor struct {
	set    *ruleSet
	caller []cedar.EntityUID // the caller and everything that it is in
}

// All is a PolicyIterator's.
func (f rulesFor) All() iter.Seq2[types.PolicyID, *cedar.Policy] {
	return func(yield func(types.PolicyID, *cedar.Policy) bool) {
		for _, one := range f.set.all {
			if !yield(one.id, one.policy) {
				return
			}
		}
		if len(f.set.some) == 0 {
			return
		}
		for _, uid := range f.caller {
			for _, one := range f.set.some[uid] {
				if !yield(one.id, one.policy) {
					return
				}
			}
		}
	}
}
