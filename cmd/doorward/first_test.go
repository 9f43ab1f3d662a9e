package main

import (
	"net/http"
	"strings"
	"testing"
)

// The main job end to end: a new user's first protected call.
// GEN-HTTP-CONFORM, RS-LOCAL-STDIO: a server on this machine is reached by whoever has a token, and by nobody else.
func TestAFirstProtectedCall(t *testing.T) {
	s := protect(t)
	if a := s.call("", "whoami", "{}"); a.StatusCode != http.StatusUnauthorized {
		t.Fatalf("without a token: %s", a.Status)
	}
	_, got := s.connect()
	if got.Type != "Bearer" || got.Scope != "mcp" || got.Life != 600 {
		t.Errorf("token answer %+v", got)
	}
	a := s.call(got.Access, "whoami", "{}")
	if a.StatusCode != http.StatusOK || !strings.Contains(a.body, `client_id`) {
		t.Errorf("the call: %s %s", a.Status, a.body)
	}
}
