package cedar

import "github.com/cedar-policy/cedar-go/types"

// plan is what is built of a value: only what rules read. nil: nothing.
type plan struct {
	kind    valueKind
	of      *plan            // of the elements, or of what may be null
	members map[string]*plan // of a record
	names   [][]byte         // of the members
	name    types.String     // of the member that this is of
}

// planOf is what is built of a value of type t, of which r is read.
func planOf(t *valueType, r *reading) *plan {
	if t == nil || r == nil {
		return nil
	}
	p := &plan{kind: t.kind}
	switch t.kind {
	case valueSet:
		p.of = planOf(t.of, &reading{whole: true})
	case valueNullable:
		p.of = planOf(t.of, r.member("value"))
	case valueRecord:
		p.members = map[string]*plan{}
		for name, m := range t.members {
			if below := planOf(m.valueType, r.member(name)); below != nil {
				below.name = types.String(name)
				p.members[name] = below
				p.names = append(p.names, []byte(name))
			}
		}
	}
	return p
}

// expects is what a value must be for the plan, in words.
func (p *plan) expects() kinds {
	switch p.kind {
	case valueString:
		return kindString
	case valueLong:
		return kindInteger
	case valueDecimal:
		return kindNumber
	case valueBool:
		return kindBool
	case valueSet:
		return kindArray
	case valueNullable:
		return kindsAll
	}
	return kindObject
}
