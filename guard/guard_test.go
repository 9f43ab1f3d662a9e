package guard_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/doorward-mcp/doorward/audit"
	"github.com/doorward-mcp/doorward/guard"
	"github.com/doorward-mcp/doorward/mcp"
	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/policy"
	"github.com/doorward-mcp/doorward/token"
)

const (
	issuer   = "https://as.example"
	resource = "https://mcp.example/mcp"
	document = "https://mcp.example/.well-known/oauth-protected-resource/mcp"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// fixture is a guard, its issuer's keys, and what it recorded.
type fixture struct {
	t    *testing.T
	ring *token.Ring
	g    *guard.Guard
	now  func() time.Time
	mu   sync.Mutex
	log  []audit.Entry
	full error
}

func guarded(t *testing.T, change func(*guard.Config)) *fixture {
	t.Helper()
	k, err := token.NewKey(noon.Add(-time.Hour), noon.Add(-time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{t: t}
	if f.ring, err = token.NewRing(issuer, []token.Key{k}); err != nil {
		t.Fatal(err)
	}
	c := guard.Config{Resource: oauth.Resource{URI: resource, Name: "Files", Documentation: "https://mcp.example/docs"}, Servers: []string{issuer}, Now: func() time.Time { return noon },
		Issuers: []token.Issuer{{URL: issuer, Keys: token.Own(func() *token.Ring { return f.ring }), Audiences: []string{resource}}},
		Slog:    slog.New(slog.DiscardHandler),
		Log: audit.New(func(_ context.Context, e audit.Entry) error {
			f.mu.Lock()
			defer f.mu.Unlock()
			if f.full != nil {
				return f.full
			}
			f.log = append(f.log, e)
			return nil
		})}
	if change != nil {
		change(&c)
	}
	f.now = c.Now
	if f.g, err = guard.New(c); err != nil {
		t.Fatal(err)
	}
	return f
}

func (f *fixture) token(change ...func(*token.Claims)) string {
	f.t.Helper()
	c := token.Claims{Principal: token.Principal{Issuer: issuer, Subject: "alice"}, Client: "c", Grant: "g", ID: "j", Resource: resource, Scopes: oauth.NewScopes("mcp"), Expires: noon.Add(10 * time.Minute)}
	for _, ch := range change {
		ch(&c)
	}
	raw, err := f.ring.Access(noon, c)
	if err != nil {
		f.t.Fatal(err)
	}
	return raw
}

const callBody = `{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"add","arguments":{"a":1}}}`

func post(body string, header ...string) *http.Request {
	r := httptest.NewRequest("POST", resource, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Mcp-Protocol-Version", "2025-11-25")
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return r
}

// serve sends a request through Protect to next; nil must not be reached.
func (f *fixture) serve(r *http.Request, next http.HandlerFunc) *httptest.ResponseRecorder {
	f.t.Helper()
	if next == nil {
		next = func(http.ResponseWriter, *http.Request) { f.t.Error("the server was reached") }
	}
	w := httptest.NewRecorder()
	f.g.Protect(next).ServeHTTP(w, r)
	return w
}

// RFC 9728 §2 and §3.3, RS-PRM-RESOURCE-MATCH, RS-PRM-AUTHZ-SERVERS, RS-PRM-NO-OFFLINE: the document.
func TestMetadata(t *testing.T) {
	f := guarded(t, func(c *guard.Config) { c.Hosts = map[string]string{"localhost:8080": "http://localhost:8080"} })
	get := func(method, host string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, "/.well-known/oauth-protected-resource/mcp", nil)
		r.Host = host
		w := httptest.NewRecorder()
		f.g.Metadata().ServeHTTP(w, r)
		return w
	}
	for host, want := range map[string]string{"mcp.example": resource, "evil.example": resource, "localhost:8080": "http://localhost:8080/mcp"} {
		w := get("GET", host)
		var got map[string]any
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Header().Get("Content-Type") != "application/json" {
			t.Fatal(err)
		}
		if diff := cmp.Diff(map[string]any{"resource": want, "authorization_servers": []any{issuer}, "scopes_supported": []any{"mcp"}, "bearer_methods_supported": []any{"header"},
			"resource_name": "Files", "resource_documentation": "https://mcp.example/docs", "dpop_signing_alg_values_supported": []any{"ES256", "ES384", "RS256", "PS256", "EdDSA"}}, got); diff != "" {
			t.Errorf("to %s (-want +got)\n%s", host, diff)
		}
	}
	if w := get("POST", "mcp.example"); w.Code != 405 || w.Header().Get("Allow") != "GET" {
		t.Errorf("POST: %d", w.Code)
	}
}

// RS-401-UNAUTH, RS-401-WWW-AUTH, RS-401-RESOURCE-METADATA, RS-401-INVALID-TOKEN-CODE, RS-CHALLENGE-SCOPE, RS-403-INSUFFICIENT-SCOPE,
// RS-400-MALFORMED: each refusal has the status, code and challenge that its client can act on.
func TestRefusals(t *testing.T) {
	f := guarded(t, nil)
	plain := `Bearer scope="mcp", resource_metadata="` + document + `"`
	for _, c := range []struct {
		name      string
		r         *http.Request
		status    int
		code      string // of the OAuth error; empty: a JSON-RPC error
		challenge string // its beginning; "-": none
	}{
		{"no token", post(callBody), 401, "invalid_token", plain},
		{"no token and no body", post(""), 401, "invalid_token", plain},
		{"a bad token", post(callBody, "Authorization", "Bearer x"), 401, "invalid_token", `Bearer error="invalid_token", error_description="the token is not a JWT", scope="mcp", resource_metadata="` + document + `"`},
		{"Basic", post(callBody, "Authorization", "Basic x"), 401, "invalid_token", `Bearer error="invalid_token"`},
		{"an empty Bearer", post(callBody, "Authorization", "Bearer "), 401, "invalid_token", `Bearer error="invalid_token"`},
		{"another audience", post(callBody, "Authorization", "Bearer "+f.token(func(c *token.Claims) { c.Resource = "https://other.example" })), 401, "invalid_token", `Bearer error="invalid_token"`},
		{"too little scope", post(callBody, "Authorization", "Bearer "+f.token(func(c *token.Claims) { c.Scopes = oauth.NewScopes("other") })), 403, "", `Bearer error="insufficient_scope", error_description="the token lacks scope for this operation", scope="mcp other", resource_metadata="` + document + `"`},
		{"a body that is no JSON", post("{", "Authorization", "Bearer "+f.token()), 400, "", "-"},
		{"a foreign origin", post(callBody, "Authorization", "Bearer "+f.token(), "Origin", "https://evil.example"), 403, "access_denied", "-"},
		{"PUT", func() *http.Request {
			r := post(callBody, "Authorization", "Bearer "+f.token())
			r.Method = "PUT"
			return r
		}(), 405, "", "-"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f.t = t
			w := f.serve(c.r, nil)
			challenge := w.Header().Get("WWW-Authenticate")
			if w.Code != c.status || c.challenge == "-" && challenge != "" || c.challenge != "-" && !strings.HasPrefix(challenge, c.challenge) {
				t.Errorf("%d, challenge %s", w.Code, challenge)
			}
			var body struct {
				JSONRPC string `json:"jsonrpc"`
				Error   any    `json:"error"`
			}
			if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
				t.Fatalf("%v: %s", err, w.Body)
			}
			if c.code != "" && body.Error != c.code || c.code == "" && body.JSONRPC != "2.0" {
				t.Errorf("body %s", w.Body)
			}
			if w.Header().Get("Cache-Control") != "no-store" {
				t.Error("the refusal may be kept")
			}
		})
	}
}

// A denial repeats the request's id, and its data has the members of an OAuth error.
func TestADenialIsAnAnswerToItsRequest(t *testing.T) {
	f := guarded(t, nil)
	w := f.serve(post(callBody, "Authorization", "Bearer "+f.token(func(c *token.Claims) { c.Scopes = nil })), nil)
	var got map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	delete(got["error"].(map[string]any)["data"].(map[string]any), "request_id")
	want := map[string]any{"jsonrpc": "2.0", "id": 7.0, "error": map[string]any{"code": 40300.0, "message": "the token lacks scope for this operation",
		"data": map[string]any{"error": "insufficient_scope", "error_description": "the token lacks scope for this operation", "code": "insufficient_scope", "lacking": map[string]any{"scopes": []any{"mcp"}}}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if n := len(f.log); n != 1 || f.log[0].Record.Code != audit.CallRefused || f.log[0].Record.Caller.Subject != "alice" {
		t.Errorf("recorded: %+v", f.log)
	}
}

// RS-403-ALL-SCOPES-AT-ONCE: a client of 2026-07-28 accumulates by itself; older ones are told what they have, too.
func TestAStepUpChallengeByRevision(t *testing.T) {
	f := guarded(t, func(c *guard.Config) {
		c.Decider = policy.ScopesOnly{Scopes: policy.NewScopes(nil, nil, policy.Need{Tools: []string{"add"}, Scopes: oauth.NewScopes("add", "math")})}
	})
	raw := f.token()
	newest := strings.Replace(callBody, `"name"`, `"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}},"name"`, 1)
	for revision, want := range map[string]string{"2025-11-25": `scope="add math mcp"`, "2026-07-28": `scope="add math"`} {
		body := callBody
		if revision == "2026-07-28" {
			body = newest
		}
		w := f.serve(post(body, "Authorization", "Bearer "+raw, "Mcp-Protocol-Version", revision, "Mcp-Method", "tools/call", "Mcp-Name", "add"), nil)
		if w.Code != 403 || !strings.Contains(w.Header().Get("WWW-Authenticate"), want+",") {
			t.Errorf("%s: %d %s", revision, w.Code, w.Header().Get("WWW-Authenticate"))
		}
	}
}

// TR-ORIGIN, TR-ORIGIN-403: which pages may call.
func TestOrigins(t *testing.T) {
	public := guarded(t, func(c *guard.Config) { c.Origins = []string{"https://app.example", "null"} })
	local := guarded(t, func(c *guard.Config) { c.Resource.URI = "http://127.0.0.1:8080/mcp" })
	for _, c := range []struct {
		g      *fixture
		origin string
		want   bool
	}{
		{public, "https://mcp.example", true}, {public, "https://app.example", true}, {public, "null", false}, {public, "http://127.0.0.1:5173", false}, {public, "http://localhost", false},
		{public, "http://mcp.example", false}, {public, "https://mcp.example:8443", false}, {public, "https://mcp.example.evil.example", false}, {public, "https://MCP.example", false}, {public, "", false},
		{local, "http://127.0.0.1:8080", true}, {local, "http://localhost:5173", true}, {local, "https://localhost", true}, {local, "http://[::1]:1", true}, {local, "http://127.0.0.9", true},
		{local, "null", false}, {local, "http://localhost.evil.example", false}, {local, "http://127.0.0.1.evil.example", false}, {local, "http://localhost/", false}, {local, "http://user@localhost", false},
		{local, "https://mcp.example", false}, {local, "ws://localhost", false}, {local, "http://[::1%25eth0]", false}, {local, "file://", false}, {local, "http://0.0.0.0", false}, {local, "http://192.168.0.1", false},
	} {
		if got := c.g.g.AllowsOrigin(c.origin); got != c.want {
			t.Errorf("%q: %v, want %v", c.origin, got, c.want)
		}
	}
}

// news is what has been taken back, and how old that is.
type news struct {
	revoked string
	asOf    time.Time
}

func (n *news) Revoked(c token.Caller) bool { return c.ID == n.revoked }
func (*news) Changed() <-chan struct{}      { return nil }
func (n *news) AsOf() time.Time             { return n.asOf }

// Rule 7: a guard without news for longer than its bound admits nobody; zero news is none.
func TestRevocationsAndTheirNews(t *testing.T) {
	n := &news{}
	f := guarded(t, func(c *guard.Config) { c.Revocations = n })
	raw := f.token()
	for _, c := range []struct {
		name   string
		asOf   time.Time
		revoke string
		status int
	}{
		{"nothing loaded yet", time.Time{}, "", 503}, {"fresh", noon, "", 200}, {"ten seconds old", noon.Add(-10 * time.Second), "", 200}, {"older", noon.Add(-10*time.Second - 1), "", 503},
		{"taken back", noon, "j", 401}, {"another taken back", noon, "k", 200},
	} {
		n.asOf, n.revoked = c.asOf, c.revoke
		w := f.serve(post(callBody, "Authorization", "Bearer "+raw), func(http.ResponseWriter, *http.Request) {})
		if w.Code != c.status {
			t.Errorf("%s: %d, want %d", c.name, w.Code, c.status)
		}
		if w.Code == 503 && (w.Header().Get("Retry-After") == "" || w.Header().Get("WWW-Authenticate") != "") {
			t.Errorf("%s: %v", c.name, w.Header())
		}
	}
	// Without a token there is nothing to know: the client must learn where to sign in.
	n.asOf = time.Time{}
	if w := f.serve(post(callBody), nil); w.Code != 401 {
		t.Errorf("without a token and without news: %d", w.Code)
	}
}

// What a Go server behind Protect gets: the call, the judged bytes, and nothing with which it could act as the caller.
func TestProtect(t *testing.T) {
	f := guarded(t, nil)
	r := post(callBody, "Authorization", "Bearer "+f.token(), "Cookie", "a=b", "Doorward-Caller", "forged", "X-Kept", "yes")
	w := f.serve(r, func(w http.ResponseWriter, r *http.Request) {
		call, ok := guard.From(r.Context())
		if !ok || call.Caller.Subject != "alice" || len(call.Message.Operations) != 1 || call.Message.Operations[0].Name != "add" || call.Message.Revision != mcp.V20251125 {
			t.Errorf("the call: %+v, %v", call, ok)
		}
		body, err := io.ReadAll(r.Body)
		if err != nil || string(body) != callBody || r.ContentLength != int64(len(callBody)) {
			t.Errorf("the body: %s, %v", body, err)
		}
		for _, name := range []string{"Authorization", "Cookie", "Doorward-Caller"} {
			if r.Header.Get(name) != "" {
				t.Errorf("the server sees %s", name)
			}
		}
		if r.Header.Get("X-Kept") != "yes" {
			t.Error("another header is gone")
		}
		w.WriteHeader(418)
	})
	if w.Code != 418 || w.Header().Get("Doorward-Receipt") == "" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	if r.Header.Get("Authorization") == "" {
		t.Error("the request of before was changed")
	}
	if len(f.log) != 2 || f.log[0].Record.Code != audit.Called || f.log[1].Outcome.Result != "failed" || f.log[0].ID != w.Header().Get("Doorward-Receipt") {
		t.Errorf("recorded: %+v", f.log)
	}
	if _, ok := guard.From(t.Context()); ok {
		t.Error("a call outside of Protect")
	}
}

// Rule 9: a call whose intent cannot be recorded does not happen.
func TestNoCallWithoutARecord(t *testing.T) {
	f := guarded(t, nil)
	f.full = io.ErrShortWrite
	if w := f.serve(post(callBody, "Authorization", "Bearer "+f.token()), nil); w.Code != 503 || strings.Contains(w.Body.String(), "short write") || w.Header().Get("Retry-After") == "" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// nobody decides: the zero Decision of a decider that forgot.
type nobody struct{}

func (nobody) Decide(context.Context, policy.Request) policy.Decision            { return policy.Decision{} }
func (nobody) Visible(context.Context, policy.Request, []mcp.Item) (none []bool) { return none }

// Rule 2: deny is the zero value.
func TestTheZeroDecisionDenies(t *testing.T) {
	f := guarded(t, func(c *guard.Config) { c.Decider = nobody{} })
	w := f.serve(post(callBody, "Authorization", "Bearer "+f.token()), nil)
	if w.Code != 403 || w.Header().Get("WWW-Authenticate") != "" {
		t.Errorf("%d %v: a denial that no token would mend has no challenge", w.Code, w.Header())
	}
}

func TestNewRefusesWhatCouldAdmitNobodyOrEverybody(t *testing.T) {
	whole := guard.Config{Resource: oauth.Resource{URI: resource}, Issuers: []token.Issuer{{URL: issuer, Audiences: []string{resource}}}}
	if _, err := guard.New(whole); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*guard.Config){
		"the zero Config": func(c *guard.Config) { *c = guard.Config{} }, "no resource": func(c *guard.Config) { c.Resource.URI = "" }, "no issuer": func(c *guard.Config) { c.Issuers = nil },
		"an issuer without audience": func(c *guard.Config) { c.Issuers = []token.Issuer{{URL: issuer}} }, "an issuer without address": func(c *guard.Config) { c.Issuers = []token.Issuer{{Audiences: []string{resource}}} },
	} {
		c := whole
		if change(&c); func() bool { _, err := guard.New(c); return err == nil }() {
			t.Errorf("%s is taken", name)
		}
	}
}

// Limits: a body beyond its bound is not read to its end.
func TestABodyBeyondItsBound(t *testing.T) {
	f := guarded(t, func(c *guard.Config) { c.Limits.Body = 100 })
	if w := f.serve(post(callBody+strings.Repeat(" ", 100), "Authorization", "Bearer "+f.token()), nil); w.Code != 413 {
		t.Errorf("%d", w.Code)
	}
	if w := f.serve(post(callBody, "Authorization", "Bearer "+f.token()), func(http.ResponseWriter, *http.Request) {}); w.Code != 200 {
		t.Errorf("within: %d", w.Code)
	}
}
