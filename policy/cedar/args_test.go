package cedar

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/cedar-policy/cedar-go/types"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"

	"github.com/doorward-mcp/doorward/mcp"
)

var everything = &reading{whole: true}

// tool is what is accepted of a tool with these input schemas.
func tool(t *testing.T, schemas ...string) *accepted {
	t.Helper()
	d := NewDefinitions("crm")
	for i, s := range schemas {
		number, _ := json.Marshal(i)
		if _, err := d.Accept(mcp.ItemTool, jsontext.Value(`{"name":"x","title":`+string(jsontext.Value(`"`+string(number)+`"`))+`,"inputSchema":`+s+`}`)); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
	return d.items()[0]
}

// said is a refusal as code and place, or the values as Cedar writes them.
func said(r types.Record, refused *refusal) string {
	if refused != nil {
		return refused.code + " " + refused.at
	}
	return string(r.MarshalCedar())
}

// The table of what becomes of arguments: verdict, place, values. JSON Schema 2020-12 validation §6, MCP Tools.
func TestArguments(t *testing.T) {
	const schema, number = "args.schema ", "args.number "
	object := func(properties string) string { return `{"type":"object","properties":{` + properties + `}}` }
	for _, c := range []struct{ name, schema, args, want string }{
		{"a string", object(`"a":{"type":"string"}`), `{"a":"x"}`, `{"a":"x"}`},
		{"white space", object(`"a":{"type":"string"}`), " {\n\t\"a\" :\r \"x\" } ", `{"a":"x"}`},
		{"an escaped name", object(`"a":{"type":"string"}`), `{"\u0061":"\u0078\n"}`, `{"a":"x\n"}`},
		{"what nobody named", object(`"a":{"type":"string"}`), `{"a":"x","b":[{"c":"}"},1,"\\\""]}`, `{"a":"x"}`},
		{"a number for a string", object(`"a":{"type":"string"}`), `{"a":1}`, schema + "/a"},
		{"null for a string", object(`"a":{"type":"string"}`), `{"a":null}`, schema + "/a"},
		{"missing", object(`"a":{"type":"string"}`), `{}`, `{}`},
		{"missing and required", `{"type":"object","properties":{"a":{"type":"string"},"b":{"type":"string"}},"required":["a","b"]}`, `{"a":"x"}`, schema + "/b"},
		{"required, but not described", `{"type":"object","required":["z"]}`, `{}`, schema + "/z"},
		{"required, and not allowed", `{"type":"object","required":["z"],"additionalProperties":false}`, `{"z":1}`, schema},
		{"not named, not allowed", `{"type":"object","properties":{"a":{}},"additionalProperties":false}`, `{"b":1}`, schema},
		{"not named, of a type", `{"type":"object","properties":{"a":{}},"additionalProperties":{"type":"integer"}}`, `{"secret":"x"}`, schema + "/*"},
		{"another case of a name that is read", object(`"id":{"type":"integer"}`), `{"ID":1}`, schema},
		{"a long s in a name that is read", object(`"user":{"type":"string"}`), `{"uſer":"x"}`, schema},
		{"another case, with a name of its own", object(`"id":{"type":"integer"},"ID":{"type":"integer"}`), `{"ID":1}`, `{"ID":1}`},
		{"twice", object(`"id":{"type":"integer"}`), `{"id":1,"id":2}`, schema + "/id"},

		{"null as a value", object(`"a":{"type":["string","null"]}`), `{"a":null}`, `{"a":{"null":true}}`},
		{"no null as a value", object(`"a":{"type":["string","null"]}`), `{"a":"x"}`, `{"a":{"null":false, "value":"x"}}`},
		{"null by anyOf", object(`"a":{"anyOf":[{"type":"integer"},{"type":"null"}],"default":null,"title":"A"}`), `{"a":null}`, `{"a":{"null":true}}`},
		{"no null by anyOf", object(`"a":{"anyOf":[{"type":"null"},{"type":"integer"}]}`), `{"a":7}`, `{"a":{"null":false, "value":7}}`},
		{"neither by anyOf", object(`"a":{"anyOf":[{"type":"null"},{"type":"integer"}]}`), `{"a":"x"}`, schema + "/a"},
		{"missing is not null", object(`"a":{"type":["string","null"]}`), `{}`, `{}`},
		{"null in an array", object(`"a":{"type":"array","items":{"type":["integer","null"]}}`), `{"a":[null,null]}`, `{"a":[{"null":true}]}`},

		{"nested", object(`"a":{"type":"object","properties":{"b":{"type":"object","properties":{"c":{"type":"boolean"}}}}}`), `{"a":{"b":{"c":true}}}`, `{"a":{"b":{"c":true}}}`},
		{"nested, wrong", object(`"a":{"type":"object","properties":{"b/~":{"type":"array","items":{"type":"object","properties":{"c":{"type":"boolean"}}}}}}`), `{"a":{"b/~":[{},{"c":0}]}}`, schema + "/a/b~1~0/1/c"},
		{"an array", object(`"a":{"type":"array","items":{"type":"integer"}}`), `{"a":[1,1,1]}`, `{"a":[1]}`},
		{"an array without elements", object(`"a":{"type":"array","items":{"type":"integer"}}`), `{"a":[ ]}`, `{"a":[]}`},
		{"too few elements", object(`"a":{"type":"array","items":{"type":"integer"},"minItems":2}`), `{"a":[1]}`, schema + "/a"},
		{"too many elements", object(`"a":{"type":"array","maxItems":1}`), `{"a":[1,2]}`, schema + "/a"},
		{"the same twice", object(`"a":{"type":"array","uniqueItems":true}`), `{"a":[{"x":1,"y":[1.0]},{"y":[1e0],"x":1}]}`, schema + "/a/1"},
		{"not the same", object(`"a":{"type":"array","uniqueItems":true}`), `{"a":[1,"1",true,null,[1],{"1":1},[[1]]]}`, `{}`},
		{"too few members", object(`"a":{"type":"object","minProperties":1}`), `{"a":{}}`, schema + "/a"},
		{"too many members", object(`"a":{"type":"object","maxProperties":1}`), `{"a":{"b":1,"c":2}}`, schema + "/a"},
		{"a map", object(`"a":{"type":"object","additionalProperties":{"type":"string"}}`), `{"a":{"b":"c"}}`, `{}`},

		{"0", object(`"n":{"type":"integer"}`), `{"n":0}`, `{"n":0}`},
		{"-0", object(`"n":{"type":"integer"}`), `{"n":-0}`, `{"n":0}`},
		{"-0.0 is none of what 1 is", object(`"n":{"type":"integer","minimum":0}`), `{"n":-0.0}`, `{"n":0}`},
		{"an integer with a fraction of nothing", object(`"n":{"type":"integer"}`), `{"n":1.0}`, `{"n":1}`},
		{"an integer with an exponent", object(`"n":{"type":"integer"}`), `{"n":1e2}`, `{"n":100}`},
		{"an integer with a negative exponent", object(`"n":{"type":"integer"}`), `{"n":1200e-2}`, `{"n":12}`},
		{"no integer", object(`"n":{"type":"integer"}`), `{"n":1.5}`, schema + "/n"},
		{"2^53-1", object(`"n":{"type":"integer"}`), `{"n":9007199254740991}`, `{"n":9007199254740991}`},
		{"2^53", object(`"n":{"type":"integer"}`), `{"n":9007199254740992}`, `{"n":9007199254740992}`},
		{"2^53+1", object(`"n":{"type":"integer"}`), `{"n":9007199254740993}`, number + "/n"},
		{"2^53+2", object(`"n":{"type":"integer"}`), `{"n":9007199254740994}`, `{"n":9007199254740994}`},
		{"2^60: a double has it, but does not write it so", object(`"n":{"type":"integer"}`), `{"n":1152921504606846976}`, number + "/n"},
		{"as 2^60 is written: a double has another", object(`"n":{"type":"integer"}`), `{"n":1152921504606847000}`, number + "/n"},
		{"the most a Long holds", object(`"n":{"type":"integer"}`), `{"n":9223372036854775807}`, number + "/n"},
		{"the least a Long holds", object(`"n":{"type":"integer"}`), `{"n":-9223372036854775808}`, number + "/n"},
		{"more than a Long holds", object(`"n":{"type":"integer"}`), `{"n":1e19}`, number + "/n"},
		{"more than anything holds", object(`"n":{"type":"integer"}`), `{"n":1e999999999999}`, number + "/n"},
		{"a decimal", object(`"n":{"type":"number"}`), `{"n":0.1}`, `{"n":decimal("0.1")}`},
		{"an integer for a decimal", object(`"n":{"type":"number"}`), `{"n":-3}`, `{"n":decimal("-3.0")}`},
		{"four places", object(`"n":{"type":"number"}`), `{"n":-0.1234}`, `{"n":decimal("-0.1234")}`},
		{"five places", object(`"n":{"type":"number"}`), `{"n":0.12345}`, number + "/n"},
		{"five places with a zero", object(`"n":{"type":"number"}`), `{"n":0.12340}`, `{"n":decimal("0.1234")}`},
		{"a decimal that no double has", object(`"n":{"type":"number"}`), `{"n":922337203685477.5807}`, number + "/n"},
		{"more than a decimal holds", object(`"n":{"type":"number"}`), `{"n":1e15}`, number + "/n"},
		{"less than any double", object(`"n":{"type":"number"}`), `{"n":1e-400}`, number + "/n"},

		{"minimum", object(`"n":{"type":"number","minimum":0.5}`), `{"n":0.4999}`, schema + "/n"},
		{"minimum itself", object(`"n":{"type":"number","minimum":0.5}`), `{"n":5e-1}`, `{"n":decimal("0.5")}`},
		{"exclusiveMinimum", object(`"n":{"type":"integer","exclusiveMinimum":1}`), `{"n":1}`, schema + "/n"},
		{"maximum", object(`"n":{"type":"integer","maximum":-10}`), `{"n":-9}`, schema + "/n"},
		{"maximum beyond doubles", object(`"n":{"type":"integer","maximum":9007199254740992}`), `{"n":9007199254740993}`, schema + "/n"},
		{"exclusiveMaximum", object(`"n":{"type":"integer","exclusiveMaximum":10}`), `{"n":10.0}`, schema + "/n"},
		{"exclusiveMaximum, less", object(`"n":{"type":"integer","exclusiveMaximum":10}`), `{"n":9}`, `{"n":9}`},
		{"multipleOf", object(`"n":{"type":"number","multipleOf":0.1}`), `{"n":0.3}`, `{"n":decimal("0.3")}`},
		{"no multiple", object(`"n":{"type":"number","multipleOf":0.1}`), `{"n":0.35}`, schema + "/n"},

		{"too short", object(`"a":{"type":"string","minLength":2}`), `{"a":"é"}`, schema + "/a"},
		{"as long as it may be, in code points", object(`"a":{"type":"string","maxLength":2}`), `{"a":"é😀"}`, `{"a":"é😀"}`},
		{"too long, decomposed", object(`"a":{"type":"string","maxLength":1}`), `{"a":"e\u0301"}`, schema + "/a"},
		{"pattern", object(`"a":{"type":"string","pattern":"^[\\u0061-c]+$"}`), `{"a":"abc"}`, `{"a":"abc"}`},
		{"not the pattern", object(`"a":{"type":"string","pattern":"^[a-c]+$"}`), `{"a":"abcd"}`, schema + "/a"},
		{"a pattern that Go cannot say", object(`"a":{"type":"string","pattern":"^(?!x)"}`), `{"a":"x"}`, `{"a":"x"}`},
		{"enum", object(`"a":{"enum":["x","é"]}`), `{"a":"\u00e9"}`, `{"a":"é"}`},
		{"enum, decomposed", object(`"a":{"enum":["x","é"]}`), `{"a":"e\u0301"}`, schema + "/a"},
		{"enum, look-alike", object(`"a":{"enum":["admin"]}`), `{"a":"аdmin"}`, schema + "/a"},
		{"enum of integers", object(`"a":{"enum":[1,2]}`), `{"a":2.0}`, `{"a":2}`},
		{"enum of integers, no double's", object(`"a":{"type":"integer","enum":[9007199254740992]}`), `{"a":9007199254740993}`, schema + "/a"},
		{"enum with null", object(`"a":{"enum":["x",null]}`), `{"a":null}`, `{"a":{"null":true}}`},
		{"enum of objects", object(`"a":{"enum":[{"b":[1],"c":2}]}`), `{"a":{"c":2.0,"b":[1]}}`, `{}`},
		{"none of the objects", object(`"a":{"enum":[{"b":[1],"c":2}]}`), `{"a":{"c":2,"b":[2]}}`, schema + "/a"},
		{"const", object(`"a":{"const":true}`), `{"a":true}`, `{"a":true}`},
		{"not const", object(`"a":{"const":true}`), `{"a":false}`, schema + "/a"},
		{"const null", object(`"a":{"const":null}`), `{"a":0}`, schema + "/a"},
		{"nothing fits", object(`"a":false`), `{"a":0}`, schema},
		{"anything fits", object(`"a":true`), `{"a":0}`, `{}`},

		{"a reference", `{"type":"object","properties":{"a":{"$ref":"#/$defs/x~1y"}},"$defs":{"x/y":{"type":"integer"}}}`, `{"a":1}`, `{"a":1}`},
		{"a reference, wrong", `{"type":"object","properties":{"a":{"$ref":"#/$defs/x"}},"$defs":{"x":{"type":"integer"}}}`, `{"a":"1"}`, schema + "/a"},
		{"what contains itself", `{"type":"object","properties":{"v":{"type":"integer"},"next":{"$ref":"#"}}}`, `{"v":1,"next":{"v":2,"next":{"v":"x"}}}`, schema + "/next/next/v"},
		{"beside a reference, 2020-12", object(`"a":{"$ref":"#/properties/b","maximum":5},"b":{"type":"integer"}`), `{"a":6}`, schema},
		{"beside a reference, draft-07", `{"$schema":"http://json-schema.org/draft-07/schema#","type":"object","properties":{"a":{"$ref":"#/definitions/b","maximum":5}},"definitions":{"b":{"type":"integer"}}}`, `{"a":6}`, `{"a":6}`},
		{"oneOf", object(`"a":{"oneOf":[{"type":"integer"},{"type":"string"}]}`), `{"a":true}`, schema},
		{"oneOf, one", object(`"a":{"oneOf":[{"type":"integer"},{"type":"string"}]}`), `{"a":1}`, `{}`},
		{"null that fits oneOf twice", object(`"a":{"oneOf":[{"type":["string","null"]},{"type":"null"}]}`), `{"a":null}`, schema},
		{"null that fits oneOf once", object(`"a":{"oneOf":[{"type":"string"},{"type":"null"}]}`), `{"a":null}`, `{"a":{"null":true}}`},
		{"an address of its own", `{"$id":"order.json","type":"object","properties":{"a":{"$ref":"#/$defs/x"}},"oneOf":[{"required":["a"]}],"$defs":{"x":{"type":"integer"}}}`, `{"a":1}`, `{"a":1}`},
		{"if and then", object(`"a":{"type":"integer","if":{"minimum":5},"then":{"multipleOf":5}}`), `{"a":6}`, schema},
		{"either member", `{"type":"object","properties":{"a":{"type":"string"},"b":{"type":"string"}},"anyOf":[{"required":["a"]},{"required":["b"]}]}`, `{}`, schema},
		{"either member, one", `{"type":"object","properties":{"a":{"type":"string"},"b":{"type":"string"}},"anyOf":[{"required":["a"]},{"required":["b"]}]}`, `{"b":"x"}`, `{"b":"x"}`},
		{"by the pattern of a name", `{"type":"object","patternProperties":{"^n_":{"type":"integer"}},"additionalProperties":false}`, `{"n_a":"x"}`, schema},
		{"dependent, draft-07", `{"$schema":"http://json-schema.org/draft-07/schema#","type":"object","dependencies":{"a":["b"]}}`, `{"a":1}`, schema},
		{"a tuple", object(`"a":{"type":"array","prefixItems":[{"type":"integer"}],"items":false}`), `{"a":[1,2]}`, schema},
		{"a number that no double holds, beside alternatives", object(`"a":{"oneOf":[{"type":"integer"}]},"n":{},"o":{"not":{}}`), `{"n":1e400}`, schema},
		{"deeper than is looked at", `{"type":"object","properties":{"a":{"$ref":"#"}}}`, strings.Repeat(`{"a":`, 101) + "{}" + strings.Repeat("}", 101), "args.bounds" + " " + strings.Repeat("/a", 100)},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := tool(t, c.schema)
			if got := said(a.read(mcp.Operation{Args: jsontext.Value(c.args)}, everything)); got != c.want {
				t.Errorf("%s\n%s\ngot  %s\nwant %s", c.schema, c.args, got, c.want)
			}
		})
	}
}

