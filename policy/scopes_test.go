package policy_test

import (
	"context"
	"net/textproto"
	"testing"

	"github.com/doorward-mcp/doorward/mcp"
	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/policy"
	"github.com/doorward-mcp/doorward/token"
)

var crm = policy.NewScopes(oauth.NewScopes("use"), map[string]oauth.Scopes{"admin": {"write"}, "write": {"read", "admin"}, "other": nil},
	policy.Need{Scopes: oauth.NewScopes("admin"), Tools: []string{"delete_user", "drop_*"}},
	policy.Need{Scopes: oauth.NewScopes("read"), Methods: []string{"resources/*", "completion/complete"}},
	policy.Need{Scopes: oauth.NewScopes("reports"), Resources: []string{"file:///reports/{name}", "db://{+path}/secret"}},
	policy.Need{Scopes: oauth.NewScopes("wiki"), Resources: []string{"https://wiki.example/*"}},
	policy.Need{Scopes: oauth.NewScopes("write"), Prompts: []string{"rewrite"}, Methods: []string{"prompts/get"}},
	policy.Need{Scopes: oauth.NewScopes("talk"), Methods: []string{"answer", "stream"}},
	policy.Need{Scopes: oauth.NewScopes("long"), Methods: []string{"tasks/*"}},
)

// What an operation needs, by its method and by what it is about, however it is spelt.
func TestNeeded(t *testing.T) {
	for _, c := range []struct{ name, method, params, want string }{
		{"a tool that is not named", "tools/call", `"name":"find"`, "use"}, {"a named tool", "tools/call", `"name":"delete_user"`, "admin use"},
		{"a tool of a pattern", "tools/call", `"name":"drop_table"`, "admin use"}, {"almost of the pattern", "tools/call", `"name":"xdrop_table"`, "use"},
		{"another case is another tool", "tools/call", `"name":"Delete_User"`, "use"}, {"a name with a line in it", "tools/call", `"name":"drop_\n"`, "admin use"},
		{"a resource", "resources/read", `"uri":"file:///a"`, "read use"}, {"a named resource", "resources/read", `"uri":"file:///reports/q1"`, "read reports use"},
		{"subscribing to it", "resources/subscribe", `"uri":"file:///reports/q1"`, "read reports use"},
		{"completing it", "completion/complete", `"ref":{"type":"ref/resource","uri":"file:///reports/{name}"},"argument":{}`, "read reports use"},
		{"below it", "resources/read", `"uri":"file:///reports/q1/x"`, "read use"}, {"with dots", "resources/read", `"uri":"file:///other/../reports/q1"`, "read reports use"},
		{"escaped", "resources/read", `"uri":"file:///%72eports/q1"`, "read reports use"}, {"escaped dots", "resources/read", `"uri":"file:///other/%2e%2e/reports/q1"`, "read reports use"},
		{"escaped twice", "resources/read", `"uri":"file:///%2572eports/q1"`, "read reports use"}, {"slashes twice", "resources/read", `"uri":"file:////reports//q1"`, "read reports use"},
		{"backslashes", "resources/read", `"uri":"file:///other\\..\\reports\\q1"`, "read reports use"}, {"a slash at the end", "resources/read", `"uri":"file:///reports/q1/"`, "read reports use"}, {"a query", "resources/read", `"uri":"file:///reports/q1?x=/y"`, "read reports use"},
		{"capital letters", "resources/read", `"uri":"FILE:///Reports/q1"`, "read reports use"},
		{"a tab that many parsers take out", "resources/read", `"uri":"file:///rep\torts/q1"`, "read reports use wiki"}, {"a space before it", "resources/read", `"uri":" file:///reports/q1"`, "read reports use wiki"}, {"an escaped line end", "resources/read", `"uri":"file:///rep%0Aorts/q1"`, "read reports use wiki"},
		{"one slash", "resources/read", `"uri":"file:/reports/q1"`, "read reports use"}, {"no slash", "resources/read", `"uri":"file:reports/q1"`, "read reports use"}, {"a host that is none", "resources/read", `"uri":"file://localhost/reports/q1"`, "read reports use"},
		{"a port that need not be said", "resources/read", `"uri":"https://wiki.example:443/x"`, "read use wiki"}, {"a name before the host", "resources/read", `"uri":"https://a:b@wiki.example/x"`, "read use wiki"}, {"the host without slashes", "resources/read", `"uri":"https:wiki.example/x"`, "read use wiki"},
		{"three slashes", "resources/read", `"uri":"https:///wiki.example/x"`, "read use wiki"}, {"wide letters", "resources/read", `"uri":"https://ｗiki.example/x"`, "read reports use wiki"}, {"another host", "resources/read", `"uri":"https://other.example/x"`, "read use"}, {"a scheme without host", "resources/read", `"uri":"note:a/../b"`, "read use"},
		{"what cannot be read", "resources/read", `"uri":"file:///%zz"`, "read reports use wiki"}, {"an expression that holds slashes", "resources/read", `"uri":"db://a/b/secret"`, "read reports use"},
		{"a prompt of a pattern and method", "prompts/get", `"name":"rewrite"`, "use write"}, {"the same prompt by another method", "completion/complete", `"ref":{"type":"ref/prompt","name":"rewrite"},"argument":{}`, "read use"},
		{"a tool of the prompt's name", "tools/call", `"name":"rewrite"`, "use"}, {"a task", "tasks/get", `"taskId":"t"`, "long use"}, {"a method that nobody knows", "vendor/x", "", "use"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := crm.Needed(operation(t, "POST", `{"jsonrpc":"2.0","id":1,"method":"`+c.method+`","params":{`+c.params+`}}`)).String(); got != c.want {
				t.Errorf("%q, not %q", got, c.want)
			}
		})
	}
	for name, op := range map[string]mcp.Operation{"stream": operation(t, "GET", ""), "answer": operation(t, "POST", `{"jsonrpc":"2.0","id":1,"result":{}}`)} {
		if got := crm.Needed(op).String(); got != "talk use" {
			t.Errorf("%s: %q", name, got)
		}
	}
	if got := crm.Needed(operation(t, "DELETE", "")).String(); got != "use" {
		t.Errorf("end: %q", got)
	}
	if got := (policy.Scopes{}).Needed(mcp.Operation{}).String(); got != oauth.DefaultScope {
		t.Errorf("the zero Scopes ask for %q", got)
	}
}

