package authzen_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/doorward-mcp/doorward/mcp"
	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/policy"
	"github.com/doorward-mcp/doorward/policy/authzen"
	"github.com/doorward-mcp/doorward/token"
)

const server = "https://mcp.example/crm"

var alice = token.Caller{Principal: token.Principal{Issuer: "https://house.example", Subject: "alice"}, Client: "https://agent.example/client.json"}

func request(kind, name, method string) policy.Request {
	op := mcp.Operation{Kind: mcp.KindRequest, Method: method}
	if kind != "" {
		op = mcp.Item{Kind: kind, Name: name}.Use()
		op.Method = method
	}
	return policy.Request{Server: server, Operation: op, Caller: alice}
}

// COAZ-MCP, Default Mappings: what is asked for each method, what passes without a question, and that nothing else does.
func TestDefaultMappings(t *testing.T) {
	for _, c := range []struct {
		name string
		r    policy.Request
		want string // the question without subject and context; empty: there is none
		code string
	}{
		{"initialize", request("", "", "initialize"), `{"name":"initialize"} {"type":"mcp_server","id":"` + server + `"}`, "authzen.allowed"},
		{"server/discover", request("", "", "server/discover"), `{"name":"server/discover"} {"type":"mcp_server","id":"` + server + `"}`, "authzen.allowed"},
		{"tools/list", request("", "", "tools/list"), `{"name":"tools/list"} {"type":"mcp_server","id":"` + server + `"}`, "authzen.allowed"},
		{"tools/call", request(mcp.ItemTool, "delete_user", "tools/call"), `{"name":"tools/call"} {"type":"tool","id":"delete_user","properties":{"server":"` + server + `"}}`, "authzen.allowed"},
		{"prompts/get", request(mcp.ItemPrompt, "rewrite", "prompts/get"), `{"name":"prompts/get"} {"type":"prompt","id":"rewrite","properties":{"server":"` + server + `"}}`, "authzen.allowed"},
		{"resources/read", request(mcp.ItemResource, "file:///a", "resources/read"), `{"name":"resources/read"} {"type":"resource","id":"file:///a","properties":{"server":"` + server + `"}}`, "authzen.allowed"},
		{"resources/subscribe", request(mcp.ItemResource, "file:///a", "resources/subscribe"), `{"name":"resources/subscribe"} {"type":"resource","id":"file:///a","properties":{"server":"` + server + `"}}`, "authzen.allowed"},
		{"completion of a prompt", request(mcp.ItemPrompt, "rewrite", "completion/complete"), `{"name":"completion/complete"} {"type":"prompt","id":"rewrite","properties":{"server":"` + server + `"}}`, "authzen.allowed"},
		{"completion of a template", request(mcp.ItemTemplate, "file:///{a}", "completion/complete"), `{"name":"completion/complete"} {"type":"resource","id":"file:///{a}","properties":{"server":"` + server + `"}}`, "authzen.allowed"},
		{"tasks/get", request(mcp.ItemTask, "t1", "tasks/get"), `{"name":"tasks/get"} {"type":"task","id":"t1","properties":{"server":"` + server + `"}}`, "authzen.allowed"},
		{"ping", request("", "", "ping"), "", "authzen.allowed"},
		{"a notification", policy.Request{Server: server, Operation: mcp.Operation{Kind: mcp.KindNotification, Method: "notifications/cancelled"}, Caller: alice}, "", "authzen.allowed"},
		{"a request that is called a notification", request("", "", "notifications/run"), "", "authzen.method"},
		{"a method that nobody knows", request("", "", "vendor/x"), "", "authzen.method"},
		{"a call without a tool", request("", "", "tools/call"), "", "authzen.method"},
		{"nobody", policy.Request{Server: server, Operation: mcp.Item{Kind: mcp.ItemTool, Name: "x"}.Use()}, "", "no_caller"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var asked []byte
			d := (&authzen.Client{Post: func(_ context.Context, body []byte) ([]byte, error) {
				asked = body
				return []byte(`{"decision":true,"context":{"any":1}}`), nil
			}}).Decide(t.Context(), c.r)
			if d.Code != c.code || (d.Verdict == policy.Allow) != (c.code == "authzen.allowed") {
				t.Errorf("%s %s", d.Verdict, d.Code)
			}
			if c.want == "" {
				if asked != nil {
					t.Errorf("asked: %s", asked)
				}
				return
			}
			var q struct{ Subject, Action, Resource, Context json.RawMessage }
			if err := json.Unmarshal(asked, &q); err != nil {
				t.Fatal(err)
			}
			if got := string(q.Action) + " " + string(q.Resource); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
			if string(q.Subject) != `{"type":"identity","id":"alice"}` || string(q.Context) != `{"agent":"https://agent.example/client.json"}` {
				t.Errorf("subject %s, context %s", q.Subject, q.Context)
			}
		})
	}
}

