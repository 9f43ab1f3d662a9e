package main

import (
	"net/http"
	"slices"
	"strings"
	"testing"
)

// preflight asks as a browser does before a page's request.
func (s *server) preflight(t testing.TB, path, method, origin, headers string) answer {
	t.Helper()
	r := request(t, "OPTIONS", s.at(path), "", "Origin", origin, "Access-Control-Request-Method", method)
	if headers != "" {
		r.Header.Set("Access-Control-Request-Headers", headers)
	}
	return do(t, http.DefaultClient, r)
}

func words(header string) (all []string) {
	for w := range strings.SplitSeq(header, ",") {
		all = append(all, strings.ToLower(strings.TrimSpace(w)))
	}
	return all
}

func (a answer) lists(t testing.TB, header string, want ...string) {
	t.Helper()
	have := words(a.Header.Get(header))
	for _, w := range want {
		if !slices.Contains(have, w) {
			t.Errorf("%s %s: %s lacks %s: %v", a.Request.Method, a.Request.URL.Path, header, w, have)
		}
	}
}

const inspector = "http://localhost:6274"

// Pages of clients (Inspector, web IDEs) can do all that a program can, and read every refusal; people's pages have none of it.
func TestCORS(t *testing.T) {
	s := protect(t)
	_, got := s.connect()
	programs := []string{"/.well-known/oauth-protected-resource/mcp", "/.well-known/oauth-protected-resource", "/.well-known/oauth-authorization-server", "/.well-known/openid-configuration",
		"/.well-known/nothing", "/register", "/token", "/revoke", "/jwks", "/nothing"}

	as(t, s, "preflights of programs' addresses", func(t *testing.T) {
		for _, path := range programs {
			a := s.preflight(t, path, "POST", "https://ide.example", "content-type")
			if a.StatusCode != 204 || a.Header.Get("Access-Control-Allow-Origin") != "*" || a.Header.Get("Access-Control-Allow-Credentials") != "" {
				t.Errorf("%s: %s %v", path, a.Status, a.Header)
			}
		}
	})
	as(t, s, "preflights of the server", func(t *testing.T) {
		for _, method := range []string{"GET", "POST", "DELETE"} {
			a := s.preflight(t, "/mcp", method, inspector, "authorization, mcp-param-city, Mcp-Param-Zip_Code, x-other")
			if a.StatusCode != 204 || a.Header.Get("Access-Control-Allow-Origin") != inspector || a.Header.Get("Vary") != "Origin" || a.Header.Get("Access-Control-Allow-Credentials") != "" {
				t.Errorf("%s: %s %v", method, a.Status, a.Header)
			}
			a.lists(t, "Access-Control-Allow-Methods", "get", "post", "delete", "options")
			a.lists(t, "Access-Control-Allow-Headers", "authorization", "content-type", "accept", "last-event-id", "mcp-protocol-version", "mcp-session-id", "mcp-method", "mcp-name", "dpop", "mcp-param-city", "mcp-param-zip_code")
			if slices.Contains(words(a.Header.Get("Access-Control-Allow-Headers")), "x-other") {
				t.Error("any header is allowed")
			}
		}
		a := s.preflight(t, "/mcp", "POST", inspector, "mcp-param-a\"b, mcp-param-<x>")
		if h := a.Header.Get("Access-Control-Allow-Headers"); strings.ContainsAny(h, "\"<") {
			t.Errorf("the answer repeats %s", h)
		}
	})
	as(t, s, "preflights of the server from elsewhere", func(t *testing.T) {
		for _, origin := range []string{"https://evil.example", "null"} {
			if a := s.preflight(t, "/mcp", "POST", origin, "authorization"); a.Header.Get("Access-Control-Allow-Origin") != "" {
				t.Errorf("%s is let: %v", origin, a.Header)
			}
		}
	})
	as(t, s, "answers and refusals can be read", func(t *testing.T) {
		exposed := []string{"www-authenticate", "mcp-session-id", "mcp-protocol-version", "dpop-nonce", "retry-after"}
		for name, a := range map[string]answer{
			"200": s.call(got.Access, "whoami", "{}", "Origin", inspector), "401": s.call("", "whoami", "{}", "Origin", inspector), "400": s.send(got.Access, "{", "Origin", inspector),
		} {
			if a.Header.Get("Access-Control-Allow-Origin") != inspector {
				t.Errorf("%s: %v", name, a.Header)
			}
			a.lists(t, "Access-Control-Expose-Headers", exposed...)
		}
		for path, want := range map[string]int{"/nothing": 404, "/.well-known/nothing": 404, "/token": 405, "/jwks": 200} {
			a := s.get(path, "", "Origin", "https://ide.example")
			if a.StatusCode != want || a.Header.Get("Access-Control-Allow-Origin") != "*" {
				t.Errorf("%s: %s %v", path, a.Status, a.Header)
			}
			a.lists(t, "Access-Control-Expose-Headers", exposed...)
		}
	})
	as(t, s, "people's pages have none", func(t *testing.T) {
		for _, path := range []string{"/authorize", "/sign-in", "/consent", "/link/x", "/sign-out", "/"} {
			for name, a := range map[string]answer{"a page": s.get(path, "", "Origin", inspector), "a preflight": s.preflight(t, path, "POST", inspector, "content-type"), "another method": do(t, http.DefaultClient, request(t, "PUT", s.at(path), "", "Origin", inspector))} {
				for header := range a.Header {
					if strings.HasPrefix(header, "Access-Control-") {
						t.Errorf("%s, %s: %s: %s", path, name, header, a.Header.Get(header))
					}
				}
			}
		}
	})
}
