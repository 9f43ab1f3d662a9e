package cedar

import (
	"maps"
	"slices"

	"github.com/cedar-policy/cedar-go/types"
	"github.com/cedar-policy/cedar-go/x/exp/schema/ast"
)

// entityTypes are the types that every schema has.
func entityTypes(attributes map[string]string) ast.Entities {
	user := ast.RecordType{"issuer": {Type: ast.String()}, "subject": {Type: ast.String()}, "name": {Type: ast.String(), Optional: true}}
	for name, kind := range attributes {
		user[types.String(name)] = ast.Attribute{Type: attributeType(kind), Optional: true}
	}
	named := ast.RecordType{"issuer": {Type: ast.String()}, "subject": {Type: ast.String()}}
	return ast.Entities{
		typeUser:      {ParentTypes: []ast.EntityTypeRef{typeGroup}, Shape: user},
		typeAgent:     {ParentTypes: []ast.EntityTypeRef{typeGroup, typeClientSet}, Shape: named},
		typeWorkload:  {ParentTypes: []ast.EntityTypeRef{typeGroup, typeClientSet}, Shape: named},
		typeGroup:     {ParentTypes: []ast.EntityTypeRef{typeGroup}},
		typeClientSet: {ParentTypes: []ast.EntityTypeRef{typeClientSet}},
		typeServer:    {ParentTypes: []ast.EntityTypeRef{typeEnv}},
		typeEnv:       {ParentTypes: []ast.EntityTypeRef{typeEnv}},
	}
}

func attributeType(kind string) ast.IsType {
	switch kind {
	case "Long":
		return ast.Long()
	case "Bool":
		return ast.Bool()
	case "Set<String>":
		return ast.Set(ast.String())
	}
	return ast.String()
}

// contextType is what every action has in its context; args and tool stand in it where they are given.
func contextType(args ast.RecordType, tool bool) ast.RecordType {
	always := func(t ast.IsType) ast.Attribute { return ast.Attribute{Type: t} }
	perhaps := func(t ast.IsType) ast.Attribute { return ast.Attribute{Type: t, Optional: true} }
	c := ast.RecordType{
		"token": always(ast.RecordType{
			"issuer": always(ast.String()), "scopes": always(ast.Set(ast.String())), "acr": perhaps(ast.String()),
			"auth_time": perhaps(ast.Datetime()), "auth_age": perhaps(ast.Duration()), "age": always(ast.Duration()), "bound": always(ast.Bool()),
		}),
		"delegation": always(ast.RecordType{
			"human": always(ast.Bool()), "client": always(ast.EntityType(typeAgent)), "evidence": always(ast.Set(ast.String())),
			"depth": always(ast.Long()), "actors": always(ast.Set(ast.EntityType(typeAgent))), "task": perhaps(ast.String()),
		}),
		"net":      always(ast.RecordType{"ip": perhaps(ast.IPAddr())}),
		"time":     always(ast.RecordType{"now": always(ast.Datetime()), "hour": always(ast.Long()), "weekday": always(ast.String())}),
		"accounts": always(ast.Set(ast.String())),
		"approval": perhaps(ast.RecordType{"approver": always(ast.EntityType(typeUser))}),
	}
	if args != nil {
		c["args"] = always(args)
	}
	if tool {
		b := always(ast.Bool())
		c["tool"] = always(ast.RecordType{"destructive": b, "read_only": b, "idempotent": b, "open_world": b})
	}
	return c
}

// schemaOf is the schema of actions.
func schemaOf(m manifest, actions []*action) *ast.Schema {
	s := &ast.Schema{Entities: entityTypes(m.Attributes), Actions: ast.Actions{}}
	group := func(id string) {
		if _, ok := s.Actions[types.String(id)]; !ok {
			s.Actions[types.String(id)] = ast.Action{}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(m.Servers)) {
		for _, id := range []string{name + ":tools", name + ":prompts", name + ":resources"} {
			s.Actions[types.String(id)] = ast.Action{Parents: []ast.ParentRef{ast.ParentRefFromID(types.String(name + "/*"))}}
		}
		group(name + "/*")
	}
	for name := range m.Toolsets {
		group("@" + name)
	}
	for _, a := range actions {
		one := ast.Action{AppliesTo: &ast.AppliesTo{
			Principals: []ast.EntityTypeRef{typeUser, typeAgent, typeWorkload}, Resources: []ast.EntityTypeRef{typeServer}, Context: a.context(),
		}}
		for _, g := range a.groups {
			one.Parents = append(one.Parents, ast.ParentRefFromID(types.String(g)))
		}
		s.Actions[types.String(a.id)] = one
	}
	return s
}
