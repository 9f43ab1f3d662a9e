package cedar

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/cedar-policy/cedar-go/types"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/jsonschema-go/jsonschema"

	"github.com/doorward-mcp/doorward/mcp"
)

// doubles reports whether every number in v is one that a double holds without doubt, and not of a kind that a library which
// reckons in doubles gets wrong.
func doubles(v any) bool {
	switch v := v.(type) {
	case []any:
		for _, one := range v {
			if !doubles(one) {
				return false
			}
		}
	case map[string]any:
		for _, one := range v {
			if !doubles(one) {
				return false
			}
		}
	case float64:
		return v == math.Trunc(v) && math.Abs(v) < 1<<53
	}
	return true
}

// FuzzArguments holds the walk against a library: what both know, both accept or both refuse; and what is built has the type that
// was said.
func FuzzArguments(f *testing.F) {
	for _, seed := range [][2]string{
		{orderSchema, order},
		{`{"type":"object","properties":{"a":{"type":["integer","null"],"minimum":-1,"exclusiveMaximum":9,"multipleOf":3},"b":{"type":"string","minLength":1,"maxLength":3,"pattern":"^.b"}},"required":["a"],"additionalProperties":false}`, `{"a":6,"b":"abc"}`},
		{`{"type":"object","properties":{"a":{"type":"array","items":{"$ref":"#/$defs/x"},"uniqueItems":true,"minItems":1,"maxItems":4}},"$defs":{"x":{"enum":[1,"1",null,{"a":[1]}]}},"minProperties":1,"maxProperties":2}`, `{"a":[1,"1",null,{"a":[1.0]}]}`},
		{`{"type":"object","properties":{"a":{"anyOf":[{"const":true},{"type":"null"}]},"b":{"allOf":[{"type":"number"}]},"c":{"$ref":"#"}},"additionalProperties":{"type":"boolean"}}`, `{"a":null,"b":1,"c":{"x":true}}`},
		{`{"$schema":"http://json-schema.org/draft-07/schema#","type":"object","properties":{"a":{"$ref":"#/definitions/x","type":"null"}},"definitions":{"x":{"type":"string"}}}`, `{"a":"é"}`},
		{`{"properties":{"a":false,"b":true,"c":{"oneOf":[{"type":"string"},{"minimum":2}]}},"anyOf":[{"required":["b"]},{"required":["c"]}]}`, `{"b":{"n":[]}}`},
		{`{"type":"object"}`, `{"a":[[[{}]]],"b":-0,"c":"\ud83d\ude00"}`},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, schema, args string) {
		if !jsontext.Value(args).IsValid() || jsontext.Value(args).Kind() != '{' {
			return
		}
		var v any
		if json.Unmarshal([]byte(args), &v) != nil {
			return
		}
		d := NewDefinitions("s")
		if _, err := d.Accept(mcp.ItemTool, jsontext.Value(`{"name":"x","inputSchema":`+schema+`}`)); err != nil {
			return
		}
		a := d.items()[0]
		_, refused := a.read(mcp.Operation{Args: jsontext.Value(args)}, nil)
		record, read := a.read(mcp.Operation{Args: jsontext.Value(args)}, everything)
		if refused != nil && read == nil {
			t.Fatalf("%s is refused, and read", args)
		}
		if read == nil && !a.typ.holds(record) {
			t.Fatalf("%s is no value of its type", record)
		}
		var said any
		if json.Unmarshal([]byte(schema), &said) != nil || !doubles(said) || !doubles(v) || a.forms[0].full != nil {
			return
		}
		var s jsonschema.Schema
		if json.Unmarshal([]byte(schema), &s) != nil {
			return
		}
		resolved, err := s.Resolve(nil)
		if err != nil {
			return
		}
		if err := resolved.Validate(v); (err == nil) != (refused == nil) && (refused == nil || refused.code == refusedSchema) {
			t.Errorf("%s\n%s\nthe walk: %v\nthe library: %v", schema, args, refused, err)
		}
	})
}

// holds reports whether v is a value of the type.
func (t *valueType) holds(v types.Value) bool {
	switch v := v.(type) {
	case types.String:
		return t.kind == valueString
	case types.Long:
		return t.kind == valueLong
	case types.Decimal:
		return t.kind == valueDecimal
	case types.Boolean:
		return t.kind == valueBool
	case types.Set:
		for one := range v.All() {
			if !t.of.holds(one) {
				return false
			}
		}
		return t.kind == valueSet
	case types.Record:
		if t.kind == valueNullable {
			null, _ := v.Get("null")
			value, given := v.Get("value")
			return null == types.Boolean(!given) && (!given || t.of.holds(value))
		}
		for name, one := range v.All() {
			m, ok := t.members[string(name)]
			if !ok || !m.holds(one) {
				return false
			}
		}
		for name, m := range t.members {
			if _, ok := v.Get(types.String(name)); !ok && !m.optional {
				return false
			}
		}
		return t.kind == valueRecord
	}
	return false
}
