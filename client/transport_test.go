package client_test

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/doorward-mcp/doorward/client"
)

// CL-401-PARSE, CL-401-START-FLOW, CL-PKCE-S256, CL-STATE, CL-RESOURCE-PARAM-AUTHZ, CL-RESOURCE-PARAM-TOKEN, CL-BEARER-EVERY-REQUEST:
// the peer refuses a request that lacks any of them.
func TestFirstRequestSignsIn(t *testing.T) {
	p := newPeer(t)
	tr := dial(t, p, client.Options{})
	for range 3 {
		status, body, err := post(t, tr, p.address(), `{"method":"tools/list"}`)
		if err != nil || status != 200 || body != `{"method":"tools/list"}` {
			t.Fatalf("got %d %q, %v", status, body, err)
		}
	}
	for what, want := range map[string]int{"authorize": 1, "token authorization_code": 1, "register": 1, "mcp 401": 1, "mcp 200": 3} {
		if got := p.count(what); got != want {
			t.Errorf("%s: %d times, want %d", what, got, want)
		}
	}
	for i, v := range []string{p.authz[0].Get("resource"), p.forms[0].Get("resource")} {
		if v != p.address() {
			t.Errorf("resource %d is %q, want %q", i, v, p.address())
		}
	}
}

// A body that cannot be repeated by itself is read once and sent whole again.
func TestBodyIsSentAgain(t *testing.T) {
	p := newPeer(t)
	tr := dial(t, p, client.Options{})
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.address(), struct{ io.Reader }{strings.NewReader("once")})
	if err != nil {
		t.Fatal(err)
	}
	resp, err := tr.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if p.lastBody != "once" || p.count("authorize") != 1 {
		t.Errorf("the server got %q after %d sign-ins, want once after 1", p.lastBody, p.count("authorize"))
	}
}

func TestBodyBeyondTheBoundIsRefused(t *testing.T) {
	p := newPeer(t)
	tr := dial(t, p, client.Options{})
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.address(), io.LimitReader(zeros{}, 17<<20))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tr.RoundTrip(r); err == nil || !strings.Contains(err.Error(), "too long") {
		t.Errorf("got %v, want that the body is too long", err)
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

// CL-TOKEN-RIGHT-AS, CL-RESOURCE-IDENTIFY: the token goes to the address that was typed and below it, and nowhere else.
func TestTokenGoesNowhereElse(t *testing.T) {
	p := newPeer(t)
	tr := dial(t, p, client.Options{})
	admitted(t, tr, p)
	var got string
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r.Header.Get("Authorization") }))
	defer other.Close()
	if _, _, err := post(t, tr, other.URL+"/mcp", ""); err != nil || got != "" {
		t.Errorf("another origin got %q, %v; want no token", got, err)
	}
	for _, path := range []string{"/", "/mcpx", "/other", "/mcp/../admin", "/mcp/%2e%2e/admin", "/mcp/%2E./admin"} {
		var sent string
		watch := dialBase(t, p, func(r *http.Request) { sent = r.Header.Get("Authorization") })
		admitted(t, watch, p)
		sent = ""
		if _, _, err := post(t, watch, p.server.URL+path, ""); err != nil || sent != "" {
			t.Errorf("%s got %q, %v; want no token", path, sent, err)
		}
	}
}

// dialBase makes a Transport whose requests to the server are shown to see.
func dialBase(t *testing.T, p *peer, see func(*http.Request)) *client.Transport {
	t.Helper()
	return dial(t, p, client.Options{Base: roundTrip(func(r *http.Request) (*http.Response, error) {
		see(r)
		return http.DefaultTransport.RoundTrip(r)
	})})
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// Somebody who brings a credential of their own is not interfered with.
func TestOwnAuthorizationIsLeftAlone(t *testing.T) {
	p := newPeer(t)
	tr := dial(t, p, client.Options{})
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.address(), nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer mine")
	resp, err := tr.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != 401 || p.count("authorize") != 0 {
		t.Errorf("status %d after %d sign-ins, want 401 after none", resp.StatusCode, p.count("authorize"))
	}
}

// A 401 that wants another scheme is the caller's to answer.
func TestOtherSchemesAreNotOurs(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("WWW-Authenticate", `Basic realm="staging"`)
		w.WriteHeader(401)
	}))
	defer server.Close()
	tr, err := client.New(server.URL, client.Options{Browser: browse})
	if err != nil {
		t.Fatal(err)
	}
	if status, _, err := post(t, tr, server.URL, ""); status != 401 || err != nil {
		t.Errorf("got %d, %v; want the 401 itself", status, err)
	}
}

// Without a browser nobody can be asked, and the error says it.
func TestNobodyIsThere(t *testing.T) {
	p := newPeer(t)
	tr, err := client.New(p.address(), client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = post(t, tr, p.address(), "")
	if !errors.Is(err, client.ErrNobody) || !errors.Is(err, client.ErrSignIn) {
		t.Errorf("got %v, want ErrNobody in ErrSignIn", err)
	}
}

func TestNewRefuses(t *testing.T) {
	ok := "https://mcp.example.com/mcp"
	for _, c := range []struct {
		what, server string
		o            client.Options
	}{
		{"no scheme", "mcp.example.com", client.Options{}},
		{"another scheme", "ftp://mcp.example.com", client.Options{}},
		{"a user name", "https://me@mcp.example.com/", client.Options{}},
		{"a script", "javascript:alert(1)", client.Options{}},
		{"a redirect elsewhere", ok, client.Options{Redirect: "https://example.com/cb"}},
		{"a redirect with a fragment", ok, client.Options{Redirect: "http://127.0.0.1/#x"}},
		{"a document over http", ok, client.Options{Document: "http://example.com/client.json"}}, // CL-CIMD-URL-FORM
		{"a document without path", ok, client.Options{Document: "https://example.com"}},
		{"a document with a fragment", ok, client.Options{Document: "https://example.com/c.json#x"}}, // CL-CIMD-URL-STRICT
		{"an unknown method", ok, client.Options{Registered: client.Registered{ID: "a", Method: "magic"}}},
		{"an issuer without id", ok, client.Options{Registered: client.Registered{Issuer: "https://as.example.com"}}},
	} {
		if _, err := client.New(c.server, c.o); err == nil {
			t.Errorf("%s: no error", c.what)
		}
	}
}

// listenAt takes a port for itself.
func listenAt(t *testing.T, address string) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	return l
}