// A person or client of another issuer is not one of ours who has the same name.
func TestNamesOfOtherIssuers(t *testing.T) {
	var asked struct {
		Subject struct{ ID string }
		Context struct{ Agent string }
	}
	c := &authzen.Client{Post: func(_ context.Context, body []byte) ([]byte, error) {
		return []byte(`{"decision":true}`), json.Unmarshal(body, &asked)
	}}
	r := request(mcp.ItemTool, "x", "tools/call")
	r.Caller.Issuer, r.Caller.Foreign = "https://other.example", true
	c.Decide(t.Context(), r)
	if asked.Subject.ID != "https://other.example#alice" || asked.Context.Agent != "https://other.example#https://agent.example/client.json" {
		t.Errorf("%+v", asked)
	}
}

// What a decision point obliges to stands in the decision, for whoever enforces it to meet or to refuse; the rest of the context is its own.
func TestObligations(t *testing.T) {
	c := &authzen.Client{Post: func(context.Context, []byte) ([]byte, error) {
		return []byte(`{"context":{"reason":{"a":1},"obligations":[{"id":"r1","type":"audit","properties":{"value":"full"},"more":[]},{"id":"r2","type":"custom"}]},"decision":true}`), nil
	}}
	d := c.Decide(t.Context(), request(mcp.ItemTool, "x", "tools/call"))
	if diff := cmp.Diff([]policy.Obligation{{Name: "audit", Value: "full", Rule: "r1"}, {Name: "custom", Rule: "r2"}}, d.Obligations); diff != "" || d.Verdict != policy.Allow {
		t.Errorf("%+v\n%s", d, diff)
	}
}

// What is no decision denies: the decision point fails closed.
func TestNoDecisionDenies(t *testing.T) {
	for name, answer := range map[string]string{"no": `{"decision":false}`, "nothing": ``, "no JSON": `yes`, "text": `{"decision":"true"}`, "a number": `{"decision":1}`, "null": `{"decision":null}`,
		"none": `{}`, "another case": `{"Decision":true}`, "twice": `{"decision":true,"decision":false}`, "twice the other way": `{"decision":false,"decision":true}`,
		"a list": `[{"decision":true}]`, "more behind it": `{"decision":true}{}`, "cut off": `{"decision":true`, "within": `{"context":{"decision":true}}`,
		"obligations that are none": `{"decision":true,"context":{"obligations":{"type":"audit"}}}`, "a context that is none": `{"decision":true,"context":[]}`} {
		t.Run(name, func(t *testing.T) {
			d := (&authzen.Client{Post: func(context.Context, []byte) ([]byte, error) { return []byte(answer), nil }}).Decide(t.Context(), request(mcp.ItemTool, "x", "tools/call"))
			if d.Verdict != policy.Deny || (d.Code == "authzen.denied") != (name == "no") {
				t.Errorf("%s %s", d.Verdict, d.Code)
			}
		})
	}
	var told error
	down := errors.New("down")
	d := (&authzen.Client{Post: func(context.Context, []byte) ([]byte, error) { return []byte(`{"decision":true}`), down }, Failed: func(_ context.Context, err error) { told = err }}).Decide(t.Context(), request(mcp.ItemTool, "x", "tools/call"))
	if d.Verdict != policy.Deny || d.Code != "authzen.unavailable" || !errors.Is(told, down) {
		t.Errorf("%s %s, told %v", d.Verdict, d.Code, told)
	}
	if d := (&authzen.Client{}).Decide(t.Context(), request(mcp.ItemTool, "x", "tools/call")); d.Verdict != policy.Deny {
		t.Errorf("the zero Client: %s", d.Verdict)
	}
}

