package client_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/doorward-mcp/doorward/client"
	"github.com/doorward-mcp/doorward/oauth"
)

// peer is the other side: an MCP server at /mcp that wants tokens, and the authorization server that issues them. It
// checks what a client must send as the RFCs say, and each of its fields makes it behave in one other way.
type peer struct {
	t      *testing.T
	server *httptest.Server // the MCP server
	issuer *httptest.Server // the authorization server
	path   string           // of the issuer; "" or "/tenant1"
	life   int              // expires_in; 0: not said

	challenge func(p *peer, r *http.Request, c oauth.Challenge) string // the WWW-Authenticate of a refusal
	resource  func(p *peer, w http.ResponseWriter, r *http.Request) bool
	metadata  func(p *peer, md map[string]any)
	back      func(p *peer, q url.Values) // the authorization response
	token     func(p *peer, w http.ResponseWriter, r *http.Request) bool
	need      func(p *peer, r *http.Request) string // the scope of a request
	mcp       http.Handler                          // behind the tokens; nil: an echo
	grant     func(p *peer, asked oauth.Scopes) oauth.Scopes
	register  func(p *peer, w http.ResponseWriter, r *http.Request, asked map[string]any) bool
	tokens    bool // the server takes no token at all

	mu        sync.Mutex
	seen      []string              // what was asked, in order: "GET /.well-known/…", "authorize", "token refresh_token"
	authz     []url.Values          // authorization requests
	forms     []url.Values          // token requests
	clients   map[string]registered // :: client id → what was registered
	codes     map[string]url.Values // :: code → its authorization request
	access    map[string]oauth.Scopes
	refresh   map[string]url.Values // :: refresh token → its authorization request
	replayed  int                   // refresh tokens that came a second time
	counter   int
	lastBody  string
	authHeads []string // Authorization of token requests
}

type registered struct {
	redirects []string
	secret    string
	method    string
}

func newPeer(t *testing.T) *peer {
	t.Helper()
	p := &peer{t: t, life: 3600, clients: map[string]registered{}, codes: map[string]url.Values{}, access: map[string]oauth.Scopes{}, refresh: map[string]url.Values{}}
	p.server = httptest.NewServer(http.HandlerFunc(p.serveResource))
	p.issuer = httptest.NewServer(http.HandlerFunc(p.serveIssuer))
	t.Cleanup(p.server.Close)
	t.Cleanup(p.issuer.Close)
	return p
}

func (p *peer) address() string { return p.server.URL + "/mcp" }
func (p *peer) iss() string     { return p.issuer.URL + p.path }

func (p *peer) note(s string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seen = append(p.seen, s)
}

// count is how often s was asked.
func (p *peer) count(s string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for _, e := range p.seen {
		if e == s {
			n++
		}
	}
	return n
}

func (p *peer) next(kind string) string {
	p.counter++
	return fmt.Sprintf("%s-%d", kind, p.counter)
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

func (p *peer) serveResource(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/mcp" {
		p.note(r.Method + " " + r.URL.Path)
		if p.resource != nil && p.resource(p, w, r) {
			return
		}
		if p.resource == nil && r.URL.Path == "/.well-known/oauth-protected-resource/mcp" {
			writeJSON(w, 200, map[string]any{"resource": p.address(), "authorization_servers": []string{p.iss()}})
			return
		}
		http.NotFound(w, r)
		return
	}
	body, _ := io.ReadAll(r.Body)
	raw, sent := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	p.mu.Lock()
	scopes, good := p.access[raw]
	p.lastBody = string(body)
	p.mu.Unlock()
	c := oauth.Challenge{ResourceMetadata: p.server.URL + "/.well-known/oauth-protected-resource/mcp"}
	var want oauth.Scopes
	if p.need != nil {
		want, _ = oauth.ParseScopes(p.need(p, r))
	}
	status := 200
	switch {
	case !good || p.tokens:
		status, c.Scope = 401, want
		if sent {
			c.Error = "invalid_token"
		}
	case !scopes.Covers(want):
		status, c.Scope, c.Error = 403, want, "insufficient_scope"
	}
	p.note(fmt.Sprintf("mcp %d", status))
	if status != 200 {
		text := c.String()
		if p.challenge != nil {
			text = p.challenge(p, r, c)
		}
		if text != "" {
			w.Header().Set("WWW-Authenticate", text)
		}
		w.WriteHeader(status)
		return
	}
	if p.mcp != nil {
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		p.mcp.ServeHTTP(w, r)
		return
	}
	_, _ = w.Write(body)
}

