package main

import (
	"net/http"
	"strings"
	"testing"
)

// A server with scopes of its own asks for those, and not for the default that it does not know.
func TestAServersOwnScopes(t *testing.T) {
	s := protectFile(t, plainFile+`    scopes:
      - name: notes:read
        sentence: Read your notes
      - name: notes:write
        sentence: Change your notes
    initial: [notes:read]
`)
	challenge := s.send("", "{}").Header.Get("WWW-Authenticate")
	if !strings.Contains(challenge, `scope="notes:read"`) {
		t.Errorf("the challenge: %s", challenge)
	}
	b := s.browser()
	b.signIn()
	app := s.app()
	got := app.redeem(app.code(b, "scope", "")).tokens(t)
	if got.Scope != "notes:read" {
		t.Errorf("a client that names none gets %q", got.Scope)
	}
	s.works("what a 401 asks for", got.Access)
	write := app.redeem(app.again().code(b, "scope", "notes:write")).tokens(t)
	denied := s.call(write.Access, "whoami", "{}")
	if denied.StatusCode != http.StatusForbidden || !strings.Contains(denied.Header.Get("WWW-Authenticate"), "notes:read") || strings.Contains(denied.Header.Get("WWW-Authenticate"), "mcp ") {
		t.Errorf("%s %s", denied.Status, denied.Header.Get("WWW-Authenticate"))
	}
}
