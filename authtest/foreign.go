package authtest

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/doorward-mcp/doorward/internal/fetch"
	"github.com/doorward-mcp/doorward/provider"
	"github.com/doorward-mcp/doorward/token"
)

// Foreign is an authorization server that is not ours: its metadata, its key set and its introspection endpoint answer on
// loopback until the test ends. Make it with NewForeign. It is safe for concurrent use.
type Foreign struct {
	Issuer   string // iss of its tokens
	JWKSURI  string
	Endpoint string // of introspection: client "rs" with the secret "rs-secret", client_secret_basic
	Profile  string // the name of its profile, provider.Named; empty: none is needed

	t     testing.TB
	shape Shape

	mu     sync.Mutex        // guards what follows
	key    key               // is published, and signs
	rounds int               // counts keys
	down   bool              // it answers 503 to everything
	active map[string][]byte // :: token → what introspection answers
	asked  []string          // the tokens that introspection was asked about
}

type key struct {
	id      string
	private *rsa.PrivateKey
}

// NewForeign starts an authorization server of a shape. It ends with the test.
func NewForeign(t testing.TB, shape Shape) *Foreign {
	t.Helper()
	k, ok := kindOf(shape)
	if !ok {
		t.Fatalf("authtest: there is no shape %q", shape)
	}
	f := &Foreign{t: t, shape: shape, Profile: k.profile, active: map[string][]byte{}}
	server := httptest.NewServer(http.HandlerFunc(f.serve))
	t.Cleanup(server.Close)
	f.Issuer, f.JWKSURI, f.Endpoint = server.URL+k.path, server.URL+"/keys", server.URL+"/introspect"
	f.Rotate()
	return f
}

// At is the server as an issuer at a resource that takes tokens for any of audiences: for guard.Config, or a token.Verifier.
func (f *Foreign) At(audiences ...string) token.Issuer {
	p, _ := provider.Named(f.Profile)
	i := p.Issuer(f.Issuer, provider.Here{Audiences: audiences})
	i.Keys = token.NewSet(f.Issuer, provider.Discover((&fetch.Client{}).From(f.Issuer).Get)).Key
	return i
}

// AskedAt is At by introspection in place of keys.
func (f *Foreign) AskedAt(audiences ...string) token.Issuer {
	i := f.At(audiences...)
	i.Keys = nil
	i.Introspect = provider.NewIntrospection(provider.Endpoint{URL: f.Endpoint, ClientID: "rs", Secret: token.NewSecret("rs-secret")}, 0).Ask
	return i
}

// Rotate has the server sign with a new key. The old one is published no more, so that what it signed is no longer good once
// the set is read again: token.Set does so for a key that it does not know, at most every 10 s.
func (f *Foreign) Rotate() {
	f.t.Helper()
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		f.t.Fatal(err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rounds++
	f.key = key{fmt.Sprintf("key-%d", f.rounds), private}
}

// Down has the server answer 503 to everything, or answer again.
func (f *Foreign) Down(down bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.down = down
}

// Asked are the tokens that introspection was asked about, each time that it was.
func (f *Foreign) Asked() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string(nil), f.asked...)
}

func (f *Foreign) serve(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	issuer := strings.TrimSuffix(f.Issuer, "/")
	path := strings.TrimPrefix(issuer, "http://"+r.Host)
	switch {
	case f.down:
		http.Error(w, "down", http.StatusServiceUnavailable)
	case r.URL.Path == path+"/.well-known/openid-configuration":
		f.answer(w, map[string]any{"issuer": f.Issuer, "jwks_uri": f.JWKSURI, "authorization_endpoint": issuer + "/authorize", "token_endpoint": issuer + "/token", "introspection_endpoint": f.Endpoint})
	case r.URL.Path == "/keys":
		f.answer(w, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: f.key.private.Public(), KeyID: f.key.id, Use: "sig"}}})
	case r.URL.Path == "/introspect" && r.Method == http.MethodPost:
		f.introspect(w, r)
	default:
		http.NotFound(w, r)
	}
}

// introspect answers as RFC 7662 §2.2 has it: of what it does not know it says that it is not active, and no more.
func (f *Foreign) introspect(w http.ResponseWriter, r *http.Request) {
	if id, secret, ok := r.BasicAuth(); !ok || id != "rs" || secret != "rs-secret" {
		http.Error(w, `{"error":"invalid_client"}`, http.StatusUnauthorized)
		return
	}
	raw := r.PostFormValue("token")
	f.asked = append(f.asked, raw)
	w.Header().Set("Content-Type", "application/json")
	body, ok := f.active[raw]
	if !ok {
		body = []byte(`{"active":false}`)
	}
	_, _ = w.Write(body)
}

func (f *Foreign) answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(v); err != nil {
		f.t.Error(err)
	}
}
