package cedar

import (
	"slices"
	"strings"

	"github.com/cedar-policy/cedar-go/types"
	"github.com/cedar-policy/cedar-go/x/exp/ast"
	schema "github.com/cedar-policy/cedar-go/x/exp/schema/ast"

	"github.com/doorward-mcp/doorward/mcp"
)

// has refuses a rule that asks whether something is there which never is. Cedar takes what stands behind such a has for unreachable
// and does not look at it, so that one misspelt name makes a forbid that forbids nothing. Of an argument that rules cannot read, has
// is false though the caller sends it.
func (l *linter) has(r *rule) {
	for asked := range asks(r.ast) {
		if asked.principal {
			if _, known := entityTypes(l.e.manifest.Attributes)[typeUser].Shape[types.String(asked.path[0])]; !known {
				l.wrong.of(r, "principal has %s: nobody ever has: bundle.yaml names no such attribute", asked.path[0])
			}
			continue
		}
		found, why := false, ""
		for _, a := range l.about(r) {
			one, opaque := a.couldHave(asked.path)
			found = found || one
			if opaque != "" && why == "" {
				why = opaque
			}
		}
		switch {
		case why != "":
			l.wrong.of(r, "context has %s: rules cannot read this argument, so that it is never there for them: %s", strings.Join(asked.path, "."), why)
		case !found:
			l.wrong.of(r, "context has %s: it is never there: nothing that the rule is about has it", strings.Join(asked.path, "."))
		}
	}
}

// about are the actions that a rule can say anything about.
func (l *linter) about(r *rule) (all []*action) {
	for _, s := range l.servers {
		for _, a := range s.all() {
			if a.about(r, l.e.entities) {
				all = append(all, a)
			}
		}
	}
	return all
}

// asked is a member of the context, or an attribute of the caller, for which a rule asks by has.
type asked struct {
	principal bool
	path      []string
}

// asks are what a rule asks for by has.
func asks(p *ast.Policy) func(yield func(asked) bool) {
	return func(yield func(asked) bool) {
		more := true
		for _, c := range p.Conditions {
			ast.Inspect(ast.NewNode(c.Body), func(n ast.IsNode) bool {
				if a, ok := askedBy(n); ok && more {
					more = yield(a)
				}
				return more
			})
		}
	}
}

// askedBy is what a node asks for. false: it is no has, or one of something else.
func askedBy(n ast.IsNode) (a asked, ok bool) {
	has, is := n.(ast.NodeTypeHas)
	if !is {
		return a, false
	}
	if v, is := has.Arg.(ast.NodeTypeVariable); is && v.Name == "principal" {
		return asked{true, []string{string(has.Value)}}, true
	}
	path, ok := contextPath(n)
	return asked{path: path}, ok
}

// couldHave reports whether there is a member of the context at a path, or why there is an argument that rules cannot read.
func (a *action) couldHave(path []string) (has bool, opaque string) {
	if path[0] != "args" || len(path) == 1 {
		return memberOf(contextType(a.args.record(), a.item.Kind == mcp.ItemTool), path), ""
	}
	if a.args == nil || a.args.typ == nil {
		return false, ""
	}
	t := a.args.typ
	for i, name := range path[1:] {
		if t.kind == valueNullable {
			if t = t.of; name == "null" || name == "value" {
				continue
			}
			return false, ""
		}
		m, known := t.members[name]
		if why, lost := t.opaque[name]; lost && !known {
			return false, strings.Join(path[1:i+2], ".") + " of " + a.id + ": " + why
		}
		if !known {
			return false, ""
		}
		t = m.valueType
	}
	return true, ""
}

// memberOf reports whether a record, or whatever in it is none and so has members of its own, has a path.
func memberOf(r schema.RecordType, path []string) bool {
	m, ok := r[types.String(path[0])]
	if !ok || len(path) == 1 {
		return ok
	}
	below, ok := m.Type.(schema.RecordType)
	return !ok || memberOf(below, path[1:])
}

// words refuses what is compared with a word, or a number, that it never is, and what is read of a client of whom there is only a name.
func (l *linter) words(r *rule) {
	for _, c := range r.ast.Conditions {
		ast.Inspect(ast.NewNode(c.Body), func(n ast.IsNode) bool {
			if of, ok := contextPath(n); ok && len(of) == 3 && of[0] == "delegation" && of[1] == "client" {
				l.wrong.of(r, "%s: nothing is known of the client there: it can be compared, looked for in a ClientSet, and context.token.issuer says whose it is", strings.Join(of, "."))
			}
			path, literals := comparedWith(n)
			for _, v := range literals {
				switch text, _ := v.(types.String); strings.Join(path, ".") {
				case "time.weekday":
					if !slices.Contains(weekdays, string(text)) {
						l.wrong.of(r, "context.time.weekday is never %s: it is Monday to Sunday", v.MarshalCedar())
					}
				case "delegation.evidence":
					if !slices.Contains(evidences, string(text)) {
						l.wrong.of(r, "context.delegation.evidence never contains %s: %s are what is known of clients", v.MarshalCedar(), strings.Join(evidences, ", "))
					}
				case "time.hour":
					if hour, ok := v.(types.Long); ok && (hour < 0 || hour > 23) {
						l.wrong.of(r, "context.time.hour is never %s: it is 0 to 23", v.MarshalCedar())
					}
				}
			}
			return true
		})
	}
}

// What there is of what has a fixed number of words.
var (
	weekdays  = []string{"Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"}
	evidences = []string{evidenceKey, evidenceSecret, evidenceListed, evidenceDocument}
)

// comparedWith is what of the context a node compares with literals, in whichever order.
func comparedWith(n ast.IsNode) (path []string, literals []types.Value) {
	var left, right ast.IsNode
	switch n := n.(type) {
	case ast.NodeTypeEquals:
		left, right = n.Left, n.Right
	case ast.NodeTypeNotEquals:
		left, right = n.Left, n.Right
	case ast.NodeTypeContains:
		left, right = n.Left, n.Right
	case ast.NodeTypeContainsAll:
		left, right = n.Left, n.Right
	case ast.NodeTypeContainsAny:
		left, right = n.Left, n.Right
	default:
		if left, right, _, _ = compared(n); left == nil {
			return nil, nil
		}
	}
	if path, ok := contextPath(left); ok {
		return path, literalsIn(right)
	}
	if path, ok := contextPath(right); ok {
		return path, literalsIn(left)
	}
	return nil, nil
}

// literalsIn is a literal, or those of a set.
func literalsIn(n ast.IsNode) (all []types.Value) {
	switch n := n.(type) {
	case ast.NodeValue:
		return []types.Value{n.Value}
	case ast.NodeTypeSet:
		for _, one := range n.Elements {
			all = append(all, literalsIn(one)...)
		}
	}
	return all
}
