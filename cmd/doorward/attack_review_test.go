package main

import (
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// Rule 12: anybody can register an address to go to after a sign-out. Only one that the operator or this very person trusts is
// gone to without a page that says where it leads; an ID token of somebody else's is no such trust.
func TestAttackBySigningOut(t *testing.T) {
	s := protect(t)
	mallory := s.register(`{"client_name":"Lure","redirect_uris":["https://evil.example/cb"],"post_logout_redirect_uris":["https://evil.example/phish"]}`)
	b := s.browser()
	b.signIn()
	identity := mallory.redeem(mallory.code(b, "scope", "openid mcp")).json(t)["id_token"].(string)
	leave := func(more ...string) string {
		q := url.Values{"post_logout_redirect_uri": {"https://evil.example/phish"}, "state": {"s"}}
		for i := 0; i+1 < len(more); i += 2 {
			q.Set(more[i], more[i+1])
		}
		return "/logout?" + q.Encode()
	}
	victim := s.browser()
	for name, address := range map[string]string{"a client of the attacker's": leave("client_id", mallory.ID), "an ID token of the attacker's": leave("id_token_hint", identity)} {
		a := victim.get(address)
		a.stays(t, name, 200)
		if !strings.Contains(a.body, "Go on to evil.example") || !strings.Contains(a.body, `action="https://evil.example/phish"`) {
			t.Errorf("%s: the page does not say where it leads:\n%s", name, a.body)
		}
	}
	if a := b.get(leave("client_id", mallory.ID)); a.StatusCode != http.StatusOK || !strings.Contains(a.body, "Stay signed in") {
		t.Errorf("%s %s", a.Status, a.body)
	}
	a := b.get(leave("id_token_hint", identity))
	if a.Header.Get("Location") != "https://evil.example/phish?state=s" {
		t.Errorf("a client of the person's own: %s to %s", a.Status, a.Header.Get("Location"))
	}
}

// A redirect address of a program's own scheme goes to that program, whatever host stands in it: no page says that host.
func TestAttackByAHostInAScheme(t *testing.T) {
	s := configured(t, "  mode: open\n  redirect_schemes: [cursor]\n")
	lure := s.register(`{"client_name":"Lure","redirect_uris":["cursor://claude.ai/cb"]}`)
	b := s.browser()
	b.signIn()
	a := b.follow(lure.authorizeURL())
	if a.Request.URL.Path != "/consent" || !strings.Contains(a.body, "<b>cursor:</b>") || strings.Contains(a.body, "claude.ai</b>") || strings.Contains(a.body, "belongs to Claude") {
		t.Errorf("%s\n%s", a.Status, a.body)
	}
	a = b.get(lure.authorizeURL("code_challenge", ""))
	if a.StatusCode != http.StatusBadRequest || !strings.Contains(a.body, `action="cursor://claude.ai/cb"`) || !strings.Contains(a.body, "<b>cursor:</b>") {
		t.Errorf("the button that returns to the program: %s\n%s", a.Status, a.body)
	}
}

// A stranger who says the address of a document makes us read it nowhere, and signs nobody out by it.
func TestAttackByADocumentAtEveryEndpoint(t *testing.T) {
	read := make(chan string, 100)
	p := publish(t, func(p *publisher, w http.ResponseWriter, r *http.Request) {
		read <- r.URL.Path
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{"client_id": p.URL + r.URL.Path, "client_name": "X", "redirect_uris": []string{p.URL + "/cb"}})
	})
	s := configured(t, "  mode: open\n", "insecure_loopback_documents: "+p.ca+"\n")
	id := p.URL + "/client"
	for _, path := range []string{"/token", "/par", "/revoke", "/introspect"} {
		for _, secret := range []string{"", "x"} {
			v := url.Values{"client_id": {id}, "token": {"dwr_X"}, "grant_type": {"authorization_code"}, "code": {"x"}, "code_verifier": {strings.Repeat("v", 43)}, "response_type": {"code"}}
			if secret != "" {
				v.Set("client_secret", secret)
			}
			do(t, http.DefaultClient, request(t, "POST", s.at(path), v.Encode(), "Content-Type", "application/x-www-form-urlencoded"))
		}
	}
	s.browser().get("/authorize?" + url.Values{"client_id": {id}, "response_type": {"code"}}.Encode())
	s.browser().get("/logout?" + url.Values{"client_id": {id}, "post_logout_redirect_uri": {p.URL + "/bye"}}.Encode())
	if len(read) != 0 {
		t.Errorf("%s was read", <-read)
	}
}

// Sign-in links that are made up cost the log no record each.
func TestAttackByMadeUpLinks(t *testing.T) {
	s := protect(t)
	before, b := len(s.audited()), s.browser()
	for range 50 {
		b.post("/link/"+rand.Text(), nil).stays(t, "a link that nobody made", 403)
	}
	if made := len(s.audited()) - before; made > 10 {
		t.Errorf("%d records", made)
	}
}