func (p *peer) serveIssuer(w http.ResponseWriter, r *http.Request) {
	switch rest := strings.TrimPrefix(r.URL.Path, p.path); {
	case rest == "/authorize":
		p.note("authorize")
		p.serveAuthorize(w, r)
	case rest == "/token":
		p.serveToken(w, r)
	case rest == "/register":
		p.note("register")
		p.serveRegister(w, r)
	default:
		p.note(r.Method + " " + r.URL.Path)
		if r.URL.Path != "/.well-known/oauth-authorization-server"+p.path {
			http.NotFound(w, r)
			return
		}
		writeJSON(w, 200, p.document())
	}
}

func (p *peer) document() map[string]any {
	md := map[string]any{
		"issuer":                                         p.iss(),
		"authorization_endpoint":                         p.iss() + "/authorize",
		"token_endpoint":                                 p.iss() + "/token",
		"registration_endpoint":                          p.iss() + "/register",
		"response_types_supported":                       []string{"code"},
		"code_challenge_methods_supported":               []string{"S256"},
		"token_endpoint_auth_methods_supported":          []string{"none", "client_secret_basic", "client_secret_post"},
		"authorization_response_iss_parameter_supported": true,
		"scopes_supported":                               []string{"offline_access"},
	}
	if p.metadata != nil {
		p.metadata(p, md)
	}
	return md
}

