package main

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/doorward-mcp/doorward/oauth"
)

// clients runs `doorward admin clients` on the server's data directory and gives what it printed.
func (s *server) clients(args ...string) string {
	s.t.Helper()
	c := exec.Command("doorward", append([]string{"admin", "--data", s.ready.Data, "clients"}, args...)...)
	c.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0")
	b, err := c.CombinedOutput()
	if err != nil {
		s.t.Fatalf("%v: %s", err, b)
	}
	return string(b)
}

// AS-DCR-ALTERNATIVE: in mode listed nobody registers, no document is read, and whom an administrator lists is let in, a document too.
func TestRegistrationListed(t *testing.T) {
	p, published := texts(t)
	s := configured(t, "  mode: listed\n", "insecure_loopback_documents: "+p.ca+"\n", "clients:\n  listed:\n    - {client_id: configured, redirect_uris: ['"+callback+"']}\n")
	b := s.browser()
	b.signIn()
	s.registering(t, `{"redirect_uris":["http://127.0.0.1/cb"]}`).wants(t, http.StatusForbidden, "access_denied")
	id := published(way{Text: `{"client_name":"App","redirect_uris":["https://app.example/cb"]}`})
	b.get(s.described(id).authorizeURL()).stays(t, "a document", http.StatusUnauthorized)
	if p.hits.Load() != 0 {
		t.Error("it was read")
	}
	s.clients("add", "--id", id)
	described := s.described(id)
	s.works("a document that was listed", described.redeem(described.code(b)).tokens(t).Access)
	s.clients("add", "--id", "app", "--name", "App", "--redirect", callback)
	app := &app{t, s, "app", "", callback, oauth.NewVerifier(), "state"}
	s.works("a client that was listed", app.redeem(app.code(b)).tokens(t).Access)
	s.clients("remove", "app")
	b.get(app.again().authorizeURL()).stays(t, "a client that was removed", http.StatusUnauthorized)
}

// Removing a client takes back what it was given, at once.
func TestARemovedClientLosesItsTokens(t *testing.T) {
	s := protect(t)
	app, got := s.connect()
	s.works("before", got.Access)
	s.clients("remove", app.ID)
	if a := s.call(got.Access, "whoami", "{}"); a.StatusCode != http.StatusUnauthorized {
		t.Errorf("its access token: %s", a.Status)
	}
	app.refresh(got.Refresh).wants(t, http.StatusUnauthorized, "invalid_client")
}

// Mode review: a new client waits, dynamic or described; the person is not asked, and no code is given.
func TestRegistrationReview(t *testing.T) {
	p, published := texts(t)
	s := configured(t, "  mode: review\n", "insecure_loopback_documents: "+p.ca+"\n")
	b := s.browser()
	b.signIn()
	app := s.app()
	described := s.described(published(way{Text: `{"client_name":"Described","redirect_uris":["https://app.example/cb"]}`}))
	for name, a := range map[string]*struct {
		id, url string
		code    func() string
	}{
		"dynamic":   {app.ID, app.authorizeURL(), func() string { return app.redeem(app.code(b)).tokens(t).Access }},
		"described": {described.ID, described.authorizeURL(), func() string { return described.redeem(described.code(b)).tokens(t).Access }},
	} {
		as(t, s, name, func(t *testing.T) {
			b.t = t
			page := b.follow(a.url)
			if page.Request.URL.Path == "/consent" || page.Header.Get("Location") != "" || strings.Contains(page.body, `value="allow"`) {
				t.Fatalf("before the review: %s at %s", page.Status, page.Request.URL)
			}
			if list := s.clients("list", "--waiting"); !strings.Contains(list, a.id) {
				t.Errorf("the list lacks it:\n%s", list)
			}
			s.clients("approve", a.id)
			if list := s.clients("list", "--waiting"); strings.Contains(list, a.id) {
				t.Errorf("it still waits:\n%s", list)
			}
			s.works("after the review", a.code())
		})
	}
}

// The operator's policy on redirects and documents, from the file, over TCP.
func TestRegistrationPolicy(t *testing.T) {
	p, published := texts(t)
	s := configured(t, "  mode: open\n  redirect_hosts: {allow: [app.example], deny: [localhost]}\n  document_hosts: [docs.example]\n", "insecure_loopback_documents: "+p.ca+"\n")
	b := s.browser()
	b.signIn() // without a session nothing would be read in any case
	for redirect, ok := range map[string]bool{"https://app.example/cb": true, "http://127.0.0.1/cb": true, "https://evil.example/cb": false, "http://localhost/cb": false, "cursor://x": false} {
		a := s.registering(t, fmt.Sprintf(`{"redirect_uris":[%q]}`, redirect))
		if a.StatusCode == http.StatusCreated != ok {
			t.Errorf("%s: %s %s", redirect, a.Status, a.body)
		}
		if !ok {
			a.wants(t, http.StatusBadRequest, "invalid_redirect_uri")
		}
	}
	b.get(s.described(published(way{Text: `{"client_name":"App","redirect_uris":["https://app.example/cb"]}`})).authorizeURL()).stays(t, "a document of another host", http.StatusUnauthorized)
	if p.hits.Load() != 0 {
		t.Error("it was read")
	}
}

// clients.default over TCP: one client for everybody, and it works.
func TestRegistrationWithADefaultClient(t *testing.T) {
	s := configured(t, "  mode: listed\n", "clients:\n  default: everybody\n  listed:\n    - {client_id: everybody, client_name: Everybody, redirect_uris: ['"+callback+"']}\n")
	b := s.browser()
	b.signIn()
	first, second := s.register(`{"client_name":"A","redirect_uris":["http://127.0.0.1:1111/callback"]}`), s.register(`{"client_name":"B","redirect_uris":["`+callback+`"]}`)
	if first.ID != "everybody" || second.ID != "everybody" || first.Secret != "" || first.Redirect != "http://127.0.0.1:1111/callback" {
		t.Errorf("%+v, %+v", first, second)
	}
	s.works("the default client", first.redeem(first.code(b)).tokens(t).Access)
	s.registering(t, `{"redirect_uris":["https://evil.example/cb"]}`).wants(t, http.StatusBadRequest, "invalid_redirect_uri")
}

// RFC 7591 §3: the initial access token of the operator's, over TCP.
func TestRegistrationWithAnInitialToken(t *testing.T) {
	t.Setenv("INITIAL", "let me in")
	s := configured(t, "  mode: open\n  initial_access_token: ${env:INITIAL}\n")
	body := `{"redirect_uris":["` + callback + `"]}`
	a := s.registering(t, body)
	a.wants(t, http.StatusUnauthorized, "invalid_token")
	if got := a.Header.Get("WWW-Authenticate"); got != "Bearer" {
		t.Errorf("challenge %q", got)
	}
	ask := func(raw string) answer {
		return do(t, http.DefaultClient, request(t, "POST", s.at("/register"), body, "Content-Type", "application/json", "Authorization", "Bearer "+raw))
	}
	ask("something").wants(t, http.StatusUnauthorized, "invalid_token")
	if a := ask("let me in"); a.StatusCode != http.StatusCreated {
		t.Errorf("with it: %s %s", a.Status, a.body)
	}
}
