package mcpgo_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/mark3labs/mcp-go/client"
	"github.com/mark3labs/mcp-go/client/transport"
	sdk "github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"

	"github.com/doorward-mcp/doorward/authtest"
	"github.com/doorward-mcp/doorward/guard"
	"github.com/doorward-mcp/doorward/guard/mcpgo"
	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/policy"
	"github.com/doorward-mcp/doorward/token"
)

// notes is a server of mcp-go behind a guard, over TCP, and the authorization server whose tokens it takes.
type notes struct {
	t       *testing.T
	as      *authtest.Server
	address string
}

func open(t *testing.T) *notes {
	t.Helper()
	mux := http.NewServeMux()
	listener := httptest.NewServer(mux)
	t.Cleanup(listener.Close)
	n := &notes{t: t, address: listener.URL + "/mcp"}
	n.as = authtest.New(t, n.address)
	g, err := guard.New(guard.Config{Resource: oauth.Resource{URI: n.address}, Servers: []string{n.as.Issuer}, Issuers: []token.Issuer{n.as.At(n.address)}, Slog: slog.New(slog.DiscardHandler),
		Decider: policy.ScopesOnly{Scopes: policy.NewScopes(nil, nil,
			policy.Need{Tools: []string{"write"}, Scopes: oauth.NewScopes("notes:write", "notes:more")}, policy.Need{Prompts: []string{"secret"}, Scopes: oauth.NewScopes("prompts")},
			policy.Need{Resources: []string{"secret://*"}, Scopes: oauth.NewScopes("files")})}})
	if err != nil {
		t.Fatal(err)
	}
	s := server.NewMCPServer("notes", "1", server.WithCacheHints(60_000, sdk.CacheScopePublic), mcpgo.WithGuard(g), server.WithHooks(mcpgo.Hooks(g, nil)))
	for _, name := range []string{"read", "write"} {
		s.AddTool(sdk.NewTool(name), func(ctx context.Context, r sdk.CallToolRequest) (*sdk.CallToolResult, error) {
			call, ok := guard.From(ctx)
			return sdk.NewToolResultText(fmt.Sprintf("%v %s with %s%s", ok, call.Caller.Subject, call.Caller.Scopes, r.Header.Get("Authorization"))), nil
		})
	}
	for _, name := range []string{"plain", "secret"} {
		s.AddPrompt(sdk.NewPrompt(name), func(context.Context, sdk.GetPromptRequest) (*sdk.GetPromptResult, error) {
			return &sdk.GetPromptResult{}, nil
		})
		s.AddResource(sdk.NewResource(name+"://a", name), func(context.Context, sdk.ReadResourceRequest) ([]sdk.ResourceContents, error) { return nil, nil })
		s.AddResourceTemplate(sdk.NewResourceTemplate(name+"://{x}", name), func(context.Context, sdk.ReadResourceRequest) ([]sdk.ResourceContents, error) { return nil, nil })
	}
	served := server.NewStreamableHTTPServer(s)
	mux.Handle("/mcp", g.Protect(served))
	mux.Handle("/open", served)
	mux.Handle("/.well-known/oauth-protected-resource/mcp", g.Metadata())
	return n
}

func (n *notes) ask(raw, session, body string) (res *http.Response, text string) {
	n.t.Helper()
	return n.askAs("2025-11-25", raw, session, body)
}