func (p *peer) serveRegister(w http.ResponseWriter, r *http.Request) {
	var asked map[string]any
	if json.NewDecoder(r.Body).Decode(&asked) != nil {
		writeJSON(w, 400, map[string]any{"error": "invalid_client_metadata"})
		return
	}
	if p.register != nil && p.register(p, w, r, asked) {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	reg := registered{method: fmt.Sprint(asked["token_endpoint_auth_method"])}
	for _, u := range asked["redirect_uris"].([]any) {
		reg.redirects = append(reg.redirects, u.(string))
	}
	id := p.next("client")
	answer := map[string]any{"client_id": id, "token_endpoint_auth_method": reg.method, "redirect_uris": reg.redirects}
	if reg.method != "none" {
		reg.secret = p.next("secret") + " +&%"
		answer["client_secret"] = reg.secret
		answer["client_secret_expires_at"] = 0
	}
	p.clients[id] = reg
	writeJSON(w, 201, answer)
}

// serveAuthorize is a person who allows at once.
func (p *peer) serveAuthorize(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.authz = append(p.authz, q)
	reg, known := p.clients[q.Get("client_id")]
	switch {
	case !known || !slices.Contains(reg.redirects, q.Get("redirect_uri")):
		http.Error(w, "unknown client or redirect address", 400)
		return
	case q.Get("response_type") != "code", q.Get("code_challenge_method") != "S256", !oauth.ValidChallenge(q.Get("code_challenge")),
		q.Get("resource") == "", len(q.Get("state")) < 16:
		http.Error(w, "incomplete authorization request", 400)
		return
	}
	code := p.next("code")
	p.codes[code] = q
	out := url.Values{"code": {code}, "state": {q.Get("state")}, "iss": {p.iss()}}
	if p.back != nil {
		p.back(p, out)
	}
	http.Redirect(w, r, oauth.ResponseURL(q.Get("redirect_uri"), out), http.StatusFound)
}

func (p *peer) serveToken(w http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm()
	f := r.PostForm
	p.note("token " + f.Get("grant_type"))
	if p.token != nil && p.token(p, w, r) {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.forms = append(p.forms, f)
	p.authHeads = append(p.authHeads, r.Header.Get("Authorization"))
	id := f.Get("client_id")
	secret := f.Get("client_secret")
	if user, pass, ok := r.BasicAuth(); ok {
		id, _ = url.QueryUnescape(user)
		secret, _ = url.QueryUnescape(pass)
	}
	reg, known := p.clients[id]
	if !known || reg.secret != secret {
		writeJSON(w, 401, map[string]any{"error": "invalid_client"})
		return
	}
	var asked url.Values
	switch f.Get("grant_type") {
	case "authorization_code":
		asked = p.codes[f.Get("code")]
		delete(p.codes, f.Get("code"))
		if asked == nil || !oauth.Verifies(f.Get("code_verifier"), asked.Get("code_challenge")) || f.Get("redirect_uri") != asked.Get("redirect_uri") || asked.Get("client_id") != id {
			writeJSON(w, 400, map[string]any{"error": "invalid_grant"})
			return
		}
	case "refresh_token":
		old := f.Get("refresh_token")
		asked = p.refresh[old]
		if asked == nil {
			p.replayed++
			writeJSON(w, 400, map[string]any{"error": "invalid_grant", "error_description": "replayed"})
			return
		}
		delete(p.refresh, old)
	}
	if f.Get("resource") != asked.Get("resource") {
		writeJSON(w, 400, map[string]any{"error": "invalid_target"})
		return
	}
	writeJSON(w, 200, p.issue(asked))
}

// issue makes tokens for an authorization request. The caller holds mu.
func (p *peer) issue(asked url.Values) map[string]any {
	scopes, _ := oauth.ParseScopes(asked.Get("scope"))
	answer := map[string]any{"access_token": p.next("access"), "token_type": "bearer", "refresh_token": p.next("refresh")}
	if p.grant != nil {
		scopes = p.grant(p, scopes)
		answer["scope"] = scopes.String()
	}
	if p.life != 0 {
		answer["expires_in"] = p.life
	}
	p.access[answer["access_token"].(string)] = scopes
	p.refresh[answer["refresh_token"].(string)] = asked
	return answer
}

// revokeAccess makes the server refuse all access tokens that were issued so far.
func (p *peer) revokeAccess() {
	p.mu.Lock()
	defer p.mu.Unlock()
	clear(p.access)
}

// clock is a time that a test moves.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// browse is a person's browser that follows one redirect to the loopback listener.
func browse(ctx context.Context, address string) error {
	c := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	resp, err := c.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	back, err := resp.Location()
	if err != nil {
		return nil // a page that goes nowhere: the person closes it
	}
	go func() {
		if resp, err := c.Get(back.String()); err == nil {
			resp.Body.Close()
		}
	}()
	return nil
}

// dial makes the Transport under test for p, with o's zero fields filled in.
func dial(t *testing.T, p *peer, o client.Options) *client.Transport {
	t.Helper()
	if o.Browser == nil {
		o.Browser = browse
	}
	if o.Wait == 0 {
		o.Wait = 5 * time.Second
	}
	tr, err := client.New(p.address(), o)
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

// post sends body to p's server through rt.
func post(t *testing.T, rt http.RoundTripper, address, body string) (int, string, error) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := rt.RoundTrip(r)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text), err
}

// admitted fails the test unless a request gets through.
func admitted(t *testing.T, rt http.RoundTripper, p *peer) {
	t.Helper()
	if status, _, err := post(t, rt, p.address(), "{}"); err != nil || status != 200 {
		t.Fatalf("the request ended with %d, %v; want 200", status, err)
	}
}