// A list shows what could be used; beyond a bound nothing is asked, and nothing shown.
func TestVisible(t *testing.T) {
	var asked atomic.Int64
	c := &authzen.Client{Post: func(_ context.Context, body []byte) ([]byte, error) {
		asked.Add(1)
		if strings.Contains(string(body), `"secret"`) {
			return []byte(`{"decision":false}`), nil
		}
		return []byte(`{"decision":true}`), nil
	}}
	got := c.Visible(t.Context(), request("", "", "tools/list"), []mcp.Item{{Kind: mcp.ItemTool, Name: "open"}, {Kind: mcp.ItemTool, Name: "secret"}, {Kind: mcp.ItemResource, Name: "file:///a"}})
	if diff := cmp.Diff([]bool{true, false, true}, got); diff != "" || asked.Load() != 3 {
		t.Errorf("%s after %d questions", diff, asked.Load())
	}
	many := make([]mcp.Item, 501)
	for i := range many {
		many[i] = mcp.Item{Kind: mcp.ItemTool, Name: "t"}
	}
	if got := c.Visible(t.Context(), request("", "", "tools/list"), many); !got[499] || got[500] {
		t.Errorf("%t, then %t", got[499], got[500])
	}
}

// As a decision point, what is asked is decided as it is described, and the answer says why and what would help.
func TestHandler(t *testing.T) {
	noon := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	var got policy.Request
	h := authzen.Handler{Issuer: alice.Issuer, Now: func() time.Time { return noon },
		Server: func(name string) (string, bool) { return server, name == "crm" || name == server },
		Decide: func(_ context.Context, r policy.Request) policy.Decision {
			got = r
			if r.Operation.Name == "pay" {
				return policy.Decision{Verdict: policy.Challenge, Code: "approval_required", Title: "this needs an approval", Lacking: policy.Lacking{Approval: true, Scopes: oauth.NewScopes("pay")}, Obligations: []policy.Obligation{{Name: "notify"}}}
			}
			return policy.Decision{Verdict: policy.Allow, Code: "policy.allowed", Obligations: []policy.Obligation{{Name: "redact", Value: "/ssn", Rule: "staff"}}, Bundle: "sha256:1"}
		}}
	ask := func(body string) (string, error) {
		out, _, err := h.Answer(httptest.NewRequest("POST", authzen.Path, strings.NewReader(body)))
		return string(out), err
	}
	out, err := ask(`{"subject":{"type":"identity","id":"alice","properties":{"groups":["staff"],"scopes":["mcp","read"],"acr":"mfa","auth_time":1795348800,"name":"Alice","attributes":{"level":3,"regions":["eu"],"vip":true,"team":"x","odd":1.5}}},
		"action":{"name":"tools/call"},"resource":{"type":"tool","id":"find","properties":{"server":"crm","arguments":{"id":42}}},"context":{"agent":"app","ip":"192.0.2.7","more":1}}`)
	if err != nil || out != `{"decision":true,"context":{"code":"policy.allowed","obligations":[{"id":"staff","type":"redact","properties":{"value":"/ssn"}}],"bundle":"sha256:1"}}` {
		t.Errorf("%s %v", out, err)
	}
	item, _ := got.Operation.Item()
	if got.Server != server || item != (mcp.Item{Kind: mcp.ItemTool, Name: "find"}) || string(got.Operation.Args) != `{"id":42}` || got.Caller.Subject != "alice" || got.Caller.Client != "app" || got.Caller.ACR != "mfa" ||
		got.Caller.Scopes.String() != "mcp read" || got.Caller.Foreign || got.Client.String() != "192.0.2.7" || got.Caller.Authenticated.Unix() != 1795348800 || got.Facts.Name != "Alice" {
		t.Errorf("%+v", got)
	}
	if diff := cmp.Diff(map[string]any{"level": int64(3), "regions": []string{"eu"}, "vip": true, "team": "x"}, got.Facts.Attributes); diff != "" {
		t.Error(diff)
	}
	if out, err = ask(`{"subject":{"type":"identity","id":"alice"},"action":{"name":"tools/call"},"resource":{"type":"tool","id":"pay","properties":{"server":"crm"}},"context":{"agent":"app"}}`); err != nil ||
		out != `{"decision":false,"context":{"code":"approval_required","reason":"this needs an approval","lacking":{"scopes":["pay"],"approval":true}}}` {
		t.Errorf("%s %v", out, err)
	}
	if _, err = ask(`{"subject":{"type":"identity","id":"u","properties":{"issuer":"https://other.example"}},"action":{"name":"initialize"},"resource":{"type":"mcp_server","id":"` + server + `"},"context":{"agent":"a"}}`); err != nil || !got.Caller.Foreign {
		t.Errorf("%v %+v", err, got.Caller)
	}
	if _, err = ask(`{"subject":{"type":"agent","id":"robot"},"action":{"name":"tools/list"},"resource":{"type":"mcp_server","id":"crm"}}`); err != nil || got.Caller.Client != "robot" {
		t.Errorf("%v %+v", err, got.Caller)
	}
}