func (n *notes) askAs(revision, raw, session, body string) (res *http.Response, text string) {
	n.t.Helper()
	r, err := http.NewRequestWithContext(n.t.Context(), "POST", n.address, strings.NewReader(body))
	if err != nil {
		n.t.Fatal(err)
	}
	r.Header = http.Header{"Content-Type": {"application/json"}, "Accept": {"application/json, text/event-stream"}, "Mcp-Protocol-Version": {revision}}
	if revision == "2026-07-28" {
		var m struct{ Method string }
		_ = json.Unmarshal([]byte(body), &m)
		r.Header.Set("Mcp-Method", m.Method)
	}
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

const initialize = `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"c","version":"1"}}}`

func (n *notes) begin(raw string) (session string) {
	n.t.Helper()
	res, text := n.ask(raw, "", initialize)
	if session = res.Header.Get("Mcp-Session-Id"); res.StatusCode != 200 || session == "" {
		n.t.Fatalf("%d %s", res.StatusCode, text)
	}
	return session
}

func call(tool string) string {
	return `{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"` + tool + `","arguments":{}}}`
}

// A tool finds its own request's caller, also in a session that began with another token, and sees no token.
func TestAToolKnowsItsCaller(t *testing.T) {
	n := open(t)
	session := n.begin(n.as.Good())
	for _, scopes := range []string{"mcp", "mcp more"} {
		if res, text := n.ask(n.as.Good(strings.Fields(scopes)...), session, call("read")); res.StatusCode != 200 || !strings.Contains(text, `"true alice with `+scopes+`"`) {
			t.Errorf("with %s: %d %s", scopes, res.StatusCode, text)
		}
	}
}

// RS-403-STATUS, RS-403-INSUFFICIENT-SCOPE, RS-403-SCOPE-PARAM, RS-403-ALL-SCOPES-AT-ONCE: a tool that needs more scope is answered 403
// with one challenge for all of it, and the same call with a token that has it goes through.
func TestPerToolChallenge(t *testing.T) {
	n := open(t)
	session := n.begin(n.as.Good())
	res, text := n.ask(n.as.Good(), session, call("write"))
	for _, want := range []string{`Bearer `, `error="insufficient_scope"`, `scope="mcp notes:more notes:write"`, `resource_metadata="`} {
		if challenge := res.Header.Get("WWW-Authenticate"); !strings.Contains(challenge, want) || res.StatusCode != 403 {
			t.Errorf("%d, the challenge %q lacks %s: %s", res.StatusCode, challenge, want, text)
		}
	}
	if res, text = n.ask(n.as.Good("mcp", "notes:more", "notes:write"), session, call("write")); res.StatusCode != 200 || !strings.Contains(text, "alice") {
		t.Errorf("with the scope: %d %s", res.StatusCode, text)
	}
}

// Each kind of bad token is answered 401 with a challenge.
func TestBadTokens(t *testing.T) {
	n := open(t)
	for name, raw := range map[string]string{"none": "", "stale": n.as.Stale(), "stolen": n.as.Stolen(), "foreign": n.as.Foreign(), "forged": n.as.Forged(), "elsewhere": n.as.Elsewhere()} {
		if res, text := n.ask(raw, "", initialize); res.StatusCode != 401 || !strings.Contains(res.Header.Get("WWW-Authenticate"), "resource_metadata=") {
			t.Errorf("%s: %d %s", name, res.StatusCode, text)
		}
	}
}

// A list has what its caller may use. RS-403-UX: what is not there is not asked for.
func TestListsShowWhatTheCallerMayUse(t *testing.T) {
	n := open(t)
	session := n.begin(n.as.Good())
	for scopes, wanted := range map[string][4]string{
		"mcp": {"read", "plain", "plain://a", "plain://{x}"}, "mcp notes:write notes:more prompts files": {"read write", "plain secret", "plain://a secret://a", "plain://{x} secret://{x}"},
	} {
		for i, list := range []struct{ method, member, name string }{{"tools/list", "tools", "name"}, {"prompts/list", "prompts", "name"}, {"resources/list", "resources", "uri"}, {"resources/templates/list", "resourceTemplates", "uriTemplate"}} {
			_, text := n.ask(n.as.Good(strings.Fields(scopes)...), session, `{"jsonrpc":"2.0","id":3,"method":"`+list.method+`"}`)
			var answer struct {
				Result map[string]json.RawMessage `json:"result"`
			}
			var items []map[string]any
			if err := json.Unmarshal([]byte(text), &answer); err != nil {
				t.Fatalf("%s: %v", text, err)
			}
			if err := json.Unmarshal(answer.Result[list.member], &items); err != nil {
				t.Fatalf("%s: %v", text, err)
			}
			var names []string
			for _, item := range items {
				names = append(names, fmt.Sprint(item[list.name]))
			}
			if got := strings.Join(names, " "); got != wanted[i] {
				t.Errorf("with %s, %s: %s, want %s", scopes, list.method, got, wanted[i])
			}
		}
	}
}

// MCP 2026-07-28, Caching: a list that is not the same for everybody is private, whatever the server's own hints are.
func TestListsArePrivate(t *testing.T) {
	n := open(t)
	for _, method := range []string{"tools/list", "prompts/list", "resources/list", "resources/templates/list"} {
		_, text := n.askAs("2026-07-28", n.as.Good(), "", `{"jsonrpc":"2.0","id":3,"method":"`+method+`","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{},"io.modelcontextprotocol/clientInfo":{"name":"c","version":"1"}}}}`)
		if !strings.Contains(text, `"cacheScope":"private"`) {
			t.Errorf("%s: %s", method, text)
		}
	}
}

// RS-SID-BIND-USER: a session of somebody else is not found. mcp-go itself knows a session by its id alone.
func TestASessionOfSomebodyElse(t *testing.T) {
	n := open(t)
	session := n.begin(n.as.Good())
	inner := session[:strings.LastIndexByte(session, '.')]
	for name, c := range map[string]struct {
		raw, session string
		status       int
	}{
		"its own person": {n.as.Good("mcp", "more"), session, 200}, "another person": {n.as.Token(authtest.Said{Subject: "bob"}), session, 404},
		"another client": {n.as.Token(authtest.Said{Client: "another"}), session, 404}, "mcp-go's own id": {n.as.Good(), inner, 404},
	} {
		if res, text := n.ask(c.raw, c.session, call("read")); res.StatusCode != c.status {
			t.Errorf("%s: %d %s", name, res.StatusCode, text)
		}
	}
}

// A server that is mounted without its guard shows and calls nothing.
func TestAServerWithoutItsGuard(t *testing.T) {
	n := open(t)
	n.address = strings.TrimSuffix(n.address, "/mcp") + "/open"
	session := n.begin("")
	if _, text := n.ask("", session, call("read")); !strings.Contains(text, `"error"`) || strings.Contains(text, "with") {
		t.Errorf("a call: %s", text)
	}
	if _, text := n.ask("", session, `{"jsonrpc":"2.0","id":3,"method":"tools/list"}`); !strings.Contains(text, `"tools":[]`) {
		t.Errorf("a list: %s", text)
	}
	if _, text := n.ask("", session, `{"jsonrpc":"2.0","id":3,"method":"resources/list"}`); !strings.Contains(text, `"resources":[]`) {
		t.Errorf("a list of resources: %s", text)
	}
}

// mcp-go's own client goes through.
func TestMCPGoClient(t *testing.T) {
	n := open(t)
	c, err := client.NewStreamableHttpClient(n.address, transport.WithHTTPHeaders(map[string]string{"Authorization": "Bearer " + n.as.Good()}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	var hello sdk.InitializeRequest
	hello.Params.ProtocolVersion, hello.Params.ClientInfo = "2025-11-25", sdk.Implementation{Name: "test", Version: "1"}
	if _, err := c.Initialize(t.Context(), hello); err != nil {
		t.Fatal(err)
	}
	tools, err := c.ListTools(t.Context(), sdk.ListToolsRequest{})
	if err != nil || len(tools.Tools) != 1 {
		t.Fatalf("%+v %v", tools, err)
	}
	var add sdk.CallToolRequest
	add.Params.Name = "read"
	res, err := c.CallTool(t.Context(), add)
	if err != nil || !strings.Contains(fmt.Sprint(res.Content), "alice") {
		t.Errorf("%+v %v", res, err)
	}
	add.Params.Name = "write"
	if _, err := c.CallTool(t.Context(), add); err == nil {
		t.Error("a tool beyond the scope was called")
	}
}
