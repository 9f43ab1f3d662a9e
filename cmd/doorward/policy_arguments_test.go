package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// toolServer is an MCP server with the tools that a request is to see. It answers a call with what result says of it; nil: with ok.
func toolServer(t testing.TB, tools func(*http.Request) string, result func(*http.Request) string) *httptest.Server {
	t.Helper()
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		var m struct {
			ID     json.RawMessage
			Method string
		}
		if err := json.Unmarshal(body, &m); err != nil {
			w.WriteHeader(http.StatusMethodNotAllowed)
			return
		}
		if m.ID == nil {
			w.WriteHeader(http.StatusAccepted)
			return
		}
		answer := `"error":{"code":-32601,"message":"there is no such method"}`
		switch m.Method {
		case "initialize":
			answer = `"result":{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"crm","version":"1"}}`
		case "tools/list":
			answer = `"result":{"tools":[` + tools(r) + `]}`
		case "tools/call":
			answer = `"result":{"content":[{"type":"text","text":"ok"}]}`
			if result != nil {
				answer = `"result":` + result(r)
			}
		}
		text := fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,%s}`, m.ID, answer)
		if r.Header.Get("Accept-Language") == "events" { // how a test tells in what it wants the answer
			w.Header().Set("Content-Type", "text/event-stream")
			flushed(w, "event: message\ndata: "+text+"\n\n")
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, text)
	}))
	t.Cleanup(up.Close)
	return up
}

func always(text string) func(*http.Request) string {
	return func(*http.Request) string { return text }
}

const updateTool = `{"name":"update","description":"Updates a user.","inputSchema":{"type":"object","properties":{
	"id":{"type":"integer"}, "name":{"type":"string"}, "manager":{"type":["string","null"]}, "tags":{"type":"array","items":{"type":"string"}},
	"price":{"type":"number"}, "count":{"type":"integer"},
	"address":{"type":"object","properties":{"city":{"type":"string"},"place":{"type":"object","properties":{"floor":{"type":"integer"}}}},"required":["city"]}},
	"required":["id"]}}`

const updateBundle = `
-- bundle.yaml --
id: acme
servers:
  crm: {definitions: accepted}
-- servers/crm/update.cedar --
@id("permit")
permit (principal, action == Action::"crm/update", resource)
when { if context.args has name then ["ada", "é"].contains(context.args.name) else true };

