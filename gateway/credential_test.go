package gateway_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/doorward-mcp/doorward/gateway"
	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/token"
)

// What the upstream is told of a caller of another issuer is what this token says: other issuers may give several tokens of a
// person one id, or none, and one that is asked may say another thing of the same token.
func TestAnAssertionIsOfItsToken(t *testing.T) {
	f := gated(t, nil)
	set := gateway.Caller(func() *token.Ring { return f.ring }, "https://up.example")
	base := token.Caller{Principal: token.Principal{Issuer: "https://other.example", Subject: "alice"}, Client: "c", Foreign: true, Scopes: oauth.NewScopes("read"), Groups: []string{"staff"}}
	for _, id := range []string{"", "j"} {
		seen := map[string]string{}
		for name, change := range map[string]func(*token.Caller){
			"plain": func(*token.Caller) {}, "another client": func(c *token.Caller) { c.Client = "d" }, "more scopes": func(c *token.Caller) { c.Scopes = oauth.NewScopes("read", "write") },
			"no groups": func(c *token.Caller) { c.Groups = nil }, "an actor": func(c *token.Caller) {
				c.Chain = []token.Actor{{Principal: token.Principal{Issuer: "https://other.example", Subject: "agent"}}}
			},
			"another subject": func(c *token.Caller) { c.Subject = "bob" }, "another issuer": func(c *token.Caller) { c.Issuer = "https://third.example" }, "a task": func(c *token.Caller) { c.Task = &token.Task{ID: "t", Words: "w", Tools: []string{"a"}} },
			"ours": func(c *token.Caller) { c.Foreign, c.ID = false, "own" },
		} {
			c := base
			c.ID = id
			change(&c)
			call := calling(c)
			call.Request.Now = noon
			h := http.Header{}
			if err := set(t.Context(), call, h); err != nil {
				t.Fatal(err)
			}
			text := h.Get(gateway.CallerHeader)
			if other, twice := seen[text]; twice {
				t.Errorf("id %q: %s is told of as %s", id, name, other)
			}
			seen[text] = name
			call.Request.Now = noon.Add(time.Second)
			if err := set(t.Context(), call, h); err != nil || h.Get(gateway.CallerHeader) != text {
				t.Errorf("id %q, %s: it is signed anew each time: %v", id, name, err)
			}
		}
	}
}
