package guard_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/doorward-mcp/doorward/guard"
	"github.com/doorward-mcp/doorward/mcp"
	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/policy"
	"github.com/doorward-mcp/doorward/token"
)

// RFC 9470 §3: a person who signed in too long ago, or in another way, is told what a new sign-in must be.
func TestAuthenticationDemanded(t *testing.T) {
	both := guard.Authentication{MaxAge: 5 * time.Minute, ACR: []string{"strong", "stronger"}}
	for _, c := range []struct {
		name   string
		a      guard.Authentication
		acr    string
		signed time.Duration // before now; negative: not said
		reason string
	}{
		{"nothing is asked for", guard.Authentication{}, "", -1, ""}, {"just now and strong", both, "strong", 0, ""}, {"just in time", both, "stronger", 5 * time.Minute, ""},
		{"too long ago", both, "strong", 5*time.Minute + time.Second, "auth_time"}, {"it is not said when", both, "strong", -1, "auth_time"}, {"another way", both, "pw", 0, "acr"}, {"it is not said how", both, "", 0, "acr"},
		{"a part of the name", both, "strong stronger", 0, "acr"}, {"age alone", guard.Authentication{MaxAge: time.Minute}, "", 2 * time.Minute, "auth_time"}, {"way alone", guard.Authentication{ACR: []string{"strong"}}, "strong", -1, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := guarded(t, func(g *guard.Config) { g.Authentication = c.a })
			raw := f.token(func(claims *token.Claims) {
				if claims.ACR = c.acr; c.signed >= 0 {
					claims.Authenticated = noon.Add(-c.signed)
				}
			})
			w, why := f.admit(post(callBody, "Authorization", "Bearer "+raw))
			if why != c.reason {
				t.Fatalf("reason %q", why)
			}
			if c.reason == "" {
				return
			}
			got := challenges(w)
			if w.Code != 401 || len(got) != 2 {
				t.Fatalf("%d %+v", w.Code, got)
			}
			for _, g := range got {
				if g.Error != "insufficient_user_authentication" || g.ACR != strings.Join(c.a.ACR, " ") || time.Duration(g.MaxAge)*time.Second != c.a.MaxAge || g.ResourceMetadata != document {
					t.Errorf("%+v", g)
				}
			}
		})
	}
	for _, age := range []time.Duration{-time.Second, time.Millisecond, 1500 * time.Millisecond} {
		_, err := guard.New(guard.Config{Resource: oauth.Resource{URI: resource}, Issuers: []token.Issuer{{URL: issuer, Audiences: []string{resource}}}, Authentication: guard.Authentication{MaxAge: age}})
		if err == nil {
			t.Errorf("an age of %s is taken, which no challenge can say", age)
		}
	}
}

// RFC 9396 §7: a token for one task opens nothing else, whatever its scopes are and whatever a policy says. A new token for the
// same task would do no better, so there is no challenge.
func TestATokenForOneTask(t *testing.T) {
	f := guarded(t, func(c *guard.Config) {
		c.Decider = policy.ScopesOnly{Scopes: policy.NewScopes(nil, nil, policy.Need{Tools: []string{"delete"}, Scopes: oauth.NewScopes("much more")})}
	})
	raw := f.token(func(c *token.Claims) { c.Task = &token.Task{ID: "t", Words: "add up", Tools: []string{"add"}} })
	request := func(method, params string) string {
		return `{"jsonrpc":"2.0","id":7,"method":"` + method + `","params":{` + params + `}}`
	}
	for _, c := range []struct {
		name, body string
		want       bool
	}{
		{"its tool", callBody, true}, {"the list of tools", request("tools/list", ""), true}, {"a notification", `{"jsonrpc":"2.0","method":"notifications/initialized"}`, true},
		{"an answer", `{"jsonrpc":"2.0","id":7,"result":{}}`, true}, {"another tool", request("tools/call", `"name":"sub"`), false}, {"another tool that lacks scope", request("tools/call", `"name":"delete"`), false},
		{"its tool in another spelling", request("tools/call", `"name":"Add"`), false}, {"a resource", request("resources/read", `"uri":"file:///add"`), false}, {"a prompt", request("prompts/get", `"name":"add"`), false},
		{"a method that nobody knows", request("vendor/add", `"name":"add"`), false}, {"its tool and another in a batch", "[" + strings.Replace(callBody, `"id":7`, `"id":8`, 1) + "," + request("tools/call", `"name":"sub"`) + "]", false},
		{"another tool, asked for as a notification", `{"jsonrpc":"2.0","method":"tools/call","params":{"name":"sub"}}`, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			f.t = t
			revision := "2025-11-25"
			if strings.HasPrefix(c.body, "[") {
				revision = "2025-03-26"
			}
			next := http.HandlerFunc(nil)
			if c.want {
				next = reached
			}
			w := f.serve(post(c.body, "Authorization", "Bearer "+raw, "Mcp-Protocol-Version", revision), next)
			if c.want {
				if w.Code != 200 {
					t.Errorf("%d %s", w.Code, w.Body)
				}
				return
			}
			var got struct {
				Error struct {
					Code int `json:"code"`
					Data struct{ Error, Code string }
				} `json:"error"`
			}
			if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != 403 || w.Header().Get("WWW-Authenticate") != "" || got.Error.Code != mcp.Denied || got.Error.Data.Error != "access_denied" || got.Error.Data.Code != "task" {
				t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
			}
		})
	}
	for _, method := range []string{"GET", "DELETE"} {
		r := post("", "Authorization", "Bearer "+raw, "Mcp-Session-Id", "s", "Accept", "text/event-stream")
		r.Method = method
		f.t = t
		if w, why := f.admit(r); why != "" {
			t.Errorf("%s: %s %s", method, why, w.Body)
		}
	}
}
