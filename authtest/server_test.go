package authtest_test

import (
	"encoding/base64"
	"encoding/json"
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

// mine is a server in a program of somebody's own, by keys of the kit's server and by asking it.
func mine(t *testing.T) (as *authtest.Server, byKeys, asked *httptest.Server) {
	t.Helper()
	const uri = "https://mine.example.com/mcp"
	as = authtest.New(t, uri)
	protect := func(i token.Issuer) *httptest.Server {
		g, err := guard.New(guard.Config{Resource: oauth.Resource{URI: uri}, Servers: []string{as.Issuer}, Issuers: []token.Issuer{i}, Slog: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		server := httptest.NewServer(g.Protect(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})))
		t.Cleanup(server.Close)
		return server
	}
	return as, protect(as.At(uri)), protect(as.AskedAt(uri))
}

// Each kind of token in one call. A server that asks refuses the same ones, and those that were taken back.
func TestTheServerAgainstAGuard(t *testing.T) {
	as, byKeys, asked := mine(t)
	for name, c := range map[string]struct {
		raw    string
		status int
		asked  int
	}{
		"good": {as.Good(), 200, 200}, "a program's own": {as.Own(), 200, 200}, "with scopes": {as.Good("mcp", "more"), 200, 200}, "of another person": {as.Token(authtest.Said{Subject: "bob"}), 200, 200},
		"stale": {as.Stale(), 401, 401}, "stolen": {as.Stolen(), 401, 401}, "foreign": {as.Foreign(), 401, 401}, "forged": {as.Forged(), 401, 401}, "elsewhere": {as.Elsewhere(), 401, 401},
		"weak": {as.Weak(), 403, 403}, "revoked": {as.Revoked(), 200, 401},
	} {
		if got, _ := call(t, byKeys, c.raw); got != c.status {
			t.Errorf("%s: %d, want %d", name, got, c.status)
		}
		if got, _ := call(t, asked, c.raw); got != c.asked {
			t.Errorf("%s, asked: %d, want %d", name, got, c.asked)
		}
	}
}

// What cannot be verified at the moment is answered 503 with Retry-After, and a key that was added is found.
func TestTheServersFaults(t *testing.T) {
	as, byKeys, _ := mine(t)
	as.Down(true)
	if got, again := call(t, byKeys, as.Good()); got != 503 || again == "" {
		t.Errorf("down: %d, again after %q", got, again)
	}
	as, byKeys, _ = mine(t)
	as.Slow(50 * time.Millisecond)
	begun := time.Now()
	if got, _ := call(t, byKeys, as.Good()); got != 200 || time.Since(begun) < 50*time.Millisecond {
		t.Errorf("slow: %d after %s", got, time.Since(begun))
	}
	as.Slow(0)
	as, byKeys, _ = mine(t)
	before := as.Good()
	as.Rotate()
	after := as.Good()
	if kid(t, before) == kid(t, after) {
		t.Error("the key has not changed")
	}
	for name, raw := range map[string]string{"before": before, "after": after} {
		if got, _ := call(t, byKeys, raw); got != 200 {
			t.Errorf("signed %s the rotation: %d", name, got)
		}
	}
}

// kid is the name of the key that signed a token.
func kid(t *testing.T, raw string) string {
	t.Helper()
	header, _, _ := strings.Cut(raw, ".")
	b, err := base64.RawURLEncoding.DecodeString(header)
	var h struct{ Kid string }
	if err == nil {
		err = json.Unmarshal(b, &h)
	}
	if err != nil {
		t.Fatal(err)
	}
	return h.Kid
}
