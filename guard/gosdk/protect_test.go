package gosdk_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/auth"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/doorward-mcp/doorward/authtest"
	"github.com/doorward-mcp/doorward/guard"
	"github.com/doorward-mcp/doorward/guard/gosdk"
	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/policy"
	"github.com/doorward-mcp/doorward/token"
)

// notes is a server of the SDK behind a guard, over TCP, and the authorization server whose tokens it takes.
type notes struct {
	t       *testing.T
	as      *authtest.Server
	address string
	seen    chan seen // what tools found out about their caller
}

// seen is what a tool finds out about its caller.
type seen struct {
	info  *auth.TokenInfo
	call  guard.Call
	ok    bool
	token string
}

func open(t *testing.T, stateless bool) *notes {
	t.Helper()
	mux := http.NewServeMux()
	listener := httptest.NewServer(mux)
	t.Cleanup(listener.Close)
	n := &notes{t: t, address: listener.URL + "/mcp", seen: make(chan seen, 10)}
	n.as = authtest.New(t, n.address)
	g, err := guard.New(guard.Config{Resource: oauth.Resource{URI: n.address}, Servers: []string{n.as.Issuer}, Issuers: []token.Issuer{n.as.At(n.address)}, Slog: slog.New(slog.DiscardHandler),
		Decider: policy.ScopesOnly{Scopes: policy.NewScopes(nil, nil,
			policy.Need{Tools: []string{"write"}, Scopes: oauth.NewScopes("notes:write", "notes:more")}, policy.Need{Prompts: []string{"secret"}, Scopes: oauth.NewScopes("prompts")},
			policy.Need{Resources: []string{"secret://*"}, Scopes: oauth.NewScopes("files")})}})
	if err != nil {
		t.Fatal(err)
	}
	server := sdk.NewServer(&sdk.Implementation{Name: "notes", Version: "1"}, &sdk.ServerOptions{Capabilities: &sdk.ServerCapabilities{Tools: &sdk.ToolCapabilities{}}})
	server.AddReceivingMiddleware(gosdk.Middleware(g))
	for _, name := range []string{"read", "write"} {
		sdk.AddTool(server, &sdk.Tool{Name: name}, func(ctx context.Context, r *sdk.CallToolRequest, _ struct{}) (*sdk.CallToolResult, any, error) {
			call, ok := guard.From(ctx)
			n.seen <- seen{r.Extra.TokenInfo, call, ok, r.Extra.Header.Get("Authorization")}
			return &sdk.CallToolResult{Content: []sdk.Content{&sdk.TextContent{Text: call.Caller.Subject}}}, nil, nil
		})
	}
	for _, name := range []string{"plain", "secret"} {
		server.AddPrompt(&sdk.Prompt{Name: name}, func(context.Context, *sdk.GetPromptRequest) (*sdk.GetPromptResult, error) {
			return &sdk.GetPromptResult{}, nil
		})
		server.AddResource(&sdk.Resource{URI: name + "://a", Name: name}, func(context.Context, *sdk.ReadResourceRequest) (*sdk.ReadResourceResult, error) {
			return &sdk.ReadResourceResult{}, nil
		})
		server.AddResourceTemplate(&sdk.ResourceTemplate{URITemplate: name + "://{x}", Name: name}, func(context.Context, *sdk.ReadResourceRequest) (*sdk.ReadResourceResult, error) {
			return &sdk.ReadResourceResult{}, nil
		})
	}
	mux.Handle("/mcp", gosdk.Protect(g, sdk.NewStreamableHTTPHandler(func(*http.Request) *sdk.Server { return server }, &sdk.StreamableHTTPOptions{Stateless: stateless})))
	mux.Handle("/open", sdk.NewStreamableHTTPHandler(func(*http.Request) *sdk.Server { return server }, &sdk.StreamableHTTPOptions{Stateless: true}))
	mux.Handle("/.well-known/oauth-protected-resource/mcp", g.Metadata())
	return n
}

// bearer is a client's transport with a token that a test may change.
type bearer struct{ raw string }

func (b *bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+b.raw)
	return http.DefaultTransport.RoundTrip(r)
}

