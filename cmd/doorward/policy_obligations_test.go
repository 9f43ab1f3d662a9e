package main

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/doorward-mcp/doorward/token"
)

const obligingBundle = `
-- bundle.yaml --
id: acme
servers:
  crm: {definitions: any}
-- servers/crm/rules.cedar --
@id("read") @redact("/ssn /users/*/ssn") @audit("full") @notify("privacy")
permit (principal, action == Action::"crm/read", resource);
@id("whoami") @redact("/subject")
permit (principal, action == Action::"crm/whoami", resource);
@id("few") @ratelimit("2/h")
permit (principal, action == Action::"crm/few", resource);
`

// What a rule takes out of an answer is in no part of it: in what is structured, in text, in JSON and in events.
func TestRedactionOverTheWire(t *testing.T) {
	const secret = "078-05-1120"
	up := toolServer(t, always(otherTool), always(fmt.Sprintf(`{"content":[{"type":"text","text":"{\"ssn\":\"%[1]s\",\"name\":\"Ada\"}"},{"type":"text","text":"Her number is %[1]s."}],"structuredContent":{"ssn":"%[1]s","name":"Ada","users":[{"ssn":"%[1]s","id":7}]}}`, secret)))
	dir := t.TempDir()
	unpacked(t, dir, obligingBundle)
	s := governed(t, dir, up.URL, "")
	raw := minting(t, s)("alice", "desk")
	for _, as := range []string{"json", "events"} {
		a := s.call(raw, "read", "{}", "Accept-Language", as)
		a.succeeds(t)
		if events := strings.HasPrefix(a.Header.Get("Content-Type"), "text/event-stream"); events != (as == "events") {
			t.Errorf("%s: %v", as, a.Header)
		}
		if strings.Contains(a.body, secret) || strings.Contains(a.body, "078") {
			t.Errorf("%s: it is still there: %s", as, a.body)
		}
		for _, want := range []string{`"name":"Ada"`, `\"name\":\"Ada\"`, `"ssn":"[redacted]"`, `"id":7`, "[withheld by policy]"} {
			if !strings.Contains(a.body, want) {
				t.Errorf("%s: no %s in %s", as, want, a.body)
			}
		}
		if r := s.record(t, a); r["obligations"] != "redact:/ssn, redact:/users/*/ssn, audit:full, notify:privacy" || r["detail"] != "full" || r["rules"] != "read" {
			t.Errorf("%s: %v", as, r)
		}
	}
	if !strings.Contains(s.stderr.String(), "whom=privacy") {
		t.Error("nobody is told")
	}
	demo := governed(t, dir, "", "") // answers by events
	raw = minting(t, demo)("somebody-secret", "desk")
	a := demo.call(raw, "whoami", "{}")
	a.succeeds(t)
	if strings.Contains(a.body, "somebody-secret") || !strings.Contains(a.body, `"subject":"[redacted]"`) || !strings.Contains(a.body, `"client_id":"desk"`) {
		t.Errorf("%s", a.body)
	}
}

// The third of two calls is told when to come back, through whichever client; somebody else's are others.
func TestRateLimitOverTheWire(t *testing.T) {
	up := toolServer(t, always(otherTool), nil)
	dir := t.TempDir()
	unpacked(t, dir, obligingBundle)
	s := governed(t, dir, up.URL, "")
	mint := minting(t, s)
	alice := mint("alice", "desk")
	for range 2 {
		s.call(alice, "few", "{}").succeeds(t)
	}
	for _, raw := range []string{alice, mint("alice", "toy"), mint("alice", "desk", func(c *token.Claims) { c.Grant = "another" })} {
		a := s.call(raw, "few", "{}")
		a.denied(t, http.StatusTooManyRequests, "policy.ratelimit")
		if wait, err := strconv.Atoi(a.Header.Get("Retry-After")); err != nil || wait < 1 || wait > 3600+60 { // an hour, and what the spans it is counted in are long
			t.Errorf("Retry-After: %q", a.Header.Get("Retry-After"))
		}
	}
	s.call(alice, "read", "{}").succeeds(t)
	s.call(mint("bob", "desk"), "few", "{}").succeeds(t)
}
