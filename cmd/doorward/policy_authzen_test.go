package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/doorward-mcp/doorward/token"
)

// A decision point of somebody else decides: what it allows is let through, and whatever is no yes of its is denied.
func TestADecisionPointThatIsAsked(t *testing.T) {
	var answer atomic.Value
	var question atomic.Value
	answer.Store("")
	held := make(chan struct{})
	point := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		question.Store(string(body))
		text := answer.Load().(string)
		switch text {
		case "slow":
			select {
			case <-held:
			case <-r.Context().Done():
			}
		case "500":
			w.WriteHeader(http.StatusInternalServerError)
			text = `{"decision":true}`
		case "elsewhere":
			http.Redirect(w, r, "/other", http.StatusTemporaryRedirect)
			return
		}
		if r.URL.Path == "/other" {
			text = `{"decision":true}`
		}
		_, _ = io.WriteString(w, text)
	}))
	t.Cleanup(point.Close)
	t.Cleanup(func() { close(held) })
	up := toolServer(t, always(otherTool), nil)
	text := strings.Replace(governedText("", up.URL, ""), "  bundle: \n", "  authzen: {url: "+point.URL+"/access/v1/evaluation, timeout: 250ms}\n", 1)
	s := protectFile(t, text)
	raw := minting(t, s)("alice", "desk")
	for _, c := range []struct{ name, answer, code string }{
		{"allowed", `{"decision":true}`, ""},
		{"allowed, and why", `{"decision":true,"context":{"reason":"because"}}`, ""},
		{"denied", `{"decision":false}`, "authzen.denied"},
		{"slow", "slow", "authzen.unavailable"},
		{"a failure that says yes", "500", "authzen.unavailable"},
		{"an answer that lies elsewhere", "elsewhere", "authzen.unavailable"},
		{"nothing", "", "authzen.unavailable"},
		{"no JSON", "yes", "authzen.unavailable"},
		{"no decision", "{}", "authzen.unavailable"},
		{"a text for a decision", `{"decision":"true"}`, "authzen.unavailable"},
		{"a number for a decision", `{"decision":1}`, "authzen.unavailable"},
		{"null", `{"decision":null}`, "authzen.unavailable"},
		{"yes and no", `{"decision":false,"decision":true}`, "authzen.unavailable"},
		{"another case", `{"Decision":true}`, "authzen.unavailable"},
		{"a yes with more behind it", `{"decision":true}{"decision":false}`, "authzen.unavailable"},
		{"an obligation that nobody knows", `{"decision":true,"context":{"obligations":[{"id":"1","type":"custom"}]}}`, "obligation.unknown"},
		{"obligations that are none", `{"decision":true,"context":{"obligations":"custom"}}`, "authzen.unavailable"},
		{"an obligation that cannot be met", `{"decision":true,"context":{"obligations":[{"id":"1","type":"redact","properties":{"value":"ssn"}}]}}`, "obligation.unsupported"},
		{"a level that is none", `{"decision":true,"context":{"obligations":[{"id":"1","type":"audit"}]}}`, "obligation.unsupported"},
	} {
		as(t, s, c.name, func(t *testing.T) {
			answer.Store(c.answer)
			a := s.call(raw, "other", `{"id":42}`)
			if c.code == "" {
				a.succeeds(t)
				if r := s.record(t, a); r["reason"] != "authzen.allowed" || r["verdict"] != "allow" {
					t.Errorf("%v", r)
				}
				return
			}
			a.denied(t, 403, c.code)
			if r := s.record(t, a); r["reason"] != c.code || r["verdict"] != "deny" {
				t.Errorf("%v", r)
			}
			if strings.HasPrefix(c.code, "obligation.") {
				return // what is called cannot be met; that it is there may be seen
			}
			if list := do(t, http.DefaultClient, s.listOf(t, raw, "2026-07-28", "tools/list", "{}")); strings.Contains(list.body, "other") {
				t.Errorf("it shows %s", list.body)
			}
		})
	}
	answer.Store(`{"decision":true}`)
	s.call(raw, "other", `{"id":42}`).succeeds(t)
	var q map[string]map[string]any
	if err := json.Unmarshal([]byte(question.Load().(string)), &q); err != nil || q["subject"]["id"] != "alice" || q["subject"]["type"] != "identity" || q["action"]["name"] != "tools/call" || q["resource"]["id"] != "other" || q["context"]["agent"] != "desk" {
		t.Errorf("%v %s", err, question.Load())
	}
	if got := s.tools(t, raw); len(got) != 1 {
		t.Errorf("it shows %v", got)
	}
	point.Close()
	s.call(raw, "other", "{}").denied(t, 403, "authzen.unavailable")
	if !strings.Contains(s.stderr.String(), "the decision point cannot be asked: everything is denied") {
		t.Error("nobody is told that the decision point is gone")
	}
}

const evaluatingClients = `    - {client_id: pep, client_name: Enforcement, grant_types: [client_credentials], secret: "${env:PEP_SECRET}", evaluates: true}
    - {client_id: other, client_name: Other, grant_types: [client_credentials], secret: "${env:PEP_SECRET}", reaches: [crm]}
`

