package client_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/doorward-mcp/doorward/client"
	"github.com/doorward-mcp/doorward/oauth"
)

// noParameter is a challenge without resource_metadata.
func noParameter(*peer, *http.Request, oauth.Challenge) string { return "Bearer" }

// documentAt serves resource metadata at one path alone.
func documentAt(path, resource string) func(*peer, http.ResponseWriter, *http.Request) bool {
	return func(p *peer, w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != path {
			return false
		}
		writeJSON(w, 200, map[string]any{"resource": p.server.URL + resource, "authorization_servers": []string{p.iss()}})
		return true
	}
}

// CL-PRM-HEADER-FIRST, CL-PRM-WELLKNOWN-FALLBACK: the address of the challenge alone, else inserted, then the root.
func TestResourceMetadataIsFound(t *testing.T) {
	named := func(path string) func(*peer, *http.Request, oauth.Challenge) string {
		return func(p *peer, _ *http.Request, _ oauth.Challenge) string {
			return `Basic realm="x", Bearer realm="a, b", resource_metadata="` + p.server.URL + path + `"`
		}
	}
	const inserted, root = "/.well-known/oauth-protected-resource/mcp", "/.well-known/oauth-protected-resource"
	for _, c := range []struct {
		what           string
		challenge      func(*peer, *http.Request, oauth.Challenge) string
		at, resource   string
		asked, unasked []string
	}{
		{"named by the challenge", named("/custom/doc.json"), "/custom/doc.json", "/mcp", []string{"/custom/doc.json"}, []string{inserted, root}},
		{"named by one of two challenges", func(p *peer, r *http.Request, c oauth.Challenge) string {
			return named("/custom/doc.json")(p, r, c) + `, Bearer realm="later"`
		}, "/custom/doc.json", "/mcp", []string{"/custom/doc.json"}, []string{inserted, root}},
		{"inserted", noParameter, inserted, "/mcp", []string{inserted}, []string{root}},
		{"at the root, for the origin", noParameter, root, "", []string{inserted, root}, nil},
		{"at the root, for the origin with its slash", noParameter, root, "/", []string{inserted, root}, nil},
		{"no challenge at all", func(*peer, *http.Request, oauth.Challenge) string { return "" }, inserted, "/mcp", []string{inserted}, nil},
	} {
		t.Run(c.what, func(t *testing.T) {
			p := newPeer(t)
			p.challenge, p.resource = c.challenge, documentAt(c.at, c.resource)
			admitted(t, dial(t, p, client.Options{}), p)
			for _, path := range c.asked {
				if p.count("GET "+path) != 1 {
					t.Errorf("%s was not read: %v", path, p.seen)
				}
			}
			for _, path := range c.unasked {
				if p.count("GET "+path) != 0 {
					t.Errorf("%s was read", path)
				}
			}
			// CL-RESOURCE-IDENTIFY: what is asked for is what the document names.
			if got, want := p.authz[0].Get("resource"), p.server.URL+c.resource; got != want {
				t.Errorf("resource %q, want %q", got, want)
			}
		})
	}
}

// CL-PRM-RESOURCE-MATCH: another origin is refused always, and on the same origin all but the address and its ancestors.
func TestResourceOfAnotherServerIsRefused(t *testing.T) {
	for _, resource := range []string{
		"https://evil.example.com/mcp", "https://evil.example.com", "https://evil.example.com/", "http://127.0.0.1:1", "SELF/mcp/", "SELF/other", "SELF/mc", "SELF/mcp/tools", "SELF/mcp?x=1", "SELF/mcp#x", "SELF/%6dcp",
		"http://127.0.0.1/mcp", "http://user@HOST/mcp", "", "/mcp", "//HOST/mcp", "SELF/mcp/..",
	} {
		t.Run(resource, func(t *testing.T) {
			p := newPeer(t)
			p.resource = func(p *peer, w http.ResponseWriter, _ *http.Request) bool {
				r := strings.NewReplacer("SELF", p.server.URL, "HOST", strings.TrimPrefix(p.server.URL, "http://")).Replace(resource)
				writeJSON(w, 200, map[string]any{"resource": r, "authorization_servers": []string{p.iss()}})
				return true
			}
			refused(t, p, client.Options{}, "the resource in")
			if len(p.authz) != 0 || p.count("register") != 0 {
				t.Error("the authorization server was asked")
			}
		})
	}
}

// refused fails the test unless a request ends in ErrSignIn with text in it, and nobody got a token.
func refused(t *testing.T, p *peer, o client.Options, text string) {
	t.Helper()
	status, _, err := post(t, dial(t, p, o), p.address(), "{}")
	if !errors.Is(err, client.ErrSignIn) || !strings.Contains(err.Error(), text) {
		t.Fatalf("got %d, %v; want ErrSignIn with %q", status, err, text)
	}
	if p.count("mcp 200") != 0 {
		t.Error("a request got through")
	}
}

