package guard_test

import (
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/doorward-mcp/doorward/guard"
	"github.com/doorward-mcp/doorward/token"
)

// What is over a bound is refused with 429 and the seconds after which it is not (RFC 6585 §4), and takes nothing from others.
func TestBounds(t *testing.T) {
	other := func(c *token.Claims) { c.Subject = "bob" }
	elsewhere := func(c *token.Claims) { c.Client = "another" }
	call := func(tool string) string {
		return `{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"` + tool + `","arguments":{}}}`
	}
	type step struct {
		as   func(*token.Claims)
		body string
		wait int // seconds of Retry-After; 0: it is let through
		why  string
	}
	for name, c := range map[string]struct {
		limits guard.Limits
		steps  []step
	}{
		"requests of a caller": {guard.Limits{Caller: guard.Bounds{PerMinute: 2}}, []step{{nil, call("a"), 0, ""}, {nil, call("a"), 0, ""}, {nil, call("a"), 30, "limit.caller"}, {other, call("a"), 0, ""}, {elsewhere, call("a"), 0, ""}}},
		"requests of a client": {guard.Limits{Client: guard.Bounds{PerMinute: 2}}, []step{{nil, call("a"), 0, ""}, {other, call("a"), 0, ""}, {nil, call("a"), 30, "limit.client"}, {elsewhere, call("a"), 0, ""}}},
		"bytes of a caller":    {guard.Limits{Caller: guard.Bounds{BytesPerMinute: 100}}, []step{{nil, call("a"), 0, ""}, {nil, call("a"), 40, "limit.caller"}, {other, call(strings.Repeat("a", 200)), 0, ""}, {other, call("a"), 50, "limit.caller"}}},
		"bytes of a client":    {guard.Limits{Client: guard.Bounds{BytesPerMinute: 100}}, []step{{nil, call("a"), 0, ""}, {other, call("a"), 40, "limit.client"}, {elsewhere, call("a"), 0, ""}}},
		"calls of a tool":      {guard.Limits{Tool: guard.Bounds{PerMinute: 1}}, []step{{nil, call("a"), 0, ""}, {other, call("a"), 60, "limit.tool"}, {other, call("b"), 0, ""}, {nil, `{"jsonrpc":"2.0","id":7,"method":"prompts/get","params":{"name":"a"}}`, 0, ""}}},
		"bytes of a tool":      {guard.Limits{Tool: guard.Bounds{BytesPerMinute: 40}}, []step{{nil, call("a"), 0, ""}, {nil, call("a"), 21, "limit.tool"}, {nil, call("b"), 0, ""}}},
		"one tool by its name": {guard.Limits{Tool: guard.Bounds{PerMinute: 100}, Tools: map[string]guard.Bounds{"a": {PerMinute: 1}, "free": {}}}, []step{{nil, call("a"), 0, ""}, {nil, call("a"), 60, "limit.tool"}, {nil, call("b"), 0, ""}, {nil, call("b"), 0, ""}}},
		"none":                 {guard.Limits{}, []step{{nil, call("a"), 0, ""}, {nil, call("a"), 0, ""}, {nil, call("a"), 0, ""}}},
	} {
		t.Run(name, func(t *testing.T) {
			f := guarded(t, func(g *guard.Config) { g.Limits = c.limits })
			for i, s := range c.steps {
				as := s.as
				if as == nil {
					as = func(*token.Claims) {}
				}
				w, why := f.admit(post(s.body, "Authorization", "Bearer "+f.token(as), "Mcp-Protocol-Version", "2025-11-25"))
				if why != s.why {
					t.Fatalf("step %d: reason %q", i, why)
				}
				if s.why == "" {
					continue
				}
				if wait, _ := strconv.Atoi(w.Header().Get("Retry-After")); w.Code != 429 || wait != s.wait || w.Header().Get("WWW-Authenticate") != "" {
					t.Errorf("step %d: %d, again after %d", i, w.Code, wait)
				}
			}
		})
	}
}

// A place is had until the answer has ended, also by a refused message, and what was denied takes none of a tool's.
func TestPlaces(t *testing.T) {
	for name, limits := range map[string]guard.Limits{"caller": {Caller: guard.Bounds{AtOnce: 2}}, "client": {Client: guard.Bounds{AtOnce: 2}}, "tool": {Tool: guard.Bounds{AtOnce: 2}}} {
		t.Run(name, func(t *testing.T) {
			f := guarded(t, func(g *guard.Config) { g.Limits = limits })
			request := func() *http.Request {
				return post(callBody, "Authorization", "Bearer "+f.token(func(*token.Claims) {}), "Mcp-Protocol-Version", "2025-11-25")
			}
			broken := func() {
				if _, why := f.admit(post("{", "Authorization", "Bearer "+f.token(func(*token.Claims) {}))); !strings.Contains(why, "not valid JSON") {
					t.Errorf("a broken message: %q", why)
				}
			}
			for range 5 {
				broken()
			}
			inside, leave := make(chan struct{}), make(chan struct{})
			ended := make(chan int)
			for range 2 {
				go func() {
					w := f.serve(request(), func(http.ResponseWriter, *http.Request) { inside <- struct{}{}; <-leave })
					ended <- w.Code
				}()
			}
			<-inside
			<-inside
			if w, why := f.admit(request()); why != "limit."+name || w.Code != 429 || w.Header().Get("Retry-After") != "1" {
				t.Errorf("a third: %q %d", why, w.Code)
			}
			close(leave)
			for range 2 {
				if code := <-ended; code != 200 {
					t.Errorf("%d", code)
				}
			}
			if w := f.serve(request(), reached); w.Code != 200 {
				t.Errorf("after they have ended: %d", w.Code)
			}
		})
	}
}

// On a server that is open nobody is known: what one network may do takes nothing from the others.
func TestBoundsOfAnOpenServer(t *testing.T) {
	f := guarded(t, func(c *guard.Config) {
		c.InsecureOpen, c.Issuers, c.Limits = true, nil, guard.Limits{Caller: guard.Bounds{PerMinute: 2}}
	})
	from := func(address string) int {
		r := post(callBody)
		r.RemoteAddr = address
		return f.serve(r, func(http.ResponseWriter, *http.Request) {}).Code
	}
	for _, c := range []struct {
		address string
		want    int
	}{
		{"192.0.2.1:1", 200}, {"192.0.2.1:2", 200}, {"192.0.2.1:3", 429}, {"192.0.2.9:1", 200},
		{"[2001:db8::1]:1", 200}, {"[2001:db8::2]:1", 200}, {"[2001:db8::3]:1", 429}, {"[2001:db8:1::1]:1", 200},
	} {
		if got := from(c.address); got != c.want {
			t.Errorf("%s: %d", c.address, got)
		}
	}
}
