package main

import (
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/doorward-mcp/doorward/oauth"
)

// publisher is a TLS server on loopback with client ID metadata documents, and a count of who came to read one.
type publisher struct {
	*httptest.Server
	hits atomic.Int32
	ca   string // PEM file of its authority
}

func publish(t *testing.T, h func(p *publisher, w http.ResponseWriter, r *http.Request)) *publisher {
	p := &publisher{ca: filepath.Join(t.TempDir(), "ca.pem")}
	p.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/slow" { // it is read beside the others, whenever it comes
			p.hits.Add(1)
		}
		h(p, w, r)
	}))
	t.Cleanup(p.Close)
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.Certificate().Raw})
	if err := os.WriteFile(p.ca, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return p
}

// document writes a good document for the address that was asked for, with more members.
func (p *publisher) document(w http.ResponseWriter, r *http.Request, more string) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = fmt.Fprintf(w, `{"client_id":%q,"client_name":"Published","redirect_uris":["https://app.example/cb"]%s}`, p.URL+r.URL.RequestURI(), more)
}

// described is an app whose id is the address of a document.
func (s *server) described(id string) *app {
	return &app{s.t, s, id, "", "https://app.example/cb", oauth.NewVerifier(), "state"}
}

// AS-CIMD-SSRF, AS-CIMD-SPECIAL-IP: a client id makes us read nothing that is not public and https.
func TestAttackByDocumentAddress(t *testing.T) {
	p := publish(t, func(p *publisher, w http.ResponseWriter, r *http.Request) { p.document(w, r, "") })
	plain := httptest.NewServer(p.Config.Handler)
	defer plain.Close()
	s := protect(t)
	stranger, b := s.browser(), s.browser()
	b.signIn() // for a stranger nothing is read at all
	_, port, _ := strings.Cut(strings.TrimPrefix(p.URL, "https://"), ":")
	for _, id := range []string{
		p.URL + "/client", "https://localhost:" + port + "/client", "https://[::1]:" + port + "/client", "https://[::ffff:127.0.0.1]:" + port + "/client", "https://0.0.0.0:" + port + "/client",
		"https://127.1:" + port + "/client", "https://2130706433:" + port + "/client", plain.URL + "/client", "http://localhost/client", "https://10.0.0.1/client", "https://192.168.0.1/client",
		"https://169.254.169.254/latest/meta-data", "https://[fd00::1]/client", "https://[fe80::1]/client", "https://100.64.0.1/client",
		"file:///etc/passwd", "ftp://127.0.0.1/client", "https://user@127.0.0.1:" + port + "/client", p.URL + "/a/../client", p.URL + "/client#x", p.URL, p.URL + "/",
	} {
		if a := stranger.get(s.described(id).authorizeURL()); a.StatusCode != http.StatusUnauthorized && a.StatusCode != http.StatusSeeOther {
			t.Errorf("%s, nobody signed in: %s", id, a.Status)
		}
		a := b.get(s.described(id).authorizeURL())
		if a.StatusCode != http.StatusUnauthorized && a.StatusCode != http.StatusServiceUnavailable && a.StatusCode != http.StatusTooManyRequests {
			t.Errorf("%s: %s", id, a.Status)
		}
		if a.Header.Get("Location") != "" {
			t.Errorf("%s: sent on to %s", id, a.Header.Get("Location"))
		}
	}
	if n := p.hits.Load(); n != 0 {
		t.Errorf("the documents were read %d times", n)
	}
	for _, r := range s.audited() {
		if strings.HasPrefix(fmt.Sprint(r["about"]), "https://127.0.0.1") && r["reason"] != "document_refused" {
			t.Errorf("refused for another reason: %v", r)
		}
	}
}

