package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/doorward-mcp/doorward/oauth"
)

// replayed is one client of clients.yaml, as far as it is replayed.
type replayed struct {
	Name string `yaml:"name"`
	Ways []way  `yaml:"ways"`
}

// way is one of a client's ways to introduce itself.
type way struct {
	Document string   `yaml:"document"`
	Text     string   `yaml:"text"`
	Goes     []string `yaml:"goes"`
	Schemes  []string `yaml:"schemes"`
}

func clientsThatPeopleUse(t *testing.T) (all []replayed) {
	t.Helper()
	b, err := os.ReadFile("../../clients.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(b, &all); err != nil {
		t.Fatal(err)
	}
	return all
}

// configured starts doorward with a file that says registration (YAML below that key), and the demo behind it.
func configured(t testing.TB, registration string, more ...string) *server {
	t.Helper()
	dir := t.TempDir()
	port := freePort(t)
	text := fmt.Sprintf("public_url: http://127.0.0.1:%s\nlisten: 127.0.0.1:%s\ndata: %s\nservers:\n  mcp: {path: /mcp, demo: true}\npolicy: scopes-only\nregistration:\n%s%s",
		port, port, filepath.Join(dir, "data"), registration, strings.Join(more, ""))
	file := filepath.Join(dir, "doorward.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s := &server{t: t, args: []string{"--output", "json", "serve", "--config", file}}
	s.start()
	t.Cleanup(func() { s.stop() })
	return s
}

// texts publishes the documents of clients under their own paths, whatever their real hosts.
func texts(t *testing.T) (p *publisher, published func(w way) (id string)) {
	documents := map[string]string{} // :: path → text
	p = publish(t, func(p *publisher, w http.ResponseWriter, r *http.Request) {
		text, ok := documents[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(text))
	})
	return p, func(w way) string {
		path := fmt.Sprintf("/%d/client.json", len(documents))
		id := p.URL + path
		var text map[string]any
		if err := json.Unmarshal([]byte(w.Text), &text); err != nil {
			t.Fatal(err)
		}
		text["client_id"] = id
		b, err := json.Marshal(text)
		if err != nil {
			t.Fatal(err)
		}
		documents[path] = string(b)
		return id
	}
}

// The clients that people use, as clients.yaml has them: each registers or is described, asks for authorization with each
// of its redirect addresses, gets tokens, and calls. What needs a scheme of its own works where the operator lists it.
// AS-CIMD-REDIRECT, AS-REDIRECT-EXACT, AS-REDIRECT-LOOPBACK-PORT.
func TestClientsThatPeopleUse(t *testing.T) {
	p, published := texts(t)
	const often = "  limits: {registrations_minute: 10000, documents_minute: 10000}\n"
	s := configured(t, "  mode: open\n"+often, "insecure_loopback_documents: "+p.ca+"\n")
	listed := configured(t, "  mode: open\n  redirect_schemes: [cursor]\n"+often)
	b, other := s.browser(), listed.browser()
	b.signIn()
	other.signIn()
	for _, c := range clientsThatPeopleUse(t) {
		for n, w := range c.Ways {
			as(t, s, fmt.Sprintf("%s %d", c.Name, n), func(t *testing.T) {
				b.t, other.t, listed.t = t, t, t
				app := s.introduced(w, published)
				for _, redirect := range w.Goes {
					a := *app.again()
					a.t, a.Redirect = t, redirect
					got := a.redeem(a.code(b)).tokens(t)
					s.works(redirect, got.Access)
					a.refresh(got.Refresh).tokens(t)
				}
				for _, redirect := range w.Schemes {
					a := *app.again()
					a.Redirect = redirect
					b.get(a.authorizeURL()).stays(t, redirect, http.StatusBadRequest)
					a = *listed.introduced(w, nil)
					a.Redirect = redirect
					listed.works(redirect, a.redeem(a.code(other)).tokens(t).Access)
				}
				stolen := *app.again()
				stolen.Redirect = "https://evil.example/cb"
				b.get(stolen.authorizeURL()).stays(t, "an address that it does not have", http.StatusBadRequest)
			})
		}
	}
}

// introduced registers a client, or publishes its document.
func (s *server) introduced(w way, published func(way) string) *app {
	s.t.Helper()
	if w.Document != "" {
		return &app{s.t, s, published(w), "", w.Goes[0], oauth.NewVerifier(), "state"}
	}
	return s.register(w.Text)
}

// AS-CIMD-SHOW-CLIENT-HOST, AS-CIMD-SHOW-REDIRECT-HOST, AS-REDIRECT-INFORM: a document on loopback that says that it is a client which
// people know is not taken for it: its own host is shown, and where the code goes.
func TestAttackByImpersonatingADocument(t *testing.T) {
	p, published := texts(t)
	s := protect(t, "--insecure-loopback-documents", p.ca)
	b := s.browser()
	b.signIn()
	pretender := way{Text: `{"client_name":"Claude Code","client_uri":"https://claude.ai","redirect_uris":["https://evil.example/cb"]}`}
	as(t, s, "its text under another address", func(t *testing.T) {
		b.t = t
		a := s.described(published(pretender))
		a.Redirect = "https://evil.example/cb"
		page := b.follow(a.authorizeURL())
		if page.Request.URL.Path != "/consent" || !strings.Contains(page.body, "evil.example") || !strings.Contains(page.body, strings.TrimPrefix(p.URL, "https://")) && !strings.Contains(page.body, "127.0.0.1") {
			t.Fatalf("the page does not say who it is: %s\n%s", page.Request.URL, page.body)
		}
		if strings.Contains(strings.ReplaceAll(page.body, "Claude Code", ""), "Claude") {
			t.Errorf("the page knows it as somebody else:\n%s", page.body)
		}
	})
	as(t, s, "a text that says that it lies elsewhere", func(t *testing.T) {
		b.t = t
		a := s.described(published(pretender) + "?" + url.Values{"client_id": {"https://claude.ai/oauth/claude-code-client-metadata"}}.Encode())
		a.Redirect = "https://evil.example/cb"
		b.get(a.authorizeURL()).stays(t, "a copy", http.StatusUnauthorized)
	})
}