// Our own decisions are for listed clients that the operator named for it, calling for themselves by a token for that address.
func TestOurDecisionsForOthers(t *testing.T) {
	dir := bundled(t, "", flowBundle)
	s := protectFile(t, governedText(dir, "", "")+evaluatingClients, "PEP_SECRET="+listedSecret)
	f := newForger(t, s)
	point := s.at("/access/v1/evaluation")
	own := func(id, resource string) answer {
		t.Helper()
		form := url.Values{"grant_type": {"client_credentials"}, "resource": {resource}}
		return s.posted(t, "/token", form.Encode(), basic(id, listedSecret)...)
	}
	got, _ := own("pep", point).json(t)["access_token"].(string)
	if got == "" {
		t.Fatalf("no token: %s", own("pep", point).body)
	}
	const question = `{"subject":{"type":"identity","id":"alice","properties":{"groups":["crm-admins"],"scopes":["crm"]}},"action":{"name":"tools/call"},
		"resource":{"type":"tool","id":"delete_user","properties":{"server":"crm","arguments":{"id":"alan"}}},"context":{"agent":"desk"}}`
	ask := func(raw, body string) answer {
		t.Helper()
		header := []string{"Content-Type", "application/json"}
		if raw != "" {
			header = append(header, "Authorization", "Bearer "+raw)
		}
		return do(t, http.DefaultClient, request(t, "POST", point, body, header...))
	}
	for _, c := range []struct{ name, body, holds string }{
		{"a challenge", question, `"decision":false,"context":{"code":"insufficient_scope"`},
		{"everything that lacks", question, `"lacking":{"scopes":["crm:irreversible","crm:users:delete"]}`},
		{"allowed", strings.Replace(question, `["crm"]`, `["crm","crm:users:delete","crm:irreversible"]`, 1), `"decision":true,"context":{"code":"policy.allowed","obligations":[{"id":"crm.delete-user","type":"audit","properties":{"value":"args"}}`},
		{"another client", strings.Replace(question, `"desk"`, `"toy"`, 1), `"decision":false,"context":{"code":"policy.no_permit"`},
		{"arguments that do not fit", strings.Replace(question, `"alan"`, "7", 1), `"decision":false,"context":{"code":"args.schema"`},
	} {
		a := ask(got, c.body)
		if a.StatusCode != 200 || !strings.Contains(a.body, c.holds) || a.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %s %s", c.name, a.Status, a.body)
		}
	}
	mint := func(change func(*token.Claims)) string {
		return f.minted(time.Now(), func(c *token.Claims) {
			c.Resource, c.Scopes, c.Subject, c.Client = point, []string{"evaluate"}, "pep", "pep"
			change(c)
		})
	}
	if a := ask(mint(func(*token.Claims) {}), question); a.StatusCode != 200 {
		t.Fatalf("what is minted like it is refused: %s %s", a.Status, a.body)
	}
	for name, c := range map[string]struct {
		raw    string
		status int
	}{
		"nobody":                           {"", 401},
		"a token for a server":             {mint(func(c *token.Claims) { c.Resource = s.at("/crm") }), 401},
		"a person's":                       {mint(func(c *token.Claims) { c.Subject = "alice" }), 403},
		"a client without `evaluates`":     {mint(func(c *token.Claims) { c.Subject, c.Client = "other", "other" }), 403},
		"a client that nobody listed":      {mint(func(c *token.Claims) { c.Subject, c.Client = "stranger", "stranger" }), 403},
		"one without the scope":            {mint(func(c *token.Claims) { c.Scopes = []string{"crm"} }), 403},
		"one that calls for a person here": {mint(func(c *token.Claims) { c.Subject, c.Client = "alice", "desk" }), 403},
	} {
		a := ask(c.raw, question)
		if a.StatusCode != c.status || strings.Contains(a.body, "decision") && strings.Contains(a.body, `"code":"insufficient_scope"`) {
			t.Errorf("%s: %s %s", name, a.Status, a.body)
		}
	}
	own("other", point).wants(t, 400, "invalid_target")
	b := s.browser()
	b.signInBy(s.admin("user", "add", "alice", "--group", "crm-admins")["sign_in_link"])
	if page := b.follow(s.listedApp("desk").authorizeURL("resource", point, "scope", "evaluate")); !strings.Contains(page.body+page.Header.Get("Location"), "invalid_target") {
		t.Errorf("a person can be asked for a token for decisions: %s %v\n%s", page.Status, page.Header, page.body)
	}
	s.ready.Resource = s.at("/crm")
	if a := s.call(got, "add", `{"a":1,"b":2}`); a.StatusCode != 401 {
		t.Errorf("a token for decisions opens a server: %s", a.Status)
	}
	if a := do(t, http.DefaultClient, request(t, "GET", point, "", "Authorization", "Bearer "+got)); a.StatusCode != 405 {
		t.Errorf("GET: %s", a.Status)
	}
	if a := ask(got, "{"); a.StatusCode != 400 {
		t.Errorf("no question: %s %s", a.Status, a.body)
	}
	evaluated := 0
	for _, r := range s.audited() {
		if r["msg"] == "policy.evaluated" {
			evaluated++
		}
	}
	if evaluated == 0 {
		t.Error("no record of what was asked")
	}
}