// AS-CIMD-ID-MATCH, AS-CIMD-NO-REDIRECT, AS-CIMD-SIZE, AS-CIMD-NO-SECRET, AS-CIMD-REDIRECT: what a document may not be.
func TestAttackByDocument(t *testing.T) {
	p := publish(t, func(p *publisher, w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/redirect":
			http.Redirect(w, r, p.URL+"/good", http.StatusFound)
		case "/redirect-inside":
			http.Redirect(w, r, "http://169.254.169.254/", http.StatusFound)
		case "/large":
			p.document(w, r, `,"client_uri":"https://app.example/`+strings.Repeat("x", 6<<10)+`"`)
		case "/slow":
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(200)
			for range 100 {
				_, _ = w.Write([]byte(" "))
				_ = http.NewResponseController(w).Flush()
				select {
				case <-r.Context().Done():
					return
				case <-time.After(100 * time.Millisecond):
				}
			}
		case "/other-id":
			w.Header().Set("Content-Type", "application/json")
			_, _ = fmt.Fprintf(w, `{"client_id":%q,"client_name":"x","redirect_uris":["https://app.example/cb"]}`, p.URL+"/good")
		case "/html":
			w.Header().Set("Content-Type", "text/html")
			_, _ = fmt.Fprintf(w, `{"client_id":%q,"client_name":"x","redirect_uris":["https://app.example/cb"]}`, p.URL+r.URL.Path)
		case "/secret":
			p.document(w, r, `,"client_secret":"x"`)
		case "/secret-method":
			p.document(w, r, `,"token_endpoint_auth_method":"client_secret_post"`)
		case "/key-method":
			p.document(w, r, `,"token_endpoint_auth_method":"private_key_jwt"`)
		case "/script":
			w.Header().Set("Content-Type", "application/json")
			_, _ = fmt.Fprintf(w, `{"client_id":%q,"client_name":"x","redirect_uris":["javascript:alert(1)"]}`, p.URL+r.URL.Path)
		case "/missing":
			http.NotFound(w, r)
		default:
			p.document(w, r, "")
		}
	})
	s := protect(t, "--insecure-loopback-documents", p.ca)
	b := s.browser()
	b.signIn()
	slow := make(chan answer, 1)
	begun, waiting, address := time.Now(), &browser{t, s, b.http}, s.described(p.URL+"/slow").authorizeURL()
	go func() { slow <- waiting.get(address) }()
	for _, name := range []string{"redirect", "redirect-inside", "large", "other-id", "html", "secret", "secret-method", "key-method", "script", "missing"} {
		as(t, s, name, func(t *testing.T) {
			b.t = t
			b.get(s.described(p.URL+"/"+name).authorizeURL()).stays(t, name, http.StatusUnauthorized)
			// AS-CIMD-NO-CACHE-ERRORS: it is read again, and refused again.
			before := p.hits.Load()
			b.get(s.described(p.URL+"/"+name).authorizeURL()).stays(t, name, http.StatusUnauthorized)
			if p.hits.Load() != before+1 {
				t.Errorf("read %d times more", p.hits.Load()-before)
			}
		})
	}
	as(t, s, "a good one is let", func(t *testing.T) {
		b.t = t
		app := s.described(p.URL + "/good")
		s.works("of a described client", app.redeem(app.code(b)).tokens(t).Access)
		page := b.get(app.authorizeURL("redirect_uri", "https://evil.example/cb"))
		page.stays(t, "a redirect that the document does not have", 400)
	})
	as(t, s, "too slow", func(t *testing.T) {
		a := <-slow
		if a.StatusCode != http.StatusServiceUnavailable || time.Since(begun) > 9*time.Second {
			t.Errorf("%s after %s", a.Status, time.Since(begun))
		}
	})
}

// A thousand different documents are not read: neither we nor who publishes them is to be kept busy by a stranger.
func TestAttackByAThousandDocuments(t *testing.T) {
	p := publish(t, func(p *publisher, w http.ResponseWriter, r *http.Request) { p.document(w, r, "") })
	s := protect(t, "--insecure-loopback-documents", p.ca)
	b := s.browser()
	b.signIn()
	refused := 0
	for n := range 1000 {
		a := b.get(s.described(p.URL+"/client?"+url.Values{"n": {fmt.Sprint(n)}}.Encode()).authorizeURL("code_challenge", ""))
		if a.StatusCode == http.StatusTooManyRequests {
			refused++
		}
	}
	if n := p.hits.Load(); n > 60 || refused < 900 {
		t.Errorf("%d documents were read, %d refused", n, refused)
	}
}

// A stranger cannot fill the table of clients faster than its quota, and equal clients are one.
func TestAttackByRegistering(t *testing.T) {
	s := protect(t)
	ids, refused := map[string]int{}, 0
	for n := range 60 {
		name := "Same"
		if n%2 == 1 {
			name = fmt.Sprint("App ", n)
		}
		a := do(t, http.DefaultClient, request(t, "POST", s.at("/register"), fmt.Sprintf(`{"client_name":%q,"redirect_uris":["http://127.0.0.1:%d/cb"],"grant_types":["authorization_code","client_credentials"]}`, name, 1000+n), "Content-Type", "application/json"))
		switch a.StatusCode {
		case http.StatusCreated:
			m := a.json(t)
			if name == "Same" {
				ids[fmt.Sprint(m["client_id"])]++
			}
			// Rule 14: what it may not have is removed, and no power comes with it.
			if m["client_secret"] != nil || m["registration_access_token"] != nil || strings.Contains(a.body, "client_credentials") {
				t.Fatalf("the answer: %s", a.body)
			}
		case http.StatusTooManyRequests:
			refused++
		default:
			t.Fatal(a.Status)
		}
	}
	if refused < 20 || len(ids) != 1 {
		t.Errorf("%d of 60 refused, %d ids for one client", refused, len(ids))
	}
}
