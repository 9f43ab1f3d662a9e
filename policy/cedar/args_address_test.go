package cedar

import (
	"testing"

	"github.com/cedar-policy/cedar-go/x/exp/schema"
	"github.com/cedar-policy/cedar-go/x/exp/schema/resolved"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"

	"github.com/doorward-mcp/doorward/mcp"
)

// What an address says for a template's variables is what a server reads, however it is spelt; where servers differ, it is refused.
func TestAddressArguments(t *testing.T) {
	const unsure, twice = "args.uri /", "args.uri /uri"
	for _, c := range []struct {
		name, template, address string
		makes                   bool
		want                    string
	}{
		{"plain", "file:///r/{year}/{name}", "file:///r/2026/sales", true, `{"name":"sales", "uri":"file:///r/2026/sales", "year":"2026"}`},
		{"escaped", "file:///r/{year}/{name}", "file:///r/2026/%73ales", true, `{"name":"sales", "uri":"file:///r/2026/sales", "year":"2026"}`},
		{"with dots", "file:///r/{year}/{name}", "file:///r/x/../2026/./sales", true, `{"name":"sales", "uri":"file:///r/2026/sales", "year":"2026"}`},
		{"dots that leave it", "file:///r/{year}/{name}", "file:///r/2026/../../etc/passwd", false, ""},
		{"escaped dots that leave it", "file:///r/{name}", "file:///r/%2e%2e%2fsecret", true, unsure + "name"},
		{"another one", "file:///r/{year}/{name}", "file:///s/2026/sales", false, ""},
		{"a slash at the end", "file:///r/{name}", "file:///r/a/", true, `{"name":"a", "uri":"file:///r/a"}`},
		{"another case", "file:///r/{name}", "FILE:///R/Sales", true, `{"name":"Sales", "uri":"file:///R/Sales"}`},
		{"a query that the template has not", "file:///r/{name}", "file:///r/secret?x", true, unsure + "name"},
		{"a fragment that the template has not", "file:///r/{name}", "file:///r/secret#x", true, unsure + "name"},
		{"escaped twice", "file:///r/{name}", "file:///r/%2561", true, twice},
		{"an escape that is none", "file:///r/{name}", "file:///r/%zz", true, twice},
		{"a line end", "file:///r/{name}", "file:///r/a\nb", true, twice},
		{"two ways to read it", "x:///{a}-{b}", "x:///1-2-3", true, unsure + "a"},
		{"one way to read it", "x:///{a}-{b}", "x:///1-2", true, `{"a":"1", "b":"2", "uri":"x:///1-2"}`},
		{"slashes where they may be", "x:///{+path}", "x:///a/b", true, `{"path":"a/b", "uri":"x:///a/b"}`},
		{"a list", "x:///{a,b}", "x:///1,2", true, `{"a":"1", "b":"2", "uri":"x:///1,2"}`},
		{"a longer list", "x:///{a,b}", "x:///1,2,3", true, unsure + "a"},
		{"an operator", "x:///{a}{?q}", "x:///1?q=2", true, unsure + "a"},
		{"only operators", "x:///s{?q,limit*}", "x:///s?q=2", true, `{"uri":"x:///s?q=2"}`},
		{"a name twice", "x:///{a}/{a}", "x:///1/2", true, `{"uri":"x:///1/2"}`},
		{"a variable with the name of all", "x:///{uri}", "x:///1", true, `{"uri":"x:///1"}`},
		{"no variable", "x:///info", "x:///info", true, `{"uri":"x:///info"}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := newTemplate(c.template)
			if got := a.makes(c.address); got != c.makes {
				t.Fatalf("makes it: %t", got)
			}
			if !c.makes {
				return
			}
			r, refused := a.read(mcp.Operation{Name: c.address}, everything)
			if got := said(r, refused); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
			if refused == nil && !a.typ.holds(r) {
				t.Errorf("%s is no value of its type", r)
			}
			if _, refused := a.read(mcp.Operation{Name: c.address}, nil); refused != nil {
				t.Errorf("refused, though nobody reads it: %v", refused)
			}
		})
	}
	if got := said(addresses.read(mcp.Operation{Name: "HTTPS://Example.com:443/%61"}, everything)); got != `{"uri":"https://Example.com/a"}` {
		t.Errorf("an address of no template: %s", got)
	}
}

// The schema for people is the one that Load makes for the engine.
func TestSchemaIsTheEngines(t *testing.T) {
	d := NewDefinitions("crm")
	for kind, raws := range map[string][]string{
		mcp.ItemTool: {`{"name":"order","inputSchema":` + orderSchema + `}`, `{"name":"order","description":"2","inputSchema":` + orderSchema[:len(orderSchema)-1] + `,"title":"x"}}`}, mcp.ItemPrompt: {`{"name":"p","arguments":[{"name":"in"}]}`}, mcp.ItemTemplate: {`{"uriTemplate":"x:///{a}{?b}"}`},
	} {
		for _, raw := range raws {
			if _, err := d.Accept(kind, jsontext.Value(raw)); err != nil {
				t.Fatal(err)
			}
		}
	}
	var read schema.Schema
	if err := read.UnmarshalCedar(d.Schema()); err != nil {
		t.Fatal(err)
	}
	m := manifest{Servers: map[string]manifestServer{"crm": {}}}
	actions := []*action{{id: "crm:connect"}, {id: "crm:resource", item: addresses.item, args: addresses, groups: groupsOf(m, "crm", addresses.item)}}
	for _, one := range d.items() {
		actions = append(actions, &action{id: actionID("crm", one.item), item: one.item, args: one, groups: groupsOf(m, "crm", one.item)})
	}
	want, err := resolved.Resolve(schemaOf(m, actions))
	if err != nil {
		t.Fatal(err)
	}
	got, err := read.Resolve()
	if err != nil {
		t.Fatal(err)
	}
	for uid, action := range want.Actions {
		if diff := cmp.Diff(action.AppliesTo, got.Actions[uid].AppliesTo); diff != "" {
			t.Errorf("%s: %s", uid, diff)
		}
	}
	if len(got.Actions) != len(want.Actions) || len(got.Entities) != len(want.Entities) {
		t.Errorf("%d actions and %d entity types, %d and %d", len(got.Actions), len(got.Entities), len(want.Actions), len(want.Entities))
	}
}