@id("first") forbid (principal, action == Action::"crm/update", resource) when { context.args.id == 1 };
@id("nobody") forbid (principal, action == Action::"crm/update", resource) when { context.args has manager && context.args.manager.null };
@id("chief") forbid (principal, action == Action::"crm/update", resource) when { context.args has manager.value && context.args.manager.value == "chief" };
@id("secret") forbid (principal, action == Action::"crm/update", resource) when { context.args has tags && context.args.tags.contains("secret") };
@id("dear") forbid (principal, action == Action::"crm/update", resource) when { context.args has price && context.args.price.greaterThan(decimal("100.0")) };
@id("sunk") forbid (principal, action == Action::"crm/update", resource) when { context.args has address && context.args.address.city == "Atlantis" };
@id("high") forbid (principal, action == Action::"crm/update", resource) when { context.args has address.place.floor && context.args.address.place.floor > 9 };
`

// Arguments as they come over the wire, and what becomes of them: status, verdict and reason, as the caller and the record have it.
func TestArgumentsOverTheWire(t *testing.T) {
	up := toolServer(t, always(updateTool), nil)
	s := governed(t, bundled(t, up.URL, updateBundle), up.URL, "")
	raw := minting(t, s)("alice", "desk")
	for _, c := range []struct {
		name, args string
		status     int
		reason     string
	}{
		{"an integer", `{"id":2}`, 200, "policy.allowed"},
		{"the one that is forbidden", `{"id":1}`, 403, "policy.forbidden"},
		{"the same with a point", `{"id":1.0}`, 403, "policy.forbidden"},
		{"the same with an exponent", `{"id":10e-1}`, 403, "policy.forbidden"},
		{"less than nothing", `{"id":-0}`, 200, "policy.allowed"},
		{"the last below 2^53", `{"id":9007199254740991}`, 200, "policy.allowed"},
		{"2^53", `{"id":9007199254740992}`, 200, "policy.allowed"},
		{"one more, which a double does not hold", `{"id":9007199254740993}`, 403, "args.number"},
		{"the largest of 64 bits", `{"id":9223372036854775807}`, 403, "args.number"},
		{"2^64", `{"id":18446744073709551616}`, 403, "args.number"},
		{"without end", `{"id":1e400}`, 403, "args.number"},
		{"one that no rule reads", `{"id":2,"count":9007199254740993}`, 200, "policy.allowed"},
		{"a half where a whole is wanted", `{"id":1.5}`, 403, "args.schema"},
		{"text that looks like a number", `{"id":"2"}`, 403, "args.schema"},
		{"null for a number", `{"id":null}`, 403, "args.schema"},
		{"nothing", `{}`, 403, "args.schema"},
		{"no object", `[]`, 400, ""},
		{"four places", `{"id":2,"price":99.9999}`, 200, "policy.allowed"},
		{"too dear", `{"id":2,"price":100.0001}`, 403, "policy.forbidden"},
		{"too dear by less than rules see", `{"id":2,"price":100.00001}`, 403, "args.number"},
		{"more than a decimal holds", `{"id":2,"price":1e15}`, 403, "args.number"},
		{"nobody", `{"id":2,"manager":null}`, 403, "policy.forbidden"},
		{"somebody", `{"id":2,"manager":"bob"}`, 200, "policy.allowed"},
		{"the text null", `{"id":2,"manager":"null"}`, 200, "policy.allowed"},
		{"a value that may be null", `{"id":2,"manager":"chief"}`, 403, "policy.forbidden"},
		{"no tags", `{"id":2,"tags":[]}`, 200, "policy.allowed"},
		{"tags", `{"id":2,"tags":["a","b","a"]}`, 200, "policy.allowed"},
		{"the last of many tags", `{"id":2,"tags":["a","b","secret"]}`, 403, "policy.forbidden"},
		{"a tag that is none", `{"id":2,"tags":["a",null]}`, 403, "args.schema"},
		{"one tag in place of tags", `{"id":2,"tags":"secret"}`, 403, "args.schema"},
		{"tags in tags", `{"id":2,"tags":[["secret"]]}`, 403, "args.schema"},
		{"an object", `{"id":2,"address":{"city":"Rome"}}`, 200, "policy.allowed"},
		{"a member of an object", `{"id":2,"address":{"city":"Atlantis"}}`, 403, "policy.forbidden"},
		{"a member that is missing", `{"id":2,"address":{}}`, 403, "args.schema"},
		{"an object that is null", `{"id":2,"address":null}`, 403, "args.schema"},
		{"a member of a member", `{"id":2,"address":{"city":"Rome","place":{"floor":10}}}`, 403, "policy.forbidden"},
		{"a member of a member that is missing", `{"id":2,"address":{"city":"Rome","place":{}}}`, 200, "policy.allowed"},
		{"a number in it", `{"id":2,"address":{"city":"Rome","place":{"floor":9007199254740993}}}`, 403, "args.number"},
		{"a name", `{"id":2,"name":"ada"}`, 200, "policy.allowed"},
		{"the same, escaped", `{"id":2,"name":"\u0061da"}`, 200, "policy.allowed"},
		{"a letter of another alphabet", `{"id":2,"name":"аda"}`, 403, "policy.no_permit"},
		{"wide letters", `{"id":2,"name":"ａｄａ"}`, 403, "policy.no_permit"},
		{"another case", `{"id":2,"name":"Ada"}`, 403, "policy.no_permit"},
		{"nothing that is seen", `{"id":2,"name":"ada\u200b"}`, 403, "policy.no_permit"},
		{"a NUL behind it", `{"id":2,"name":"ada\u0000"}`, 403, "policy.no_permit"},
		{"one letter", `{"id":2,"name":"é"}`, 200, "policy.allowed"},
		{"the same letter, put together", `{"id":2,"name":"e\u0301"}`, 403, "policy.no_permit"},
		{"half a letter", `{"id":2,"name":"\ud800"}`, 400, ""},
		{"a name twice", `{"id":2,"id":1}`, 400, ""},
		{"a name twice, escaped once", `{"id":2,"\u0069d":1}`, 400, ""},
		{"a name twice in an object", `{"id":2,"address":{"city":"Rome","city":"Atlantis"}}`, 400, ""},
		{"a name that differs by case", `{"id":2,"Id":1}`, 403, "args.schema"},
		{"a name that nobody knows", `{"id":2,"other":1}`, 200, "policy.allowed"},
	} {
		as(t, s, c.name, func(t *testing.T) {
			a := s.call(raw, "update", c.args)
			switch {
			case a.StatusCode != c.status:
				t.Fatalf("%s, want %d\n%s", a.Status, c.status, a.body)
			case c.status == 200:
				a.succeeds(t)
			case c.status == 403:
				if d := a.denied(t, c.status, c.reason); c.reason == "args.schema" && !strings.Contains(d.Description, "/") && !strings.Contains(d.Description, "differs only by case") && c.args != `{}` {
					t.Errorf("it does not say where: %s", d.Description)
				}
			default: // what cannot be read is no call, and is answered as such
				if !strings.Contains(a.body, `"code":-32`) {
					t.Errorf("%s", a.body)
				}
				return
			}
			verdict := map[int]string{200: "allow", 403: "deny"}[c.status]
			if r := s.record(t, a); r["verdict"] != verdict || r["reason"] != c.reason || r["bundle"] == nil {
				t.Errorf("the record says %v", r)
			}
		})
	}
}
