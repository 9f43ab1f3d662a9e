package client_test

import (
	"fmt"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/doorward-mcp/doorward/client"
	"github.com/doorward-mcp/doorward/oauth"
)

// byTool makes the scope of a request that of the tool that it calls.
func byTool(scopes map[string]string) func(*peer, *http.Request) string {
	return func(_ *peer, r *http.Request) string { return scopes[r.Header.Get("Mcp-Name")] }
}

// tool calls name and gives the status.
func tool(t *testing.T, rt http.RoundTripper, p *peer, name string) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.address(), nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Mcp-Method", "tools/call")
	r.Header.Set("Mcp-Name", name)
	resp, err := rt.RoundTrip(r)
	if err != nil {
		t.Fatalf("calling %s: %v", name, err)
	}
	resp.Body.Close()
	return resp.StatusCode
}

// CL-STEPUP, CL-STEPUP-USER, CL-SCOPE-UNION, CL-SCOPE-AUTHORITATIVE: the union of what was asked before and what is lacking.
func TestStepUpAsksForTheUnion(t *testing.T) {
	p := newPeer(t)
	p.need = byTool(map[string]string{"read": "r", "write": "w", "admin": "x y"})
	tr := dial(t, p, client.Options{})
	for _, name := range []string{"read", "write", "admin", "read"} {
		if status := tool(t, tr, p, name); status != 200 {
			t.Fatalf("%s: status %d", name, status)
		}
	}
	for i, want := range []string{"offline_access r", "offline_access r w", "offline_access r w x y"} {
		if got := p.authz[i].Get("scope"); got != want {
			t.Errorf("sign-in %d asks for %q, want %q", i, got, want)
		}
	}
	if len(p.authz) != 3 || p.count("register") != 1 {
		t.Errorf("%d sign-ins, %d registrations; want 3, 1", len(p.authz), p.count("register"))
	}
}

// CL-STEPUP-LIMIT: a server that is never content gets the person asked a bounded number of times; its 403 is the answer.
func TestStepUpEnds(t *testing.T) {
	for _, c := range []struct {
		what string
		need func() func(*peer, *http.Request) string
		most int // sign-ins in all, the first one included
	}{
		{"always the same scope", func() func(*peer, *http.Request) string {
			return func(*peer, *http.Request) string { return "never" }
		}, 2},
		{"always another scope", func() func(*peer, *http.Request) string {
			n := 0
			return func(*peer, *http.Request) string { n++; return fmt.Sprint("more", n) }
		}, 4},
	} {
		t.Run(c.what, func(t *testing.T) {
			p := newPeer(t)
			tr := dial(t, p, client.Options{})
			admitted(t, tr, p)
			p.need = c.need()
			p.grant = func(_ *peer, asked oauth.Scopes) oauth.Scopes { return asked.Without("never") }
			for range 5 {
				if status := tool(t, tr, p, "x"); status != 403 {
					t.Fatalf("status %d, want 403", status)
				}
			}
			if n := p.count("authorize"); n != c.most {
				t.Errorf("%d sign-ins, want %d", n, c.most)
			}
		})
	}
}

// A server that refuses a token which has all that it asks for gets one fresh token, not three.
func TestStepUpWithoutAnythingLacking(t *testing.T) {
	p := newPeer(t)
	p.challenge = func(_ *peer, _ *http.Request, c oauth.Challenge) string {
		if c.Error == "insufficient_scope" {
			c.Scope = oauth.NewScopes("a")
		}
		return c.String()
	}
	scope := "a"
	p.need = func(*peer, *http.Request) string { return scope }
	tr := dial(t, p, client.Options{})
	admitted(t, tr, p)
	scope = "hidden"
	for range 3 {
		if status := tool(t, tr, p, "x"); status != 403 {
			t.Fatalf("status %d, want 403", status)
		}
	}
	if n := p.count("authorize"); n != 2 {
		t.Errorf("%d sign-ins, want 2", n)
	}
}

// A server that takes the fresh token once and then wants another one cannot open a window for every call.
func TestStepUpForEveryCall(t *testing.T) {
	p := newPeer(t)
	now := newClock()
	tr := dial(t, p, client.Options{Now: now.Now})
	admitted(t, tr, p)
	n := 0
	p.need = func(*peer, *http.Request) string { n++; return fmt.Sprint("more", (n+1)/2) } // each scope is content once
	for range 8 {
		tool(t, tr, p, "x")
	}
	if n := p.count("authorize"); n != 4 {
		t.Errorf("%d sign-ins, want 4: the first and three for more scope", n)
	}
	now.pass(2 * time.Hour)
	tool(t, tr, p, "x")
	if n := p.count("authorize"); n < 5 {
		t.Errorf("%d sign-ins after a while, want more than 4", n)
	}
}

// CL-STEPUP-TRACK: what the person refused once is not asked for again; other operations are.
func TestDeniedStepUpIsRemembered(t *testing.T) {
	p := newPeer(t)
	p.need = byTool(map[string]string{"delete": "d", "write": "w"})
	tr := dial(t, p, client.Options{})
	admitted(t, tr, p)
	p.back = func(_ *peer, q url.Values) { q.Del("code"); q.Set("error", "access_denied") }
	for range 4 {
		if status := tool(t, tr, p, "delete"); status != 403 {
			t.Fatalf("status %d, want the server's 403", status)
		}
	}
	if n := p.count("authorize"); n != 2 {
		t.Errorf("%d sign-ins, want 2", n)
	}
	p.back = nil
	if status := tool(t, tr, p, "write"); status != 200 {
		t.Errorf("another operation: status %d, want 200", status)
	}
}

// A 403 that no token can change is the caller's answer, and nobody is asked.
func TestOther403IsTheAnswer(t *testing.T) {
	for _, challenge := range []string{"", `Bearer`, `Bearer error="access_denied"`, `Bearer error="insufficient_scope"`, `Bearer error="insufficient_scope", scope="a\"b"`} {
		p := newPeer(t)
		tr := dial(t, p, client.Options{})
		admitted(t, tr, p)
		p.need = func(*peer, *http.Request) string { return "more" }
		p.challenge = func(*peer, *http.Request, oauth.Challenge) string { return challenge }
		if status := tool(t, tr, p, "x"); status != 403 || p.count("authorize") != 1 {
			t.Errorf("%q: status %d after %d sign-ins, want 403 after 1", challenge, status, p.count("authorize"))
		}
	}
}
