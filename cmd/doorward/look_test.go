package main

import (
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// On its start the gateway looks at itself through its public address, and says what a proxy before it changes, hides or loses.
func TestALookFromOutside(t *testing.T) {
	for name, c := range map[string]struct {
		proxy func(*httputil.ReverseProxy)
		says  string
	}{
		"nothing is wrong": {func(*httputil.ReverseProxy) {}, "seen from outside, everything is right"},
		"a lost challenge": {func(p *httputil.ReverseProxy) {
			p.ModifyResponse = func(r *http.Response) error { r.Header.Del("Www-Authenticate"); return nil }
		}, "the 401 has lost its WWW-Authenticate header"},
		"a lost token":    {rewriting(func(r *http.Request) { r.Header.Del("Authorization") }), "the Authorization header does not arrive"},
		"another host":    {rewriting(func(r *http.Request) { r.Host = "inside.example" }), "the Host header that arrives is not that of public_url"},
		"a hidden folder": {rewriting(func(r *http.Request) { r.URL.Path = strings.Replace(r.URL.Path, "/.well-known/", "/hidden/", 1) }), "it answers 404 where a document must be"},
		"a lost path":     {rewriting(func(r *http.Request) { r.URL.Path = strings.TrimPrefix(r.URL.Path, "/mcp") }), "where it must answer 401"},
		"a lost id": {func(p *httputil.ReverseProxy) {
			p.ModifyResponse = func(r *http.Response) error { r.Header.Del("X-Request-Id"); return nil }
		}, "the X-Request-Id header is lost"},
		"a redirect": {func(p *httputil.ReverseProxy) {
			p.ModifyResponse = func(r *http.Response) error {
				if r.Request.URL.Path == "/mcp" {
					r.StatusCode = 301
					r.Header.Set("Location", "/mcp/")
				}
				return nil
			}
		}, "it redirects (301) to /mcp/"},
	} {
		t.Run(name, func(t *testing.T) {
			port := freePort(t)
			to, err := url.Parse("http://127.0.0.1:" + port)
			if err != nil {
				t.Fatal(err)
			}
			proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to); r.Out.Host = r.In.Host }}
			c.proxy(proxy)
			public := httptest.NewTLSServer(proxy)
			defer public.Close()
			authority := filepath.Join(t.TempDir(), "ca.pem")
			if err := os.WriteFile(authority, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: public.Certificate().Raw}), 0o600); err != nil {
				t.Fatal(err)
			}
			s := protectFile(t, "public_url: "+public.URL+"\nlisten: 127.0.0.1:"+port+"\ndata: $DIR/data\npolicy: scopes-only\nregistration: {mode: open}\nservers:\n  mcp: {path: /mcp, demo: true}\n", "SSL_CERT_FILE="+authority)
			until := time.Now().Add(20 * time.Second)
			for !strings.Contains(s.stderr.String(), c.says) {
				if time.Now().After(until) {
					t.Fatalf("it never says %q\n%s", c.says, s.stderr)
				}
				time.Sleep(20 * time.Millisecond)
			}
		})
	}
}

func rewriting(change func(*http.Request)) func(*httputil.ReverseProxy) {
	return func(p *httputil.ReverseProxy) {
		set := p.Rewrite
		p.Rewrite = func(r *httputil.ProxyRequest) { set(r); change(r.Out) }
	}
}