// A broken document is no missing one: it must not lead to the defaults of 2025-03-26.
func TestBrokenResourceMetadataIsRefused(t *testing.T) {
	html := func(w http.ResponseWriter) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, "<!doctype html><title>app</title>")
	}
	for _, c := range []struct {
		what   string
		answer func(p *peer, w http.ResponseWriter)
		text   string
	}{
		{"status 500", func(_ *peer, w http.ResponseWriter) { w.WriteHeader(500) }, "status 500"},
		{"status 429", func(_ *peer, w http.ResponseWriter) { w.WriteHeader(429) }, "status 429"},
		{"a page", func(_ *peer, w http.ResponseWriter) { html(w) }, "not JSON"},
		{"no JSON", func(_ *peer, w http.ResponseWriter) {
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprint(w, "{")
		}, "not the document"},
		{"a name twice", func(p *peer, w http.ResponseWriter) {
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprintf(w, `{"resource":%q,"resource":"https://evil.example.com/mcp","authorization_servers":[%q]}`, p.address(), p.iss())
		}, "not the document"},
		{"endless", func(_ *peer, w http.ResponseWriter) {
			w.Header().Set("Content-Type", "application/json")
			for range 4096 {
				if _, err := fmt.Fprint(w, strings.Repeat(" ", 4096)); err != nil {
					return
				}
			}
		}, "more than"},
		{"redirects without end", func(p *peer, w http.ResponseWriter) {
			w.Header().Set("Location", p.server.URL+"/.well-known/again")
			w.WriteHeader(302)
		}, "redirects"},
		{"no authorization server", func(p *peer, w http.ResponseWriter) { writeJSON(w, 200, map[string]any{"resource": p.address()}) }, "names no authorization server"},
	} {
		t.Run(c.what, func(t *testing.T) {
			p := newPeer(t)
			p.challenge = noParameter
			p.resource = func(p *peer, w http.ResponseWriter, _ *http.Request) bool { c.answer(p, w); return true }
			refused(t, p, client.Options{}, c.text)
			if p.count("authorize")+p.count("register") != 0 {
				t.Errorf("the authorization server was asked: %v", p.seen)
			}
		})
	}
}

// A challenge that names a document which is not there is no server of 2025-03-26: nothing else is tried.
func TestNamedDocumentThatIsMissing(t *testing.T) {
	p := newPeer(t)
	p.resource = func(_ *peer, w http.ResponseWriter, r *http.Request) bool { http.NotFound(w, r); return true }
	refused(t, p, client.Options{}, "not there")
	if p.count("GET /.well-known/oauth-protected-resource") != 0 || p.count("GET /.well-known/oauth-authorization-server") != 0 {
		t.Errorf("asked %v", p.seen)
	}
}

// An AWS API Gateway renames the header of the challenge.
func TestRenamedChallenge(t *testing.T) {
	p := newPeer(t)
	p.resource = documentAt("/custom/doc.json", "/mcp")
	p.challenge = func(*peer, *http.Request, oauth.Challenge) string { return "" }
	base := roundTrip(func(r *http.Request) (*http.Response, error) {
		resp, err := http.DefaultTransport.RoundTrip(r)
		if err == nil && resp.StatusCode == 401 {
			resp.Header.Set("X-Amzn-Remapped-Www-Authenticate", `Bearer resource_metadata="`+p.server.URL+`/custom/doc.json"`)
		}
		return resp, err
	})
	admitted(t, dial(t, p, client.Options{Base: base}), p)
}

// CL-ASM-PATH-ORDER, CL-ASM-NOPATH-ORDER, CL-ASM-MULTI, CL-ASM-BOTH, CL-ASM-WRONG-PATH.
func TestServerMetadataIsTriedInOrder(t *testing.T) {
	const rfc, openid = "/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"
	for _, c := range []struct {
		path  string
		order []string
	}{
		{"", []string{rfc, openid}},
		{"/tenant1", []string{rfc + "/tenant1", openid + "/tenant1", "/tenant1" + openid}},
	} {
		for last := range c.order {
			t.Run(c.order[last], func(t *testing.T) {
				var got []string
				p := newPeer(t)
				as := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if !strings.Contains(r.URL.Path, ".well-known") {
						p.serveIssuer(w, r)
						return
					}
					got = append(got, r.URL.Path)
					if r.URL.Path != c.order[last] {
						http.NotFound(w, r)
						return
					}
					writeJSON(w, 200, p.document())
				}))
				defer as.Close()
				p.issuer.Close()
				p.issuer, p.path = as, c.path
				admitted(t, dial(t, p, client.Options{}), p)
				if want := c.order[:last+1]; !slices.Equal(got, want) {
					t.Errorf("read %q, want %q", got, want)
				}
			})
		}
	}
}