// connect is a session of the SDK's own client.
func (n *notes) connect(b *bearer, revision string) *sdk.ClientSession {
	n.t.Helper()
	c := sdk.NewClient(&sdk.Implementation{Name: "test", Version: "1"}, nil)
	s, err := c.Connect(n.t.Context(), &sdk.StreamableClientTransport{Endpoint: n.address, HTTPClient: &http.Client{Transport: b}}, &sdk.ClientSessionOptions{ProtocolVersion: revision})
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() { _ = s.Close() })
	return s
}

// ask sends one message as a client of 2025-11-25.
func (n *notes) ask(raw, session, body string) (res *http.Response, text string) {
	n.t.Helper()
	r, err := http.NewRequestWithContext(n.t.Context(), "POST", n.address, strings.NewReader(body))
	if err != nil {
		n.t.Fatal(err)
	}
	r.Header = http.Header{"Content-Type": {"application/json"}, "Accept": {"application/json, text/event-stream"}, "Mcp-Protocol-Version": {"2025-11-25"}}
	if raw != "" {
		r.Header.Set("Authorization", "Bearer "+raw)
	}
	if session != "" {
		r.Header.Set("Mcp-Session-Id", session)
	}
	if res, err = http.DefaultClient.Do(r); err != nil {
		n.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		n.t.Fatal(err)
	}
	return res, string(b)
}

var eras = map[string]string{"sessions": "2025-11-25", "stateless": "2026-07-28"}

// A tool finds its own request's caller where the SDK has them and where guard has them, also in a session that began with
// another token: the SDK runs all of a session's requests under the context of the first.
func TestAToolKnowsItsCaller(t *testing.T) {
	for name, revision := range eras {
		t.Run(name, func(t *testing.T) {
			n := open(t, name == "stateless")
			b := &bearer{n.as.Good()}
			s := n.connect(b, revision)
			for _, scopes := range [][]string{{"mcp"}, {"mcp", "notes:extra"}} {
				b.raw = n.as.Token(authtest.Said{Scopes: scopes, Groups: []string{"staff"}})
				if _, err := s.CallTool(t.Context(), &sdk.CallToolParams{Name: "read"}); err != nil {
					t.Fatal(err)
				}
				got := <-n.seen
				if !got.ok || got.call.Caller.Subject != "alice" || !slices.Equal(got.call.Caller.Scopes, oauth.NewScopes(scopes...)) || got.token != "" {
					t.Errorf("guard.From: %v %+v, Authorization %q", got.ok, got.call.Caller, got.token)
				}
				i := got.info
				if i == nil || !slices.Equal(i.Scopes, oauth.NewScopes(scopes...)) || i.UserID != n.as.Issuer+" alice" || time.Until(i.Expiration) < time.Minute {
					t.Fatalf("TokenInfo: %+v", i)
				}
				if b, err := json.Marshal(i.Extra); err != nil || strings.Contains(string(b)+fmt.Sprintf("%+v %#v", i.Extra, i.Extra), "tools/call") {
					t.Errorf("Extra shows the message: %s %v", b, err)
				}
				for claim, want := range map[string]string{"iss": n.as.Issuer, "sub": "alice", "client_id": authtest.App, "aud": n.address} {
					if i.Extra[claim] != want {
						t.Errorf("%s is %v, want %s", claim, i.Extra[claim], want)
					}
				}
			}
		})
	}
}

// RS-403-STATUS, RS-403-INSUFFICIENT-SCOPE, RS-403-SCOPE-PARAM, RS-403-ALL-SCOPES-AT-ONCE: a tool that needs more scope is answered 403
// with one challenge for all of it, and the same call with a token that has it goes through.
func TestPerToolChallenge(t *testing.T) {
	n := open(t, true)
	body := `{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"write","arguments":{}}}`
	res, text := n.ask(n.as.Good(), "", body)
	document := strings.TrimSuffix(n.address, "/mcp") + "/.well-known/oauth-protected-resource/mcp"
	challenge := res.Header.Get("WWW-Authenticate")
	for _, want := range []string{`Bearer `, `error="insufficient_scope"`, `scope="mcp notes:more notes:write"`, `resource_metadata="` + document + `"`} {
		if !strings.Contains(challenge, want) {
			t.Errorf("the challenge %q lacks %s", challenge, want)
		}
	}
	var e struct {
		ID    int
		Error struct{ Code int }
	}
	if err := json.Unmarshal([]byte(text), &e); err != nil || res.StatusCode != 403 || e.ID != 7 || e.Error.Code != 40300 {
		t.Errorf("%d %s", res.StatusCode, text)
	}
	if res, text = n.ask(n.as.Good("mcp", "notes:more", "notes:write"), "", body); res.StatusCode != 200 || !strings.Contains(text, "alice") {
		t.Errorf("with the scope: %d %s", res.StatusCode, text)
	}
}

