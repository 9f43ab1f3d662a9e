package main

import (
	"net/http"
	"strings"
	"testing"
)

const serversFile = `public_url: http://127.0.0.1:$PORT
listen: 127.0.0.1:$PORT
data: $DIR/data
policy: scopes-only
registration:
  mode: open
servers:
  mcp:
    path: /mcp
    demo: true
    scopes:
      - {name: use, sentence: Use the tools}
      - {name: users, sentence: See the users}
      - {name: admin, sentence: Remove users, includes: [users]}
    initial: [use]
    needs:
      - {scopes: [admin], tools: ["delete_*"]}
      - {scopes: [users], resources: ["demo://users"]}
      - {scopes: [users], methods: [resources/subscribe]}
  open:
    path: /open
    auth: none-insecure
    demo: true
`

// RS-403-SCOPE, RS-403-ALL-SCOPES: an operation that lacks scope is told everything that it lacks, once; a client of an older
// revision, which does not accumulate, is told what it has too. The new token, had for just that, does.
func TestNeedsOfOperations(t *testing.T) {
	s := protectFile(t, serversFile)
	s.ready.Resource = s.ready.Resources["mcp"]
	b := s.browser()
	b.signIn()
	app := s.app()
	token := func(scope string) string {
		return app.redeem(app.code(b, "scope", scope)).tokens(t).Access
	}
	use := token("use")
	if a := s.call(use, "add", `{"a":1,"b":2}`); a.StatusCode != 200 {
		t.Errorf("%s %s", a.Status, a.body)
	}
	challenge := func(a answer, scope string) {
		t.Helper()
		got := a.Header.Get("Www-Authenticate")
		if a.StatusCode != 403 || !strings.Contains(got, `error="insufficient_scope"`) || !strings.Contains(got, `scope="`+scope+`"`) || !strings.Contains(got, `resource_metadata="`+s.ready.Issuer+`/.well-known/oauth-protected-resource/mcp"`) || !strings.Contains(got, "error_description=") {
			t.Errorf("%s %s", a.Status, got)
		}
	}
	challenge(s.call(use, "delete_user", `{"id":1}`), "admin")
	old := func(method, params string) answer {
		return do(t, http.DefaultClient, s.bearing(t, use, "POST", `{"jsonrpc":"2.0","id":1,"method":"`+method+`","params":`+params+`}`, "2025-11-25"))
	}
	challenge(old("tools/call", `{"name":"delete_user","arguments":{}}`), "admin use")
	challenge(old("resources/read", `{"uri":"demo://users"}`), "use users")
	challenge(old("resources/read", `{"uri":"DEMO://%75sers"}`), "use users")
	challenge(old("resources/subscribe", `{"uri":"demo://welcome"}`), "use users")
	if a := s.call(token("use admin"), "delete_user", `{"id":1}`); a.StatusCode != 200 {
		t.Errorf("%s %s", a.Status, a.body)
	}
	// admin includes users.
	use = token("use admin")
	if a := old("resources/read", `{"uri":"demo://users"}`); a.StatusCode == 403 || a.StatusCode == 401 {
		t.Errorf("%s %s", a.Status, a.body)
	}
}

// RS-TRAILING-SLASH: an address with a slash at its end is served as it is, and its documents have the slash; the token's
// audience is the configured identifier always.
func TestASlashAtTheEnd(t *testing.T) {
	s := protect(t)
	r := request(t, "POST", s.at("/mcp/"), `{"jsonrpc":"2.0","id":1,"method":"ping"}`, "Content-Type", "application/json", "Accept", "application/json, text/event-stream")
	a := do(t, http.DefaultClient, r)
	document := "/.well-known/oauth-protected-resource/mcp/"
	if a.StatusCode != 401 || !strings.Contains(a.Header.Get("Www-Authenticate"), `resource_metadata="`+s.ready.Issuer+document+`"`) {
		t.Fatalf("%s %v", a.Status, a.Header)
	}
	s.get(document, "").sees(t, "resource", s.ready.Issuer+"/mcp/")
	s.get(strings.TrimSuffix(document, "/"), "").sees(t, "resource", s.ready.Issuer+"/mcp")
	b := s.browser()
	b.signIn()
	app := s.app()
	got := app.redeem(app.code(b, "resource", s.ready.Issuer+"/mcp/"), "resource", s.ready.Issuer+"/mcp/").tokens(t)
	if aud := payload(t, got.Access)["aud"]; aud != s.ready.Resource && !(len(aud.([]any)) == 1 && aud.([]any)[0] == s.ready.Resource) {
		t.Errorf("aud is %v", aud)
	}
	s.ready.Resource += "/"
	if a := s.call(got.Access, "add", `{"a":1,"b":2}`); a.StatusCode != 200 {
		t.Errorf("%s %s", a.Status, a.body)
	}
	for _, path := range []string{"/mcp/x", "/.well-known/oauth-protected-resource/mcp/x"} {
		if a := s.get(path, ""); a.StatusCode != 404 {
			t.Errorf("%s: %s", path, a.Status)
		}
	}
}

// A server that is open on purpose asks nobody for a token, gives none away, and is no way into the others.
func TestAnOpenServer(t *testing.T) {
	s := protectFile(t, serversFile)
	mcp := s.ready.Resources["mcp"]
	s.ready.Resource = s.ready.Resources["open"]
	a := s.call("", "whoami", "{}")
	if a.StatusCode != 200 || !strings.Contains(a.body, "nobody told me who calls") {
		t.Errorf("%s %s", a.Status, a.body)
	}
	for _, path := range []string{"/.well-known/oauth-protected-resource/open", "/.well-known/oauth-authorization-server/open"} {
		if a := s.get(path, ""); a.StatusCode != 404 {
			t.Errorf("%s: %s", path, a.Status)
		}
	}
	app := s.app()
	b := s.browser()
	b.signIn()
	if page := b.follow(app.authorizeURL("resource", s.ready.Resources["open"])); !strings.Contains(page.body, "invalid_target") {
		t.Errorf("tokens are to be had for an open server: %s %s", page.Status, page.body)
	}
	s.ready.Resource = mcp
	if a := s.call("", "whoami", "{}"); a.StatusCode != 401 {
		t.Errorf("the other: %s", a.Status)
	}
	if said := s.stderr.String(); !strings.Contains(said, "the server is open to everybody") || !strings.Contains(said, "none-insecure") {
		t.Errorf("it is not said that a server is open:\n%s", said)
	}
}
