package guard_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/doorward-mcp/doorward/guard"
	"github.com/doorward-mcp/doorward/mcp"
	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/policy"
	"github.com/doorward-mcp/doorward/token"
)

// RS-403-ALL-SCOPES-AT-ONCE: a batch is refused whole if one of it is, with everything that all of it lacks, besides what the
// token has; and without a challenge if no token would do.
func TestABatchIsDecidedWhole(t *testing.T) {
	f := guarded(t, func(c *guard.Config) {
		c.Decider = policy.ScopesOnly{Scopes: policy.NewScopes(nil, nil, policy.Need{Tools: []string{"add"}, Scopes: oauth.NewScopes("math")}, policy.Need{Tools: []string{"send"}, Scopes: oauth.NewScopes("mail", "net")})}
	})
	call := func(id, tool string) string {
		return `{"jsonrpc":"2.0","id":` + id + `,"method":"tools/call","params":{"name":"` + tool + `"}}`
	}
	plain, task := f.token(), f.token(func(c *token.Claims) { c.Task = &token.Task{ID: "t", Words: "add up", Tools: []string{"add"}} })
	for _, c := range []struct {
		name, raw, body, scope, id string
		status                     int
	}{
		{"all allowed", plain, "[" + call("1", "x") + "," + call("2", "y") + "]", "", "", 200},
		{"one refused", plain, "[" + call("1", "x") + "," + call("2", "add") + "]", `scope="math mcp"`, `"id":2`, 403},
		{"several refused", plain, "[" + call("1", "add") + "," + call("2", "x") + "," + call("3", "send") + "]", `scope="mail math mcp net"`, `"id":1`, 403},
		{"one out of reach", task, "[" + call("1", "add") + "," + call("2", "send") + "]", "", `"id":2`, 403},
		{"a notification refused", plain, `[` + call("1", "x") + `,{"jsonrpc":"2.0","method":"tools/call","params":{"name":"send"}}]`, `scope="mail mcp net"`, "", 403},
	} {
		w := f.serve(post(c.body, "Authorization", "Bearer "+c.raw, "Mcp-Protocol-Version", "2025-03-26"), func(w http.ResponseWriter, _ *http.Request) {
			if c.status != 200 {
				t.Errorf("%s: the server was reached", c.name)
			}
		})
		challenge := w.Header().Get("WWW-Authenticate")
		if w.Code != c.status || (c.scope == "") != (challenge == "") || !strings.Contains(challenge, c.scope) || !strings.Contains(w.Body.String(), c.id) {
			t.Errorf("%s: %d %q %s", c.name, w.Code, challenge, w.Body)
		}
	}
}

// MCP 2026-07-28, Subscriptions: whoever wants to hear of resources must be allowed to read each of them.
func TestASubscriptionIsDecidedForEachResource(t *testing.T) {
	f := guarded(t, func(c *guard.Config) {
		c.Decider = policy.ScopesOnly{Scopes: policy.NewScopes(nil, nil, policy.Need{Resources: []string{"secret://*"}, Scopes: oauth.NewScopes("secrets")}, policy.Need{Resources: []string{"top://*"}, Scopes: oauth.NewScopes("tops")})}
	})
	raw := f.token()
	for params, want := range map[string]string{`{"resourcesListChanged":true}`: "", `{"resourceSubscriptions":["file:///a"]}`: "", `{"resourceSubscriptions":["file:///a","secret://b"]}`: `scope="secrets"`,
		`{"resourceSubscriptions":["secret://b","top://c"]}`: `scope="secrets tops"`, `{"resourceSubscriptions":["\u0073ecret://b"]}`: `scope="secrets"`,
		`{"ResourceSubscriptions":["secret://b"]}`: "400", `{"resourceSubscriptions":"secret://b"}`: "400", `{"resourceSubscriptions":[["secret://b"]]}`: "400", `[]`: "400"} {
		body := `{"jsonrpc":"2.0","id":1,"method":"subscriptions/listen","params":{"notifications":` + params + `,"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}`
		w := f.serve(post(body, "Authorization", "Bearer "+raw, "Mcp-Protocol-Version", "2026-07-28", "Mcp-Method", "subscriptions/listen"), func(http.ResponseWriter, *http.Request) {
			if want != "" {
				t.Errorf("%s: the server was reached", params)
			}
		})
		switch challenge := w.Header().Get("WWW-Authenticate"); want {
		case "":
			if w.Code != 200 {
				t.Errorf("%s: %d %s", params, w.Code, w.Body)
			}
		case "400":
			if w.Code != 400 {
				t.Errorf("%s: %d %s", params, w.Code, w.Body)
			}
		default:
			if w.Code != 403 || !strings.Contains(challenge, want) {
				t.Errorf("%s: %d %s", params, w.Code, challenge)
			}
		}
	}
}

// What a list shows is what the decider says and the task of the token leaves.
func TestVisible(t *testing.T) {
	f := guarded(t, func(c *guard.Config) {
		c.Decider = policy.ScopesOnly{Scopes: policy.NewScopes(nil, nil, policy.Need{Tools: []string{"send"}, Scopes: oauth.NewScopes("mail")})}
	})
	items := []mcp.Item{{Kind: mcp.ItemTool, Name: "add"}, {Kind: mcp.ItemTool, Name: "send"}, {Kind: mcp.ItemPrompt, Name: "add"}, {Kind: mcp.ItemResource, Name: "add"}, {Kind: mcp.ItemTemplate, Name: "add"}, {Kind: mcp.ItemTask, Name: "add"}, {Kind: "", Name: "add"}}
	for name, c := range map[string]struct {
		change func(*token.Claims)
		want   string
	}{
		"plain":  {func(*token.Claims) {}, "yes no yes yes yes yes yes"},
		"mail":   {func(c *token.Claims) { c.Scopes = oauth.NewScopes("mcp", "mail") }, "yes yes yes yes yes yes yes"},
		"a task": {func(c *token.Claims) { c.Task = &token.Task{ID: "t", Words: "w", Tools: []string{"add", "send"}} }, "yes no no no no no no"},
	} {
		r := post(callBody, "Authorization", "Bearer "+f.token(c.change))
		r = r.WithContext(t.Context())
		f.g.Protect(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			call, _ := guard.From(r.Context())
			var got []string
			for _, seen := range f.g.Visible(r.Context(), call, items) {
				got = append(got, map[bool]string{true: "yes", false: "no"}[seen])
			}
			if text := strings.Join(got, " "); text != c.want {
				t.Errorf("%s: %s, want %s", name, text, c.want)
			}
		})).ServeHTTP(discard{}, r)
	}
}

// discard is an answer that nobody reads.
type discard struct{}

func (discard) Header() http.Header         { return http.Header{} }
func (discard) Write(b []byte) (int, error) { return len(b), nil }
func (discard) WriteHeader(int)             {}
