package client_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/doorward-mcp/doorward/client"
	"github.com/doorward-mcp/doorward/token"
)

const document = "https://client.example.com/client.json"

// CL-REG-PRIORITY, CL-REG-OBTAIN, CL-CIMD-CHECK-CAP, CL-CIMD-FALLBACK, CL-PREREG.
func TestRegistrationOrder(t *testing.T) {
	given := client.Registered{ID: "given"}
	for _, c := range []struct {
		what      string
		o         client.Options
		supported bool // client ID metadata documents
		want      string
	}{
		{"given beforehand comes first", client.Options{Registered: given, Document: document}, true, "given"},
		{"then the document", client.Options{Document: document}, true, document},
		{"a document that is not supported", client.Options{Document: document}, false, "dynamic"},
		{"no document", client.Options{}, true, "dynamic"},
	} {
		t.Run(c.what, func(t *testing.T) {
			p := newPeer(t)
			p.metadata = func(_ *peer, md map[string]any) { md["client_id_metadata_document_supported"] = c.supported }
			c.o.Redirect = "http://127.0.0.1:" + freePort(t) + "/callback"
			p.clients["given"] = registered{redirects: []string{c.o.Redirect}}
			p.clients[document] = registered{redirects: []string{c.o.Redirect}}
			admitted(t, dial(t, p, c.o), p)
			got := p.authz[0].Get("client_id")
			if c.want == "dynamic" != (p.count("register") == 1) || c.want != "dynamic" && got != c.want {
				t.Errorf("client %q after %d registrations, want %s", got, p.count("register"), c.want)
			}
		})
	}
}

func freePort(t *testing.T) string {
	t.Helper()
	s := httptest.NewServer(nil)
	defer s.Close()
	u, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	return u.Port()
}

// CL-DCR-APPTYPE, CL-DCR-APPTYPE-NATIVE, CL-REFRESH-GRANT-TYPES, CL-REDIRECT-LOCALHOST-HTTPS.
func TestDynamicRegistrationSaysWhatItIs(t *testing.T) {
	p := newPeer(t)
	var asked map[string]any
	p.register = func(_ *peer, _ http.ResponseWriter, _ *http.Request, a map[string]any) bool { asked = a; return false }
	admitted(t, dial(t, p, client.Options{Name: "Tester"}), p)
	redirect, _ := asked["redirect_uris"].([]any)
	if asked["application_type"] != "native" || asked["client_name"] != "Tester" || asked["token_endpoint_auth_method"] != "none" || len(redirect) != 1 {
		t.Errorf("registered with %v", asked)
	}
	if len(redirect) == 1 && (!strings.HasPrefix(redirect[0].(string), "http://127.0.0.1:") || p.authz[0].Get("redirect_uri") != redirect[0]) {
		t.Errorf("registered %v, used %q", redirect, p.authz[0].Get("redirect_uri"))
	}
	grants, _ := asked["grant_types"].([]any)
	if len(grants) != 2 || grants[1] != "refresh_token" {
		t.Errorf("grant_types %v", grants)
	}
}