// A question that is none is refused, and nothing is decided.
func TestNoQuestion(t *testing.T) {
	h := authzen.Handler{Issuer: alice.Issuer, Now: time.Now, Server: func(name string) (string, bool) { return server, name == "crm" },
		Decide: func(context.Context, policy.Request) policy.Decision {
			t.Error("it was decided")
			return policy.Decision{Verdict: policy.Allow}
		}}
	const subject, context, resource = `"subject":{"type":"identity","id":"a"},`, `,"context":{"agent":"a"}}`, `"resource":{"type":"tool","id":"x","properties":{"server":"crm"}}`
	for name, body := range map[string]string{"nothing": "", "a list": "[]", "no subject": `{"action":{"name":"tools/call"},` + resource + context, "no action": `{` + subject + resource + context,
		"no agent": `{` + subject + `"action":{"name":"tools/call"},` + resource + `}`, "a method that nobody knows": `{` + subject + `"action":{"name":"delete_user"},` + resource + context,
		"no resource": `{` + subject + `"action":{"name":"tools/call"},"resource":{"type":"tool","properties":{"server":"crm"}}` + context, "another kind": `{` + subject + `"action":{"name":"prompts/get"},` + resource + context,
		"no server": `{` + subject + `"action":{"name":"tools/call"},"resource":{"type":"tool","id":"x"}` + context, "another server": `{` + subject + `"action":{"name":"tools/call"},"resource":{"type":"tool","id":"x","properties":{"server":"hr"}}` + context,
		"arguments that are none": `{` + subject + `"action":{"name":"tools/call"},"resource":{"type":"tool","id":"x","properties":{"server":"crm","arguments":[1]}}` + context,
		"groups that are none":    `{"subject":{"type":"identity","id":"a","properties":{"groups":"staff"}},"action":{"name":"tools/call"},` + resource + context,
		"a name twice":            `{` + subject + `"action":{"name":"tools/call","name":"ping"},` + resource + context, "too long": `{"x":"` + strings.Repeat("a", 1<<20) + `"}`} {
		t.Run(name, func(t *testing.T) {
			out, _, err := h.Answer(httptest.NewRequest("POST", authzen.Path, strings.NewReader(body)))
			var refused *oauth.Error
			if !errors.As(err, &refused) || refused.HTTPStatus() != 400 || out != nil {
				t.Errorf("%s %v", out, err)
			}
		})
	}
}
