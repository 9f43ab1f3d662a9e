package cedar

import (
	"fmt"
	"maps"
	"slices"

	"github.com/cedar-policy/cedar-go/types"
	"github.com/cedar-policy/cedar-go/x/exp/schema/ast"
)

// valueType is the Cedar type of an argument. nil: rules cannot read it.
type valueType struct {
	kind    valueKind
	of      *valueType            // of the elements, or of what may be null
	members map[string]memberType // of a record
	opaque  map[string]string     // :: member that cannot be read → why
}

type valueKind uint8

const (
	valueString valueKind = iota
	valueLong
	valueDecimal
	valueBool
	valueSet
	valueRecord
	valueNullable // a record: null is a value, and that it is one is said
)

type memberType struct {
	*valueType
	optional bool
	about    string
	notes    []string
}

// maxTypes bounds the Cedar types of one definition: schemas that refer to one another may unfold without end.
const maxTypes = 2000

// typer makes types of shapes.
type typer struct {
	within []*shape
	made   int
}

// of is the type of what fits s, or why it has none.
func (t *typer) of(s *shape) (*valueType, string) {
	if t.made++; t.made > maxTypes {
		return nil, "the definition is too large"
	}
	switch {
	case s == nil:
		return nil, "its type is not said"
	case s.same == nil && s.kinds == kindsAll && s.choice:
		return nil, "it is one of several alternatives"
	case s.same == nil && s.kinds == kindsAll:
		return nil, "its type is not said"
	}
	if slices.Contains(t.within, s) {
		return nil, "it contains itself"
	}
	t.within = append(t.within, s)
	defer func() { t.within = t.within[:len(t.within)-1] }()
	if s.same != nil {
		of, why := t.of(s.same)
		if s.orNull && of != nil {
			return nullable(of), ""
		}
		return of, why
	}
	of, why := t.single(s, s.kinds&^kindNull)
	if of != nil && s.kinds&kindNull != 0 {
		return nullable(of), ""
	}
	return of, why
}

// nullable is a type or null. What may be null already stays what it is.
func nullable(of *valueType) *valueType {
	if of.kind == valueNullable {
		return of
	}
	return &valueType{kind: valueNullable, of: of}
}

func (t *typer) single(s *shape, k kinds) (*valueType, string) {
	switch k {
	case kindString:
		return &valueType{kind: valueString}, ""
	case kindBool:
		return &valueType{kind: valueBool}, ""
	case kindInteger:
		return &valueType{kind: valueLong}, ""
	case kindNumber, kindFraction:
		return &valueType{kind: valueDecimal}, ""
	case kindArray:
		of, why := t.of(s.items)
		if of == nil {
			return nil, "of its elements: " + why
		}
		return &valueType{kind: valueSet, of: of}, ""
	case kindObject:
		if !slices.ContainsFunc(slices.Collect(maps.Values(s.properties)), func(p *property) bool { return p.declared }) {
			return nil, "its members have no names that are known"
		}
		return t.record(s), ""
	case 0:
		return nil, "it can have no value but null"
	}
	return nil, "it may be " + k.String()
}

// record is an object with the members that it is said to have.
func (t *typer) record(s *shape) *valueType {
	r := &valueType{kind: valueRecord, members: map[string]memberType{}, opaque: map[string]string{}}
	for _, name := range slices.Sorted(maps.Keys(s.properties)) {
		p := s.properties[name]
		if !p.declared {
			continue
		}
		if name == "__entity" || name == "__extn" {
			r.opaque[name] = "Cedar has this name for itself"
			continue
		}
		of, why := t.of(p.shape)
		if of == nil {
			r.opaque[name] = why
			continue
		}
		r.members[name] = memberType{valueType: of, optional: !p.required, about: p.shape.about, notes: p.shape.allNotes()}
	}
	return r
}

// allNotes are the notes of a schema and of what it refers to.
func (s *shape) allNotes() []string {
	if plain := s.plain(false); plain != s {
		return slices.Concat(s.notes, plain.notes)
	}
	return s.notes
}

// merged is the type of what has either of two types: what rules read of it they read of both.
func merged(a, b *valueType) (*valueType, string) {
	if a == nil || b == nil || a.kind != b.kind {
		return nil, "its type differs from one accepted definition to another"
	}
	switch a.kind {
	case valueSet, valueNullable:
		of, why := merged(a.of, b.of)
		if of == nil {
			return nil, why
		}
		return &valueType{kind: a.kind, of: of}, ""
	case valueRecord:
		return mergedRecord(a, b), ""
	}
	return a, ""
}

func mergedRecord(a, b *valueType) *valueType {
	r := &valueType{kind: valueRecord, members: map[string]memberType{}, opaque: map[string]string{}}
	for _, one := range []*valueType{a, b} {
		maps.Copy(r.opaque, one.opaque)
	}
	for _, one := range []*valueType{a, b} {
		for name, m := range one.members {
			if _, not := r.opaque[name]; not {
				continue
			}
			m.optional = true
			r.members[name] = m
		}
	}
	for name, m := range a.members {
		n, both := b.members[name]
		if _, not := r.opaque[name]; not || !both {
			continue
		}
		of, why := merged(m.valueType, n.valueType)
		if of == nil {
			delete(r.members, name)
			r.opaque[name] = why
			continue
		}
		notes := slices.Concat(m.notes, n.notes)
		slices.Sort(notes)
		r.members[name] = memberType{valueType: of, optional: m.optional || n.optional, about: n.about, notes: slices.Compact(notes)}
	}
	return r
}

// ast is the type as Cedar's schemas have it.
func (t *valueType) ast() ast.IsType {
	switch t.kind {
	case valueString:
		return ast.String()
	case valueLong:
		return ast.Long()
	case valueDecimal:
		return ast.Decimal()
	case valueBool:
		return ast.Bool()
	case valueSet:
		return ast.Set(t.of.ast())
	case valueNullable:
		return ast.RecordType{"null": {Type: ast.Bool()}, "value": {Type: t.of.ast(), Optional: true}}
	case valueRecord:
		return t.recordType()
	}
	panic(fmt.Sprintf("there is no type %d", t.kind))
}

func (t *valueType) recordType() ast.RecordType {
	r := make(ast.RecordType, len(t.members))
	for name, m := range t.members {
		r[types.String(name)] = ast.Attribute{Type: m.ast(), Optional: m.optional}
	}
	return r
}
