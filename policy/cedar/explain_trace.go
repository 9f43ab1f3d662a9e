package cedar

import (
	"slices"

	"github.com/cedar-policy/cedar-go"
	"github.com/cedar-policy/cedar-go/x/exp/ast"
	"github.com/cedar-policy/cedar-go/x/exp/eval"

	"github.com/doorward-mcp/doorward/mcp"
	"github.com/doorward-mcp/doorward/policy"
)

// traced is one rule held against a request whose action it can be about, whoever calls.
type traced struct {
	rule    *rule
	action  *action
	env     eval.Env
	scope   bool // the caller is in its scope
	matched bool
	err     error
}

// trace holds every rule that can be about a request against it, those that the index leaves out for this caller included.
// Nothing is traced of a request that is refused before rules are asked.
func (e *Engine) trace(r policy.Request) (all []traced) {
	server, ok := e.servers[r.Server]
	if !ok || r.Caller.Subject == "" {
		return nil
	}
	who, ok := e.subject(r)
	if !ok {
		return nil
	}
	for _, a := range server.actionsOf(r.Operation) {
		var args *cedar.Record
		if a.args != nil {
			read, refused := a.args.read(r.Operation, a.reads.member("args"))
			if refused != nil {
				return nil
			}
			args = &read
		}
		env := eval.Env{Principal: who.uid, Action: a.known.UID, Resource: serverUID(a.server), Context: e.context(&r, a, planContext(&reading{whole: true}), args)}
		one := who
		one.action, env.Entities = a.known, &one
		for _, r := range slices.Concat(a.decide.rules, a.remedy.rules) {
			all = append(all, r.trace(a, env))
		}
	}
	return all
}

// actionsOf are the actions that rules are asked about for an operation.
func (s *server) actionsOf(op mcp.Operation) []*action {
	item, named := op.Item()
	switch {
	case !named || item.Kind == mcp.ItemTask:
		return []*action{s.connect}
	case item.Kind == mcp.ItemResource:
		return s.addressed(item.Name)
	}
	if a := s.find(item); a != nil {
		return []*action{a}
	}
	return nil
}

func (r *rule) trace(a *action, env eval.Env) traced {
	t := traced{rule: r, action: a, env: env}
	ask := func(p *cedar.Policy) (bool, error) {
		v, err := eval.Eval(eval.PolicyToNode((*ast.Policy)(p.AST())).AsIsNode(), env)
		return v == cedar.True, err
	}
	scope := *r.whole.AST()
	scope.Conditions = nil
	t.scope, _ = ask(newPolicy(ast.Policy(scope)))
	t.matched, t.err = ask(r.whole)
	return t
}
