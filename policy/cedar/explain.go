package cedar

import (
	"context"
	"fmt"
	"slices"

	"github.com/cedar-policy/cedar-go/x/exp/ast"
	"github.com/cedar-policy/cedar-go/x/exp/eval"
)

// Explanation is why a described call is decided as it is. It is for the operator: it has the text of rules and the values that
// they read, which callers never see.
type Explanation struct {
	Decision    string       `json:"decision"`
	Code        string       `json:"code"`
	Title       string       `json:"title,omitempty"`
	Rules       []string     `json:"rules"` // that decided
	Remedies    []string     `json:"remedies,omitempty"`
	Scopes      []string     `json:"scopes,omitempty"`
	ACR         string       `json:"acr,omitempty"`
	MaxAge      string       `json:"max_age,omitempty"` // seconds
	Obligations []string     `json:"obligations,omitempty"`
	Bundle      string       `json:"bundle"`
	Considered  []Considered `json:"considered"` // every rule that could be about such a call, whoever makes it
}

// Considered is one rule held against a call.
type Considered struct {
	Rule       string      `json:"rule"`
	Effect     string      `json:"effect"` // permit or forbid
	Remedy     string      `json:"remedy,omitempty"`
	Action     string      `json:"action"`
	File       string      `json:"file"`
	Line       int         `json:"line"`
	Scope      bool        `json:"scope"` // the caller is in it
	Matched    bool        `json:"matched"`
	Decides    bool        `json:"decides"`
	Near       bool        `json:"near,omitempty"` // a permit that one thing alone keeps from matching
	Error      string      `json:"error,omitempty"`
	Conditions []Condition `json:"conditions,omitempty"`
}

// Condition is one part of a when or unless that && joins with the others.
type Condition struct {
	Kind  string            `json:"kind"` // when or unless
	Text  string            `json:"text"`
	Line  int               `json:"line"`
	Value string            `json:"value"`           // true, false, not reached, or why it has none
	Reads map[string]string `json:"reads,omitempty"` // :: what it reads → its value; absent: it is not there
}

// Explain decides a described call, and says why. files are those that the engine was loaded from.
func (e *Engine) Explain(files Files, d Described) (x Explanation, err error) {
	r, err := e.request(d)
	if err != nil {
		return x, err
	}
	decision := e.Decide(context.Background(), r)
	got := decided(decision)
	x = Explanation{Decision: got.Decision, Code: got.Code, Title: decision.Title, Rules: got.Rules, Remedies: got.Remedies, Scopes: got.Scopes,
		ACR: got.ACR, MaxAge: got.MaxAge, Obligations: got.Obligations, Bundle: decision.Bundle, Considered: []Considered{}}
	if x.Rules == nil {
		x.Rules = []string{}
	}
	sources := map[string]sourceRule{}
	for _, t := range e.trace(r) {
		if _, ok := sources[t.rule.id]; !ok {
			all, err := sourceRules(t.rule.file, files[t.rule.file])
			if err != nil {
				return x, err
			}
			for _, s := range all {
				sources[s.id] = s
			}
		}
		one, err := t.considered(sources[t.rule.id], files[t.rule.file])
		if err != nil {
			return x, err
		}
		one.Decides = slices.Contains(x.Rules, one.Rule)
		x.Considered = append(x.Considered, one)
	}
	slices.SortStableFunc(x.Considered, func(a, b Considered) int { return a.rank() - b.rank() })
	return x, nil
}

// rank puts what decides before what nearly does, and that before the rest.
func (c Considered) rank() int {
	switch {
	case c.Decides:
		return 0
	case c.Near:
		return 1
	case c.Matched || c.Error != "":
		return 2
	case c.Scope:
		return 3
	}
	return 4
}

// unreached is a condition that has no value, behind one that is false: Cedar does not look at it.
const unreached = "not reached"

func (t traced) considered(source sourceRule, text []byte) (c Considered, err error) {
	r := t.rule
	c = Considered{Rule: r.id, Effect: "forbid", Remedy: r.remedy, Action: t.action.id, File: r.file, Line: r.ast.Position.Line, Scope: t.scope, Matched: t.matched}
	fails := 0
	if !t.scope {
		fails++
	}
	if t.err != nil {
		c.Error = t.err.Error()
	}
	for i, clause := range source.clauses {
		holds, all := true, []Condition{}
		for _, o := range clause.operands {
			one, err := t.condition(clause.kind, o, text)
			if err != nil {
				return c, err
			}
			if !holds && one.Value != "true" && one.Value != "false" {
				one.Value = unreached
			}
			all = append(all, one)
			if holds = holds && one.Value == "true"; one.Value != "true" && one.Value != unreached && clause.kind == "when" {
				fails++
			}
		}
		if r.ast.Conditions[i].Condition == ast.ConditionUnless && holds {
			fails++
		}
		c.Conditions = append(c.Conditions, all...)
	}
	if r.permits() {
		c.Effect, c.Near = "permit", fails == 1
	}
	return c, nil
}

// condition evaluates one part by itself, also behind one that is false.
func (t traced) condition(kind string, o sourceOperand, text []byte) (Condition, error) {
	line, _ := textPlace(text, o.from)
	c := Condition{Kind: kind, Text: o.text, Line: line}
	list, err := parseText(t.rule.file, fmt.Appendf(nil, "permit (principal, action, resource) when { %s };", o.text))
	if err != nil {
		return c, err
	}
	body := list[0].AST().Conditions[0].Body
	v, err := eval.Eval(body, t.env)
	if err != nil {
		c.Value = err.Error()
	} else {
		c.Value = v.String()
	}
	ast.Inspect(ast.NewNode(body), func(n ast.IsNode) bool {
		path, is := variablePath(n)
		if !is {
			return true
		}
		if c.Reads == nil {
			c.Reads = map[string]string{}
		}
		v, err := eval.Eval(n, t.env)
		switch has, asks := n.(ast.NodeTypeHas); {
		case err != nil:
			c.Reads[path] = "absent"
		case !asks:
			c.Reads[path] = string(v.MarshalCedar())
		default:
			c.Reads[path] = "absent"
			if v, err := eval.Eval(ast.NodeTypeAccess(has), t.env); err == nil {
				c.Reads[path] = string(v.MarshalCedar())
			}
		}
		return false
	})
	return c, nil
}

// variablePath is what n reads of the request, such as context.args.id. false: it is no such thing.
func variablePath(n ast.IsNode) (string, bool) {
	switch n := n.(type) {
	case ast.NodeTypeVariable:
		return string(n.Name), n.Name != "context"
	case ast.NodeTypeAccess:
		return pathUnder(n.Arg, string(n.Value))
	case ast.NodeTypeHas:
		return pathUnder(n.Arg, string(n.Value))
	}
	return "", false
}

func pathUnder(n ast.IsNode, name string) (string, bool) {
	if v, ok := n.(ast.NodeTypeVariable); ok {
		return string(v.Name) + "." + name, true
	}
	path, ok := variablePath(n)
	return path + "." + name, ok
}