// CL-DCR-REJECT-HANDLE, CL-DCR-REJECT-SURFACE: the server's words reach the person; the person is not sent to a browser.
func TestRefusedRegistration(t *testing.T) {
	for _, c := range []struct {
		what   string
		answer func(w http.ResponseWriter)
		text   string
	}{
		{"an error", func(w http.ResponseWriter) {
			writeJSON(w, 400, map[string]any{"error": "invalid_redirect_uri", "error_description": "only https\x07"})
		}, "invalid_redirect_uri: only https"},
		{"a page", func(w http.ResponseWriter) { w.WriteHeader(422) }, "status 422"},
		{"no client_id", func(w http.ResponseWriter) { writeJSON(w, 201, map[string]any{}) }, "client_id"},
		{"a client_id with a line end", func(w http.ResponseWriter) { writeJSON(w, 201, map[string]any{"client_id": "a\nb"}) }, "client_id"},
		{"a method that nobody here knows", func(w http.ResponseWriter) {
			writeJSON(w, 201, map[string]any{"client_id": "a", "token_endpoint_auth_method": "private_key_jwt"})
		}, "private_key_jwt"},
		{"a secret that is not there", func(w http.ResponseWriter) {
			writeJSON(w, 201, map[string]any{"client_id": "a", "token_endpoint_auth_method": "client_secret_basic"})
		}, "client_secret_basic"},
	} {
		t.Run(c.what, func(t *testing.T) {
			p := newPeer(t)
			p.register = func(_ *peer, w http.ResponseWriter, _ *http.Request, _ map[string]any) bool { c.answer(w); return true }
			refused(t, p, client.Options{}, c.text)
			if p.count("authorize") != 0 {
				t.Error("the browser was opened")
			}
		})
	}
	t.Run("nobody registers there", func(t *testing.T) {
		p := newPeer(t)
		p.metadata = func(_ *peer, md map[string]any) { delete(md, "registration_endpoint") }
		refused(t, p, client.Options{}, "registers no clients")
	})
}

// CL-TOKEN-AUTH-METHOD: as registered, with a method that the server lists. The peer's secrets have characters that
// RFC 6749 §2.3.1 wants encoded.
func TestTokenEndpointAuthentication(t *testing.T) {
	for _, c := range []struct {
		listed      []string
		head, field bool
	}{
		{[]string{"none"}, false, false},
		{[]string{"client_secret_basic"}, true, false},
		{[]string{"client_secret_post"}, false, true},
		{[]string{"private_key_jwt", "client_secret_post", "client_secret_basic"}, true, false},
		{[]string{"client_secret_post", "none"}, false, false},
		{nil, false, false},
	} {
		t.Run(strings.Join(c.listed, " "), func(t *testing.T) {
			p := newPeer(t)
			p.metadata = func(_ *peer, md map[string]any) {
				md["token_endpoint_auth_methods_supported"] = c.listed
				if c.listed == nil {
					delete(md, "token_endpoint_auth_methods_supported")
				}
			}
			admitted(t, dial(t, p, client.Options{}), p)
			if got := p.authHeads[0] != ""; got != c.head {
				t.Errorf("Authorization header: %v, want %v", got, c.head)
			}
			if got := p.forms[0].Has("client_secret"); got != c.field {
				t.Errorf("client_secret in the form: %v, want %v", got, c.field)
			}
			if p.forms[0].Has("client_id") == c.head {
				t.Error("client_id must be in the form or in the header, not in both")
			}
		})
	}
}

// A given secret is used as the server's list says, and not at all where the server lists nothing that we can do.
func TestGivenSecret(t *testing.T) {
	p := newPeer(t)
	redirect := "http://127.0.0.1:" + freePort(t) + "/callback"
	p.clients["given"] = registered{redirects: []string{redirect}, secret: "s:&+"}
	o := client.Options{Redirect: redirect, Registered: client.Registered{ID: "given", Secret: token.NewSecret("s:&+")}}
	admitted(t, dial(t, p, o), p)
	if p.authHeads[0] == "" {
		t.Error("no Basic header")
	}
	p = newPeer(t)
	p.metadata = func(_ *peer, md map[string]any) {
		md["token_endpoint_auth_methods_supported"] = []string{"tls_client_auth"}
	}
	refused(t, p, o, "token endpoint authentication")
}