// A scope is good for what it includes, through others too, and a circle ends. Everything that is lacking is said at once.
func TestDecideByScopes(t *testing.T) {
	read, remove := operation(t, "POST", `{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"file:///reports/a"}}`), operation(t, "POST", `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"delete_user"}}`)
	for _, c := range []struct {
		name    string
		op      mcp.Operation
		have    oauth.Scopes
		missing string
	}{
		{"nothing", read, nil, "read reports use"}, {"the half", read, oauth.NewScopes("use", "reports"), "read"}, {"all", read, oauth.NewScopes("use", "reports", "read"), ""},
		{"one that includes it", read, oauth.NewScopes("use", "reports", "write"), ""}, {"one that includes it through another", read, oauth.NewScopes("use", "reports", "admin"), ""},
		{"a circle gives both", remove, oauth.NewScopes("use", "write"), ""}, {"the included is not the wide one", remove, oauth.NewScopes("use", "read"), "admin"}, {"one that includes nothing", remove, oauth.NewScopes("use", "other"), "admin"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := policy.ScopesOnly{Scopes: crm}.Decide(context.Background(), policy.Request{Operation: c.op, Caller: caller(c.have)})
			if d.Lacking.Scopes.String() != c.missing || (d.Verdict == policy.Allow) != (c.missing == "") {
				t.Errorf("%s %q", d.Verdict, d.Lacking.Scopes)
			}
		})
	}
	if d := (policy.ScopesOnly{}).Decide(context.Background(), policy.Request{Caller: token.Caller{Scopes: oauth.NewScopes(oauth.DefaultScope)}}); d.Verdict != policy.Deny {
		t.Errorf("nobody: %s", d.Verdict)
	}
}

// A list shows what using it would be allowed for; a template stands for what it makes.
func TestVisibleByScopes(t *testing.T) {
	items := []mcp.Item{{Kind: mcp.ItemTool, Name: "find"}, {Kind: mcp.ItemTool, Name: "drop_x"}, {Kind: mcp.ItemResource, Name: "file:///a"}, {Kind: mcp.ItemResource, Name: "file:///reports/a"}, {Kind: mcp.ItemTemplate, Name: "file:///reports/{name}"}, {Kind: mcp.ItemPrompt, Name: "rewrite"}}
	got := policy.ScopesOnly{Scopes: crm}.Visible(context.Background(), policy.Request{Caller: caller(oauth.NewScopes("use", "read"))}, items)
	want := []bool{true, false, true, false, false, false}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("%v: %t", items[i], got[i])
		}
	}
}

func caller(scopes oauth.Scopes) token.Caller {
	return token.Caller{Principal: token.Principal{Issuer: "i", Subject: "s"}, Scopes: scopes}
}

func operation(t *testing.T, method, body string) mcp.Operation {
	t.Helper()
	h := textproto.MIMEHeader{"Content-Type": {"application/json"}, "Accept": {"application/json, text/event-stream"}, "Mcp-Protocol-Version": {"2025-11-25"}}
	m, err := mcp.Read(method, h, []byte(body))
	if err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	return m.Operations[0]
}