// What rules do not read is not built, and its numbers need not be exact; it is checked all the same.
func TestArgumentsRead(t *testing.T) {
	a := tool(t, `{"type":"object","properties":{"n":{"type":"integer"},"o":{"type":"object","properties":{"x":{"type":"string"},"y":{"type":"string"}}},"v":{"type":["integer","null"]}},"required":["n"]}`)
	const args = `{"n":9007199254740993,"o":{"x":"1","y":"2"},"v":9007199254740993}`
	o := &reading{members: map[string]*reading{"o": {members: map[string]*reading{"x": everything}}}}
	null := &reading{members: map[string]*reading{"v": {members: map[string]*reading{"null": everything}}}}
	for _, c := range []struct {
		name  string
		reads *reading
		args  string
		want  string
	}{
		{"nothing", nil, args, `{}`}, {"a member of a member", o, args, `{"o":{"x":"1"}}`}, {"whether it is null", null, args, `{"v":{"null":false}}`},
		{"an inexact one", &reading{members: map[string]*reading{"n": everything}}, args, "args.number /n"},
		{"nothing, which does not fit", nil, `{"n":"1"}`, "args.schema /n"}, {"nothing, without arguments", nil, ``, "args.schema /n"},
		{"nothing, another case", nil, `{"N":1,"n":1}`, `{}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			var raw jsontext.Value
			if c.args != "" {
				raw = jsontext.Value(c.args)
			}
			if got := said(a.read(mcp.Operation{Args: raw}, c.reads)); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

// A refusal says neither a value nor a name that only the caller gave.
func TestRefusalsAreSilent(t *testing.T) {
	a := tool(t, `{"type":"object","properties":{"a":{"type":"string","maxLength":1},"b":{"type":"integer"},"c":{"enum":["x"]},"d":{"anyOf":[{"type":"string","const":"x"},{"type":"boolean"}]}},"additionalProperties":{"type":"boolean"}}`)
	for _, args := range []string{`{"a":"s3cret"}`, `{"b":"s3cret"}`, `{"c":"s3cret"}`, `{"d":"s3cret"}`, `{"s3cret":1}`, `{"s3cret":{"a":1}}`, `{"b":1.5,"s3cret":true}`} {
		if _, refused := a.read(mcp.Operation{Args: jsontext.Value(args)}, everything); refused == nil || strings.Contains(refused.Error(), "s3cret") {
			t.Errorf("%s: %v", args, refused)
		}
	}
}

// Of several accepted definitions a call must fit one, and what rules see of it does not hang on which one that is: a caller would
// choose the one that hides the most.
func TestSeveralDefinitions(t *testing.T) {
	a := tool(t,
		`{"type":"object","properties":{"id":{"type":"integer"},"force":{"type":"boolean"},"kind":{"type":"string"}},"required":["id"]}`,
		`{"type":"object","properties":{"id":{"type":"integer"},"kind":{"type":"integer"}},"required":["id","kind"]}`)
	want := map[string]bool{"id": false, "force": true} // optional
	got := map[string]bool{}
	for name, m := range a.typ.members {
		got[name] = m.optional
	}
	if diff := cmp.Diff(want, got); diff != "" || a.typ.opaque["kind"] == "" {
		t.Errorf("the type: %s, opaque %v", diff, a.typ.opaque)
	}
	for _, c := range []struct{ args, want string }{
		{`{"id":1,"force":true,"kind":"x"}`, `{"force":true, "id":1}`},
		{`{"id":1,"force":true,"kind":2}`, `{"force":true, "id":1}`},
		{`{"id":1,"force":"yes","kind":2}`, "args.schema /force"},
		{`{"id":1,"kind":true}`, "args.schema /kind"},
	} {
		if got := said(a.read(mcp.Operation{Args: jsontext.Value(c.args)}, everything)); got != c.want {
			t.Errorf("%s: got %s, want %s", c.args, got, c.want)
		}
	}
}

// What would be slow, for the library or for Cedar's sets, is refused before.
func TestArgumentBounds(t *testing.T) {
	filter := tool(t, `{"type":"object","properties":{"f":{"$ref":"#/$defs/f"}},"$defs":{"f":{"anyOf":[{"properties":{"and":{"$ref":"#/$defs/f"}}},{"properties":{"and":{"$ref":"#/$defs/f"}}}]}}}`)
	list := tool(t, `{"type":"object","properties":{"a":{"type":"array","items":{"type":"integer"}},"s":{"type":"array","items":{"type":"array","items":{"type":"array","items":{"type":"integer"}}}}}}`)
	thousand := strings.TrimSuffix(strings.Repeat("1,", 1001), ",")
	rows := strings.TrimSuffix(strings.Repeat("[1,2,3,4,5,6,7,8,9,10],", 1000), ",")
	for _, c := range []struct {
		name string
		of   *accepted
		args string
		want string
	}{
		{"alternatives, shallow", filter, `{"f":{"and":{"and":{}}}}`, `{}`},
		{"alternatives within alternatives", filter, `{"f":` + strings.Repeat(`{"and":`, 60) + `1` + strings.Repeat("}", 61), "args.bounds "},
		{"elements", list, `{"a":[` + thousand + `]}`, "args.bounds /a"},
		{"values", list, `{"s":[[` + rows + `]]}`, "args.bounds /s/0/908/8"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := said(c.of.read(mcp.Operation{Args: jsontext.Value(c.args)}, everything)); got != c.want {
				t.Errorf("got %.100s, want %s", got, c.want)
			}
		})
	}
}

// What no reader of arguments may meet does not bring the walk down.
func TestArgumentsThatAreNoJSON(t *testing.T) {
	a := tool(t, `{"type":"object","properties":{"a":{"type":"array","items":{"type":"number"},"uniqueItems":true},"b":{"enum":[{}]},"c":{"type":"string"}}}`)
	whole := `{"a":[1,{"x":"\n"}],"b":{"y":[1,"2"]},"c":"\u00e9","d":[{"e":null}]}`
	for i := range whole {
		if _, refused := a.read(mcp.Operation{Args: jsontext.Value(whole[:i])}, everything); refused == nil {
			t.Errorf("%s is accepted", whole[:i])
		}
	}
	for _, args := range []string{`{"d":}`, `{"d":,}`, `{"d":1}}`, `{"d" 1}`, `{"c":"\x"}`, `{"d":{1}`, `]`, `{"a":[1 2]}`, `{"n":01}`[:4], `{"a":[01]}`, `{"a":[1.]}`, `{"a":[.5]}`, `{"a":[1e]}`, `{"a":[-]}`, `{"b":{"a"}}`, `{"b":[1`} {
		if _, refused := a.read(mcp.Operation{Args: jsontext.Value(args)}, everything); refused == nil {
			t.Errorf("%s is accepted", args)
		}
	}
}
