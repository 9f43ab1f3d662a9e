package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	upstream "github.com/cedar-policy/cedar-go"
	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"

	"github.com/doorward-mcp/doorward/policy"
	"github.com/doorward-mcp/doorward/policy/cedar"
)

// decider answers for the one call, with a discount that rules allow or forbid.
type decider struct {
	name    string
	ready   func(discount string) (func() (allowed bool, err error), error)
	figures []figures
}

// deciders are our engine with Cedar's own authorizer and OPA, each with the same rules.
func deciders(ctx context.Context, rules []ruled) ([]*decider, *cedar.Engine, error) {
	files, err := bundle(rules)
	if err != nil {
		return nil, nil, err
	}
	e, err := cedar.Load(files, cedar.Options{Issuer: ourIssuer})
	if err != nil {
		return nil, nil, err
	}
	all := []*decider{{name: "doorward, from JSON", ready: func(discount string) (func() (bool, error), error) {
		r := request(discount)
		return func() (bool, error) { return e.Decide(ctx, r).Verdict == policy.Allow, nil }, nil
	}}}
	whole, err := wholeCedar(rules)
	if err != nil {
		return nil, nil, err
	}
	opa, err := inOPA(ctx, rules)
	return append(append(all, whole), opa...), e, err
}

// wholeCedar is Cedar's own authorizer over all rules.
func wholeCedar(rules []ruled) (*decider, error) {
	var text strings.Builder
	for _, r := range rules {
		text.WriteString(r.inCedar())
	}
	list, err := upstream.NewPolicyListFromBytes("rules", []byte(text.String()))
	if err != nil {
		return nil, err
	}
	set := upstream.NewPolicySet()
	for _, p := range list {
		set.Add(upstream.PolicyID(p.Annotations()["id"]), p)
	}
	return &decider{name: "Cedar, all rules, input ready", ready: func(discount string) (func() (bool, error), error) {
		q, entities, err := plain(discount)
		return func() (bool, error) {
			verdict, found := upstream.Authorize(set, entities, q)
			if len(found.Errors) > 0 {
				return false, errors.New(found.Errors[0].Message)
			}
			return verdict == upstream.Allow, nil
		}, err
	}}, nil
}

// inOPA is OPA's library with a prepared query, asked in the three ways that it can be.
func inOPA(ctx context.Context, rules []ruled) ([]*decider, error) {
	var text strings.Builder
	text.WriteString(regoHead)
	for _, r := range rules {
		text.WriteString(r.inRego())
	}
	q, err := rego.New(rego.Query("data.doorward.verdict"), rego.Module("rules.rego", text.String())).PrepareForEval(ctx)
	if err != nil {
		return nil, err
	}
	return []*decider{
		{name: "OPA, from JSON", ready: func(discount string) (func() (bool, error), error) {
			return func() (bool, error) {
				m, err := input(discount)
				if err != nil {
					return false, err
				}
				return asked(q.Eval(ctx, rego.EvalInput(m)))
			}, nil
		}},
		{name: "OPA, Go map ready", ready: func(discount string) (func() (bool, error), error) {
			m, err := input(discount)
			return func() (bool, error) { return asked(q.Eval(ctx, rego.EvalInput(m))) }, err
		}},
		{name: "OPA, ast.Value ready", ready: func(discount string) (func() (bool, error), error) {
			m, err := input(discount)
			if err != nil {
				return nil, err
			}
			v, err := ast.InterfaceToValue(m)
			return func() (bool, error) { return asked(q.Eval(ctx, rego.EvalParsedInput(v))) }, err
		}},
	}, nil
}

func asked(set rego.ResultSet, err error) (bool, error) {
	if err != nil {
		return false, err
	}
	if len(set) != 1 {
		return false, fmt.Errorf("OPA has %d results", len(set))
	}
	verdict, _ := set[0].Expressions[0].Value.(map[string]any)
	allowed, ok := verdict["allow"].(bool)
	if !ok {
		return false, errors.New("OPA has no verdict")
	}
	return allowed, nil
}
