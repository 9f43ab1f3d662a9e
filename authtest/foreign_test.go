package authtest_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/doorward-mcp/doorward/authtest"
	"github.com/doorward-mcp/doorward/guard"
	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/token"
)

const api = "6e74172b-be56-4843-9ff4-e66a39bb12e3"

// guarded is a server in a program of somebody's own, which takes tokens of f by keys or by asking.
func guarded(t *testing.T, f *authtest.Foreign, i token.Issuer) *httptest.Server {
	t.Helper()
	i.Rule.ScopeOf = map[string][]string{"notes.use": {"mcp"}}
	g, err := guard.New(guard.Config{Resource: oauth.Resource{URI: "http://127.0.0.1:1/mcp"}, Servers: []string{f.Issuer}, Issuers: []token.Issuer{i}, Slog: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(g.Protect(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		call, _ := guard.From(r.Context())
		_, _ = fmt.Fprint(w, call.Caller.Subject, " ", call.Caller.Scopes)
	})))
	t.Cleanup(server.Close)
	return server
}

// call gives the status of a call, and when to try again.
func call(t *testing.T, s *httptest.Server, raw string) (status int, again string) {
	t.Helper()
	r, err := http.NewRequest("POST", s.URL, strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"ping"}`))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+raw)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Mcp-Protocol-Version", "2025-11-25")
	res, err := s.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	return res.StatusCode, res.Header.Get("Retry-After")
}

// A server in a program of somebody's own is tested with one call for each kind of token.
func TestTheKitAgainstAGuard(t *testing.T) {
	for _, shape := range authtest.Shapes() {
		f := authtest.NewForeign(t, shape)
		good := authtest.Said{Audience: api, Client: api, Scopes: []string{"notes.use"}}
		ended, other := good, good
		ended.Life = -time.Minute
		other.Audience, other.Client = "another", "another"
		byKeys, asked := guarded(t, f, f.At(api)), guarded(t, f, f.AskedAt(api))
		allowed := http.StatusOK
		if shape == authtest.OktaOrg {
			allowed = http.StatusUnauthorized
		}
		raw := f.Access(good)
		for name, c := range map[string]struct {
			at     *httptest.Server
			raw    string
			status int
		}{
			"good": {byKeys, raw, allowed}, "good, asked": {asked, raw, allowed}, "opaque, asked": {asked, f.Opaque(good), 200},
			"stale": {byKeys, f.Access(ended), 401}, "foreign": {byKeys, f.Access(other), 401}, "forged": {byKeys, f.Stolen(good), 401}, "an ID token": {byKeys, f.Identity(good), 401},
			"unsigned": {byKeys, f.Unsigned(good), 401}, "symmetric": {byKeys, f.Symmetric(good), 401}, "altered": {byKeys, f.Altered(raw, func(c map[string]any) { c["sub"] = "root" }), 401},
			"opaque": {byKeys, f.Opaque(good), 401}, "made up, asked": {asked, "made-up", 401},
		} {
			if got, _ := call(t, c.at, c.raw); got != c.status {
				t.Errorf("%s, %s: %d, want %d", shape, name, got, c.status)
			}
		}
		f.Down(true)
		for _, at := range []token.Issuer{f.At(api), f.AskedAt(api)} {
			if got, again := call(t, guarded(t, f, at), f.Access(good)); shape != authtest.OktaOrg && (got != 503 || again == "") {
				t.Errorf("%s, down: %d %s", shape, got, again)
			}
		}
	}
}