// CL-DCR-RETRY; Claude's way to tell a client that its registration is gone: register anew, once.
func TestLostRegistrationIsMadeAnew(t *testing.T) {
	p := newPeer(t)
	keep := &client.Memory{}
	admitted(t, dial(t, p, client.Options{Keeper: keep}), p)
	p.revokeAccess()
	clear(p.refresh)
	lost := true
	p.token = func(p *peer, w http.ResponseWriter, r *http.Request) bool {
		if r.PostForm.Get("grant_type") == "authorization_code" && lost {
			lost = false
			writeJSON(w, 401, map[string]any{"error": "invalid_client"})
			return true
		}
		return false
	}
	admitted(t, dial(t, p, client.Options{Keeper: keep}), p)
	if n := p.count("register"); n != 2 {
		t.Errorf("registered %d times, want 2", n)
	}
	p.revokeAccess()
	clear(p.refresh)
	p.token = func(_ *peer, w http.ResponseWriter, _ *http.Request) bool {
		writeJSON(w, 401, map[string]any{"error": "invalid_client"})
		return true
	}
	before := p.count("register")
	if _, _, err := post(t, dial(t, p, client.Options{Keeper: keep}), p.address(), ""); err == nil {
		t.Error("no error from a server that knows no client")
	}
	if n := p.count("register") - before; n > 1 {
		t.Errorf("registered %d times more, want at most 1", n)
	}
}

// A second sign-in in another process uses the registration of the first, and its port.
func TestRegistrationIsKept(t *testing.T) {
	p := newPeer(t)
	keep := &client.Memory{}
	admitted(t, dial(t, p, client.Options{Keeper: keep}), p)
	p.revokeAccess()
	clear(p.refresh)
	admitted(t, dial(t, p, client.Options{Keeper: keep}), p)
	if p.count("register") != 1 || p.count("authorize") != 2 {
		t.Errorf("%d registrations for %d sign-ins, want 1 for 2", p.count("register"), p.count("authorize"))
	}
	if a, b := p.authz[0].Get("redirect_uri"), p.authz[1].Get("redirect_uri"); a != b {
		t.Errorf("redirect addresses %q and %q", a, b)
	}
}

// A port that somebody else took meanwhile costs a registration, not the sign-in.
func TestTakenPortRegistersAnew(t *testing.T) {
	p := newPeer(t)
	keep := &client.Memory{}
	admitted(t, dial(t, p, client.Options{Keeper: keep}), p)
	was, err := url.Parse(p.authz[0].Get("redirect_uri"))
	if err != nil {
		t.Fatal(err)
	}
	busy := listenAt(t, was.Host)
	defer busy.Close()
	p.revokeAccess()
	clear(p.refresh)
	admitted(t, dial(t, p, client.Options{Keeper: keep}), p)
	if p.count("register") != 2 {
		t.Errorf("registered %d times, want 2", p.count("register"))
	}
}

// CL-CRED-SEPARATE, CL-CRED-KEYED, CL-CRED-NO-REUSE, CL-CRED-REREGISTER, CL-CRED-NO-ASSUME: another authorization server
// sees no client id, no code and no refresh token of the first.
func TestChangedAuthorizationServer(t *testing.T) {
	p, q := newPeer(t), newPeer(t)
	tr := dial(t, p, client.Options{})
	admitted(t, tr, p)
	q.counter = 100 // other names than p's
	p.resource = func(p *peer, w http.ResponseWriter, _ *http.Request) bool {
		writeJSON(w, 200, map[string]any{"resource": p.address(), "authorization_servers": []string{q.iss()}})
		return true
	}
	p.mu.Lock()
	p.access = q.access
	p.mu.Unlock()
	admitted(t, tr, p)
	if q.count("register") != 1 || p.count("token refresh_token") != 0 || q.count("token refresh_token") != 0 {
		t.Errorf("at the new one: %v; at the old one: %v", q.seen, p.seen)
	}
	if id := q.authz[0].Get("client_id"); id == p.authz[0].Get("client_id") {
		t.Errorf("the new one saw the client id %q of the old one", id)
	}
}