// CL-ASM-ISSUER-MATCH, CL-PKCE-VERIFY, CL-PKCE-REFUSE-OAUTH: a document that does not say what it must is not used.
func TestServerMetadataIsRefused(t *testing.T) {
	for _, c := range []struct {
		what   string
		change func(p *peer, md map[string]any)
		text   string
	}{
		{"one trailing slash", func(p *peer, md map[string]any) { md["issuer"] = p.iss() + "/" }, "the issuer in"},
		{"another issuer", func(_ *peer, md map[string]any) { md["issuer"] = "https://evil.example.com" }, "the issuer in"},
		{"upper case", func(p *peer, md map[string]any) { md["issuer"] = strings.ToUpper(p.iss()) }, "the issuer in"},
		{"no issuer", func(_ *peer, md map[string]any) { delete(md, "issuer") }, "the issuer in"},
		{"no PKCE", func(_ *peer, md map[string]any) { delete(md, "code_challenge_methods_supported") }, "S256"},
		{"plain PKCE", func(_ *peer, md map[string]any) { md["code_challenge_methods_supported"] = []string{"plain"} }, "S256"},
		{"no code", func(_ *peer, md map[string]any) { md["response_types_supported"] = []string{"token"} }, "response type"},
		{"a script to open", func(_ *peer, md map[string]any) { md["authorization_endpoint"] = "javascript:alert(1)//x" }, "authorization_endpoint"},
		{"a file to open", func(_ *peer, md map[string]any) { md["authorization_endpoint"] = "file:///etc/passwd" }, "authorization_endpoint"},
		{"http elsewhere", func(_ *peer, md map[string]any) { md["token_endpoint"] = "http://as.example.com/token" }, "token_endpoint"},
		{"a fragment", func(p *peer, md map[string]any) { md["authorization_endpoint"] = p.iss() + "/authorize#x" }, "authorization_endpoint"},
		{"a blank in the address", func(p *peer, md map[string]any) { md["authorization_endpoint"] = p.iss() + "/authorize --x" }, "authorization_endpoint"},
	} {
		t.Run(c.what, func(t *testing.T) {
			p := newPeer(t)
			p.metadata = c.change
			refused(t, p, client.Options{}, c.text)
			if p.count("authorize")+p.count("register")+p.count("token authorization_code") != 0 {
				t.Errorf("its endpoints were used: %v", p.seen)
			}
		})
	}
}

// CL-0326-BASE-URL, CL-0326-METADATA-FIRST, CL-0326-FALLBACK-PATHS: the server of 2025-03-26 is its own authorization server.
func TestServersOf20250326(t *testing.T) {
	for _, c := range []struct {
		what     string
		document bool
	}{{"with metadata at its root", true}, {"without metadata", false}} {
		t.Run(c.what, func(t *testing.T) {
			p := newPeer(t)
			p.issuer.Close()
			one := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				switch {
				case r.URL.Path == "/mcp":
					p.serveResource(w, r)
				case strings.HasPrefix(r.URL.Path, "/.well-known/oauth-protected-resource"),
					strings.HasPrefix(r.URL.Path, "/.well-known/") && !c.document:
					http.NotFound(w, r)
				default:
					p.serveIssuer(w, r)
				}
			}))
			defer one.Close()
			p.server.Close()
			p.server, p.issuer = one, one
			p.challenge = func(*peer, *http.Request, oauth.Challenge) string { return "" }
			p.back = func(_ *peer, q url.Values) { q.Del("iss") }
			p.metadata = func(_ *peer, md map[string]any) { delete(md, "authorization_response_iss_parameter_supported") }
			admitted(t, dial(t, p, client.Options{}), p)
			if p.count("register") != 1 || p.authz[0].Get("resource") != p.address() {
				t.Errorf("asked %v with resource %q", p.seen, p.authz[0].Get("resource"))
			}
		})
	}
}

// CL-SSRF-PRIVATE-IP, CL-SSRF-CONSIDER: a chain that began in public never leads to this machine.
func TestPublicServerCannotNameLoopback(t *testing.T) {
	touched := false
	inside := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { touched = true }))
	defer inside.Close()
	for _, at := range []string{inside.URL + "/doc", strings.Replace(inside.URL, "http:", "https:", 1) + "/doc", "https://localhost/doc", "https://169.254.169.254/doc", "https://10.0.0.1/doc", "file:///etc/passwd"} {
		public := roundTrip(func(r *http.Request) (*http.Response, error) {
			w := httptest.NewRecorder()
			w.Header().Set("WWW-Authenticate", `Bearer resource_metadata="`+at+`"`)
			w.WriteHeader(401)
			return w.Result(), nil
		})
		tr, err := client.New("https://mcp.example.com/mcp", client.Options{Browser: browse, Base: public})
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := post(t, tr, "https://mcp.example.com/mcp", ""); !errors.Is(err, client.ErrSignIn) || !strings.Contains(err.Error(), "not allowed") {
			t.Errorf("%s: got %v, want that the address is not allowed", at, err)
		}
	}
	if touched {
		t.Error("the server on loopback was reached")
	}
}

// RFC 6750 §5.3: no token over plain http, except to this machine.
func TestPlainHTTPGetsNoToken(t *testing.T) {
	base := roundTrip(func(*http.Request) (*http.Response, error) {
		w := httptest.NewRecorder()
		w.WriteHeader(401)
		return w.Result(), nil
	})
	tr, err := client.New("http://mcp.example.com/mcp", client.Options{Browser: browse, Base: base})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := post(t, tr, "http://mcp.example.com/mcp", ""); err == nil || !strings.Contains(err.Error(), "not https") {
		t.Errorf("got %v, want that it is not https", err)
	}
}
