package guard_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/doorward-mcp/doorward/guard"
	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/token"
)

const initialize = `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"c","version":"1"}}}`

// begin has the server behind Protect begin the session "inner", and gives the id that the client gets.
func (f *fixture) begin(raw string) string {
	f.t.Helper()
	w := f.serve(post(initialize, "Authorization", "Bearer "+raw), func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Mcp-Session-Id", "inner")
		_, _ = w.Write([]byte("{}"))
	})
	return w.Header().Get("Mcp-Session-Id")
}

// RS-SID-BIND-USER, RS-SID-NOT-AUTH: a session goes on for whoever began it, whatever token
// they have by now, and for nobody else, whatever they know.
func TestASessionBelongsToItsCaller(t *testing.T) {
	f := guarded(t, nil)
	id := f.begin(f.token())
	if id == "inner" || id != f.begin(f.token()) {
		t.Fatalf("the client's id is %q", id)
	}
	mac := id[strings.LastIndexByte(id, '.'):]
	for name, c := range map[string]struct {
		of    func(*token.Claims)
		id    string
		found bool
	}{
		"its caller":             {nil, id, true},
		"after a step-up":        {func(c *token.Claims) { c.Scopes, c.Grant, c.ID = oauth.NewScopes("mcp", "more"), "g2", "j2" }, id, true},
		"another person":         {func(c *token.Claims) { c.Subject = "bob" }, id, false},
		"another client":         {func(c *token.Claims) { c.Client = "another" }, id, false},
		"the server's own id":    {nil, "inner", false},
		"an id without a MAC":    {nil, "inner.", false},
		"a MAC without an id":    {nil, mac, false},
		"another id":             {nil, "other" + mac, false},
		"a MAC cut short":        {nil, id[:len(id)-2], false},
		"a MAC in another shape": {nil, id + "=", false},
	} {
		for _, method := range []string{"POST", "GET", "DELETE"} {
			t.Run(name+", "+method, func(t *testing.T) {
				f.t = t
				as := c.of
				if as == nil {
					as = func(*token.Claims) {}
				}
				r := post(callBody, "Authorization", "Bearer "+f.token(as), "Mcp-Session-Id", c.id, "Accept", "text/event-stream")
				if r.Method = method; method != "POST" {
					r.Body, r.ContentLength = http.NoBody, 0
				}
				reached := false
				w := f.serve(r, func(w http.ResponseWriter, r *http.Request) {
					call, _ := guard.From(r.Context())
					if reached = true; r.Header.Get("Mcp-Session-Id") != "inner" || call.Message.Session != "inner" {
						t.Errorf("the server sees %q", r.Header.Get("Mcp-Session-Id"))
					}
				})
				if reached != c.found || !c.found && w.Code != 404 {
					t.Errorf("reached %v, %d %s", reached, w.Code, w.Body)
				}
			})
		}
	}
	if last := f.log[len(f.log)-1]; last.Record.Server != resource {
		t.Errorf("recorded: %+v", last)
	}
}

// Replicas that share sessions share the key; others are strangers to each other.
func TestSessionsAcrossReplicas(t *testing.T) {
	shared := func(c *guard.Config) { c.SessionKey = []byte("0123456789abcdef0123456789abcdef") }
	for name, c := range map[string]struct {
		change func(*guard.Config)
		status int
	}{"with one key": {shared, 200}, "each with its own": {nil, 404}} {
		one, two := guarded(t, c.change), guarded(t, c.change)
		w := two.serve(post(callBody, "Authorization", "Bearer "+two.token(), "Mcp-Session-Id", one.begin(one.token())), func(http.ResponseWriter, *http.Request) {})
		if w.Code != c.status {
			t.Errorf("%s: %d", name, w.Code)
		}
	}
}

// A server's id is bound however the server answers.
func TestASessionIsBoundBeforeItGoesOut(t *testing.T) {
	f := guarded(t, nil)
	for name, next := range map[string]http.HandlerFunc{
		"nothing": func(http.ResponseWriter, *http.Request) {}, "a status": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(202) },
		"bytes":      func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("{}")) },
		"a flush":    func(w http.ResponseWriter, _ *http.Request) { w.(http.Flusher).Flush() },
		"control":    func(w http.ResponseWriter, _ *http.Request) { _ = http.NewResponseController(w).Flush() },
		"early hint": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(103); w.WriteHeader(200) },
	} {
		w := f.serve(post(initialize, "Authorization", "Bearer "+f.token()), func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Mcp-Session-Id", "inner")
			next(w, r)
		})
		if id := w.Result().Header.Get("Mcp-Session-Id"); !strings.HasPrefix(id, "inner.") {
			t.Errorf("%s: %q", name, id)
		}
	}
}

// A key that can be guessed would let anybody make ids.
func TestAShortSessionKey(t *testing.T) {
	_, err := guard.New(guard.Config{Resource: oauth.Resource{URI: resource}, Issuers: []token.Issuer{{URL: issuer, Audiences: []string{resource}}}, SessionKey: []byte("short")})
	if err == nil {
		t.Error("it is taken")
	}
}