// CL-CRED-MISMATCH-ERROR: a given client id is for one issuer.
func TestGivenClientIDStaysAtItsIssuer(t *testing.T) {
	p, q := newPeer(t), newPeer(t)
	redirect := "http://127.0.0.1:" + freePort(t) + "/callback"
	p.clients["given"] = registered{redirects: []string{redirect}}
	o := client.Options{Redirect: redirect, Registered: client.Registered{ID: "given"}, Keeper: &client.Memory{}}
	admitted(t, dial(t, p, o), p)
	p.resource = func(p *peer, w http.ResponseWriter, _ *http.Request) bool {
		writeJSON(w, 200, map[string]any{"resource": p.address(), "authorization_servers": []string{q.iss()}})
		return true
	}
	p.revokeAccess()
	_, _, err := post(t, dial(t, p, o), p.address(), "")
	if err == nil || !strings.Contains(err.Error(), "is for "+p.iss()) {
		t.Errorf("got %v, want that the id is for %s", err, p.iss())
	}
	o.Keeper, o.Registered.Issuer = nil, p.iss()
	_, _, err = post(t, dial(t, p, o), p.address(), "")
	if err == nil || q.count("authorize") != 0 {
		t.Errorf("got %v after %d sign-ins at the other issuer", err, q.count("authorize"))
	}
}

// RFC 7591 §3.2.1: a registration whose secret has expired is not used any more.
func TestExpiredRegistrationIsMadeAnew(t *testing.T) {
	p := newPeer(t)
	now := newClock()
	p.metadata = func(_ *peer, md map[string]any) {
		md["token_endpoint_auth_methods_supported"] = []string{"client_secret_basic"}
	}
	p.register = func(p *peer, w http.ResponseWriter, _ *http.Request, asked map[string]any) bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		id := p.next("client")
		p.clients[id] = registered{redirects: []string{asked["redirect_uris"].([]any)[0].(string)}, secret: "s"}
		writeJSON(w, 201, map[string]any{"client_id": id, "client_secret": "s", "client_secret_expires_at": now.Now().Add(time.Hour).Unix()})
		return true
	}
	o := client.Options{Keeper: &client.Memory{}, Now: now.Now}
	for i, want := range []int{1, 1, 2} {
		admitted(t, dial(t, p, o), p)
		if n := p.count("register"); n != want {
			t.Errorf("sign-in %d: registered %d times, want %d", i, n, want)
		}
		p.revokeAccess()
		clear(p.refresh)
		now.pass(35 * time.Minute)
	}
}

// A registration for another redirect address than the one of the options is not used.
func TestOtherRedirectAddressRegistersAnew(t *testing.T) {
	p := newPeer(t)
	keep := &client.Memory{}
	for i, redirect := range []string{"", "http://localhost/callback", "http://localhost:0/callback", "http://127.0.0.1:" + freePort(t) + "/back"} {
		admitted(t, dial(t, p, client.Options{Keeper: keep, Redirect: redirect}), p)
		if n, want := p.count("register"), []int{1, 2, 2, 3}[i]; n != want {
			t.Errorf("%q: registered %d times, want %d", redirect, n, want)
		}
		p.revokeAccess()
		clear(p.refresh)
	}
}

// A refresh that finds the client unknown forgets the registration, so that the sign-in after it makes a new one.
func TestRefreshWithoutRegistration(t *testing.T) {
	p := newPeer(t)
	tr := dial(t, p, client.Options{})
	admitted(t, tr, p)
	p.revokeAccess()
	clear(p.clients)
	admitted(t, tr, p)
	if p.count("register") != 2 || p.count("authorize") != 2 {
		t.Errorf("%d registrations and %d sign-ins, want 2 and 2", p.count("register"), p.count("authorize"))
	}
}

// Tokens that another client id got are not used by somebody who says which one to use.
func TestGivenClientIDGetsItsOwnTokens(t *testing.T) {
	p := newPeer(t)
	redirect := "http://127.0.0.1:" + freePort(t) + "/callback"
	p.clients["given"] = registered{redirects: []string{redirect}}
	o := client.Options{Keeper: &client.Memory{}, Redirect: redirect}
	admitted(t, dial(t, p, o), p)
	o.Registered.ID = "given"
	admitted(t, dial(t, p, o), p)
	if p.count("authorize") != 2 || p.authz[1].Get("client_id") != "given" {
		t.Errorf("%d sign-ins, the last as %q; want 2, as given", p.count("authorize"), p.authz[len(p.authz)-1].Get("client_id"))
	}
}
