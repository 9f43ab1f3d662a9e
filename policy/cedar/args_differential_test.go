package cedar

import (
	"encoding/json"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/jsonschema-go/jsonschema"
	"pgregory.net/rapid"

	"github.com/doorward-mcp/doorward/mcp"
)

// The names and values of the schemas and arguments below are few, so that they meet.
var (
	someNames  = rapid.SampledFrom([]string{"a", "b", "c/~", "é", ""})
	someValues = rapid.SampledFrom([]any{nil, true, false, 0, 1, 2.0, -3, 1e3, "", "a", "ab", "é", "e\u0301", "😀", []any{}, []any{1, 1}, []any{"a", nil}, map[string]any{}, map[string]any{"a": 1}, map[string]any{"b": []any{1}}})
)

// anySchema draws a schema of keywords that the walk covers; deep: how far it may nest.
func anySchema(t *rapid.T, deep int) any {
	s := map[string]any{}
	put := func(name string, draw func() any) {
		if rapid.IntRange(0, 5).Draw(t, name) == 0 {
			s[name] = draw()
		}
	}
	size := func() any { return rapid.IntRange(0, 3).Draw(t, "size") }
	schema := func() any { return anySchema(t, deep-1) }
	if rapid.IntRange(0, 2).Draw(t, "type") > 0 {
		types := rapid.SampledFrom([]string{"null", "boolean", "string", "integer", "number", "array", "object", "object"})
		s["type"] = rapid.OneOf(types.AsAny(), rapid.SliceOfNDistinct(types, 1, 3, rapid.ID).AsAny()).Draw(t, "types")
	}
	put("enum", func() any { return rapid.SliceOfN(someValues, 1, 6).Draw(t, "values") })
	put("const", func() any { return someValues.Draw(t, "value") })
	for _, name := range []string{"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"} {
		put(name, func() any { return rapid.IntRange(-4, 4).Draw(t, "bound") })
	}
	put("multipleOf", func() any { return rapid.IntRange(1, 3).Draw(t, "multiple") })
	for _, name := range []string{"minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"} {
		put(name, size)
	}
	put("pattern", func() any { return rapid.SampledFrom([]string{"^a", "b$", "^é$", "."}).Draw(t, "expression") })
	put("uniqueItems", func() any { return true })
	put("required", func() any { return rapid.SliceOfNDistinct(someNames, 0, 2, rapid.ID).Draw(t, "names") })
	if deep == 0 {
		return s
	}
	put("items", schema)
	put("additionalProperties", func() any {
		if rapid.Bool().Draw(t, "closed") {
			return false
		}
		return schema()
	})
	if rapid.Bool().Draw(t, "properties") {
		all := map[string]any{}
		for _, name := range rapid.SliceOfNDistinct(someNames, 0, 4, rapid.ID).Draw(t, "names") {
			all[name] = schema()
		}
		s["properties"] = all
	}
	switch rapid.IntRange(0, 9).Draw(t, "instead") {
	case 0:
		return map[string]any{"anyOf": []any{map[string]any{"type": "null"}, schema()}}
	case 1:
		return map[string]any{"allOf": []any{schema()}, "title": "x"}
	case 2:
		return map[string]any{"$ref": rapid.SampledFrom([]string{"#/$defs/x", "#/$defs/y"}).Draw(t, "to")}
	}
	return s
}

// anyValue draws a value.
func anyValue(t *rapid.T, deep int) any {
	switch rapid.IntRange(0, 3).Draw(t, "kind") + min(deep, 1) {
	case 3:
		all := []any{}
		for range rapid.IntRange(0, 3).Draw(t, "elements") {
			all = append(all, anyValue(t, deep-1))
		}
		return all
	case 4:
		return anyObject(t, deep)
	}
	return someValues.Draw(t, "value")
}

func anyObject(t *rapid.T, deep int) map[string]any {
	all := map[string]any{}
	for _, name := range rapid.SliceOfNDistinct(someNames, 0, 4, rapid.ID).Draw(t, "members") {
		all[name] = anyValue(t, deep-1)
	}
	return all
}

// What the walk accepts and refuses, a library does too, for schemas of all keywords that the walk covers. What rules read has
// the type that they are told.
func TestArgumentsAsALibrary(t *testing.T) {
	verdicts := map[bool]int{}
	rapid.Check(t, func(t *rapid.T) {
		root, _ := anySchema(t, 3).(map[string]any)
		root["type"] = "object"
		root["$defs"] = map[string]any{"x": anySchema(t, 0), "y": anySchema(t, 1)}
		schema, err := json.Marshal(root)
		if err != nil {
			t.Fatal(err)
		}
		d := NewDefinitions("s")
		if _, err := d.Accept(mcp.ItemTool, jsontext.Value(`{"name":"x","inputSchema":`+string(schema)+`}`)); err != nil {
			t.Skip(err) // such as a reference that refers to itself
		}
		var s jsonschema.Schema
		if err := json.Unmarshal(schema, &s); err != nil {
			t.Fatal(err)
		}
		resolved, err := s.Resolve(nil)
		if err != nil {
			t.Fatal(err)
		}
		a := d.items()[0]
		for range 8 {
			args, err := json.Marshal(anyObject(t, 3))
			if err != nil {
				t.Fatal(err)
			}
			var v any
			if err := json.Unmarshal(args, &v); err != nil {
				t.Fatal(err)
			}
			_, refused := a.forms[0].read(args, nil)
			if err := resolved.Validate(v); (err == nil) != (refused == nil) {
				t.Fatalf("%s\n%s\nthe walk: %v\nthe library: %v", schema, args, refused, err)
			}
			verdicts[refused == nil]++
			record, refused := a.read(mcp.Operation{Args: args}, everything)
			if refused == nil && !a.typ.holds(record) {
				t.Fatalf("%s\n%s is no value of its type", schema, record)
			}
		}
	})
	if verdicts[true] < 50 || verdicts[false] < 50 {
		t.Errorf("accepted and refused: %v", verdicts)
	}
}