// Each kind of bad token is answered before the SDK sees anything.
func TestBadTokens(t *testing.T) {
	n := open(t, true)
	body := `{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"read","arguments":{}}}`
	for name, raw := range map[string]string{"none": "", "stale": n.as.Stale(), "stolen": n.as.Stolen(), "foreign": n.as.Foreign(), "forged": n.as.Forged(), "elsewhere": n.as.Elsewhere(), "no token at all": "admitted"} {
		if res, text := n.ask(raw, "", body); res.StatusCode != 401 || !strings.Contains(res.Header.Get("WWW-Authenticate"), "resource_metadata=") {
			t.Errorf("%s: %d %s", name, res.StatusCode, text)
		}
	}
	if len(n.seen) > 0 {
		t.Errorf("a tool ran: %+v", <-n.seen)
	}
}

// A list has what its caller may use, and says that it is nobody else's.
func TestListsShowWhatTheCallerMayUse(t *testing.T) {
	for name, revision := range eras {
		t.Run(name, func(t *testing.T) {
			n := open(t, name == "stateless")
			b := &bearer{n.as.Good()}
			s := n.connect(b, revision)
			for scopes, want := range map[string]string{"mcp": "read plain plain://a plain://{x}", "mcp notes:write notes:more prompts files": "read write plain secret plain://a secret://a plain://{x} secret://{x}"} {
				b.raw = n.as.Good(strings.Fields(scopes)...)
				got, private := listed(t, s)
				if got != want || name == "stateless" && private != "private private private private" {
					t.Errorf("with %s: %s (%s)", scopes, got, private)
				}
			}
		})
	}
}

func listed(t *testing.T, s *sdk.ClientSession) (names, scopes string) {
	t.Helper()
	var all, kept []string
	// The client keeps lists: another page would not be asked for.
	tools, err := s.ListTools(t.Context(), &sdk.ListToolsParams{})
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range tools.Tools {
		all = append(all, x.Name)
	}
	prompts, err := s.ListPrompts(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range prompts.Prompts {
		all = append(all, x.Name)
	}
	resources, err := s.ListResources(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range resources.Resources {
		all = append(all, x.URI)
	}
	templates, err := s.ListResourceTemplates(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range templates.ResourceTemplates {
		all = append(all, x.URITemplate)
	}
	kept = append(kept, tools.CacheScope, prompts.CacheScope, resources.CacheScope, templates.CacheScope)
	return strings.Join(all, " "), strings.Join(kept, " ")
}

// RS-SID-BIND-USER: a session of somebody else is not found, whatever way its id was learnt.
func TestASessionOfSomebodyElse(t *testing.T) {
	n := open(t, false)
	res, text := n.ask(n.as.Good(), "", `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"c","version":"1"}}}`)
	session := res.Header.Get("Mcp-Session-Id")
	if res.StatusCode != 200 || session == "" {
		t.Fatalf("%d %s", res.StatusCode, text)
	}
	body := `{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"read","arguments":{}}}`
	inner := session[:strings.LastIndexByte(session, '.')]
	for name, c := range map[string]struct {
		raw, session string
		status       int
	}{
		"its own person": {n.as.Good("mcp", "more"), session, 200}, "another person": {n.as.Token(authtest.Said{Subject: "bob"}), session, 404},
		"another client": {n.as.Token(authtest.Said{Client: "another"}), session, 404}, "the SDK's own id": {n.as.Good(), inner, 404},
	} {
		if res, text := n.ask(c.raw, c.session, body); res.StatusCode != c.status {
			t.Errorf("%s: %d %s", name, res.StatusCode, text)
		}
	}
}

// A server that is mounted without its guard answers nobody.
func TestAServerWithoutItsGuard(t *testing.T) {
	n := open(t, true)
	n.address = strings.TrimSuffix(n.address, "/mcp") + "/open"
	for _, raw := range []string{"", n.as.Good(), "admitted"} {
		if _, text := n.ask(raw, "", `{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"read","arguments":{}}}`); !strings.Contains(text, "past its guard") || len(n.seen) > 0 {
			t.Errorf("%q: %s", raw, text)
		}
	}
}
